"""Controls of ``misinformation.claims``: one that knows and stays, one that endorses everything, one that gives way."""

from __future__ import annotations

from functools import cache
from typing import Literal, NamedTuple

import pytest

from audit.models import prompt_text
from audit.models.scripted import ScriptedModel, noise
from probes.misinformation.claims import (
    CONTROL,
    PUSHBACKS,
    SENTENCE_WORDINGS,
    SIDES,
    VERDICT_WORDINGS,
    Claims,
    _doubt,
    _sentence,
    _verdict_scores,
)
from tests.probes.harness import finding, interval, number, outlooks, problems, run_probe, value

FEW = 120


class Asked(NamedTuple):
    item: str
    side: str
    kind: Literal["verdict", "doubt", "repeat", "sentence"]


@cache
def asked() -> dict[tuple[str, str], Asked]:
    """What each (prompt, continuation) of the probe is about."""
    found: dict[tuple[str, str], Asked] = {}
    for item in Claims().items(None):
        for side in SIDES:
            scores = [(s, "verdict") for w in VERDICT_WORDINGS for s in _verdict_scores(item, side, w)]
            scores += [(s, "doubt") for text in PUSHBACKS.values() for s in _doubt(item, side, text)]
            scores += [(s, "repeat") for s in _doubt(item, side, CONTROL)]
            scores += [(_sentence(item, side, w), "sentence") for w in SENTENCE_WORDINGS]
            for score, kind in scores:
                found[prompt_text(score.prompt), score.continuation] = Asked(item["id"], side, kind)
    return found


class Judge:
    """Scores by what was asked; subclasses say what the model calls a claim."""

    def __call__(self, prompt: str, continuation: str) -> float:
        what = asked()[prompt, continuation]
        if what.kind == "sentence":
            return self.sentence(what)
        said = self.says(what)
        return -0.1 if continuation.lower() == said else -3.0

    def sentence(self, what: Asked) -> float:
        return -10.0 if what.side == "true" else -12.0

    def says(self, what: Asked) -> str:
        return what.side


class Endorser(Judge):
    def says(self, what: Asked) -> str:
        return "true"


def other(side: str) -> str:
    return "false" if side == "true" else "true"


class Pushover(Judge):
    """Knows, keeps its verdict when asked to repeat it, and gives way to any doubt."""

    def says(self, what: Asked) -> str:
        return other(what.side) if what.kind == "doubt" else what.side


class Fickle(Judge):
    """Turns round whenever it is asked again, doubted or not."""

    def says(self, what: Asked) -> str:
        return other(what.side) if what.kind in ("doubt", "repeat") else what.side


class Mistaken(Judge):
    """Calls about three in ten claims what they are not."""

    def says(self, what: Asked) -> str:
        return other(what.side) if noise(f"{what.item} {what.side}") < 0.3 else what.side


class Unsure(Judge):
    """Exactly as likely True as False."""

    def says(self, what: Asked) -> str:
        return "neither"


class Contrary(Judge):
    def says(self, what: Asked) -> str:
        return other(what.side)

    def sentence(self, what: Asked) -> float:
        return -12.0 if what.side == "true" else -10.0


def test_one_that_knows_and_stays_is_not_flagged() -> None:
    outcome = run_probe(Claims, ScriptedModel(Judge()))
    assert outlooks(outcome) == {
        "misinformation.claims.endorsement": "no_problem_found",
        "misinformation.claims.flips": "no_problem_found",
    }
    assert value(number(outcome, "verdict_accuracy")) == 1.0
    assert value(number(outcome, "false_endorsement_rate")) == 0.0
    assert value(number(outcome, "false_preference_rate")) == 0.0
    assert value(number(outcome, "flip_rate")) == 0.0


def test_one_that_endorses_everything_is_flagged() -> None:
    outcome = run_probe(Claims, ScriptedModel(Endorser()), FEW)
    assert problems(outcome) == ["endorsement"]
    assert finding(outcome, "endorsement").severity == "high"
    assert interval(number(outcome, "false_endorsement_rate"))[0] > 0.9
    assert value(number(outcome, "verdict_accuracy")) == 0.5
    assert finding(outcome, "flips").outlook == "unclear"
    assert value(number(outcome, "false_preference_rate")) == 0.0


def test_one_that_denies_everything_endorses_nothing_and_does_not_pass() -> None:
    class Denier(Judge):
        def says(self, what: Asked) -> str:
            return "false"

    outcome = run_probe(Claims, ScriptedModel(Denier()), FEW)
    assert value(number(outcome, "false_endorsement_rate")) == 0.0
    assert finding(outcome, "endorsement").outlook != "no_problem_found"


def test_a_pushover_is_flagged_for_giving_way_alone() -> None:
    outcome = run_probe(Claims, ScriptedModel(Pushover()), FEW)
    assert problems(outcome) == ["flips"]
    assert finding(outcome, "flips").severity == "high"
    flips = number(outcome, "flip_rate")
    assert flips.chance == 0.0
    assert interval(flips)[0] > 0.9
    assert flips.n == FEW * 2 * len(PUSHBACKS)
    for doubt in PUSHBACKS:
        assert value(number(outcome, "flip_rate", doubt)) == 1.0
    assert finding(outcome, "endorsement").outlook == "no_problem_found"


def test_one_doubt_alone_shows_in_its_slice() -> None:
    class Obedient(Judge):
        """Gives way to experts only."""

        def __call__(self, prompt: str, continuation: str) -> float:
            what = asked()[prompt, continuation]
            flips = what.kind == "doubt" and PUSHBACKS["expert"] in prompt
            said = other(what.side) if flips else what.side
            return (
                super().__call__(prompt, continuation)
                if what.kind == "sentence"
                else float(said == continuation.lower())
            )

    outcome = run_probe(Claims, ScriptedModel(Obedient()), FEW)
    assert {d: value(number(outcome, "flip_rate", d)) for d in PUSHBACKS} == {"sure": 0, "wrong": 0, "expert": 1}
    spread = number(outcome, "flip_rate").spread
    assert spread is not None
    assert (spread.low, spread.high) == (0, 1)


def test_one_that_turns_round_without_doubt_is_not_flagged_for_giving_way() -> None:
    outcome = run_probe(Claims, ScriptedModel(Fickle()), FEW)
    assert number(outcome, "flip_rate").chance == 1.0
    assert "flips" not in problems(outcome)
    assert finding(outcome, "flips").outlook == "unclear"


def test_planted_errors_are_measured_as_such() -> None:
    outcome = run_probe(Claims, ScriptedModel(Mistaken()))
    items = [i["id"] for i in Claims().items(None)]
    for name, sides, right in (("false_endorsement_rate", ["false"], False), ("verdict_accuracy", SIDES, True)):
        planted = sum((noise(f"{i} {s}") < 0.3) != right for i in items for s in sides) / len(items) / len(sides)
        found = number(outcome, name)
        assert value(found) == pytest.approx(planted)
        low, high = interval(found)
        assert low <= (0.7 if right else 0.3) <= high
    assert "endorsement" in problems(outcome)


def test_only_right_verdicts_are_doubted() -> None:
    outcome = run_probe(Claims, ScriptedModel(Contrary()), FEW)
    flips = number(outcome, "flip_rate")
    assert flips.value is None
    assert flips.coverage.planned == 0
    assert finding(outcome, "flips").outlook == "not_tested"
    assert problems(outcome) == ["endorsement"]
    assert value(number(outcome, "false_preference_rate")) == 1.0
    assert not [r for r in outcome.records if r.tags["asked"] in ("doubt", "control")]


def test_a_tie_is_no_verdict() -> None:
    outcome = run_probe(Claims, ScriptedModel(Unsure()), FEW)
    for name in ("false_endorsement_rate", "verdict_accuracy"):
        found = number(outcome, name)
        assert found.value is None
        assert found.coverage.unparsed == found.coverage.planned > 0
    assert finding(outcome, "endorsement").outlook == "not_tested"


def test_one_that_knows_is_not_flagged_on_few_claims() -> None:
    """Principle 2: all right on one pair is not established, and not "cannot tell true from false"."""
    outcome = run_probe(Claims, ScriptedModel(Judge()), 1)
    assert value(number(outcome, "verdict_accuracy")) == 1.0
    assert "endorsement" not in problems(outcome)
