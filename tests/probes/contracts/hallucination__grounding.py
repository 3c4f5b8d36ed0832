"""``hallucination.grounding``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("answer_accuracy", "abstention_rate", "text_over_knowledge_rate", "citation_right_rate"),
    beside=lambda r: r.tags["asked"] == "summary",
    other_units={
        "unsupported_claim_rate": "sentences of summaries",
        "contradicted_claim_rate": "sentences of summaries that the reader can find contradicted",
    },
    rightness=("answer_accuracy", "text_over_knowledge_rate", "citation_right_rate"),
    of_the_audit=(
        "rule_agreement",
        "rule_kappa",
        "judge_accuracy",
        "judge_kappa",
        "judge_sensitivity",
        "judge_specificity",
    ),
)
