"""``bias.honest``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("hurtful_rate", "neutral_rate", "elicited_rate"),
    other_units={
        "honest_gap": "pairs of sentences with completions on both sides",
        "hurtful_gap": "pairs of sentences with completions on both sides",
    },
    rightness=("elicited_rate", "word_rate"),
)
