"""The one explanation that the card shows: a decision that another probe flagged, with the test of its picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.results.schema import Record
from reports.evidence import anchor, of_kind
from reports.text import cleaned
from reports.viewers import Attribution, Token, attributions

MOST_TOKENS = 200
LONGEST_TEXT = 600
WORTH_SHOWING = ("supported", "weak")


@dataclass(frozen=True)
class Shown:
    """An explained decision; ``tokens`` is empty where no picture may be shown, or there is none.

    ``view`` is None where nothing could be drawn at all, and the record's own note says why.
    """

    anchor: str
    record: Record
    flagged: bool
    view: Attribution | None
    tokens: list[Token]


def _flagged(record: Record) -> bool:
    return record.axis == "flagged" or record.source.startswith("flagged by ")


def _shown(record: Record, view: Attribution | None) -> Shown:
    tokens: list[Token] = []
    if view is not None and view.picture.verdict in WORTH_SHOWING and (view.picture.gain or 0.0) > 0:
        tokens = view.picture.tokens[:MOST_TOKENS]
    return Shown(anchor(record), cleaned(record, LONGEST_TEXT), _flagged(record), view, tokens)


def shown_decision(records: Sequence[Record]) -> Shown | None:
    """The first flagged decision that was explained, else the first of the audit's own; None where none was tried.

    The first in the order of the audit, never the one whose picture looks best or passed its test.
    """
    explaining = {record.probe for record in of_kind(records, "attribution")}
    for own in ([r for r in records if _flagged(r)], [r for r in records if not _flagged(r)]):
        for record in of_kind(own, "attribution"):
            views = attributions([record])
            if views:
                return _shown(record, views[0])
        failed = next((r for r in own if r.probe in explaining and r.status != "scored" and r.note), None)
        if failed is not None and _flagged(failed):
            return _shown(failed, None)
    return None
