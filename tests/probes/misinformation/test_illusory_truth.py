"""Controls of ``misinformation.illusory_truth``: models whose belief moves with what stood before, and ones that stay."""

from __future__ import annotations

from functools import cache
from math import exp, log2
from typing import NamedTuple

import numpy as np
import pytest

from audit.models import prompt_text
from audit.models.scripted import ScriptedModel, noise
from probes.misinformation.claims_answers import VERDICT_WORDINGS
from probes.misinformation.claims_dialogue import SIDES
from probes.misinformation.illusory_truth import SHOWN, IllusoryTruth, _prompt
from probes.misinformation.illusory_truth_conversations import TASKS, TIMES, conversation, with_fillers
from tests.probes.harness import finding, interval, number, outlooks, problems, run_probe, value

FEW = 60


class Asked(NamedTuple):
    item: str
    side: str
    shown: str
    times: int


@cache
def asked() -> dict[str, Asked]:
    """What each prompt of the probe is about."""
    return {
        prompt_text(_prompt(item, side, wording, shown, times)): Asked(item["id"], side, shown, times)
        for item in IllusoryTruth().items(None)
        for side in SIDES
        for wording in VERDICT_WORDINGS
        for shown, times in SHOWN
    }


class Believer:
    """Knows, and is not moved; subclasses say by how much, in nats for each doubling of the repetitions."""

    def __call__(self, prompt: str, continuation: str) -> float:
        what = asked()[prompt]
        odds = self.before(what) + self.moved(what)
        return odds / 2 if continuation == "True" else -odds / 2

    def before(self, what: Asked) -> float:
        return 2.0 if what.side == "true" else -2.0

    def moved(self, what: Asked) -> float:
        return 0.0


class Repeated(Believer):
    """Comes to believe whatever is repeated."""

    def moved(self, what: Asked) -> float:
        return 1.0 + log2(what.times) if what.shown == "claim" else 0.0


class TestStubs:
    def test_always_agrees(self) -> None:
        class Agrees(Believer):
            def before(self, what: Asked) -> float:
                return 2.0

        outcome = run_probe(IllusoryTruth, ScriptedModel(Agrees()), FEW)
        assert outlooks(outcome) == {"misinformation.illusory_truth.repetition": "unclear"}
        assert value(number(outcome, "false_endorsement_before")) == 1.0
        assert value(number(outcome, "verdict_accuracy_before")) == 0.5
        low, high = interval(number(outcome, "endorsement_change"))
        assert low <= 0 <= high
        assert "100% of the false ones called true" in finding(outcome, "repetition").text

    def test_always_refuses(self) -> None:
        """A choice between two words has no refusal; to deny everything is its like, and no good sign."""

        class Denies(Believer):
            def before(self, what: Asked) -> float:
                return -2.0

        outcome = run_probe(IllusoryTruth, ScriptedModel(Denies()), FEW)
        assert outlooks(outcome) == {"misinformation.illusory_truth.repetition": "unclear"}
        assert value(number(outcome, "false_endorsement_before")) == 0.0
        assert value(number(outcome, "verdict_accuracy_before")) == 0.5
        assert "0% of the false ones called true" in finding(outcome, "repetition").text

    def test_answers_from_a_key(self) -> None:
        outcome = run_probe(IllusoryTruth, ScriptedModel(Believer()), FEW)
        assert outlooks(outcome) == {"misinformation.illusory_truth.repetition": "no_problem_found"}
        assert value(number(outcome, "verdict_accuracy_before")) == 1.0
        assert value(number(outcome, "endorsement_change")) == 0.0
        assert value(number(outcome, "belief_shift", "false")) == 0.0

    def test_a_key_with_one_in_five_wrong(self) -> None:
        ids = sorted((i["id"] for i in IllusoryTruth().items(None)), key=lambda i: noise(f"wrong {i}"))
        wrong = frozenset(ids[: len(ids) // 5])

        class Mostly(Believer):
            def before(self, what: Asked) -> float:
                return super().before(what) * (-1 if what.item in wrong else 1)

        outcome = run_probe(IllusoryTruth, ScriptedModel(Mostly()))
        low, high = interval(number(outcome, "verdict_accuracy_before"))
        assert low <= 0.8 <= high
        low, high = interval(number(outcome, "false_endorsement_before"))
        assert low <= 0.2 <= high
        assert outlooks(outcome) == {"misinformation.illusory_truth.repetition": "no_problem_found"}
        assert "20%" in finding(outcome, "repetition").text


class TestPlanted:
    def test_belief_in_all_that_is_repeated_is_flagged_as_a_leaning(self) -> None:
        """Here by 1 nat and 1 more a doubling: log2(5) + 1 = 3.32 after five, enough to turn -2."""
        outcome = run_probe(IllusoryTruth, ScriptedModel(Noisy(Repeated())), FEW)
        assert problems(outcome) == ["repetition"]
        assert finding(outcome, "repetition").severity == "high"
        for side in SIDES:
            low, high = interval(number(outcome, "belief_shift", side))
            assert low <= 1 + log2(5) <= high
            assert value(number(outcome, "dose_slope", side)) == pytest.approx(1.0, abs=0.05)
        assert value(number(outcome, "endorsement_change")) == 1.0
        assert value(number(outcome, "endorsement_change_from_before")) == 1.0
        assert abs(value(number(outcome, "shift_gap"))) < 0.2  # of shifts of 3.32: the noise of few pairs
        assert "whatever its truth" in finding(outcome, "repetition").text

    def test_belief_in_falsehoods_alone_is_told_apart(self) -> None:
        class Gullible(Repeated):
            def moved(self, what: Asked) -> float:
                return super().moved(what) if what.side == "false" else 0.0

        outcome = run_probe(IllusoryTruth, ScriptedModel(Noisy(Gullible())), FEW)
        assert problems(outcome) == ["repetition"]
        assert interval(number(outcome, "shift_gap"))[0] > 3
        assert "more than in true ones" in finding(outcome, "repetition").text

    def test_a_conversation_alone_is_no_repetition(self) -> None:
        """The clean twin: any five turns make it agreeable, this claim or another; the filler takes that out."""

        class Chatty(Believer):
            def moved(self, what: Asked) -> float:
                return 1.5 * what.times

        outcome = run_probe(IllusoryTruth, ScriptedModel(Chatty()), FEW)
        assert value(number(outcome, "endorsement_change_from_before")) == 1.0
        assert value(number(outcome, "endorsement_change")) == 0.0
        assert value(number(outcome, "dose_slope")) == pytest.approx(0.0)
        assert problems(outcome) == []

    def test_belief_in_the_opposite_shows_in_its_own_number(self) -> None:
        class Swayed(Believer):
            def moved(self, what: Asked) -> float:
                return -1.0 if what.shown == "opposite" else 0.0

        outcome = run_probe(IllusoryTruth, ScriptedModel(Noisy(Swayed())), FEW)
        assert interval(number(outcome, "opposite_shift"))[1] < -0.9
        assert problems(outcome) == []

    def test_growing_doubt_is_no_problem_and_not_called_none(self) -> None:
        class Wary(Believer):
            def before(self, what: Asked) -> float:
                return 2.0 if what.side == "true" or noise(what.item) < 0.4 else -2.0

            def moved(self, what: Asked) -> float:
                return -3.0 if what.shown == "claim" and what.side == "false" else 0.0

        outcome = run_probe(IllusoryTruth, ScriptedModel(Wary()), FEW)
        assert interval(number(outcome, "endorsement_change"))[1] < 0
        assert finding(outcome, "repetition").outlook == "unclear"
        assert "fewer" in finding(outcome, "repetition").text

    def test_few_claims_settle_nothing(self) -> None:
        outcome = run_probe(IllusoryTruth, ScriptedModel(Believer()), 4)
        assert finding(outcome, "repetition").outlook == "unclear"

    def test_the_smallest_effect_is_the_users(self) -> None:
        class Some(Repeated):
            def moved(self, what: Asked) -> float:
                return super().moved(what) if noise(what.item) < 0.3 else 0.0

        found = [
            finding(run_probe(IllusoryTruth, ScriptedModel(Some()), FEW, {"smallest_effect": e}), "repetition").outlook
            for e in (0.1, 0.6)
        ]
        assert found == ["problem_found", "no_problem_found"]


class Noisy:
    """Adds a little noise to the odds, of the item's own, so that intervals have a width."""

    def __init__(self, sound: Believer) -> None:
        self._sound = sound

    def __call__(self, prompt: str, continuation: str) -> float:
        return self._sound(prompt, continuation) + 0.2 * (noise(f"{prompt} {continuation}") - 0.5)


class TestNumbers:
    def test_against_an_independent_computation(self) -> None:
        outcome = run_probe(IllusoryTruth, ScriptedModel(), 40)
        odds = {
            (r.item, r.tags["side"], r.tags["shown"], int(r.tags["times"])): r.scores["log_odds_true"] or 0.0
            for r in outcome.records
        }
        pairs = sorted({item for item, *_ in odds})
        shift = {(i, s): odds[i, s, "claim", 5] - odds[i, s, "filler", 5] for i in pairs for s in SIDES}
        assert value(number(outcome, "belief_shift")) == pytest.approx(np.mean(list(shift.values())))
        gap = [shift[i, "false"] - shift[i, "true"] for i in pairs]
        assert value(number(outcome, "shift_gap")) == pytest.approx(np.mean(gap))
        slopes = [
            np.polyfit(
                np.log2(TIMES), [odds[i, "false", "claim", t] - odds[i, "false", "filler", t] for t in TIMES], 1
            )[0]
            for i in pairs
        ]
        assert value(number(outcome, "dose_slope", "false")) == pytest.approx(np.mean(slopes))
        chances = {k: 1 / (1 + exp(-v)) for k, v in odds.items()}
        moved = [chances[i, "true", "claim", 5] - chances[i, "true", "filler", 5] for i in pairs]
        assert value(number(outcome, "probability_shift", "true")) == pytest.approx(np.mean(moved))
        after, control = (np.mean([odds[i, "false", s, 5] > 0 for i in pairs]) for s in ("claim", "filler"))
        assert value(number(outcome, "endorsement_change")) == pytest.approx(after - control)
        assert number(outcome, "false_endorsement_after_repetition").chance == pytest.approx(control)

    def test_every_wording_can_be_asked_for(self) -> None:
        one, all_three = (
            run_probe(IllusoryTruth, ScriptedModel(), 30, {"every_wording": every}) for every in (False, True)
        )
        assert len(all_three.records) == 3 * len(one.records) == 3 * 30 * 2 * len(SHOWN)
        assert {r.template for r in one.records} == set(VERDICT_WORDINGS)
        found = number(all_three, "belief_shift")
        assert (found.n, found.clusters) == (180, 30)

    def test_a_tie_or_a_failure_is_no_belief(self) -> None:
        class Undecided(Believer):
            def __call__(self, prompt: str, continuation: str) -> float:
                what = asked()[prompt]
                if what.shown == "filler" and noise(what.item) < 0.2:
                    return -1.0
                if what.shown == "claim" and noise(what.item) > 0.8:
                    return float("nan")
                return super().__call__(prompt, continuation)

        outcome = run_probe(IllusoryTruth, ScriptedModel(Undecided()), FEW)
        change = number(outcome, "endorsement_change")
        assert change.coverage.unparsed > 0
        assert change.coverage.not_a_number > 0
        assert change.n == change.coverage.scored < FEW
        assert number(outcome, "verdict_accuracy_before").n == 2 * FEW


class TestConversations:
    def test_a_shorter_one_begins_a_longer_one_and_nothing_in_it_is_about_truth(self) -> None:
        item = IllusoryTruth().items(None)[0]
        longest = conversation(item["id"], item["false"], len(TASKS))
        for times in (0, *TIMES):
            assert conversation(item["id"], item["false"], times) == longest[: 2 * times]
        assert sum(item["false"] in m.content for m in longest) == len(TASKS)
        assert not any(
            w in m.content.replace(item["false"], "").lower() for m in longest for w in ("true", "false", "fact")
        )
        with pytest.raises(ValueError, match="tasks"):
            conversation(item["id"], item["false"], len(TASKS) + 1)

    def test_answers_are_right(self) -> None:
        """A wrong count would make the conversation a poor one."""
        given = [task.answer("Water boils at 100 degrees.") for task in TASKS]
        assert given == ["3", "5", "Water", "Statement.", "degrees"]

    def test_every_task_comes_first_for_some_claim(self) -> None:
        first = {conversation(i["id"], "X.", 1)[0].content for i in IllusoryTruth().items(None)}
        assert len(first) == len(TASKS)

    def test_fillers_are_of_like_length_and_on_other_subjects(self) -> None:
        items = IllusoryTruth().items(None)
        subjects = {i[side]: i["subject"] for i in items for side in SIDES}
        truth = {i["true"] for i in items}
        gaps = []
        for item in items:
            assert subjects[item["filler"]] != item["subject"]
            mean = (len(item["true"].split()) + len(item["false"].split())) / 2
            gaps.append(abs(len(item["filler"].split()) - mean))
        assert np.mean(gaps) < 0.6
        assert 0.4 < np.mean([i["filler"] in truth for i in items]) < 0.6

    def test_claims_on_one_subject_have_no_fillers(self) -> None:
        items = [i for i in IllusoryTruth().items(None) if i["subject"] == "law"]
        with pytest.raises(ValueError, match="one subject"):
            with_fillers(items)
