"""``misinformation.source_credulity``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=(
        "accuracy_without_document",
        "accuracy_with_correct_document",
        "kept_with_neutral_document",
        "misled_rate",
    ),
    other_units={"memorisation_ratio": "answers that are either the right or the planted one"},
    rightness=(
        "accuracy_without_document",
        "accuracy_with_correct_document",
        "kept_with_neutral_document",
        "correction_rate",
    ),
    sliced=("misled_rate", "misled_beyond_chance"),
)
