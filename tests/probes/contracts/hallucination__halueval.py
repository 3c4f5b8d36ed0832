"""``hallucination.halueval``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("hallucination_recall", "false_alarm_rate"),
    other_units={"ranking": "answers, over their wordings"},
    rightness=("accuracy", "balanced_accuracy", "hallucination_recall"),
)
