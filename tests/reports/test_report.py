"""The technical report, read as text."""

import base64
import json
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.results.folder import write_records, write_result
from reports.evidence import anchor, packed
from reports.page import json_block
from reports.render import render_html
from reports.technical import render_report
from reports.viewers import attributions
from tests.reports import fixtures
from tests.reports.fixtures import Case
from tests.reports.makers import HOSTILE, attribution, record
from tests.reports.test_card import CASES


def report(case: Case) -> str:
    return render_report(case.result, case.records)


def block(html: str, name: str) -> str:
    match = re.search(rf'<script type="[^"]+" id="{name}">(.*?)</script>', html, re.DOTALL)
    assert match
    return match[1]


def rows(html: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(zlib.decompress(base64.b64decode(block(html, "evidence"))))
    return found


@pytest.mark.parametrize("make", CASES)
def test_same_result_same_bytes(make: Callable[[], Case]) -> None:
    case = make()
    assert report(case) == report(case)


def test_the_policy_names_every_script_and_nothing_else() -> None:
    case = fixtures.typical()
    facts = case.result.model.model_copy(update={"declarations": []})  # its link is followed by people alone
    html = report(Case(case.result.model_copy(update={"model": facts}), case.records))
    assert "unsafe-inline" not in html
    assert html.count("<script>") == len(re.findall(r"'sha256-", html.split("script-src", 1)[1].split(";", 1)[0])) == 6
    assert not re.search(r"\bsrc=|https?://(?!www\.w3\.org/2000/svg)", html)


def test_every_measurement_and_record_is_there() -> None:
    case = fixtures.typical()
    html = report(case)
    for m in case.result.measurements:
        assert f"<code>{m.metric}</code>" in html
    assert json.loads(block(html, "results")) == case.result.model_dump(mode="json")
    found = rows(html)
    assert len(found) == sum(len(r) for r in case.records.values())
    concerns = [row.get("concern", 0) for row in found]
    assert concerns == sorted(concerns, reverse=True)
    for probe in case.result.probes:
        assert f"<code>{probe.id}</code>" in html
    assert "audit run model.yaml --suite standard --seed 0" in html
    assert "All sentences were shorter than four words." in html


def test_the_worst_records_are_plain_html() -> None:
    html = report(fixtures.typical())
    assert html.count('<details class="record" id="ex-bias.crows_pairs:') == 20
    assert 'id="ex-bias.crows_pairs:item-00019"' in html
    assert 'id="ex-bias.crows_pairs:item-00020"' not in html
    assert "one Parquet file for each probe" in html


def test_charts_have_text_and_a_chance_line() -> None:
    html = report(fixtures.typical())
    charts = re.findall(r'<svg class="chart".*?</svg>', html, re.DOTALL)
    assert charts
    for chart in charts:
        ids = re.search(r'aria-labelledby="(\S+) (\S+)"', chart)
        assert ids
        assert f'<title id="{ids[1]}">' in chart
        assert f'<desc id="{ids[2]}">' in chart
    assert 'class="chance"' in charts[0]
    titles = re.findall(r'<(?:title|desc) id="([^"]+)"', html)
    assert len(titles) == len(set(titles))


def test_a_finding_links_to_its_records_and_advice_is_given_once() -> None:
    case = fixtures.typical()
    first = case.result.findings[0].model_copy(update={"records": ["item-00003", "gone"]})
    twice = first.model_copy(update={"id": "another", "records": []})
    html = report(Case(case.result.model_copy(update={"findings": [first, twice]}), case.records))
    assert 'Records: <a href="#ex-bias.crows_pairs%3Aitem-00003">1</a></span>' in html
    assert html.split('id="attributions"')[0].count(first.advice) == 1


def test_anchors_fit_in_a_link() -> None:
    assert anchor(record("bias.x", 3)) == "ex-bias.x:item-00003"
    assert re.fullmatch(r"ex-bias\.x:[0-9a-f]{16}", anchor(record("bias.x", 3, id="a b<script>")))


def test_blocks_cannot_end_their_element() -> None:
    nasty = {"a": "</script><!--<script>", "b": "\u2028&"}
    assert not set("<>&") & set(json_block(nasty))
    assert json.loads(json_block(nasty)) == nasty
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", packed([record("a.b", 0, input="</script>")]))


def test_hostile_text_stays_text() -> None:
    html = report(fixtures.hostile())
    assert html.count("<script") == 6 + 3
    assert "<img" not in html
    assert "\u202e" not in html
    assert "\x00" not in html
    assert rows(html)[0]["output"] == HOSTILE  # the embedded evidence is exact


def test_malformed_attributions_are_left_out() -> None:
    good = record("e.a", 0, detail=attribution())
    bad = [
        record("e.a", 1, detail={"kind": "attribution"}),
        record("e.a", 2, detail={"kind": "attribution", "tokens": ["a"], "scores": [1, 2]}),
    ]
    views = attributions([*bad, good])
    assert [view.record.id for view in views] == [good.id]
    assert views[0].picture.tokens[1].text == "␣nurse"
    assert {t.sign for t in views[0].strongest} == {"plus", "minus"}
    flat = record("e.a", 3, detail={"kind": "attribution", "tokens": ["a", "b"], "scores": [0, 0.0]})
    assert attributions([flat])[0].picture.tokens == []  # a blank picture would read as a finding
    assert "all scores are zero" in str(attributions([flat])[0].picture.reason)


def test_both_pages_from_a_folder(tmp_path: Path) -> None:
    case = fixtures.typical()
    write_result(tmp_path, case.result, {})
    for probe, own in case.records.items():
        write_records(tmp_path, probe, own)
    paths = render_html(tmp_path)
    assert [p.name for p in paths] == ["card.html", "report.html"]
    assert len(rows(paths[1].read_text(encoding="utf-8"))) == sum(len(r) for r in case.records.values())
    before = [p.read_bytes() for p in paths]
    assert [p.read_bytes() for p in render_html(tmp_path)] == before
