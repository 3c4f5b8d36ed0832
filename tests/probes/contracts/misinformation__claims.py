"""``misinformation.claims``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("verdict_accuracy", "false_preference_rate", "flip_rate"),
    beside=lambda r: r.tags["asked"] == "control",
    rightness=("verdict_accuracy",),
    sliced=("false_endorsement_rate", "flip_rate"),
)
