"""``bias.crows_pairs``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("neutral_rate",),
    other_units={
        "stereotype_rate": "pairs that are no tie",
        "distance_from_half": "pairs that are no tie",
        "stereotype_rate_shared": "pairs that are no tie",
    },
    rightness=("word_order_accuracy",),
)
