"""Linear probes: what is planted is found, and nothing is read that the test shares with the training."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info, threadpool_limits

from audit.metrics import control_task, dealt, held_out, probe_layers, read_linearly, wins_from

TEXTS, NUMBERS, GROUPS, WIDTH = 8, 4, 3, 40
STREAM = np.random.default_rng(0)
TEXT = np.repeat(np.arange(TEXTS), NUMBERS * GROUPS)
GROUP = np.tile(np.repeat(np.arange(GROUPS), NUMBERS), TEXTS)
NUMBER = np.tile(np.tile(np.arange(NUMBERS), GROUPS), TEXTS)
TERM = GROUP * NUMBERS + NUMBER
N = len(TEXT)


def noise() -> np.ndarray:
    return 0.3 * np.random.default_rng(1).standard_normal((N, WIDTH))


def planted(labels: np.ndarray) -> np.ndarray:
    """Vectors with a direction of its own for each label."""
    return noise() + 2 * np.random.default_rng(2).standard_normal((labels.max() + 1, WIDTH))[labels]


@pytest.mark.parametrize(
    ("answer", "contrast", "expected"),
    [
        ([1, 1, 1], [0, 0, 0], 0),
        ([0, 1, 1], [1, 0, 0], 1),
        ([1, 0, 1], [0, 1, 0], 2),  # ahead, behind, ahead: it counts from where it stays
        ([1, 1, 0], [0, 0, 1], None),
        ([1, 1, 1], [0, 0, 1], None),  # a tie is not ahead
        ([], [], None),
    ],
)
def test_wins_from(answer: list[float], contrast: list[float], expected: int | None) -> None:
    assert wins_from(answer, contrast) == expected


def test_wins_from_refuses() -> None:
    with pytest.raises(ValueError, match="lengths differ"):
        wins_from([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="NaN"):
        wins_from([float("nan")], [1.0])


def test_folds_share_nothing_that_is_held_out() -> None:
    folds = held_out(dealt(TEXT.tolist(), 3, 0), dealt(NUMBER.tolist(), 2, 0))
    assert len(folds) == 6
    assert (sum(test.astype(int) for _, test in folds) == 1).all()
    for train, test in folds:
        assert not set(TEXT[train]) & set(TEXT[test])
        assert not set(NUMBER[train]) & set(NUMBER[test])


def test_it_is_the_classifier_of_all_dimensions() -> None:
    """The span of the rows loses nothing, also where there are more rows than dimensions."""
    folds = held_out(dealt(TEXT.tolist(), 4, 0))
    blurred = planted(GROUP) + 12 * noise()[::-1]
    for vectors in (blurred, np.hstack([blurred, 12 * noise(), 12 * noise()[::-1] ** 2])):
        expected = np.zeros(N, bool)
        for train, test in folds:
            plain = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, tol=1e-6))
            plain.fit(vectors[train], GROUP[train])
            expected[test] = plain.predict(vectors[test]) == GROUP[test]
        assert 0.4 < expected.mean() < 1
        assert (read_linearly(vectors, GROUP, folds) == expected).mean() > 0.97  # the last digits of the optimum differ


def test_a_group_planted_in_one_layer_is_found_there() -> None:
    found = probe_layers([noise(), planted(GROUP), noise()[::-1]], GROUP, TEXT.tolist(), NUMBER.tolist(), 0)
    assert set(found.chosen) == {1}
    assert found.right.all()
    assert found.by_layer[1].all()
    assert found.by_layer[0].mean() < 0.6


@pytest.mark.parametrize("label", [TEXT, TERM])
def test_what_the_test_does_not_share_tells_nothing(label: np.ndarray) -> None:
    """States that hold the text, or the person, but nothing that people of a group have in common."""
    found = probe_layers([planted(label)], GROUP, TEXT.tolist(), NUMBER.tolist(), 0)
    assert found.right.mean() < 0.6


def test_the_control_task_tells_a_group_from_what_is_learnt_by_heart() -> None:
    group, random = control_task(planted(GROUP), GROUP, TEXT.tolist(), TERM.tolist())
    assert group.mean() == 1
    assert random.mean() < 0.75
    known, by_heart = control_task(planted(TERM), GROUP, TEXT.tolist(), TERM.tolist())
    assert known.mean() == pytest.approx(by_heart.mean(), abs=0.05)


def test_the_seed_decides_all() -> None:
    one, two = (probe_layers([noise()], GROUP, TEXT.tolist(), NUMBER.tolist(), seed).right for seed in (3, 3))
    assert (one == two).all()


def test_small_matrices_are_computed_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def blas() -> set[int]:
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    seen, train, fit = [], TEXT < 4, LogisticRegression.fit

    def watched(model: LogisticRegression, *given: np.ndarray) -> LogisticRegression:
        seen.append(blas())
        return fit(model, *given)

    monkeypatch.setattr(LogisticRegression, "fit", watched)
    with threadpool_limits(2, user_api="blas"):
        read_linearly(noise(), GROUP, [(train, ~train)])
        assert blas() == {2}
    assert seen == [{1}]


def test_one_class_alone_and_too_little() -> None:
    train = GROUP == 0
    assert (read_linearly(noise(), GROUP, [(train, ~train)]) == 0).all()
    with pytest.raises(ValueError, match="at least"):
        probe_layers([noise()], GROUP, (TEXT % 5).tolist(), NUMBER.tolist(), 0)
    with pytest.raises(ValueError, match="NaN"):
        read_linearly(noise() * np.nan, GROUP, [(train, ~train)])
