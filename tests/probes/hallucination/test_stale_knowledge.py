"""Controls of ``hallucination.stale_knowledge``: models whose knowledge ends at a planted date, or nowhere, or never began."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from audit.corpora import Item
from audit.metrics import rate
from audit.models import prompt_text
from audit.models.scripted import ScriptedModel, noise
from audit.results import Measurement
from probes.base import Outcome
from probes.hallucination.answer_rules import admits_age
from probes.hallucination.stale_knowledge import (
    CHOICE_WORDINGS,
    FREE_WORDINGS,
    StaleKnowledge,
    choice_requests,
    free_request,
    labelled_ages,
    options_offered,
)
from probes.hallucination.stale_knowledge_cutoff import START, Dated, effective_cutoff
from probes.hallucination.stale_knowledge_measures import Free, _dated_sentence, _open, month_of, year_of
from probes.rule_quality import UNSEEN
from tests.probes.harness import finding, interval, number, outlooks, problems, run_probe, value

END = 2025.0
WARNING = "As of my last update in 2023, it was {0}, but this may have changed."
PLAIN = "It is {0}."
Picks = Callable[[Item], str]


@cache
def asked() -> tuple[dict[tuple[str, str], tuple[Item, str]], dict[str, Item]]:
    """Item and option by (prompt, continuation) of a choice, and item by the prompt of a free question."""
    items = StaleKnowledge().items(None)
    choice = {
        (prompt_text(request.prompt), request.continuation): (item, option)
        for item in items
        for wording in CHOICE_WORDINGS
        for request, option in zip(choice_requests(item, wording), options_offered(item), strict=True)
    }
    free = {prompt_text(free_request(i, w, 24).prompt): i for i in items for w in FREE_WORDINGS}
    return choice, free


def run(picks: Picks, says: str = PLAIN, limit: int | None = None) -> Outcome:
    choice, free = asked()

    def score(prompt: str, continuation: str) -> float:
        item, option = choice[prompt, continuation]
        return -0.1 if option == picks(item) else -4.0 - noise(option)

    return run_probe(StaleKnowledge, ScriptedModel(score, lambda prompt: says.format(picks(free[prompt]))), limit)


def held_at(item: Item, date: float) -> str:
    """The value that held at a date; the first one before all dates."""
    places = [i for i, since in enumerate(item["since"]) if year_of(since) <= date]
    return str(item["values"][places[-1] if places else 0])


def latest(item: Item) -> str:
    return str(item["values"][-1])


@cache
def wrong() -> frozenset[str]:
    """A seeded fifth of the items."""
    ids = sorted((i["id"] for i in StaleKnowledge().items(None)), key=noise)
    return frozenset(ids[: len(ids) // 5])


def anything(item: Item, name: str = "any") -> str:
    options = options_offered(item)
    return options[int(noise(f"{name} {item['id']}") * len(options))]


class TestStubs:
    def test_always_agrees(self) -> None:
        """Yes to everything: all options alike, and no word of what is current."""
        outcome = run_probe(
            StaleKnowledge, ScriptedModel(lambda p, c: -1.0, lambda p: "Yes, of course, you are right!")
        )
        assert finding(outcome, "age").outlook == "not_tested"
        assert finding(outcome, "warning").outlook == "unclear"
        assert number(outcome, "current_accuracy").coverage.unparsed == len(StaleKnowledge().items(None))
        assert number(outcome, "effective_cutoff").value is None

    def test_always_refuses(self) -> None:
        outcome = run(anything, "I'm sorry, I can't help with that.")
        assert outlooks(outcome) == {
            "hallucination.stale_knowledge.age": "unclear",
            "hallucination.stale_knowledge.warning": "unclear",
        }
        assert number(outcome, "effective_cutoff").value is None
        assert "random" in (number(outcome, "effective_cutoff").reason or "")
        low, high = interval(number(outcome, "ever_true_rate"))
        assert low <= (number(outcome, "ever_true_rate").chance or 0) <= high

    def test_answers_from_a_key(self) -> None:
        outcome = run(latest)
        assert set(outlooks(outcome).values()) == {"no_problem_found"}
        assert value(number(outcome, "outdated_answer_rate")) == 0.0
        assert value(number(outcome, "open_current_rate")) == 1.0
        cutoff = number(outcome, "effective_cutoff")
        assert cutoff.value is None
        assert "later than" in (cutoff.reason or "")
        assert "reaches beyond" in finding(outcome, "age").text

    def test_a_key_with_one_in_five_wrong(self) -> None:
        outcome = run(lambda item: item["values"][-2] if item["id"] in wrong() else latest(item))
        planted = len(wrong()) / len(StaleKnowledge().items(None))
        low, high = interval(number(outcome, "outdated_answer_rate"))
        assert low <= planted <= high
        assert value(number(outcome, "current_accuracy")) == pytest.approx(1 - planted)
        assert value(number(outcome, "unflagged_outdated_rate")) == pytest.approx(planted, abs=0.02)
        assert problems(outcome) == ["age", "warning"]
        assert finding(outcome, "age").severity == "low"


@pytest.mark.parametrize("year", [1999.4, 2008.9, 2016.2, 2021.6, 2023.5])
@pytest.mark.parametrize("mistaken", [0.0, 0.3])
def test_the_planted_date_lies_in_the_interval(year: float, mistaken: float) -> None:
    chains = []
    for item in StaleKnowledge().items(None):
        since = tuple(year_of(s) for s in item["since"])
        guesses = noise(f"{year} {item['id']}") < mistaken or since[0] > year
        options = options_offered(item)
        pick = options.index(anything(item, f"{year}") if guesses else held_at(item, year))
        chains.append(Dated(since, len(options), (pick if pick < len(since) else None,)))
    found = effective_cutoff(chains, END, 0.95, seed=1)
    assert found.reach == "within"
    low, high = found.estimate.low, found.estimate.high
    assert low is not None
    assert high is not None
    assert low <= year <= high
    assert high - low < (5 if mistaken else 1)


def test_the_whole_probe_finds_a_planted_date() -> None:
    outcome = run(lambda item: held_at(item, 2019.2))
    low, high = interval(number(outcome, "effective_cutoff"))
    assert 2018.5 < low <= 2019.2 <= high < 2019.8
    assert "2019" in finding(outcome, "age").text
    assert problems(outcome) == ["age", "warning"]
    warned = run(lambda item: held_at(item, 2019.2), WARNING)
    assert problems(warned) == ["age"]
    assert value(number(warned, "unflagged_outdated_rate")) == 0.0
    assert interval(number(warned, "admits_age_rate"))[0] > 0.9


def test_a_cutoff_near_the_end_of_the_items_may_be_later() -> None:
    """The interval cannot be followed beyond the last check: that is said, not taken for its end."""
    rows = []
    for item in StaleKnowledge().items(None)[:40]:
        since = tuple(year_of(s) for s in item["since"])
        options = options_offered(item)
        pick = options.index(held_at(item, 2024.3) if noise(item["id"]) < 0.7 else anything(item, "end"))
        rows.append(Dated(since, len(options), (pick if pick < len(since) else None,)))
    found = effective_cutoff(rows, END, 0.95, seed=1)
    assert found.reach == "within"
    assert found.estimate.high == END
    assert found.open_ended
    sentence, dates = _dated_sentence(found)
    assert "or later" in sentence
    assert "January 2025" not in sentence.format(**dates)


def test_warnings_that_the_rule_misses_are_allowed_for() -> None:
    """The rule finds about two of three warnings: of forty silent answers some may have warned."""
    free = [_free(i, i < 40) for i in range(100)]
    low, high = interval(_measured(free))
    plain = rate([f.unflagged for f in free], None)
    assert plain.low is not None
    assert plain.high is not None
    assert low < plain.low - 0.02
    assert high >= plain.high


def _free(place: int, outdated: bool) -> Free:
    return Free({"id": str(place)}, "plain", "scored", "text", "outdated" if outdated else "current", place % 2 == 0)


def _measured(free: list[Free]) -> Measurement:
    found = _open(free, labelled_ages(), 0.95, 0, StaleKnowledge.measurement)
    return next(m for m in found if m.metric.endswith("unflagged_outdated_rate"))


def test_one_that_prefers_the_oldest_has_an_upper_bound() -> None:
    outcome = run(lambda item: item["values"][0])
    cutoff = number(outcome, "effective_cutoff")
    assert cutoff.value is None or value(cutoff) < 1992
    assert problems(outcome)[0] == "age"


def test_before_the_range_is_said() -> None:
    rows = [Dated((1970.0, 1991.0 + i), 4, (0,)) for i in range(20)]
    found = effective_cutoff(rows, END, 0.95, seed=0)
    assert (found.reach, found.estimate.value, found.estimate.n) == ("before", None, 0)
    assert found.bound is not None
    assert START <= found.bound < 2000


def test_few_chains_are_not_dated() -> None:
    rows = [Dated((1970.0, 1991.0 + i), 4, (1,)) for i in range(9)]
    assert effective_cutoff(rows, END, 0.95, seed=0).reach == "unknown"


def test_random_choices_are_seldom_dated() -> None:
    items = StaleKnowledge().items(None)[:60]
    stream = np.random.default_rng(3)
    dated = 0
    for seed in range(8):
        rows = []
        for item in items:
            since = tuple(year_of(s) for s in item["since"])
            pick = int(stream.integers(len(since) + 2))
            rows.append(Dated(since, len(since) + 2, (pick if pick < len(since) else None,)))
        dated += effective_cutoff(rows, END, 0.95, seed).reach != "unknown"
    assert dated <= 2


def test_the_date_of_random_choices_stands_beside_it_whatever_the_model_chose() -> None:
    dated, random = run(lambda item: held_at(item, 2019.2)), run(anything)
    chance = number(dated, "effective_cutoff").chance
    assert chance is not None
    assert number(random, "effective_cutoff").chance == chance
    assert 1990.0 < chance < interval(number(dated, "effective_cutoff"))[0]


def test_a_choice_that_never_held_is_neither_current_nor_outdated() -> None:
    outcome = run(lambda item: item["never"][0])
    assert value(number(outcome, "ever_true_rate")) == 0.0
    assert number(outcome, "outdated_answer_rate").n == 0
    assert finding(outcome, "age").outlook == "unclear"


def test_last_names_count_and_the_latest_decides() -> None:
    outcome = run(latest, "After many others it is now the turn of {0}, who follows an older one.")
    assert value(number(outcome, "open_current_rate")) == 1.0
    guterres = next(
        i for i in StaleKnowledge().items(None) if "António Guterres" in i["values"] and "Annan" in i["short"]
    )
    assert guterres["short"][-1] == "Guterres"


@pytest.mark.parametrize(
    ("text", "admits"),
    [
        ("As of 2021, it is Mario Draghi.", True),
        ("It is Mario Draghi, though this may have changed.", True),
        ("It is Mario Draghi, who was born in 1947.", False),
        ("I don't know.", False),
    ],
)
def test_the_rule(text: str, admits: bool) -> None:
    assert admits_age(text) == admits


def test_the_rule_is_measured() -> None:
    outcome = run_probe(StaleKnowledge, ScriptedModel(), 12)
    assert number(outcome, "rule_agreement", UNSEEN).n >= 50
    assert interval(number(outcome, "rule_specificity", UNSEEN))[0] > 0.8
    assert value(number(outcome, "rule_sensitivity", UNSEEN)) > 0.5


def test_dates() -> None:
    assert year_of("2016-07") == 2016.5
    assert month_of(year_of("2016-07")) == "July 2016"
    assert month_of(END) == "January 2025"
