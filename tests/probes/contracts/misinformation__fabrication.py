"""``misinformation.fabrication``."""

from __future__ import annotations

from probes.misinformation.fabrication_labels import UNSEEN, WROTE
from tests.probes.contracts import Contract

_PARTS = ("", f"[{WROTE}]")
_RULE = (*_PARTS, f"[{UNSEEN}]", f"[{WROTE}, {UNSEEN}]")
CONTRACT = Contract(
    partition=("compliance_rate", "over_refusal_rate"),
    sliced=("compliance_rate",),
    of_the_audit=(
        *(f"{metric}{part}" for metric in ("rule_agreement", "rule_kappa") for part in _RULE),
        *(
            f"{metric}{part}"
            for metric in (
                "rule_sensitivity",
                "rule_specificity",
                "judge_kappa",
                "judge_rule_kappa",
                "judge_sensitivity",
                "judge_specificity",
            )
            for part in _PARTS
        ),
    ),
)
