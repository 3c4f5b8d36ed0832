"""``explainability.head_roles``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("previous_token_strongest", "induction_strongest"),
    beside=lambda r: r.axis == "role",
)
