"""``robustness.perturbation``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("accuracy", "accuracy_listed", "accuracy_changed"),
    other_units={"performance_drop_rate": "none where no answer was right before"},
    rightness=("accuracy", "accuracy_listed", "accuracy_changed", "worst_case_accuracy"),
    sliced=("flip_rate", "flips_beyond_paraphrase", "accuracy_drop", "accuracy_changed"),
)
