"""Remedies for predictions: a planted gap is closed on cases that were not learnt from, and what cannot be tried is said."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference
from sklearn.linear_model import LogisticRegression

from audit.mitigation.cases import Halves, halves, read_cases
from audit.mitigation.methods import plain
from audit.mitigation.run import problems
from audit.results import Effect, Mitigation, Remedy, to_json
from probes.base import derived_seed
from tests.audit.mitigation.tables import Audited, Row, applicants, audited
from tests.audit.support import without_collecting
from tests.probes.harness import published


@pytest.fixture(scope="module", autouse=True)
def no_collecting() -> Iterator[None]:
    with without_collecting():
        yield


@pytest.fixture(scope="module", autouse=True)
def two_bounds() -> Iterator[None]:
    """Of the reduction, one setting besides the one that is judged: learning under a constraint takes its time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("audit.mitigation.methods._BOUNDS", ((0.01, False), (0.01, True)))
        yield


@pytest.fixture
def unreduced(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simple model in the place of the reduction, for tests that are not about what it learns."""
    monkeypatch.setattr("audit.mitigation.tables.reductions", lambda features, found, *_: [plain(features, found)])


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Audited:
    return audited(tmp_path_factory.mktemp("planted"), applicants())


@pytest.fixture(scope="module")
def tried(planted: Audited) -> Mitigation:
    return planted.remedied()


def remedy(found: Mitigation, start: str) -> Remedy:
    (one,) = [r for r in found.remedies if r.id.startswith(start)]
    return one


def effect(of: Remedy, metric: str, against: str = "audited") -> Effect:
    (one,) = [e for e in of.effects if e.metric == f"bias.group_fairness.{metric}" and e.against == against]
    return one


def test_a_planted_gap_is_closed_on_held_out_cases(tried: Mitigation) -> None:
    found = remedy(tried, "threshold_optimizer.demographic_parity_difference")
    gap = effect(found, "demographic_parity_difference[region]")
    assert gap.before is not None
    assert gap.after is not None
    assert gap.before > 0.25
    assert gap.after < 0.08
    assert (gap.change, gap.role) == ("better", "target")
    assert gap.high is not None
    assert gap.high < -0.1
    assert found.conclusion in ("helped", "helped_at_a_cost")
    assert found.learnt_from + found.held_out == 1600
    assert found.about == "by region"
    assert found.addresses == ["bias.group_fairness.selection.region"]
    assert effect(found, "selection_rate[region: south]").change == "higher"


def test_every_remedy_is_tried_and_says_what_it_is_for(tried: Mitigation, planted: Audited) -> None:
    assert [r.id.split("[")[0] for r in tried.remedies] == [
        "threshold_optimizer.demographic_parity_difference",
        "threshold_optimizer.equalized_odds_difference",
        "exponentiated_gradient.demographic_parity_difference",
        "exponentiated_gradient.equalized_odds_difference",
        "correlation_remover",
    ]
    assert {r.status for r in tried.remedies} == {"done"}
    assert [f.id for f in tried.findings] == [f.id for f in problems(planted.result)]
    thresholds = remedy(tried, "threshold_optimizer.demographic")
    assert "unlawful" in thresholds.what
    assert "lot" in thresholds.what


def test_before_is_what_fairlearn_gives_for_the_audited_predictions(tried: Mitigation, planted: Audited) -> None:
    found = remedy(tried, "threshold_optimizer.equalized_odds")
    held = cut(planted).held
    values = {
        "demographic_parity_difference[region]": demographic_parity_difference,
        "equalized_odds_difference[region]": equalized_odds_difference,
    }
    for metric, reference in values.items():
        expected = reference(held.truth, held.predicted, sensitive_features=held.groups)
        assert effect(found, metric).before == pytest.approx(expected)
    assert effect(found, "accuracy").before == pytest.approx(float((held.truth == held.predicted).mean()))
    south = held.groups == "south"
    assert effect(found, "selection_rate[region: south]").before == pytest.approx(float(held.predicted[south].mean()))
    merited = south & (held.truth == 1)
    assert effect(found, "true_positive_rate[region: south]").before == pytest.approx(
        float(held.predicted[merited].mean())
    )
    wrong = south & (held.truth == 0)
    assert effect(found, "false_positive_rate[region: south]").before == pytest.approx(
        float(held.predicted[wrong].mean())
    )


def cut(of: Audited) -> Halves:
    """The halves that the remedies by region are made from and tried on."""
    return halves(read_cases(of.folder, ["region"]), 30, derived_seed(0, "mitigation.region"))


def test_the_halves_share_no_case_and_hold_every_group_and_outcome_alike(planted: Audited) -> None:
    found = cut(planted)
    assert not set(found.learn.rows.tolist()) & set(found.held.rows.tolist())
    for group in ("north", "south"):
        for truth in (0, 1):
            sizes = [int(((c.groups == group) & (c.truth == truth)).sum()) for c in (found.learn, found.held)]
            assert sizes[0] - sizes[1] in (0, 1)
    cases = read_cases(planted.folder, ["region"])
    other = halves(cases, 30, 1)
    assert set(other.held.rows.tolist()) != set(found.held.rows.tolist())


def test_a_new_model_is_set_against_itself_without_the_remedy_and_against_the_audit(tried: Mitigation) -> None:
    for name in ("exponentiated_gradient.demographic_parity_difference", "correlation_remover"):
        found = remedy(tried, name)
        alone = effect(found, "demographic_parity_difference[region]", "without_remedy")
        audited_ = effect(found, "demographic_parity_difference[region]")
        assert alone.after == audited_.after
        assert alone.before != audited_.before
        assert (alone.change, audited_.change) == ("better", "better")
        assert [p.kind for p in found.frontier[:2]] == ["audited", "without_remedy"]


def test_the_frontier_begins_with_what_there_was_and_with_the_setting_that_is_judged(tried: Mitigation) -> None:
    for found in tried.remedies:
        first = next(p for p in found.frontier if p.kind == "remedy")
        target = next(e for e in found.effects if e.role == "target")
        right = effect(found, "accuracy", target.against)
        assert found.frontier[0].label == "A"
        assert len(found.frontier) >= 4
        assert first.label == "1"
        assert first.disparity == pytest.approx(target.after)
        assert first.accuracy == pytest.approx(right.after)
        assert first.setting == found.settings["setting that is judged"]
        for point in found.frontier:
            assert point.accuracy_low <= point.accuracy <= point.accuracy_high
            assert point.disparity_low <= point.disparity <= point.disparity_high


def test_no_gap_no_remedy_and_none_helps_when_asked_for(tmp_path: Path) -> None:
    rows = applicants(gap=0.0, seed=4)
    for row in rows:
        row["colour"] = "red"
    clean = audited(tmp_path, rows)
    nothing = clean.remedied()
    assert (nothing.findings, nothing.remedies) == ([], [])
    found = clean.remedied(everything=True)
    assert len(found.remedies) == 5
    assert {r.conclusion for r in found.remedies} <= {"did_not_help", "made_it_worse"}
    for each in found.remedies:
        assert all(e.change != "better" for e in each.effects if e.role == "target")
        assert each.addresses == []


@pytest.mark.usefixtures("unreduced")
def test_scores_that_know_nothing_gain_nothing_in_accuracy(tmp_path: Path) -> None:
    """Outcomes drawn anew: a gap in who is favoured can be closed, but no remedy makes the predictions any good."""
    rows = applicants(seed=5)
    stream = np.random.default_rng(9)
    for row in rows:
        row["y_true"] = int(stream.random() < 0.5)
    found = audited(tmp_path, rows).remedied()
    assert found.remedies
    for each in found.remedies:
        assert effect(each, "accuracy").change != "better"
        balanced = effect(each, "balanced_accuracy").after
        assert balanced is not None
        assert abs(balanced - 0.5) < 0.06


@pytest.mark.usefixtures("unreduced")
def test_levelling_down_is_seen(tmp_path: Path) -> None:
    """The favourable outcome is rare and the score weak, so that being right most often means to favour nobody."""
    rows = applicants(many=2000, gap=0.0, signal=0.15, merited=0.15, seed=6)
    for row in rows:
        row["y_pred"] = int(row["region"] == "north" and row["y_score"] > 0.1)
    found = audited(tmp_path, rows).remedied()
    each = remedy(found, "threshold_optimizer.demographic_parity_difference")
    assert each.levelled_down
    north = effect(each, "selection_rate[region: north]")
    assert north.before is not None
    assert north.after is not None
    assert north.after < 0.2 < north.before
    south = effect(each, "selection_rate[region: south]").after
    assert south is not None
    assert south < 0.05
    assert effect(each, "true_positive_rate[region: north]").change == "worse"
    assert each.conclusion == "helped_at_a_cost"


def test_giving_to_all_is_not_levelling_down(tried: Mitigation) -> None:
    assert not remedy(tried, "threshold_optimizer.demographic_parity_difference").levelled_down


def test_without_scores_and_without_other_columns_nothing_can_be_tried(tmp_path: Path) -> None:
    found = audited(tmp_path, applicants(many=600), ["region", "y_true", "y_pred"]).remedied()
    assert {r.conclusion for r in found.remedies} == {"not_tried"}
    reasons = [r.reason or "" for r in found.remedies]
    assert reasons[0].startswith("There is no y_score")
    assert reasons[-1].endswith("has no columns besides outcome, prediction and groups to learn from.")


@pytest.mark.usefixtures("unreduced")
def test_cases_without_a_score_are_left_out_of_the_thresholds_alone(tmp_path: Path) -> None:
    rows = applicants()
    for row in rows[:200]:
        row["y_score"] = ""
    found = audited(tmp_path, rows).remedied(columns=("skill",))
    sizes = {r.id.split(".")[0].split("[")[0]: r.learnt_from + r.held_out for r in found.remedies}
    assert sizes == {"threshold_optimizer": 1400, "exponentiated_gradient": 1600, "correlation_remover": 1600}


@pytest.mark.usefixtures("unreduced")
def test_a_group_that_is_too_small_for_two_halves_is_named(tmp_path: Path) -> None:
    rows = applicants()
    for row in rows[:40]:
        row["region"] = "island"
    found = audited(tmp_path, rows).remedied(columns=("skill",))
    for each in found.remedies:
        assert each.settings["groups left out, too small for two halves"] == "island"
        assert each.learnt_from + each.held_out == 1560


def test_two_groups_are_needed(tmp_path: Path) -> None:
    rows = applicants(many=140)  # 70 of either region, not enough of each true outcome in each half of one of them
    for row in rows:
        if row["region"] == "south":
            row |= {"y_true": 0, "y_pred": 0}
    found = audited(tmp_path, rows).remedied()
    assert found.remedies
    assert all(r.status == "not_applicable" for r in found.remedies)
    assert "Fewer than two groups by region" in str(found.remedies[0].reason)


@pytest.mark.usefixtures("unreduced")
def test_a_table_that_was_changed_or_is_gone_is_not_learnt_from(tmp_path: Path) -> None:
    of = audited(tmp_path, applicants(many=400))
    table = tmp_path / "table.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    changed = of.remedied()
    assert remedy(changed, "threshold_optimizer.demographic").status == "done"  # it needs the records alone
    assert str(remedy(changed, "correlation_remover").reason).endswith(
        "is not the table that was audited: it was changed since."
    )
    table.unlink()
    assert "was not found" in str(remedy(of.remedied(), "correlation_remover").reason)


@pytest.mark.usefixtures("unreduced")
def test_columns_that_are_no_use_are_left_out_by_name(tmp_path: Path) -> None:
    rows = applicants()
    for i, row in enumerate(rows):
        row |= {
            "id": i + 1,
            "name": f"person {i}",
            "same": 1,
            "answer": row["y_true"] * 2.5,
            "holes": "" if i % 3 else 4 + i % 5,
        }
    of = audited(tmp_path, rows)
    settings = remedy(of.remedied(), "correlation_remover").settings
    assert settings["columns"] == "skill, luck, colour, holes"
    left_out = {why: names for why, names in settings.items() if why.startswith("left out")}
    assert sorted(left_out.values()) == ["answer", "id", "name", "same"]
    chosen = remedy(of.remedied(columns=("luck", "skill")), "correlation_remover")
    assert chosen.settings["columns"] == "skill, luck"
    assert remedy(of.remedied(columns=("answer",)), "correlation_remover").settings["columns"] == "answer"


@pytest.mark.usefixtures("unreduced")
def test_a_crossing_is_tried_only_where_neither_attribute_is(tmp_path: Path) -> None:
    """Favoured: women of the north and men of the south, so that neither region nor sex alone shows anything."""
    rows = applicants(many=1600, gap=0.0)
    for i, row in enumerate(rows):
        row["sex"] = "f" if (i // 2) % 2 else "m"
        odd = (row["region"] == "south") == (row["sex"] == "f")
        row["y_score"] = round(min(max(float(row["y_score"]) * (0.5 if odd else 1.0), 0.0), 1.0), 3)
        row["y_pred"] = int(row["y_score"] >= 0.5)
    found = audited(tmp_path, rows, sensitive=["region", "sex"]).remedied(columns=("skill",))
    assert {r.about for r in found.remedies} == {"by region and sex"}
    each = remedy(found, "threshold_optimizer.demographic")
    assert effect(each, "demographic_parity_difference[region x sex]").change == "better"


def test_the_same_seed_gives_the_same_bytes(planted: Audited, tried: Mitigation) -> None:
    def fixed(found: Mitigation) -> str:
        remedies = [r.model_copy(update={"seconds": 0.0}) for r in found.remedies]
        return to_json(found.model_copy(update={"created": "", "remedies": remedies}).model_dump(mode="json"))

    assert fixed(planted.remedied()) == fixed(tried)
    other = remedy(planted.remedied(seed=1), "threshold_optimizer.demographic")
    assert (
        effect(other, "accuracy").before != effect(remedy(tried, "threshold_optimizer.demographic"), "accuracy").before
    )


def test_what_a_library_cannot_learn_is_a_failure_of_that_remedy_alone(
    planted: Audited, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> None:
        raise RuntimeError("no solution")

    monkeypatch.setattr("audit.mitigation.tables.reductions", breaks)
    found = planted.remedied(columns=("skill",))
    broken = remedy(found, "exponentiated_gradient.demographic")
    assert (broken.status, broken.reason) == ("failed", "RuntimeError: no solution")
    assert remedy(found, "correlation_remover").status == "done"


@pytest.mark.usefixtures("unreduced")
def test_a_saved_model_is_remedied_from_its_records_and_its_table(tmp_path: Path) -> None:
    skops = pytest.importorskip("skops.io")
    rows = applicants()
    frame = pd.DataFrame(rows)
    model = LogisticRegression().fit(frame[["skill", "luck"]], frame["y_true"])
    skops.dump(model, tmp_path / "model.skops")
    source = {"source": str(tmp_path / "model.skops"), "table": str(tmp_path / "table.csv")}
    found = audited(tmp_path, rows, ["region", "y_true", "skill", "luck"], **source).remedied()
    assert {r.status for r in found.remedies} == {"done"}
    assert remedy(found, "correlation_remover").settings["columns"] == "skill, luck"
    thresholds = remedy(found, "threshold_optimizer.demographic")
    assert effect(thresholds, "demographic_parity_difference[region]").change == "better"


@pytest.mark.slow
@pytest.mark.usefixtures("unreduced")
def test_compas(tmp_path: Path) -> None:
    """Favourable: not predicted to offend again. The gap by race closes, and more defendants who do offend are let go."""
    path = published("compas/compas-scores-two-years.csv") / "compas" / "compas-scores-two-years.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = [r for r in csv.DictReader(file) if kept(r)]
    assert len(rows) == 6172
    for row in rows:
        decile = int(row["decile_score"])
        row |= {"region": row["race"], "y_true": 1 - int(row["two_year_recid"]), "y_pred": int(decile < 5)}
        row["y_score"] = round(1 - (decile - 0.5) / 10, 2)
    columns = ["region", "y_true", "y_pred", "y_score", "priors_count"]
    found = audited(tmp_path, rows, columns).remedied()
    each = remedy(found, "threshold_optimizer.demographic_parity_difference")
    assert each.settings["groups"] == "African-American, Caucasian, Hispanic, Other"
    gap = effect(each, "demographic_parity_difference[region]")
    assert gap.before == pytest.approx(0.33, abs=0.04)
    assert gap.change == "better"
    assert effect(each, "true_positive_rate[region: African-American]").change == "better"
    assert effect(each, "false_positive_rate[region: African-American]").change == "worse"
    assert effect(each, "balanced_accuracy").change == "worse"
    assert each.conclusion == "helped_at_a_cost"


def kept(row: Row) -> bool:
    """The usual filter (Angwin et al. 2016)."""
    days = row["days_b_screening_arrest"]
    near = bool(days) and abs(float(days)) <= 30
    return near and row["is_recid"] != "-1" and row["c_charge_degree"] != "O" and row["score_text"] != "N/A"
