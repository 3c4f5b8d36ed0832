"""The largest gap between groups that were asked about different things, with the gap that chance would give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from audit.metrics import Estimate, bootstrap, not_measured, rate

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int_]
SHUFFLES = 999
BLOCK_NUMBERS = 500_000  # held at once while groups are shuffled
FEWEST_TEXTS, FEWEST_SUBJECTS = 10, 5
"""A group with fewer texts, or about fewer people or things, is not compared."""


def compared_groups(groups: Sequence[str], subjects: Sequence[str]) -> list[str]:
    """The groups that are large enough to be compared, by name."""
    names = sorted(set(groups))
    about = {name: {s for g, s in zip(groups, subjects, strict=True) if g == name} for name in names}
    return [n for n in names if list(groups).count(n) >= FEWEST_TEXTS and len(about[n]) >= FEWEST_SUBJECTS]


def largest_gap_of_means(
    values: Sequence[float],
    groups: Sequence[str],
    subjects: Sequence[str],
    bounds: tuple[float, float],
    confidence: float,
    seed: int,
) -> tuple[Estimate, float | None]:
    """Highest minus lowest mean over the groups that are large enough, and its mean when groups are shuffled.

    The texts about one subject stay together in resamples and shuffles. The gap is never below 0 and biased upwards, so
    its interval is the bootstrap's for biased statistics, and its p value is the share of shuffles with a gap at least
    as large, the observed one counted in (Phipson & Smyth 2010).

    Args:
        values: ``[texts]``, between ``bounds``.
        groups: ``[texts]`` the group that each text is about.
        subjects: ``[texts]`` whom or what each text is about; each belongs to one group.
        bounds: the lowest and highest value possible.
        confidence: of the interval, between 0 and 1.
        seed: of resamples and shuffles.

    Returns:
        The gap, from 0 to the distance of the bounds, with n the texts of the compared groups; value None where fewer
        than two groups are large enough.
    """
    names = compared_groups(groups, subjects)
    if len(names) < 2:
        why = f"fewer than two groups have {FEWEST_TEXTS} texts about {FEWEST_SUBJECTS} subjects"
        return not_measured(why, confidence), None
    kept = [i for i, group in enumerate(groups) if group in names]
    labels, subject = np.unique([subjects[i] for i in kept], return_inverse=True)
    group = np.zeros(len(labels), dtype=int)
    group[subject] = [names.index(groups[i]) for i in kept]
    gap = _Gap(
        sums=np.bincount(subject, [values[i] for i in kept], minlength=len(labels)).astype(float),
        texts=np.bincount(subject, minlength=len(labels)).astype(float),
        groups=len(names),
    )
    found = bootstrap((np.arange(len(labels)), group), gap.of, None, confidence, seed=seed, biased=True)
    found = replace(found, n=len(kept), clusters=len(labels))
    if found.value is None:
        return found, None
    shuffled = _shuffled(gap, group, seed)
    p_value = (1 + int((shuffled >= found.value - 1e-12).sum())) / (1 + SHUFFLES)
    found = replace(found, p_value=p_value, method=found.method.replace("observations", "subjects"))
    if found.low is None or found.high is None:
        found = _without_variation(found, int(np.bincount(group).min()), bounds, confidence)
    else:
        found = replace(found, low=max(0.0, found.low), high=min(bounds[1] - bounds[0], found.high))
    return found, float(shuffled.mean())


@dataclass(frozen=True)
class _Gap:
    """The largest gap between groups, from what is summed up by subject.

    ``sums`` and ``texts``: ``[subjects]`` sum of values and number of texts.
    """

    sums: FloatArray
    texts: FloatArray
    groups: int

    def of(self, subjects: IntArray, labels: IntArray, axis: int = -1) -> FloatArray:
        """The gap where subject i of ``subjects`` is of the group ``labels[i]``; not a number where a group is empty."""
        sums, texts = self.sums[subjects], self.texts[subjects]
        of = [labels == place for place in range(self.groups)]
        with np.errstate(invalid="ignore"):
            means = [np.where(own, sums, 0.0).sum(axis) / np.where(own, texts, 0.0).sum(axis) for own in of]
        gap: FloatArray = np.ptp(np.array(means), axis=0)
        return gap


def _shuffled(gap: _Gap, group: IntArray, seed: int) -> FloatArray:
    """The gaps when groups are shuffled among the subjects."""
    stream = np.random.default_rng(seed)
    block = max(1, BLOCK_NUMBERS // len(group))
    every = np.arange(len(group))[None]
    sizes = [min(block, SHUFFLES - done) for done in range(0, SHUFFLES, block)]
    return np.concatenate([gap.of(every, stream.permuted(np.tile(group, (size, 1)), axis=1)) for size in sizes])


def _without_variation(found: Estimate, subjects: int, bounds: tuple[float, float], confidence: float) -> Estimate:
    """All texts are alike: in the smallest group at most the Wilson limit of 0 subjects could differ, up to a bound."""
    value, limit = found.value or 0.0, rate([False] * subjects, None, confidence).high or 0.0
    widest = bounds[1] - bounds[0]
    how = f"no variation; Wilson limit of 0 in {subjects} subjects of the smallest group"
    low, high = max(0.0, value - limit * widest), min(widest, value + limit * widest)
    return replace(found, low=low, high=high, method=how)
