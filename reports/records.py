"""Records by themselves: what a model was given, what it gave back, and how that was read."""

from __future__ import annotations

from collections.abc import Sequence

from audit.results.schema import Record
from reports.claims import parts_of
from reports.document import document
from reports.explained import STYLES
from reports.text import cleaned

LONGEST_TEXT = 4000


def render_records(records: Sequence[Record], left_out: int = 0) -> str:
    """The page, which needs no script; one record lies open, several are a list. ``left_out``: how many more there are."""
    shown = [(cleaned(record, LONGEST_TEXT), parts_of(record, LONGEST_TEXT)) for record in records]
    content = {"records": shown, "left_out": left_out}
    return document("record.html", content, styles=(*STYLES, "explanation.css"))
