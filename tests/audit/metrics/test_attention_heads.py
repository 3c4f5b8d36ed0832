"""Heads of which is known what they do are found, and heads that do nothing are not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from audit.metrics import (
    antecedent_scores,
    head_effects,
    head_permutation_test,
    head_swap_test,
    induction_scores,
    induction_targets,
    previous_targets,
    previous_token_scores,
)

Array = np.ndarray
IDS = [5, 3, 8, 1, 9, 5, 3, 8, 1, 9]  # five tokens, repeated


def random_heads(rng: np.random.Generator, heads: int, tokens: int, causal: bool = True) -> Array:
    """Heads without a role, ``[1, heads, tokens, tokens]``: few large weights, anywhere."""
    weights = rng.gamma(0.3, size=(1, heads, tokens, tokens)) + 1e-12
    weights = np.tril(weights) if causal else weights
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def even_head(tokens: int) -> Array:
    lower = np.tril(np.ones((tokens, tokens)))
    return np.asarray(lower / lower.sum(axis=1, keepdims=True))


def looking_at(targets: Sequence[int] | Array, share: float) -> Array:
    """A head with a share of its weight on the targets, and the rest spread evenly over what each row sees."""
    head = even_head(len(targets)) * (1 - share)
    for row, place in enumerate(targets):
        head[row, place if place >= 0 else row] += share
    return head


def test_scores_by_hand() -> None:
    weights = np.stack([looking_at(previous_targets(10), 0.6), looking_at(induction_targets(IDS), 0.5)])[None]
    rows = np.arange(1, 10)
    even = (1 / (rows + 1)).mean()
    previous = previous_token_scores(weights)
    assert previous is not None
    assert previous[0, 0] == pytest.approx(0.6 + 0.4 * even)
    assert induction_targets(IDS).tolist() == [-1, -1, -1, -1, -1, 1, 2, 3, 4, 5]
    copied = induction_scores(weights, induction_targets(IDS))
    assert copied is not None
    assert copied[0, 1] == pytest.approx(0.5 + 0.5 * np.mean([1 / (row + 1) for row in range(5, 10)]))


def test_the_last_earlier_occurrence_counts() -> None:
    assert induction_targets([7, 4, 7, 6, 7]).tolist() == [-1, -1, 1, -1, 3]
    assert induction_targets([7, 7, 7]).tolist() == [-1, -1, -1]
    assert induction_targets([]).tolist() == []


def test_an_antecedent_of_two_tokens() -> None:
    row = np.array([0.1, 0.3, 0.2, 0.25, 0.05, 0.1])
    weights = np.tile(row, (2, 1, 6, 1))
    assert antecedent_scores(weights, 5, [1, 2], [3, 4]) == pytest.approx(np.full((2, 1), 0.5 - 0.3))
    assert antecedent_scores(weights, 5, [3, 4], [1, 2]) == pytest.approx(np.full((2, 1), -0.2))
    assert antecedent_scores(np.tile(np.full(6, 1 / 6), (2, 1, 6, 1)), 5, [1], [3]) == pytest.approx(np.zeros((2, 1)))


def test_planted_heads_are_found_and_others_are_not() -> None:
    rng = np.random.default_rng(0)
    texts, previous, copied = [], [], []
    for tokens in (14, 18, 22, 26):
        half = rng.permutation(100)[: tokens // 2].tolist()
        targets = induction_targets(half + half)
        planted = np.stack([
            looking_at(previous_targets(tokens), 0.5), looking_at(targets, 0.5), even_head(tokens),
            looking_at(np.zeros(tokens, dtype=int), 0.9),
        ])[None]  # fmt: skip
        texts.append(np.concatenate([planted, random_heads(rng, 60, tokens)], axis=1))
        previous.append(previous_targets(tokens))
        copied.append(targets)
    for targets_of, planted_at in ((previous, 0), (copied, 1)):
        found = head_permutation_test(texts, targets_of)
        assert found is not None
        assert found.scores.shape == (1, 64)
        assert np.flatnonzero(found.adjusted[0] < 0.05).tolist() == [planted_at]
        assert found.p_values[0, planted_at] == pytest.approx(1 / 1001)
        assert found.p_values[0, 2] == 1  # the even head has its chance level, whatever is drawn
        assert found.scores[0, 2] == pytest.approx(found.chance[0, 2])
        assert (found.adjusted >= found.p_values).all()


def test_scores_and_chance_of_the_test_are_the_means_over_rows() -> None:
    rng = np.random.default_rng(1)
    texts = [random_heads(rng, 3, tokens) for tokens in (6, 9)]
    targets = [np.array([-1, 0, -1, 2, 1, -1]), np.array([-1, -1, 0, 0, 3, 1, -1, 2, 8])]
    found = head_permutation_test(texts, targets, permutations=20_000)
    assert found is not None
    rows = [(w[0][:, r], t[r], r) for w, t in zip(texts, targets, strict=True) for r in range(len(t)) if t[r] >= 0]
    assert found.scores[0] == pytest.approx(np.mean([w[:, t] for w, t, _ in rows], axis=0))
    assert found.chance[0] == pytest.approx(np.mean([w[:, : r + 1].mean(axis=1) for w, _, r in rows], axis=0))
    # The same p values with draws made one by one.
    draws = np.array([np.mean([w[:, rng.integers(r + 1)] for w, _, r in rows], axis=0) for _ in range(4000)])
    assert found.p_values[0] == pytest.approx((draws >= found.scores[0]).mean(axis=0), abs=0.03)


@pytest.mark.parametrize("causal", [True, False])
def test_heads_without_a_role_pass_at_the_level(causal: bool) -> None:
    rng = np.random.default_rng(2)
    alone, any_of_them, repeats = [], [], 200
    for _ in range(repeats):
        texts = [random_heads(rng, 12, 12, causal) for _ in range(3)]
        found = head_permutation_test(texts, [previous_targets(12)] * 3, causal, permutations=199, seed=rng)
        assert found is not None
        alone.append((found.p_values < 0.05).mean())
        any_of_them.append((found.adjusted < 0.05).any())
    assert np.mean(alone) == pytest.approx(0.05, abs=0.02)
    assert np.mean(any_of_them) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / repeats)


def test_a_preferred_noun_is_found_and_a_tossed_one_is_not() -> None:
    rng = np.random.default_rng(3)
    repeats, texts = 200, 24
    alarms = []
    for _ in range(repeats):
        tossed = rng.choice((-0.9, 0.9), size=(texts, 2, 10))  # all weight on either noun, without knowing which
        found = head_swap_test(tossed, 199, rng)
        assert found is not None
        alarms.append((found.adjusted < 0.05).any())
    assert np.mean(alarms) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / repeats)
    tossed[:, 1, 4] = 0.05 + 0.02 * rng.standard_normal(texts)
    found = head_swap_test(tossed)
    assert found is not None
    assert np.argwhere(found.adjusted < 0.05).tolist() == [[1, 4]]
    assert found.scores[1, 4] == pytest.approx(tossed[:, 1, 4].mean())
    assert head_swap_test(-np.abs(tossed)) is not None
    assert head_swap_test(-np.abs(tossed)).p_values.min() == 1  # type: ignore[union-attr]


def test_four_texts_are_too_few_to_tell() -> None:
    found = head_swap_test(np.ones((4, 1, 1)), 4000)
    assert found is not None
    assert found.p_values[0, 0] == pytest.approx(1 / 16, abs=0.02)


def test_nothing_to_test() -> None:
    assert head_permutation_test([], []) is None
    assert head_permutation_test([np.eye(3)[None, None]], [[-1, -1, -1]]) is None
    assert head_swap_test(np.ones((0, 2, 2))) is None
    assert previous_token_scores(np.ones((1, 1, 1, 1))) is None
    assert induction_scores(np.eye(3)[None, None], [-1, -1, -1]) is None
    assert previous_token_scores(np.ones((0, 3, 4, 4))) is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda w: induction_scores(w, [-1, 0]), "one position for each"),
        (lambda w: induction_scores(w, [-1, 0, 3]), "positions from 0 to 2"),
        (lambda w: induction_scores(w, [-1, 0, 0.5]), "positions from 0 to 2"),
        (lambda w: induction_scores(w, [-2, 0, 1]), "positions from 0 to 2"),
        (lambda w: antecedent_scores(w, 2, [0], [3]), "between 0 and 2"),
        (lambda w: antecedent_scores(w, 2, [], [1]), "positions of their own"),
        (lambda w: antecedent_scores(w, 2, [0, 1], [1]), "positions of their own"),
        (lambda w: head_permutation_test([w], [[-1, 2, 1]]), "does not see"),
        (lambda w: head_permutation_test([w, w[:, :0]], [[-1, 0, 1]] * 2), "different layers or heads"),
        (lambda w: head_permutation_test([w], []), "lengths differ"),
        (lambda w: head_permutation_test([w], [[-1, 0, 1]], permutations=0), "permutations"),
        (lambda w: head_swap_test(np.full((2, 1, 1), np.nan)), "NaN"),
        (lambda w: previous_token_scores(w * 2), "sum to 1"),
    ],
)
def test_mistakes_are_named(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=message):
        call(np.eye(3)[None, None])


def test_effect_is_what_the_head_writes_times_the_slope_of_the_scalar_by_it() -> None:
    """One head writes o = A v and the scalar is u o: its effect is u o, to the digit, and doubles with the slope."""
    stream = np.random.default_rng(0)
    weights = stream.dirichlet(np.ones(5), size=(2, 3, 5))
    values, slopes = stream.normal(size=(2, 3, 5)), stream.normal(size=(2, 3, 5))
    gradients = slopes[..., :, None] * values[..., None, :]  # of the scalar by each weight
    written = np.einsum("lhij,lhj->lhi", weights, values)
    expected = (slopes * written).sum(axis=-1)
    assert head_effects(weights, gradients) == pytest.approx(expected)
    assert head_effects(weights, 2 * gradients) == pytest.approx(2 * expected)
    assert not head_effects(weights, np.zeros_like(weights)).any()


def test_effect_of_attention_across() -> None:
    weights = np.array([[[[0.25, 0.75, 0.0]]]])
    assert head_effects(weights, [[[[4.0, -2.0, 9.0]]]]) == pytest.approx(np.array([[-0.5]]))


@pytest.mark.parametrize(
    ("weights", "gradients", "told"),
    [
        (np.full((1, 1, 2, 2), 0.5), np.zeros((1, 1, 2, 3)), "shape"),
        (np.full((1, 1, 2, 2), 0.5), np.full((1, 1, 2, 2), np.nan), "NaN"),
        (np.full((1, 1, 2, 2), 0.7), np.zeros((1, 1, 2, 2)), "sum to 1"),
        (np.full((1, 2, 2), 0.5), np.zeros((1, 2, 2)), "dimension"),
    ],
)
def test_effect_of_what_is_no_attention(weights: object, gradients: object, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        head_effects(weights, gradients)  # type: ignore[arg-type]
