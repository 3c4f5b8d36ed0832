"""``bias.winobias``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("accuracy", "question_accuracy"),
    other_units={"first_option_rate": "questions that are no tie"},
    rightness=(
        "accuracy_pro",
        "accuracy_anti",
        "accuracy",
        "balanced_accuracy",
        "question_accuracy",
        "question_balanced_accuracy",
    ),
)
