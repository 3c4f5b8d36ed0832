"""Attention: heads whose entropy, sink, distance and rollout are known."""

from __future__ import annotations

import numpy as np
import pytest

from audit.metrics import DISTANCES, distance_profile, entropy, even_profile, mean_distance, rollout, sink_mass

TOKENS = 5


def uniform() -> np.ndarray:
    lower = np.tril(np.ones((TOKENS, TOKENS)))
    return np.asarray(lower / lower.sum(axis=1, keepdims=True))


def sink() -> np.ndarray:
    return np.eye(TOKENS)[np.zeros(TOKENS, dtype=int)]


def previous() -> np.ndarray:
    return np.eye(TOKENS)[np.maximum(np.arange(TOKENS) - 1, 0)]


HEADS = np.stack([np.stack([uniform(), sink()]), np.stack([previous(), np.eye(TOKENS)])])


def test_known_heads() -> None:
    assert entropy(HEADS) == pytest.approx(np.array([[1, 0], [0, 0]]))
    assert sink_mass(HEADS) == pytest.approx(np.array([[np.mean([1 / 2, 1 / 3, 1 / 4, 1 / 5]), 1], [1 / 4, 0]]))
    # Uniform row i looks i/2 back on average, the sink row i looks i back.
    assert mean_distance(HEADS) == pytest.approx(np.array([[1.25, 2.5], [1, 0]]))


def test_bidirectional_heads() -> None:
    even = np.full((1, 1, 3, 3), 1 / 3)
    assert entropy(even, causal=False) == pytest.approx(np.array([[1.0]]))
    assert sink_mass(even, causal=False) == pytest.approx(np.array([[1 / 3]]))
    assert mean_distance(even, causal=False) == pytest.approx(np.array([[8 / 9]]))


def test_weight_by_distance() -> None:
    found = distance_profile(HEADS)
    assert found is not None
    # Rows 1 to 4. Even weight: at distance 0 and 1 each the mean of 1/2, 1/3, 1/4, 1/5; at 2 and 3 the rest but 1/5 of row 4.
    near = np.mean([1 / 2, 1 / 3, 1 / 4, 1 / 5])
    assert found[0, 0] == pytest.approx(np.array([near, near, 1 - 2 * near - 0.05, 0.05, 0, 0]))
    assert found[0, 1] == pytest.approx(np.array([0, 1 / 4, 2 / 4, 1 / 4, 0, 0]))
    assert found[1, 0] == pytest.approx(np.array([0, 1, 0, 0, 0, 0]))
    assert found[1, 1] == pytest.approx(np.array([1, 0, 0, 0, 0, 0]))
    assert even_profile(TOKENS) == pytest.approx(found[0, 0])


def test_weight_by_distance_on_both_sides() -> None:
    tokens = 40
    far = np.eye(tokens)[np.full(tokens, tokens - 1)][None, None]
    found, even = distance_profile(far, causal=False), even_profile(tokens, causal=False)
    assert found is not None
    assert even is not None
    # The last token is 0 to 39 away: 1, 1, 2, 4, 8 positions and the other 24.
    assert found[0, 0] * tokens == pytest.approx(np.array([1, 1, 2, 4, 8, 24]))
    pairs = np.abs(np.arange(tokens)[:, None] - np.arange(tokens)).ravel()
    assert even == pytest.approx(np.histogram(pairs, [first for first, _ in DISTANCES] + [tokens])[0] / tokens**2)
    assert even_profile(1) is None


def test_rollout_by_hand() -> None:
    one = np.array([[[[1, 0], [0.5, 0.5]]]])
    assert rollout(one) == pytest.approx(np.array([[1, 0], [0.25, 0.75]]))
    two = np.concatenate([one, one])
    assert rollout(two) == pytest.approx(np.array([[1, 0], [0.4375, 0.5625]]))
    # Layers do not commute: the last layer multiplies from the left.
    layers = np.stack([previous()[None], sink()[None]])
    mixed = [(layer[0] + np.eye(TOKENS)) / 2 for layer in layers]
    assert rollout(layers) == pytest.approx(mixed[1] @ mixed[0])


def test_rollout_rows_sum_to_one_and_keep_the_mask() -> None:
    rng = np.random.default_rng(0)
    weights = np.tril(rng.random((6, 4, 9, 9)))
    rolled = rollout(weights / weights.sum(axis=-1, keepdims=True))
    assert rolled is not None
    assert rolled.sum(axis=1) == pytest.approx(np.ones(9))
    assert not np.triu(rolled, 1).any()


def test_golden() -> None:
    weights = np.tril(np.random.default_rng(1).random((2, 1, 4, 4)))
    weights /= weights.sum(axis=-1, keepdims=True)
    rolled, spread = rollout(weights), entropy(weights)
    assert rolled is not None
    assert spread is not None
    assert rolled[-1] == pytest.approx(np.array([0.181022, 0.330358, 0.157739, 0.330881]), abs=1e-6)
    assert spread[:, 0] == pytest.approx(np.array([0.875144, 0.867660]), abs=1e-6)


def test_half_precision_rows_are_accepted_and_brought_back_to_one() -> None:
    rough = HEADS * (1 + 2.0**-9)
    assert sink_mass(rough) == pytest.approx(sink_mass(HEADS))
    assert rollout(rough) == pytest.approx(rollout(HEADS))


def test_order_of_heads_does_not_change_a_rollout() -> None:
    assert rollout(HEADS[:, ::-1]) == pytest.approx(rollout(HEADS))


@pytest.mark.parametrize("metric", [entropy, sink_mass, mean_distance, distance_profile])
def test_one_token_measures_nothing(metric: object) -> None:
    assert callable(metric)
    assert metric(np.ones((2, 3, 1, 1))) is None
    assert metric(np.ones((0, 3, 4, 4))) is None


def test_rollout_of_little() -> None:
    assert rollout(np.ones((2, 3, 1, 1))) == pytest.approx(np.ones((1, 1)))
    assert rollout(np.ones((0, 3, 4, 4))) is None


@pytest.mark.parametrize("metric", [entropy, sink_mass, mean_distance, distance_profile, rollout])
@pytest.mark.parametrize(
    ("attention", "message"),
    [
        (np.full((1, 1, 2, 2), np.nan), "attention holds NaN"),
        (np.full((1, 1, 2, 2), np.inf), "attention holds NaN"),
        (np.eye(2), "attention must have 4"),
        (np.ones((1, 1, 1, 2)), "layers, heads, tokens, tokens"),
        (np.array([[[[1, 0], [1.5, -0.5]]]]), "negative"),
        (np.array([[[[1, 0], [0.5, 0.4]]]]), "sum to 1"),
        (np.full((1, 1, 2, 2), 0.5), "later positions"),
    ],
)
def test_mistakes_are_named(metric: object, attention: np.ndarray, message: str) -> None:
    assert callable(metric)
    with pytest.raises(ValueError, match=message):
        metric(attention)
