"""``misinformation.liar``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("accuracy",),
    other_units={"rank_correlation": "statements"},
    rightness=("accuracy", "macro_f1", "calibrated_accuracy", "binary_accuracy", "balanced_accuracy"),
    sliced=("accuracy", "false_called_true_rate"),
)
