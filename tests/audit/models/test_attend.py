"""Attention weights: whole, causal, and taken without a trace."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.models import Attend, Attended, Failure, Score, user
from audit.models.causal import CausalModel
from tests.audit.models.tiny import LONGEST, open_folder

ASKED = Attend("The red cat sleeps in the", " garden and the river")


def attended(model: CausalModel, request: Attend) -> Attended:
    [found] = model.attend([request])
    assert isinstance(found, Attended)
    return found


def test_shape_and_tokens(model: CausalModel) -> None:
    found = attended(model, ASKED)
    context, target = model.encoder.pair(ASKED.prompt, ASKED.continuation)
    config, size = model.scorer.model.config, len(context) + len(target)
    assert found.weights.shape == (config.num_hidden_layers, config.num_attention_heads, size, size)
    assert found.weights.dtype == np.float32
    assert len(found.tokens) == size
    assert found.prompt_tokens == len(context)
    assert "".join(found.tokens).removeprefix("<s>") == "The red cat sleeps in the garden and the river"


def test_rows_sum_to_one_and_nothing_looks_ahead(model: CausalModel) -> None:
    found = attended(model, ASKED)
    assert found.causal
    assert found.weights.sum(-1) == pytest.approx(1, abs=1e-5)
    assert (found.weights >= 0).all()
    assert (np.triu(found.weights, k=1) == 0).all()


def test_chat_and_empty_prompts(llama: CausalModel) -> None:
    for request in (Attend(user("Where is the dog?"), "The"), Attend("", "The"), Attend("The", "")):
        found = attended(llama, request)
        assert found.weights.sum(-1) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("part", ["cross", "encoder"])
def test_parts_that_it_does_not_have(llama: CausalModel, part: Any) -> None:
    found = llama.attend([Attend("The", " dog", part), Attend("The", " dog")])
    assert found[0] == Failure("failed", f"A causal language model has no {part} attention apart from its own.")
    assert isinstance(found[1], Attended)


def test_each_request_has_its_own_answer(model: CausalModel) -> None:
    other = Attend("The", " dog")
    both = model.attend([ASKED, other])
    for found, request in zip(both, [ASKED, other], strict=True):
        assert isinstance(found, Attended)
        assert np.array_equal(found.weights, attended(model, request).weights)


def test_scores_and_kernel_are_as_before(model: CausalModel) -> None:
    asked = [Score("The red cat sleeps in the", " garden"), Score("The", " blue dog")]
    kernel, before = model.scorer.model.config._attn_implementation, model.score(asked)
    model.attend([ASKED])
    assert model.scorer.model.config._attn_implementation == kernel
    assert model.score(asked) == before


def test_the_kernel_is_restored_after_an_error(model: CausalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = model.scorer.model.config._attn_implementation

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(model.scorer.model, "forward", fail)
        with pytest.raises(RuntimeError, match="out of memory"):
            model.attend([ASKED])
    assert model.scorer.model.config._attn_implementation == kernel


def test_weights_that_are_not_finite_are_a_failure(gpt2_folder: Path) -> None:
    model = open_folder(gpt2_folder)
    model.scorer.model.get_input_embeddings().weight.data.fill_(math.nan)
    [found] = model.attend([ASKED])
    assert isinstance(found, Failure)
    assert found.status == "not_a_number"


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_too_long_is_truncated(name: str, request: pytest.FixtureRequest) -> None:
    model: CausalModel = request.getfixturevalue(name)
    [found] = model.attend([Attend("The" + " cat" * LONGEST, " dog")])
    assert isinstance(found, Failure)
    assert found.status == "truncated"
