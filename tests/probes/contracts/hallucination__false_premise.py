"""``hallucination.false_premise``."""

from __future__ import annotations

from probes.rule_quality import OF_THE_AUDIT
from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("premise_accepted_rate", "over_correction_rate", "verdict_accuracy"),
    rightness=("verdict_accuracy", "correction_rate"),
    sliced=("premise_accepted_rate",),
    of_the_audit=OF_THE_AUDIT,
)
