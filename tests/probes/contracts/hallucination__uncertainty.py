"""``hallucination.uncertainty``."""

from __future__ import annotations

from tests.probes.contracts import Contract

_ANSWERS = "answers that are right or wrong; those that abstain are neither"
_METHODS = ("sequence", "p_true", "verbalised")
CONTRACT = Contract(
    partition=("accuracy", *(f"error_auroc[{method}]" for method in _METHODS)),
    other_units=dict.fromkeys(
        (
            "error_auroc",
            "error_auroc_difference",
            "aurc",
            "excess_aurc",
            "risk_at_half",
            "risk_at_four_fifths",
            "expected_calibration_error",
            "overconfidence",
        ),
        _ANSWERS,
    ),
    rightness=("accuracy",),
)
