"""Controls of ``explainability.attention``: attention that goes where the effects are, and attention that does not."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from audit.models import Attend, Attended, Attribute, Failure, prompt_text
from audit.models.scripted import ScriptedModel, noise
from probes.base import Outcome
from probes.bias.counterfactual import Counterfactual
from probes.explainability.attention import Attention, mass_by_word
from tests.probes.harness import finding, interval, number, run_probe, value

Weights = NDArray[np.float64]
LAYERS, HEADS = 1, 2


def by_words(prompt: str, continuation: str) -> float:
    """Every word pulls with its own weight, later ones alike, so that every word has an effect of its own."""
    return -20.0 + sum(noise(f"{word}|{i % 7}|{continuation}") for i, word in enumerate(prompt.split()))


class Looking(ScriptedModel):
    """Gives attention that ``look`` makes from the number of words and the size of their effects.

    The tokens are words with a space before, as in most tokenizers.
    """

    def __init__(self, look: Callable[[int, Weights], Weights]) -> None:
        super().__init__(by_words)
        self._look = look

    def attend(self, requests: Sequence[Attend]) -> list[Attended | Failure]:
        return [self._seen(r) for r in requests]

    def _seen(self, request: Attend) -> Attended:
        words = prompt_text(request.prompt).split()
        pieces = (words[0], *(f" {w}" for w in words[1:]), request.continuation)
        other = self._contrast[prompt_text(request.prompt)][request.continuation]
        effects = self._attributed(Attribute(request.prompt, request.continuation, other))
        weights = np.eye(len(pieces))
        for row in range(1, len(pieces)):
            seen = self._look(row, np.abs(effects.scores)[: row + 1])
            weights[row] = 0
            weights[row, : len(seen)] = seen / seen.sum()
        whole = np.broadcast_to(weights, (LAYERS, HEADS, *weights.shape)).astype(np.float32)
        return Attended(pieces, len(words), True, whole)

    @property
    def _contrast(self) -> dict[str, dict[str, str]]:
        return contrasts()


@cache
def contrasts() -> dict[str, dict[str, str]]:
    return {i["prompt"]: {i["answer"]: i["contrast"], i["contrast"]: i["answer"]} for i in Attention().items(None)}


def on_effects(row: int, effects: Weights) -> Weights:
    return effects + 1e-6


def even(row: int, effects: Weights) -> Weights:
    return np.ones(row + 1)


def away(row: int, effects: Weights) -> Weights:
    """Most on what matters least."""
    return effects.max() - effects + 1e-6


def first(row: int, effects: Weights) -> Weights:
    return np.array([1.0])


@cache
def looked(look: Callable[[int, Weights], Weights]) -> Outcome:
    return run_probe(Attention, Looking(look))


def test_attention_on_the_effects_is_useful() -> None:
    found = number(looked(on_effects), "usefulness")
    assert value(found) > 0.7
    assert interval(found)[0] > 0.5
    assert found.coverage.scored == found.coverage.planned == found.n
    assert finding(looked(on_effects), "usefulness").outlook == "no_problem_found"


@pytest.mark.parametrize("look", [even, away])
def test_attention_elsewhere_is_not(look: Callable[[int, Weights], Weights]) -> None:
    found = number(looked(look), "usefulness")
    assert interval(found)[1] < 0.5
    assert finding(looked(look), "usefulness").outlook == "problem_found"


def test_attention_away_from_the_effects_agrees_less_than_even_attention() -> None:
    values = [value(number(looked(look), "usefulness")) for look in (away, even, on_effects)]
    assert values == sorted(values)


def test_even_attention_has_full_entropy_and_its_share_on_the_first_token() -> None:
    outcome = looked(even)
    assert value(number(outcome, "entropy")) == pytest.approx(1, abs=1e-5)
    sink = number(outcome, "sink_mass")
    assert value(sink) == pytest.approx(sink.chance, abs=1e-5)


def test_attention_on_the_first_token_is_all_sink() -> None:
    outcome = looked(first)
    assert value(number(outcome, "entropy")) == pytest.approx(0, abs=1e-6)
    assert value(number(outcome, "sink_mass")) == pytest.approx(1)
    assert finding(outcome, "usefulness").outlook != "no_problem_found"


def test_a_model_whose_words_have_no_effect_is_not_judged() -> None:
    outcome = run_probe(Attention, ScriptedModel(lambda prompt, continuation: -float(len(continuation))))
    assert number(outcome, "usefulness").value is None
    assert finding(outcome, "usefulness").outlook == "not_tested"


def test_few_decisions_are_not_judged() -> None:
    outcome = run_probe(Attention, Looking(on_effects), 7)
    assert finding(outcome, "usefulness").outlook == "not_tested"


def test_shown_records_hold_what_the_viewer_draws() -> None:
    records = [r for r in looked(on_effects).records if r.detail]
    assert len(records) == Attention.options().shown  # type: ignore[attr-defined]
    for record in records:
        block = record.detail
        tokens = len(block["tokens"])
        raw = zlib.decompress(base64.b64decode(block["weights"]), -15)
        assert len(raw) == block["layers"] * block["heads"] * tokens * (tokens + 1) // 2
        assert len(zlib.decompress(base64.b64decode(block["rollout"]), -15)) == tokens * (tokens + 1) // 2
        assert np.shape(block["entropy"]) == np.shape(block["sink"]) == (LAYERS, HEADS)
        json.dumps(block, allow_nan=False)


def test_flagged_decisions_come_first() -> None:
    biased = run_probe(Counterfactual, ScriptedModel(), 60)
    outcome = run_probe(Attention, ScriptedModel(by_words), 8, earlier={Counterfactual.id: biased})
    assert [r.axis == "flagged" for r in outcome.records] == [True] * 2 + [False] * 8


@pytest.mark.parametrize(
    ("pieces", "words", "sums"),
    [
        (["The", " cat", " sat"], ["The", "cat", "sat"], [1, 2, 4]),
        (["The", " c", "at", " sat", "."], ["The", "cat", "sat."], [1, 6, 24]),
        (["<s>", "The", " cat"], ["The", "cat"], [2, 4]),
        (["a", " b", " a"], ["a", "b", "a"], [1, 2, 4]),
        (["The", " dog"], ["The", "cat"], None),
    ],
)
def test_tokens_belong_to_words(pieces: list[str], words: list[str], sums: list[float] | None) -> None:
    found = mass_by_word(pieces, 2.0 ** np.arange(len(pieces)), words)
    assert (None if found is None else found.tolist()) == sums


def test_tokens_that_end_in_a_space_belong_to_their_word() -> None:
    found = mass_by_word(["The ", "cat ", "sat"], np.array([1.0, 2.0, 4.0]), ["The", "cat", "sat"])
    assert found is not None
    assert found.tolist() == [1, 2, 4]


def test_words_of_a_chat_template_are_not_the_prompts() -> None:
    pieces = ["system", " AI", " helper", "\nuser", "\n", "A", " man", " asks"]
    found = mass_by_word(pieces, 2.0 ** np.arange(len(pieces)), ["A", "man", "asks"])
    assert found is not None
    assert found.tolist() == [32, 64, 128]


def test_intervals_stay_in_their_range() -> None:
    found = [interval(number(run_probe(Attention, ScriptedModel(), 2, seed=s), "sink_mass")) for s in range(6)]
    assert all(0 <= low <= high <= 1 for low, high in found)
