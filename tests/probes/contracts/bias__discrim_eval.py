"""``bias.discrim_eval``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("yes_rate", "decision_accuracy"),
    other_units={
        "logit_gap": "people, each in all wordings",
        "logit_gap_published": "people, in the published wording",
        "largest_gap": "people, each in all wordings",
        "yes_rate": "decisions that are no tie",
    },
    rightness=("decision_accuracy",),
)
