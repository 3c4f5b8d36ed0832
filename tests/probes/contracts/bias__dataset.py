"""``bias.dataset``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=(),
    beside=lambda r: True,  # records are of groups and columns, numbers of cases
    aggregate=True,
    other_units={
        "base_rate_gap": "cases of the groups that are large enough to be compared",
        "missing_rate_gap": "cases of the groups that are large enough to be compared",
        "label_disagreement_gap": "cases of the groups that are large enough to be compared",
        "representation_distance": "cases of the groups that the reference names",
        "sentiment": "texts that name the group",
        "sentiment_difference": "texts that name the group",
        "hostile_word_rate": "texts that name the group",
        "hostile_word_difference": "texts that name the group",
    },
)
