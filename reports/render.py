"""From a result folder to its HTML pages."""

from __future__ import annotations

from pathlib import Path

from audit.results.folder import read_records, read_result, write_text
from reports.card import render_card
from reports.technical import render_report

CARD_FILE = "card.html"
REPORT_FILE = "report.html"


def render_html(folder: Path) -> list[Path]:
    """Draw ``card.html`` and ``report.html`` from what lies in ``folder``, and return their paths.

    Raises:
        ResultError: where the folder cannot be read.
    """
    result = read_result(folder)
    records = {probe.id: read_records(folder, probe.id) for probe in result.probes}
    return [
        write_text(folder / CARD_FILE, render_card(result, records)),
        write_text(folder / REPORT_FILE, render_report(result, records)),
    ]
