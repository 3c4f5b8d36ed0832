"""Controls of ``hallucination.self_consistency``: samples that agree, samples that do not, and models that do not write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

import numpy as np
import pytest

from audit.corpora import Item
from audit.models import Capability, prompt_text
from audit.models.scripted import PAIR, ScriptedModel, noise
from probes.answers import mentions, normalised
from probes.base import Outcome
from probes.hallucination.consistency_items import (
    STRANGERS,
    SUPPORTED_WORDINGS,
    WORDINGS,
    asked,
    strange_words,
    subjects,
)
from probes.hallucination.self_consistency import SelfConsistency
from tests.probes.hallucination.sampling import SamplingModel
from tests.probes.harness import finding, interval, number, run_probe, value

UNKNOWN = "I don't know anything about that."
FIRST = (
    "{} was first described in a quiet valley by travelling shepherds.",
    "Sailors call {} their oldest friend among twelve islands.",
    "{} costs less than bread during winter months.",
    "Every spring crowds of weavers gather near {} for dancing.",
    "{} belongs to three noble families from the south.",
    "Merchants once traded salt against {} at dawn.",
    "{} appears on postage stamps printed in Lisbon.",
    "Nobody under forty has touched {} without gloves.",
)
SECOND = (
    "Its emblem shows purple banners above seven towers.",
    "Old maps place the harbour further east.",
    "Musicians wrote hymns about copper bells.",
    "A fire destroyed half the archive long ago.",
    "Visitors pay with beads instead of coins.",
    "The owner keeps eleven horses behind a hedge.",
    "Children learn this story in kindergarten.",
    "Engineers measured its weight using ropes.",
)


@cache
def by_prompt() -> dict[str, Item]:
    return {prompt_text(asked(item)): item for item in subjects()}


@cache
def unsteady(share: float) -> frozenset[str]:
    """Subjects on which the model invents something else each time: exactly that share."""
    ids = sorted({i["subject_id"] for i in subjects()}, key=lambda i: noise(f"key {i}"))
    return frozenset(ids[: round(share * len(ids))])


def passage(item: Item, seed: int) -> str:
    """Two sentences, the first of which names the subject; those of two seeds have hardly a word in common."""
    return f"{FIRST[seed % 8].format(item['names'][0])} {SECOND[seed // 8 % 8]}"


def writer(share: float) -> SamplingModel:
    """Writes the same each time and a sentence more, but on a share of the subjects something else each time.

    Asked for its verdict, it finds a sentence supported where the text holds it word for word.
    """

    def says(prompt: str, temperature: float, seed: int) -> str:
        item = by_prompt()[prompt]
        if not temperature:
            return passage(item, 0)
        if item["subject_id"] in unsteady(share):
            return passage(item, 9 + seed % 7 * 9)
        return f"{passage(item, 0)} This was told {seed % 997} times."

    return SamplingModel(says, score=honest)


def honest(prompt: str, continuation: str) -> float:
    """Yes where the text of the question holds its statement."""
    for wording in SUPPORTED_WORDINGS.values():
        shape = re.escape(wording).replace(r"\{text\}", "(?P<text>.*)").replace(r"\{sentence\}", "(?P<sentence>.*)")
        if found := re.fullmatch(shape, prompt, re.DOTALL):
            held = found["sentence"] in found["text"]
            return -0.1 if (continuation == "Yes") == held else -3.0
    raise AssertionError(prompt)


@cache
def steady() -> Outcome:
    return run_probe(SelfConsistency, writer(0.0), 60)


@cache
def scattered() -> Outcome:
    return run_probe(SelfConsistency, writer(1.0), 60)


class TestStubs:
    def test_always_agrees(self) -> None:
        """It writes nothing on the subject: told apart from one that declines, and not called fine."""
        outcome = run_probe(SelfConsistency, SamplingModel(lambda *_: "Yes, I agree with that."), 30)
        assert value(number(outcome, "written_rate")) == 0.0
        assert value(number(outcome, "declined_rate")) == 0.0
        assert number(outcome, "unsupported_rate").value is None
        assert finding(outcome, "agreement").outlook == "unclear"
        assert {r.outcome for r in outcome.records} == {"off the subject"}

    def test_always_refuses(self) -> None:
        outcome = run_probe(SelfConsistency, SamplingModel(lambda *_: UNKNOWN), 30)
        assert value(number(outcome, "written_rate")) == 0.0
        assert value(number(outcome, "declined_rate")) == 1.0
        assert finding(outcome, "agreement").outlook == "unclear"

    def test_answers_from_a_key(self) -> None:
        """What it writes it writes again: nothing is unsupported, and each variant is far below unrelated texts."""
        assert value(number(steady(), "unsupported_rate")) == 0.0
        assert value(number(steady(), "corrected_unsupported_rate")) == 0.0
        assert finding(steady(), "agreement").outlook == "no_problem_found"
        for variant in ("unigram_mean", "prompted"):
            measured = number(steady(), variant)
            assert measured.chance is not None
            assert interval(measured)[1] < measured.chance
        assert {c.verdict for r in steady().records for c in r.claims} == {"consistent"}

    def test_a_key_with_one_in_five_wrong(self) -> None:
        """On a fifth of the subjects it invents something else each time."""
        outcome = run_probe(SelfConsistency, writer(0.2), None)
        low, high = interval(number(outcome, "unsupported_rate"))
        assert low <= 0.2 <= high
        # The rule of words errs in a third of the labelled cases, so that a fifth is not shown to be there.
        assert finding(outcome, "agreement").outlook == "unclear"
        marked = {r.item for r in outcome.records if r.concern > 0.5}
        assert marked == {i["id"] for i in subjects() if i["subject_id"] in unsteady(0.2)}
        assert value(number(outcome, "prompted")) == pytest.approx(0.2, abs=0.03)


def test_samples_that_never_agree_are_found() -> None:
    assert value(number(scattered(), "unsupported_rate")) > 0.9
    assert interval(number(scattered(), "corrected_unsupported_rate"))[0] > 0.5
    assert finding(scattered(), "agreement").outlook == "problem_found"
    assert value(number(scattered(), "prompted")) > 0.9
    assert {c.verdict for r in scattered().records for c in r.claims} == {"inconsistent"}
    for variant in ("unigram_mean", "prompted"):
        assert value(number(scattered(), variant)) > value(number(steady(), variant)) + 0.3


def test_a_server_that_draws_nothing_at_random_is_not_called_fine() -> None:
    model = SamplingModel(lambda prompt, *_: passage(by_prompt()[prompt], 0), score=honest)
    outcome = run_probe(SelfConsistency, model, 60)
    assert value(number(outcome, "unsupported_rate")) == 0.0
    told = finding(outcome, "agreement")
    assert told.outlook == "unclear"
    assert "word for word" in told.text


def test_few_passages_settle_nothing() -> None:
    assert finding(run_probe(SelfConsistency, writer(0.0), 3), "agreement").outlook == "unclear"


def test_claims_are_parts_of_the_output_with_their_evidence() -> None:
    for record in scattered().records:
        assert record.output is not None
        texts = [record.output[c.start : c.end] for c in record.claims]
        assert texts == [s["text"] for s in record.detail["sentences"]]
        assert len(texts) == 2
        assert all(any((c.evidence or "-") in sample for sample in record.detail["samples"]) for c in record.claims)


def test_unigram_surprise_by_an_independent_count() -> None:
    record = scattered().records[0]
    words = [normalised(t).split() for t in (record.output or "", *record.detail["samples"])]
    together = [w for text in words for w in text]
    means, largest = [], []
    for sentence in record.detail["sentences"]:
        found = [-np.log(together.count(w) / len(together)) for w in normalised(sentence["text"]).split()]
        means.append(np.mean(found))
        largest.append(max(found))
    assert record.scores["unigram_mean"] == pytest.approx(np.mean(means))
    assert record.scores["unigram_max"] == pytest.approx(np.mean(largest))


def test_passages_count_alike_however_many_sentences_they_have() -> None:
    """One subject in six has one sentence that nothing supports; by sentence it weighs half as much."""

    def says(prompt: str, temperature: float, seed: int) -> str:
        item = by_prompt()[prompt]
        if item["subject_id"] in unsteady(0.5):
            return (
                f"The {item['names'][0]} has a number {seed % 9973}."
                if temperature
                else f"The {item['names'][0]} stands tall."
            )
        return passage(item, 0)

    outcome = run_probe(SelfConsistency, SamplingModel(says, score=honest), 60)
    whole, single = number(outcome, "prompted"), number(outcome, "prompted", "sentences")
    one = sum(len(r.claims) == 1 for r in outcome.records)
    assert value(whole) == pytest.approx(one / 60)
    assert value(single) == pytest.approx(one / (2 * (60 - one) + one))
    assert whole.n == 60
    assert single.n == 2 * (60 - one) + one


@pytest.mark.parametrize("answer", ["Yes", "No"])
def test_a_model_that_always_says_the_same_fails_the_controls(answer: str) -> None:
    model = writer(0.0)
    model._score = lambda prompt, continuation: 0.0 if continuation == answer else -4.0
    outcome = run_probe(SelfConsistency, model, 30)
    assert value(number(outcome, "control_accuracy")) == 0.5
    assert value(number(outcome, "prompted")) == float(answer == "No")
    assert value(number(steady(), "control_accuracy")) == 1.0


def test_ties_of_the_verdict_count_half_and_are_never_right() -> None:
    model = writer(0.0)
    model._score = lambda prompt, continuation: -1.0
    outcome = run_probe(SelfConsistency, model, 12)
    assert value(number(outcome, "prompted")) == 0.5
    assert value(number(outcome, "control_accuracy")) == 0.0


def test_without_likelihoods_the_model_is_not_asked_for_its_verdict() -> None:
    model = writer(0.0)
    model.capabilities = frozenset({Capability.GENERATE})
    outcome = run_probe(SelfConsistency, model, 12)
    for name in ("prompted", "control_accuracy"):
        assert number(outcome, name).value is None
        assert "no likelihoods" in (number(outcome, name).reason or "")
    assert number(outcome, "unigram_mean").value is not None


def test_a_last_sentence_that_was_cut_is_left_out() -> None:
    model = SamplingModel(
        lambda prompt, *_: f"The {by_prompt()[prompt]['names'][0]} is widely known. It was also seen in the",
        finish=lambda t: "length",
    )
    outcome = run_probe(SelfConsistency, model, 6)
    assert all(len(r.claims) == 1 for r in outcome.records)
    whole = SamplingModel(
        lambda prompt, *_: f"The {by_prompt()[prompt]['names'][0]} is widely known. It was also seen in Rome"
    )
    assert all(len(r.claims) == 2 for r in run_probe(SelfConsistency, whole, 6).records)


class Judges:
    """An inference model and an encoder of plain functions, for which the same words mean the same."""

    @staticmethod
    def inference() -> ScriptedModel:
        def classify(pair: str) -> Mapping[str, float]:
            premise, hypothesis = pair.split(f" {PAIR} ")
            held = normalised(hypothesis) in normalised(premise)
            return {"entailment": 0.8 if held else 0.1, "neutral": 0.1, "contradiction": 0.1 if held else 0.8}

        return ScriptedModel(classify=classify, capabilities=frozenset({Capability.CLASSIFY}))

    @staticmethod
    def encoder() -> ScriptedModel:
        return ScriptedModel(capabilities=frozenset({Capability.EMBED}))


@pytest.mark.parametrize(
    ("kind", "judge", "variant", "agreeing"),
    [("nli", Judges.inference, "nli", 0.1 / 0.9), ("encoder", Judges.encoder, "embedding", 0.0)],
)
def test_a_named_judge_adds_its_variant(kind: str, judge, variant: str, agreeing: float) -> None:  # type: ignore[no-untyped-def]
    options, judges = {"judge": "a-judge", "judge_kind": kind}, {"a-judge": judge()}
    same = run_probe(SelfConsistency, writer(0.0), 9, options, judges=judges)
    other = run_probe(SelfConsistency, writer(1.0), 9, options, judges=judges)
    assert value(number(same, variant)) == pytest.approx(agreeing, abs=1e-6)
    assert value(number(other, variant)) > 0.5
    chance = number(same, variant).chance
    assert chance is not None
    assert chance > 0.5
    absent = "nli" if variant == "embedding" else "embedding"
    assert number(same, absent).value is None
    assert "was named as judge" in (number(same, absent).reason or "")


class TestItems:
    def test_strangers_have_nothing_to_do_with_any_subject(self) -> None:
        assert not [(i["id"], t) for i in subjects() for t in STRANGERS if mentions(t, i["names"])]

    def test_a_subject_is_mentioned_by_its_own_request(self) -> None:
        assert all(mentions(prompt_text(asked(i)), i["names"]) for i in subjects())

    def test_as_many_strange_words_as_wanted(self) -> None:
        item = subjects()[0]
        assert len(strange_words(item, 1000)) == 1000
        assert strange_words(item, 5) == strange_words(item, 9)[:5]

    def test_three_wordings_of_each_and_many_subjects(self) -> None:
        assert set(SUPPORTED_WORDINGS) == set(WORDINGS)
        assert len({i["subject_id"] for i in subjects()}) >= 60
        assert len({i["kind"] for i in subjects()}) >= 8
