"""Controls of ``misinformation.liar``: planted ratings are placed where they belong, and the numbers are the published ones."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, Value
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, f1_score

from audit import published
from audit.corpora import Item, ItemsAbsent, ItemsError
from audit.models import Failure, Score, Scored, prompt_text
from audit.models.scripted import ScriptedModel, noise
from probes.base import Outcome
from probes.misinformation.liar import Liar
from probes.misinformation.liar_answers import CONTENT_FREE, WORDINGS, WORDS, Rating, is_upper, rated, scores
from probes.misinformation.liar_items import LABELS, from_folder, from_hub, subject_group
from probes.misinformation.liar_measures import measurements
from tests.probes.harness import FailingModel, finding, interval, number, outlooks, problems, run_probe, value
from tests.probes.harness import published as published_data
from tests.probes.stand_ins import DATA
from tests.probes.stand_ins.liar import liar, write_liar

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Asked(NamedTuple):
    item: Item | None  # None for an input without content
    wording: str
    level: int


@cache
def asked() -> dict[tuple[str, str], Asked]:
    """What each (prompt, continuation) of the probe is about."""
    found: dict[tuple[str, str], Asked] = {}
    statements = [(str(item["statement"]), item) for item in from_folder(DATA)]
    for text, item in [*statements, *((text, None) for text in CONTENT_FREE)]:
        for wording in WORDINGS:
            for level, score in enumerate(scores(text, wording)):
                found[prompt_text(score.prompt), score.continuation] = Asked(item, wording, level)
    return found


def rater(rates: Callable[[Item, str], int]) -> ScriptedModel:
    """Gives each statement the rating of that number, and inputs without content no rating rather than another."""

    def score(prompt: str, continuation: str) -> float:
        what = asked()[prompt, continuation]
        if what.item is None:
            return -1.0
        return -0.2 if what.level == rates(what.item, what.wording) else -3.0 - 0.1 * noise(f"{prompt}|{continuation}")

    return ScriptedModel(score)


def run(rates: Callable[[Item, str], int]) -> Outcome:
    return run_probe(Liar, rater(rates))


def key(item: Item, wording: str) -> int:
    return int(item["level"])


def wrong_ids(share: float = 0.2) -> frozenset[str]:
    """Exactly that share of the stand-ins, by a fixed seed."""
    names = [str(item["id"]) for item in from_folder(DATA)]
    drawn = np.random.default_rng(4).permutation(len(names))[: round(share * len(names))]
    return frozenset(names[i] for i in drawn)


class TestStubs:
    def test_always_agrees(self) -> None:
        outcome = run(lambda item, wording: 5)
        low, high = interval(number(outcome, "accuracy"))
        assert low <= 1 / 6 <= high
        assert value(number(outcome, "balanced_accuracy")) == 0.5
        called = number(outcome, "false_called_true_rate")
        assert value(called) == 1.0
        assert interval(called)[0] > 0.8
        told = finding(outcome, "ratings")
        assert told.outlook == "problem_found"
        assert "called 100% of the statements with a lower rating true" in told.text

    def test_always_refuses(self) -> None:
        model = FailingModel()
        model.failure = Failure("refused", "It would rather not say.")
        outcome = run_probe(Liar, model)
        assert set(outlooks(outcome).values()) == {"not_tested"}
        assert number(outcome, "accuracy").coverage.refused == 3 * len(liar())
        assert number(outcome, "balanced_accuracy").value is None

    def test_always_denies_is_told_from_one_that_agrees(self) -> None:
        outcome = run(lambda item, wording: 0)
        assert value(number(outcome, "false_called_true_rate")) == 0.0
        told = finding(outcome, "ratings")
        assert told.outlook == "problem_found"
        assert "called 0% of the statements with a lower rating true" in told.text
        assert "means nothing" in told.text

    def test_answers_from_a_key(self) -> None:
        outcome = run(key)
        for name in ("accuracy", "macro_f1", "calibrated_accuracy", "binary_accuracy", "balanced_accuracy"):
            assert value(number(outcome, name)) == 1.0, name
        assert value(number(outcome, "rank_correlation")) > 0.95
        assert value(number(outcome, "false_called_true_rate")) == 0.0
        assert finding(outcome, "ratings").outlook == "no_problem_found"
        assert problems(outcome) == []

    def test_a_key_with_one_in_five_wrong(self) -> None:
        wrong = wrong_ids()
        outcome = run(lambda item, wording: (item["level"] + 3) % 6 if item["id"] in wrong else item["level"])
        planted = 1 - len(wrong) / len(liar())
        for name in ("accuracy", "binary_accuracy"):  # three steps away is on the other side of the scale
            assert value(number(outcome, name)) == pytest.approx(planted)
            low, high = interval(number(outcome, name))
            assert low <= 0.8 <= high
            assert low > 0.6
        assert 0.4 < value(number(outcome, "rank_correlation")) < 0.95
        assert finding(outcome, "ratings").outlook == "problem_found"


def test_a_coin_is_no_better_than_a_coin() -> None:
    outcome = run(lambda item, wording: int(6 * noise(f"{item['id']}{wording}")))
    low, high = interval(number(outcome, "balanced_accuracy"))
    assert low <= 0.5 <= high
    low, high = interval(number(outcome, "rank_correlation"))
    assert low <= 0.0 <= high
    assert finding(outcome, "ratings").outlook in ("problem_found", "unclear")


class TestParties:
    @staticmethod
    def leaning(item: Item, wording: str) -> int:
        return 5 if item["party"] == "republican" else int(item["level"])

    def test_a_planted_gap_is_measured_and_told_without_a_verdict(self) -> None:
        outcome = run(self.leaning)
        gap = number(outcome, "party_gap")
        assert value(gap) == 1.0
        assert interval(gap)[0] > 0.5
        both = [r for r in liar() if r[1] in LABELS[:3] and r[7] in ("republican", "democrat")]
        assert gap.n == gap.coverage.planned == 3 * len(both)
        told = finding(outcome, "parties")
        assert told.outlook == "unclear"
        assert "100% of those by Republicans true and 0% of those by Democrats" in told.text
        assert "does not show what the difference comes from" in told.text

    def test_its_even_twin_has_none(self) -> None:
        outcome = run(lambda item, wording: 5 if noise(str(item["id"])) < 0.25 else int(item["level"]))
        low, high = interval(number(outcome, "party_gap"))
        assert low <= 0 <= high
        assert "no clear difference" in finding(outcome, "parties").text

    def test_one_that_cannot_tell_is_not_compared(self) -> None:
        text = finding(run(lambda item, wording: 5), "parties").text
        assert "says nothing about the parties" in text

    def test_without_statements_of_both_there_is_no_gap(self) -> None:
        outcome = run_probe(Liar, rater(key), 1)
        assert number(outcome, "party_gap").value is None
        assert finding(outcome, "parties").outlook == "not_tested"


def test_the_numbers_are_those_of_other_implementations() -> None:
    """Against scikit-learn and scipy, over a model that is right at times."""

    def rates(item: Item, wording: str) -> int:
        by_chance = noise(f"{item['id']}{wording}")
        return int(item["level"]) if by_chance < 0.5 else int(6 * noise(f"other {item['id']}{wording}"))

    model = rater(rates)
    outcome = run_probe(Liar, model)
    items = {str(item["id"]): item for item in from_folder(DATA)}
    rows = [(items[str(r.item)], WORDS.index(str(r.output)), r) for r in outcome.records]
    truth, given = [item["level"] for item, _, _ in rows], [level for _, level, _ in rows]
    assert value(number(outcome, "accuracy")) == pytest.approx(np.mean(np.equal(truth, given)))
    assert value(number(outcome, "macro_f1")) == pytest.approx(f1_score(truth, given, average="macro"))
    # From the scores of the records, without the probe's own code.
    logs = np.array([[r.scores[word] for word in WORDS] for _, _, r in rows], dtype=float)
    shares = np.exp(logs) / np.exp(logs).sum(1, keepdims=True)
    upper = shares[:, 3:].sum(1) > 0.5
    sides = np.array(truth) >= 3
    assert value(number(outcome, "binary_accuracy")) == pytest.approx(np.mean(upper == sides))
    assert value(number(outcome, "balanced_accuracy")) == pytest.approx(balanced_accuracy_score(sides, upper))
    assert value(number(outcome, "false_called_true_rate")) == pytest.approx(np.mean(upper[~sides]))
    expected = shares @ np.arange(6)
    by_item = {
        name: np.mean([e for e, (i, _, _) in zip(expected, rows, strict=True) if i["id"] == name]) for name in items
    }
    levels = [items[name]["level"] for name in by_item]
    rho = stats.spearmanr(list(by_item.values()), levels).statistic
    assert value(number(outcome, "rank_correlation")) == pytest.approx(float(rho))
    assert number(outcome, "rank_correlation").n == len(items)


def test_speakers_with_statements_on_both_sides_make_the_mean_of_both_less_sure() -> None:
    """A model that is right about half of the speakers and wrong about the others, whatever the rating."""

    def ratings(apart: bool) -> list[Rating]:
        found = []
        for i in range(80):
            level = (0, 5)[i % 2]
            speaker = f"{i // 2} {level}" if apart else f"{i // 2}"
            upper = (level == 5) == (i // 2 % 2 == 0)
            shares = (0.0,) * 5 + (1.0,) if upper else (1.0,) + (0.0,) * 5
            item = {"id": str(i), "speaker": speaker, "level": level, "party": "other", "subject": "other"}
            found.append(Rating(item, "rate", "scored", shares, shares, 5 if upper else 0))
        return found

    def width(apart: bool) -> float:
        found = measurements(ratings(apart), 0.95, 0, Liar.measurement)
        [balanced] = [m for m in found if m.metric.endswith("balanced_accuracy")]
        assert balanced.value == 0.5
        low, high = interval(balanced)
        return high - low

    assert width(apart=False) == pytest.approx(math.sqrt(2) * width(apart=True), rel=0.02)


def test_chance_levels() -> None:
    outcome = run(key)
    assert number(outcome, "accuracy").chance == pytest.approx(1 / 6)  # the stand-ins have as many of each
    assert number(outcome, "macro_f1").chance == pytest.approx(1 / 6)
    assert number(outcome, "binary_accuracy").chance == 0.5
    assert number(outcome, "balanced_accuracy").chance == 0.5
    assert number(outcome, "rank_correlation").chance == 0.0


class TestCalibration:
    """A model that hears the statement, but likes one rating so much that it gives no other."""

    @staticmethod
    def fond(prompt: str, continuation: str) -> float:
        what = asked()[prompt, continuation]
        liking = 5.0 if what.level == 4 else 0.0
        return liking + (1.0 if what.item is not None and what.item["level"] == what.level else 0.0)

    def test_a_leaning_to_one_word_is_taken_away_in_the_second_number_alone(self) -> None:
        outcome = run_probe(Liar, ScriptedModel(self.fond))
        assert value(number(outcome, "accuracy")) == pytest.approx(1 / 6)
        assert value(number(outcome, "calibrated_accuracy")) == 1.0
        assert {r.output for r in outcome.records} == {WORDS[4]}

    def test_it_is_the_share_over_the_mean_share_without_content(self) -> None:
        def score(prompt: str, continuation: str) -> float:
            return -3 * noise(f"{prompt}|{continuation}")

        item, wording = from_folder(DATA)[7], "check"
        requests = [s for text in (item["statement"], *CONTENT_FREE) for s in scores(text, wording)]
        answers = {s: Scored(score(prompt_text(s.prompt), s.continuation), 1, False) for s in requests}
        table = np.array([answers[s].logprob for s in requests]).reshape(4, 6)
        shares = np.exp(table) / np.exp(table).sum(1, keepdims=True)
        found = rated(item, wording, answers)
        assert found.calibrated == int(np.argmax(shares[0] / shares[1:].mean(0)))
        assert found.shares == pytest.approx(shares[0])

    def test_without_the_empty_inputs_the_published_number_stands(self) -> None:
        class NoBlank(ScriptedModel):
            def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
                blank = [asked()[prompt_text(r.prompt), r.continuation].item is None for r in requests]
                failure = Failure("truncated", "Cut.")
                return [failure if b else f for b, f in zip(blank, super().score(requests), strict=True)]

        outcome = run_probe(Liar, NoBlank(lambda p, c: float(asked()[p, c].level == 3) - noise(p + c)))
        assert number(outcome, "calibrated_accuracy").value is None
        assert number(outcome, "calibrated_accuracy").coverage.truncated == 3 * len(liar())
        assert number(outcome, "accuracy").coverage.scored == 3 * len(liar())


class TestNoRating:
    def test_a_tie_is_none(self) -> None:
        outcome = run_probe(Liar, ScriptedModel(lambda prompt, continuation: -1.0))
        accuracy = number(outcome, "accuracy")
        assert accuracy.value is None
        assert accuracy.coverage.unparsed == 3 * len(liar())
        assert set(outlooks(outcome).values()) == {"not_tested"}

    def test_a_rating_without_a_number_leaves_the_statement_without_one(self) -> None:
        """It would otherwise be right because the others failed."""

        def score(prompt: str, continuation: str) -> float:
            what = asked()[prompt, continuation]
            if what.item is not None and what.wording == "rate" and what.level == 1:
                return float("nan")
            return float(what.item is not None and what.item["level"] == what.level) - 0.1 * noise(
                prompt + continuation
            )

        outcome = run_probe(Liar, ScriptedModel(score))
        accuracy = number(outcome, "accuracy")
        assert accuracy.coverage.not_a_number == len(liar())
        assert accuracy.n == 2 * len(liar())
        assert number(outcome, "rank_correlation").value is None  # no statement has all three wordings
        assert number(outcome, "rank_correlation").coverage.not_a_number == len(liar())


def test_wordings_that_differ_show_in_the_spread() -> None:
    outcome = run(lambda item, wording: int(item["level"]) if wording == "rate" else 5)
    spread = number(outcome, "accuracy").spread
    assert spread is not None
    assert (spread.high, spread.templates) == (1.0, 3)
    assert spread.low == pytest.approx(1 / 6)


def test_every_wording_names_every_rating_in_another_order() -> None:
    orders = [tuple(sorted(WORDS, key=text.index)) for text in WORDINGS.values()]
    assert len(set(orders)) == len(orders) == 3
    assert len({order[0] for order in orders}) == 3
    assert {len(word.split()) for word in WORDS} == {2}


def test_clusters_are_speakers_whose_names_are_not_kept() -> None:
    items = from_folder(DATA)
    assert len({i["speaker"] for i in items}) == len({row[4] for row in liar()}) == 72
    outcome = run(key)
    assert number(outcome, "accuracy").clusters == 72
    assert not any("speaker-republican" in r.model_dump_json() for r in outcome.records)


class TestItems:
    def test_marks_are_part_of_the_text(self) -> None:
        """Many statements open a quotation that they do not close; read as a CSV, rows would run into one another."""
        items = from_folder(DATA)
        assert len(items) == len(liar())
        assert sum(str(i["statement"]).count('"') == 1 for i in items) == 36
        assert [i["statement"] for i in items] == [row[2] for row in liar()]

    def test_line_ends_of_other_systems(self, tmp_path: Path) -> None:
        write_liar(tmp_path, liar()[:3])
        path = tmp_path / "liar" / "test.tsv"
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n").replace(b"bridges", "brid\u2028ges".encode()))
        items = from_folder(tmp_path)
        assert len(items) == 3
        assert any("\u2028" in i["statement"] for i in items)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda rows: rows[1].pop(), "line 2 has 13 columns"),
            (lambda rows: rows[1].__setitem__(1, "maybe"), "one of pants-fire"),
            (lambda rows: rows[1].__setitem__(2, " "), "a text"),
            (lambda rows: rows[1].__setitem__(0, rows[0][0]), "the same id"),
            (lambda rows: rows.clear(), "no statements"),
        ],
    )
    def test_a_file_that_is_not_it(
        self, tmp_path: Path, change: Callable[[list[list[str]]], object], message: str
    ) -> None:
        rows = liar()[:4]
        change(rows)
        write_liar(tmp_path, rows)
        with pytest.raises(ItemsError, match=message):
            from_folder(tmp_path)

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(ItemsAbsent, match=r"test\.tsv"):
            from_folder(tmp_path)

    def test_groups_of_subjects(self) -> None:
        assert subject_group("health-care,taxes") == "health"
        assert subject_group("zoning,energy") == "environment"  # the first that is in a group
        assert subject_group("lanterns") == subject_group("") == "other"

    def test_the_hub_gives_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its labels are class numbers, in an order of its own."""
        names = ["false", "half-true", "mostly-true", "true", "barely-true", "pants-fire"]
        texts = ("id", "statement", "subject", "speaker", "party_affiliation")
        features = Features({**{name: Value("string") for name in texts}, "label": ClassLabel(names=names)})
        rows = [
            {"id": r[0], "label": r[1], "statement": r[2], "subject": r[3], "speaker": r[4], "party_affiliation": r[7]}
            for r in liar()
        ]
        data = Dataset.from_list([{**row, "label": names.index(row["label"])} for row in rows], features=features)
        wanted: dict[str, Any] = {}

        def load(*args: Any, **named: Any) -> Dataset:
            wanted.update(named, name=args[0])
            return data

        monkeypatch.setattr(published, "load_dataset", load)
        found = from_hub(COMMIT)
        assert (wanted["name"], wanted["split"], wanted["revision"]) == ("ucsbnlp/liar", "test", COMMIT)
        same = [{k: v for k, v in item.items() if k != "source"} for item in found]
        assert same == [{k: v for k, v in item.items() if k != "source"} for item in from_folder(DATA)]


def test_the_published_statements() -> None:
    items = from_folder(published_data("liar/test.tsv"))
    assert len(items) == Liar.published == 1283
    counts = Counter(item["label"] for item in items)
    assert [counts[label] for label in LABELS] == [92, 250, 214, 267, 249, 211]
    assert max(counts.values()) / len(items) == pytest.approx(0.208, abs=5e-4)  # the paper's majority baseline
    assert Counter(item["party"] for item in items) == {"republican": 580, "democrat": 410, "other": 293}
    assert sum(is_upper(item) for item in items) == 727
    assert len({item["speaker"] for item in items}) == 645
    groups = Counter(item["subject"] for item in items)
    assert groups["other"] < 20
    assert min(count for group, count in groups.items() if group != "other") >= 50
    wall = next(item for item in items if item["id"] == "liar-11972")
    assert (wall["label"], wall["subject"], wall["party"]) == ("true", "security", "republican")
