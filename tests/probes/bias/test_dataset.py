"""Controls of ``bias.dataset``: each fault of a data set is found where it was planted, and not in its clean twin."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from inspect import unwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import stats
from sklearn.metrics import mutual_info_score

from audit.config import AuditConfig
from audit.corpora import ItemsError
from audit.models import Capability, Failure, Tabulate, Tabulated
from audit.models.scripted import ScriptedModel
from audit.planning import plan
from probes.base import Outcome
from probes.bias import dataset_prediction
from probes.bias.dataset import Dataset, DatasetOptions
from probes.bias.dataset_items import column_of, data_set
from probes.bias.dataset_prediction import contradicted, predicted
from probes.bias.dataset_proxy_measures import levels, uncertainty_coefficient
from probes.bias.dataset_texts import PATTERNS, mentions, sentiment
from probes.bias.dataset_words import GROUPS, HOSTILE
from tests.probes.harness import context_of, finding, interval, number, problems, published, run_probe, value

CASES = 800
Cells = Sequence[str | None]


def made(
    columns: Mapping[str, Callable[[int, str, str], object]] | None = None,
    label: Callable[[int, str], int] = lambda i, region: i // 4 % 2,
    text: Callable[[int, str], str] | None = None,
    cases: int = CASES,
) -> Tabulated:
    """Cases of two attributes, as many of each kind, with columns that are functions of the case, its region and its sex."""
    groups = [(("north", "south")[i % 2], "fm"[i // 2 % 2]) for i in range(cases)]
    cells = [
        tuple(None if (c := make(i, *groups[i])) is None else str(c) for i in range(cases))
        for make in (columns or {}).values()
    ]
    return Tabulated(
        positive="1",
        truth=tuple(str(label(i, groups[i][0])) for i in range(cases)),
        predicted=(),
        score=(),
        texts=tuple(text(i, groups[i][0]) for i in range(cases)) if text else (),
        attributes=("region", "sex"),
        groups=(tuple(r for r, _ in groups), tuple(s for _, s in groups)),
        columns=tuple(columns or {}),
        values=tuple(cells),
    )


def luck(i: int, name: str = "") -> float:
    """A number from 0 to 1 that has nothing to do with the groups."""
    return float(np.random.default_rng([i, len(name), *name.encode()]).random())


def run(table: Tabulated, **options: Any) -> Outcome:
    return run_probe(Dataset, ScriptedModel(table=table), None, options)


CLEAN = {"weight": lambda i, r, s: f"{luck(i, 'w'):.2f}", "shape": lambda i, r, s: "abc"[int(3 * luck(i, "s"))]}


class TestRepresentation:
    shares: Mapping[str, Mapping[str, float]] = {"region": {"north": 0.5, "south": 0.5}}

    def uneven(self) -> Tabulated:
        table = made()
        return replace(table, groups=(tuple("south" if i % 8 == 0 else "north" for i in range(CASES)), table.groups[1]))

    def test_a_group_below_its_share_is_found_at_its_distance(self) -> None:
        outcome = run(self.uneven(), reference=self.shares)
        distance = number(outcome, "representation_distance", "region")
        low, high = interval(distance)
        assert low < 0.375 == value(distance) < high
        assert distance.chance is not None
        assert distance.chance < 0.03
        told = finding(outcome, "reference.region")
        assert (told.outlook, told.severity) == ("problem_found", "high")
        assert "“south”: 12%" in told.text

    def test_the_clean_twin_is_clean(self) -> None:
        outcome = run(made(cases=4000), reference=self.shares)
        assert finding(outcome, "reference.region").outlook == "no_problem_found"
        assert interval(number(outcome, "representation_distance", "region"))[0] == 0

    def test_few_cases_are_unclear(self) -> None:
        assert finding(run(made(cases=80), reference=self.shares), "reference.region").outlook == "unclear"

    def test_a_group_that_is_not_there_has_a_share_of_nothing(self) -> None:
        shares = {"region": {"north": 0.45, "south": 0.45, "islands": 0.1}}
        outcome = run(made(), reference=shares)
        share = number(outcome, "group_share", "region: islands")
        assert (value(share), share.chance) == (0, 0.1)
        assert share.p_adjusted is not None
        assert share.p_adjusted < 0.001
        assert finding(outcome, "reference.region").outlook == "problem_found"

    def test_without_a_reference_nothing_is_called_right(self) -> None:
        outcome = run(made())
        assert finding(outcome, "shares").outlook == "unclear"
        assert number(outcome, "representation_distance").reason == "no reference shares were given"

    def test_small_groups_and_combinations_are_named(self) -> None:
        table = made()
        region = ("islands",) * 10 + table.groups[0][10:]
        outcome = run(replace(table, groups=(region, table.groups[1])))
        told = finding(outcome, "small_groups")
        assert "“islands” (region, 10)" in told.text
        assert "2 have fewer than 30 cases" in told.text
        assert value(number(outcome, "group_share", "region: islands")) == 10 / CASES

    def test_a_sample_makes_no_group_small_that_the_data_do_not(self) -> None:
        table = made()
        region = ("islands",) * 40 + table.groups[0][40:]
        table = replace(table, groups=(region, table.groups[1]))
        outcome = run(table, limit=100)
        assert (number(outcome, "group_share", "region: islands").successes or 0) < 30
        assert "small_groups" not in problems(outcome)
        told = finding(outcome, "shares")
        assert f"at least 30 of {CASES:,} cases" in told.text
        few = replace(table, groups=(("islands",) * 10 + made().groups[0][10:], table.groups[1]))
        assert "small_groups" in problems(run(few, limit=100))

    def test_a_reference_of_no_sensitive_column_is_told(self) -> None:
        with pytest.raises(ValueError, match="reference names race"):
            run(made(), reference={"race": {"a": 0.5, "b": 0.5}})


class TestLabels:
    def test_a_planted_gap_is_found_at_its_size(self) -> None:
        outcome = run(made(label=lambda i, region: int(i // 4 % 10 < (7 if region == "north" else 4))))
        gap = number(outcome, "base_rate_gap", "region")
        low, high = interval(gap)
        assert 0.2 < low < 0.3 < high < 0.4
        assert value(gap) == pytest.approx(0.3)
        assert "labels.region" in problems(outcome)
        assert "labels.sex" not in problems(outcome)
        assert "40% of the group “south” and 70% of the group “north”" in finding(outcome, "labels.region").text

    def test_equal_labels_are_clean_and_few_are_unclear(self) -> None:
        assert finding(run(made(cases=8000)), "labels.region").outlook == "no_problem_found"
        assert finding(run(made(cases=160)), "labels.region").outlook == "unclear"

    def test_missing_labels_are_counted_and_no_label_is_no_gap(self) -> None:
        table = made()
        some = run(replace(table, truth=(None,) * 100 + table.truth[100:]))
        rate = number(some, "base_rate", "region: north")
        assert (rate.n, rate.coverage.planned, rate.coverage.unparsed) == (350, 400, 50)
        none = run(replace(table, truth=(None,) * CASES))
        assert number(none, "base_rate_gap").reason == "the table has no column of labels"
        assert finding(none, "labels.region").outlook == "not_tested"


class TestProxies:
    def test_a_column_that_gives_the_group_away_is_found_and_named(self) -> None:
        columns = {**CLEAN, "postcode": lambda i, r, s: (100 if r == "north" else 200) + int(120 * luck(i, "p"))}
        outcome = run(made(columns))
        area = number(outcome, "proxy_auroc", "region: north")
        assert interval(area)[0] > 0.85
        assert area.chance == pytest.approx(0.5, abs=0.06)
        told = finding(outcome, "proxies.region")
        assert (told.outlook, told.severity) == ("problem_found", "high" if interval(area)[0] >= 0.9 else "medium")
        assert "“postcode”" in told.text
        assert "proxies.sex" not in problems(outcome)
        accuracy = number(outcome, "proxy_balanced_accuracy", "region")
        assert interval(accuracy)[0] > 0.75
        assert accuracy.chance == pytest.approx(0.5, abs=0.06)

    def test_columns_that_tell_only_together_are_found(self) -> None:
        """Neither of two columns has to do with the region; whether they are equal has."""
        columns = {
            "one": lambda i, r, s: int(luck(i, "one") < 0.5),
            "two": lambda i, r, s: int((luck(i, "one") < 0.5) == (r == "north")),
        }
        outcome = run(made(columns))
        assert interval(number(outcome, "proxy_auroc", "region: north"))[0] > 0.9
        assert value(number(outcome, "column_association", "region: one")) < 0.01

    def test_the_clean_twin_is_not_flagged(self) -> None:
        outcome = run(made(CLEAN, cases=2000))
        assert finding(outcome, "proxies.region").outlook == "no_problem_found"
        low, high = interval(number(outcome, "proxy_auroc", "region: north"))
        assert low < 0.5 < high
        assert not [p for p in problems(outcome) if p.startswith("proxies")]

    def test_few_cases_are_unclear_and_no_columns_are_not_tested(self) -> None:
        assert finding(run(made(CLEAN, cases=80)), "proxies.region").outlook == "unclear"
        assert finding(run(made()), "proxies").outlook == "not_tested"

    def test_a_column_that_is_left_out_does_not_count(self) -> None:
        columns = {**CLEAN, "copy": lambda i, r, s: r}
        assert "proxies.region" in problems(run(made(columns)))
        outcome = run(made(columns), ignore=["copy"])
        assert "proxies.region" not in problems(outcome)
        assert not [r for r in outcome.records if "copy" in r.input]

    def test_row_numbers_names_and_other_groups_are_no_proxies(self) -> None:
        columns = {"id": lambda i, r, s: (0 if r == "north" else 5000) + i, "name": lambda i, r, s: f"{r} {i}", **CLEAN}
        outcome = run(made(columns))
        assert "proxies.region" not in problems(outcome)
        assert {r.outcome for r in outcome.records if r.id in ("column id", "column name")} == {"not used to predict"}

    def test_texts_that_give_the_group_away_are_found(self) -> None:
        plain = ("the road was wet", "we went home early", "nobody called today")
        telling = run(made(text=lambda i, r: f"{plain[i % 3]} by the {'harbour' if r == 'north' else 'mountain'}"))
        assert "text_proxies.region" in problems(telling)
        assert interval(number(telling, "text_proxy_auroc", "region: north"))[0] > 0.9
        even = run(made(text=lambda i, r: plain[int(3 * luck(i, "t"))]))
        assert not [p for p in problems(even) if p.startswith("text_proxies")]

    def test_the_association_is_mutual_information_over_entropy(self) -> None:
        stream = np.random.default_rng(0)
        groups, column = stream.integers(0, 3, 500), stream.integers(0, 4, 500)
        column = np.where(stream.random(500) < 0.4, groups, column)
        counts = np.zeros((3, 4), dtype=np.intp)
        np.add.at(counts, (groups, column), 1)
        share = mutual_info_score(groups, column) / stats.entropy(np.bincount(groups))
        assert uncertainty_coefficient(counts) == pytest.approx(share, abs=1e-12)
        assert uncertainty_coefficient(np.diag([5, 3, 2])) == pytest.approx(1)
        assert uncertainty_coefficient(np.outer([5, 3], [1, 2])) == pytest.approx(0, abs=1e-12)
        assert math.isnan(uncertainty_coefficient(np.array([[4, 2]])))

    def test_predictions_are_out_of_fold_and_the_same_again(self) -> None:
        """Of columns without any pattern a prediction in the fold would be far better than chance."""
        stream = np.random.default_rng(1)
        given, truth = stream.random((300, 5)), stream.integers(0, 2, 300)
        first = predicted(given, truth, np.arange(300), 3, True)
        assert first is not None
        assert np.mean(first.probabilities.argmax(axis=1) == truth) < 0.62
        again = unwrap(dataset_prediction.out_of_fold)(given, truth, 3, True)  # the tests' own is from memory
        assert np.array_equal(again, first.probabilities)

    def test_a_rare_group_stays_whole_in_a_large_table(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(dataset_prediction, "MOST_CASES", 100)
        truth = np.array([0] * 960 + [1] * 40)
        given = np.random.default_rng(0).random((1000, 2))
        balanced = predicted(given, truth, np.arange(1000), 0, True)
        assert balanced is not None
        assert np.bincount(balanced.truth).tolist() == [100, 40]
        assert predicted(given, np.array([0] * 995 + [1] * 5), np.arange(1000), 0, True) is None


class TestColumns:
    @pytest.mark.parametrize(
        ("cells", "kind"),
        [
            (["1", "2.5", None, "1"] * 20, "number"),
            (["a", "b", None, "a"] * 20, "words"),
            (["a"] * 80, "constant"),
            ([None] * 80, "constant"),
            ([f"name {i}" for i in range(80)], "names"),
            ([str(i) for i in range(80)], "names"),
            ([str(i / 7) for i in range(80)], "number"),
            (["1", "inf"] * 40, "words"),
        ],
    )
    def test_what_a_column_holds(self, cells: Cells, kind: str) -> None:
        column = column_of("c", cells)
        assert column.kind == kind
        assert column.missing.tolist() == [c is None for c in cells]
        assert np.isnan(column.codes[column.missing]).all()

    def test_rare_words_share_a_level_and_missing_cells_have_their_own(self) -> None:
        column = column_of("c", [*(f"w{i % 21}" for i in range(420)), "rare", "once", None])
        assert len(np.unique(levels(column))) == 22
        numbers = column_of("n", [*(str(i % 40 / 7) for i in range(400)), None, None])
        assert np.bincount(levels(numbers))[0] == 2
        assert len(np.unique(levels(numbers))) == 11


class TestMissing:
    def test_cells_that_are_empty_for_one_group_are_found(self) -> None:
        columns = {**CLEAN, "income": lambda i, r, s: None if luck(i, "m") < (0.3 if r == "south" else 0.1) else i % 7}
        outcome = run(made(columns))
        gap = number(outcome, "missing_rate_gap", "region: income")
        low, high = interval(gap)
        assert low < 0.2 < high
        assert low > 0.05
        assert gap.p_adjusted is not None
        assert gap.p_adjusted < 0.001
        assert "“income” by region" in finding(outcome, "missing").text
        assert finding(outcome, "missing").outlook == "problem_found"

    def test_the_clean_twin_is_clean(self) -> None:
        columns = {**CLEAN, "income": lambda i, r, s: None if i // 4 % 5 == 0 else i % 7}
        assert finding(run(made(columns, cases=8000)), "missing").outlook == "no_problem_found"
        assert finding(run(made(columns, cases=200)), "missing").outlook == "unclear"
        assert "No case of a known group has an empty cell" in finding(run(made(CLEAN)), "missing").text

    def test_of_hundreds_of_columns_one_is_still_found(self) -> None:
        """A p value from shuffles cannot be small enough for that."""
        columns: dict[str, Callable[[int, str, str], object]] = {
            f"c{k}": lambda i, r, s, k=k: None if (i * 7 + k) % 11 == 0 else 1 for k in range(150)
        }
        columns["income"] = lambda i, r, s: None if luck(i, "m") < (0.4 if r == "south" else 0.1) else 1
        outcome = run(made(columns, cases=400))
        assert finding(outcome, "missing").outlook == "problem_found"
        assert "“income” by region" in finding(outcome, "missing").text


class TestLabelNoise:
    @staticmethod
    def table(noise: Mapping[str, float], skill: float = 1.0) -> Tabulated:
        """A label that follows a column, turned round for a share of a region's cases."""

        def label(i: int, region: str) -> int:
            true = luck(i, "x") < 0.5 if luck(i, "skill") < skill else luck(i, "any") < 0.5
            return int(true != (luck(i, "noise") < noise[region]))

        return made({"x": lambda i, r, s: f"{luck(i, 'x'):.3f}", **CLEAN}, label=label)

    def test_labels_that_are_wrong_in_one_group_are_found(self) -> None:
        outcome = run(self.table({"north": 0.0, "south": 0.15}))
        assert interval(number(outcome, "label_auroc"))[0] > 0.8
        gap = number(outcome, "label_disagreement_gap", "region")
        low, high = interval(gap)
        assert 0.05 < low < 0.15 < high
        told = finding(outcome, "label_noise")
        assert told.outlook == "problem_found"
        assert "“south”" in told.text

    def test_equal_noise_is_not_flagged(self) -> None:
        assert "label_noise" not in problems(run(self.table({"north": 0.05, "south": 0.05})))

    def test_labels_that_cannot_be_predicted_are_unclear(self) -> None:
        outcome = run(self.table({"north": 0.0, "south": 0.15}, skill=0.3))
        told = finding(outcome, "label_noise")
        assert told.outlook == "unclear"
        assert "too poorly" in told.text

    def test_a_column_that_repeats_the_label_is_told(self) -> None:
        table = made({"copy": lambda i, r, s: i // 4 % 2, **CLEAN})
        told = finding(run(table), "label_noise")
        assert (told.outlook, "another form" in told.text) == ("unclear", True)

    def test_the_confident_joint_by_hand(self) -> None:
        """Thresholds: 0.5 for class 1, the mean of 0.9, 0.8, 0.1 and 0.2; 0.54 for class 0, that of 0.8, 0.3 and 0.52.

        The last case is confidently of neither.
        """
        probability = np.array([0.9, 0.8, 0.1, 0.2, 0.2, 0.7, 0.48])
        label = np.array([1, 1, 1, 1, 0, 0, 0])
        assert contradicted(probability, label).tolist() == [False, False, True, True, False, True, False]

    def test_like_cases_with_unlike_labels(self) -> None:
        table = made(
            {"kind": lambda i, r, s: i // 8}, label=lambda i, region: int(i // 8 % 2 == 0 and i % 8 == 3), cases=80
        )
        rate = number(run(table), "contradiction_rate")
        assert (value(rate), rate.n) == (0.5, 80)  # five of ten kinds hold one case with another label
        share = 5 / 80
        assert rate.chance == pytest.approx(1 - share**8 - (1 - share) ** 8)
        apart = made({"kind": lambda i, r, s: f"{i}.5"}, cases=80)
        assert number(run(apart), "contradiction_rate").reason == (
            "no two cases are alike in all other columns (those of names aside)"
        )

    def test_columns_left_aside_are_named_where_like_cases_are_told_of(self) -> None:
        columns = {"kind": lambda i, r, s: i // 8, "person": lambda i, r, s: i, **CLEAN}
        told = finding(run(made({k: columns[k] for k in ("kind", "person")})), "label_noise")
        assert "alike in all else (“person” aside), " in told.text
        assert "aside" not in finding(run(made({"kind": columns["kind"]})), "label_noise").text

    def test_texts_alike_but_for_marks_and_capitals_are_alike(self) -> None:
        table = made(text=lambda i, r: ("Fine, thanks!", "fine thanks")[i % 2], label=lambda i, r: i % 2, cases=80)
        assert value(number(run(table), "contradiction_rate")) == 1


class TestTexts:
    @staticmethod
    def texts(unkind: bool) -> Callable[[int, str], str]:
        good, bad = "{} were kind and helpful.", "{} were stupid and nasty."

        def text(i: int, region: str) -> str:
            name = ("The Muslims", "The Christians", "The Hindus")[i % 3]
            share = 0.7 if unkind and i % 3 == 0 else 0.2
            return (bad if luck(i, "tone") < share else good).format(name) + " It rained."

        return text

    def test_unkind_words_around_one_group_are_found(self) -> None:
        outcome = run(made(text=self.texts(True)))
        tone = number(outcome, "sentiment_difference", "religion: Muslims")
        assert interval(tone)[1] < -0.1
        assert finding(outcome, "texts.sentiment").outlook == "problem_found"
        assert "“Muslims”" in finding(outcome, "texts.sentiment").text
        low, high = interval(number(outcome, "hostile_word_difference", "religion: Muslims"))
        assert low < 0.5 < high + 0.1
        assert finding(outcome, "texts.hostile_words").outlook == "problem_found"
        assert number(outcome, "mention_rate", "religion: Muslims").successes == 267

    def test_the_clean_twin_is_not_flagged(self) -> None:
        assert not [p for p in problems(run(made(text=self.texts(False)))) if p.startswith("texts")]

    def test_few_mentions_are_unclear_and_none_are_not_tested(self) -> None:
        few = run(made(text=self.texts(True), cases=60))
        assert finding(few, "texts.sentiment").outlook == "unclear"
        none = run(made(text=lambda i, r: "It rained."))
        assert finding(none, "texts").outlook == "not_tested"
        assert number(none, "sentiment").value is None

    def test_the_names_of_groups_carry_no_sentiment(self) -> None:
        names = [words[0] for groups in GROUPS.values() for words in groups.values()]
        assert {sentiment(f"We met {name} there.") for name in names} == {0.0}
        assert sentiment("We met blind people there.") == 0
        assert sentiment("We met kind people there.") > 0.3

    def test_words_are_found_whole_and_in_every_axis(self) -> None:
        found = {
            m.part: m.texts.tolist() for m in mentions(("Black women spoke.", "Gayle ate Arabica beans.", "SHE ran."))
        }
        assert {part for part, places in found.items() if 0 in places} == {
            "gender: women",
            "race or ethnicity: Black people",
        }
        assert {part for part, places in found.items() if 1 in places} == set()
        assert found["gender: women"] == [0, 2]

    def test_only_sentences_that_name_the_group_count(self) -> None:
        [women] = [m for m in mentions(("The women won. The stupid rain was awful.",)) if m.group == "women"]
        assert women.sentiment[0] > 0
        assert not women.hostile[0]

    def test_the_lists_are_sound(self) -> None:
        for groups in GROUPS.values():
            words = [w for listed in groups.values() for w in listed]
            assert len(set(words)) == len(words)
            assert all(w == w.lower().strip() for w in words)
        assert len(set(HOSTILE)) == len(HOSTILE)
        named = {w for groups in GROUPS.values() for listed in groups.values() for w in listed}
        assert not named & set(HOSTILE)
        assert set(PATTERNS) == {(axis, group) for axis, groups in GROUPS.items() for group in groups}

    def test_texts_without_any_sensitive_column(self) -> None:
        outcome = run(replace(made(text=self.texts(True)), attributes=(), groups=()))
        assert "texts.sentiment" in problems(outcome)
        assert number(outcome, "group_share").reason == "no sensitive column was named"


class TestHowItComesIn:
    def write(self, folder: Path) -> str:
        table = made({**CLEAN, "copy": lambda i, r, s: r}, cases=400)
        path = folder / "people.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["outcome", *table.attributes, *table.columns])
            writer.writerows(zip(table.truth, *table.groups, *table.values, strict=True))
        return str(path)

    def options(self, folder: Path) -> DatasetOptions:
        return DatasetOptions(table=self.write(folder), sensitive=["region", "sex"], label="outcome")

    def test_a_table_of_the_options_needs_nothing_of_the_model(self, tmp_path: Path) -> None:
        options = self.options(tmp_path)
        assert Dataset.needs(options) == frozenset()
        items = Dataset().load(None, options)
        context = context_of(Dataset, options=options)
        assert Dataset().requests(items, context, {}) == []
        outcome = Dataset().measure(items, context, {})
        assert "proxies.region" in problems(outcome)
        assert number(outcome, "base_rate", "sex: f").n == 200

    def test_it_gives_what_the_models_own_table_gives(self, tmp_path: Path) -> None:
        options = self.options(tmp_path)
        context = context_of(Dataset, options=options)
        alone = Dataset().measure(Dataset().load(None, options), context, {})
        table = made({**CLEAN, "copy": lambda i, r, s: r}, cases=400)
        own = Dataset().measure([{"id": "table"}], context, {Tabulate(whole=True): table})
        assert alone.measurements == own.measurements

    def test_planned_beside_a_model_that_has_no_table(self, tmp_path: Path) -> None:
        def planned(options: dict[str, Any]) -> Any:
            config = AuditConfig.model_validate({"model": {"source": "x"}, "probes": {"bias.dataset": options}})
            return plan(config, {"bias.dataset": Dataset}, frozenset({Capability.SCORE}), None, None)[0]

        assert planned({"table": self.write(tmp_path), "sensitive": ["region"]}).problem is None
        status, reason = planned({}).problem
        assert status == "not_applicable"
        assert reason.endswith("name it with the option table of bias.dataset.")
        status, reason = planned({"table": str(tmp_path / "no.csv"), "sensitive": ["region"]}).problem
        assert (status, "no.csv was not found" in reason) == ("failed", True)

    def test_mistakes_are_told_in_the_words_of_the_options(self, tmp_path: Path) -> None:
        path = self.write(tmp_path)
        with pytest.raises(ItemsError, match=r"has no column race, which sensitive names"):
            Dataset().load(None, DatasetOptions(table=path, sensitive=["race"]))
        with pytest.raises(ItemsError, match=r": sensitive must name the columns"):
            Dataset().load(None, DatasetOptions(table=path))
        with pytest.raises(ValidationError, match="sensitive goes with table"):
            DatasetOptions(sensitive=["race"])
        for shares in ({"a": 0.5, "b": 0.2}, {"a": 1.0}, {"a": 1.2, "b": -0.2}):
            with pytest.raises(ValidationError, match="must be those of two groups or more and sum to 1"):
                DatasetOptions(reference={"race": shares})

    def test_no_row_becomes_a_record(self) -> None:
        """Nothing that only one case holds stands anywhere in what is kept."""
        columns = {"name": lambda i, r, s: f"Zaphod{i}", "note": lambda i, r, s: f"Arthur{i % 90}", **CLEAN}
        outcome = run(made(columns, text=lambda i, r: f"Trillian{i} met the women."))
        kept = json.dumps(
            [x.model_dump(mode="json") for x in (*outcome.records, *outcome.measurements, *outcome.findings)]
        )
        assert not [name for name in ("Zaphod", "Arthur", "Trillian") if name in kept]
        assert len(outcome.records) < 40

    def test_a_limit_draws_cases_and_a_table_that_fails_is_told(self) -> None:
        shares = number(run(made(), limit=100), "group_share", "sex: f")
        assert shares.n == 100
        data = data_set(Failure("failed", "Gone."), 30, (), None, 0)
        assert (data.cases, data.failure) == (0, Failure("failed", "Gone."))
        empty = data_set(replace(made(), truth=(), groups=((), ())), 30, (), None, 0)
        assert empty.failure is not None


def test_compas_holds_what_is_known_of_it(tmp_path: Path) -> None:
    """Base rates of Angwin et al. 2016 on their filter; age in years gives the age category away, and race less."""
    path = published("compas/compas-scores-two-years.csv") / "compas" / "compas-scores-two-years.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = [
            r
            for r in csv.DictReader(file)
            if r["days_b_screening_arrest"]
            and abs(float(r["days_b_screening_arrest"])) <= 30
            and r["is_recid"] != "-1"
            and r["c_charge_degree"] != "O"
            and r["score_text"] != "N/A"
        ]
    names = ["race", "age_cat", "age", "priors_count", "two_year_recid"]
    with (tmp_path / "compas.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([[r[n] for n in names] for r in rows])
    options = DatasetOptions(
        table=str(tmp_path / "compas.csv"), sensitive=["race", "age_cat"], label="two_year_recid", positive="0"
    )
    outcome = Dataset().measure(Dataset().load(None, options), context_of(Dataset, options=options), {})
    again = {g: 1 - value(number(outcome, "base_rate", f"race: {g}")) for g in ("African-American", "Caucasian")}
    assert again == pytest.approx({"African-American": 0.523, "Caucasian": 0.391}, abs=0.001)
    assert number(outcome, "group_share", "race: Native American").successes == 11
    assert value(number(outcome, "column_association", "age_cat: age")) > 0.9
    assert interval(number(outcome, "proxy_auroc", "age_cat: Less than 25"))[0] > 0.99
    area = number(outcome, "proxy_auroc", "race: African-American")
    assert 0.55 < interval(area)[0] < interval(area)[1] < 0.7
    assert {"small_groups", "labels.race", "proxies.age_cat"} <= set(problems(outcome))
