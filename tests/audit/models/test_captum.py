"""Why captum's wrapper for language models is not used."""

from __future__ import annotations

import re
import warnings

import pytest
import torch
from captum.attr import FeatureAblation, LLMAttribution, TextTemplateInput

from audit.models import Attribute, Attributed
from audit.models.causal import CausalModel
from tests.audit.models.tiny import ByHand

PROMPT, ANSWER = "The red cat sleeps in the", " garden and the river."


def by_captum(model: CausalModel, answer: str, **how: bool) -> list[float]:
    """Leave-one-out over words; deleting a word's text here deletes the same tokens as ours."""
    words = re.findall(r"\s*\S+", PROMPT)
    asked = TextTemplateInput("{}" * len(words), values=words, baselines=[""] * len(words))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrapper = LLMAttribution(FeatureAblation(model.scorer.model), model.encoder.tokenizer)
        found = wrapper.attribute(asked, target=answer, **how)
    return [float(score) for score in torch.atleast_1d(found.seq_attr.squeeze())]


def ours(model: CausalModel, answer: str) -> Attributed:
    [found] = model.attribute([Attribute(PROMPT, answer)])
    assert isinstance(found, Attributed)
    return found


def test_ours_is_captums_without_its_cache(llama: CausalModel) -> None:
    """One pass over prompt and answer, as the safe call makes it."""
    found = ours(llama, ANSWER)
    assert found.full == pytest.approx(ByHand(llama).row(*llama.encoder.pair(PROMPT, ANSWER)).logprob, abs=1e-3)
    safe = by_captum(llama, ANSWER, use_cached_outputs=False, forward_in_tokens=False)
    assert found.scores == pytest.approx(safe, abs=1e-3)


def test_captums_defaults_are_wrong_for_answers_of_several_tokens(llama: CausalModel) -> None:
    found, default = ours(llama, ANSWER), by_captum(llama, ANSWER)
    if default == pytest.approx(found.scores, abs=1e-2):
        pytest.skip("the installed captum and transformers agree again; the wrapper may be reconsidered")
    assert max(abs(a - b) for a, b in zip(found.scores, default, strict=True)) > 0.1


def test_captums_defaults_are_right_for_one_token(llama: CausalModel) -> None:
    assert ours(llama, " garden").scores == pytest.approx(by_captum(llama, " garden"), abs=1e-3)
