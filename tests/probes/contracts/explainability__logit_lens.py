"""``explainability.logit_lens``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("winning_depth",),
)
