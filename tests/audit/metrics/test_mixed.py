"""Effects within groups: against sums written out, against what was planted, and where there is nothing to tell."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom, t

from audit.metrics import Estimate, largest_effect, mixed_effects, standardised, within_effects
from audit.metrics.mixed import Effects

FloatArray = NDArray[np.float64]
PEOPLE = np.array(
    [[float(a), float(b == 1), float(b == 2)] for a, b in itertools.product((-1, 0, 1), (0, 1, 2))], dtype=np.float64
)


def drawn(
    groups: int, effects: tuple[float, ...], seed: int = 0, slopes: float = 0.3, noise: float = 0.4
) -> tuple[FloatArray, FloatArray, list[str]]:
    """The same nine people in every group; levels and effects vary from group to group."""
    stream = np.random.default_rng(seed)
    outcome, labels = [], []
    for group in range(groups):
        own = np.array(effects) + stream.normal(0, slopes, 3)
        outcome.append(stream.normal(0, 2) + PEOPLE @ own + stream.normal(0, noise, len(PEOPLE)))
        labels += [f"g{group}"] * len(PEOPLE)
    return np.concatenate(outcome), np.tile(PEOPLE, (groups, 1)), labels


def each(outcome: FloatArray, groups: int) -> FloatArray:
    """Every group's own regression, the intercept left out."""
    design = np.column_stack([np.ones(len(PEOPLE)), PEOPLE])
    return np.array([np.linalg.lstsq(design, y, rcond=None)[0][1:] for y in outcome.reshape(groups, -1)])


def whole(estimate: Estimate) -> tuple[float, float, float]:
    assert estimate.value is not None
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low, estimate.value, estimate.high


def test_with_equal_people_in_every_group_it_is_the_mean_over_groups() -> None:
    """A mixed model with random slopes then weighs the groups' own regressions alike, and its error is theirs."""
    outcome, people, labels = drawn(30, (0.0, 0.5, -1.0))
    effects = mixed_effects(outcome, people, labels, "decision")
    assert effects.method.startswith("Wald t of a linear mixed model")
    own = each(outcome, 30)
    assert effects.values == pytest.approx(own.mean(0), abs=1e-6)
    errors = own.std(0, ddof=1) / math.sqrt(30)
    for estimate, value, error in zip(effects.estimates(0.95), own.mean(0), errors, strict=True):
        low, middle, high = whole(estimate)
        assert (middle, high - low) == (pytest.approx(value), pytest.approx(2 * t.ppf(0.975, 29) * error, rel=0.02))
        assert estimate.p_value == pytest.approx(2 * t.sf(abs(value) / error, 29), rel=0.3, abs=1e-12)
    assert (effects.n, effects.groups, effects.dof) == (270, 30, 29)


def test_within_groups_it_is_least_squares_with_the_sandwich_written_out() -> None:
    outcome, people, labels = drawn(6, (0.2, 0.0, 0.7), seed=3)
    keep = np.arange(len(outcome)) % 5 > 0  # groups of unequal people
    outcome, people, labels = outcome[keep], people[keep], [x for x, k in zip(labels, keep, strict=True) if k]
    effects = within_effects(outcome, people, labels)
    centred, y = people.copy(), outcome.copy()
    for label in set(labels):
        mine = np.array([x == label for x in labels])
        centred[mine] -= centred[mine].mean(0)
        y[mine] -= y[mine].mean()
    bread = np.linalg.inv(centred.T @ centred)
    values = bread @ centred.T @ y
    meat = np.zeros((3, 3))
    for label in set(labels):
        mine = np.array([x == label for x in labels])
        score = centred[mine].T @ (y - centred @ values)[mine]
        meat += np.outer(score, score)
    size = 6 / 5 * (len(y) - 1) / (len(y) - 3)
    assert effects.values == pytest.approx(values)
    assert effects.covariance is not None
    assert effects.covariance == pytest.approx(size * bread @ meat @ bread)
    assert effects.dof == 5


def test_few_groups_are_said_and_compared_within() -> None:
    outcome, people, labels = drawn(7, (0.0, 0.0, 1.0))
    effects = mixed_effects(outcome, people, labels, "decision")
    assert effects.method.startswith(
        "cluster-robust t (CR1) of least squares within decisions; 7 decisions, fewer than"
    )
    assert np.array_equal(effects.values, within_effects(outcome, people, labels).values)
    assert mixed_effects(*drawn(8, (0.0, 0.0, 1.0))).method.startswith("Wald")


def test_a_fit_that_fails_is_said_and_never_passed_over() -> None:
    """Without any noise within groups the likelihood has no maximum."""
    outcome, people, labels = drawn(12, (0.0, 0.3, 0.3), noise=0.0)
    effects = mixed_effects(outcome, people, labels)
    assert effects.method.endswith("; the mixed model did not converge")
    assert effects.values == pytest.approx(each(outcome, 12).mean(0))


def test_effects_that_do_not_vary_are_at_the_edge_and_still_right() -> None:
    effects = mixed_effects(*drawn(20, (0.0, 0.4, 0.0), slopes=0.0), "decision")
    assert effects.method.endswith("slopes; some effects do not vary between decisions)")
    low, _, high = whole(effects.estimates(0.95)[1])
    assert 0.2 < low < 0.4 < high < 0.7


def test_no_effect_is_found_no_more_often_than_the_confidence_allows() -> None:
    tries, found = 200, 0
    for seed in range(tries):
        low, _, high = whole(within_effects(*drawn(8, (0.0, 0.0, 0.0), seed=seed)).estimates(0.9)[1])
        found += low > 0 or high < 0
    assert found <= binom.ppf(0.999, tries, 0.1)


@pytest.mark.parametrize("effects", [mixed_effects, within_effects])
def test_what_cannot_be_told_has_a_reason(effects) -> None:  # type: ignore[no-untyped-def]
    outcome, people, labels = drawn(4, (0.0, 0.0, 0.0))
    assert effects([], np.empty((0, 2)), []).reason == "no observations"
    twice = np.column_stack([people, people[:, 1]])
    for table in (twice, np.empty((len(outcome), 0))):
        found = effects(outcome, table, labels, "decision")
        assert found.reason == "the predictors cannot be told apart within the decisions"
        assert found.estimates(0.95) == []
    alone = effects(outcome, people, list(range(len(outcome))))
    assert alone.reason is not None  # one person a group is compared with nobody
    one = effects(outcome[:9], people[:9], labels[:9], "decision")
    assert one.values == pytest.approx(each(outcome[:9], 1)[0])
    assert [(e.low, e.method) for e in one.estimates(0.95)] == [(None, "one decision: no interval")] * 3
    still = effects(np.repeat([1.0, 2.0, 3.0, 4.0], 9), people, labels)
    assert [(e.value, e.low, e.p_value) for e in still.estimates(0.95)] == [(0.0, None, None)] * 3
    with pytest.raises(ValueError, match="NaN"):
        effects([math.nan, *outcome[1:]], people, labels)
    with pytest.raises(ValueError, match="lengths differ"):
        effects(outcome[1:], people, labels[1:])


def test_the_largest_effect_holds_for_all_at_once() -> None:
    effects = Effects(np.array([0.1, -0.8, 0.3]), np.diag([0.01, 0.04, 0.0025]), 10, 90, 11, "by hand")
    estimate, chance = largest_effect(effects, 0.95)
    wide = t.ppf(1 - 0.05 / 6, 10)
    assert whole(estimate) == pytest.approx((max(0.8 - wide * 0.2, 0.3 - wide * 0.05), 0.8, 0.8 + wide * 0.2))
    assert chance is not None
    assert 0.16 < chance < 0.2  # mean of the largest of three normal sizes, most of it the widest one's
    alone, by_chance = largest_effect(Effects(np.array([0.5]), np.array([[0.09]]), 4, 20, 5, "by hand"), 0.95)
    assert by_chance == pytest.approx(0.3 * math.sqrt(2 / math.pi), rel=0.03)
    assert whole(alone)[0] == 0.0
    nothing, none = largest_effect(Effects(np.empty(0), None, 0, 0, 0, "none", "no observations"), 0.95)
    assert (nothing.value, nothing.reason, none) == (None, "no observations", None)
    still, none = largest_effect(Effects(np.zeros(2), None, 3, 20, 4, "no variation"), 0.95)
    assert (still.value, still.low, none) == (0.0, None, None)


def test_standardised() -> None:
    scores, deviation = standardised([20, 60, 100])
    assert scores.tolist() == [-1.0, 0.0, 1.0]
    assert deviation == 40.0
    assert standardised([5.0])[1] == standardised([])[1] == standardised([7, 7])[1] == 0.0
    assert standardised([7, 7])[0].tolist() == [0.0, 0.0]
