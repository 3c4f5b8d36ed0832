"""``explainability.attention``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("usefulness",),
    beside=lambda r: r.axis == "gallery",
)
