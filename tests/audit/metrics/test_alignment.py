"""Alignment error rates: by hand, and against every shuffling."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from audit.metrics import alignment_chance, alignment_error_rate, argmax_links

SURE = {(0, 0), (1, 2), (2, 1)}
POSSIBLE = {(3, 3), (3, 4)}


def test_by_hand() -> None:
    found = alignment_error_rate({(0, 0), (1, 2), (2, 3), (3, 4)}, SURE, POSSIBLE)
    # Two sure links and three possible ones, of four found and three sure.
    assert found is not None
    assert found == pytest.approx((1 - 5 / 7, 3 / 4, 2 / 3))


def test_perfect_and_wrong() -> None:
    assert alignment_error_rate(SURE, SURE) == (0, 1, 1)
    assert alignment_error_rate(SURE | POSSIBLE, SURE, POSSIBLE) == (0, 1, 1)  # possible links cost nothing
    assert alignment_error_rate({(0, 4)}, SURE, POSSIBLE) == (1, 0, 0)
    assert alignment_error_rate([], SURE) == (1, None, 0)
    assert alignment_error_rate({(3, 3)}, [], POSSIBLE) == (0, 1, None)
    assert alignment_error_rate([], [], POSSIBLE) is None


def test_a_corpus_is_counted_together() -> None:
    links = {(0, *link) for link in SURE} | {(1, 0, 1)}
    sure = {(0, *link) for link in SURE} | {(1, 0, 0)}
    assert alignment_error_rate(links, sure) == pytest.approx((1 - 6 / 8, 3 / 4, 3 / 4))


def test_links_of_the_largest_weight() -> None:
    weights = [[0.2, 0.5, 0.3], [0.4, 0.4, 0.2], [0.1, 0.1, 0.8]]
    assert argmax_links(weights) == {(0, 1), (2, 2)}  # a tie is no link
    assert argmax_links(np.full((3, 4), 0.25)) == set()
    assert argmax_links(np.ones((0, 3))) == set()


def test_chance_is_the_mean_over_shufflings() -> None:
    links, sure = [(0, 0), (1, 2), (2, 1), (3, 3)], SURE | {(3, 4)}
    errors = []
    for order in permutations([s for _, s in links]):
        found = alignment_error_rate(set(zip(range(4), order, strict=True)), sure, POSSIBLE)
        assert found is not None
        errors.append(found.error)
    chance = alignment_chance(links, sure, POSSIBLE, 20_000)
    assert chance is not None
    observed = alignment_error_rate(links, sure, POSSIBLE)
    assert observed is not None
    assert chance.error == pytest.approx(np.mean(errors), abs=0.01)
    assert chance.p_value == pytest.approx(np.mean([e <= observed.error + 1e-9 for e in errors]), abs=0.01)


def test_a_translation_is_told_from_a_resting_place() -> None:
    sentences = range(8)
    sure = {(n, t, (t + 1) % 6) for n in sentences for t in range(6)}
    good = alignment_chance(sure, sure)
    assert good is not None
    assert good.p_value == pytest.approx(1 / 1001)
    resting = alignment_chance({(n, t, 5) for n in sentences for t in range(6)}, sure)
    assert resting is not None
    assert resting.p_value == 1  # every shuffling is the same


def test_unrelated_links_pass_at_the_level() -> None:
    rng = np.random.default_rng(0)
    p_values = []
    for _ in range(200):
        sure = {(n, t, int(s)) for n in range(4) for t, s in enumerate(rng.permutation(5))}
        links = {(n, t, int(s)) for n in range(4) for t, s in enumerate(rng.permutation(5))}
        chance = alignment_chance(links, sure, permutations=99, seed=rng)
        assert chance is not None
        p_values.append(chance.p_value)
    assert np.mean(np.array(p_values) <= 0.05) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


@pytest.mark.parametrize(
    ("links", "sure", "message"),
    [
        ([(0, 1)], [(0, 0, 1)], "pairs"),
        ([(0,)], [(0, 1)], "pairs"),
    ],
)
def test_mistakes_are_named(links: list[tuple[int, ...]], sure: list[tuple[int, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        alignment_error_rate(links, sure)
    with pytest.raises(ValueError, match="permutations"):
        alignment_chance([(0, 1)], [(0, 1)], permutations=0)
    with pytest.raises(ValueError, match="negative"):
        argmax_links([[-1.0, 2.0]])
    assert alignment_chance([], [(0, 1)]) is None
