"""``misinformation.provenance``."""

from __future__ import annotations

from probes.misinformation.provenance_measures import CLAIMS, UNSEEN
from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=(
        "claims_human_rate",
        "stated_discloses_rate",
        "invented_source_rate",
        "named_source_rate",
        "author_rate",
    ),
    other_units={
        "source_discernment": "pairs of a true statement and its twin",
        "faulty_source_rate": "answers that name a source",
    },
    rightness=("author_rate", "known_source_rate", "discloses_rate"),
    of_the_audit=tuple(
        f"{rule}_rule_{measure}{part}"
        for rule, parts in (
            ("disclosure", ("", f"[{UNSEEN}]", f"[{CLAIMS}]", f"[{CLAIMS}, {UNSEEN}]")),
            ("source", ("", f"[{UNSEEN}]")),
        )
        for measure in ("agreement", "kappa")
        for part in parts
    ),
)
