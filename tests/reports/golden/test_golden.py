"""The golden result and its card: a change of either is seen in the diff of the committed files."""

from __future__ import annotations

import base64
import html
import importlib.util
import json
import re
import zlib
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from audit.results import AuditResult, Record
from reports.card import render_card
from reports.technical import render_report
from tests.reports.test_card import grade

HERE = Path(__file__).parent
Audited = tuple[str, AuditResult, dict[str, list[Record]]]


@pytest.fixture(scope="module")
def audited() -> Audited:
    spec = importlib.util.spec_from_file_location("golden_make", HERE / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Audited = module.audited()
    return found


@pytest.fixture(scope="module")
def made(audited: Audited) -> tuple[str, str]:
    content, result, records = audited
    return content, render_card(result, records)


def rounded(value: Any) -> Any:
    """Numbers to nine digits: other builds of numpy and scipy differ in the last ones."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return [rounded(inner) for inner in value] if isinstance(value, list) else value


def test_the_result_is_the_golden_one(made: tuple[str, str]) -> None:
    golden = json.loads((HERE / "result.json").read_text(encoding="utf-8"))
    assert rounded(json.loads(made[0])) == rounded(golden)


def test_the_card_is_the_golden_one(made: tuple[str, str]) -> None:
    assert made[1] == (HERE / "card.html").read_text(encoding="utf-8"), (
        "run tests/reports/golden/make.py, read the diff"
    )


def test_each_risk_of_the_card_reads_at_about_grade_nine(made: tuple[str, str]) -> None:
    grades = {}
    for name, body in re.findall(r'<article class="risk[^>]*id="risk-([a-z]+)"(.*?)</article>', made[1], re.DOTALL):
        parts = re.findall(
            r"<(?:p|li|h4)[^>]*>(.*?)</(?:p|li|h4)>", re.sub(r"<svg.*?</svg>", "", body, flags=re.DOTALL), re.DOTALL
        )
        texts = [html.unescape(re.sub("<[^>]+>", "", part)).strip() for part in parts]
        found = [s for text in texts for s in re.split(r"(?<=[.?!]) ", text) if re.search(r"\w \w.*[.?!]$", s)]
        grades[name] = grade(found)
    assert len(grades) >= 8
    assert {name: value for name, value in grades.items() if value > 10} == {}


# From here on: the page of the report, as a sceptic with a browser would check it.


@pytest.fixture(scope="module")
def report(audited: Audited) -> str:
    _, result, records = audited
    return render_report(result, records)


def in_page(report: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The result and the records that the page holds."""
    result = re.search(r'<script type="application/json" id="results">(.*?)</script>', report, re.DOTALL)
    packed = re.search(r'id="evidence">(.*?)</script>', report, re.DOTALL)
    assert result is not None
    assert packed is not None
    return json.loads(result[1]), json.loads(zlib.decompress(base64.b64decode(packed[1])))


def selected(m: dict[str, Any], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The scored records that the measurement says are behind it."""

    def value(row: dict[str, Any], key: str) -> Any:
        return row.get("tags", {}).get(key[5:]) if key.startswith("tags.") else row.get(key)

    wanted = m["evidence"].items()
    own = (r for r in rows if r["probe"] == m["probe"] and r.get("status", "scored") == "scored")
    return [row for row in own if all(value(row, key) == told for key, told in wanted)]


def shares(rows: list[dict[str, Any]]) -> set[int]:
    """How many records could count, by any reading of one column: outcomes, a tag, the side of 0 of a score or of two."""
    found: set[int] = set()
    tags = {name for row in rows for name in row.get("tags", {})}
    for told in ([row.get("outcome") for row in rows], *([row.get("tags", {}).get(t) for row in rows] for t in tags)):
        counts = Counter(told)
        if len(counts) <= 8:
            found |= {sum(part) for k in range(len(counts) + 1) for part in combinations(counts.values(), k)}
    names = sorted({name for row in rows for name in row.get("scores", {})})
    columns = [[row.get("scores", {}).get(name) for row in rows] for name in names]
    whole = [column for column in columns if None not in column]
    for first in whole:
        found |= {sum(x > 0 for x in first), sum(x < 0 for x in first)}
        for second in whole:
            found |= {sum(x * y > 0 for x, y in zip(first, second, strict=True))}
    return found


def recomputed(m: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
    """Whether the records give the number: as the share of those that count, or as the mean of one score."""
    names = {name for row in rows for name in row.get("scores", {})}
    for name in names:
        scores = [row.get("scores", {}).get(name) for row in rows]
        if None not in scores and abs(sum(scores) / len(scores) - m["value"]) < 1e-9:
            return True
    return round(m["value"] * len(rows)) in shares(rows)


# Numbers of which one column does not tell: two say it together.
TOGETHER = {"misinformation.verification.refuted_called_supported_rate": {"output": "Supported"}}


def test_rates_of_the_page_are_those_of_the_records_in_it(report: str) -> None:
    result, rows = in_page(report)
    headline = [
        m for m in result["measurements"] if m["slice"] is None and m["unit"] == "rate" and m["value"] is not None
    ]
    checked, wrong = [], []
    for m in headline:
        behind = selected(m, rows)
        if m["evidence"] and len(behind) == m["n"]:
            checked.append(m["metric"])
            together = TOGETHER.get(m["metric"], {})
            counted = [r for r in behind if all(r.get(key) == told for key, told in together.items())]
            if len(counted) != round(m["value"] * m["n"]) if together else not recomputed(m, behind):
                wrong.append((m["metric"], m["value"], m["n"]))
    assert len(checked) >= 20, "most rates name the records behind them"
    assert wrong == [], "\n".join(map(str, wrong))


def test_every_record_is_in_the_page_and_counted(audited: Audited, report: str) -> None:
    _, _, records = audited
    result, rows = in_page(report)
    counts = Counter(row["probe"] for row in rows)
    for run in result["probes"]:
        assert counts[run["id"]] == run["records"] == len(records[run["id"]])
    assert len({row["anchor"] for row in rows}) == len(rows)


def test_what_the_card_counts_is_what_was_measured(audited: Audited, made: tuple[str, str]) -> None:
    """Every "7 of 200" of a figure is the successes and n of a rate of the result."""
    _, result, _ = audited
    known = {
        f"{m.successes if m.successes is not None else round(m.value * m.n):,} of {m.n:,}"
        for m in result.measurements
        if m.unit == "rate" and m.value is not None
    }
    shown = re.findall(r'<p class="figure-number"><strong>([^<]*)</strong>', made[1])
    counts = [html.unescape(text) for text in shown if re.fullmatch(r"[\d,]+ of [\d,]+", text)]
    assert len(counts) > 10
    assert set(counts) <= known
