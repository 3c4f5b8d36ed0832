"""Checks of an explanation besides deletion curves: does it fit the model, and what does it agree with.

Each is a number for one explained example; ``mean`` over examples gives the interval. Scores are signed attributions, one
a unit (word, token), and ``full`` the model's output with all units. None is returned where a check is not defined, and
the docstring says when; the caller says so in the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy import stats

from audit.metrics._arrays import FloatArray, as_mask, as_number, as_values, same_length
from audit.metrics.explanations import kendall_tau, perturbation_order


def normalised_aopc(value: float, low: float, high: float) -> float | None:
    """Where an AOPC lies between the lowest and the highest that an order of the same units can have.

    (AOPC - low) / (high - low), bounds by example (Edin et al. 2024, arXiv:2408.08137). The paper searches all orders of
    short inputs, and those of a beam for long ones; whoever takes the bounds over fewer orders must say which, because
    bounds that are too narrow make the number too extreme.

    Args:
        value: AOPC in the order of the explanation.
        low, high: the bounds, in the same unit.

    Returns:
        A share: 0 is the worst order known, 1 the best; outside of that where the value beats the bounds. None where
        the bounds are one, so that all orders are alike.

    Raises:
        ValueError: NaN or infinite input; ``low`` above ``high``.
    """
    value, low, high = as_number("value", value), as_number("low", low), as_number("high", high)
    if low > high:
        raise ValueError(f"the lower bound {low} lies above the upper {high}")
    return (value - low) / (high - low) if high > low else None


def infidelity(
    scores: npt.ArrayLike, full: float, kept: Sequence[Sequence[int]], outputs: npt.ArrayLike
) -> float | None:
    """Mean squared error of what the scores foretell of removals (Yeh et al. 2019, arXiv:1901.09392).

    E_I[(I . scores - (f(x) - f(x - I)))^2]; here I is 1 for each removed unit and 0 for the others, and the expectation
    is the mean over the given sets.

    Args:
        scores: ``[n]`` signed attributions in the unit of the output.
        full: output with all units.
        kept: the units that were left in each set.
        outputs: ``[sets]`` the output for each of them.

    Returns:
        From 0 (each change foretold) without limit, in the output's unit squared. Scores of 0 give the mean squared
        change, which is the level to compare with. None without sets or scores.

    Raises:
        ValueError: NaN or infinite input; lengths differ; a set that names units that are not there.
    """
    phi, values = as_values("scores", scores), as_values("outputs", outputs)
    n = len(phi)
    if len(kept) != len(values):
        raise ValueError(f"lengths differ: kept has {len(kept)}, outputs has {len(values)}")
    if not len(values) or not n:
        return None
    if any(not 0 <= unit < n for units in kept for unit in units):
        raise ValueError(f"a set names units outside of the {n}")
    foretold = np.array([phi.sum() - phi[sorted(set(units))].sum() for units in kept])
    return float(np.mean((foretold - (as_number("full", full) - values)) ** 2))


def score_correlation(first: npt.ArrayLike, second: npt.ArrayLike) -> float | None:
    """Spearman's rank correlation of two attributions of one example, ties at their mean rank.

    For the check of randomised weights (Adebayo et al. 2018, arXiv:1810.03292) of the scores' sizes, ``abs``; for that
    of another target of the scores themselves.

    Args:
        first, second: ``[n]`` scores of the same units.

    Returns:
        From -1 (reversed) over 0 (unrelated) to 1 (same order). None for fewer than two units and where all scores of
        one are equal, so that it orders nothing.

    Raises:
        ValueError: NaN or infinite scores; lengths differ.
    """
    a, b = as_values("first", first), as_values("second", second)
    if same_length(first=a, second=b) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.clip(np.corrcoef(stats.rankdata(a), stats.rankdata(b))[0, 1], -1, 1))


def mean_pairwise_tau(explanations: Sequence[npt.ArrayLike]) -> float | None:
    """Mean Kendall's tau-b over all pairs of explanations of one example (Krishna et al. 2022, arXiv:2202.01602).

    Args:
        explanations: ``[n]`` scores of the same units from each method.

    Returns:
        From -1 over 0 (unrelated) to 1 (all in the same order); pairs with an explanation that orders nothing are left
        out. None where no pair is left.

    Raises:
        ValueError: NaN or infinite scores; lengths differ.
    """
    taus = [kendall_tau(a, b) for a, b in combinations(explanations, 2)]
    known = [tau for tau in taus if tau is not None]
    return float(np.mean(known)) if known else None


def polarity_violations(scores: npt.ArrayLike, effects: npt.ArrayLike, k: int) -> float | None:
    """Share of the k strongest units whose removal moves the output the other way than their sign says.

    The faithfulness violation of Liu et al. 2022 (arXiv:2201.12114), which looks at the strongest unit alone (k = 1).

    Args:
        scores: ``[n]`` signed attributions.
        effects: ``[n]`` f(x) - f(x without the unit).
        k: how many units, by size of score, ties to the earlier; from 1 to n.

    Returns:
        From 0 (all signs are right) to 1 (all are wrong); about 0.5 where signs say nothing. Units with a score or an
        effect of 0 have no sign and are left out; None where no unit is left.

    Raises:
        ValueError: NaN or infinite input; lengths differ; k outside 1 to n.
    """
    phi, moved = as_values("scores", scores), as_values("effects", effects)
    n = same_length(scores=phi, effects=moved)
    if n == 0:
        return None
    if not 1 <= k <= n:
        raise ValueError(f"k must lie between 1 and the {n} units, not {k}")
    signs = np.sign(phi) * np.sign(moved)
    told = signs[perturbation_order(np.abs(phi))[:k]]
    told = told[told != 0]
    return float(np.mean(told < 0)) if len(told) else None


def evidence_auprc(scores: npt.ArrayLike, evidence: npt.ArrayLike) -> float | None:
    """Area under the precision-recall curve of scores against the units that people marked (ERASER, DeYoung et al. 2020).

    Trapezoids between the points of all distinct scores, from recall 0 and precision 1 on, as in the benchmark
    (arXiv:1911.03429), which calls scikit-learn; its checks of each call take longer than an audit has. Agreement with
    people, not faithfulness to the model (Jacovi & Goldberg 2020, arXiv:2004.03685).

    Args:
        scores: ``[n]`` signed attributions.
        evidence: ``[n]`` False/True or 0/1.

    Returns:
        From near 0 to 1 (all marked units are ranked first). For scores without any pattern it is about the share of
        marked units, more for short texts: compare with shuffled scores. None where no unit or each unit is marked.

    Raises:
        ValueError: NaN or infinite scores; other than 0/1 in ``evidence``; lengths differ.
    """
    phi, marked = as_values("scores", scores), as_mask("evidence", evidence)
    same_length(scores=phi, evidence=marked)
    if not 0 < marked.sum() < len(marked):
        return None
    order = perturbation_order(phi)
    last = np.append(np.diff(phi[order]) != 0, True)  # units of one score enter the curve together
    hits = np.cumsum(marked[order])[last]
    recall = np.append(0.0, hits / marked.sum())
    precision = np.append(1.0, hits / (np.flatnonzero(last) + 1))
    return float(np.sum(np.diff(recall) * (precision[1:] + precision[:-1]) / 2))


def evidence_f1(scores: npt.ArrayLike, evidence: npt.ArrayLike, k: int) -> float | None:
    """Token F1 of the k highest-scored units against those that people marked (ERASER, arXiv:1911.03429).

    Args, Raises: as for ``evidence_auprc``; k from 1 to n.

    Returns:
        From 0 (none in common) to 1 (the same units). None where no unit is marked.
    """
    found = _common(scores, evidence, k)
    return None if found is None else 2 * found[0] / (found[1] + k)


def evidence_iou(scores: npt.ArrayLike, evidence: npt.ArrayLike, k: int) -> float | None:
    """Units in both over units in either, of the k highest-scored and the marked (token IoU, arXiv:1911.03429).

    Args, Raises: as for ``evidence_auprc``; k from 1 to n.

    Returns:
        From 0 (none in common) to 1 (the same units). None where no unit is marked.
    """
    found = _common(scores, evidence, k)
    return None if found is None else found[0] / (found[1] + k - found[0])


def _common(scores: npt.ArrayLike, evidence: npt.ArrayLike, k: int) -> tuple[int, int] | None:
    """How many of the k highest-scored units are marked, and how many are marked at all."""
    phi, marked = as_values("scores", scores), as_mask("evidence", evidence)
    n = same_length(scores=phi, evidence=marked)
    if not marked.sum():
        return None
    if not 1 <= k <= n:
        raise ValueError(f"k must lie between 1 and the {n} units, not {k}")
    return int(marked[perturbation_order(phi)[:k]].sum()), int(marked.sum())


def smallest_detectable(values: npt.ArrayLike, level: float = 0.05, power: float = 0.8) -> float | None:
    """The mean that a two-sided t test on as many values of the same spread would tell from 0, as often as ``power``.

    (t(1 - level/2) + t(power)) standard errors, with n - 1 degrees of freedom: the usual approximation.

    Args:
        values: ``[n]`` numbers of any unit.
        level: of the test, between 0 and 1.
        power: the share of samples in which it is told, between 0 and 1.

    Returns:
        A size in the unit of ``values``. None for fewer than two values.

    Raises:
        ValueError: NaN or infinite values; level or power outside 0 to 1.
    """
    array: FloatArray = as_values("values", values)
    if not 0 < level < 1 or not 0 < power < 1:
        raise ValueError("level and power must lie between 0 and 1")
    n = len(array)
    if n < 2:
        return None
    quantiles = stats.t.ppf(1 - level / 2, n - 1) + stats.t.ppf(power, n - 1)
    return float(quantiles * array.std(ddof=1) / np.sqrt(n))
