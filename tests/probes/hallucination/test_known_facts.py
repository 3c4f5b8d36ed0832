"""Controls of ``hallucination.known_facts``: who knows, who is wrong for sure, who never answers, and one in five wrong."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from audit.corpora import Item
from audit.models import Generated, prompt_text, user
from audit.models.scripted import ScriptedModel, noise
from probes.base import Outcome
from probes.hallucination.known_facts import CHOICE_WORDINGS, FREE_WORDINGS, KnownFacts, _read
from tests.probes.harness import dumped, finding, interval, number, outlooks, problems, run_probe, value

PROBE = KnownFacts.id
STANDARD = 240  # the size of the standard suite
UNKNOWN = "I don't know of anything like that."
Belief = Callable[[Item], tuple[str, float]]


@cache
def questions() -> tuple[dict[str, Item], dict[str, Item]]:
    """Items by the prompt of the choice, and by that of the free answer."""
    items = KnownFacts().items(None)
    choice = {w.format(question=i["question"]): i for i in items for w in CHOICE_WORDINGS.values()}
    free = {prompt_text(user(w.format(question=i["question"]))): i for i in items for w in FREE_WORDINGS.values()}
    return choice, free


def model(belief: Belief, says: Callable[[Item], str]) -> ScriptedModel:
    """``belief``: the option it prefers and its probability, the rest shared evenly; ``says``: its free answer."""
    choice, free = questions()

    def score(prompt: str, continuation: str) -> float:
        option, probability = belief(choice[prompt])
        return float(np.log(probability if continuation.strip() == option else (1 - probability) / 3))

    return ScriptedModel(score, lambda prompt: says(free[prompt]))


def stated(item: Item, lowest: float) -> float:
    """A probability from ``lowest`` to 0.999, fixed by the item."""
    return lowest + (0.999 - lowest) * noise(f"certainty {item['id']}")


def answers(item: Item, share: float) -> str:
    """The right answer for about ``share`` of the items, otherwise a wrong one."""
    return str(item["answers"][0] if noise(f"right {item['id']}") < share else item["distractors"][0])


def honest(item: Item) -> str:
    return f"It is {item['answers'][0]}." if item["exists"] else UNKNOWN


@cache
def knows() -> Outcome:
    """Right as often as it says that it is, and honest about inventions."""

    def belief(item: Item) -> tuple[str, float]:
        probability = stated(item, 0.9)
        return answers(item, probability), probability

    return run_probe(KnownFacts, model(belief, honest))


def test_one_that_knows_is_not_flagged() -> None:
    outcome = knows()
    assert problems(outcome) == []
    assert outlooks(outcome) == dict.fromkeys(
        [f"{PROBE}.inventions", f"{PROBE}.knowledge", f"{PROBE}.certainty"], "no_problem_found"
    )
    assert value(number(outcome, "abstention_rate")) == 1.0
    assert value(number(outcome, "over_abstention_rate")) == 0.0
    error = number(outcome, "expected_calibration_error")
    assert error.chance is not None
    assert interval(error)[0] <= error.chance


def test_one_that_is_wrong_for_sure_is_flagged_three_times() -> None:
    wrong = model(lambda i: (i["distractors"][0], stated(i, 0.95)), lambda i: f"It is {i['distractors'][0]}.")
    outcome = run_probe(KnownFacts, wrong, STANDARD)
    assert sorted(problems(outcome)) == ["certainty", "inventions", "knowledge"]
    assert finding(outcome, "inventions").severity == "high"
    assert finding(outcome, "knowledge").severity == "high"
    assert value(number(outcome, "accuracy")) == 0.0
    assert interval(number(outcome, "accuracy"))[1] < 0.25
    assert interval(number(outcome, "confident_error_rate"))[0] > 0.95
    assert interval(number(outcome, "abstention_rate"))[1] < 0.1
    assert interval(number(outcome, "expected_calibration_error"))[0] > 0.95
    assert interval(number(outcome, "brier"))[0] > 0.9


@pytest.mark.parametrize(("right", "outlook"), [(False, "problem_found"), (True, "no_problem_found")])
def test_certainty_of_one_that_is_always_alike_is_judged(right: bool, outlook: str) -> None:
    """All questions right, or all wrong, at one and the same certainty of 97%: 180 of them settle the matter."""

    def belief(item: Item) -> tuple[str, float]:
        return (item["answers"] if right else item["distractors"])[0], 0.97

    outcome = run_probe(KnownFacts, model(belief, honest), STANDARD)
    assert interval(number(outcome, "expected_calibration_error"))
    assert finding(outcome, "certainty").outlook == outlook


def test_certainty_is_judged_apart_from_knowledge() -> None:
    """Right in about 95% and always all but certain is less than calibrated; right in 60% and sure of it is flagged."""
    sure = run_probe(KnownFacts, model(lambda i: (answers(i, 0.6), 0.9 + 0.09 * noise(i["id"])), honest), STANDARD)
    assert "certainty" in problems(sure)
    error = number(sure, "expected_calibration_error")
    assert error.chance is not None
    assert interval(error)[0] > error.chance
    assert value(number(sure, "confident_error_rate")) == pytest.approx(0.4, abs=0.1)


class TestStubs:
    """One that agrees with everything, one that refuses everything, one with the key, one with a fifth of it wrong."""

    def test_always_agrees(self) -> None:
        outcome = run_probe(
            KnownFacts, model(lambda i: (i["answers"][0], 0.25), lambda i: "Yes, that is right."), STANDARD
        )
        assert value(number(outcome, "abstention_rate")) == 0.0
        assert value(number(outcome, "open_accuracy")) == 0.0
        assert value(number(outcome, "accuracy")) == 0.0  # a tie of four is never right
        assert finding(outcome, "inventions").outlook == "problem_found"
        assert finding(outcome, "knowledge").outlook == "problem_found"

    def test_always_refuses(self) -> None:
        outcome = run_probe(KnownFacts, model(lambda i: (answers(i, 0.95), 0.95), lambda i: UNKNOWN), STANDARD)
        assert value(number(outcome, "abstention_rate")) == 1.0
        assert interval(number(outcome, "over_abstention_rate"))[0] > 0.9
        assert finding(outcome, "inventions").outlook == "unclear"

    def test_answers_from_a_key(self) -> None:
        outcome = run_probe(KnownFacts, model(lambda i: (i["answers"][0], 0.999), honest), STANDARD)
        for name, planted in (
            ("accuracy", 1.0),
            ("open_accuracy", 1.0),
            ("abstention_rate", 1.0),
            ("over_abstention_rate", 0.0),
        ):
            assert value(number(outcome, name)) == planted, name
        assert problems(outcome) == []

    def test_a_key_with_one_in_five_wrong(self) -> None:
        def belief(item: Item) -> tuple[str, float]:
            return answers(item, 0.8), 0.8

        outcome = run_probe(KnownFacts, model(belief, lambda i: answers(i, 0.8) if i["exists"] else UNKNOWN))
        real = [i for i in KnownFacts().items(None) if i["exists"]]
        planted = sum(answers(i, 0.8) == i["answers"][0] for i in real) / len(real)
        accuracy = number(outcome, "accuracy")
        low, high = interval(accuracy)
        assert value(accuracy) == pytest.approx(planted)
        assert low <= 0.8 <= high
        assert high - low < 0.1
        assert accuracy.n == 3 * len(real)
        assert accuracy.clusters == len(real)
        assert accuracy.spread is not None
        assert accuracy.spread.low == accuracy.spread.high
        low, high = interval(number(outcome, "open_accuracy"))
        assert low <= 0.8 <= high
        assert "knowledge" in problems(outcome)
        error = number(outcome, "expected_calibration_error")
        assert value(error) == pytest.approx(abs(0.8 - planted), abs=1e-6)
        assert "certainty" not in problems(outcome)


@pytest.mark.parametrize("level", ["easy", "medium", "hard"])
def test_slices_hold_their_own_items(level: str) -> None:
    def belief(item: Item) -> tuple[str, float]:
        return (item["answers"][0] if item["difficulty"] == level else item["distractors"][0]), 0.9

    outcome = run_probe(KnownFacts, model(belief, honest), 40)
    for other in ("easy", "medium", "hard"):
        assert value(number(outcome, "accuracy", other)) == float(other == level)


def test_inventing_answers_is_found_beside_good_knowledge() -> None:
    def says(item: Item) -> str:
        return str(item["answers"][0]) if item["exists"] else f"{item['distractors'][0]}, since 1904."

    outcome = run_probe(KnownFacts, model(lambda i: (i["answers"][0], stated(i, 0.9)), says), STANDARD)
    assert finding(outcome, "inventions").outlook == "problem_found"
    assert value(number(outcome, "abstention_rate")) == 0.0
    worst = max(outcome.records, key=lambda r: r.concern)
    assert worst.tags["exists"] == "no"


def test_very_small_probabilities_do_not_all_become_zero() -> None:
    choice, free = questions()

    def score(prompt: str, continuation: str) -> float:
        return -2000.0 - (0.0 if continuation.strip() == choice[prompt]["answers"][0] else 3.0)

    outcome = run_probe(KnownFacts, ScriptedModel(score, lambda prompt: honest(free[prompt])), 60)
    assert value(number(outcome, "accuracy")) == 1.0
    shares = [r.scores for r in outcome.records if r.tags["asked"] == "choice"]
    assert all(sum(v for v in s.values() if v is not None) == pytest.approx(1) for s in shares)


def test_wordless_answers_are_unparsed_and_not_wrong() -> None:
    outcome = run_probe(KnownFacts, model(lambda i: (i["answers"][0], 0.9), lambda i: " ...\n"), 40)
    for name in ("open_accuracy", "abstention_rate", "over_abstention_rate"):
        found = number(outcome, name)
        assert found.value is None
        assert found.coverage.unparsed == found.coverage.planned > 0
    assert finding(outcome, "inventions").outlook == "not_tested"


def test_few_questions_do_not_show_that_a_model_guesses() -> None:
    """Principle 2: "no better than guessing" at a range that reaches beyond one half is not established."""
    outcome = run_probe(KnownFacts, model(lambda i: (answers(i, 0.5), 0.6), honest), 6)
    low, high = interval(number(outcome, "accuracy"))
    assert low <= 0.25 < 0.5 < high
    assert finding(outcome, "knowledge").outlook == "unclear"


def test_certainty_is_not_cleared_by_two_questions() -> None:
    """The model is 34 points off; two questions cannot show that it is well calibrated."""
    outcome = run_probe(KnownFacts, ScriptedModel(), 2)
    assert finding(outcome, "certainty").outlook != "no_problem_found"


def test_every_right_answer_is_read_as_right() -> None:
    """Each accepted answer, as it stands and in a sentence, must count; each distractor must not."""
    missed = []
    for item in KnownFacts().items(None):
        if not item["exists"]:
            continue
        for text, outcome in [*((a, "right") for a in item["answers"]), *((d, "wrong") for d in item["distractors"])]:
            for form in ("{}", "The answer is {}.", "**{}**", "{}\n\nQuestion:"):
                read = read_as(item, form.format(text))
                if read != outcome:
                    missed.append((item["id"], form.format(text), read))
    assert missed == []


def read_as(item: Item, text: str) -> str | None:
    return _read(item, "short", Generated(text, 1, -1.0, "stop")).outcome


def test_a_sentence_about_an_inventor_is_an_answer() -> None:
    item = next(i for i in KnownFacts().items(None) if "invented the World Wide Web" in i["question"])
    assert read_as(item, "Tim Berners-Lee invented the World Wide Web at CERN.") == "right"


def test_the_same_answers_give_the_same_bytes() -> None:
    belief: Belief = lambda i: (answers(i, 0.7), stated(i, 0.5))  # noqa: E731
    first, second = (run_probe(KnownFacts, model(belief, honest), 60, seed=3) for _ in range(2))
    assert dumped(first) == dumped(second)
