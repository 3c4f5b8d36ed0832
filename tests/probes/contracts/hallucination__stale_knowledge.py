"""``hallucination.stale_knowledge``."""

from __future__ import annotations

from probes.rule_quality import OF_THE_AUDIT
from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("current_accuracy", "admits_age_rate"),
    other_units={"effective_cutoff": "chains of dated values"},
    rightness=("current_accuracy", "ever_true_rate", "open_current_rate"),
    sliced=("current_accuracy",),
    of_the_audit=OF_THE_AUDIT,
)
