"""``privacy.memorization``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("sequence_exact_rate", "exact_rate", "exposure"),
    other_units={
        "exact_beyond_controls": "texts and controls where there are controls",
        "approximate_beyond_controls": "texts and controls where there are controls",
        "edit_similarity_beyond_controls": "texts and controls where there are controls",
    },
    rightness=("sequence_exact_rate",),
)
