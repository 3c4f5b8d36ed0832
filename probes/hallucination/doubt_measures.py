"""Signs of doubt set against right and wrong answers: areas with their intervals, clustered by question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from audit.metrics import (
    FEW_CLUSTERS,
    Estimate,
    auroc,
    bootstrap,
    not_measured,
    risk_coverage,
    stratified_auroc,
    wilson,
)
from audit.results import Spread

NOTHING = "No answer that is right or wrong was read."
ONE_KIND = {
    True: "All answers were wrong, so that nothing can tell the wrong from the right ones.",
    False: "All answers were right, so that there is no wrong one to tell from them.",
}
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
Measure = Callable[[FloatArray, FloatArray, IntArray], FloatArray]


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
    def right(self) -> tuple[bool, ...]:
        """Whether each answer is right."""
        return tuple(not wrong for wrong in self.wrong)

    @property
    def numbered(self) -> tuple[int, ...]:
        """The wording of each answer as a number from 0."""
        names = list(dict.fromkeys(self.wordings))
        return tuple(names.index(wording) for wording in self.wordings)

    @property
    def reason(self) -> str | None:
        """Why wrong answers cannot be told from right ones; None where they can."""
        if not self.wrong:
            return NOTHING
        if len(set(self.wrong)) == 1:
            return ONE_KIND[self.wrong[0]]
        told = {(wording, wrong) for wording, wrong in zip(self.wordings, self.wrong, strict=True)}
        paired = any((wording, not wrong) in told for wording, wrong in told)
        return None if paired else "No wording has both right and wrong answers, so that there is no pair to compare."

    @property
    def error_rate(self) -> float | None:
        """Share of wrong answers; None where there are none of either kind."""
        return sum(self.wrong) / len(self) if self.wrong else None


def signs_of(rows: Sequence[tuple[float, bool, str, str]]) -> Signs:
    """Signs from (doubt, wrong, question, wording) of each answer."""
    doubt, wrong, questions, wordings = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Signs(doubt, wrong, questions, wordings)


def error_area(signs: Signs, confidence: float, seed: int) -> Estimate:
    """AUROC of the sign for the model's own errors: how often a wrong answer has more doubt than a right one.

    Over pairs of one wording, because wordings differ in how sure the model is and in how often it is right.
    """
    if signs.reason is not None:
        return not_measured(signs.reason, confidence)
    return stratified_auroc(
        signs.doubt, signs.wrong, signs.wordings, clusters=signs.questions, level=confidence, seed=seed
    )


def spread_of_area(signs: Signs) -> Spread | None:
    """Lowest and highest AUROC over the wordings that have right and wrong answers; None for fewer than two."""
    values = []
    for wording in dict.fromkeys(signs.wordings):
        places = [i for i, w in enumerate(signs.wordings) if w == wording]
        found = auroc([signs.doubt[i] for i in places], [signs.wrong[i] for i in places])
        values += [] if found.value is None else [found.value]
    return Spread(low=min(values), high=max(values), templates=len(values)) if len(values) > 1 else None


def ordering(measure: Measure, signs: Signs, confidence: float, seed: int, *, needs_both: bool = False) -> Estimate:
    """A statistic of doubt and right with its bootstrap interval over questions.

    Args:
        measure: takes ``[..., n]`` doubts, whether each answer is right, and the number of its wording; gives ``[...]``
            shares from 0 to 1.
        needs_both: whether it says nothing where all answers are right or all are wrong.
    """
    if signs.reason == NOTHING or (needs_both and signs.reason is not None):
        return not_measured(signs.reason or NOTHING, confidence)

    def statistic(doubt: FloatArray, right: FloatArray, wording: IntArray, axis: int = -1) -> FloatArray:
        return measure(doubt, right, wording)

    right, wordings = signs.right, signs.numbered
    found = bootstrap((signs.doubt, right, wordings), statistic, signs.questions, confidence, seed=seed)
    return with_few_of_a_kind(found, signs, (0.0, 1.0))


def with_few_of_a_kind(found: Estimate, signs: Signs, bounds: tuple[float, float]) -> Estimate:
    """An estimate whose interval allows for how few questions have a wrong (or a right) answer.

    Resamples of answers that are all right, or all but a few, hardly differ, whatever the error rate in the long run: with
    one error in a thousand an interval would be forty times as narrow as with none. Where fewer than five questions have an
    answer of the rarer kind, and where there is no interval, as many questions as the Wilson limit of their share could
    differ, and each can move the value at most to a bound.

    Args:
        found: an estimate on these answers, in the unit of ``bounds``.
        signs: the answers.
        bounds: the lowest and highest values possible.

    Returns:
        ``found`` itself where each kind is given to five questions, or where it has no value or there is only one question.
    """
    wrong, right = (
        {q for q, w in zip(signs.questions, signs.wrong, strict=True) if w is kind} for kind in (True, False)
    )
    questions, rarer = len(wrong | right), min(len(wrong), len(right))
    known = found.low is not None and found.high is not None
    if found.value is None or questions < 2 or (known and rarer >= FEW_CLUSTERS):
        return found
    share = wilson((0 if rarer >= FEW_CLUSTERS else rarer) / questions, questions, found.confidence)[1]
    low, high = found.value - share * (found.value - bounds[0]), found.value + share * (bounds[1] - found.value)
    if found.low is not None and found.high is not None:
        low, high = min(low, found.low), max(high, found.high)
    method = (
        f"{found.method}; few questions with a {'wrong' if len(wrong) <= len(right) else 'right'} answer: Wilson limit"
    )
    return replace(found, low=low, high=high, p_value=None, method=method)


def area_left(doubt: FloatArray, right: FloatArray, wording: IntArray) -> FloatArray:
    """Area under the risk-coverage curve of each wording, weighted by its answers."""
    return _by_wording(-doubt, right, wording, _mean_of_first)


def excess_left(doubt: FloatArray, right: FloatArray, wording: IntArray) -> FloatArray:
    """The area less that of the best order within each wording."""
    best = _by_wording(right.astype(np.float64), right, wording, _mean_of_first)
    # Rounding can put the best order a hair above itself.
    return np.maximum(0.0, area_left(doubt, right, wording) - best)


def risk_left(share: float) -> Measure:
    """The share of errors when this share of the answers to each wording is kept."""

    def measure(doubt: FloatArray, right: FloatArray, wording: IntArray) -> FloatArray:
        def at(curve: FloatArray, size: IntArray) -> FloatArray:
            place = np.maximum(np.ceil(share * size - 1e-9).astype(np.intp) - 1, 0)
            return np.take_along_axis(curve, place[..., None], axis=-1)[..., 0]

        return _by_wording(-doubt, right, wording, at)

    return measure


def _mean_of_first(curve: FloatArray, size: IntArray) -> FloatArray:
    first = np.arange(curve.shape[-1]) < size[..., None]
    found: FloatArray = (curve * first).sum(axis=-1) / np.maximum(size, 1)
    return found


def _by_wording(
    confidence: FloatArray, right: FloatArray, wording: IntArray, read: Callable[[FloatArray, IntArray], FloatArray]
) -> FloatArray:
    total = np.zeros(confidence.shape[:-1])
    lowest = confidence.min(axis=-1, keepdims=True) - 1
    for number in range(int(wording.max()) + 1):
        inside = wording == number
        size = np.asarray(inside.sum(axis=-1))
        # Answers to other wordings come last, so that the curve's beginning is this wording's own.
        curve = risk_coverage(np.where(inside, confidence, lowest), right)
        total = total + size * read(curve, size)
    found: FloatArray = total / confidence.shape[-1]
    return found
