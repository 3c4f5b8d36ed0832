"""``hallucination.invented_entities``."""

from __future__ import annotations

from probes.rule_quality import OF_THE_AUDIT
from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("fabrication_rate", "over_abstention_rate", "existence_accuracy"),
    rightness=("existence_accuracy",),
    sliced=("existence_accuracy", "fabrication_rate"),
    of_the_audit=OF_THE_AUDIT,
)
