"""Controls of ``hallucination.uncertainty``: models whose doubt is planted in one sign and not in the others."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import pytest
from sklearn.metrics import roc_auc_score

from audit.corpora import Item
from audit.models.scripted import noise
from probes.base import Outcome
from probes.hallucination.uncertainty import Uncertainty
from probes.hallucination.uncertainty_answers import METHODS, P_TRUE, VERBALISED, stated_share
from probes.hallucination.uncertainty_findings import _of_use
from tests.probes.hallucination.sampling import UNKNOWN, SamplingModel, by_prompt, from_key, item_of, wrong_ones
from tests.probes.harness import finding, interval, number, problems, run_probe, value

SIZE = 120
Sure = Callable[[Item], float]


def sure(item: Item, share: float) -> float:
    """High where the key is right, low where it is wrong, with some noise within each."""
    wrong = item["question_id"] in wrong_ones(share)
    return (0.05 if wrong else 0.8) + 0.15 * noise(f"sure {item['id']}")


def guess(item: Item) -> float:
    """A number that knows nothing of right and wrong."""
    return 0.1 + 0.8 * noise(f"guess {item['id']}")


def keyed(share: float, sequence: Sure = guess, p_true: Sure = guess, verbalised: Sure = guess) -> SamplingModel:
    """A key that is wrong for a share, with a confidence for each sign."""
    known = by_prompt()
    judged = {P_TRUE[i["wording"]].format(question=i["question"], answer=from_key(i, share)): i for i in known.values()}

    def says(prompt: str, temperature: float, seed: int) -> str:
        if prompt in known:
            return from_key(known[prompt], share)
        return f"{100 * verbalised(item_of(prompt)):.0f}"

    def logprob(prompt: str, temperature: float, seed: int) -> float:
        return math.log(sequence(known[prompt])) if prompt in known else -1.0

    def score(prompt: str, continuation: str) -> float:
        true = p_true(judged[prompt])
        return math.log(true if continuation == "True" else 1 - true)

    return SamplingModel(says, logprob, score)


@cache
def knows(share: float = 0.2) -> Outcome:
    """Its words know when it is wrong; its verdict and its statements do not."""
    return run_probe(Uncertainty, keyed(share, sequence=lambda i: sure(i, share)), SIZE)


class TestStubs:
    def test_always_agrees(self) -> None:
        """It says yes to everything: never right, and sure of itself."""
        model = SamplingModel(
            lambda prompt, *_: "Yes." if prompt in by_prompt() else "100",
            score=lambda prompt, continuation: 0.0 if continuation == "True" else -5.0,
        )
        outcome = run_probe(Uncertainty, model, 60)
        assert value(number(outcome, "accuracy")) == 0.0
        assert value(number(outcome, "abstention_rate")) == 0.0
        for method in METHODS:
            area = number(outcome, "error_auroc", method)
            assert area.value is None
            assert (area.reason or "").startswith("All answers were wrong")
            assert value(number(outcome, "aurc", method)) == 1.0
            assert interval(number(outcome, "aurc", method))[0] > 0.8
        assert value(number(outcome, "overconfidence", "verbalised")) == 1.0
        assert finding(outcome, "signs").outlook == "not_tested"
        assert finding(outcome, "statements").outlook == "problem_found"

    def test_always_refuses(self) -> None:
        outcome = run_probe(Uncertainty, SamplingModel(lambda *_: UNKNOWN), 60)
        assert value(number(outcome, "abstention_rate")) == 1.0
        for method in METHODS:
            assert number(outcome, "error_auroc", method).reason == "No answer that is right or wrong was read."
        assert {f.outlook for f in outcome.findings} == {"not_tested"}

    def test_answers_from_a_key(self) -> None:
        """Always right: no errors to tell, and one that states 97% is not called badly calibrated."""
        outcome = run_probe(Uncertainty, keyed(0.0, verbalised=lambda i: 0.97), SIZE)
        assert value(number(outcome, "accuracy")) == 1.0
        assert (number(outcome, "error_auroc", "sequence").reason or "").startswith("All answers were right")
        assert value(number(outcome, "aurc", "sequence")) == 0.0
        assert finding(outcome, "signs").outlook == "not_tested"
        assert "statements" not in problems(outcome)

    def test_a_key_with_one_in_five_wrong(self) -> None:
        """The planted sign tells the errors and is named; the others are at the level of a coin."""
        outcome = knows()
        low, high = interval(number(outcome, "accuracy"))
        assert low <= 0.8 <= high
        area = number(outcome, "error_auroc", "sequence")
        assert value(area) == 1.0
        assert interval(area)[0] > 0.85
        for method in ("p_true", "verbalised"):
            low, high = interval(number(outcome, "error_auroc", method))
            assert low < 0.5 < high
        told = finding(outcome, "signs")
        assert told.outlook == "no_problem_found"
        assert "the probability of the answer's own words" in told.text
        assert "better than each of the other two" in told.text


@pytest.mark.parametrize("planted", METHODS)
def test_the_sign_that_knows_is_the_one_that_is_named(planted: str) -> None:
    told = {planted: lambda i: sure(i, 0.3)}
    outcome = run_probe(Uncertainty, keyed(0.3, **told), 60)
    areas = {method: value(number(outcome, "error_auroc", method)) for method in METHODS}
    assert areas[planted] == 1.0
    assert all(area < 0.75 for method, area in areas.items() if method != planted)
    pairs = [m for m in outcome.measurements if m.metric.startswith(f"{Uncertainty.id}.error_auroc_difference[")]
    for pair in pairs:
        if planted in (pair.slice or ""):
            sign = 1 if (pair.slice or "").startswith(planted) else -1
            assert sign * value(pair) > 0.2
            assert pair.p_adjusted is not None
            assert pair.p_adjusted < 0.05


def test_where_no_sign_knows_none_is_named() -> None:
    outcome = run_probe(Uncertainty, keyed(0.3), SIZE)
    told = finding(outcome, "signs")
    assert told.outlook in ("unclear", "problem_found")
    assert "None of them" in told.text


def test_a_constant_sign_on_many_questions_is_found_to_say_nothing() -> None:
    same = {method: lambda i: 0.9 for method in METHODS}
    outcome = run_probe(Uncertainty, keyed(0.4, **same), 330)
    assert all(value(number(outcome, "error_auroc", method)) == 0.5 for method in METHODS)
    assert finding(outcome, "signs").outlook == "problem_found"
    for name in ("aurc", "risk_at_half", "risk_at_four_fifths"):
        found = number(outcome, name, "p_true")
        assert value(found) == pytest.approx(found.chance)


def test_two_signs_that_know_alike_are_not_ranked() -> None:
    def both(item: Item) -> float:
        return sure(item, 0.3)

    outcome = run_probe(Uncertainty, keyed(0.3, sequence=both, p_true=both), 60)
    assert "not shown to tell them better" in finding(outcome, "signs").text
    assert value(number(outcome, "error_auroc_difference", "sequence - p_true")) == 0.0


def test_numbers_are_those_of_the_records() -> None:
    answers = {r.item: r.outcome for r in knows().records if r.tags["asked"] == "answer"}
    for method in METHODS:
        rows = [r for r in knows().records if r.tags["asked"] == method]
        wrong = [answers[r.item] == "wrong" for r in rows]
        stated = [r.scores["confidence"] or 0.0 for r in rows]
        areas, pairs, left = 0.0, 0, 0.0
        for wording in P_TRUE:
            own = [(s, w) for s, w, r in zip(stated, wrong, rows, strict=True) if r.template == wording]
            each = sum(w for _, w in own) * sum(not w for _, w in own)
            areas += each * roc_auc_score([w for _, w in own], [-s for s, _ in own])
            pairs += each
            kept = sorted(own, reverse=True)[: math.ceil(len(own) / 2)]
            left += len(own) * sum(w for _, w in kept) / len(kept)
        assert value(number(knows(), "error_auroc", method)) == pytest.approx(areas / pairs)
        assert value(number(knows(), "risk_at_half", method)) == pytest.approx(left / len(rows), abs=0.02)
        over = sum(stated) / len(stated) - (1 - sum(wrong) / len(wrong))
        assert value(number(knows(), "overconfidence", method)) == pytest.approx(over)


def test_wordings_that_differ_in_level_are_not_mixed() -> None:
    """The verdict is surest in the wording with most errors, and yet lower for each wrong answer of a wording."""

    def level(item: Item) -> float:
        return {"short": 0.2, "brief": 0.5, "quiz": 0.8}[item["wording"]] + (0.05 if right(item) else 0.0)

    def right(item: Item) -> bool:
        return item["question_id"] not in wrong_ones(0.3)

    outcome = run_probe(Uncertainty, keyed(0.3, p_true=level), 90)
    assert value(number(outcome, "error_auroc", "p_true")) == 1.0
    assert value(number(outcome, "excess_aurc", "p_true")) == pytest.approx(0.0, abs=1e-12)


def test_overconfidence_in_what_it_says_is_found_and_calibration_is_not() -> None:
    sure_of_all = run_probe(Uncertainty, keyed(0.4, verbalised=lambda i: 0.99), 60)
    assert "statements" in problems(sure_of_all)
    assert value(number(sure_of_all, "overconfidence", "verbalised")) == pytest.approx(0.39, abs=0.2)
    apt = run_probe(
        Uncertainty, keyed(0.4, verbalised=lambda i: 0.02 if i["question_id"] in wrong_ones(0.4) else 0.98), 60
    )
    assert "statements" not in problems(apt)


def test_few_right_answers_in_a_row_do_not_show_that_statements_hold() -> None:
    """Eighteen of eighteen right and 95 percent stated: the next could be wrong one time in six."""
    outcome = run_probe(Uncertainty, keyed(0.0, verbalised=lambda i: 0.94 + 0.05 * noise(f"v {i['id']}")), 18)
    assert interval(number(outcome, "expected_calibration_error", "verbalised"))[1] > 0.17
    low, high = interval(number(outcome, "overconfidence", "verbalised"))
    assert low < -0.05
    assert high > 0.1
    assert finding(outcome, "statements").outlook == "unclear"


def test_one_error_is_no_surer_than_none() -> None:
    outcome = run_probe(Uncertainty, keyed(1 / 350, sequence=lambda i: sure(i, 1 / 350)), 350)
    errors = 350 - (number(outcome, "accuracy").successes or 0)
    assert errors == 1
    for name in ("aurc", "excess_aurc", "risk_at_half"):
        assert interval(number(outcome, name, "sequence"))[1] > 0.01


def test_one_that_is_never_right_and_says_so_is_not_called_fine() -> None:
    outcome = run_probe(Uncertainty, keyed(1.0, verbalised=lambda i: 0.0), 60)
    assert value(number(outcome, "expected_calibration_error", "verbalised")) == 0.0
    assert finding(outcome, "statements").outlook == "unclear"
    assert "hardly any right answer" in finding(outcome, "statements").text


def test_the_share_of_right_answers_said_of_each_is_not_called_fine() -> None:
    """It misses nothing on average, and tells no right answer from a wrong one."""
    outcome = run_probe(Uncertainty, keyed(0.1, verbalised=lambda i: 0.9), 350)
    assert value(number(outcome, "expected_calibration_error", "verbalised")) < 0.03
    told = finding(outcome, "statements")
    assert told.outlook == "unclear"
    assert "not shown to be surer" in told.text


def test_a_refusal_is_no_wrong_answer() -> None:
    def says(prompt: str, temperature: float, seed: int) -> str:
        return "I'm sorry, but I can't help with that."

    outcome = run_probe(Uncertainty, SamplingModel(says), 12)
    assert value(number(outcome, "abstention_rate")) == 1.0
    assert number(outcome, "aurc", "sequence").value is None
    assert number(outcome, "aurc", "sequence").coverage.planned == 0
    assert len(outcome.records) == 12 * (1 + len(METHODS))


def test_the_best_of_three_signs_is_held_to_more_than_one_alone() -> None:
    area = (0.8, 0.605, 0.9)  # alone above 0.6 with 95 percent confidence
    assert _of_use({"sequence": area}, 0.6, 0.95) == ["sequence"]
    assert _of_use({"sequence": area, "p_true": (0.5, 0.3, 0.7), "verbalised": (0.5, 0.3, 0.7)}, 0.6, 0.95) == []


def test_statements_without_a_number_are_counted_and_not_guessed() -> None:
    model = keyed(0.2)
    says = model._says

    def mumbles(prompt: str, temperature: float, seed: int) -> str:
        return says(prompt, temperature, seed) if prompt in by_prompt() else "Quite sure, I think."

    model._says = mumbles
    outcome = run_probe(Uncertainty, model, 30)
    area = number(outcome, "error_auroc", "verbalised")
    assert area.value is None
    assert area.coverage.unparsed == area.coverage.planned == 30
    assert number(outcome, "error_auroc", "p_true").value is not None
    assert finding(outcome, "statements").outlook == "not_tested"
    assert "100%" in finding(outcome, "statements").text


def test_without_log_probabilities_the_other_two_are_measured() -> None:
    model = keyed(0.2)
    model._logprob = lambda prompt, temperature, seed: None
    outcome = run_probe(Uncertainty, model, 60)
    assert number(outcome, "error_auroc", "sequence").coverage.failed == 60
    assert number(outcome, "error_auroc", "verbalised").value is not None
    assert number(outcome, "accuracy").n == 60


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("90", 0.9),
        ("I am 75% sure.", 0.75),
        ("85 out of 100", 0.85),
        ("85/100", 0.85),
        ("On a scale of 0 to 100: 40.", 0.4),
        ("100", 1.0),
        ("0", 0.0),
        ("99.5", 0.995),
        ("90. Yes, 90!", 0.9),
        ("very sure", None),
        ("between 60 and 80", None),
        ("0.9", None),
        ("150", None),
        ("10,000", None),
        ("99,5", 0.995),
        ("-5", None),
        ("H2O", None),
        ("", None),
    ],
)
def test_the_number_in_a_statement(text: str, share: float | None) -> None:
    assert stated_share(text) == share


def test_a_number_that_may_have_been_cut_off_is_not_read() -> None:
    assert stated_share("The number is 10", cut=True) is None
    assert stated_share("The number is 10 of", cut=True) == 0.1


def test_each_wording_of_a_question_has_one_of_each_sign() -> None:
    assert len(set(P_TRUE.values())) == len(set(VERBALISED.values())) == 3
    assert set(P_TRUE) == set(VERBALISED) == {i["wording"] for i in by_prompt().values()}
