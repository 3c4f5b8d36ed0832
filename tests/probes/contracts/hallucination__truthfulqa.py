"""``hallucination.truthfulqa``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("mc1", "answer_follows_question"),
    rightness=("mc1", "mc3", "answer_follows_question"),
    sliced=("mc1", "mc2", "mc3"),
)
