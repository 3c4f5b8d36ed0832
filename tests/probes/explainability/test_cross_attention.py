"""Controls of ``explainability.attention`` on encoder-decoders, and the numbers that it takes from their weights."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from audit.models import Attend, Attended, Capability, Failure, Request, prompt_text
from audit.models.scripted import ALL
from probes.base import Outcome
from probes.explainability.attention import Attention
from probes.explainability.cross_attention import cross_entropy, source_mass, source_shares
from tests.probes.explainability.test_attention import Looking, Weights, away, contrasts, even, on_effects
from tests.probes.harness import finding, interval, number, run_probe, value

LAYERS, HEADS, ANSWER = 2, 3, 4


class Translating(Looking):
    """An encoder whose tokens keep to themselves, or mix evenly, and a decoder that looks as it is told.

    The prompt ends in a token that is no word.
    """

    def __init__(self, look: object, mixing: bool = False, without: str | None = None) -> None:
        super().__init__(look)  # type: ignore[arg-type]
        self.capabilities = (ALL | {Capability.CROSS_ATTENTION}) - {Capability.GRADIENT}
        self.asked: list[Request] = []
        self._mixing, self._without = mixing, without

    def attend(self, requests: Sequence[Attend]) -> list[Attended | Failure]:
        self.asked += requests
        return [self._part(r) if r.part != self._without else Failure("truncated", "Too long.") for r in requests]

    def _part(self, request: Attend) -> Attended:
        words = prompt_text(request.prompt).split()
        sources = (words[0], *(f" {w}" for w in words[1:]), "</s>")
        size = len(sources)
        if request.part == "encoder":
            rows: Weights = np.full((size, size), 1 / size) if self._mixing else np.eye(size)
            whole = np.broadcast_to(rows, (LAYERS, HEADS, size, size)).astype(np.float32)
            return Attended(sources, size, False, whole)
        row = np.append(self._look(len(words) - 1, self.effects(request)), 0.0)
        whole = np.broadcast_to(row / row.sum(), (LAYERS, HEADS, ANSWER, size)).astype(np.float32)
        return Attended(tuple("abcd"), 0, False, whole, sources)


@cache
def looked(look: object, mixing: bool = False) -> Outcome:
    return run_probe(Attention, Translating(look, mixing))


def test_the_answers_look_at_the_prompt_is_asked_for() -> None:
    model = Translating(even)
    run_probe(Attention, model, 6)
    parts = [r.part for r in model.asked if isinstance(r, Attend)]
    assert sorted(parts) == ["cross"] * 7 + ["encoder"] * 7  # one of each for the gallery


def test_attention_on_the_effects_is_useful_and_attention_elsewhere_is_not() -> None:
    found = number(looked(on_effects), "usefulness")
    assert value(found) > 0.95
    assert interval(found)[0] > 0.5
    assert found.coverage.scored == found.coverage.planned == found.n
    assert finding(looked(on_effects), "usefulness").outlook == "no_problem_found"
    assert interval(number(looked(away), "usefulness"))[1] < -0.8
    assert finding(looked(away), "usefulness").outlook == "problem_found"


def test_an_encoder_that_mixes_all_words_leaves_nothing_of_it() -> None:
    """What the answer draws from a token is then all tokens alike but for the share that the token kept."""
    assert value(number(looked(on_effects, True), "usefulness")) > 0.9  # a quarter is kept: the order stays
    kept = source_shares(np.eye(4)[None, None], np.full((2, 1, 4, 4), 0.25))
    assert kept == pytest.approx(np.eye(4) / 4 + 3 / 16)


def test_both_parts_are_described() -> None:
    outcome = looked(even)
    size = np.mean([1 / (len(prompt_text(p).split()) + 1) for p in contrasts()])
    assert value(number(outcome, "entropy", "encoder")) == pytest.approx(0, abs=1e-6)
    assert value(number(looked(even, True), "entropy", "encoder")) == pytest.approx(1, abs=1e-6)
    assert 0.9 < value(number(outcome, "entropy")) < 1  # nothing rests on the end
    for part in (None, "encoder"):
        assert number(outcome, "sink_mass", part).chance == pytest.approx(size)
    mixed = number(looked(even, True), "sink_mass", "encoder")
    assert value(mixed) == pytest.approx(mixed.chance, abs=1e-5)
    assert {r.scores["end_mass"] for r in outcome.records if r.axis != "gallery"} == {0.0}


def test_shown_records_hold_what_the_viewer_draws() -> None:
    records = [r for r in looked(even).records if r.detail and r.axis != "gallery"]
    assert len(records) == 6
    for record in records:
        block = record.detail
        rows, columns = len(block["tokens"]), len(block["sources"])
        assert (rows, columns) == (ANSWER, len(record.input.split()) + 1)
        raw = zlib.decompress(base64.b64decode(block["weights"]), -15)
        assert len(raw) == LAYERS * HEADS * rows * columns
        assert len(zlib.decompress(base64.b64decode(block["rollout"]), -15)) == rows * columns
        assert np.shape(block["entropy"]) == np.shape(block["sink"]) == (LAYERS, HEADS)
        json.dumps(block, allow_nan=False)


@pytest.mark.parametrize("part", ["cross", "encoder"])
def test_a_part_that_does_not_come_is_counted(part: str) -> None:
    outcome = run_probe(Attention, Translating(even, without=part), 9)
    for name in ("usefulness", "entropy", "sink_mass"):
        found = number(outcome, name)
        assert found.value is None
        assert found.coverage.truncated == found.coverage.planned == 9
    assert {r.note for r in outcome.records if r.axis != "gallery"} == {"Too long."}


def test_long_prompts_are_measured_and_not_shown() -> None:
    outcome = run_probe(Attention, Translating(even), options={"longest": 8})
    assert not [r for r in outcome.records if r.detail and r.axis != "gallery"]
    assert value(number(outcome, "entropy"))


# Numbers


def cross(*rows: Sequence[float]) -> NDArray[np.float64]:
    return np.array(rows, dtype=np.float64)[None, None]


def test_entropy_and_mass_of_rows_that_are_known() -> None:
    weights = np.concatenate([cross([1, 0, 0, 0], [0, 0, 0, 1]), cross([0.25] * 4, [0.5, 0.5, 0, 0])], axis=1)
    spread = cross_entropy(weights)
    assert spread is not None
    assert spread == pytest.approx(np.array([[0.0, (1 + 0.5) / 2]]))
    for source, expected in ((0, [0.5, 0.375]), (-1, [0.5, 0.125])):
        assert source_mass(weights, source) == pytest.approx(np.array([expected]))


def test_shares_pass_through_the_encoder() -> None:
    """One layer in which each token looks at the one before: half of what is read belongs to that one."""
    encoder = cross([1, 0, 0], [1, 0, 0], [0, 1, 0])
    found = source_shares(cross([0, 0, 1], [0, 1, 0]), encoder)
    assert found == pytest.approx(np.array([[0, 0.5, 0.5], [0.5, 0.5, 0]]))


def test_there_is_nothing_to_say_of_nothing() -> None:
    assert cross_entropy(np.ones((1, 1, 2, 1))) is None
    assert cross_entropy(np.ones((1, 1, 0, 3))) is None
    assert source_mass(np.ones((1, 1, 0, 3)), 0) is None
    assert source_shares(np.ones((0, 1, 2, 1)), np.ones((1, 1, 1, 1))) is None


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        (np.ones((2, 2)), "must be"),
        (cross([0.5, 0.4]), "sum to 1"),
        (cross([1.5, -0.5]), "no weights"),
        (cross([np.nan, 1]), "no weights"),
    ],
)
def test_what_is_no_attention_is_refused(weights: NDArray[np.float64], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        cross_entropy(weights)


def test_two_parts_of_different_prompts_are_refused() -> None:
    with pytest.raises(ValueError, match="2 sources, the encoder 3"):
        source_shares(cross([0.5, 0.5]), cross(*np.eye(3).tolist()))
