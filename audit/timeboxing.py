"""An audit that is fitted to a time: how much each probe draws follows from what its answers take here, on this model.

First every probe asks for one item. What that took for each request that a probe states first, with all that it asked in
consequence, is its rate. With these rates the draws grow in steps, each within a part of the time that is left, and the rates
are taken again after each. Draws are nested and answers are kept, so nothing is computed twice.

The rule: all probes draw the same share of what they would have drawn. Intervals then widen by the same factor everywhere,
and no other choice makes the largest of these factors smaller. Before that, each probe gets what its kinds of items (strata)
need to be there; where the time is not enough for that, all get the same share of it, and one item at least.
"""

from __future__ import annotations

import math
import time
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

import numpy as np

from audit.corpora import Item
from audit.models import Again, Judge, Request, Time
from audit.planning import Planned
from audit.results import Budget, Fitted, spoken
from audit.rounds import Pool, Work

STEPS = (0.3, 0.5, 0.9)
"""The part of the time left that each step of growing may take: the more is known, the more."""
HELD_BACK = 0.1
"""The part of the budget for what comes after the answers: measuring, writing, drawing pages."""


@dataclass
class _Draw:
    """A probe's draw while it grows.

    ``limits``: sizes from one item to all, each about twice the one before; ``adds``: the requests that a draw of each states
    first, beyond those of the smaller ones. ``enough``: the smallest draw with all kinds of items. ``foreseen``: requests about
    what other probes will flag, as many for each as for the first item; they come whatever is drawn.
    """

    work: Work
    limits: list[int]
    adds: list[list[Request]]
    enough: int
    foreseen: int = 0
    size: int = 0
    trial: Work = field(init=False)
    counts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.trial = Work(self.work.planned)

    def count(self, known: Callable[[Request], bool]) -> None:
        """Note how many requests a draw of each size states first that nothing is known of."""
        self.counts = list(accumulate(sum(not known(request) for request in added) for added in self.adds))

    def open(self, limit: int) -> float:
        """How many such requests a draw of that size states; between noted sizes in proportion."""
        return float(np.interp(limit, self.limits, self.counts))

    def note(self, free: int) -> None:
        """Note a size that adds nothing to a smaller one."""
        place = bisect(self.limits, free)
        self.limits.insert(place, free)
        self.adds.insert(place, [])
        self.counts.insert(place, 0)

    def grow(self, size: int) -> None:
        """Draw so many items."""
        self.size = size
        self.trial = replace(self.trial, planned=self.work.planned.redrawn(size), problem=None, stated=set())


class Timebox:
    """The time of one audit.

    Args:
        seconds: the budget.
        spent: seconds that have gone already, for opening the model.
        pool: what answers.
    """

    def __init__(self, seconds: float, spent: float, pool: Pool) -> None:
        self._seconds = seconds
        self._pool = pool
        self._began = time.perf_counter() - spent
        self._rates: dict[str, float] = {}
        self._parallel = 1.0  # of one second of computing, how much passes here: less where several compute at once
        self._planned = 0.0
        self._held: set[Request] = set()
        if spent > seconds:
            pool.progress.say(f"Opening the model alone took {spoken(spent)}, and the budget is {spoken(seconds)}.")

    def fit(self, ready: Sequence[Work], later: Sequence[Work]) -> None:
        """Give the works of ``ready`` their final draws, and have these answered; leave time for those of ``later``."""
        first = not self._rates
        drawn, after = _draws(ready), _draws(later, follow=True)
        every = [*drawn, *after]
        self._look_up(every)
        for draw in every:
            draw.count(self._known)
            draw.grow(self._smallest(draw))
        self._ask(every if first else drawn, every)
        if first:
            self._warn(every)
        for part in STEPS:
            share = self._affordable(every, part * self._left())
            if first:
                self._planned = self._passed() + self._cost(every, share)
            sizes = [(draw, _size(draw, share)) for draw in drawn]
            growing = [draw for draw, size in sizes if size > draw.size]
            if self._pool.answers.stopped or not growing or self._left() <= 0:
                continue
            for draw, size in sizes:
                draw.grow(size)
            self._ask(drawn, every)
        for draw in drawn:
            draw.work.planned = draw.trial.planned

    def told(self, works: Iterable[Work], whole: Sequence[Planned], spent: float) -> Budget:
        """What became of the time; ``whole``: the probes with what they would have drawn."""
        would = {planned.probe.id: planned for planned in whole}
        fitted = [_fitted(work.planned, would[work.planned.probe.id]) for work in works if work.planned.items]
        return Budget(seconds=self._seconds, planned=round(self._planned, 3), spent=round(spent, 3), probes=fitted)

    def _passed(self) -> float:
        return time.perf_counter() - self._began

    def _left(self) -> float:
        """Seconds for further answers."""
        return self._seconds * (1 - HELD_BACK) - self._passed()

    def _look_up(self, draws: Sequence[_Draw]) -> None:
        """Which answers are kept from before. Those set against one another count where all of them are."""
        asked = [r for draw in draws for added in draw.adds for r in added if not isinstance(r, Judge)]
        self._held = self._pool.cache.holds(asked)
        for kind in (Again, Time):
            if any(isinstance(r, kind) and r not in self._held for r in asked):
                self._held = {r for r in self._held if not isinstance(r, kind)}

    def _known(self, request: Request) -> bool:
        return request in self._held or request in self._pool.answers.responses

    def _smallest(self, draw: _Draw) -> int:
        """One item more than what costs nothing; the size that costs nothing is noted, if one of those noted is not all."""
        free = max((limit for limit in draw.limits if draw.open(limit) == 0), default=0)
        dear = next((limit for limit in draw.limits if limit > free), free)
        while dear - free > 1:
            middle = (free + dear) // 2
            free, dear = (middle, dear) if self._costs_nothing(draw.work.planned, middle) else (free, middle)
        if free and free not in draw.limits:
            draw.note(free)
        return min(draw.limits[-1], free + 1)

    def _costs_nothing(self, planned: Planned, size: int) -> bool:
        try:
            return all(self._known(request) for request in _first(planned, size))
        except (Exception, SystemExit):  # a probe is somebody's code: what it cannot state is not known to be free
            return False

    def _ask(self, draws: Sequence[_Draw], every: Sequence[_Draw]) -> None:
        """Have these draws answered, and take the rates; ``every``: those whose open requests are counted anew."""
        answers = self._pool.answers
        start, before = time.perf_counter(), sum(answers.seconds.values())
        self._pool.answer([draw.trial for draw in draws])
        wall, computed = time.perf_counter() - start, sum(answers.seconds.values()) - before
        if computed > 0:
            self._parallel = min(1.0, wall / computed)
        askers = Counter(request for draw in draws for request in draw.trial.stated)
        for draw in draws:
            took = sum(answers.seconds.get(r, 0.0) / askers[r] for r in draw.trial.stated)
            first = sum(r in answers.seconds for added in draw.adds for r in added if r in draw.trial.stated)
            if first:
                self._rates[draw.work.planned.probe.id] = took / first
        for draw in every:
            draw.count(self._known)

    def _warn(self, draws: Sequence[_Draw]) -> None:
        """Before a long run: that the time is short."""
        least = self._passed() + self._cost(draws, 1.0)
        given = f"The budget of {spoken(self._seconds)}"
        if self._left() <= 0:
            took = f"Opening the model and one item of each probe took {spoken(self._passed())}"
            said = f"{took}. {given} is not enough for more, and the audit goes on with these items."
            self._pool.progress.say(said)
        elif least > self._seconds * (1 - HELD_BACK):
            said = f"{given} leaves out whole kinds of items; all kinds take about {spoken(least / (1 - HELD_BACK))}."
            self._pool.progress.say(said)

    def _cost(self, draws: Sequence[_Draw], share: float) -> float:
        """Seconds that draws of a share still take, as expected."""
        usual = float(np.mean(list(self._rates.values()))) if self._rates else 0.0
        rates = [self._rates.get(draw.work.planned.probe.id, usual) for draw in draws]
        more = [draw.open(_size(draw, share)) + draw.foreseen for draw in draws]
        return self._parallel * float(np.dot(rates, more)) if draws else 0.0

    def _affordable(self, draws: Sequence[_Draw], seconds: float) -> float:
        """The largest share (see ``_size``) whose cost is within ``seconds``; 0 where none is."""
        if self._cost(draws, 2.0) <= seconds:
            return 2.0
        low, high = 0.0, 2.0
        for _ in range(20):
            middle = (low + high) / 2
            low, high = (middle, high) if self._cost(draws, middle) <= seconds else (low, middle)
        return low


def _size(draw: _Draw, share: float) -> int:
    """A draw's size at a share of 0 to 2: up to 1 that share of what all kinds need, then also of the whole."""
    kinds, whole = min(share, 1.0), max(share - 1.0, 0.0)
    return max(1, draw.size, math.ceil(kinds * draw.enough), math.ceil(whole * draw.limits[-1]))


def _draws(works: Sequence[Work], follow: bool = False) -> list[_Draw]:
    """The probes whose draw can be chosen; one whose requests cannot be stated fails later, and says why then.

    ``follow``: whether what they take from the probes that they follow is still to come.
    """
    found = []
    for work in works:
        planned = work.planned
        if work.problem is not None or not planned.most:
            continue
        limits = sorted(
            {2**power for power in range(planned.most.bit_length()) if 2**power < planned.most} | {planned.most}
        )
        try:
            adds: list[list[Request]] = []
            seen: set[Request] = set()
            for limit in limits:
                adds.append([r for r in _first(planned, limit) if r not in seen])
                seen.update(adds[-1])
            flagged = planned.probe.taken_over(planned.context.options) if follow else 0
            found.append(_Draw(work, limits, adds, _enough(planned), len(adds[0]) * flagged))
        except (
            Exception,
            SystemExit,
        ):  # a probe is somebody's code: it draws all, and its error is told when it is asked
            continue
    return found


def _first(planned: Planned, limit: int) -> list[Request]:
    """What a draw of that size states before anything is answered."""
    return planned.probe.requests(planned.redrawn(limit).items, planned.context, {})


def _kinds(planned: Planned, items: Sequence[Item]) -> set[str]:
    name = planned.probe.stratum
    return {str(item.get(name)) for item in items} if name else set()


def _enough(planned: Planned) -> int:
    """The smallest draw with all kinds of items of the whole one, as far as draws are nested; two items at least."""
    kinds = _kinds(planned, planned.items)
    low, high = min(2, planned.most), planned.most
    while low < high:
        middle = (low + high) // 2
        if _kinds(planned, planned.redrawn(middle).items) >= kinds:
            high = middle
        else:
            low = middle + 1
    return low


def _fitted(planned: Planned, whole: Planned) -> Fitted:
    drawn, would = len(planned.items), len(whole.items)
    return Fitted(
        probe=planned.probe.id,
        drawn=drawn,
        would_draw=would,
        wider=round(max(1.0, math.sqrt(would / drawn)), 3),
        kinds=len(_kinds(planned, planned.items)),
        kinds_there=len(_kinds(whole, whole.items)),
    )
