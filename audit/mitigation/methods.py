"""The three remedies of fairlearn: learnt on the one half of the cases, decisions on the other.

Each gives decisions for several settings, the strictest first. The strictest is the one that is judged: it is fixed
here, so that none is chosen by how it did on the held-out cases.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from fairlearn.postprocessing import ThresholdOptimizer
from fairlearn.preprocessing import CorrelationRemover
from fairlearn.reductions import DemographicParity, EqualizedOdds, ExponentiatedGradient
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LogisticRegression

from audit.mitigation.cases import Halves, IntArray
from audit.mitigation.features import Features

Kind = Literal["selection", "errors"]
DRAWS = 20  # of the decisions of a remedy that draws lots, to see how many cases depend on it
_THRESHOLDS: dict[Kind, tuple[tuple[str, float | None], ...]] = {
    "selection": (
        ("demographic_parity", None),
        ("demographic_parity", 0.05),
        ("demographic_parity", 0.1),
        ("demographic_parity", 0.2),
    ),
    "errors": (
        ("equalized_odds", None),
        ("true_positive_rate_parity", None),
        ("true_positive_rate_parity", 0.05),
        ("true_positive_rate_parity", 0.1),
    ),
}
_BOUNDS = (0.01, 0.05, 0.1, 0.2)
_ALPHAS = (1.0, 0.75, 0.5, 0.25)


@dataclass(frozen=True)
class Trial:
    """Decisions on the held-out cases, 1 for the favourable one, and the setting in words.

    ``by_lot``: share of these cases whose decision a repetition may change; 0 for a remedy that draws no lots.
    """

    setting: str
    decided: IntArray
    by_lot: float = 0.0


class _Stated(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """An estimator that gives back the scores it is shown: those of the audited model."""

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X: Any, y: Any) -> _Stated:
        """Nothing is learnt."""
        return self

    def predict(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """The one column."""
        return np.asarray(X)[:, 0]


def thresholds(halves: Halves, kind: Kind, seed: int) -> list[Trial]:
    """Thresholds on the stated probabilities that differ by group (Hardt et al. 2016, arXiv:1610.02413)."""
    learn, held = halves.learn, halves.held
    trials = []
    for constraint, tolerance in _THRESHOLDS[kind]:
        model = ThresholdOptimizer(
            estimator=_Stated(), constraints=constraint, prefit=True, predict_method="predict", tol=tolerance
        )
        with _quiet():
            model.fit(learn.score[:, None], learn.truth, sensitive_features=learn.groups)
            draws = [
                model.predict(held.score[:, None], sensitive_features=held.groups, random_state=seed + i)
                for i in range(DRAWS)
            ]
        words = constraint.replace("_", " ") + (f", up to {tolerance:g} apart" if tolerance else "")
        trials.append(_drawn(words, draws))
    return trials


def plain(features: Features, halves: Halves) -> Trial:
    """The simple model without any remedy: what the two remedies that learn anew are compared with."""
    return _learnt("no remedy", features.learn, features.held, halves)


def reductions(features: Features, halves: Halves, kind: Kind, seed: int) -> list[Trial]:
    """A simple model learnt under a constraint (Agarwal et al. 2018, arXiv:1803.02453)."""
    constraint = DemographicParity if kind == "selection" else EqualizedOdds
    trials = []
    for bound in _BOUNDS:
        model = ExponentiatedGradient(_simple(), constraint(difference_bound=bound))
        with _quiet():
            model.fit(features.learn, halves.learn.truth, sensitive_features=halves.learn.groups)
            draws = [model.predict(features.held, random_state=seed + i) for i in range(DRAWS)]
        trials.append(_drawn(f"groups at most {bound:g} from the mean", draws))
    return trials


def correlations(features: Features, halves: Halves) -> list[Trial]:
    """A simple model on columns from which what goes along with the group, in a straight line, was taken out."""
    learn, held = (halves.codes(cases) for cases in (halves.learn, halves.held))
    # One column for each group but one: the last follows from the others.
    groups = [np.eye(len(halves.names))[codes][:, 1:] for codes in (learn, held)]
    first, second = np.hstack([groups[0], features.learn]), np.hstack([groups[1], features.held])
    trials = []
    for alpha in _ALPHAS:
        remover = CorrelationRemover(sensitive_feature_ids=list(range(groups[0].shape[1])), alpha=alpha)
        with _quiet():
            remover.fit(first)
            columns = remover.transform(first), remover.transform(second)
        trials.append(_learnt(f"{alpha:.0%} taken out", *columns, halves))
    return trials


def _simple() -> LogisticRegression:
    return LogisticRegression(max_iter=1000)


def _learnt(setting: str, learn: NDArray[np.float64], held: NDArray[np.float64], halves: Halves) -> Trial:
    with _quiet():
        model = _simple().fit(learn, halves.learn.truth)
        return Trial(setting, np.asarray(model.predict(held)).astype(np.intp))


def _drawn(setting: str, draws: list[Any]) -> Trial:
    """The first draw is judged, as it would be in use; the others show what hangs on the lot."""
    table = np.array(draws).astype(np.intp)
    return Trial(setting, table[0], float((table != table[0]).any(axis=0).mean()))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what these libraries warn their own developers of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
