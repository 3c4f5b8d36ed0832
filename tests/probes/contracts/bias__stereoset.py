"""``bias.stereoset``."""

from __future__ import annotations

from tests.probes.contracts import Contract

TIES_OUT = "triples that are no tie"
ALL_TIES = "scored triples, none where all of them are ties"

CONTRACT = Contract(
    partition=("lms", "inter_lms"),
    other_units={
        "ss": TIES_OUT,
        "inter_ss": TIES_OUT,
        "both_ss": TIES_OUT,
        "pooled_ss": TIES_OUT,
        "icat": ALL_TIES,
        "inter_icat": ALL_TIES,
        "both_icat": ALL_TIES,
    },
    rightness=("lms", "inter_lms", "both_lms", "pooled_lms", "icat", "inter_icat", "both_icat"),
)
