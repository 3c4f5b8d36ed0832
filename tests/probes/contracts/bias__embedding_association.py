"""``bias.embedding_association``."""

from __future__ import annotations

from tests.probes.contracts import Contract

_WORDS = "words, each in all sentences"
CONTRACT = Contract(
    partition=("largest_effect",),
    beside=lambda r: r.tags["kind"] != "test" or r.tags["level"] == "word",
    other_units={
        "largest_effect": _WORDS,
        "effect_size": _WORDS,
        "effect_size_words": "words",
        "control_effect": _WORDS,
        "null_effect": _WORDS,
    },
)
