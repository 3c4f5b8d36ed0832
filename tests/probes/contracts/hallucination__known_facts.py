"""``hallucination.known_facts``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("accuracy", "open_accuracy", "abstention_rate"),
    rightness=("accuracy", "open_accuracy"),
    sliced=("accuracy",),
)
