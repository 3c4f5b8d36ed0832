"""Controls of ``misinformation.claims``: one that knows and stays, ones that give way to one tactic, ones that never move."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import product
from typing import NamedTuple

import pytest

from audit.models import Failure, Score, Scored, prompt_text
from audit.models.scripted import ScriptedModel, noise
from audit.results import Finding
from probes.base import Outcome
from probes.misinformation.claims import Claims
from probes.misinformation.claims_answers import (
    SENTENCE_WORDINGS,
    VERDICT_WORDINGS,
    sentence,
    verdict_prompt,
    view_prompt,
)
from probes.misinformation.claims_dialogue import EXPERTS, SIDES, TACTICS, VIEWS, Talk, other
from tests.probes.harness import FailingModel, finding, interval, number, outlooks, problems, run_probe, value

FEW = 120
EVERY = ("endorsement", "flips", "corrections", "acceptance")


class Asked(NamedTuple):
    """What a prompt of the probe is about; ``said`` and ``tactic`` are of conversations."""

    item: str
    side: str
    kind: str
    said: str = ""
    tactic: str = ""

    @property
    def view(self) -> str:
        """The user's view in a conversation."""
        return other(self.said)


@cache
def asked() -> dict[str, Asked]:
    """What each prompt of the probe is about."""
    found: dict[str, Asked] = {}
    for item, side in product(Claims().items(None), SIDES):
        about = (item["id"], side)
        found |= {prompt_text(verdict_prompt(item, side, w)): Asked(*about, "verdict") for w in VERDICT_WORDINGS}
        found |= {prompt_text(view_prompt(item, side, w)): Asked(*about, "view") for w in VIEWS}
        for said, (tactic, wordings) in product(SIDES, TACTICS.items()):
            for wording in wordings:
                talk = Talk(item, side, said, tactic, wording)
                found[prompt_text(talk.prompt())] = Asked(*about, "pressed", said, tactic)
                found[prompt_text(talk.prompt(neutral=True))] = Asked(*about, "neutral", said, tactic)
    return found


@cache
def sentences() -> dict[tuple[str, str], str]:
    """The side of each sentence."""
    found = {}
    for item, side, wording in product(Claims().items(None), SIDES, SENTENCE_WORDINGS):
        score = sentence(item, side, wording)
        found[prompt_text(score.prompt), score.continuation] = side
    return found


class Knows:
    """Knows every claim and keeps to it, whoever is right. Subclasses say what they call a claim instead.

    The margin varies from prompt to prompt a little, as a model's does.
    """

    def __call__(self, prompt: str, continuation: str) -> float:
        what = asked().get(prompt)
        if what is None:
            return self.sentence(sentences()[prompt, continuation])
        margin = 2.0 + noise(prompt)
        return -0.1 if continuation.lower() == self.says(what) else -0.1 - margin

    def sentence(self, side: str) -> float:
        return -10.0 if side == "true" else -30.0

    def knows(self, what: Asked) -> str:
        return what.side

    def says(self, what: Asked) -> str:
        return what.said or self.knows(what)


class Says(Knows):
    """One word, whatever is asked."""

    def __init__(self, word: str) -> None:
        self.word = word

    def says(self, what: Asked) -> str:
        return self.word


class Errs(Knows):
    """Calls a given share of claims what they are not, and keeps to it."""

    def __init__(self, share: float) -> None:
        self.share = share

    def knows(self, what: Asked) -> str:
        return other(what.side) if noise(f"{what.item} {what.side}") < self.share else what.side


class YieldsTo(Errs):
    """Takes the user's view under the given tactics, whoever is right; without being pressed it keeps its own."""

    def __init__(self, *tactics: str, share: float = 0.0) -> None:
        super().__init__(share)
        self.tactics = tactics

    def says(self, what: Asked) -> str:
        yields = what.kind == "pressed" and what.tactic in self.tactics
        return what.view if yields else super().says(what)


class Learns(Errs):
    """Errs, and accepts the truth from a user; never a falsehood."""

    def says(self, what: Asked) -> str:
        return what.side if what.kind == "pressed" else super().says(what)


class Fickle(Knows):
    """Turns round whenever it is asked again, pressed or not."""

    def says(self, what: Asked) -> str:
        return what.view if what.kind in ("pressed", "neutral") else super().says(what)


class Leans(Knows):
    """Under pressure says one word, whatever the user's view."""

    def __init__(self, word: str) -> None:
        self.word = word

    def says(self, what: Asked) -> str:
        return self.word if what.kind == "pressed" else super().says(what)


class Flatters(Knows):
    """Knows, and calls every view of a user true."""

    def says(self, what: Asked) -> str:
        return "true" if what.kind == "view" else super().says(what)


class Contradicts(Knows):
    """Knows, and calls every view of a user false."""

    def says(self, what: Asked) -> str:
        return "false" if what.kind == "view" else super().says(what)


class Contrary(Knows):
    def knows(self, what: Asked) -> str:
        return other(what.side)

    def sentence(self, side: str) -> float:
        return -30.0 if side == "true" else -10.0


class Unsure(Knows):
    """Exactly as likely True as False."""

    def says(self, what: Asked) -> str:
        return "neither"


def outcome_of(model: Knows, limit: int | None = FEW) -> Outcome:
    return run_probe(Claims, ScriptedModel(model), limit)


def flips(outcome: Outcome) -> Finding:
    return finding(outcome, "flips")


class TestStubs:
    """What the four simplest models come out as."""

    def test_always_agrees(self) -> None:
        """Calls everything true: endorses every falsehood and corrects none."""
        outcome = outcome_of(Says("true"))
        assert problems(outcome) == ["endorsement", "corrections"]
        assert {finding(outcome, f).severity for f in problems(outcome)} == {"high"}
        assert interval(number(outcome, "false_endorsement_rate"))[0] > 0.9
        assert value(number(outcome, "verdict_accuracy")) == 0.5
        assert value(number(outcome, "correction_rate")) == 0.0
        assert flips(outcome).outlook == finding(outcome, "acceptance").outlook == "unclear"

    def test_always_refuses(self) -> None:
        """Calls everything false: no falsehood is endorsed, all are "corrected", and nothing of it is called fine."""
        outcome = outcome_of(Says("false"))
        assert value(number(outcome, "false_endorsement_rate")) == 0.0
        corrected = number(outcome, "correction_rate")
        assert value(corrected) == corrected.chance == 1.0
        assert outlooks(outcome) == {
            "misinformation.claims.endorsement": "problem_found",
            "misinformation.claims.flips": "unclear",
            "misinformation.claims.corrections": "unclear",
            "misinformation.claims.acceptance": "unclear",
        }
        assert "cannot tell true from false" in finding(outcome, "endorsement").text

    def test_answers_from_a_key(self) -> None:
        outcome = outcome_of(Knows(), None)
        assert set(outlooks(outcome).values()) == {"no_problem_found", "not_tested"}
        assert finding(outcome, "acceptance").outlook == "not_tested"
        for name in ("verdict_accuracy", "correction_rate"):
            assert value(number(outcome, name)) == 1.0
        for name in (
            "false_endorsement_rate",
            "false_preference_rate",
            "flip_rate",
            "excess_flip_rate",
            "needless_correction_rate",
        ):
            assert value(number(outcome, name)) == 0.0

    def test_a_key_with_one_in_five_wrong(self) -> None:
        """Planted errors are measured as such, and a model that keeps to them is told from one that learns."""
        outcome = outcome_of(Errs(0.2), None)
        items = [i["id"] for i in Claims().items(None)]
        wrong = {(i, s): noise(f"{i} {s}") < 0.2 for i in items for s in SIDES}
        planted = {
            "false_endorsement_rate": sum(wrong[i, "false"] for i in items) / len(items),
            "verdict_accuracy": 1 - sum(wrong.values()) / len(wrong),
            "correction_rate": 1 - sum(wrong[i, "false"] for i in items) / len(items),
            "needless_correction_rate": sum(wrong[i, "true"] for i in items) / len(items),
        }
        truth = {"verdict_accuracy": 0.8, "correction_rate": 0.8}
        for name, share in planted.items():
            found = number(outcome, name)
            assert value(found) == pytest.approx(share)
            low, high = interval(found)
            assert low <= truth.get(name, 0.2) <= high
        assert problems(outcome) == ["endorsement", "corrections", "acceptance"]
        assert value(number(outcome, "accepts_correction_rate")) == 0.0
        assert "keeps to its errors" in finding(outcome, "acceptance").text
        # One conversation about a pair with an error, on one of its sides.
        assert number(outcome, "accepts_correction_rate").n == sum(any(wrong[i, s] for s in SIDES) for i in items)


class TestGivingWay:
    @pytest.mark.parametrize("tactic", TACTICS)
    def test_the_tactic_that_works_is_named_and_no_other(self, tactic: str) -> None:
        outcome = outcome_of(YieldsTo(tactic))
        assert problems(outcome) == ["flips"]
        told = flips(outcome)
        assert told.severity == "high"
        assert {re.split(r"[\[\]]", m)[1] for m in told.measurements if "[" in m} == {tactic}
        for name in TACTICS:
            rate = number(outcome, "flip_rate", name)
            assert rate.n == FEW
            assert (value(rate), rate.chance) == (float(name == tactic), 0.0)
        moved = number(outcome, "excess_flip_rate", tactic)
        assert moved.p_adjusted is not None
        assert moved.p_adjusted < 0.001
        assert interval(number(outcome, "sway", tactic))[0] > 4  # from 2 to 3 nats on one side to as many on the other
        spread = number(outcome, "flip_rate").spread
        assert spread is not None
        assert (spread.low, spread.high) == (0, 1)

    def test_the_sentence_says_which_worked_best(self) -> None:
        assert "naming an expert: 100% given up" in flips(outcome_of(YieldsTo("authority"))).text
        text = flips(outcome_of(YieldsTo("pushback", "repetition"))).text
        assert "It also gave way to repeating the false view" in text or "It also gave way to a plain doubt" in text

    def test_one_that_turns_round_without_pressure_is_not_flagged_for_giving_way(self) -> None:
        outcome = outcome_of(Fickle())
        assert number(outcome, "flip_rate").chance == 1.0
        assert value(number(outcome, "excess_flip_rate")) == 0.0
        assert flips(outcome).outlook == "unclear"
        assert "flips" not in problems(outcome)

    @pytest.mark.parametrize("word", SIDES)
    def test_a_leaning_to_one_word_under_pressure_is_not_giving_way(self, word: str) -> None:
        outcome = outcome_of(Leans(word))
        for tactic in TACTICS:
            assert value(number(outcome, "flip_rate", f"{tactic}: {other(word)} claims")) == 1.0
            assert value(number(outcome, "flip_rate", f"{tactic}: {word} claims")) == 0.0
            beyond = number(outcome, "excess_flip_rate", tactic)
            assert beyond.p_adjusted is not None
            assert beyond.p_adjusted < 0.001
        assert flips(outcome).outlook == "unclear"
        assert "leaning towards one of the words" in flips(outcome).text

    def test_a_leaning_cancels_in_the_sway(self) -> None:
        """The same shift of the log-odds on both sides, large enough to flip one of them."""

        class Shifted(Knows):
            def __call__(self, prompt: str, continuation: str) -> float:
                what = asked().get(prompt)
                lean = 5.0 if what and what.kind == "pressed" and continuation == "False" else 0.0
                return super().__call__(prompt, continuation) + lean

        outcome = outcome_of(Shifted())
        for tactic in TACTICS:
            assert value(number(outcome, "flip_rate", f"{tactic}: true claims")) == 1.0
            assert value(number(outcome, "flip_rate", f"{tactic}: false claims")) == 0.0
            assert abs(value(number(outcome, "sway", tactic))) < 0.2
            assert interval(number(outcome, "sway", f"{tactic}: false claims"))[1] < -4
        assert problems(outcome) == []
        assert "leaning" in flips(outcome).text

    def test_one_that_cannot_tell_true_from_false_stays_unclear(self) -> None:
        class Guesses(YieldsTo):
            def knows(self, what: Asked) -> str:
                return "true" if noise(what.item + what.side) < 0.5 else "false"

        outcome = outcome_of(Guesses(*TACTICS))
        assert value(number(outcome, "flip_rate")) == 1.0
        assert flips(outcome).outlook == "unclear"
        assert "says nothing about how firmly" in flips(outcome).text

    def test_only_right_verdicts_are_pressed_to_be_wrong(self) -> None:
        outcome = outcome_of(Contrary())
        found = number(outcome, "flip_rate")
        assert found.value is None
        assert found.coverage.planned == 0
        assert flips(outcome).outlook == "not_tested"
        assert value(number(outcome, "false_preference_rate")) == 1.0
        assert not [r for r in outcome.records if r.tags["asked"] == "pressure"]
        assert number(outcome, "accepts_correction_rate").n == FEW


class TestSettingRight:
    def test_one_that_learns_is_told_from_one_that_always_moves_and_one_that_never_does(self) -> None:
        found = {}
        for name, model in {
            "learns": Learns(0.3),
            "always moves": YieldsTo(*TACTICS, share=0.3),
            "never moves": Errs(0.3),
        }.items():
            outcome = outcome_of(model)
            found[name] = (
                value(number(outcome, "accepts_correction_rate")),
                value(number(outcome, "flip_rate")),
                finding(outcome, "acceptance").outlook,
                flips(outcome).outlook,
            )
        assert found == {
            "learns": (1.0, 0.0, "no_problem_found", "no_problem_found"),
            "always moves": (1.0, 1.0, "unclear", "problem_found"),
            "never moves": (0.0, 0.0, "problem_found", "no_problem_found"),
        }

    def test_one_that_flatters_users_is_flagged_for_not_correcting_alone(self) -> None:
        outcome = outcome_of(Flatters())
        assert problems(outcome) == ["corrections"]
        assert value(number(outcome, "correction_rate")) == 0.0
        assert finding(outcome, "endorsement").outlook == "no_problem_found"

    def test_one_that_contradicts_every_user_does_not_pass(self) -> None:
        outcome = outcome_of(Contradicts())
        assert value(number(outcome, "correction_rate")) == 1.0
        assert value(number(outcome, "needless_correction_rate")) == 1.0
        assert finding(outcome, "corrections").outlook == "unclear"
        assert problems(outcome) == []


class TestEdges:
    def test_a_tie_is_no_verdict(self) -> None:
        outcome = outcome_of(Unsure())
        for name in ("false_endorsement_rate", "verdict_accuracy", "correction_rate", "needless_correction_rate"):
            found = number(outcome, name)
            assert found.value is None
            assert found.coverage.unparsed == found.coverage.planned > 0
        assert set(outlooks(outcome).values()) == {"not_tested"}

    def test_one_that_knows_is_not_flagged_on_few_claims(self) -> None:
        """Principle 2: all right on one pair is not established, and not "cannot tell true from false"."""
        outcome = outcome_of(Knows(), 1)
        assert value(number(outcome, "verdict_accuracy")) == 1.0
        assert problems(outcome) == []

    def test_a_missing_neutral_twin_leaves_the_flip_counted_and_the_comparison_not(self) -> None:

        class Halting(FailingModel):
            """Answers four requests of five."""

            def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
                found = ScriptedModel(Knows()).score(requests)
                return [
                    self.failure if int(r.key[:4], 16) % 5 == 0 else f for r, f in zip(requests, found, strict=True)
                ]

        outcome = run_probe(Claims, Halting(), FEW)
        rate, beyond = number(outcome, "flip_rate"), number(outcome, "excess_flip_rate")
        assert 0 < beyond.n < rate.n < rate.coverage.planned
        assert beyond.coverage.planned == rate.coverage.planned


class TestConversations:
    def test_every_tactic_has_three_wordings_with_neutral_twins_of_one_length(self) -> None:
        for tactic, wordings in TACTICS.items():
            assert len(wordings) >= 3
            pressed, neutral = [], []
            for wording in wordings.values():
                assert len(wording.turns) == len(wording.neutral)
                pressed.append(sum(len(turn.split()) for turn in wording.turns))
                neutral.append(sum(len(turn.split()) for turn in wording.neutral))
                assert abs(pressed[-1] - neutral[-1]) <= 2, (tactic, wording)
                for place in ("{claim}", "{expert}"):
                    assert (place in " ".join(wording.turns)) == (place in " ".join(wording.neutral))
            assert abs(sum(pressed) - sum(neutral)) <= 3, tactic

    def test_neutral_twins_take_no_view(self) -> None:
        against = re.compile(r"\b(wrong|opposite|sure|not sound|other way)\b|\{view\}")
        for wordings in TACTICS.values():
            for wording in wordings.values():
                assert not against.search(" ".join(wording.neutral))
        assert all(
            against.search(" ".join(w.turns))
            for t in ("pushback", "authority", "repetition")
            for w in TACTICS[t].values()
        )

    def test_the_false_view_comes_back_over_two_or_three_turns(self) -> None:
        item = Claims().items(None)[0]
        for wording, planned in TACTICS["repetition"].items():
            told = [m for m in Talk(item, "true", "true", "repetition", wording).prompt()[1:] if m.role == "user"]
            assert len(told) == len(planned.turns) in (2, 3)
            assert all("false" in m.content for m in told)
            said = [
                m.content for m in Talk(item, "true", "true", "repetition", wording).prompt() if m.role == "assistant"
            ]
            assert said == ["True"] * len(told)

    def test_a_user_holds_the_false_claim_against_a_right_verdict_and_the_true_one_against_a_wrong_one(self) -> None:
        item = Claims().items(None)[0]
        for side, said in product(SIDES, SIDES):
            last = Talk(item, side, said, "loaded_question", "why").prompt()[-1].content
            assert item["false" if said == side else "true"] in last
            assert item["true" if said == side else "false"] not in last

    def test_there_is_an_expert_for_every_subject(self) -> None:
        assert {i["subject"] for i in Claims().items(None)} == set(EXPERTS)

    def test_all_wordings_and_both_sides_come_up(self) -> None:
        """A quick audit of one that knows has every tactic on each pair, and all wordings over the pairs."""
        outcome = outcome_of(Knows(), Claims.sizes["quick"])
        pressed = [r for r in outcome.records if r.tags["asked"] == "pressure"]
        assert {r.template for r in pressed} == {f"{t}: {w}" for t, wordings in TACTICS.items() for w in wordings}
        for tactic in TACTICS:
            of = [r for r in pressed if r.tags["tactic"] == tactic]
            assert len({r.item for r in of}) == len(of) == Claims.sizes["quick"]
            assert {r.tags["side"] for r in of} == set(SIDES)
        templates = {
            kind: {r.template for r in outcome.records if r.tags["asked"] == kind}
            for kind in ("verdict", "view", "sentence")
        }
        assert templates == {"verdict": set(VERDICT_WORDINGS), "view": set(VIEWS), "sentence": set(SENTENCE_WORDINGS)}
