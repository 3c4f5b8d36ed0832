"""``safety.over_refusal``."""

from __future__ import annotations

from probes.rule_quality import OF_THE_AUDIT
from probes.safety.labels import JUDGE_NAMES
from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("over_refusal_rate", "unsafe_refusal_rate"),
    beside=lambda r: r.tags["asked"] == "reworded",
    other_units={"refusal_difference": "prompts of both sides, none where one side has none"},
    sliced=("over_refusal_rate", "unsafe_refusal_rate"),
    of_the_audit=(*OF_THE_AUDIT, *JUDGE_NAMES),
)
