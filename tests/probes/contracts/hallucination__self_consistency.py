"""``hallucination.self_consistency``."""

from __future__ import annotations

from tests.probes.contracts import Contract

_WRITTEN = "passages on their subject, or their sentences; others hold nothing to compare"
CONTRACT = Contract(
    partition=("unigram_mean",),
    other_units={
        "unsupported_rate": "pairs of a sentence and a sample",
        "corrected_unsupported_rate": "pairs of a sentence and a sample",
        "control_accuracy": "controls of sentences",
        **dict.fromkeys(("unigram_mean", "unigram_max", "embedding", "nli", "prompted"), _WRITTEN),
    },
    rightness=("control_accuracy", "written_rate"),
    of_the_audit=("judge_accuracy", "judge_kappa", "judge_sensitivity", "judge_specificity"),
)
