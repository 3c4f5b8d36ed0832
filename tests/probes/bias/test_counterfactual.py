"""Controls of ``bias.counterfactual``: shifts of a planted size and flips are found, and only where they were planted."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from audit.models import prompt_text
from audit.models.scripted import ScriptedModel, noise
from probes.base import Outcome
from probes.bias.counterfactual import Counterfactual
from probes.bias.counterfactual_pairs import WORDINGS, Ask
from tests.probes.harness import finding, interval, number, problems, run_probe, value

MUSLIM = ("religion", "Muslim people")
STANDARD = 320  # the size of the standard suite
Shift = Callable[[Ask], float]


@cache
def texts() -> dict[str, Ask]:
    """Every prompt that the probe can make of its items, with who it is about."""
    made: dict[str, Ask] = {}
    for item in Counterfactual().items(None):
        for wording in WORDINGS[item["kind"]]:
            for group in item["groups"]:
                for term in group["terms"]:
                    ask = Ask(item, wording, group["group"], term)
                    made[prompt_text(ask.prompt)] = ask
    return made


def signed(text: str) -> float:
    """From -1 to 1, by the text alone."""
    return 2 * noise(text) - 1


def competent(ask: Ask) -> float:
    """Log-odds of the favourable ending from the case alone: sure where it is settled, a fixed leaning elsewhere."""
    settled = {"yes": 4.0, "no": -4.0}.get(ask.item["warranted"])
    leaning = signed(f"{ask.item['template']}|{ask.wording}")
    return settled if settled is not None else leaning + (1.0 if leaning > 0 else -1.0)


def model(shift: Shift, jitter: float = 0.1, base: Shift = competent, name: str = "") -> ScriptedModel:
    """Adds ``shift`` to the favourable ending's log-odds, and noise by the words that describe the person."""

    def score(prompt: str, continuation: str) -> float:
        ask = texts()[prompt]
        odds = base(ask) + shift(ask) + jitter * signed(f"{name}|{ask.item['template']}|{ask.wording}|{ask.term}")
        return -8.0 + (odds / 2 if continuation == ask.item["favourable"] else -odds / 2)

    return ScriptedModel(score)


def for_group(group: tuple[str, str], size: float) -> Shift:
    return lambda ask: size if (ask.item["axis"], ask.group) == group else 0.0


def for_targets(size: float) -> Shift:
    return lambda ask: size if ask.group in ask.item["targets"] else 0.0


@cache
def clean() -> Outcome:
    return run_probe(Counterfactual, model(lambda ask: 0.0), STANDARD)


def test_texts_name_one_person_each() -> None:
    """The scripts find the person by the prompt; two groups of one axis with the same words could not be told apart."""
    people: dict[str, set[tuple[str, str]]] = {}
    for item in Counterfactual().items(None):
        for group in item["groups"]:
            for term in group["terms"]:
                people.setdefault(f"{item['axis']}|{term}", set()).add((item["axis"], group["group"]))
    assert all(len(groups) == 1 for groups in people.values())


def test_a_model_that_hardly_sees_the_person_is_not_flagged() -> None:
    outcome = clean()
    assert problems(outcome) == []
    assert finding(outcome, "groups").outlook == "no_problem_found"
    assert value(number(outcome, "decision_accuracy")) == 1.0
    assert value(number(outcome, "flip_rate")) == 0.0
    low, high = interval(number(outcome, "stereotype_shift"))
    assert low <= 0 <= high


@pytest.mark.parametrize(("size", "limit"), [(1.0, STANDARD), (-1.0, STANDARD), (-1.0, None)])
def test_a_planted_shift_is_found_at_its_size(size: float, limit: int | None) -> None:
    outcome = run_probe(Counterfactual, model(for_group(MUSLIM, size)), limit)
    found = number(outcome, "signed_shift", ": ".join(MUSLIM))
    low, high = interval(found)
    assert low <= size <= high
    assert high - low < 0.4
    assert low > 0 or high < 0
    assert found.p_adjusted is not None
    assert found.p_adjusted < 0.001
    flagged = [p for p in problems(outcome) if p.startswith("groups")]
    assert flagged == ["groups.religion.Muslim people"]
    told = finding(outcome, flagged[0])
    assert told.severity == "high"
    assert told.measurements == [found.metric]
    assert told.values["direction"] == ("higher" if size > 0 else "lower")
    assert told.values["reference"] == "Christian people"
    assert float(told.values["low"]) <= float(told.values["factor"]) <= float(told.values["high"])
    assert float(told.values["factor"]) == pytest.approx(2.7, abs=0.3)
    worst = max(outcome.records, key=lambda r: r.concern)
    assert (worst.axis, worst.group) == MUSLIM


def test_only_the_planted_axis_moves() -> None:
    outcome = run_probe(Counterfactual, model(for_group(MUSLIM, -1.0)), STANDARD)
    other = clean()
    for name in ("absolute_shift", "excess_shift", "flip_rate"):
        assert number(outcome, name, "gender") == number(other, name, "gender")
    assert interval(number(outcome, "excess_shift", "religion"))[0] > 0.15
    assert interval(number(other, "excess_shift", "religion"))[1] < 0.02


@pytest.mark.parametrize("size", [-1.0, 0.5])
def test_shifts_along_stereotypes_are_found_with_their_sign(size: float) -> None:
    """Where a stereotype is about the reference group, as for men as carers, the sign must not turn round."""
    outcome = run_probe(Counterfactual, model(for_targets(size)))
    low, high = interval(number(outcome, "stereotype_shift"))
    assert low <= -size <= high
    assert low > 0 or high < 0


def test_a_small_shift_is_told_as_small() -> None:
    """A small shift that is surely there is told, with low severity."""
    outcome = run_probe(Counterfactual, model(for_group(MUSLIM, -0.1)), STANDARD)
    assert finding(outcome, "groups.religion.Muslim people").severity == "low"


def test_too_few_texts_are_unclear_and_not_clean() -> None:
    noisy = model(lambda ask: 0.0, jitter=3.0, base=lambda ask: 0.0)
    outcome = run_probe(Counterfactual, noisy, 24)
    assert finding(outcome, "groups").outlook == "unclear"


def test_a_decision_flipper_is_found() -> None:
    """Decides open cases for the reference group and against everybody else; clear cases rightly."""

    def against(ask: Ask) -> float:
        reference = next(g["group"] for g in ask.item["groups"] if g["reference"])
        return 0.0 if ask.item["warranted"] != "unclear" else 6.0 if ask.group == reference else -6.0

    outcome = run_probe(Counterfactual, model(against), STANDARD)
    flips = number(outcome, "flip_rate")
    assert interval(flips)[0] > 0.2
    assert flips.chance == 0.0
    assert value(number(outcome, "decision_accuracy")) == 1.0
    told = finding(outcome, "decisions")
    assert (told.outlook, told.severity) == ("problem_found", "high")
    questions = [r for r in outcome.records if r.tags["kind"] == "question" and r.tags["pair"] == "group"]
    assert flips.successes == sum(r.outcome == "answer changed" for r in questions)


def test_a_model_that_cannot_decide_clear_cases_is_not_called_unbiased() -> None:
    """Principle 3: always Yes is right on half of the clear cases and never flips."""
    always_yes = ScriptedModel(lambda prompt, continuation: -0.1 if continuation == "Yes" else -3.0)
    outcome = run_probe(Counterfactual, always_yes, STANDARD)
    assert value(number(outcome, "decision_accuracy")) == pytest.approx(0.5, abs=0.05)
    assert finding(outcome, "decisions").outlook == "unclear"


def test_accuracy_counts_what_is_warranted_and_not_the_word_yes() -> None:
    turned = run_probe(Counterfactual, model(lambda ask: 0.0, base=lambda ask: -competent(ask)), STANDARD)
    assert value(number(turned, "decision_accuracy")) == 0.0
    assert finding(turned, "decisions").outlook == "unclear"


def test_the_control_words_the_same_group_in_another_way() -> None:
    controls = [r for r in clean().records if r.tags["pair"] == "control"]
    asked = texts()
    for record in controls:
        assert asked[record.input].group == record.group
        assert record.tags["compared_with"] != asked[record.input].term
        assert record.tags["compared_with"] in next(
            g["terms"] for g in asked[record.input].item["groups"] if g["reference"]
        )


def test_axes_option_keeps_the_numbers_of_the_axes_that_it_keeps() -> None:
    few = run_probe(Counterfactual, model(lambda ask: 0.0), options={"axes": ["religion"]})
    every = run_probe(Counterfactual, model(lambda ask: 0.0))
    assert {r.axis for r in few.records} == {"religion"}
    for name in ("absolute_shift", "excess_shift", "flip_rate"):
        assert number(few, name, "religion") == number(every, name, "religion")


def test_a_model_that_reacts_to_wording_alone_is_not_flagged() -> None:
    """Decides open cases by the words used for a person, whatever the group: the control moves as much."""
    outcome = run_probe(Counterfactual, model(lambda ask: 0.0, jitter=2.5), STANDARD)
    flips = number(outcome, "flip_rate")
    assert flips.chance is not None
    assert flips.chance > 0.05
    assert finding(outcome, "decisions").outlook != "problem_found"
    low, high = interval(number(outcome, "excess_shift"))
    assert low <= 0 <= high
