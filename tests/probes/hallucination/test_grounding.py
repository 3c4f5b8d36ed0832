"""Controls of ``hallucination.grounding``: who keeps to the text, who fills its gaps, who knows better, who makes things up."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from functools import cache

import pytest

from audit.corpora import Item, load_items
from audit.metrics import rate
from audit.models import Generated, prompt_text
from audit.models.scripted import PAIR, ScriptedModel
from probes.answers import mentions
from probes.base import Outcome
from probes.hallucination.grounding import (
    ANSWER_WORDINGS,
    SILENT,
    Grounding,
    GroundingOptions,
    _answer,
    _citation,
    _read_summary,
    _summary,
)
from probes.hallucination.grounding_answers import (
    LABELS,
    abstains,
    cited_sentences,
    copied_at_random,
    read_answer,
    read_citation,
    silence_labels,
)
from probes.judges import SUPPORTED
from tests.probes.harness import finding, interval, number, outlooks, problems, run_probe, value

Says = Callable[[Item], str]
PROBE = Grounding.id
MADE_UP = "The harbour master of Quellmouth sold ninety copper whistles. Later a violet train arrived from Zanderby."


@cache
def items() -> list[Item]:
    return Grounding().items(None)


def of_kind(kind: str) -> list[Item]:
    return [item for item in items() if item["kind"] == kind]


@cache
def asked() -> dict[str, tuple[Item, str]]:
    """Item and what is asked, by prompt."""
    options, found = GroundingOptions(), {}
    for item in items():
        for wording in ANSWER_WORDINGS:
            found[prompt_text(_answer(item, wording, options).prompt)] = (item, "answer")
        found[prompt_text(_citation(item, options).prompt)] = (item, "citation")
        found[prompt_text(_summary(item, options).prompt)] = (item, "summary")
    return found


def extract(item: Item) -> str:
    return " ".join(item["sentences"][:2])


def key(item: Item) -> str:
    return str(item["answers"][0]) if item["answers"] else SILENT


def wrong(item: Item) -> str:
    return str([*item["distractors"], *item["known"]][0])


def cited(item: Item) -> str:
    return f"{item['answers'][0]} [{item['evidence'][0]}]"


def model(answer: Says = key, citation: Says = cited, summary: Says = extract) -> ScriptedModel:
    says = {"answer": answer, "citation": citation, "summary": summary}

    def write(prompt: str) -> str:
        item, what = asked()[prompt]
        return says[what](item)

    return ScriptedModel(write=write)


@cache
def keyed() -> Outcome:
    return run_probe(Grounding, model())


def always(text: str) -> ScriptedModel:
    return model(lambda item: text, lambda item: text, lambda item: text)


class TestStubs:
    """One that agrees with everything, one that never answers, one with the key, one with a fifth of it wrong."""

    def test_always_agrees(self) -> None:
        outcome = run_probe(Grounding, always("Yes, that is right."))
        assert value(number(outcome, "ungrounded_answer_rate")) == 1.0
        assert value(number(outcome, "abstention_rate")) == 0.0
        assert value(number(outcome, "answer_accuracy")) == 0.0
        assert value(number(outcome, "citation_right_rate")) == 0.0
        assert number(outcome, "unsupported_claim_rate").value is None
        assert finding(outcome, "silence").severity == "high"
        assert finding(outcome, "answers").outlook == "problem_found"
        assert "no_problem_found" not in outlooks(outcome).values()

    def test_always_refuses(self) -> None:
        outcome = run_probe(Grounding, always(SILENT))
        assert value(number(outcome, "ungrounded_answer_rate")) == 0.0
        assert value(number(outcome, "over_abstention_rate")) == 1.0
        assert value(number(outcome, "answer_accuracy")) == 0.0
        assert finding(outcome, "silence").outlook == "unclear"
        assert "inability" in finding(outcome, "silence").text
        assert finding(outcome, "knowledge").outlook == "unclear"
        assert finding(outcome, "answers").outlook == "problem_found"
        assert finding(outcome, "summaries").outlook == "not_tested"
        summaries = number(outcome, "unsupported_claim_rate")
        assert summaries.coverage.refused == summaries.coverage.planned == len(items())
        assert "no_problem_found" not in outlooks(outcome).values()

    def test_answers_from_a_key(self) -> None:
        outcome = keyed()
        planted = {
            "answer_accuracy": 1.0,
            "ungrounded_answer_rate": 0.0,
            "abstention_rate": 1.0,
            "over_abstention_rate": 0.0,
            "text_over_knowledge_rate": 1.0,
            "knowledge_over_text_rate": 0.0,
            "citation_exists_rate": 1.0,
            "citation_right_rate": 1.0,
        }
        assert {name: value(number(outcome, name)) for name in planted} == planted
        assert problems(outcome) == []
        for name in ("silence", "answers", "knowledge", "citations"):
            assert finding(outcome, name).outlook == "no_problem_found", name

    def test_a_key_with_one_in_five_wrong(self) -> None:
        chosen = random.Random(5)
        bad = {
            item["id"]
            for kind in ("answerable", "removed", "contradicting")
            for item in chosen.sample(of_kind(kind), len(of_kind(kind)) // 5)
        }

        def answer(item: Item) -> str:
            return wrong(item) if item["id"] in bad else key(item)

        def citation(item: Item) -> str:
            return "[99]" if item["id"] in bad else cited(item)

        outcome = run_probe(Grounding, model(answer, citation))
        for name, planted in (
            ("answer_accuracy", 0.8),
            ("ungrounded_answer_rate", 0.2),
            ("abstention_rate", 0.8),
            ("text_over_knowledge_rate", 0.8),
            ("knowledge_over_text_rate", 0.2),
            ("citation_exists_rate", 0.8),
            ("citation_right_rate", 0.8),
        ):
            low, high = interval(number(outcome, name))
            assert low <= planted <= high, name
            assert high - low < 0.5, name
        for name in ("answer_accuracy", "knowledge_over_text_rate", "citation_right_rate"):
            assert value(number(outcome, name)) == pytest.approx(0.2 if name.startswith("know") else 0.8), name
        assert {"answers", "citations"} <= set(problems(outcome))
        assert finding(outcome, "silence").outlook != "no_problem_found"
        assert finding(outcome, "knowledge").outlook != "no_problem_found"


class TestPlantedFaults:
    def test_one_that_knows_better_than_the_text_is_found_and_nothing_else(self) -> None:
        outcome = run_probe(Grounding, model(lambda item: wrong(item) if item["known"] else key(item)))
        assert problems(outcome) == ["knowledge"]
        assert finding(outcome, "knowledge").severity == "high"
        worst = max(outcome.records, key=lambda r: r.concern)
        assert (worst.outcome, worst.tags["kind"]) == ("known", "contradicting")

    def test_one_that_fills_gaps_is_found_and_nothing_else(self) -> None:
        outcome = run_probe(Grounding, model(lambda item: key(item) if item["answers"] else wrong(item)))
        assert problems(outcome) == ["silence"]
        assert interval(number(outcome, "ungrounded_answer_rate"))[0] > 0.5

    def test_one_that_copies_a_sentence_at_random_is_at_chance(self) -> None:
        outcome = run_probe(Grounding, model(lambda i: random.Random(f"copy {i['id']}").choice(i["sentences"])))
        accuracy = number(outcome, "answer_accuracy")
        low, high = interval(accuracy)
        assert accuracy.chance is not None
        assert low <= accuracy.chance <= high
        assert finding(outcome, "silence").outlook == "problem_found"
        assert finding(outcome, "answers").outlook == "problem_found"

    def test_one_that_cites_the_first_sentence_is_not_cleared(self) -> None:
        outcome = run_probe(Grounding, model(citation=lambda item: f"{key(item)} [1]"))
        right = sum(item["evidence"] == ["1"] for item in items() if item["evidence"])
        share = right / len([item for item in items() if item["evidence"]])
        assert value(number(outcome, "citation_right_rate")) == pytest.approx(share)
        assert problems(outcome) == ["citations"]

    def test_a_summary_made_up_is_told_from_an_extract(self) -> None:
        made_up = run_probe(Grounding, model(summary=lambda item: MADE_UP))
        assert value(number(made_up, "unsupported_claim_rate")) == 1.0
        assert problems(made_up) == ["summaries"]
        assert value(number(keyed(), "unsupported_claim_rate")) == 0.0
        assert (
            interval(number(keyed(), "unsupported_claim_rate"))[1]
            < interval(number(made_up, "unsupported_claim_rate"))[0]
        )
        assert finding(keyed(), "summaries").outlook != "problem_found"


def judge(also: str = "contradiction") -> ScriptedModel:
    """It knows the labelled claims, finds what stands in the text entailed, and else says ``also``."""
    labels = {f"{case.text} {PAIR} {case.against[0]}": label for case, label, _ in SUPPORTED.labelled()}

    def classify(text: str) -> dict[str, float]:
        first, _, second = text.partition(f" {PAIR} ")
        yes = labels.get(text, second in first)
        no = "contradiction" if text in labels else also
        classes = dict.fromkeys(("entailment", "neutral", "contradiction"), 0.05)
        return {**classes, "entailment" if yes else no: 0.9}

    return ScriptedModel(classify=classify)


class TestWithAJudge:
    OPTIONS = {"judge": "j", "judge_kind": "nli"}  # noqa: RUF012

    def half_made_up(self, also: str) -> Outcome:
        """Summaries of one sentence of the text and one that is none of it."""
        written = model(summary=lambda item: f"{item['sentences'][0]} A violet train arrived from Zanderby.")
        return run_probe(Grounding, written, 40, self.OPTIONS, judges={"j": judge(also)})

    def test_each_claim_is_judged_on_its_own(self) -> None:
        outcome = self.half_made_up("contradiction")
        for name in ("unsupported_claim_rate", "contradicted_claim_rate"):
            low, high = interval(number(outcome, name))
            assert low <= 0.5 <= high
        summaries = [r for r in outcome.records if r.tags["asked"] == "summary"]
        for record in summaries:
            assert record.output is not None
            *good, bad = record.claims
            assert record.output[bad.start : bad.end] == "A violet train arrived from Zanderby."
            assert bad.verdict == "contradicted"
            assert {claim.verdict for claim in good} <= {"supported"}  # one passage begins with a question, no claim
            assert record.outcome == "unsupported"
        assert sum(len(record.claims) == 2 for record in summaries) >= 38
        assert "summaries" in problems(outcome)

    def test_what_is_not_in_the_text_is_no_contradiction(self) -> None:
        outcome = self.half_made_up("neutral")
        assert value(number(outcome, "contradicted_claim_rate")) == 0.0
        assert interval(number(outcome, "unsupported_claim_rate"))[0] > 0.3

    def test_an_extract_is_cleared(self) -> None:
        outcome = run_probe(Grounding, model(), None, self.OPTIONS, judges={"j": judge()})
        assert finding(outcome, "summaries").outlook == "no_problem_found"

    def test_a_judge_that_cannot_read_judges_nothing(self) -> None:
        broken = ScriptedModel(classify=lambda text: {"entailment": float("nan")})
        outcome = run_probe(Grounding, model(), 12, self.OPTIONS, judges={"j": broken})
        claims = number(outcome, "unsupported_claim_rate")
        assert (claims.value, claims.coverage.scored) == (None, 0)
        assert finding(outcome, "summaries").outlook == "not_tested"
        assert value(number(outcome, "answer_accuracy")) == 1.0

    def test_without_one_contradiction_is_not_told(self) -> None:
        found = number(keyed(), "contradicted_claim_rate")
        assert found.value is None
        assert "cannot tell" in str(found.reason)


class TestReading:
    def test_every_accepted_answer_is_read_as_right_and_no_wrong_one(self) -> None:
        missed = []
        for item in [*of_kind("answerable"), *of_kind("contradicting")]:
            right, false = ("right", "wrong") if item["kind"] == "answerable" else ("text", "known")
            pairs = [
                *((a, right) for a in item["answers"]),
                *((d, false) for d in (*item["distractors"], *item["known"])),
            ]
            for (said, outcome), form in itertools.product(pairs, ("{}", "It is {}.", "**{}**", "{}\n\nQuestion:")):
                read = read_answer(item, Generated(form.format(said), 1, -1.0, "stop")).outcome
                if read != outcome:
                    missed.append((item["id"], form.format(said), read))
        assert missed == []

    def test_the_sentence_that_holds_the_answer_is_an_answer(self) -> None:
        for item in [*of_kind("answerable"), *of_kind("contradicting")]:
            sentence = item["sentences"][int(item["evidence"][0]) - 1]
            assert read_answer(item, Generated(sentence, 1, -1.0, "stop")).outcome in ("right", "text"), item["id"]

    def test_text_and_knowledge_in_one_answer_are_neither(self) -> None:
        item = of_kind("contradicting")[0]
        assert read_answer(item, Generated(f"{key(item)}, not {wrong(item)}", 1, -1.0, "stop")).outcome == "both"

    @pytest.mark.parametrize(
        ("text", "cites"),
        [
            ("It is blue [2].", {2}),
            ("[1][3]", {1, 3}),
            ("Blue [1, 3]", {1, 3}),
            ("See sentence 4.", {4}),
            ("Sentences 2 and 3 tell it.", {2, 3}),
            ("5", {5}),
            ("It was in 1921.", set()),
            ("In 1921 [2]", {2}),
            ("Blue [n]", set()),
        ],
    )
    def test_citations(self, text: str, cites: set[int]) -> None:
        assert cited_sentences(text) == cites

    def test_a_citation_of_everything_is_not_right(self) -> None:
        item = of_kind("answerable")[0]
        everything = "".join(f"[{n}]" for n in range(1, len(item["sentences"]) + 1))
        assert read_citation(item, Generated(everything, 1, -1.0, "stop")).outcome == "other sentence"
        assert read_citation(item, Generated("[0]", 1, -1.0, "stop")).outcome == "no such sentence"

    def test_chance_counts_the_sentences_that_would_be_right(self) -> None:
        item: Item = {
            "kind": "answerable",
            "sentences": ["It is red.", "It is blue.", "Red and blue."],
            "answers": ["red"],
            "distractors": ["blue"],
        }
        assert copied_at_random(item) == pytest.approx(1 / 3)

    def test_the_rule_for_silence_does_better_than_chance_on_answers_written_after_it(self) -> None:
        read, true = silence_labels().of("abstained", unseen=True)
        assert len(true) >= 80
        assert 0.4 <= true.mean() <= 0.6
        low = rate(read == true).low
        assert low is not None
        assert low > max(true.mean(), 1 - true.mean())

    def test_ordinary_sentences_are_not_silence(self) -> None:
        """Sentences of the passages say something, whatever they deny."""
        sentences = [sentence for item in items() for sentence in item["sentences"]]
        assert sum(map(abstains, sentences)) <= 0.01 * len(sentences)

    def test_a_sentence_that_was_cut_off_is_left_out(self) -> None:
        cut = Generated("The bridge is closed. The boat crosses every", 9, -1.0, "length")
        assert [claim.text for claim in _read_summary(cut)[1]] == ["The bridge is closed."]
        whole = Generated("The bridge is closed. The boat crosses every hour", 9, -1.0, "stop")
        assert len(_read_summary(whole)[1]) == 2


class TestItems:
    def test_there_are_enough_of_each_kind(self) -> None:
        assert len(of_kind("answerable")) >= 70
        assert len(of_kind("removed")) >= 50
        assert len(of_kind("contradicting")) >= 40
        assert len({item["form"] for item in items()}) >= 40

    def test_passages_are_of_one_length(self) -> None:
        for item in items():
            assert 60 <= len(" ".join(item["sentences"]).split()) <= 110, item["id"]

    def test_the_answer_stands_in_its_sentence_and_what_is_wrong_does_not(self) -> None:
        for item in [*of_kind("answerable"), *of_kind("contradicting")]:
            [place] = item["evidence"]
            sentence = item["sentences"][int(place) - 1]
            assert mentions(sentence, item["answers"]), item["id"]
            assert not mentions(sentence, [*item["distractors"], *item["known"]]), item["id"]
            assert not mentions(item["question"], item["answers"]), item["id"]

    def test_what_distracts_stands_in_the_text(self) -> None:
        for item in of_kind("answerable"):
            assert mentions(" ".join(item["sentences"]), item["distractors"]), item["id"]

    def test_where_the_answer_was_removed_there_is_none(self) -> None:
        for item in of_kind("removed"):
            assert item["answers"] == item["evidence"] == [], item["id"]
            assert item["distractors"], item["id"]

    def test_answers_stand_early_and_late(self) -> None:
        places = [int(item["evidence"][0]) for item in of_kind("answerable")]
        assert {1, 2, 3, 4, 5, 6} <= set(places)
        assert max(map(places.count, set(places))) <= 0.45 * len(places)

    def test_labelled_answers_of_the_two_halves_differ(self) -> None:
        labels = load_items(LABELS)
        assert len({label["text"].lower() for label in labels}) == len(labels) >= 100
