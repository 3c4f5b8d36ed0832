"""Keys and values that grow in place are those that transformers would join."""

from __future__ import annotations

import torch
from transformers.cache_utils import DynamicLayer

from audit.models.causal import CausalModel
from audit.models.growing import ROOM, GrowingLayer, branched, bytes_per_token, growing_cache, leave


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


def test_rows_leave_in_place(llama: CausalModel) -> None:
    """Those behind move into the places that are free; nothing else is copied, and the rest grows on."""
    one, two = (growing_cache(llama.scorer.model.config) for _ in range(2))
    for cache in (one, two):
        for layer in cache.layers:
            filled(layer, [4, 1], rows=5)
    buffer = one.layers[0]._buffers[0]
    order = leave(one, [1, 3, 4])
    assert order == [3, 1, 4]
    assert one.layers[0]._buffers[0].data_ptr() == buffer.data_ptr()
    for a, b in zip(one.layers, two.layers, strict=True):
        b.batch_select_indices(torch.tensor(order))
        assert same(a, b)
        assert same(filled(a, [1]), filled(b, [1]))


def test_rows_leave_layers_without_room(llama: CausalModel) -> None:
    """As those of which rows were selected, before anything is added."""
    cache = growing_cache(llama.scorer.model.config)
    assert leave(cache, [1]) == [1]
    for layer in cache.layers:
        filled(layer, [3], rows=3).batch_select_indices(torch.tensor([2, 0, 1]))
    before = [layer.keys.clone() for layer in cache.layers]
    assert leave(cache, [0, 2]) == [0, 2]
    assert all(torch.equal(layer.keys, keys[[0, 2]]) for layer, keys in zip(cache.layers, before, strict=True))


def test_rows_leave_layers_that_do_not_grow_in_place(gemma: CausalModel) -> None:
    cache = growing_cache(gemma.scorer.model.config)
    for layer in cache.layers:
        filled(layer, [3], rows=3)
    before = [layer.keys.clone() for layer in cache.layers]
    assert leave(cache, [2]) == [2]
    assert all(torch.equal(layer.keys, keys[2:]) for layer, keys in zip(cache.layers, before, strict=True))


def test_tokens_read_in_one_sequence_become_rows() -> None:
    generator = torch.Generator().manual_seed(0)
    keys, values = (torch.randn((1, 2, 6, 4), generator=generator) for _ in range(2))
    layer = GrowingLayer()
    layer.place(torch.tensor([2, 0]), keys, values, torch.tensor([[0, 1, 5], [0, 0, 3]]), (3, 8))
    layer.place(torch.tensor([1]), keys, values, torch.tensor([[2, 3, 4]]), (3, 8))
    assert layer.get_seq_length() == 3
    for row, places in enumerate(([0, 0, 3], [2, 3, 4], [0, 1, 5])):
        assert torch.equal(layer.keys[row], keys[0][:, places])
        assert torch.equal(layer.values[row], values[0][:, places])
    buffer = layer._buffers
    filled(layer, [1] * 5)
    assert layer._buffers is buffer  # room was made for eight
