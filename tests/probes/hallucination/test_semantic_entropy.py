"""Controls of ``hallucination.semantic_entropy``: samples that scatter where the model is wrong, and samples that never do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache

import pytest
from sklearn.metrics import roc_auc_score

from audit.models import Capability, Judge
from audit.models.scripted import PAIR, ScriptedModel, noise
from probes.base import Outcome
from probes.hallucination.doubt_questions import WORDINGS, drawn_in_turns, questions
from probes.hallucination.semantic_entropy import SemanticEntropy
from tests.probes.hallucination.sampling import UNKNOWN, SamplingModel, from_key, item_of, scattered, wrong_ones
from tests.probes.harness import context_of, dumped, finding, interval, number, run_probe, value

SIZE = 120


def keyed(share: float, *, scatter: bool) -> SamplingModel:
    """Answers from a key that is wrong for a share; its samples scatter where it is wrong, or not at all."""

    def says(prompt: str, temperature: float, seed: int) -> str:
        item = item_of(prompt)
        wrong = item["question_id"] in wrong_ones(share)
        if temperature and wrong and scatter:
            return scattered(seed)
        told = from_key(item, share)
        return f"It is {told}." if temperature and seed % 2 else told

    return SamplingModel(says)


@cache
def scatters() -> Outcome:
    return run_probe(SemanticEntropy, keyed(0.2, scatter=True), SIZE)


class TestStubs:
    def test_always_agrees(self) -> None:
        """Its samples all mean the same and it is never right: no AUROC, and nothing called fine."""
        outcome = run_probe(SemanticEntropy, SamplingModel(lambda *_: "Yes, that is right."), 30)
        assert value(number(outcome, "mean_entropy")) == 0.0
        assert value(number(outcome, "accuracy")) == 0.0
        assert value(number(outcome, "abstention_rate")) == 0.0
        area = number(outcome, "error_auroc")
        assert area.value is None
        assert area.reason == "All answers were wrong, so that nothing can tell the wrong from the right ones."
        assert value(number(outcome, "rejection_accuracy")) == 0.0
        assert interval(number(outcome, "rejection_accuracy"))[1] < 0.3
        assert finding(outcome, "warning").outlook == "not_tested"

    def test_always_refuses(self) -> None:
        outcome = run_probe(SemanticEntropy, SamplingModel(lambda *_: UNKNOWN), 30)
        assert value(number(outcome, "abstention_rate")) == 1.0
        assert value(number(outcome, "accuracy")) == 0.0
        assert number(outcome, "error_auroc").reason == "No answer that is right or wrong was read."
        assert finding(outcome, "warning").outlook == "not_tested"

    def test_answers_from_a_key(self) -> None:
        outcome = run_probe(SemanticEntropy, keyed(0.0, scatter=True), 30)
        assert value(number(outcome, "accuracy")) == 1.0
        assert (
            number(outcome, "error_auroc").reason
            == "All answers were right, so that there is no wrong one to tell from them."
        )
        assert finding(outcome, "warning").outlook == "not_tested"

    def test_a_key_with_one_in_five_wrong(self) -> None:
        outcome = scatters()
        low, high = interval(number(outcome, "accuracy"))
        assert low <= 0.8 <= high
        area = number(outcome, "error_auroc")
        assert value(area) > 0.95
        assert interval(area)[0] > 0.85
        assert finding(outcome, "warning").outlook == "no_problem_found"
        # Setting the wrong fifth aside leaves right ones: from keeping a tenth to four fifths the accuracy is about 1.
        assert value(number(outcome, "rejection_accuracy")) > value(number(outcome, "accuracy")) + 0.1


def test_errors_that_come_as_steadily_as_right_answers_are_found() -> None:
    outcome = run_probe(SemanticEntropy, keyed(0.3, scatter=False), 330)
    assert value(number(outcome, "error_auroc")) == 0.5
    assert finding(outcome, "warning").outlook == "problem_found"
    assert finding(outcome, "warning").severity == "medium"


def test_a_server_that_draws_nothing_at_random_is_not_taken_for_a_steady_model() -> None:
    outcome = run_probe(SemanticEntropy, SamplingModel(lambda prompt, *_: from_key(item_of(prompt), 0.3)), 330)
    assert value(number(outcome, "error_auroc")) == 0.5
    told = finding(outcome, "warning")
    assert told.outlook == "unclear"
    assert "word for word" in told.text


def test_few_questions_settle_nothing() -> None:
    outcome = run_probe(SemanticEntropy, keyed(0.3, scatter=False), 12)
    assert finding(outcome, "warning").outlook == "unclear"


def test_hardly_any_right_answer_is_no_clean_result() -> None:
    outcome = run_probe(SemanticEntropy, keyed(0.96, scatter=True), SIZE)
    assert value(number(outcome, "error_auroc")) > 0.95
    assert finding(outcome, "warning").outlook == "unclear"


def test_the_area_is_scikit_learns_on_the_records_of_each_wording() -> None:
    areas, pairs = 0.0, 0
    for wording in WORDINGS:
        records = [r for r in scatters().records if r.outcome in ("right", "wrong") and r.template == wording]
        wrong = [r.outcome == "wrong" for r in records]
        each = sum(wrong) * (len(wrong) - sum(wrong))
        areas += each * roc_auc_score(wrong, [r.scores["entropy"] for r in records])
        pairs += each
    assert value(number(scatters(), "error_auroc")) == pytest.approx(areas / pairs)


def test_the_entropy_is_that_of_the_meanings_on_the_record() -> None:
    for record in scatters().records:
        meanings = [s["meaning"] for s in record.detail["samples"]]
        shares = [meanings.count(m) / len(meanings) for m in set(meanings)]
        assert record.scores["entropy"] == pytest.approx(-sum(s * math.log(s) for s in shares), abs=1e-12)
        assert record.scores["meanings"] == len(set(meanings))


def test_a_mean_entropy_is_not_tested_against_none() -> None:
    assert number(scatters(), "mean_entropy").p_value is None


def test_the_weighted_one_needs_log_probabilities_and_the_discrete_one_does_not() -> None:
    model = keyed(0.2, scatter=True)
    model._logprob = lambda prompt, temperature, seed: None
    outcome = run_probe(SemanticEntropy, model, 60)
    for name in ("mean_weighted_entropy", "weighted_error_auroc", "naive_error_auroc"):
        found = number(outcome, name)
        assert found.value is None
        assert found.reason == "The answers came without log-probabilities."
        assert found.coverage.failed == found.coverage.planned
    assert value(number(outcome, "error_auroc")) > 0.9


def test_the_naive_one_follows_the_probabilities_and_not_the_meanings() -> None:
    """Samples scatter where it is wrong, but their words are as likely there as elsewhere."""
    assert value(number(scatters(), "naive_error_auroc")) == 0.5
    model = keyed(0.2, scatter=False)
    model._logprob = lambda prompt, temperature, seed: (
        -4.0 if item_of(prompt)["question_id"] in wrong_ones(0.2) else -1.0
    )
    outcome = run_probe(SemanticEntropy, model, 60)
    assert value(number(outcome, "naive_error_auroc")) == 1.0
    assert value(number(outcome, "error_auroc")) == 0.5


def test_a_sample_without_words_leaves_the_question_out() -> None:
    def says(prompt: str, temperature: float, seed: int) -> str:
        return " ..." if temperature and seed % 7 == 0 else from_key(item_of(prompt))

    outcome = run_probe(SemanticEntropy, SamplingModel(says), 30)
    found = number(outcome, "accuracy")
    assert found.coverage.unparsed > 0
    assert found.n == found.coverage.scored < 30
    assert {r.status for r in outcome.records} == {"scored", "unparsed"}


def agreeing_judge() -> ScriptedModel:
    """An inference model that knows the key: two answers mean the same where both or neither name an invented town."""

    def classify(pair: str) -> Mapping[str, float]:
        first, second = pair.split(f" {PAIR} ")
        same = ("!" in first) == ("!" in second)
        return {"entailment": 0.9 if same else 0.05, "neutral": 0.05, "contradiction": 0.05 if same else 0.9}

    return ScriptedModel(classify=classify, capabilities=frozenset({Capability.CLASSIFY}))


def test_a_named_judge_decides_about_meanings() -> None:
    """Other words each time, which the rule of words takes for other meanings and the judge for one."""

    def says(prompt: str, temperature: float, seed: int) -> str:
        return scattered(seed) if temperature else from_key(item_of(prompt))

    words = run_probe(SemanticEntropy, SamplingModel(says), 15)
    judged = run_probe(
        SemanticEntropy,
        SamplingModel(says),
        15,
        {"judge": "a-judge", "judge_kind": "nli"},
        judges={"a-judge": agreeing_judge()},
    )
    assert value(number(words, "mean_entropy")) > 0.5
    # The judge says "the same" of each labelled pair too, so that it is measured as no better than chance.
    assert value(number(judged, "judge_kappa")) <= 0
    assert value(number(judged, "mean_entropy")) < value(number(words, "mean_entropy"))
    assert all("a-judge" in (r.note or "") for r in judged.records if r.status == "scored")


def test_with_a_judge_no_better_than_chance_nothing_is_called_fine() -> None:
    outcome = run_probe(
        SemanticEntropy,
        keyed(0.2, scatter=True),
        60,
        {"judge": "a-judge", "judge_kind": "nli"},
        judges={"a-judge": agreeing_judge()},
    )
    assert finding(outcome, "warning").outlook in ("unclear", "not_tested")


def test_only_different_texts_are_compared() -> None:
    probe, context = SemanticEntropy(), context_of(SemanticEntropy, options={"judge": "j", "judge_kind": "nli"})
    items = probe.items(None)[:2]
    model = SamplingModel(lambda prompt, temperature, seed: from_key(item_of(prompt)) if temperature else "x y z")
    labels = [r for r in probe.requests(items, context, {}) if isinstance(r, Judge)]
    asked = [r for r in probe.requests(items, context, {}) if not isinstance(r, Judge)]
    answers = dict(zip(asked, model.generate(asked), strict=True))
    later = [r for r in probe.requests(items, context, answers) if isinstance(r, Judge)]
    assert later == labels


class TestQuestions:
    def test_each_question_is_asked_once_before_any_is_asked_again(self) -> None:
        items = questions()
        real = len(items) // len(WORDINGS)
        drawn = drawn_in_turns(items, 90, 3, "kind")
        assert len({i["question_id"] for i in drawn}) == 90
        assert all(abs(sum(i["wording"] == w for i in drawn) - 30) <= 2 for w in WORDINGS)
        more = drawn_in_turns(items, real + 30, 3, "kind")
        assert len({i["question_id"] for i in more}) == real
        assert drawn_in_turns(items, None, 3, "kind") == items

    def test_a_longer_draw_holds_a_shorter_one(self) -> None:
        short, long = (drawn_in_turns(questions(), n, 5, "kind") for n in (30, 400))
        assert {i["id"] for i in short} <= {i["id"] for i in long}


def test_other_seeds_sample_otherwise_and_the_same_seed_alike() -> None:
    def says(prompt: str, temperature: float, seed: int) -> str:
        return f"It is {noise(str(seed)):.6f}." if temperature else from_key(item_of(prompt))

    first, again, other = (run_probe(SemanticEntropy, SamplingModel(says), 6, seed=s) for s in (0, 0, 1))
    assert dumped(first) == dumped(again)
    assert dumped(first) != dumped(other)
