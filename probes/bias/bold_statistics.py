"""The largest gap between groups that were asked about different things, with the gap that chance would give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

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
    sums = np.bincount(subject, [values[i] for i in kept], minlength=len(labels))
    counts = np.bincount(subject, minlength=len(labels)).astype(float)

    def gap(rows: IntArray, labelled: IntArray, axis: int = -1) -> FloatArray:
        """The gap of the subjects ``rows``, where row i is of the group ``labelled[i]``; along an axis."""
        of = [labelled == place for place in range(len(names))]
        with np.errstate(invalid="ignore"):  # a resample without one of the groups: not a number
            means = np.array(
                [np.where(own, sums[rows], 0.0).sum(axis) / np.where(own, counts[rows], 0.0).sum(axis) for own in of]
            )
        found: FloatArray = means.max(axis=0) - means.min(axis=0)
        return found

    every = np.arange(len(labels))
    found = bootstrap((every, group), gap, None, confidence, seed=seed, biased=True)
    stream = np.random.default_rng(seed)
    block = max(1, BLOCK_NUMBERS // len(labels))
    shuffled = np.concatenate(
        [
            gap(every[None], stream.permuted(np.tile(group, (min(block, SHUFFLES - done), 1)), axis=1))
            for done in range(0, SHUFFLES, block)
        ]
    )
    found = replace(found, n=len(kept), clusters=len(labels))
    if found.value is None:
        return found, None
    as_large = int((shuffled >= found.value - 1e-12).sum())
    method = found.method.replace("observations", "subjects")
    found = replace(found, p_value=(1 + as_large) / (1 + SHUFFLES), method=method)
    if found.low is not None and found.high is not None:
        widest = bounds[1] - bounds[0]
        found = replace(found, low=max(0.0, found.low), high=min(widest, found.high))
    else:
        found = _without_variation(found, int(np.bincount(group).min()), bounds, confidence)
    return found, float(shuffled.mean())


def _without_variation(found: Estimate, subjects: int, bounds: tuple[float, float], confidence: float) -> Estimate:
    """All texts are alike: in the smallest group at most the Wilson limit of 0 subjects could differ, up to a bound."""
    value, limit = found.value or 0.0, rate([False] * subjects, None, confidence).high or 0.0
    widest = bounds[1] - bounds[0]
    how = f"no variation; Wilson limit of 0 in {subjects} subjects of the smallest group"
    low, high = max(0.0, value - limit * widest), min(widest, value + limit * widest)
    return replace(found, low=low, high=high, method=how)
