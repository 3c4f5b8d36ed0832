"""What people read of an audit that was fitted to a time."""

from __future__ import annotations

import re

import pytest

from audit.results import AuditResult, Budget, Fitted
from reports.card import render_card
from reports.exports.summary import render_summary
from reports.technical import render_report
from tests.reports.fixtures import typical


def one(name: str = "bias.counterfactual", drawn: int = 25, would: int = 100, **changes: int) -> Fitted:
    fields = {"kinds": 3, "kinds_there": 4, **changes}
    return Fitted(probe=name, drawn=drawn, would_draw=would, wider=(would / drawn) ** 0.5, **fields)


def fitted(*probes: Fitted, spent: float = 550.0) -> AuditResult:
    result = typical().result
    budget = Budget(seconds=600, planned=500, spent=spent, probes=list(probes))
    return result.model_copy(update={"manifest": result.manifest.model_copy(update={"budget": budget})})


CUT = fitted(one(), one("hallucination.known_facts", 64, 100), one("tiny.whole", 7, 7, kinds=0, kinds_there=0))


def test_the_card_says_it_in_one_sentence() -> None:
    page = render_card(CUT, {})
    assert (
        "This audit was fitted to 10 min: 2 of its 3 tests asked fewer questions than the suite “standard” has for them, so "
        "their ranges are about 1.2–2.0 times as wide." in page
    )


def test_the_report_has_it_in_a_table() -> None:
    page = render_report(CUT, {})
    row = page[page.index('id="budget"') :]
    assert "The audit was given 10 min and took 9 min 10 s. How much each probe could draw" in row
    assert '<td class="num">25</td><td class="num">100</td>' in row
    assert "3 of 4" in row
    assert "about 2.0 times" in row
    assert 'href="#budget"' in page


def test_the_summary_has_both() -> None:
    text = render_summary(CUT)
    assert (
        "2 of 3 probes drew fewer items than they would have, and their intervals are about 1.2–2.0 times as wide"
        in text
    )
    assert "| `bias.counterfactual` | 25 of 100 | 3 of 4 | 2.0 |" in text
    assert "tiny.whole" not in text


def test_where_nothing_was_cut_nothing_is_wider() -> None:
    whole = fitted(one(drawn=100))
    assert "was fitted to 10 min, and left nothing out for that" in render_card(whole, {})
    assert "times as wide" not in render_card(whole, {}) + render_report(whole, {}) + render_summary(whole)
    assert "nothing was left out, and no interval is wider for it" in render_summary(whole)


def test_a_time_that_was_exceeded_is_told() -> None:
    late = fitted(one(), spent=645.0)
    assert "45 s more than it was given" in render_report(late, {})
    assert "Fitted to 10 min, and 45 s more were needed: 1 of 1 probes" in render_summary(late)
    assert "more than it was given" not in render_report(CUT, {})


def test_without_a_time_nothing_is_said() -> None:
    result = typical().result
    for page in (render_card(result, {}), render_report(result, {}), render_summary(result)):
        assert "itted to" not in page


def test_hostile_names_are_escaped() -> None:
    hostile = fitted(one("x.<script>alert(1)</script>|`y`"))
    assert "<script>alert(1)" not in render_report(hostile, {}) + render_card(hostile, {})
    [row] = [line for line in render_summary(hostile).splitlines() if "alert" in line and line.startswith("|")]
    assert len(re.findall(r"(?<!\\)\|", row)) == 5, "a name made a column of its own"


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_budget_is_a_time(seconds: float) -> None:
    with pytest.raises(ValueError, match="seconds"):
        Budget(seconds=seconds)
