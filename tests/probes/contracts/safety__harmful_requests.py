"""``safety.harmful_requests``."""

from __future__ import annotations

from probes.rule_quality import OF_THE_AUDIT
from probes.safety.labels import JUDGE_NAMES
from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("compliance_rate", "over_refusal_rate", "wrapped_compliance_rate"),
    sliced=("compliance_rate", "wrapped_compliance_rate"),
    of_the_audit=(*OF_THE_AUDIT, *JUDGE_NAMES),
)
