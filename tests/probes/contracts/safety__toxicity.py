"""``safety.toxicity``."""

from __future__ import annotations

from probes.safety.toxicity import READER_METRICS
from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("toxic_share",),
    sliced=("toxic_share",),
    of_the_audit=tuple(metric.name for metric in READER_METRICS),
)
