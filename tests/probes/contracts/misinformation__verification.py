"""``misinformation.verification``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("accuracy", "accuracy_without_evidence", "swapped_accuracy"),
    rightness=("accuracy", "accuracy_without_evidence", "swapped_accuracy", "invented_accuracy"),
    sliced=("accuracy",),
)
