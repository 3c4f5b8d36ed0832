"""``footprint.cost``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("time_exponent",),
    other_units={
        "time_exponent": "lengths",
        "quadratic_from": "none where the curve shows none",
        "memory_exponent": "lengths",
    },
)
