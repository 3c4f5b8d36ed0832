"""Figures: which numbers they show, what they say where there is none, and that nothing in them is taken for markup."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest

from audit.notebook import Plot
from audit.notebook.plot import plotted
from audit.results import AuditResult, Measurement
from reports.charts import dot_whisker
from tests.audit.support import measurement, probe_run, result_of
from tests.reports.makers import HOSTILE

NOTHING: dict[str, Any] = {"value": None, "low": None, "high": None, "n": 0, "reason": "No answer could be read."}


def part(name: str, of: str, **fields: Any) -> Measurement:
    axis, _, group = of.partition(": ")
    evidence = {"axis": axis, **({"group": group} if group else {})}
    return measurement(f"tiny.rate.{name}[{of}]", slice=of, **{"evidence": evidence, **fields})


@pytest.fixture
def result() -> AuditResult:
    return result_of(
        measurement(chance=0.5, n=81),
        part("rate", "age"),
        part("rate", "age: older"),
        part("rate", "age: younger", evidence={"axis": "age", "group": "younger", "tags.kind": "letter"}),
        part("rate", "sex: women"),
        measurement("tiny.rate.gap", label="A gap", unit="nats", direction="zero_is_better", value=0.0, low=-1, high=1),
        part("gap", "sex: women", label="A gap", unit="nats", direction="zero_is_better", **NOTHING),
        probes=[probe_run(title="Tiny"), probe_run("gone.away", "not_applicable", "It has no vocabulary.")],
    )


def names(plot: Plot) -> list[str]:
    return [m.metric.removeprefix("tiny.rate.") for _, _, group in plot.groups for m in group]


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        (("tiny.rate.rate",), ["rate", "rate[age]", "rate[age: older]", "rate[age: younger]", "rate[sex: women]"]),
        (("tiny.rate.rate[age: older]",), ["rate[age: older]"]),
        (("tiny.rate.rate", "group"), ["rate", "rate[age: older]", "rate[age: younger]", "rate[sex: women]"]),
        (("tiny.rate.rate", "axis"), ["rate", "rate[age]"]),
        (("tiny.rate.rate", "tags.kind"), ["rate", "rate[age: younger]"]),
        (("tiny.rate.rate", None, "age"), ["rate[age]", "rate[age: older]", "rate[age: younger]"]),
        (("tiny.rate.rate", "group", "age"), ["rate[age: older]", "rate[age: younger]"]),
        (("tiny.rate",), ["rate", "gap"]),
        (
            ("tiny.rate", "group"),
            ["rate", "rate[age: older]", "rate[age: younger]", "rate[sex: women]", "gap", "gap[sex: women]"],
        ),
    ],
)
def test_what_is_shown(result: AuditResult, asked: tuple[str, ...], shown: list[str]) -> None:
    plot = plotted(result, *asked)
    assert names(plot) == shown
    assert list(plot.data.index) == [f"tiny.rate.{name}" for name in shown]


def test_a_whole_axis_is_one_also_where_only_other_metrics_have_its_parts() -> None:
    """As gaps, which have no parts, beside rates, which have; what is drawn is told as in the table of the result."""
    rates = [measurement("tiny.rate.rate[sex: women]", slice="sex: women")]
    result = result_of(*rates, measurement("tiny.rate.gap[sex]", slice="sex"), probes=[probe_run(title="Tiny")])
    plot = plotted(result, "tiny.rate.gap", axis="sex")
    assert plot.data[["axis", "group"]].fillna("").values.tolist() == [["sex", ""]]
    assert names(plotted(result, "tiny.rate.gap", by="axis")) == ["gap[sex]"]


def test_what_has_another_unit_is_another_figure(result: AuditResult) -> None:
    assert [len(group) for _, _, group in plotted(result, "tiny.rate").groups] == [1, 1]
    assert plotted(result, "tiny.rate").title == "Tiny"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("tiny.rate.rat",), "similar names: tiny.rate.rate"),
        (("gap",), "similar names: tiny.rate.gap"),
        (("xyz",), "result.measurements lists what was"),
        (("",), "was not measured"),
        ((7,), "Name a metric or a probe, not 7"),
        (("tiny.rate.rate[age: oldest]",), "similar names"),
        (("tiny.rate.rate", "colour"), "is not sliced by colour; there is axis, group, tags.kind"),
        (("tiny.rate.gap", "axis"), "is not sliced by axis; there is group"),
        (("tiny.rate.rate", None, "faith"), "has no axis faith; there is age, sex"),
        (("tiny.rate.rate[age]", "group"), "is not sliced by group"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(result: AuditResult, asked: tuple[Any, ...], told: str) -> None:
    with pytest.raises(KeyError, match=re.escape(told)):
        plotted(result, *asked)


def page(plot: Plot) -> str:
    return html.unescape(re.sub(r'^<iframe srcdoc="([^"]*)".*', r"\1", plot._repr_html_(), flags=re.DOTALL))


@pytest.mark.parametrize("asked", ["gone.away", "gone.away.anything"])
def test_a_probe_that_did_not_run_says_why(result: AuditResult, asked: str) -> None:
    plot = plotted(result, asked)
    assert "It has no vocabulary." in page(plot)
    assert "It has no vocabulary." in repr(plot)
    assert '<svg class="chart"' not in page(plot)
    assert plot.data.empty
    assert "value" in plot.data


def test_where_nothing_has_a_value_the_figure_says_why(result: AuditResult) -> None:
    plot = plotted(result, "tiny.rate.gap[sex: women]")
    assert plot.reasons == ("No answer could be read.",)
    assert plotted(result, "tiny.rate.gap").reasons == (), "where something has one, the row alone says so"
    assert '<svg class="chart"' not in page(plot)
    assert page(plot).count("No answer could be read.") == 2  # once above, once in the table
    assert "not measured. No answer could be read." in repr(plot)


def test_a_part_without_a_value_is_in_the_table_and_is_no_dot(result: AuditResult) -> None:
    shown = page(plotted(result, "tiny.rate.gap"))
    assert shown.count('<circle class="dot') == 1
    assert "No answer could be read." in shown


def test_no_number_without_its_interval_n_and_chance(result: AuditResult) -> None:
    plot = plotted(result, "tiny.rate.rate")
    shown = page(plot)
    assert "n = 81, [0.400, 0.600]" in shown
    assert "chance level" in shown
    assert "all: 0.500 [0.400, 0.600], n = 81, chance 0.500" in repr(plot)
    assert shown.count('<circle class="dot') == 5


def test_the_page_stands_alone_and_nothing_runs_in_it(result: AuditResult, tmp_path: Path) -> None:
    plot = plotted(result, "tiny.rate.rate")
    cell = plot._repr_html_()
    assert 'sandbox=""' in cell
    shown = page(plot)
    assert "<script" not in shown
    assert "script-src 'none'" in shown
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!#|data:)""", shown)
    assert plot.save(tmp_path / "figure.html").read_text(encoding="utf-8") == shown
    assert plotted(result, "tiny.rate.rate") == plot


def test_names_are_text_and_hidden_characters_are_seen() -> None:
    bad = part("rate", f"{HOSTILE}: x", label=HOSTILE, reason=HOSTILE)
    result = result_of(bad, name=HOSTILE, probes=[probe_run(title=HOSTILE)])
    for plot in (plotted(result, bad.metric), plotted(result, "tiny.rate", "group")):
        shown = page(plot)
        assert "<script" not in shown
        assert "<img" not in shown
        assert "\u202e" not in shown + repr(plot)
        assert "\x00" not in shown + repr(plot)


def test_many_parts_are_cut_and_that_is_said() -> None:
    many = result_of(*(part("rate", f"age: {i}") for i in range(130)))
    plot = plotted(many, "tiny.rate.rate")
    assert page(plot).count('<circle class="dot') == 120
    assert "10 more are in the table." in page(plot)
    assert len(plot.data) == 130


def test_notes_leave_the_charts_of_reports_as_they_are() -> None:
    two = [measurement(), measurement("p.b", low=None, high=None)]
    plain, noted = dot_whisker("k", "t", two), dot_whisker("k", "t", two, notes=True)
    assert plain is not None
    assert noted is not None
    assert [m.note for m in plain.marks] == ["", ""]
    assert [m.note for m in noted.marks] == ["n = 100, [0.400, 0.600]", "n = 100"]
    assert noted.height - plain.height == 32
    assert dot_whisker("k", "t", two[:1]) is None
