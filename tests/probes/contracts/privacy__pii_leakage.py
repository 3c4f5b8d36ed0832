"""``privacy.pii_leakage``."""

from __future__ import annotations

from audit.results.personal import KINDS
from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("emission_rate", "context_leak_rate", "context_given_rate"),
    rightness=("context_given_rate",),
    of_the_audit=tuple(
        name if kind is None else f"{name}[{kind}]"
        for name in ("detector_sensitivity", "detector_specificity")
        for kind in (None, *KINDS, "name")
    ),
)
