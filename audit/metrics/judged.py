"""A share as a fallible reader sees it, corrected for the reader's own errors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from audit.metrics._arrays import FloatArray, Labels, Seed, as_mask, check_confidence, cluster_codes
from audit.metrics._clusters import effective_size
from audit.metrics.estimates import Estimate, not_measured
from audit.metrics.intervals import wilson

DRAWS = 4000
Count = tuple[float, float]


def corrected_rate(
    hits: npt.ArrayLike,
    clusters: Labels | None,
    sensitivity: Count,
    specificity: Count,
    confidence: float = 0.95,
    seed: Seed = 0,
) -> Estimate:
    """Share of true positives behind what a reader calls positive.

    (p + specificity - 1) / (sensitivity + specificity - 1), held between 0 and 1, where p is the share that the reader calls
    positive (Rogan & Gladen 1978, American Journal of Epidemiology 107:71). The interval carries all three errors: p,
    sensitivity and specificity are drawn from their Jeffreys posteriors (p with the effective sample size of clustered
    items), and the ends are quantiles of the corrected share, as Flor et al. 2020 (doi:10.1186/s12889-020-09177-4) advise,
    whose simulations find that the usual intervals cover too little. It is never narrower than Wilson's limits for none and
    for all of so many answers.

    Args:
        hits: ``[n]`` False/True: what the reader called positive.
        clusters: ``[n]`` labels of items that are not independent; None where they are.
        sensitivity: (k, n): of n that are positive, the reader called k so. Where labelled cases share a cluster, both of the
            effective sample, which need not be whole (``effective_count``).
        specificity: (k, n): of n that are not, the reader called k not so; likewise.
        confidence: of the interval, between 0 and 1.
        seed: of the draws.

    Returns:
        A share from 0 (none) to 1 (all), no unit. Value None for empty input, without both kinds of labels, and for a
        reader of which it is not sure that it does better than chance: sensitivity + specificity is not above 1 with the
        interval's confidence.

    Raises:
        ValueError: NaN or other than 0/1 in ``hits``; lengths differ; counts that are none.
    """
    check_confidence(confidence)
    mask = as_mask("hits", hits)
    n = len(mask)
    codes = None if clusters is None else cluster_codes(clusters, n)
    for name, (k, size) in (("sensitivity", sensitivity), ("specificity", specificity)):
        if not 0 <= k <= size:
            raise ValueError(f"{name}: {k} of {size} is no count")
    if n == 0:
        return not_measured("no observations", confidence)
    groups = None if codes is None else int(codes.max()) + 1
    if not sensitivity[1] or not specificity[1]:
        return not_measured("the reader was not tested on labels of both kinds", confidence, n, groups)
    seen, draws = effective_count(mask, clusters, confidence), np.random.default_rng(seed)
    found, true, false = (_posterior(k, size, draws) for k, size in (seen, sensitivity, specificity))
    power = true + false - 1
    if np.quantile(power, (1 - confidence) / 2) <= 0:
        return not_measured("the reader may do no better than chance on its labelled set", confidence, n, groups)
    known_true, known_false = (k / size for k, size in (sensitivity, specificity))
    value = float(np.clip((mask.mean() + known_false - 1) / (known_true + known_false - 1), 0.0, 1.0))
    spread = np.clip((found + false - 1) / power, 0.0, 1.0)
    ends = np.quantile(spread, ((1 - confidence) / 2, (1 + confidence) / 2))
    # Where the reader finds fewer than its own false alarms, all draws are 0: that sure is nobody of n answers.
    none = wilson(0.0, seen[1], confidence)[1]
    method = f"Rogan-Gladen, quantiles over the reader's errors (as read: {mask.mean():.3f})"
    low, high = min(float(ends[0]), 1 - none, value), max(float(ends[1]), none, value)
    return Estimate(value, low, high, n, groups, confidence, method)


def effective_count(hits: npt.ArrayLike, clusters: Labels | None, confidence: float = 0.95) -> Count:
    """Successes and size as :func:`rate` counts them: both of the effective sample where items share a cluster.

    Args:
        hits: ``[n]`` False/True.
        clusters: ``[n]`` labels of items that are not independent; None where they are.
        confidence: of the interval that they are for, between 0 and 1.

    Returns:
        (k, n), k from 0 to n; (0, 0) for empty input.

    Raises:
        ValueError: NaN or other than 0/1 in ``hits``; lengths differ.
    """
    check_confidence(confidence)
    mask = as_mask("hits", hits)
    n = len(mask)
    if n == 0:
        return 0.0, 0.0
    codes = None if clusters is None else cluster_codes(clusters, n)
    together = codes is not None and int(codes.max()) + 1 != n
    size = effective_size(mask, codes).at(confidence) if codes is not None and together else float(n)
    return float(mask.mean()) * size, size


def _posterior(successes: float, size: float, draws: np.random.Generator) -> FloatArray:
    found: FloatArray = draws.beta(successes + 0.5, size - successes + 0.5, DRAWS)
    return found
