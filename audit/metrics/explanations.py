"""Whether an attribution of scores to tokens is faithful to the model, for one explained example.

``full`` is the model's output on the whole input (a log-probability in nats, a logit or a probability; all outputs
of one call share one unit). What comes out is a number for each example; ``mean`` over examples gives the interval.
None is returned where a measure is not defined, and the docstring says when.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from audit.metrics._arrays import FloatArray, IntArray, as_number, as_values, same_length


class TopKOverlap(NamedTuple):
    """Share of the k highest tokens that two explanations have in common, and the share expected by chance."""

    overlap: float
    chance: float


def perturbation_order(scores: npt.ArrayLike) -> IntArray:
    """Token positions by falling score, ties in order of position (Samek et al. 2017: most relevant first).

    Args:
        scores: ``[n]`` signed attribution of each token.

    Returns:
        ``[n]`` positions from 0 to n-1; empty for empty input.

    Raises:
        ValueError: NaN or infinite scores.
    """
    return np.argsort(-as_values("scores", scores), kind="stable")


def comprehensiveness(full: float, without_top: npt.ArrayLike) -> FloatArray:
    """f(x) - f(x without its top k%), bin by bin (DeYoung et al. 2020, ERASER, 1911.03429): higher is better.

    Args:
        full: output on the whole input.
        without_top: ``[bins]`` outputs with the top tokens removed.

    Returns:
        ``[bins]`` differences in the unit of the output; 0 means that removal changed nothing. Empty for empty input.

    Raises:
        ValueError: NaN or infinite outputs.
    """
    return as_number("full", full) - as_values("without_top", without_top)


def sufficiency(full: float, only_top: npt.ArrayLike) -> FloatArray:
    """f(x) - f(only the top k% of x), bin by bin (DeYoung et al. 2020, ERASER, 1911.03429): lower is better.

    Args:
        full: output on the whole input.
        only_top: ``[bins]`` outputs with nothing but the top tokens left.

    Returns:
        ``[bins]`` differences in the unit of the output; 0 means that the top tokens were enough. Empty for empty
        input.

    Raises:
        ValueError: NaN or infinite outputs.
    """
    return as_number("full", full) - as_values("only_top", only_top)


def aopc(full: float, curve: npt.ArrayLike) -> float | None:
    """Area over the perturbation curve: mean over bins of f(x) - f(x without its top k%).

    The mean over the given bins alone, as in ERASER (DeYoung et al. 2020); Samek et al. 2017 divide by one more,
    for the step at which nothing is removed. Not comparable between models (Edin et al. 2024, 2408.08137).

    Args:
        full: output on the whole input.
        curve: ``[bins]`` outputs with the top tokens of each bin removed (or, for sufficiency, alone left).

    Returns:
        A difference in the unit of the output; 0 means that removal changed nothing. None without bins.

    Raises:
        ValueError: NaN or infinite outputs.
    """
    drops = as_number("full", full) - as_values("curve", curve)
    return float(drops.mean()) if len(drops) else None


def gain_over_random(aopc_method: float, aopc_random: npt.ArrayLike) -> float | None:
    """AOPC of an explanation minus the mean AOPC of R random orders of the same example's tokens.

    Args:
        aopc_method: AOPC in the order of the explanation.
        aopc_random: ``[R]`` AOPC of random orders; 20 or more are advised.

    Returns:
        A difference in the unit of the output; 0 or below means no better than chance. None without random orders.

    Raises:
        ValueError: NaN or infinite input.
    """
    method, random = as_number("aopc_method", aopc_method), as_values("aopc_random", aopc_random)
    return method - float(random.mean()) if len(random) else None


def completeness_error(scores: npt.ArrayLike, full: float, baseline: float) -> float | None:
    """How far attributions are from adding up to the change they explain (Sundararajan et al. 2017, completeness).

    abs(sum of scores - (full - baseline)) / abs(full - baseline).

    Args:
        scores: ``[n]`` signed attributions in the unit of the output.
        full: output on the input.
        baseline: output on the baseline input.

    Returns:
        A ratio from 0 (they add up) without limit; 1 is what all-zero attributions give. None without scores, and
        where the output equals the baseline's, which leaves nothing to explain.

    Raises:
        ValueError: NaN or infinite input.
    """
    total = as_values("scores", scores)
    change = as_number("full", full) - as_number("baseline", baseline)
    return abs(float(total.sum()) - change) / abs(change) if len(total) and change else None


def kendall_tau(first: npt.ArrayLike, second: npt.ArrayLike) -> float | None:
    """Kendall's tau-b between two attributions of one example (Kendall 1945): agreement of the order of tokens.

    Args:
        first, second: ``[n]`` scores of the same tokens.

    Returns:
        From -1 (reversed) over 0 (unrelated) to 1 (same order). None for fewer than two tokens and where all scores
        of one are equal, so that it orders nothing.

    Raises:
        ValueError: NaN or infinite scores; lengths differ.
    """
    a, b = as_values("first", first), as_values("second", second)
    n = same_length(first=a, second=b)
    if n < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(stats.kendalltau(a, b).statistic)


def top_k_overlap(first: npt.ArrayLike, second: npt.ArrayLike, k: int) -> TopKOverlap | None:
    """Share of the k highest-scored tokens that two attributions have in common (Krishna et al. 2022, 2202.01602).

    Args:
        first, second: ``[n]`` scores of the same tokens; ties fall to the earlier token.
        k: from 1 to n.

    Returns:
        The share from 0 (none) to 1 (all), and the share k/n expected of a random choice. None for empty input.

    Raises:
        ValueError: NaN or infinite scores; lengths differ; k outside 1 to n.
    """
    a, b = as_values("first", first), as_values("second", second)
    n = same_length(first=a, second=b)
    if n == 0:
        return None
    if not 1 <= k <= n:
        raise ValueError(f"k must lie between 1 and the {n} tokens, not {k}")
    common = np.intersect1d(perturbation_order(a)[:k], perturbation_order(b)[:k])
    return TopKOverlap(len(common) / k, k / n)
