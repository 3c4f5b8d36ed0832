"""``explainability.patching``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("person_share",),
)
