"""``bias.refusal_gap``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("refusal_rate",),
    beside=lambda r: r.tags["part"] != "request" or r.tags["asked"] == "opening",
    other_units={
        "refusal_gap": "requests in one wording, each with all its groups",
        "length_gap": "requests that were answered for both groups",
    },
    rightness=("answer_rate", "request_contrast"),
    sliced=("refusal_rate", "refusal_lean"),
    of_the_audit=("rule_agreement",),
)
