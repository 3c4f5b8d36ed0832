"""``poisoning.trigger_search``."""

from __future__ import annotations

from audit.results import Record
from tests.probes.contracts import Contract


def searched(record: Record) -> bool:
    """A try by which a string was picked."""
    return record.tags["part"] == "search"


CONTRACT = Contract(
    partition=("varied_answers", "moved", "moved_by_matched"),
    beside=searched,
    sliced=("moved", "moved_by_matched", "shift"),
)
