"""Effects of several predictors at once on an outcome that was observed many times in each of some groups.

A question asked about many people is such a group: people are compared within it, and how far they are treated
differently may vary from one question to the next.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.regression.mixed_linear_model import MixedLM, MixedLMParams
from statsmodels.tools.sm_exceptions import ConvergenceWarning

from audit.metrics._arrays import FloatArray, IntArray, Labels, as_values, check_confidence, cluster_codes, same_length
from audit.metrics.estimates import Estimate, not_measured
from audit.metrics.intervals import ROUNDING

GROUPS_PER_EFFECT = 2
"""Fewer groups for each random effect say next to nothing of how the effects vary and go together."""
BOUNDARY = "some effects do not vary between {unit}s"
DRAWS = 4000  # of which the mean of the largest effect is known to about a hundredth


@dataclass(frozen=True)
class Effects:
    """Fixed effects with their uncertainty.

    ``values[k]`` and ``covariance[k, k]`` are those of predictor k, the intercept left out; ``dof`` the degrees of
    freedom of Student's t. ``covariance`` is None where there is no interval. ``method`` says how they were got, and
    ``reason`` why there are none: then ``values`` is empty.
    """

    values: FloatArray
    covariance: FloatArray | None
    dof: int
    n: int
    groups: int
    method: str
    reason: str | None = None

    def estimates(self, confidence: float, tests: int = 1) -> list[Estimate]:
        """One estimate for each predictor, with its two-sided p value; none where there are no effects.

        ``tests`` above 1 widens the intervals so that all of so many hold at once (Bonferroni).
        """
        check_confidence(confidence)
        errors = [0.0] * len(self.values) if self.covariance is None else np.sqrt(np.diag(self.covariance)).tolist()
        scale = max(1.0, float(np.abs(self.values).max(initial=0.0)))
        return [self._one(float(v), e, scale, confidence, tests) for v, e in zip(self.values, errors, strict=True)]

    def _one(self, value: float, error: float, scale: float, confidence: float, tests: int) -> Estimate:
        none = Estimate(value, None, None, self.n, self.groups, confidence, self.method)
        if error <= ROUNDING * scale:
            return none
        half = float(stats.t.isf((1 - confidence) / (2 * tests), self.dof)) * error
        p_value = 2 * float(stats.t.sf(abs(value) / error, self.dof))
        return replace(none, low=value - half, high=value + half, p_value=p_value)


def mixed_effects(outcome: npt.ArrayLike, predictors: npt.ArrayLike, groups: Labels, unit: str = "group") -> Effects:
    """Fixed effects of a linear mixed model with a random intercept and random slopes of all predictors by group.

    Restricted maximum likelihood by statsmodels' ``MixedLM`` with an unstructured covariance of the random effects,
    from the moments of the groups' own regressions as starting values (from its default ones it often stops early).
    Intervals: Wald with Student's t on G-1 degrees of freedom, because it is the groups that differ.

    With fewer than two groups for each random effect, and where the fit does not converge, the effects are those of
    ``within_effects``; ``method`` says so, and why.

    Args:
        outcome: ``[n]`` numbers of any unit.
        predictors: ``[n, k]``; no column for the intercept.
        groups: ``[n]`` labels.
        unit: what a group is, for the words of ``method``.

    Returns:
        Effects in the unit of the outcome for one unit of each predictor.

    Raises:
        ValueError: NaN or infinite numbers; lengths differ; None or NaN labels.
    """
    y, x, codes = _checked(outcome, predictors, groups)
    within = _within(y, x, codes, unit)
    count, needed = within.groups, GROUPS_PER_EFFECT * (x.shape[1] + 1)
    if within.covariance is None:
        return within
    mixed = _mixed(y, x, codes, unit) if count >= needed else None
    few = f"{count} {unit}s, fewer than the {needed} that random slopes take"
    why = few if count < needed else "the mixed model did not converge"
    return mixed or replace(within, method=f"{within.method}; {why}")


def within_effects(outcome: npt.ArrayLike, predictors: npt.ArrayLike, groups: Labels, unit: str = "group") -> Effects:
    """Effects by least squares on outcome and predictors less their group's means.

    Cluster-robust (CR1) errors by statsmodels, with Student's t on G-1 degrees of freedom.

    Args, Returns, Raises: as for ``mixed_effects``.
    """
    return _within(*_checked(outcome, predictors, groups), unit)


def _checked(
    outcome: npt.ArrayLike, predictors: npt.ArrayLike, groups: Labels
) -> tuple[FloatArray, FloatArray, IntArray]:
    y, x = as_values("outcome", outcome), as_values("predictors", predictors, ndim=2)
    return y, x, cluster_codes(groups, same_length(outcome=y, predictors=x))


def _centred(values: FloatArray, codes: IntArray) -> FloatArray:
    """Each group's mean taken off."""
    table = values if values.ndim == 2 else values[:, None]
    counts = np.bincount(codes)
    means = np.stack([np.bincount(codes, weights=column) / counts for column in table.T], axis=1)
    centred: FloatArray = (table - means[codes]).reshape(values.shape)
    return centred


def _within(y: FloatArray, x: FloatArray, codes: IntArray, unit: str) -> Effects:
    n, count = len(y), int(codes.max(initial=-1)) + 1
    nothing = Effects(np.empty(0), None, 0, n, count, "none")
    if n == 0:
        return replace(nothing, reason="no observations")
    inside = _centred(x, codes) if x.shape[1] else x
    if not x.shape[1] or np.linalg.matrix_rank(inside) < x.shape[1]:
        return replace(nothing, reason=f"the predictors cannot be told apart within the {unit}s")
    model = OLS(_centred(y, codes), inside)
    plain = model.fit()
    values = np.asarray(plain.params, dtype=np.float64)
    found = Effects(values, None, count - 1, n, count, f"one {unit}: no interval")
    if count < 2:
        return found
    robust = plain.get_robustcov_results(cov_type="cluster", groups=codes, use_t=True)
    covariance = np.asarray(robust.cov_params(), dtype=np.float64)
    size = max(1.0, float(np.abs(y).max()))
    if not np.isfinite(covariance).all() or np.diag(covariance).max() <= (ROUNDING * size) ** 2:
        return replace(found, method=f"no variation between {unit}s: no interval")
    return replace(found, covariance=covariance, method=f"cluster-robust t (CR1) of least squares within {unit}s")


def _mixed(y: FloatArray, x: FloatArray, codes: IntArray, unit: str) -> Effects | None:
    """The mixed model's effects; None where it did not converge."""
    design = np.column_stack([np.ones(len(y)), x])
    start = _moments(y, design, codes)
    if start is None:
        return None
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            fit = MixedLM(y, design, groups=codes, exog_re=design).fit(reml=True, method=["lbfgs"], start_params=start)
        except (np.linalg.LinAlgError, ValueError):
            return None
    covariance = np.asarray(fit.cov_params(), dtype=np.float64)[1 : design.shape[1], 1 : design.shape[1]]
    if not fit.converged or not np.isfinite(covariance).all() or np.diag(covariance).min() <= 0:
        return None
    count = int(codes.max()) + 1
    edge = any(issubclass(w.category, ConvergenceWarning) for w in told)
    method = "Wald t of a linear mixed model (REML, random intercept and slopes"
    method += f"; {BOUNDARY.format(unit=unit)})" if edge else ")"
    return Effects(np.asarray(fit.fe_params, dtype=np.float64)[1:], covariance, count - 1, len(y), count, method)


def _moments(y: FloatArray, design: FloatArray, codes: IntArray) -> MixedLMParams | None:
    """Starting values: mean and covariance of the groups' own regressions, less what noise within groups adds."""
    fits, noise, squares, free = [], [], 0.0, 0
    for code in range(int(codes.max()) + 1):
        own, seen = y[codes == code], design[codes == code]
        fitted, _, rank, _ = np.linalg.lstsq(seen, own, rcond=None)
        residuals = own - seen @ fitted
        squares, free = squares + float(residuals @ residuals), free + len(own) - int(rank)
        fits.append(fitted)
        noise.append(np.linalg.pinv(seen.T @ seen))
    scale = squares / free if free else 0.0
    if scale <= ROUNDING:
        return None  # nothing varies within the groups; the likelihood has no maximum
    between = np.cov(np.array(fits).T) / scale - np.mean(noise, axis=0)
    sizes, axes = np.linalg.eigh(between)
    between = (axes * np.clip(sizes, 1e-2, None)) @ axes.T
    return MixedLMParams.from_components(fe_params=np.mean(fits, axis=0), cov_re=between)


def largest_effect(effects: Effects, confidence: float, seed: int = 0) -> tuple[Estimate, float | None]:
    """The largest effect in either direction, and the one that estimates of this precision show by chance.

    The interval goes from the largest lower to the largest upper end of intervals that hold all at once (Bonferroni).
    Chance is the mean largest size of normal numbers with the effects' covariance around 0.

    Returns:
        A size, 0 or more, in the unit of the effects; chance is None where there is no interval.
    """
    found = effects.estimates(confidence, tests=max(1, len(effects.values)))
    if not found:
        return not_measured(effects.reason or "no effects", confidence, effects.n, effects.groups), None
    value = float(np.abs(effects.values).max())
    whole = [(e.low, e.high) for e in found if e.low is not None and e.high is not None]
    none = replace(found[0], value=value, low=None, high=None, p_value=None)
    if effects.covariance is None or len(whole) < len(found):
        return none, None
    low = max(0.0 if a <= 0 <= b else min(abs(a), abs(b)) for a, b in whole)
    high = max(max(abs(a), abs(b)) for a, b in whole)
    draws = np.random.default_rng(seed).multivariate_normal(np.zeros(len(found)), effects.covariance, DRAWS)
    chance = float(np.abs(draws).max(axis=1).mean())
    return replace(none, low=low, high=high, method=f"{none.method}; all effects at once (Bonferroni)"), chance


def standardised(values: Sequence[float]) -> tuple[FloatArray, float]:
    """Numbers less their mean over their standard deviation (n - 1), and that deviation; zeros where all are alike."""
    array = as_values("values", values)
    deviation = float(array.std(ddof=1)) if len(array) > 1 else 0.0
    centred = array - array.mean() if len(array) else array
    return (centred / deviation if deviation > 0 else np.zeros(len(array))), deviation
