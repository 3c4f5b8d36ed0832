"""The scripted model keeps the same contracts as real ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from audit.models import (
    Ablate,
    Ablated,
    Attend,
    Attended,
    Attribute,
    Attributed,
    CanAttend,
    CanAttribute,
    CanGenerate,
    CanScore,
    CanScoreTokens,
    Capability,
    Failure,
    Generate,
    Generated,
    Model,
    Request,
    Score,
    Scored,
    ScoreTokens,
    TokensScored,
    answer,
    chunks,
    decode,
    encode,
    user,
)
from audit.models.causal import CausalModel
from audit.models.scripted import ScriptedModel, noise

PROMPT = "the red cat sleeps"
ASKED: list[Request] = [
    Score(PROMPT, " well"),
    Score(user(PROMPT), "well"),
    ScoreTokens(PROMPT),
    Generate(PROMPT, 5),
    Attend(PROMPT, " well"),
    Attribute(PROMPT, " well", " badly"),
    Ablate(PROMPT, " well", kept=((0, 2), ())),
]
KINDS = {
    Score: Scored,
    ScoreTokens: TokensScored,
    Generate: Generated,
    Attend: Attended,
    Attribute: Attributed,
    Ablate: Ablated,
}


def likes_cats(prompt: str, continuation: str) -> float:
    return -1.0 - ("cat" not in prompt.split())


@pytest.mark.parametrize("protocol", [CanScore, CanScoreTokens, CanGenerate, CanAttend, CanAttribute])
def test_both_models_can_all(protocol: type, llama: CausalModel) -> None:
    assert isinstance(ScriptedModel(), protocol)
    assert isinstance(llama, protocol)


def test_both_are_models(llama: CausalModel) -> None:
    models: list[Model] = [ScriptedModel(), llama]
    for model in models:
        assert sorted(model.capabilities) == model.facts.capabilities
        assert len(model.fingerprint) == 64


@pytest.mark.parametrize("request_", ASKED, ids=lambda r: type(r).__name__)
def test_each_request_gets_its_kind_of_answer(request_: Request, llama: CausalModel) -> None:
    models: list[Model] = [ScriptedModel(), llama]
    for model in models:
        [found] = answer(model, [request_])
        assert isinstance(found, KINDS[type(request_)])
        assert encode(decode(encode(found))) == encode(found)


@pytest.mark.parametrize("request_", ASKED, ids=lambda r: type(r).__name__)
def test_the_same_question_gets_the_same_answer(request_: Request) -> None:
    one, two = ScriptedModel(), ScriptedModel()
    assert encode(answer(one, [request_])[0]) == encode(answer(two, [request_])[0])
    both = answer(one, [request_, request_])
    assert encode(both[0]) == encode(both[1])


def test_a_script_is_obeyed() -> None:
    model = ScriptedModel(score=likes_cats, write=lambda prompt: prompt.upper())
    assert model.score([Score(PROMPT, "x"), Score("the dog", "x")]) == [Scored(-1.0, 1, False), Scored(-2.0, 1, False)]
    [written] = model.generate([Generate("hello there", 5)])
    assert isinstance(written, Generated)
    assert (written.text, written.tokens, written.finish) == ("HELLO THERE", 2, "stop")


def test_attributions_find_the_word_that_decides() -> None:
    model = ScriptedModel(score=likes_cats)
    [found] = model.attribute([Attribute(PROMPT, "x")])
    assert found == Attributed(("the", "red", "cat", "sleeps"), (0.0, 0.0, 1.0, 0.0), -1.0, -2.0)
    [kept] = model.ablate([Ablate(PROMPT, "x", kept=((2,), (0, 1), (0, 1, 2, 3), ()))])
    assert kept == Ablated((-1.0, -2.0, found.full, found.empty))
    [even] = model.attribute([Attribute(PROMPT, "x", "y")])
    assert even == Attributed(found.units, (0.0,) * 4, 0.0, 0.0)


def test_attention_is_even() -> None:
    [found] = ScriptedModel().attend([Attend(PROMPT, "well")])
    assert isinstance(found, Attended)
    assert found.weights.shape == (2, 2, 5, 5)
    assert len(found.tokens) == 5
    assert found.prompt_tokens == 4
    assert found.weights.sum(-1) == pytest.approx(1)
    assert (np.triu(found.weights, 1) == 0).all()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_failures(value: float) -> None:
    [found] = ScriptedModel(score=lambda *_: value).score([Score(PROMPT, "x")])
    assert isinstance(found, Failure)
    assert found.status == "not_a_number"


def test_names_and_capabilities() -> None:
    model = ScriptedModel(capabilities=frozenset({Capability.SCORE}), name="mute")
    assert model.facts.capabilities == ["score"]
    assert model.facts.name == "mute"
    assert model.fingerprint != ScriptedModel().fingerprint


def test_noise_is_spread_and_fixed() -> None:
    found = [noise(str(n)) for n in range(500)]
    assert found == [noise(str(n)) for n in range(500)]
    assert 0 <= min(found) < 0.05 < 0.95 < max(found) < 1
    assert len(set(found)) == 500


def test_batches_do_not_depend_on_order() -> None:
    model = ScriptedModel()
    asked: list[Request] = [Score(str(n), "x") for n in range(40)]
    groups = model.batches(asked)
    assert model.batches(asked[::-1]) == groups
    assert [len(group) for group in groups] == [16, 16, 8]
    assert {r for group in groups for r in group} == set(asked)


def test_chunks() -> None:
    asked: list[Request] = [Score(str(n), "x") for n in range(5)]
    assert chunks(asked, 2) == [asked[:2], asked[2:4], asked[4:]]
    assert chunks([], 2) == []


class CanOnlyScore:
    """Has one method."""

    def score(self, requests: Any) -> list[Scored]:
        return [Scored(0.0, 1, True) for _ in requests]


def test_what_a_model_lacks_is_not_answered() -> None:
    model: Any = CanOnlyScore()
    assert answer(model, [ASKED[0]]) == [Scored(0.0, 1, True)]
    for request in ASKED[2:]:
        with pytest.raises(TypeError, match=f"CanOnlyScore cannot answer {type(request).__name__} requests"):
            answer(model, [request])
