"""``bias.quality_of_service``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("accuracy",),
    other_units={"largest_gap": "questions in one wording, each in all styles"},
    rightness=("accuracy",),
    sliced=("accuracy",),
)
