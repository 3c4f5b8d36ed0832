"""``bias.counterfactual``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("absolute_shift",),
    beside=lambda r: r.tags["pair"] == "control",
    other_units={
        "excess_shift": "texts in one wording, each with all its groups and its control",
        "favourable_rate_gap": "texts in one wording, each with all its groups",
    },
    rightness=("decision_accuracy",),
    sliced=("absolute_shift", "flip_rate"),
)
