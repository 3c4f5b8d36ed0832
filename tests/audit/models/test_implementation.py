"""The attention kernel in use for a while, and every part's own afterwards."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, SiglipVisionConfig

from audit.models.causal import CausalModel
from audit.models.implementation import implementation


def two_towers() -> LlavaForConditionalGeneration:
    """A model whose parts compute with different kernels, as where one does not take a kernel."""
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = SiglipVisionConfig(**sizes, image_size=8, patch_size=4)
    with torch.device("meta"):
        model = LlavaForConditionalGeneration(
            LlavaConfig(vision_config=vision, text_config=LlamaConfig(**sizes, vocab_size=32))
        )
    model.set_attn_implementation({"vision_config": "eager", "text_config": "sdpa"})
    return model


def kernels(model: LlavaForConditionalGeneration) -> list[str]:
    config = model.config
    return [c._attn_implementation for c in (config, config.text_config, config.vision_config)]


def test_every_part_has_its_own_again() -> None:
    model = two_towers()
    before = kernels(model)
    assert len(set(before)) == 2
    with implementation(model, "eager"):
        assert set(kernels(model)) == {"eager"}
    assert kernels(model) == before


def test_also_where_a_part_would_refuse_the_kernel_that_the_whole_had(monkeypatch: pytest.MonkeyPatch) -> None:
    model = two_towers()
    before = kernels(model)

    def refused(name: str) -> None:
        model.config.text_config._attn_implementation_internal = name  # half of it is done by then
        raise ValueError("a tower does not support it")

    with implementation(model, "eager"):
        monkeypatch.setattr(model, "set_attn_implementation", refused)
    assert kernels(model) == before
    with pytest.raises(ValueError, match="tower"), implementation(model, "eager"):
        pytest.fail("not entered")
    assert kernels(model) == before


def test_an_error_inside_leaves_nothing_behind(llama: CausalModel) -> None:
    used: list[str] = []

    def fail() -> None:
        with implementation(llama.network, "eager"):
            used.append(llama.network.config._attn_implementation)
            raise RuntimeError("inside")

    before = llama.network.config._attn_implementation
    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert (before, used) == ("sdpa", ["eager"])
    assert llama.network.config._attn_implementation == before
