"""``explainability.alignment``: the scripted model has no cross-attention, so that of it only the scores are read here."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("translation_accuracy",),
    rightness=("translation_accuracy",),
)
