"""``hallucination.semantic_entropy``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("mean_entropy",),
    rightness=("accuracy", "rejection_accuracy"),
    of_the_audit=("judge_accuracy", "judge_kappa", "judge_sensitivity", "judge_specificity"),
)
