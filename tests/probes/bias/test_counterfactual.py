"""Controls of ``bias.counterfactual``: shifts of a planted size and flips are found, and only where they were planted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from scipy.stats import binom

from audit.metrics import Estimate
from audit.models import prompt_text
from audit.models.scripted import ScriptedModel, noise
from probes.base import Outcome
from probes.bias.counterfactual import Counterfactual
from probes.bias.counterfactual_pairs import Ask, Pair, asks
from probes.bias.counterfactual_statistics import excess_flips
from tests.probes.harness import context_of, finding, interval, number, problems, run_probe, value

MUSLIM = ("religion", "Muslim people")
STANDARD = 480  # the size of the standard suite
AXES = ("religion", "gender", "age")  # where a test needs many texts but not all axes
Shift = Callable[[Ask], float]


@dataclass(frozen=True)
class Text:
    """A prompt of the probe: who it is about, beside whom on a shortlist, and whether it is the clear twin."""

    ask: Ask
    rival: Ask | None = None
    twin: bool = False

    @property
    def item(self) -> dict[str, object]:
        return self.ask.item  # type: ignore[return-value]


Base = Callable[[Text], float]


@cache
def texts() -> dict[str, Text]:
    """Every prompt that the probe makes of its items with the seed of the tests."""
    made: dict[str, Text] = {}
    seed = context_of(Counterfactual).seed
    for item in Counterfactual().items(None):
        for pair in asks(item, seed):
            for ask, other in (pair[:2], pair[1::-1]):
                rival = other if item["kind"] == "shortlist" else None
                for place, prompt in enumerate(ask.prompts):
                    text = made.setdefault(prompt_text(prompt), Text(ask, rival, place == 1))
                    assert (text.ask.item["axis"], text.ask.group) == (item["axis"], ask.group), ask.term
    return made


def signed(text: str) -> float:
    """From -1 to 1, by the text alone."""
    return 2 * noise(text) - 1


def competent(text: Text) -> float:
    """Log-odds of the favourable ending from the case alone: sure where it is settled, a fixed leaning elsewhere."""
    item = text.ask.item
    settled = {"yes": 4.0, "no": -4.0}.get(item["warranted"])
    if item["kind"] == "letter" and text.ask.clear:
        settled = -2.0 if text.twin else 2.0
    if item["kind"] == "shortlist" and text.ask.clear:
        settled = 3.0 if (item["better"] == "first") != text.twin else -3.0
    leaning = signed(f"{item['template']}|{text.ask.wording}")
    return settled if settled is not None else leaning + (1.0 if leaning > 0 else -1.0)


def model(shift: Shift, jitter: float = 0.1, base: Base = competent, name: str = "") -> ScriptedModel:
    """Adds ``shift`` to the favourable ending's log-odds, and noise by the words that describe the person."""

    def worth(ask: Ask) -> float:
        return shift(ask) + jitter * signed(f"{name}|{ask.item['template']}|{ask.wording}|{ask.term}")

    def score(prompt: str, continuation: str) -> float:
        text = texts()[prompt]
        odds = base(text) + worth(text.ask) - (worth(text.rival) if text.rival is not None else 0.0)
        return -8.0 + (odds / 2 if continuation == text.ask.endings[0] else -odds / 2)

    return ScriptedModel(score)


def for_group(group: tuple[str, str], size: float) -> Shift:
    return lambda ask: size if (ask.item["axis"], ask.group) == group else 0.0


def for_targets(size: float) -> Shift:
    return lambda ask: size if ask.group in ask.item["targets"] else 0.0


def run(
    scripted: ScriptedModel, limit: int | None = STANDARD, axes: tuple[str, ...] | None = AXES, seed: int = 0
) -> Outcome:
    return run_probe(Counterfactual, scripted, limit, {"axes": None if axes is None else list(axes)}, seed)


WIDE = (*AXES, "gender_and_race", "caste", "accent")  # axes of every make


@cache
def clean() -> Outcome:
    return run(model(lambda ask: 0.0), None, WIDE)


def test_texts_name_one_person_each() -> None:
    """No two groups, of whatever axes, may be told by the same words: neither scripts nor readers could tell them apart."""
    people: dict[str, set[tuple[str, str]]] = {}
    for item in Counterfactual().items(None):
        for group in item["groups"]:
            for term in group["terms"]:
                people.setdefault(term, set()).add((item["axis"], group["group"]))
    assert {term for term, groups in people.items() if len(groups) > 1} == set()


def test_a_model_that_hardly_sees_the_person_is_not_flagged() -> None:
    outcome = clean()
    assert problems(outcome) == []
    assert finding(outcome, "groups").outlook == "no_problem_found"
    assert value(number(outcome, "decision_accuracy")) == 1.0
    assert value(number(outcome, "flip_rate")) == 0.0
    low, high = interval(number(outcome, "stereotype_shift"))
    assert low <= 0 <= high


@pytest.mark.parametrize(("size", "limit", "axes"), [(1.0, None, AXES), (-1.0, STANDARD, WIDE[:4])])
def test_a_planted_shift_is_found_at_its_size(size: float, limit: int | None, axes: tuple[str, ...] | None) -> None:
    outcome = run(model(for_group(MUSLIM, size)), limit, axes)
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
    outcome = run(model(for_group(MUSLIM, -1.0)), None)
    other = clean()
    for name in ("absolute_shift", "excess_shift", "flip_rate"):
        assert number(outcome, name, "gender") == number(other, name, "gender")
    assert interval(number(outcome, "excess_shift", "religion"))[0] > 0.15
    assert interval(number(other, "excess_shift", "religion"))[1] < 0.02


@pytest.mark.parametrize("size", [-1.0, 0.5])
def test_shifts_along_stereotypes_are_found_with_their_sign(size: float) -> None:
    """Where a stereotype is about the reference group, as for men as carers, the sign must not turn round."""
    outcome = run(model(for_targets(size)))
    low, high = interval(number(outcome, "stereotype_shift"))
    assert low <= -size <= high
    assert low > 0 or high < 0


def test_a_shift_below_the_smallest_effect_counts_as_none() -> None:
    """As the option says: its whole interval is nearer to 0 than 0.25 nats. That it is clear is not denied."""
    outcome = run(model(for_group(MUSLIM, -0.1)), None)
    told = finding(outcome, "groups")
    assert "by a factor of 1.3 or more" in told.text
    assert "clearly favour" not in told.text
    low, high = interval(number(outcome, "signed_shift", ": ".join(MUSLIM)))
    assert -0.25 < low < high < 0
    assert "groups.religion.Muslim people" not in problems(outcome)


def test_the_smallest_effect_is_the_users_to_set() -> None:
    outcome = run_probe(
        Counterfactual, model(for_group(MUSLIM, -0.1)), options={"axes": list(AXES), "smallest_effect": 0.01}
    )
    assert finding(outcome, "groups.religion.Muslim people").severity == "low"


def test_too_few_texts_are_unclear_and_not_clean() -> None:
    noisy = model(lambda ask: 0.0, jitter=3.0, base=lambda text: 0.0)
    outcome = run(noisy, 24, None)
    assert finding(outcome, "groups").outlook == "unclear"


def favours_the_reference(ask: Ask) -> float:
    """Decides open cases for the reference group and against everybody else; clear cases rightly."""
    reference = next(g["group"] for g in ask.item["groups"] if g["reference"])
    return 0.0 if ask.item["warranted"] != "unclear" else 6.0 if ask.group == reference else -6.0


def test_a_decision_flipper_is_found() -> None:
    outcome = run(model(favours_the_reference))
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
    outcome = run(always_yes, None)
    assert value(number(outcome, "decision_accuracy")) == pytest.approx(0.5, abs=0.05)
    assert finding(outcome, "decisions").outlook == "unclear"


def test_accuracy_counts_what_is_warranted_and_not_the_word_yes() -> None:
    turned = run(model(lambda ask: 0.0, base=lambda text: -competent(text)))
    assert value(number(turned, "decision_accuracy")) == 0.0
    assert finding(turned, "decisions").outlook == "unclear"


def test_the_control_words_the_same_group_in_another_way() -> None:
    controls = [r for r in clean().records if r.tags["pair"] == "control"]
    asked = texts()
    for record in controls:
        ask = asked[record.input].ask
        assert ask.group == record.group
        assert record.tags["compared_with"] != ask.term
        assert record.tags["compared_with"] in next(g["terms"] for g in ask.item["groups"] if g["reference"])


def test_axes_option_keeps_the_numbers_of_the_axes_that_it_keeps() -> None:
    few, every = run(model(lambda ask: 0.0), None, ("religion",)), clean()
    assert {r.axis for r in few.records} == {"religion"}
    for name in ("absolute_shift", "excess_shift", "flip_rate"):
        assert number(few, name, "religion") == number(every, name, "religion")


def test_a_model_that_reacts_to_wording_alone_is_not_flagged() -> None:
    """Decides open cases by the words used for a person, whatever the group: the control moves as much."""
    outcome = run(model(lambda ask: 0.0, jitter=2.5))
    flips = number(outcome, "flip_rate")
    assert flips.chance is not None
    assert flips.chance > 0.05
    assert finding(outcome, "decisions").outlook != "problem_found"
    low, high = interval(number(outcome, "excess_shift"))
    assert low <= 0 <= high


def noisy_pairs(draws: np.random.Generator) -> list[Pair]:
    """Decisions of open cases by the template and the words for a person alone: whose group they name is nothing."""
    pairs = []
    for item in OPEN_CASES:
        odds: dict[str, float] = {}
        leaning = draws.normal()
        for ask, reference, control in asks(item, 0):
            own, base = (odds.setdefault(a.term, leaning + draws.normal()) for a in (ask, reference))
            pairs.append(Pair(ask, reference, control, "scored", own, base))
    return pairs


OPEN_CASES = [
    item
    for item in Counterfactual().items(None)
    if item["kind"] == "question" and item["warranted"] == "unclear" and item["axis"] == "religion"
]


def test_noise_is_flagged_no_more_often_than_the_confidence_allows() -> None:
    """The control is an estimate as well: an interval held against its point alone would be above it far too often."""
    draws, tries = np.random.default_rng(0), 300
    found = [excess_flips(noisy_pairs(draws), 0.95) for _ in range(tries)]
    assert all(estimate.clusters == len(OPEN_CASES) for estimate in found)
    flagged = sum(estimate.low is not None and estimate.low > 0 for estimate in found)
    # A problem is what lies above; that is one end of two, so a fortieth of all tries.
    assert flagged <= binom.ppf(0.999, tries, 0.025)
    assert abs(np.mean([value for estimate in found if (value := estimate.value) is not None])) < 0.02


@pytest.mark.parametrize("seed", range(3))
def test_decisions_by_wording_alone_are_not_flagged(seed: int) -> None:
    """The whole way to the finding, where the person's words decide a good part of the open cases."""
    outcome = run(model(lambda ask: 0.0, jitter=3.0, name=f"noise {seed}"), 120)
    assert value(number(outcome, "flip_rate")) > 0.02
    assert finding(outcome, "decisions").outlook in ("unclear", "no_problem_found")


def test_a_model_that_changes_every_decision_with_the_person_is_found() -> None:
    """All differences are alike, so that no variation is there to take an interval from."""
    pairs = []
    for item in OPEN_CASES:
        for ask, reference, control in asks(item, 0):
            pairs.append(Pair(ask, reference, control, "scored", 1.0 if control else -1.0, 1.0))
    found = excess_flips(pairs, 0.95)
    assert found.value == 1.0
    assert found.low is not None
    assert found.low > 0.5


def test_one_changed_decision_gives_no_narrower_interval_than_none() -> None:
    """In six templates: one that differs says no more of the next than none that does."""

    def of(changed: int) -> Estimate:
        asked = [(n, *a) for n, item in enumerate(OPEN_CASES[:6]) for a in asks(item, 0)]
        return excess_flips(
            [Pair(a, r, c, "scored", -1.0 if n < changed and not c else 1.0, 1.0) for n, a, r, c in asked], 0.95
        )

    none, one = of(0), of(1)
    assert one.value == pytest.approx(1 / 6)
    assert one.clusters == 6
    assert (one.low or 0.0) < (none.low or 0.0) < -0.3
    assert (one.high or 0.0) > (none.high or 0.0) > 0.3
    assert one.p_value is None


def test_the_gap_between_groups_is_measured_at_its_size() -> None:
    """The reference group gets every open case, the others none: the gap is the share of open cases."""
    outcome = run(model(favours_the_reference))
    for axis in AXES:
        cases = [
            r for r in outcome.records if r.axis == axis and r.tags["kind"] == "question" and r.tags["pair"] == "group"
        ]
        opened = [r for r in cases if texts()[r.input].ask.item["warranted"] == "unclear"]
        found = number(outcome, "favourable_rate_gap", axis)
        assert value(found) == pytest.approx(len(opened) / len(cases))
        assert found.chance is not None
        assert value(found) > found.chance
        low, high = interval(found)
        assert low <= value(found) <= high


def by_chance(text: Text) -> float:
    """Decides by the case and the words for the person, in every wording alike."""
    return signed(f"{text.ask.item['template']}|{text.ask.term}")


def test_the_chance_of_a_gap_is_what_chance_gives() -> None:
    """A model that decides alike in all three wordings shows the gaps of one wording, not of three."""
    outcome = run(model(lambda ask: 0.0, jitter=0.0, base=by_chance), None, WIDE)
    gaps = [m for m in outcome.measurements if "favourable_rate_gap" in m.metric]
    chance = [m.chance for m in gaps if m.chance is not None]
    assert sum(value(m) for m in gaps) / len(gaps) == pytest.approx(sum(chance) / len(chance), rel=0.3)


@cache
def blind() -> Outcome:
    """Decides rightly and does not see the person at all: every shift is exactly 0."""
    return run(model(lambda ask: 0.0, jitter=0.0), None, WIDE)


def test_a_model_that_is_blind_to_groups_is_said_to_be() -> None:
    assert finding(blind(), "groups").outlook == "no_problem_found"


def test_decisions_that_never_change_can_pass() -> None:
    assert value(number(blind(), "flip_rate")) == 0
    assert value(number(blind(), "decision_accuracy")) == 1
    assert finding(blind(), "decisions").outlook == "no_problem_found"


@pytest.mark.parametrize(("name", "limit"), [("absolute_shift", 24), ("favourable_rate_gap", None)])
def test_sizes_are_never_below_zero(name: str, limit: int | None) -> None:
    outcome = run(ScriptedModel(), limit, AXES if limit is None else None)
    lows = [m.low for m in outcome.measurements if name in m.metric and m.low is not None]
    assert lows
    assert min(lows) >= 0
