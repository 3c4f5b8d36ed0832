"""Membership inference: scores of texts by a model's token probabilities, and how well they tell members from others.

A higher score speaks for a member, a text that the model was trained on. Each score is a published attack.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.stats import betabinom

from audit.metrics._arrays import (
    FloatArray,
    Labels,
    Seed,
    as_mask,
    as_values,
    check_positive,
    cluster_codes,
    same_length,
)
from audit.metrics.estimates import Estimate, not_measured
from audit.metrics.intervals import rate
from audit.metrics.resampling import bootstrap


def loss_score(logprobs: npt.ArrayLike) -> float:
    """Mean log-probability of the tokens, minus the loss (Yeom et al. 2018, arXiv:1709.01604); nats, 0 at most.

    Raises:
        ValueError: no tokens, NaN or infinite numbers.
    """
    return float(_some(logprobs).mean())


def zlib_score(logprobs: npt.ArrayLike, compressed: int) -> float:
    """Mean log-probability of the tokens over the bytes of the text after zlib (Carlini et al. 2021, arXiv:2012.07805).

    What the model finds likely is held against how plain the text is.

    Args:
        logprobs: ``[tokens]`` in nats.
        compressed: the bytes that zlib makes of the text.

    Returns:
        Nats a byte, 0 at most.

    Raises:
        ValueError: no tokens, NaN or infinite numbers, or no bytes.
    """
    check_positive("compressed", compressed)
    return loss_score(logprobs) / compressed


def min_k_score(logprobs: npt.ArrayLike, k: float = 0.2) -> float:
    """Min-K% Prob (Shi et al. 2023, arXiv:2310.16789): mean log-probability of the share ``k`` of least likely tokens.

    Args:
        logprobs: ``[tokens]`` in nats.
        k: above 0 up to 1, where it is the loss; rounded down to whole tokens, at least one.

    Returns:
        Nats, 0 at most.

    Raises:
        ValueError: no tokens, NaN or infinite numbers, or no such share.
    """
    return _lowest(_some(logprobs), k)


def min_k_plus_score(logprobs: npt.ArrayLike, means: npt.ArrayLike, deviations: npt.ArrayLike, k: float = 0.2) -> float:
    """Min-K%++ (Zhang et al. 2024, arXiv:2404.02936): the same with log-probabilities standardised place by place.

    z = (log p(token) - mu) / sigma with mu and sigma the mean and standard deviation of log p over the vocabulary, under p.
    Where sigma is 0 one token has all probability, and z is 0.

    Args:
        logprobs, means, deviations: ``[tokens]`` in nats.
        k: as for ``min_k_score``.

    Returns:
        In standard deviations, of either sign.

    Raises:
        ValueError: no tokens, NaN or infinite numbers, lengths that differ, negative deviations, or no such share.
    """
    values, centres, spreads = _some(logprobs), as_values("means", means), as_values("deviations", deviations)
    same_length(logprobs=values, means=centres, deviations=spreads)
    if spreads.min() < 0:
        raise ValueError("deviations must not be negative")
    z = np.divide(values - centres, spreads, out=np.zeros_like(values), where=spreads > 0)
    return _lowest(z, k)


def _some(logprobs: npt.ArrayLike) -> FloatArray:
    values = as_values("logprobs", logprobs)
    if not len(values):
        raise ValueError("there are no tokens")
    return values


def _lowest(values: FloatArray, k: float) -> float:
    if not 0 < k <= 1:
        raise ValueError(f"k must be a share above 0 and up to 1, not {k}")
    count = max(1, math.floor(k * len(values) + 1e-9))
    return float(np.sort(values)[:count].mean())


def needed_negatives(fpr: float) -> int:
    """The fewest non-members with which a share of false positives of ``fpr`` can be kept: one less than 1 / fpr."""
    return math.ceil(1 / fpr - 1e-9) - 1


def recognising_threshold(score: npt.ArrayLike, label: npt.ArrayLike, fpr: float = 0.01) -> float | None:
    """The score that a new non-member exceeds with a probability of at most ``fpr``; None with too few of them to tell.

    The k-th largest of the n scores with label 0, k = floor(fpr (n + 1)): whatever the distribution, the next such score is
    above it with probability k / (n + 1). Of these n themselves k - 1 are.

    Raises:
        ValueError: NaN or infinite scores; labels other than 0/1; lengths differ.
    """
    scores, labels = as_values("score", score), as_mask("label", label)
    same_length(score=scores, label=labels)
    negatives = np.sort(scores[labels == 0])[::-1]
    k = _rank(len(negatives), fpr)
    return float(negatives[k - 1]) if k else None


def tpr_at_fpr(
    score: npt.ArrayLike,
    label: npt.ArrayLike,
    fpr: float = 0.01,
    *,
    clusters: Labels | None = None,
    level: float = 0.95,
    resamples: int = 1000,
    seed: Seed = 0,
) -> Estimate:
    """Share of members above the score that no more than ``fpr`` of non-members reach (Carlini et al. 2022, arXiv:2112.03570).

    The threshold is that of ``recognising_threshold``. The interval is the wider on each side of Wilson's, which takes the
    threshold as given, and a bootstrap over all items, in which it moves. The one-sided p value is against members who score
    as non-members do: their count above the threshold is then beta-binomial, whatever the scores' distribution. Items of
    one cluster count as one there.

    Args:
        score: ``[n]`` numbers of any unit; members are expected to score higher.
        label: ``[n]`` 0/1; 1 is a member.
        fpr: the share of false positives, between 0 and 1; it is also what chance gives.
        clusters: ``[n]`` labels; None where items are independent.
        level: of the interval.
        resamples, seed: of the bootstrap.

    Returns:
        From 0 (no member is above) to 1 (all are), n the members. Value None without members, and with fewer than
        ``needed_negatives(fpr)`` non-members (or clusters of them).

    Raises:
        ValueError: NaN or infinite scores; labels other than 0/1; lengths differ; None or NaN clusters.
    """
    scores, labels = as_values("score", score), as_mask("label", label)
    n = same_length(score=scores, label=labels)
    codes = np.arange(n) if clusters is None else cluster_codes(clusters, n)
    units = len(np.unique(codes[labels == 0])), len(np.unique(codes[labels == 1]))
    k, threshold = _rank(units[0], fpr), recognising_threshold(scores, labels, fpr)
    if threshold is None or not k:
        needed = needed_negatives(fpr)
        return not_measured(f"it takes {needed} non-members of different sources, and {units[0]} have a score", level)
    if not units[1]:
        return not_measured("no member has a score", level)
    above, own = scores[labels == 1] > threshold, codes[labels == 1]
    fixed = rate(above, None if clusters is None else own.tolist(), level)
    moved = bootstrap(
        (scores, labels),
        lambda s, m: _tpr(s, m, fpr),
        codes.tolist() if len(np.unique(codes)) < n else None,
        level,
        resamples,
        seed,
    )
    count = math.floor(float(above.mean()) * units[1] + 1e-9)
    p_value = min(1.0, max(0.0, float(betabinom.sf(count - 1, units[1], k, units[0] - k + 1))))
    ends = fixed.low, fixed.high, moved.low, moved.high
    if None in ends:
        return replace(fixed, p_value=p_value)
    known = [end for end in ends if end is not None]
    method = f"{fixed.method}, joined with {moved.method}"
    return replace(fixed, low=min(known), high=max(known), method=method, p_value=p_value)


def _rank(negatives: int, fpr: float) -> int:
    return math.floor(fpr * (negatives + 1) + 1e-9)


def _tpr(scores: FloatArray, labels: FloatArray, fpr: float) -> float:
    negatives, positives = np.sort(scores[labels == 0])[::-1], scores[labels == 1]
    if not len(negatives) or not len(positives):
        return float("nan")
    return float((positives > negatives[max(1, _rank(len(negatives), fpr)) - 1]).mean())
