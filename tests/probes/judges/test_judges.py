"""Readers of answers: what they ask, how they read, how well, and what becomes of numbers that rest on a poor one."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from audit.judging import asked_of, read_judge
from audit.metrics import corrected_rate, rate
from audit.models import Capability, Choose, Classify, Embed, Failure, Judge, Request, Response, prompt_text
from audit.models.scripted import PAIR, ScriptedModel
from probes.hallucination.truthfulqa import TruthfulQA
from probes.judges import (
    RIGHT_ANSWER,
    SAME_MEANING,
    SUPPORTED,
    Case,
    Comparison,
    Quality,
    Reader,
    judge_measurements,
    verdict_of,
)
from probes.judges.comparisons import Reading
from probes.judges.quality import quality_of, youden_threshold
from probes.judges.words import share_said
from tests.probes.harness import ask

WORDS, ENCODER, NLI, MODEL = Reader(), Reader("encoder", "j"), Reader("nli", "j"), Reader("model", "j")
every_comparison = pytest.mark.parametrize("comparison", [SAME_MEANING, RIGHT_ANSWER, SUPPORTED], ids=lambda c: c.name)


def answered(requests: list[Request], judge: ScriptedModel) -> dict[Request, Response]:
    answers: dict[Request, Response] = {}
    for request in requests:
        assert isinstance(request, Judge)
        asked, found = asked_of(request.request, judge.capabilities), dict[Request, Response]()
        ask(judge, asked, found)
        answers[request] = read_judge(request.request, asked, found)
    return answers


def keyed(comparison: Comparison, right: Callable[[int], bool] = lambda place: True) -> ScriptedModel:
    """An inference judge that knows the label of every labelled case, wrong where ``right`` says so by its place."""
    entailed = set()
    for place, (case, label, _) in enumerate(comparison.labelled()):
        if label == right(place):
            pairs = itertools.product([case.text], case.against)
            for first, second in pairs:
                told = [f"{case.question} {text}".strip() for text in (first, second)]
                entailed |= {(told[0], told[1]), (told[1], told[0])}

    def classify(text: str) -> dict[str, float]:
        first, _, second = text.partition(f" {PAIR} ")
        yes = (first, second) in entailed
        return {"ENTAILMENT": 0.9 if yes else 0.05, "neutral": 0.05, "contradiction": 0.05 if yes else 0.9}

    return ScriptedModel(classify=classify)


class TestWhatIsAsked:
    def test_the_rule_about_words_asks_nobody(self) -> None:
        assert SUPPORTED.asks(WORDS, Case("A text.", ("A claim.",))) == []

    def test_an_encoder_is_asked_for_each_text_and_the_sentences_of_a_long_one_once(self) -> None:
        asked = SUPPORTED.asks(ENCODER, Case("One. Two.", ("Two.",)))
        assert asked == [Judge("j", Embed(text)) for text in ("Two.", "One. Two.", "One.")]

    def test_an_inference_model_is_asked_both_ways_for_one_meaning_and_once_for_support(self) -> None:
        both = SAME_MEANING.asks(NLI, Case("a", ("b",), question="Q?"))
        assert both == [Judge("j", Classify("Q? a", "Q? b")), Judge("j", Classify("Q? b", "Q? a"))]
        assert SUPPORTED.asks(NLI, Case("a", ("b",))) == [Judge("j", Classify("a", "b"))]

    def test_a_chat_model_is_shown_both_texts(self) -> None:
        [asked] = SUPPORTED.asks(MODEL, Case("The ferry is late.", ("The ferry is early.",)))
        assert isinstance(asked, Judge)
        assert isinstance(asked.request, Choose)
        assert asked.request.options == ("Yes", "No", "Unclear")
        assert "The ferry is late." in prompt_text(asked.request.prompt)
        assert "The ferry is early." in prompt_text(asked.request.prompt)


class TestHowItReads:
    def test_a_text_that_holds_the_claim_word_for_word_is_the_nearest(self) -> None:
        case = Case("One thing. Another one.", ("Another one.",))
        answers = answered(SUPPORTED.asks(ENCODER, case), ScriptedModel())
        found = SUPPORTED.read(ENCODER, case, answers)
        assert found.score == pytest.approx(1.0)
        assert found.evidence == "Another one."

    def test_the_weaker_direction_decides_whether_two_mean_the_same(self) -> None:
        def classify(text: str) -> dict[str, float]:
            yes = text == f"a {PAIR} b"
            return {"entailment": 0.8 if yes else 0.1, "neutral": 0.1, "contradiction": 0.1 if yes else 0.8}

        case = Case("a", ("b",))
        answers = answered(SAME_MEANING.asks(NLI, case), ScriptedModel(classify=classify))
        assert SAME_MEANING.read(NLI, case, answers).score == pytest.approx(0.1)

    def test_what_speaks_for_a_wrong_answer_counts_against(self) -> None:
        case = Case("It is Toronto.", ("Ottawa",), ("Toronto",), "What is the capital?")
        assert RIGHT_ANSWER.read(WORDS, case, {}).score == pytest.approx(-1.0)

    def test_other_classes_than_those_of_inference_are_not_read(self) -> None:
        case = Case("a", ("b",))
        answers = answered(SUPPORTED.asks(NLI, case), ScriptedModel(classify=lambda text: {"good": 0.5, "bad": 0.5}))
        found = SUPPORTED.read(NLI, case, answers)
        assert (found.status, found.score) == ("unparsed", None)
        assert "good, bad" in str(found.note)

    @pytest.mark.parametrize("reader", [ENCODER, NLI, MODEL], ids=lambda r: r.kind)
    def test_a_judge_that_fails_leaves_no_reading(self, reader: Reader) -> None:
        case = Case("a", ("b",))
        answers: dict[Request, Response] = {r: Failure("failed", "Gone.") for r in SAME_MEANING.asks(reader, case)}
        assert SAME_MEANING.read(reader, case, answers) == Reading("failed", note="Gone.")

    def test_the_rule_about_words(self) -> None:
        assert share_said("8 legs", "It has eight legs.") == 1.0
        assert share_said("It can fly.", "It cannot fly.") == 0.5
        assert share_said("It costs 30 euros.", "It costs 20 euros.") == pytest.approx(1 / 3)
        assert share_said("the of", "a thing") == 0.0
        assert share_said("Nairobi", "The capital is Mombasa.", "What is the capital?") == 0.0
        assert share_said("Capital", "capital", "What is the capital?") == 1.0


@every_comparison
class TestQuality:
    def test_labels_are_even_in_both_halves(self, comparison: Comparison) -> None:
        for out in (False, True):
            labels = [label for _, label, held in comparison.labelled() if held is out]
            assert len(labels) >= 50
            assert 0.4 <= sum(labels) / len(labels) <= 0.6

    def test_no_question_or_text_is_in_both_halves(self, comparison: Comparison) -> None:
        halves: dict[str, set[bool]] = {}
        for case, _, held in comparison.labelled():
            halves.setdefault(case.question or case.text, set()).add(held)
        assert all(len(found) == 1 for found in halves.values())

    def test_cases_about_one_question_or_text_are_not_independent(self, comparison: Comparison) -> None:
        """None wrong of 112 cases about 28 texts says as much as none wrong of 28, not of 112."""
        found = self.of(comparison, keyed(comparison))
        groups = len({case.question or case.text for case, _, _ in comparison.labelled()})
        assert found.accuracy.clusters == found.found.clusters == groups
        assert (found.accuracy.low, found.accuracy.n) == (rate([True] * groups).low, len(comparison.labelled()))
        assert found.sensitivity == found.specificity == (groups, groups)
        measured = {m.metric.split(".")[-1]: m for m in judge_measurements(TruthfulQA, found)}
        assert measured["judge_specificity"].n == sum(not label for _, label, _ in comparison.labelled())
        assert measured["judge_specificity"].low == rate([True] * groups).low

    def test_a_judge_that_knows_the_key_is_found_to(self, comparison: Comparison) -> None:
        found = self.of(comparison, keyed(comparison))
        assert found.sensitivity[0] == found.sensitivity[1]
        assert found.specificity[0] == found.specificity[1]
        assert found.accuracy.value == found.kappa.value == 1.0

    def test_one_that_is_wrong_in_one_of_five_is_found_to_be(self, comparison: Comparison) -> None:
        found = self.of(comparison, keyed(comparison, lambda place: place // 2 % 5 != 0))
        assert found.accuracy.value == pytest.approx(0.8, abs=0.05)

    def test_one_that_always_agrees_has_no_specificity_and_gives_no_share(self, comparison: Comparison) -> None:
        always = {"entailment": 0.9, "neutral": 0.05, "contradiction": 0.05}
        found = self.of(comparison, ScriptedModel(classify=lambda text: always))
        assert found.sensitivity[0] * found.specificity[0] == 0
        share = corrected_rate([True, False], None, found.sensitivity, found.specificity)
        assert share.value is None

    def test_a_judge_that_is_gone_is_no_judge(self, comparison: Comparison) -> None:
        gone: dict[Request, Response] = {r: Failure("failed", "Gone.") for r in comparison.label_requests(NLI)}
        found = comparison.quality(NLI, gone, 0.95)
        assert (found.threshold, found.accuracy.value, found.kappa.value) == (None, None, None)
        assert found.coverage.failed == found.coverage.planned > 0
        assert found.decide(0.9) is None

    def test_the_rule_about_words_does_better_than_chance(self, comparison: Comparison) -> None:
        found = comparison.quality(WORDS, {}, 0.95)
        assert found.accuracy.low is not None
        assert found.accuracy.low > 0.5

    @staticmethod
    def of(comparison: Comparison, judge: ScriptedModel) -> Quality:
        return comparison.quality(NLI, answered(comparison.label_requests(NLI), judge), 0.95)


ROWS = [(float(i % 3 == 0), "scored", i % 3 == 0, i // 3 % 2 == 1, str(i)) for i in range(120)]


def test_a_judge_without_error_is_shown_to_be_better_than_chance() -> None:
    found = quality_of(ROWS, 0.95)  # type: ignore[arg-type]
    assert found.kappa.value == 1.0
    assert found.kappa.low is not None
    assert 0.8 < found.kappa.low < 1.0


def test_a_judge_that_reads_a_few_cases_rightly_and_fails_on_the_rest_is_no_judge() -> None:
    """Nine of nine is no measure of a judge that gives nothing for 111 others."""
    rows = [row if i < 9 else (None, "failed", *row[2:]) for i, row in enumerate(ROWS)]
    found = quality_of(rows, 0.95)  # type: ignore[arg-type]
    assert (found.threshold, found.accuracy.value, found.kappa.value) == (None, None, None)
    assert found.decide(1.0) is None
    assert (found.coverage.planned, found.coverage.scored, found.coverage.failed) == (120, 0, 120)
    most = [row if i < 70 else (None, "failed", *row[2:]) for i, row in enumerate(ROWS)]
    assert quality_of(most, 0.95).accuracy.n == 70  # type: ignore[arg-type]


def test_the_threshold_is_between_the_scores_that_part_best() -> None:
    assert youden_threshold([0.1, 0.2, 0.6, 0.9], [False, False, True, True]) == pytest.approx(0.4)
    assert youden_threshold([0.1, 0.6, 0.3, 0.9], [False, False, True, True]) == pytest.approx(0.2)
    assert youden_threshold([0.5], [True]) is None


def test_verdicts_on_claims() -> None:
    sure = SUPPORTED.quality(NLI, answered(SUPPORTED.label_requests(NLI), keyed(SUPPORTED)), 0.95)
    assert verdict_of(sure, Reading("scored", 0.9, 0.05)) == "supported"
    assert verdict_of(sure, Reading("scored", 0.1, 0.8)) == "contradicted"
    assert verdict_of(sure, Reading("scored", 0.1, 0.2)) == "not in the text"
    assert verdict_of(sure, Reading("scored", 0.1)) == "not in the text"
    assert verdict_of(sure, Reading("failed")) == "unread"


def test_a_judge_that_only_writes_can_be_asked_too() -> None:
    case = Case("The ferry is late.", ("The ferry is early.",))
    writer = ScriptedModel(
        write=lambda prompt: "No, it says the opposite.", capabilities=frozenset({Capability.GENERATE})
    )
    found = SUPPORTED.read(MODEL, case, answered(SUPPORTED.asks(MODEL, case), writer))
    assert (found.score, found.contradicted) == (0.0, 1.0)
