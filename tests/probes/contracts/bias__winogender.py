"""``bias.winogender``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("accuracy",),
    other_units={
        "occupation_rate": "sentences that are no tie",
        "occupation_correlation": "occupations",
    },
    rightness=("accuracy", "gotcha", "agreeing", "schema_consistency"),
    sliced=("accuracy", "gotcha", "agreeing"),
)
