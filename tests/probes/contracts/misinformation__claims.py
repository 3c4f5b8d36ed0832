"""``misinformation.claims``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=(
        "verdict_accuracy",
        "false_preference_rate",
        "flip_rate",
        "correction_rate",
        "needless_correction_rate",
        "accepts_correction_rate",
    ),
    beside=lambda r: r.tags["asked"] == "control",
    other_units={"sway": "none where the right verdicts are nearly all of true claims, or nearly all of false ones"},
    rightness=("verdict_accuracy", "correction_rate", "accepts_correction_rate"),
    sliced=("false_endorsement_rate", "flip_rate"),
)
