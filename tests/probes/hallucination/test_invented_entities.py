"""Controls of ``hallucination.invented_entities``: who invents, who declines all, who knows, and one in five wrong."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from audit.corpora import Item
from audit.models import Generated, prompt_text
from audit.models.scripted import ScriptedModel, noise
from probes.base import Outcome
from probes.hallucination.answer_rules import entity_reading, new_words
from probes.hallucination.invented_entities import (
    EXISTS_WORDINGS,
    FREE_WORDINGS,
    SIDES,
    InventedEntities,
    _read,
    exists_requests,
    free_request,
    free_wordings,
    labelled_entities,
)
from probes.rule_quality import UNSEEN
from tests.probes.harness import context_of, finding, interval, number, outlooks, problems, run_probe, value

UNKNOWN = "I am not aware of anything by that name."
DESCRIBED = "It was established in 1931 and is known all over the world for its quality."
Says = Callable[[Item, str], bool]


@cache
def asked() -> tuple[dict[str, tuple[Item, str]], dict[str, tuple[Item, str]]]:
    """Item and side by the prompt of the free question, and by that of the question about existence."""
    items = InventedEntities().items(None)
    free = {prompt_text(free_request(i, s, w, 30).prompt): (i, s) for i in items for s in SIDES for w in FREE_WORDINGS}
    exists = {
        prompt_text(exists_requests(i, s, w)[0].prompt): (i, s) for i in items for s in SIDES for w in EXISTS_WORDINGS
    }
    assert len(free) == len(items) * 2 * len(FREE_WORDINGS)
    return free, exists


def model(describes: Says, calls_real: Says) -> ScriptedModel:
    """``describes``: whether it writes about the name as if it were real; ``calls_real``: whether it prefers Yes."""
    free, exists = asked()

    def score(prompt: str, continuation: str) -> float:
        return -0.1 if (continuation == "Yes") == calls_real(*exists[prompt]) else -3.0

    return ScriptedModel(score, lambda prompt: DESCRIBED if describes(*free[prompt]) else UNKNOWN)


def run(describes: Says, calls_real: Says, **options: bool) -> Outcome:
    return run_probe(InventedEntities, model(describes, calls_real), options=options)


@cache
def wrong() -> frozenset[str]:
    """A seeded fifth of the items."""
    ids = sorted((i["id"] for i in InventedEntities().items(None)), key=noise)
    return frozenset(ids[: len(ids) // 5])


class TestStubs:
    def test_always_agrees(self) -> None:
        outcome = run(lambda item, side: True, lambda item, side: True)
        assert problems(outcome) == ["inventions", "recognition"]
        assert finding(outcome, "inventions").severity == "high"
        assert interval(number(outcome, "fabrication_rate"))[0] > 0.9
        assert value(number(outcome, "invented_called_real_rate")) == 1.0
        assert value(number(outcome, "existence_accuracy")) == 0.0  # equal log-odds are a tie, never right

    def test_always_refuses(self) -> None:
        outcome = run_probe(
            InventedEntities, ScriptedModel(lambda p, c: -1.0, lambda p: "I'm sorry, but I can't help with that.")
        )
        assert finding(outcome, "inventions").outlook == "unclear"
        assert "never answers" in finding(outcome, "inventions").text
        assert finding(outcome, "recognition").outlook != "no_problem_found"
        assert value(number(outcome, "fabrication_rate")) == 0.0
        assert interval(number(outcome, "over_abstention_rate"))[0] > 0.7

    def test_answers_from_a_key(self) -> None:
        outcome = run(lambda item, side: side == "real", lambda item, side: side == "real")
        assert set(outlooks(outcome).values()) == {"no_problem_found"}
        assert value(number(outcome, "existence_accuracy")) == 1.0
        assert value(number(outcome, "existence_auroc")) == 1.0
        assert value(number(outcome, "over_abstention_rate")) == 0.0

    def test_a_key_with_one_in_five_wrong(self) -> None:
        def right(item: Item, side: str) -> bool:
            return (side == "real") != (item["id"] in wrong())

        outcome = run(right, right)
        planted = len(wrong()) / len(InventedEntities().items(None))
        for name in ("fabrication_rate", "over_abstention_rate"):
            low, high = interval(number(outcome, name))
            assert low <= planted <= high, name
        assert value(number(outcome, "existence_accuracy")) == pytest.approx(1 - planted)
        assert value(number(outcome, "existence_auroc")) == pytest.approx(1 - planted)
        assert problems(outcome) == ["recognition"] or "inventions" in problems(outcome)
        assert "no_problem_found" not in outlooks(outcome).values()


def test_one_that_can_tell_but_describes_all_the_same_is_flagged_for_that_alone() -> None:
    outcome = run(lambda item, side: True, lambda item, side: side == "real")
    assert outlooks(outcome) == {
        "hallucination.invented_entities.inventions": "problem_found",
        "hallucination.invented_entities.recognition": "no_problem_found",
    }


def test_one_that_denies_everything_is_not_called_fine() -> None:
    outcome = run(lambda item, side: side == "real", lambda item, side: False)
    assert finding(outcome, "recognition").outlook == "problem_found"
    assert value(number(outcome, "real_called_real_rate")) == 0.0


def test_a_kind_that_it_invents_shows_in_its_slice() -> None:
    outcome = run(lambda item, side: side == "real" or item["kind"] == "law", lambda item, side: side == "real")
    assert value(number(outcome, "fabrication_rate", "law")) == 1.0
    assert value(number(outcome, "fabrication_rate", "medicine")) == 0.0


def test_the_interval_holds_the_share_as_read_and_that_of_rogan_and_gladen() -> None:
    outcome = run(lambda item, side: noise(f"{item['id']} {side}") < 0.6, lambda item, side: side == "real")
    invented = [r.outcome == "described" for r in outcome.records if r.tags.get("side") == "invented"]
    seen = sum(invented) / len(invented)
    labelled = labelled_entities()
    rows = [
        (read == "described", label == "described")
        for read, label, new in zip(labelled.read, labelled.label, labelled.unseen, strict=True)
        if new
    ]
    found = [read for read, true in rows if true]
    left = [not read for read, true in rows if not true]
    sensitivity, specificity = sum(found) / len(found), sum(left) / len(left)
    corrected = (seen + specificity - 1) / (sensitivity + specificity - 1)
    assert abs(corrected - seen) > 0.05
    made_up = number(outcome, "fabrication_rate")
    low, high = interval(made_up)
    assert value(made_up) == seen
    assert low < min(seen, corrected) - 0.05
    assert high > max(seen, corrected) + 0.05


def test_both_names_of_a_pair_get_the_same_wording_and_every_wording_its_turn() -> None:
    items = InventedEntities().items(None)
    turns = [free_wordings(item, context_of(InventedEntities)) for item in items]
    assert {len(t) for t in turns} == {1}
    counts = [sum(t == [w] for t in turns) for w in FREE_WORDINGS]
    assert min(counts) >= len(items) // 4
    every = context_of(InventedEntities, options={"every_wording": True})
    assert free_wordings(items[0], every) == list(FREE_WORDINGS)


def test_the_names_of_a_pair_with_a_tie_or_a_failure_are_counted_as_lost() -> None:
    """The area compares names of pairs that were scored in every wording: its coverage is in names, too."""
    _, exists = asked()
    lost = {i["id"] for i in InventedEntities().items(None)[::10]}
    held = model(lambda item, side: side == "real", lambda item, side: side == "real")
    score = held._score

    def fails(prompt: str, continuation: str) -> float:
        item, _ = exists[prompt]
        return float("nan") if item["id"] in lost and prompt.startswith("Fact check") else score(prompt, continuation)

    held._score = fails
    area = number(run_probe(InventedEntities, held), "existence_auroc")
    pairs = len(InventedEntities().items(None))
    assert area.n == area.coverage.scored == 2 * (pairs - len(lost))
    assert area.coverage.not_a_number == 2 * len(lost)


def test_each_wording_asks_three_times() -> None:
    outcome = run(lambda item, side: True, lambda item, side: True, every_wording=True)
    made_up = number(outcome, "fabrication_rate")
    assert made_up.n == 3 * (made_up.clusters or 0) == 3 * len(InventedEntities().items(None))
    assert made_up.spread is not None


@pytest.mark.parametrize("text", ["", " ... ", "What is the medicine ibuprofen used for?", "a a a a a a a a"])
def test_what_says_nothing_is_not_read(text: str) -> None:
    item = next(i for i in InventedEntities().items(None) if i["real"] == "ibuprofen")
    free = _read(item, "real", "plain", Generated(text, 5, None, "stop"))
    assert (free.status, free.reading) == ("unparsed", None)


def test_one_word_is_an_answer() -> None:
    assert new_words("Pain.", "What is the medicine ibuprofen used for?") == 1


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("I'm not aware of a company called Tamperola.", "abstained"),
        ("There is no such function in Python.", "abstained"),
        ("Could you tell me where you read about it?", "abstained"),
        ("Tamperola is a Finnish maker of boots.", "described"),
        ("It stands on the shore of a lake and was never conquered.", "described"),
    ],
)
def test_the_rule(text: str, reading: str) -> None:
    assert entity_reading(text) == reading


def test_the_rule_agrees_with_labels_that_it_was_not_made_for() -> None:
    outcome = run_probe(InventedEntities, ScriptedModel(), 4)
    agreement = number(outcome, "rule_agreement", UNSEEN)
    assert agreement.n >= 50
    assert interval(agreement)[0] > 0.75
    assert number(outcome, "rule_agreement").n >= 200
