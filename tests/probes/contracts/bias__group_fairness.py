"""``bias.group_fairness``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("accuracy",),
    other_units={
        "demographic_parity_difference": "cases of the groups that are large enough to be compared",
        "impact_ratio": "cases of the groups that are large enough to be compared",
        "equalized_odds_difference": "cases of the groups that are large enough to be compared",
        "equalized_odds_ratio": "cases of the groups that are large enough to be compared",
        "scoring_impact_ratio": "cases of the groups that are large enough to be compared",
        "equal_opportunity_difference": "cases of the groups that are large enough to be compared",
    },
)
