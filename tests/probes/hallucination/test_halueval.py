"""Controls of ``hallucination.halueval``: who says Yes to all, who says nothing, who knows the key, and the formulas."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from datasets import Dataset
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score

from audit import published
from audit.corpora import Item, ItemsAbsent, ItemsError
from audit.metrics import rate
from audit.models import Score, prompt_text
from audit.models.scripted import ScriptedModel, noise
from audit.results import behind
from probes.base import Outcome
from probes.hallucination.halueval import HaluEval, HaluEvalOptions
from probes.hallucination.halueval_answers import WORDINGS, asks, prompt_of
from probes.hallucination.halueval_items import LONG, SHORT, from_folder
from tests.probes.harness import context_of, finding, interval, number, outlooks, problems, run_probe, value
from tests.probes.harness import published as published_data
from tests.probes.stand_ins import DATA
from tests.probes.stand_ins.halueval import ROWS, halueval, write_halueval

COMMIT = "0123456789abcdef0123456789abcdef01234567"
Odds = Callable[[Item, str], float]


@cache
def items() -> list[Item]:
    return from_folder(DATA)


@cache
def by_prompt() -> dict[str, tuple[Item, str]]:
    return {prompt_text(prompt_of(item, wording)): (item, wording) for item in items() for wording in WORDINGS}


@cache
def mistaken() -> frozenset[str]:
    """Ids of one answer in five of each kind, fixed."""
    found: set[str] = set()
    for kind in ("yes", "no"):
        names = sorted((i["id"] for i in items() if i["hallucinated"] == kind), key=lambda n: noise(f"mistaken {n}"))
        found |= set(names[: len(names) // 5])
    return frozenset(found)


def model(odds: Odds) -> ScriptedModel:
    """``odds`` of Yes against No, in nats."""

    def score(prompt: str, continuation: str) -> float:
        return -3.0 + (odds(*by_prompt()[prompt]) if continuation == "Yes" else 0.0)

    return ScriptedModel(score)


def key(item: Item, wording: str) -> float:
    return 2.0 if item["hallucinated"] == "yes" else -2.0


def run(odds: Odds, limit: int | None = None, **options: Any) -> Outcome:
    return run_probe(HaluEval, model(odds), limit, options=options)


class TestStubs:
    def test_always_agrees(self) -> None:
        """Says Yes of every answer: all hallucinated ones are found, and so is everything else."""
        outcome = run(lambda item, wording: 2.0)
        assert value(number(outcome, "hallucination_recall")) == value(number(outcome, "false_alarm_rate")) == 1.0
        assert value(number(outcome, "balanced_accuracy")) == 0.5
        assert value(number(outcome, "accuracy")) == pytest.approx(0.25)
        told = finding(outcome, "verdicts")
        assert told.outlook == "problem_found"
        assert "cannot be used to check facts; this says nothing of its own texts" in told.text
        leaning = finding(outcome, "leaning")
        assert (leaning.outlook, leaning.severity) == ("problem_found", "medium")
        assert "says Yes nearly always" in leaning.text

    def test_always_refuses(self) -> None:
        """Prefers neither word: that is no verdict, and not the same as saying Yes."""
        outcome = run(lambda item, wording: 0.0)
        assert number(outcome, "balanced_accuracy").value is None
        assert number(outcome, "balanced_accuracy").coverage.unparsed == 3 * ROWS
        assert set(outlooks(outcome).values()) == {"unclear"}

    def test_never_flags_anything(self) -> None:
        """The published measure calls it good; it is no check at all."""
        outcome = run(lambda item, wording: -2.0)
        accuracy = number(outcome, "accuracy")
        assert value(accuracy) == pytest.approx(0.75) == accuracy.chance
        told = finding(outcome, "verdicts")
        assert told.outlook == "problem_found"
        assert "right in 75%, but always saying No would give 75%" in told.text
        assert "says No nearly always" in finding(outcome, "leaning").text

    def test_answers_from_a_key(self) -> None:
        outcome = run(key)
        for name in ("balanced_accuracy", "accuracy", "hallucination_recall", "ranking"):
            assert value(number(outcome, name)) == 1.0, name
        assert set(outlooks(outcome).values()) == {"no_problem_found"}
        assert "Less than 75% would have been noticed" in finding(outcome, "verdicts").text

    def test_a_key_with_one_in_five_wrong(self) -> None:
        def odds(item: Item, wording: str) -> float:
            return -key(item, wording) if item["id"] in mistaken() else key(item, wording)

        outcome = run(odds)
        for name, planted in (("balanced_accuracy", 0.8), ("accuracy", 0.8), ("hallucination_recall", 0.8)):
            low, high = interval(number(outcome, name))
            assert low <= planted <= high, name
            assert value(number(outcome, name)) == pytest.approx(planted)
            assert high < 0.95
        assert finding(outcome, "verdicts").outlook == "unclear"  # 40 hallucinated answers do not show 75%
        assert finding(run(odds, useful=0.95), "verdicts").outlook == "problem_found"
        assert finding(run(odds, useful=0.6), "verdicts").outlook == "no_problem_found"
        wrong = {r.item for r in outcome.records if r.outcome == "wrong"}
        assert wrong == mistaken()


class TestNumbers:
    def test_they_are_those_of_a_plain_computation(self) -> None:
        def odds(item: Item, wording: str) -> float:
            return 0.6 * key(item, wording) + 6 * noise(f"{item['id']}{wording}") - 3.4

        outcome = run(odds)
        rows = [(i, w, i["hallucinated"] == "yes", odds(i, w)) for i in items() for w in WORDINGS]
        true, said = [r[2] for r in rows], [r[3] > 0 for r in rows]
        assert value(number(outcome, "accuracy")) == pytest.approx(accuracy_score(true, said))
        balanced = number(outcome, "balanced_accuracy")
        assert value(balanced) == pytest.approx(balanced_accuracy_score(true, said))
        assert value(number(outcome, "yes_rate")) == pytest.approx(fmean(said))
        means = [fmean(odds(i, w) for w in WORDINGS) for i in items()]
        assert value(number(outcome, "ranking")) == pytest.approx(roc_auc_score(true[::3], means))
        by_wording = [
            balanced_accuracy_score([r[2] for r in rows if r[1] == w], [r[3] > 0 for r in rows if r[1] == w])
            for w in WORDINGS
        ]
        assert balanced.spread is not None
        assert (balanced.spread.low, balanced.spread.high) == pytest.approx((min(by_wording), max(by_wording)))
        for length in ("short", "medium", "long"):
            own = [r for r in rows if r[0]["length"] == length]
            found = number(outcome, "balanced_accuracy", length)
            assert value(found) == pytest.approx(balanced_accuracy_score([r[2] for r in own], [r[3] > 0 for r in own]))
            assert len(behind(found, outcome.records)) == len(own) == found.n
        # The interval of a mean of two independent shares, by hand (Zou & Donner 2008), each clustered by answer.
        sides = [
            rate([r[3] > 0 for r in rows if r[2] == side], [r[0]["id"] for r in rows if r[2] == side])
            for side in (True, False)
        ]
        (r, rl, rh), (f, fl, fh) = [(float(e.value or 0), float(e.low or 0), float(e.high or 0)) for e in sides]
        low, high = interval(balanced)
        assert low == pytest.approx((1 + r - f - math.hypot(r - rl, fh - f)) / 2)
        assert high == pytest.approx((1 + r - f + math.hypot(rh - r, f - fl)) / 2)
        assert balanced.clusters == ROWS

    def test_a_sample_of_both_kinds_gives_the_published_accuracy(self) -> None:
        """Half of the drawn answers are hallucinated, a quarter of the published ones: accuracy is of the latter."""

        def odds(item: Item, wording: str) -> float:
            return -1.0 if item["hallucinated"] == "no" else 1.0 if wording == "check" else -1.0

        for limit in (40, 120, None):
            outcome = run(odds, limit)
            assert value(number(outcome, "accuracy")) == pytest.approx(0.25 / 3 + 0.75)
            assert value(number(outcome, "balanced_accuracy")) == pytest.approx(2 / 3)
            assert value(number(outcome, "yes_rate")) == pytest.approx(0.25 / 3)

    @pytest.mark.parametrize(("limit", "hallucinated"), [(1, 1), (7, 4), (40, 20), (120, 40), (159, 40), (200, 40)])
    def test_as_many_of_each_kind_are_drawn_as_there_can_be(self, limit: int, hallucinated: int) -> None:
        found = HaluEval().drawn(items(), limit, 3)
        assert len(found) == min(limit, ROWS)
        assert sum(i["hallucinated"] == "yes" for i in found) == hallucinated
        assert [i["id"] for i in found] == [i["id"] for i in items() if i in found]

    def test_a_lean_beside_a_good_ranking_is_told_apart(self) -> None:
        """It knows, and draws the line in the wrong place: every verdict is Yes, and the order is right."""
        outcome = run(lambda item, wording: key(item, wording) + 3.0)
        assert value(number(outcome, "ranking")) == 1.0
        assert value(number(outcome, "balanced_accuracy")) == 0.5
        assert sorted(problems(outcome)) == ["leaning", "verdicts"]

    def test_a_mild_lean_is_found(self) -> None:
        outcome = run(lambda item, wording: 1.0 if noise(f"lean {item['id']}") < 0.6 else key(item, wording))
        told = finding(outcome, "leaning")
        assert (told.outlook, told.severity) == ("problem_found", "low")
        assert "leans to Yes" in told.text

    def test_one_that_says_yes_as_often_as_people_and_of_others_is_not_called_free_of_a_lean(self) -> None:
        def guess(item: Item, wording: str) -> float:
            return 2.0 if noise(f"guess {item['id']}") < item["share"] else -2.0

        outcome = run(guess, smallest_effect=0.15)
        low, high = interval(number(outcome, "yes_rate"))
        assert items()[0]["share"] - 0.15 < low < high < items()[0]["share"] + 0.15
        leaning = finding(outcome, "leaning")
        assert leaning.outlook == "unclear"
        assert "not shown to be better than guessing" in leaning.text

    def test_few_answers_do_not_show_that_a_model_guesses(self) -> None:
        outcome = run(lambda item, wording: 2 * noise(item["id"]) - 1, 8)
        assert interval(number(outcome, "balanced_accuracy"))[1] > 0.65
        told = finding(outcome, "verdicts")
        assert told.outlook == "unclear"
        assert "not shown to be better than guessing" in told.text

    def test_one_kind_alone_is_no_accuracy(self) -> None:
        outcome = run_probe(HaluEval, model(key), 1)
        assert number(outcome, "accuracy").reason == "no sound answer could be scored"
        assert number(outcome, "ranking").reason == "answers of both kinds are needed"

    def test_answers_that_cannot_be_scored_are_counted_as_such(self) -> None:
        def odds(item: Item, wording: str) -> float:
            return float("nan") if item["length"] == "long" else key(item, wording)

        outcome = run(odds)
        long = sum(i["length"] == "long" for i in items())
        assert number(outcome, "accuracy").coverage.not_a_number == 3 * long
        assert number(outcome, "balanced_accuracy", "long").value is None
        assert value(number(outcome, "balanced_accuracy")) == 1.0

    def test_a_ranking_is_of_answers_and_so_is_its_coverage(self) -> None:
        """Of one answer a wording gave no verdict: its mean over the others would be of other wordings."""
        tied = items()[0]["id"]
        ranking = number(run(lambda i, w: 0.0 if i["id"] == tied and w == "check" else key(i, w)), "ranking")
        assert (ranking.n, ranking.coverage.scored, ranking.coverage.unparsed) == (ROWS - 1, ROWS - 1, 1)

    def test_every_wording_shows_request_and_answer_and_asks_for_yes_or_no(self) -> None:
        item = items()[0]
        asked = [request for wording in WORDINGS for request in asks(item, wording)]
        assert len({prompt_text(r.prompt) for r in asked}) == len(WORDINGS) == 3
        for request in asked:
            text = prompt_text(request.prompt)
            assert item["query"] in text
            assert item["answer"] in text
            assert "Yes" in text
            assert "No" in text
        assert [r.continuation for r in asked] == ["Yes", "No"] * 3
        odd = {**item, "answer": "{query} {x}"}
        assert "{query} {x}" in prompt_text(asks(odd, "check")[0].prompt)

    def test_requests_are_scores_of_a_chat(self) -> None:
        asked = HaluEval().requests(items()[:2], context_of(HaluEval), {})
        assert len(asked) == 12
        assert all(isinstance(r, Score) and not isinstance(r.prompt, str) for r in asked)


class TestItems:
    def test_fields(self) -> None:
        item, row = items()[1], halueval()[1]
        assert (item["id"], item["query"], item["answer"]) == ("halueval-1", row["user_query"], row["chatgpt_response"])
        assert (item["hallucinated"], item["spans"]) == ("yes", row["hallucination_spans"])
        assert {i["share"] for i in items()} == {0.25}
        for item in items():
            size = len(item["answer"])
            assert item["length"] == ("short" if size < SHORT else "medium" if size < LONG else "long")
        assert {i["length"] for i in items()} == {"short", "medium", "long"}

    def test_what_people_marked_is_in_the_record(self) -> None:
        outcome = run(key, 20)
        notes = {r.tags["marked"]: r.note for r in outcome.records}
        assert str(notes["hallucinated"]).startswith("People marked: It was founded by a talking heron")
        assert notes["sound"] is None

    def test_without_a_data_folder_it_says_what_to_put_where(self, tmp_path: Path) -> None:
        with pytest.raises(ItemsAbsent) as told:
            HaluEval().items(tmp_path)
        for words in ("general_data.json", "github.com/RUCAIBox/HaluEval", "pminervini/HaluEval", "data folder"):
            assert words in str(told.value)

    @pytest.mark.parametrize(
        "change", [{"hallucination": "maybe"}, {"user_query": " "}, {"chatgpt_response": None}, {"hallucination": None}]
    )
    def test_rows_that_lack_something(self, tmp_path: Path, change: dict[str, Any]) -> None:
        rows = halueval()[:3]
        write_halueval(tmp_path, [rows[0], {**rows[1], **change}, rows[2]])
        with pytest.raises(ItemsError, match="answer 1"):
            from_folder(tmp_path)

    @pytest.mark.parametrize(
        ("content", "words"), [("[", "line 1"), ("{}", "has no user_query"), ("\n", "holds no items")]
    )
    def test_files_that_are_something_else(self, tmp_path: Path, content: str, words: str) -> None:
        (tmp_path / "halueval").mkdir()
        (tmp_path / "halueval" / "general_data.json").write_text(content)
        with pytest.raises(ItemsError, match=words):
            from_folder(tmp_path)

    def test_the_hub_is_asked_at_the_commit_that_the_options_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[Any] = []

        def load(*arguments: Any, **options: Any) -> Dataset:
            asked.append((*arguments, options["split"], options["revision"]))
            return Dataset.from_list(halueval()[:6])

        monkeypatch.setattr(published, "load_dataset", load)
        found = HaluEval().load(DATA, HaluEvalOptions(hub_revision=COMMIT))
        assert asked == [("pminervini/HaluEval", "general", "data", COMMIT)]
        assert [i["hallucinated"] for i in found] == ["no", "yes", "no", "no", "no", "yes"]
        assert found[0]["source"] == f"pminervini/HaluEval@{COMMIT[:12]}"


def test_published_answers() -> None:
    found = from_folder(published_data("halueval/general_data.json"))
    assert len(found) == HaluEval.published
    assert sum(i["hallucinated"] == "yes" for i in found) == 815
    assert all(bool(i["spans"]) <= (i["hallucinated"] == "yes") for i in found)
    thirds = [sum(i["length"] == length for i in found) / len(found) for length in ("short", "medium", "long")]
    assert all(0.25 < share < 0.4 for share in thirds)
