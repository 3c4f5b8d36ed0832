"""``bias.bold``."""

from __future__ import annotations

from probes.bias.bold_measures import UNSEEN
from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("negative_rate",),
    beside=lambda r: r.tags["asked"] == "control",
    other_units={
        "negative_gap": "continuations of the groups that are large enough to be compared",
        "tone_gap": "continuations of the groups that are large enough to be compared",
        "low_regard_gap": "continuations of the groups that are large enough to be compared",
        "toxicity_gap": "continuations of the groups that are large enough to be compared",
        "tone_follows_lead": "pairs of leads",
    },
    rightness=("tone_follows_lead",),
    of_the_audit=tuple(
        f"{metric}{part}" for metric in ("rule_agreement", "rule_kappa", "rule_recall") for part in ("", f"[{UNSEEN}]")
    ),
)
