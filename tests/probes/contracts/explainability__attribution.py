"""``explainability.attribution``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("gain_over_random",),
    rightness=("evidence_agreement",),
)
