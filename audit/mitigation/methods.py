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
# The constraint, how far apart it lets the groups be, and both in words.
_THRESHOLDS: dict[Kind, tuple[tuple[str, float | None, str], ...]] = {
    "selection": (
        ("demographic_parity", None, "equal shares"),
        ("demographic_parity", 0.05, "shares up to 5 points apart"),
        ("demographic_parity", 0.1, "shares up to 10 points apart"),
        ("demographic_parity", 0.2, "shares up to 20 points apart"),
    ),
    "errors": (
        ("equalized_odds", None, "equal error rates"),
        ("true_positive_rate_parity", None, "equal shares where merited"),
        ("true_positive_rate_parity", 0.05, "shares where merited up to 5 points apart"),
        ("true_positive_rate_parity", 0.1, "shares where merited up to 10 points apart"),
    ),
}
# How far a group may be from the average, and whether the model may use the group.
_BOUNDS = ((0.01, False), (0.05, False), (0.1, False), (0.01, True))
_ALPHAS = (1.0, 0.75, 0.5, 0.25)


@dataclass(frozen=True)
class Trial:
    """Decisions on the held-out cases, 1 for the favourable one, and the setting in words.

    ``by_lot``: share of these cases whose decision a repetition changed; 0 for a remedy that draws no lots, and for
    settings that are not judged.
    """

    setting: str
    decided: IntArray
    by_lot: float = 0.0


class _Stated(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """An estimator that gives back the scores it is shown: those of the audited model."""

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X: Any, y: Any) -> _Stated:  # noqa: N803 - the name that scikit-learn calls it by
        """Nothing is learnt."""
        return self

    def predict(self, X: NDArray[np.float64]) -> NDArray[np.float64]:  # noqa: N803
        """The one column."""
        return np.asarray(X)[:, 0]


def thresholds(halves: Halves, kind: Kind, seed: int) -> list[Trial]:
    """Thresholds on the stated probabilities that differ by group (Hardt et al. 2016, arXiv:1610.02413)."""
    learn, held = halves.learn, halves.held
    trials: list[Trial] = []
    for constraint, tolerance, words in _THRESHOLDS[kind]:
        model = ThresholdOptimizer(
            estimator=_Stated(), constraints=constraint, prefit=True, predict_method="predict", tol=tolerance
        )
        with _quiet():
            model.fit(learn.score[:, None], learn.truth, sensitive_features=learn.groups)
            draws = [
                model.predict(held.score[:, None], sensitive_features=held.groups, random_state=seed + i)
                for i in range(1 if trials else DRAWS)
            ]
        trials.append(_drawn(words, draws))
    return trials


def plain(features: Features, halves: Halves) -> Trial:
    """The simple model without any remedy: what the two remedies that learn anew are compared with."""
    return _learnt("no remedy", features.learn, features.held, halves)


def reductions(features: Features, halves: Halves, kind: Kind, seed: int) -> list[Trial]:
    """A simple model learnt under a constraint (Agarwal et al. 2018, arXiv:1803.02453)."""
    constraint = DemographicParity if kind == "selection" else EqualizedOdds
    trials: list[Trial] = []
    for bound, known in _BOUNDS:
        learn, held = _with_groups(features, halves) if known else (features.learn, features.held)
        model = ExponentiatedGradient(_simple(), constraint(difference_bound=bound))
        with _quiet():
            model.fit(learn, halves.learn.truth, sensitive_features=halves.learn.groups)
            draws = [model.predict(held, random_state=seed + i) for i in range(1 if trials else DRAWS)]
        points = f"{100 * bound:.0f} point{'' if bound == 0.01 else 's'}"
        words = f"groups at most {points} from the average" + (", the group known when it decides" if known else "")
        trials.append(_drawn(words, draws))
    return trials


def correlations(features: Features, halves: Halves) -> list[Trial]:
    """A simple model on columns from which what goes along with the group, in a straight line, was taken out."""
    first, second = _with_groups(features, halves)
    trials: list[Trial] = []
    for alpha in _ALPHAS:
        remover = CorrelationRemover(sensitive_feature_ids=list(range(len(halves.names) - 1)), alpha=alpha)
        with _quiet():
            remover.fit(first)
            columns = remover.transform(first), remover.transform(second)
        trials.append(_learnt(f"{alpha:.0%} of it taken out", *columns, halves))
    return trials


def _with_groups(features: Features, halves: Halves) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The columns with one more in front for each group but one, for the last follows from the others."""
    learn, held = (np.eye(len(halves.names))[halves.codes(cases)][:, 1:] for cases in (halves.learn, halves.held))
    return np.hstack([learn, features.learn]), np.hstack([held, features.held])


def _simple() -> LogisticRegression:
    # Of scikit-learn's solvers the fastest for many cases and few columns; the reduction fits it hundreds of times.
    return LogisticRegression(solver="newton-cholesky", max_iter=1000)


def _learnt(setting: str, learn: NDArray[np.float64], held: NDArray[np.float64], halves: Halves) -> Trial:
    with _quiet():
        model = _simple().fit(learn, halves.learn.truth)
        return Trial(setting, np.asarray(model.predict(held)).astype(np.intp))


def _drawn(setting: str, draws: list[Any]) -> Trial:
    """The first draw is judged, as it would be in use; the others, where there are any, show what hangs on the lot."""
    table = np.array(draws).astype(np.intp)
    return Trial(setting, table[0], float((table != table[0]).any(axis=0).mean()))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what these libraries warn their own developers of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
