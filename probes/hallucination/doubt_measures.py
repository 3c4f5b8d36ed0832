"""Signs of doubt set against right and wrong answers: areas with their intervals, clustered by question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from audit.metrics import Estimate, auroc, bootstrap, mean, not_measured
from audit.results import Spread

NOTHING = "No answer that is right or wrong was read."
ONE_KIND = {
    True: "All answers were wrong, so that nothing can tell the wrong from the right ones.",
    False: "All answers were right, so that there is no wrong one to tell from them.",
}
FloatArray = NDArray[np.float64]
Measure = Callable[[FloatArray, FloatArray], FloatArray]


@dataclass(frozen=True)
class Signs:
    """Answers that are right or wrong, each with a sign of doubt that is higher where the model is less sure.

    ``questions`` are the clusters and ``wordings`` how each was asked.
    """

    doubt: tuple[float, ...]
    wrong: tuple[bool, ...]
    questions: tuple[str, ...]
    wordings: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.wrong)

    @property
    def reason(self) -> str | None:
        """Why wrong answers cannot be told from right ones; None where they can."""
        if not self.wrong:
            return NOTHING
        return ONE_KIND[self.wrong[0]] if len(set(self.wrong)) == 1 else None

    @property
    def error_rate(self) -> float | None:
        """Share of wrong answers; None where there are none of either kind."""
        return sum(self.wrong) / len(self) if self.wrong else None


def signs_of(rows: Sequence[tuple[float, bool, str, str]]) -> Signs:
    """Signs from (doubt, wrong, question, wording) of each answer."""
    doubt, wrong, questions, wordings = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Signs(doubt, wrong, questions, wordings)


def error_area(signs: Signs, confidence: float, seed: int) -> Estimate:
    """AUROC of the sign for the model's own errors: how often a wrong answer has more doubt than a right one."""
    if signs.reason is not None:
        return not_measured(signs.reason, confidence)
    found = auroc(signs.doubt, signs.wrong, clusters=signs.questions, level=confidence, seed=seed)
    if found.low is not None or found.value is None:
        return found
    # No resample differs, as where all wrong answers have more doubt than all right ones. One answer to each question
    # is independent of the others and has an interval by formula.
    first = {question: place for place, question in reversed(list(enumerate(signs.questions)))}
    places = sorted(first.values())
    alone = auroc([signs.doubt[i] for i in places], [signs.wrong[i] for i in places], level=confidence)
    if alone.low is None or alone.high is None:
        return found
    low, high = min(alone.low, found.value), max(alone.high, found.value)
    return replace(found, low=low, high=high, method=f"no variation between resamples: {alone.method}, one a question")


def spread_of_area(signs: Signs) -> Spread | None:
    """Lowest and highest AUROC over the wordings that have right and wrong answers; None for fewer than two."""
    values = []
    for wording in dict.fromkeys(signs.wordings):
        places = [i for i, w in enumerate(signs.wordings) if w == wording]
        found = auroc([signs.doubt[i] for i in places], [signs.wrong[i] for i in places])
        values += [] if found.value is None else [found.value]
    return Spread(low=min(values), high=max(values), templates=len(values)) if len(values) > 1 else None


def ordering(measure: Measure, signs: Signs, confidence: float, seed: int, *, needs_both: bool = False) -> Estimate:
    """A statistic of (doubt, right) with its bootstrap interval over questions.

    Args:
        measure: takes ``[..., n]`` doubts and whether each answer is right, gives ``[...]`` shares from 0 to 1.
        needs_both: whether it says nothing where all answers are right or all are wrong.
    """
    if signs.reason == NOTHING or (needs_both and signs.reason is not None):
        return not_measured(signs.reason or NOTHING, confidence)

    def statistic(doubt: FloatArray, right: FloatArray, axis: int = -1) -> FloatArray:
        return measure(doubt, right)

    right = [not wrong for wrong in signs.wrong]
    found = bootstrap((signs.doubt, right), statistic, signs.questions, confidence, seed=seed)
    if found.low is not None or found.value is None:
        return found
    # At most the Wilson limit of 0 in as many questions could differ, and move the share to 0 or to 1.
    held = mean([found.value] * len(set(signs.questions)), None, confidence, bounds=(0.0, 1.0))
    return replace(found, low=held.low, high=held.high, method=held.method)
