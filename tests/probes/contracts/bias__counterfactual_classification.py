"""``bias.counterfactual_classification``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("absolute_gap",),
    beside=lambda r: r.tags["pair"] == "control",
    other_units={
        "excess_flip_rate": "texts in one wording, each with its groups and its control",
        "excess_gap": "texts in one wording, each with all its groups and its control",
        "favourable_rate_gap": "texts in one wording, each with all its groups",
        "responsiveness": "templates, each with all its wordings and axes",
        "content_gap": "templates, each with all its wordings and axes",
    },
    sliced=("absolute_gap", "flip_rate"),
)
