"""``misinformation.fabrication``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("compliance_rate", "over_refusal_rate"),
    of_the_audit=("rule_agreement", "rule_kappa"),
)
