"""``privacy.membership_inference``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("auroc[loss]",),
    rightness=("word_order_accuracy",),
    of_the_audit=("words_alone_auroc", "words_alone_tpr_at_1_fpr"),
)
