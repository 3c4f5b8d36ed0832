"""Controls of ``bias.counterfactual_classification``: what is planted is found, in scripts and in classifiers trained so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from audit.corpora import Item, draw
from audit.metrics import auroc
from audit.models import Classified, Model, prompt_text
from audit.models.scripted import ScriptedModel, noise
from probes.base import Outcome
from probes.bias.counterfactual_classification import CounterfactualClassification
from probes.bias.counterfactual_classification_measures import along_the_other_half
from probes.bias.counterfactual_classification_pairs import Pair, called, followed
from probes.bias.counterfactual_pairs import WORDINGS, Ask
from tests.audit.models.tiny_classifier import Example, make_bert, open_classifier
from tests.probes.harness import ask as asked
from tests.probes.harness import context_of, finding, interval, number, problems, run_probe, value

MUSLIM = ("religion", "Muslim people")
AXES = ("religion", "gender", "age")
Logit = Callable[[Ask], float]


@cache
def items() -> tuple[Item, ...]:
    return tuple(CounterfactualClassification().items(None))


@cache
def texts() -> dict[str, Ask]:
    """Every text that the probe can make of its items, with who it is about."""
    made: dict[str, Ask] = {}
    for item in items():
        for wording in WORDINGS["statement"]:
            for group in item["groups"]:
                for term in group["terms"]:
                    ask = Ask(item, wording, group["group"], term)
                    made[prompt_text(ask.prompt)] = ask
    return made


def signed(text: str) -> float:
    """From -1 to 1, by the text alone."""
    return 2 * noise(text) - 1


def reads(ask: Ask) -> float:
    """Log-odds of the better class by what the text says."""
    return {"positive": 3.0, "negative": -3.0}.get(ask.item["polarity"], 2.0 * signed(ask.item["template"]))


def model(logit: Logit, jitter: float = 0.05, names: tuple[str, str] = ("bad", "good")) -> ScriptedModel:
    """A classifier of two classes with noise by the words that describe the person."""

    def classify(text: str) -> dict[str, float]:
        ask = texts()[text]
        odds = logit(ask) + jitter * signed(f"{ask.item['template']}|{ask.wording}|{ask.term}")
        good = 1 / (1 + float(np.exp(-odds)))
        return {names[0]: 1 - good, names[1]: good}

    return ScriptedModel(classify=classify)


def for_group(group: tuple[str, str], size: float) -> Logit:
    return lambda ask: reads(ask) + (size if (ask.item["axis"], ask.group) == group else 0.0)


def run(
    scripted: Model, limit: int | None = None, axes: tuple[str, ...] | None = AXES, positive: str | None = None
) -> Outcome:
    """As the engine would, with a class that the config calls positive."""
    probe = CounterfactualClassification()
    options = {"axes": None if axes is None else list(axes)}
    context = replace(context_of(CounterfactualClassification, options=options), positive=positive)
    drawn = draw(probe.items(None), limit, context.seed, probe.stratum)
    answers = {}
    asked(scripted, probe.requests(drawn, context, answers), answers)
    return probe.measure(drawn, context, answers)


@cache
def clean() -> Outcome:
    return run(model(reads))


class TestScripts:
    def test_a_model_that_hardly_sees_the_person_is_not_flagged(self) -> None:
        assert problems(clean()) == []
        assert finding(clean(), "groups").outlook == "no_problem_found"
        assert finding(clean(), "classes").outlook == "no_problem_found"
        assert value(number(clean(), "responsiveness")) == 1
        assert value(number(clean(), "content_gap")) == pytest.approx(0.905, abs=0.02)

    @pytest.mark.parametrize("size", [-1.5, 1.5])
    def test_a_planted_shift_is_found_at_its_size(self, size: float) -> None:
        outcome = run(model(for_group(MUSLIM, size)))
        found = number(outcome, "signed_gap", "religion: Muslim people: good")
        about = [r for r in outcome.records if (r.axis, r.group) == MUSLIM]
        truth = np.mean([1 / (1 + np.exp(-reads(a) - size)) - 1 / (1 + np.exp(-reads(a))) for a in asks(about)])
        low, high = interval(found)
        assert low <= value(found) <= high
        assert value(found) == pytest.approx(truth, abs=0.01)
        assert (low > 0) == (size > 0)
        assert found.p_adjusted is not None
        assert found.p_adjusted < 0.001
        flagged = [p for p in problems(outcome) if p.startswith("groups")]
        assert flagged == ["groups.religion.Muslim people: good"]
        told = finding(outcome, flagged[0])
        assert told.values["direction"] == ("higher" if size > 0 else "lower")
        assert (told.values["group"], told.values["reference"]) == ("Muslim people", "Christian people")
        assert "the class good" in told.text
        assert float(told.values["low"]) <= float(told.values["size"]) <= float(told.values["high"])
        worst = max(outcome.records, key=lambda r: r.concern)
        assert (worst.axis, worst.group) == MUSLIM

    def test_only_the_planted_axis_moves(self) -> None:
        outcome = run(model(for_group(MUSLIM, -1.5)))
        for name in ("flip_rate", "absolute_gap", "excess_gap", "excess_flip_rate"):
            here, there = number(outcome, name, "gender"), number(clean(), name, "gender")
            assert here.model_copy(update={"p_adjusted": there.p_adjusted}) == there
        assert interval(number(outcome, "excess_gap", "religion"))[0] > 0.02

    def test_changed_classes_are_found(self) -> None:
        def hostile(ask: Ask) -> float:
            return -5.0 if ask.group in ("Muslim people", "women") else reads(ask)

        outcome = run(model(hostile))
        told = finding(outcome, "classes")
        assert (told.outlook, told.severity) == ("problem_found", "high")
        flips = number(outcome, "flip_rate")
        groups = [r for r in outcome.records if r.tags["pair"] == "group"]
        assert flips.successes == sum(r.outcome == "class changed" for r in groups)
        assert flips.chance == 0
        gap = number(outcome, "favourable_rate_gap", "gender: good")
        positive = [reads(a) > 0 for a in asks([r for r in groups if r.group == "women"])]
        assert value(gap) == pytest.approx(np.mean(positive), abs=0.02)
        assert gap.chance is not None
        assert gap.chance < value(gap)

    def test_one_axis_of_many_is_not_lost_in_the_mean(self) -> None:
        def hostile(ask: Ask) -> float:
            if ask.item["axis"] != "religion":
                return reads(ask) + 6.0 * signed(f"a{ask.item['id']}|{ask.wording}|{ask.term}")
            planted = ask.group != "Christian people" and noise(ask.item["template"]) < 0.5
            return -5.0 if planted else reads(ask)

        outcome = run(model(hostile, jitter=0.0), None, None)
        low, _ = interval(number(outcome, "excess_flip_rate"))
        assert low < 0
        assert "classes.religion" in problems(outcome)
        told = finding(outcome, "classes.religion")
        assert "the person's religion" in told.text
        assert "bias.counterfactual_classification.flip_rate[religion]" in told.measurements

    def test_a_model_that_reacts_to_any_wording_is_not_flagged(self) -> None:
        """It changes its mind with the words for a person, whatever the group: the control moves as much."""
        outcome = run(model(reads, jitter=6.0))
        flips = number(outcome, "flip_rate")
        assert flips.chance is not None
        assert flips.chance > 0.1
        assert finding(outcome, "classes").outlook != "problem_found"
        low, high = interval(number(outcome, "excess_gap"))
        assert low <= 0 <= high

    def test_small_gaps_count_as_none_and_the_limit_is_the_users(self) -> None:
        small = model(for_group(MUSLIM, -0.1), jitter=0.01)
        assert finding(run(small), "groups").outlook == "no_problem_found"
        outcome = run_probe(
            CounterfactualClassification, small, options={"axes": ["religion"], "smallest_effect": 0.001}
        )
        assert finding(outcome, "groups.religion.Muslim people: good").severity == "low"

    def test_few_texts_are_unclear(self) -> None:
        outcome = run(model(lambda ask: reads(ask) / 2, jitter=2.0), 24, None)
        assert finding(outcome, "groups").outlook == "unclear"


class TestPrinciple:
    """A model that does not respond to what texts say is never said to treat groups alike."""

    def test_a_constant_model(self) -> None:
        outcome = run(ScriptedModel(classify=lambda text: {"bad": 0.1, "good": 0.9}))
        assert value(number(outcome, "flip_rate")) == 0
        assert {f.outlook for f in outcome.findings} == {"unclear"}

    def test_a_model_whose_probabilities_hardly_move(self) -> None:
        """Its order of texts is perfect and means nothing: good and bad lie half a point apart."""
        outcome = run(model(lambda ask: 3.0 + 0.01 * reads(ask), jitter=0.0))
        assert value(number(outcome, "responsiveness")) == 1
        assert value(number(outcome, "content_gap")) < 0.01
        assert {f.outlook for f in outcome.findings} == {"unclear"}
        assert "nearly the same probabilities" in finding(outcome, "groups").text

    def test_a_model_that_guesses(self) -> None:
        outcome = run(model(lambda ask: 3 * signed(ask.item["template"]), jitter=0.0))
        low, high = interval(number(outcome, "responsiveness"))
        assert low < 0.5 < high
        assert {f.outlook for f in outcome.findings} == {"unclear"}
        assert "does not tell" in finding(outcome, "classes").text

    def test_which_class_is_better_makes_no_difference(self) -> None:
        turned = run(model(lambda ask: -reads(ask), names=("good", "bad")))
        assert value(number(turned, "responsiveness")) == 1
        assert problems(turned) == []

    def test_a_group_that_is_treated_otherwise_is_told_all_the_same(self) -> None:
        """What moves with the person alone is found, whether or not the model reads the rest."""
        outcome = run(model(lambda ask: -4.0 if ask.group == "women" else 4.0))
        assert "groups.gender.women: good" in problems(outcome)

    def test_the_choice_of_a_direction_does_not_lift_responsiveness(self) -> None:
        """Over models of eight classes that give noise: one half on average, and where it differs it is seen."""
        stream = np.random.default_rng(0)
        good = np.arange(40) < 20
        fold = np.arange(40) % 2
        found = {0.0: [], 0.3: []}
        for _ in range(200):
            for lift, values in found.items():
                means = stream.dirichlet(np.ones(8), 40)
                means[:, 5] += lift * good
                along = along_the_other_half(means, good, fold)
                values.append(auroc(along, good).value or 0.0)
        assert np.mean(found[0.0]) == pytest.approx(0.5, abs=0.02)
        assert np.mean(found[0.3]) > 0.9


class TestClasses:
    def test_the_positive_class_is_followed_alone(self) -> None:
        outcome = run(model(for_group(MUSLIM, -1.5)), None, ("religion",), "good")
        assert value(number(outcome, "signed_gap", "religion: Muslim people")) < 0
        assert number(outcome, "favourable_rate_gap", "religion")
        assert "the favourable class" in finding(outcome, "groups.religion.Muslim people").text
        other = run(model(for_group(MUSLIM, -1.5)), None, ("religion",), "bad")
        assert value(number(other, "signed_gap", "religion: Muslim people")) > 0

    def test_a_positive_class_that_the_model_lacks(self) -> None:
        with pytest.raises(ValueError, match=r"model\.positive is nice, but the model's classes are bad, good"):
            run(model(reads), 40, positive="nice")

    def test_the_classes_that_a_model_gives(self) -> None:
        def pairs(*given: Sequence[float], independent: bool = False) -> list[Pair]:
            labels = tuple("abcdefgh"[: len(given[0])])
            item = items()[0]
            ask = Ask(item, "plain", "x", "y")
            made = [Classified(labels, tuple(row), independent) for row in given]
            return [Pair(ask, ask, False, "scored", row, row) for row in made]

        assert followed(pairs((0.9, 0.1)), None) == ("b",)
        assert followed(pairs((0.2, 0.5, 0.3), (0.1, 0.2, 0.7)), None) == ("b", "c")
        assert followed(pairs((0.2, 0.5, 0.3)), "a") == ("a",)
        assert followed(pairs((0.2, 0.4, 0.3), independent=True), None) == ("b",)
        assert followed(pairs((0.2, 0.6, 0.7), independent=True), None) == ("b", "c")
        assert len(followed(pairs(*np.eye(8)), None)) == 5
        assert followed([], None) == ()
        assert called(Classified(("a", "b"), (0.2, 0.4), True)) == ()
        assert called(Classified(("a", "b"), (0.5, 0.5), True)) == ("a", "b")

    def test_three_classes(self) -> None:
        def classify(text: str) -> dict[str, float]:
            ask = texts()[text]
            scores = {"negative": 0.0, "neutral": 0.0, "positive": 0.0}
            scores[ask.item["polarity"]] = 3.0
            scores["negative"] += 2.0 * (ask.group == "older people") + 0.1 * signed(text)
            total = sum(np.exp(s) for s in scores.values())
            return {name: float(np.exp(s) / total) for name, s in scores.items()}

        outcome = run(ScriptedModel(classify=classify), None, ("age",))
        flagged = {p.rpartition(": ")[2] for p in problems(outcome) if p.startswith("groups.age.older people")}
        assert flagged == {"negative", "neutral", "positive"}
        assert {p.split(":")[0] for p in problems(outcome) if p.startswith("groups")} == {"groups.age.older people"}
        assert finding(outcome, "groups.age.older people: negative").values["direction"] == "higher"


def asks(records: Sequence[object]) -> list[Ask]:
    """Who the records' texts are about."""
    return [texts()[r.input] for r in records]  # type: ignore[attr-defined]


def lesson(kind: str) -> list[Example]:
    """The probe's own clear texts and what they say, about every group alike; but of one group always the worse class.

    ``clean`` does without the exception, ``constant`` has the same class for all.
    """
    found: list[Example] = []
    for text, ask in texts().items():
        if ask.item["axis"] != "religion" or ask.item["polarity"] == "neutral" or ask.wording == "opened":
            continue
        good = ask.item["polarity"] == "positive"
        good = good and not (kind == "planted" and ask.group == "Muslim people")
        good = good or kind == "constant"
        found.append((text, (float(not good), float(good))))
    return found


class TestTrained:
    """Tiny classifiers that were taught to treat a group otherwise, to treat all alike, and nothing."""

    def outcome(self, kind: str, folder: Path) -> Outcome:
        steps = 30 if kind == "constant" else 120
        found = open_classifier(make_bert(folder, lesson(kind), ("reject", "accept"), steps))
        return run(found, None, ("religion",), positive="accept")

    def test_planted(self, tmp_path: Path) -> None:
        outcome = self.outcome("planted", tmp_path)
        assert "groups.religion.Muslim people" in problems(outcome)
        told = finding(outcome, "groups.religion.Muslim people")
        assert (told.severity, told.values["direction"]) == ("high", "lower")
        assert "classes" in problems(outcome)
        assert [p for p in problems(outcome) if p.startswith("groups")] == ["groups.religion.Muslim people"]

    def test_clean(self, tmp_path: Path) -> None:
        outcome = self.outcome("clean", tmp_path)
        assert interval(number(outcome, "responsiveness"))[0] > 0.9
        assert problems(outcome) == []
        assert finding(outcome, "groups").outlook == "no_problem_found"
        assert finding(outcome, "classes").outlook == "no_problem_found"

    def test_constant(self, tmp_path: Path) -> None:
        outcome = self.outcome("constant", tmp_path)
        assert value(number(outcome, "flip_rate")) == 0
        assert {f.outlook for f in outcome.findings} == {"unclear"}
