"""``hallucination.truthfulqa``."""

from __future__ import annotations

from probes.judges import JUDGE_METRICS
from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("mc1", "answer_follows_question"),
    rightness=("mc1", "mc3", "answer_follows_question"),
    sliced=("mc1", "mc2", "mc3"),
    of_the_audit=("rule_agreement", *(metric.name for metric in JUDGE_METRICS)),
)
