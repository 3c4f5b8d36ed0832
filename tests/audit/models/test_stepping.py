"""Attention of one new token a row against transformers' own function, and where it is left to that."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from audit.models import Generate, stepping
from tests.audit.models.tiny import open_folder

ROWS, HEADS, TOKENS, WIDTH = 5, 6, 11, 8


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def layer(groups: int) -> Any:
    return SimpleNamespace(num_key_value_groups=groups, is_causal=True)


def hidden(boolean: bool = False, heads: int = 1) -> Tensor:
    """The first tokens of each row but one."""
    seen = torch.arange(TOKENS)[None] >= torch.arange(ROWS)[:, None]
    seen = seen[:, None, None].expand(ROWS, heads, 1, TOKENS)
    return seen if boolean else torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)


@pytest.mark.parametrize("kept", [1, 2, 3, 6])
@pytest.mark.parametrize("scaling", [None, 0.3])
@pytest.mark.parametrize("mask", [None, hidden()])
@pytest.mark.parametrize("wide", [WIDTH, 5])  # values of another width than keys, as with compressed keys
def test_it_gives_what_transformers_gives(
    kept: int, scaling: float | None, mask: Tensor | None, wide: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = numbers(ROWS, HEADS, 1, WIDTH)
    # Keys and values as they lie in a buffer with room.
    key = numbers(ROWS, kept, TOKENS + 7, WIDTH, seed=1)[:, :, :TOKENS]
    value = numbers(ROWS, kept, TOKENS + 7, wide, seed=2)[:, :, :TOKENS]
    expected, _ = sdpa_attention_forward(layer(HEADS // kept), query, key, value, mask, scaling=scaling)
    monkeypatch.setattr(stepping, "sdpa_attention_forward", lambda *_, **__: pytest.fail("left to transformers"))
    found, weights = stepping.attention(layer(HEADS // kept), query, key, value, mask, scaling)
    assert weights is None
    assert found.shape == expected.shape == (ROWS, 1, HEADS, wide)
    assert torch.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(("asking", "mask"), [(1, hidden(True)), (1, hidden(heads=HEADS)), (4, None), (4, hidden())])
def test_other_masks_and_more_queries_give_the_same_numbers(asking: int, mask: Tensor | None) -> None:
    query, key = numbers(ROWS, HEADS, asking, WIDTH), numbers(ROWS, 2, TOKENS, WIDTH, seed=1)
    expected, _ = sdpa_attention_forward(layer(3), query, key, key, mask)
    assert torch.equal(stepping.attention(layer(3), query, key, key, mask)[0], expected)


def test_what_it_does_not_compute_is_left_to_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def other(*_: Any, **named: Any) -> tuple[str, None]:
        asked.append(named)
        return "theirs", None

    monkeypatch.setattr(stepping, "sdpa_attention_forward", other)
    query, key = numbers(ROWS, HEADS, 1, WIDTH), numbers(ROWS, 2, TOKENS, WIDTH)
    biased = stepping.attention(layer(3), query, key, key, None, 0.5, position_bias=numbers(1, HEADS, 1, TOKENS))
    capped = stepping.attention(layer(3), query, key, key, None, softcap=30.0)
    assert (biased[0], capped[0]) == ("theirs", "theirs")
    assert (asked[0]["scaling"], asked[1]["softcap"]) == (0.5, 30.0)


def test_answers_are_written_by_it_and_the_models_own_way_comes_back(
    llama_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = open_folder(llama_folder)
    asked = [Generate(prompt, 6) for prompt in ("The river runs", "In", "A house by the sea is")]
    used: list[str] = []
    step = model._generator._step

    def watched(**inputs: Any) -> Tensor:
        used.append(model.network.config._attn_implementation)
        return step(**inputs)

    monkeypatch.setattr(model._generator, "_step", watched)
    found = model.generate(asked)
    assert set(used) == {stepping.NAME}
    assert model.network.config._attn_implementation == "sdpa"
    monkeypatch.setattr(stepping, "fits", lambda _: False)
    used.clear()
    assert [answer.text for answer in model.generate(asked)] == [answer.text for answer in found]
    assert set(used) == {"sdpa"}


@pytest.mark.parametrize(
    ("device", "dtype", "kernel", "expected"),
    [
        ("cpu", torch.float32, "sdpa", True),
        ("cuda", torch.float32, "sdpa", False),
        ("cpu", torch.bfloat16, "sdpa", False),
        ("cpu", torch.float32, "eager", False),
    ],
)
def test_where_it_fits(device: str, dtype: torch.dtype, kernel: str, expected: bool) -> None:
    config = SimpleNamespace(_attn_implementation=kernel)
    assert stepping.fits(SimpleNamespace(device=torch.device(device), dtype=dtype, config=config)) is expected
