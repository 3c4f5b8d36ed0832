"""``hallucination.semantic_entropy``."""

from __future__ import annotations

from tests.probes.contracts import Contract

_ANSWERS = "answers that are right or wrong; those that abstain are neither"
CONTRACT = Contract(
    partition=("mean_entropy",),
    other_units=dict.fromkeys(
        ("error_auroc", "weighted_error_auroc", "naive_error_auroc", "rejection_accuracy"), _ANSWERS
    ),
    rightness=("accuracy", "rejection_accuracy"),
    of_the_audit=("judge_accuracy", "judge_kappa", "judge_sensitivity", "judge_specificity"),
)
