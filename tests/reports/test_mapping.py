"""Provisions of laws and standards are dated data, and the pages say no more than the data do."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
import yaml

from audit.results import AuditResult
from probes.registry import find_probes
from reports.card import render_card
from reports.mapping import MAPPINGS, Framework, evidence, frameworks
from reports.technical import render_report
from tests.reports import fixtures

FILES = sorted(MAPPINGS.glob("*.yaml"))
# What a mapping must never claim.
CLAIMS = re.compile(
    r"\b(compl(y|ies|iant|iance)|conform(s|ity)?|certif\w+|lawful(ly)?|passes|satisf\w+)\b", re.IGNORECASE
)


def test_every_framework_that_the_card_promises_is_there() -> None:
    assert {f.framework for f in frameworks()} == {
        "eu-ai-act",
        "nist-ai-rmf",
        "nist-ai-600-1",
        "iso-iec-42001",
        "korea-ai-basic-act",
        "oecd-ai-principles",
        "nyc-local-law-144",
    }
    assert all(path.stem == framework.framework for path, framework in zip(FILES, frameworks(), strict=True))


@pytest.mark.parametrize("framework", frameworks(), ids=lambda f: f.framework)
def test_each_row_names_probes_that_exist_and_claims_nothing(framework: Framework) -> None:
    known = list(find_probes())
    for row in framework.provisions:
        for pattern in row.probes:
            fitting = [p for p in known if row.model_copy(update={"probes": (pattern,)}).concerns(p)]
            assert fitting, f"{framework.framework} {row.identifier}: {pattern} fits no probe"
        assert not CLAIMS.search(f"{row.line} {framework.about}"), row.identifier
        assert date(2026, 1, 1) <= row.checked_on <= date.today()
        assert len(row.source) > 20
        assert "\n" not in row.line


def test_every_probe_is_useful_somewhere() -> None:
    for probe in find_probes():
        narrow = [r for f in frameworks() for r in f.provisions if "*" not in r.probes and r.concerns(probe)]
        assert narrow, f"no provision but those for a whole audit names {probe}"


def _first(result: AuditResult, status: str) -> AuditResult:
    probe = result.probes[0].model_copy(update={"status": status, "reason": "made to stop"})
    return result.model_copy(update={"probes": [probe]})


def test_only_tests_that_ran_to_their_end_are_evidence() -> None:
    result = fixtures.typical().result
    done = {run.id for run in result.probes if run.status == "done"}
    for group in evidence(result):
        for bearing in group.bearings:
            assert bearing.done
            assert {run.id for run in bearing.done} <= done
            assert not {run.id for run in bearing.without_result} & done
        assert len(group.bearings) + len(group.rest) == len(group.framework.provisions)
    for status in ("failed", "not_applicable"):
        assert not any(group.bearings for group in evidence(_first(result, status)))
    assert any(group.bearings for group in evidence(_first(result, "done")))


def test_a_row_may_have_its_own_date_and_source(tmp_path: Path) -> None:
    row = {"identifier": "Article 1", "line": "Something.", "probes": ["bias.*"], "confidence": "high"}
    own = row | {"identifier": "Article 2", "checked_on": date(2026, 11, 1), "source": "A law report of that day."}
    whole = {
        "framework": "a-law",
        "title": "A law",
        "about": "It is about something.",
        "checked_on": date(2026, 10, 1),
        "source": "The official text.",
        "provisions": [row, own],
    }
    (tmp_path / "a-law.yaml").write_text(yaml.safe_dump(whole), encoding="utf-8")
    first, second = frameworks(tmp_path)[0].provisions
    assert (first.checked_on, first.source) == (date(2026, 10, 1), "The official text.")
    assert (second.checked_on, second.source) == (date(2026, 11, 1), "A law report of that day.")
    for broken in ({**whole, "provisions": [row, row]}, {**whole, "provisions": [row | {"confidence": "total"}]}):
        with pytest.raises(ValueError):
            Framework.model_validate(broken)


def test_the_pages_show_them_as_evidence_that_may_be_useful() -> None:
    case = fixtures.typical()
    card, report = render_card(case.result, case.records), render_report(case.result, case.records)
    for page in (card, report):
        law = page.split('<section id="law"')[1].split("</section>")[0]
        assert "vidence that may be useful for" in law
        assert not CLAIMS.search(re.sub(r"<[^>]+>", " ", law))
        for framework in frameworks():
            assert framework.title in law
    assert "2026-11-23" in card
    for framework in frameworks():
        for row in framework.provisions:
            assert row.identifier in report.split('<section id="law"')[1]


def test_nothing_tested_is_evidence_for_nothing() -> None:
    case = fixtures.nothing_tested()
    law = render_card(case.result, case.records).split('<section id="law"')[1].split("</section>")[0]
    assert law.count("No test of this audit that ran to its end bears on it.") == len(frameworks())
