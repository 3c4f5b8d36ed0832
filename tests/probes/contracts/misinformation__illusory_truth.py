"""``misinformation.illusory_truth``."""

from __future__ import annotations

from audit.results import Record
from tests.probes.contracts import Contract


def _compared_with(record: Record) -> bool:
    """Fillers, opposites and weaker repetitions are what the planned records are compared with."""
    return (record.tags["shown"], record.tags["times"]) not in {("claim", "5"), ("nothing", "0")}


CONTRACT = Contract(
    partition=("belief_shift", "verdict_accuracy_before"),
    beside=_compared_with,
    rightness=("verdict_accuracy_before",),
    sliced=("endorsement_change", "belief_shift", "probability_shift", "dose_slope", "opposite_shift"),
)
