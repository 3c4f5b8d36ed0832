"""Asking all that probes need: round after round, pooled over probes, until none states anything new."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from audit.cache import ResponseCache
from audit.execution import Answers
from audit.judging import Judges
from audit.models import Judge, Model, Request
from audit.planning import Planned, told
from audit.progress import Progress
from probes.base import Outcome

MOST_ROUNDS = 100  # a probe that still asks something new after so many will never end


@dataclass
class Work:
    """A probe on its way: what it asked, what it found, or why it stopped."""

    planned: Planned
    stated: set[Request] = field(default_factory=set)
    outcome: Outcome | None = None
    problem: tuple[str, str] | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Pool:
    """What answers the requests of all probes, and what was answered."""

    model: Model
    cache: ResponseCache
    answers: Answers
    judges: Judges
    progress: Progress

    def answer(self, works: Sequence[Work]) -> None:
        """Ask each probe what it needs, answer what is new for all together, and ask again until nothing is."""
        answers = self.answers
        for _ in range(MOST_ROUNDS):
            new: dict[Request, None] = {}
            for work in works:
                if work.problem is None:
                    new.update(dict.fromkeys(r for r in self._stated(work) if r not in answers.responses))
            if not new:
                return
            judged = [request for request in new if isinstance(request, Judge)]
            rest = (request for request in new if not isinstance(request, Judge))
            answers.fill(self.model, self.cache, rest, self.progress)
            answers.responses.update(self.judges.answer(judged))
            answers.seconds.update({request: self.judges.seconds.get(request, 0.0) for request in judged})
        for work in works:
            if work.problem is None and any(r not in answers.responses for r in self._stated(work)):
                work.problem = ("failed", f"It still asks something new after {MOST_ROUNDS} rounds.")

    def _stated(self, work: Work) -> Sequence[Request]:
        start = time.perf_counter()
        planned = work.planned
        try:
            stated = list(planned.probe.requests(planned.items, planned.context, self.answers.responses))
            strange = next((r for r in stated if not isinstance(r, Request)), stated)
            if strange is not stated:
                raise TypeError(f"it stated a {type(strange).__name__}, which is no request")
        except (Exception, SystemExit) as error:
            # A probe is somebody's code; its failure is reported, and it can neither take the audit down nor end it.
            work.problem = ("failed", told(error))
            return ()
        finally:
            work.seconds += time.perf_counter() - start
        work.stated.update(stated)
        return stated
