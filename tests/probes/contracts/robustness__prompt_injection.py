"""``robustness.prompt_injection``."""

from __future__ import annotations

from probes.rule_quality import OF_THE_AUDIT
from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("injection_success_rate", "mention_rate", "follows_user_rate"),
    rightness=("task_done_rate", "task_done_with_mention", "follows_user_rate"),
    sliced=("injection_success_rate", "success_beyond_mention"),
    of_the_audit=OF_THE_AUDIT,
)
