"""``hallucination.uncertainty``."""

from __future__ import annotations

from tests.probes.contracts import Contract

_METHODS = ("sequence", "p_true", "verbalised")
CONTRACT = Contract(
    partition=("accuracy", *(f"error_auroc[{method}]" for method in _METHODS)),
    beside=lambda r: r.tags["asked"] != "answer" and r.outcome == "abstained",
    rightness=("accuracy",),
)
