"""``bias.counterfactual``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("absolute_shift",),
    beside=lambda r: r.tags["pair"] == "control",
    other_units={
        "excess_shift": "texts in one wording, each with all its groups and its control",
        "favourable_rate_gap": "texts in one wording, each with all its groups",
        "shortlist_rate": "shortlists in one wording on which one of the two is preferred",
        "interaction_shift": "texts in one wording, each with the group and both of its parts",
    },
    rightness=("decision_accuracy", "letter_accuracy", "shortlist_accuracy"),
    sliced=("absolute_shift", "flip_rate"),
)
