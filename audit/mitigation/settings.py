"""What every remedy is given besides the result that it is for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from audit.judging import open_judge
from audit.models import Model
from audit.progress import Progress


@dataclass(frozen=True)
class Settings:
    """How remedies are tried.

    Args:
        seed: of what is held out and of all that is learnt.
        confidence: of every interval.
        data: the user's folder of published sets, as for ``audit run``.
        limit: held-out items of each probe, at most.
        cache: the file of kept responses.
        work: a folder for what a remedy learns, such as an adapter.
        progress: what the user sees.
        columns: of a table, what a remedy may learn from; all that fit where empty.
        everything: also try remedies where the audit found nothing.
        judge_opener: opens the other models that probes' options name, by these names.
    """

    seed: int
    confidence: float
    data: Path | None
    limit: int
    cache: Path
    work: Path
    progress: Progress
    columns: tuple[str, ...] = ()
    everything: bool = False
    judge_opener: Callable[[str], Model] = open_judge
