"""The teacher-forced pass gives what the scorer gives, for every kind of model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from audit.models import Attribute, Attributed, Classified, Classify, Failure, Lens, Prompt, Score, Scored, answer, user
from audit.models.causal import CausalModel
from audit.models.masked import MaskedModel
from audit.models.seq2seq import Seq2SeqModel
from audit.models.whitebox import WhiteBox
from tests.audit.models.test_seq2seq import SOURCE, TARGET
from tests.audit.models.tiny_classifier import make_bert as make_classifier
from tests.audit.models.tiny_classifier import open_classifier, reviews
from tests.audit.models.tiny_masked import make_bert, open_masked

NEAR = 1e-4


def logprob(model: WhiteBox, prompt: Prompt, ending: str) -> float:
    forced = model.forced(prompt, ending)
    with torch.inference_mode():
        return float(forced.read(model.network(**forced.inputs)).sum())


def scored(model: CausalModel | Seq2SeqModel | MaskedModel, prompt: Prompt, answer: str) -> float:
    [found] = model.score([Score(prompt, answer)])
    assert isinstance(found, Scored)
    return found.logprob


@pytest.mark.parametrize("prompt", ["The red cat sleeps in the", user("Where is the red cat?"), ""])
@pytest.mark.parametrize("answer", [" garden and sleeps.", " river"])
def test_of_a_causal_model(model: CausalModel, prompt: Prompt, answer: str) -> None:
    assert logprob(model, prompt, answer) == pytest.approx(scored(model, prompt, answer), abs=NEAR)
    if prompt:
        forced = model.forced(prompt, answer)
        prompt_ids = forced.inputs["input_ids"][0, list(forced.prompt)]
        assert tuple(prompt_ids.tolist()) == model.encoder.units(prompt).ids


def test_of_an_encoder_decoder(translator: Seq2SeqModel) -> None:
    assert logprob(translator, SOURCE, TARGET) == pytest.approx(scored(translator, SOURCE, TARGET), abs=NEAR)
    forced = translator.forced(SOURCE, TARGET)
    assert tuple(forced.inputs["input_ids"][0].tolist()) == translator.encoder.units(SOURCE).ids


def test_of_a_masked_model(tmp_path: Path) -> None:
    model = open_masked(make_bert(tmp_path))
    for prompt in ("The red cat sleeps in the", user("Where is the red cat?")):
        for ending in (" garden.", " unhappy river"):
            assert logprob(model, prompt, ending) == pytest.approx(scored(model, prompt, ending), abs=NEAR)
        forced = model.forced(prompt, " garden.")
        for row in forced.inputs["input_ids"]:
            assert tuple(row[list(forced.prompt)].tolist()) == model.encoder.units(prompt).ids


def test_a_masked_models_answer_that_goes_on_with_the_prompts_last_word(tmp_path: Path) -> None:
    """Read apart they would be other tokens than those that are scored."""
    model = open_masked(make_bert(tmp_path, steps=1))
    for ending in ("t sleeps", "t"):
        for request in (Attribute("The red ca", ending), Attribute("The red ca", ending, method="saliency")):
            [found] = model.attribute([request])
            assert isinstance(found, Failure)
            assert "tokenised otherwise" in found.reason
    [found] = model.attribute([Attribute("The red ca", " sleeps", "t sleeps")])
    assert isinstance(found, Failure)
    [found] = model.attribute([Attribute("The red cat.", "The cat")])  # nothing is joined
    assert isinstance(found, Attributed)


def test_a_causal_models_answer_that_goes_on_with_the_prompts_last_word(model: CausalModel) -> None:
    """What is left of both texts would be scored after a prompt that is not theirs."""
    assert model.encoder.joins("The red ca", "t sleeps")
    for request in (
        Attribute("The red ca", "t sleeps"),
        Attribute("The red ca", " sleeps", "t sleeps", method="saliency"),
        Lens("The red ca", "t sleeps"),
    ):
        [found] = answer(model, [request])
        assert isinstance(found, Failure)
        assert "tokenised otherwise" in found.reason
    for prompt, ending in (
        ("The red cat.", "The cat"),
        ("The red cat ", "sleeps"),
        (user("The cat"), "sleeps"),
        ("", "The"),
    ):
        assert not model.encoder.joins(prompt, ending)


def test_of_a_classifier(tmp_path: Path) -> None:
    model = open_classifier(make_classifier(tmp_path, reviews(), steps=2))
    [found] = model.classify([Classify("a fine lamp")])
    assert isinstance(found, Classified)
    for label, probability in zip(found.labels, found.probabilities, strict=True):
        assert logprob(model, "a fine lamp", label) == pytest.approx(float(torch.tensor(probability).log()), abs=NEAR)
