"""Keys and values that grow in place are those that transformers would join."""

from __future__ import annotations

import torch
from transformers.cache_utils import DynamicLayer

from audit.models.causal import CausalModel
from audit.models.growing import ROOM, GrowingLayer, branched, bytes_per_token, growing_cache


def filled(layer: DynamicLayer, steps: list[int], rows: int = 3) -> DynamicLayer:
    generator = torch.Generator().manual_seed(0)
    for step in steps:
        layer.update(*(torch.randn((rows, 2, step, 4), generator=generator) for _ in range(2)))
    return layer


def same(one: DynamicLayer, two: DynamicLayer) -> bool:
    return torch.equal(one.keys, two.keys) and torch.equal(one.values, two.values)


def test_grown_as_joined() -> None:
    steps = [5, *[1] * (2 * ROOM)]
    assert same(filled(GrowingLayer(), steps), filled(DynamicLayer(), steps))


def test_rows_are_left_out_repeated_and_cropped() -> None:
    one, two = filled(GrowingLayer(), [4, 1, 1]), filled(DynamicLayer(), [4, 1, 1])
    for layer in (one, two):
        layer.batch_select_indices(torch.tensor([2, 0, 2]))
    assert same(one, two)
    assert same(filled(one, [1, 1]), filled(two, [1, 1]))
    for layer in (one, two):
        layer.crop(-3)
        layer.batch_repeat_interleave(2)
    assert same(one, two)
    assert same(filled(one, [2], rows=6), filled(two, [2], rows=6))


def test_a_branch_leaves_its_stem_alone(llama: CausalModel) -> None:
    model = llama.scorer.model
    with torch.inference_mode():
        stem = model(torch.tensor([[5, 6, 7]]), use_cache=True).past_key_values
        before = stem.layers[0].keys.clone()
        tail = torch.tensor([[8, 9]])
        found = model(tail, past_key_values=branched(stem)).logits
        whole = model(torch.cat([torch.tensor([[5, 6, 7]]), tail], 1)).logits[:, 3:]
    assert torch.equal(stem.layers[0].keys, before)
    assert torch.allclose(found, whole, atol=1e-4)


def test_layers_of_full_attention_grow_and_others_do_not(llama: CausalModel, gemma: CausalModel) -> None:
    assert all(type(layer) is GrowingLayer for layer in growing_cache(llama.scorer.model.config).layers)
    assert any(type(layer) is not GrowingLayer for layer in growing_cache(gemma.scorer.model.config).layers)


def test_bytes_of_a_token(llama: CausalModel) -> None:
    model = llama.scorer.model
    with torch.inference_mode():
        cache = model(torch.tensor([[5, 6, 7]]), use_cache=True).past_key_values
    kept = sum(t.numel() * t.element_size() for layer in cache.layers for t in (layer.keys, layer.values))
    assert bytes_per_token(model.config, torch.float32) == kept / 3
