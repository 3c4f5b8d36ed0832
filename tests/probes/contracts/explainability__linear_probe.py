"""``explainability.linear_probe``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("accuracy",),
    sliced=("accuracy", "selectivity"),
    learnt=True,
)
