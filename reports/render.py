"""From a result folder to its HTML pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from audit.results.folder import RESULT_FILE, read_records, read_result, write_text
from audit.results.mitigation import read_mitigation
from reports.card import render_card
from reports.languages import SOURCE
from reports.mitigation import render_page
from reports.technical import render_report

CARD_FILE = "card.html"
REPORT_FILE = "report.html"
MITIGATION_PAGE = "mitigation.html"


def render_html(folder: Path, languages: Sequence[str] = (SOURCE,)) -> list[Path]:
    """Draw ``card.html`` and ``report.html`` from what lies in ``folder``, and return their paths.

    Where remedies were tried for this very audit, the card tells of it and ``mitigation.html`` is drawn as well.

    ``languages``: every page holds all of them, and shows the first at the beginning.

    Raises:
        ResultError: where the folder cannot be read.
        ValueError: for a language without a catalogue.
    """
    result = read_result(folder)
    records = {probe.id: read_records(folder, probe.id) for probe in result.probes}
    tried = read_mitigation(folder)
    if tried is not None and tried.audit_id != result.manifest.audit_id:
        tried = None  # of an earlier audit: its numbers would be read as this one's
    pages = [
        write_text(folder / CARD_FILE, render_card(result, records, tried, languages)),
        write_text(folder / REPORT_FILE, render_report(result, records, languages)),
    ]
    return (
        pages
        if tried is None
        else [*pages, write_text(folder / MITIGATION_PAGE, render_page(tried, languages=languages))]
    )


def render_mitigation(folder: Path) -> Path | None:
    """Draw ``mitigation.html`` from ``mitigation.json`` alone; None where there is none.

    Raises:
        ResultError: where the file cannot be read.
    """
    tried = read_mitigation(folder)
    if tried is None:
        return None
    return write_text(folder / MITIGATION_PAGE, render_page(tried, (folder / RESULT_FILE).exists()))
