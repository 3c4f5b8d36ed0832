"""Attention followed through the layers: against minimum cuts, loops by hand, and paths that are known."""

from __future__ import annotations

from itertools import chain, combinations

import numpy as np
import pytest

from audit.metrics import (
    attention_flow,
    gradient_weighted,
    gradient_weighted_across,
    norm_rollout,
    norm_weighted,
    rollout,
)

Array = np.ndarray


def drawn(rng: np.random.Generator, *shape: int, causal: bool = False, sharp: float = 0.4) -> Array:
    weights = rng.gamma(sharp, size=shape) + 1e-12
    weights = np.tril(weights) if causal else weights
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def least_cut(weights: Array, source: int, position: int) -> float:
    """The least capacity that parts a token from a position, over all ways to part the nodes."""
    depth, tokens = len(weights), weights.shape[-1]
    capacity = np.zeros(((depth + 1) * tokens,) * 2)
    for layer, heads in enumerate(weights):
        step = (heads.mean(axis=0) + np.eye(tokens)) / 2
        for i in range(tokens):
            for j in range(tokens):
                capacity[layer * tokens + j, (layer + 1) * tokens + i] = step[i, j]
    sink = depth * tokens + position
    others = [n for n in range(len(capacity)) if n not in (source, sink)]
    cuts = []
    for chosen in chain.from_iterable(combinations(others, size) for size in range(len(others) + 1)):
        here = np.isin(np.arange(len(capacity)), [source, *chosen])
        cuts.append(capacity[here][:, ~here].sum())
    return float(min(cuts))


@pytest.mark.parametrize(("layers", "tokens", "causal"), [(2, 3, True), (2, 3, False), (3, 3, True), (4, 2, False)])
def test_flow_is_the_least_cut(layers: int, tokens: int, causal: bool) -> None:
    rng = np.random.default_rng(layers * 10 + tokens)
    weights = drawn(rng, layers, 2, tokens, tokens, causal=causal)
    for position in (0, tokens - 1):
        found = attention_flow(weights, causal, position)
        expected = [least_cut(weights, source, position) for source in range(tokens)]
        assert found == pytest.approx(np.array(expected), abs=4e-6)


def test_flow_where_the_way_is_known() -> None:
    itself = np.eye(4)[None, None]
    assert attention_flow(np.repeat(itself, 3, axis=0), True, 2) == pytest.approx(np.array([0, 0, 1, 0]))
    # Token 0 reaches token 1 in the first layer only, through an edge of one half, and token 2 then in the second.
    first = np.array([[1, 0, 0], [1, 0, 0], [0, 0, 1]])[None]
    second = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0]])[None]
    found = attention_flow(np.stack([first, second]), True, 2)
    assert found == pytest.approx(np.array([0.5, 0.5, 0.5]), abs=1e-6)


def test_no_less_flows_than_rollout_sends() -> None:
    weights = drawn(np.random.default_rng(3), 5, 3, 12, 12, causal=True)
    found, rolled = attention_flow(weights, True, 11), rollout(weights)
    assert found is not None
    assert rolled is not None
    assert (found >= rolled[11] - 1e-5).all()
    assert (found <= 1).all()


def test_flow_of_much_and_of_little() -> None:
    assert attention_flow(np.eye(65)[None, None], True, 64) is None
    assert attention_flow(np.ones((0, 2, 3, 3)), True, 0) is None
    for position in (-1, 3):
        with pytest.raises(ValueError, match="position"):
            attention_flow(np.eye(3)[None, None], True, position)
    with pytest.raises(ValueError, match="later positions"):
        attention_flow(np.full((1, 1, 2, 2), 0.5), True, 1)


def test_relevancy_by_hand() -> None:
    rng = np.random.default_rng(4)
    weights, slopes = drawn(rng, 2, 3, 4, 4), rng.normal(size=(2, 3, 4, 4))
    steps = []
    for heads, rises in zip(weights, slopes, strict=True):
        raised = [np.clip(weight * rise, 0, None) for weight, rise in zip(heads, rises, strict=True)]
        steps.append(np.mean(raised, axis=0))
    identity = np.eye(4)
    expected = (identity + steps[1]) @ (identity + steps[0]) - identity
    assert gradient_weighted(weights, slopes) == pytest.approx(expected)
    assert gradient_weighted(weights[:1], slopes[:1]) == pytest.approx(steps[0])


def test_only_what_raises_the_answer_is_relevant() -> None:
    weights = drawn(np.random.default_rng(5), 3, 2, 4, 4, causal=True)
    assert gradient_weighted(weights, np.zeros_like(weights)) == pytest.approx(np.zeros((4, 4)))
    assert gradient_weighted(weights, -np.ones_like(weights)) == pytest.approx(np.zeros((4, 4)))
    slopes = np.zeros_like(weights)
    slopes[2, 1, 3, 1] = 2.0
    found = gradient_weighted(weights, slopes)
    assert found is not None
    assert found[3, 1] == pytest.approx(weights[2, 1, 3, 1])  # twice the weight, a mean over two heads
    assert np.count_nonzero(found) == 1


def across_by_loops(encoder: Array, decoder: Array, cross: Array) -> Array:
    """The paper's update rules with the mean over heads taken before, one number at a time."""
    tokens, sources = cross.shape[1:]
    qq, ss, sq = np.eye(sources), np.eye(tokens), np.zeros((tokens, sources))
    for step in encoder:
        qq = qq + np.einsum("ij,jk->ik", step, qq)

    def normalised(relevancy: Array) -> Array:
        rest = relevancy - np.eye(len(relevancy))
        return np.array([row / row.sum() if row.sum() else row for row in rest]) + np.eye(len(relevancy))

    for own, other in zip(decoder, cross, strict=True):
        sq = sq + np.einsum("ij,jk->ik", own, sq)
        ss = ss + np.einsum("ij,jk->ik", own, ss)
        sq = sq + np.einsum("ji,jk,kl->il", normalised(ss), other, normalised(qq))
    return sq


def test_relevancy_across_by_hand() -> None:
    rng = np.random.default_rng(6)
    shapes = {"encoder": (3, 2, 5, 5), "decoder": (2, 2, 4, 4), "cross": (2, 2, 4, 5)}
    weights = {name: drawn(rng, *shape, causal=name == "decoder") for name, shape in shapes.items()}
    slopes = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    steps = {name: np.clip(weights[name] * slopes[name], 0, None).mean(axis=1) for name in shapes}
    pairs = {name: (weights[name], slopes[name]) for name in shapes}
    found = gradient_weighted_across(pairs["encoder"], pairs["decoder"], pairs["cross"])
    assert found == pytest.approx(across_by_loops(*steps.values()))
    # With rows of the answer alone: the start token's row and the last one look at nothing.
    steps["cross"][:, [0, 3]] = 0
    less = (weights["cross"][:, :, 1:3], slopes["cross"][:, :, 1:3])
    found = gradient_weighted_across(pairs["encoder"], pairs["decoder"], less, 1)
    assert found == pytest.approx(across_by_loops(*steps.values())[1:3])


def test_relevancy_across_of_nothing_and_mistakes() -> None:
    def pair(*shape: int) -> tuple[Array, Array]:
        return np.full(shape, 1 / shape[-1]), np.ones(shape)

    encoder, decoder, cross = pair(1, 1, 3, 3), pair(2, 1, 2, 2), pair(2, 1, 2, 3)
    nothing = [(weights, -slopes) for weights, slopes in (encoder, decoder, cross)]
    assert gradient_weighted_across(nothing[0], nothing[1], nothing[2]) == pytest.approx(np.zeros((2, 3)))
    assert gradient_weighted_across(encoder, decoder, pair(2, 1, 0, 3)) is None
    for wrong in (
        (encoder, decoder, pair(1, 1, 2, 3)),
        (encoder, decoder, pair(2, 1, 2, 4)),
        (pair(1, 1, 2, 2), decoder, cross),
    ):
        with pytest.raises(ValueError, match="do not go together"):
            gradient_weighted_across(*wrong)
    with pytest.raises(ValueError, match="do not go together"):
        gradient_weighted_across(encoder, decoder, cross, 1)


def test_a_long_look_at_a_short_vector_is_little() -> None:
    weights = np.array([[[[1, 0], [0.9, 0.1]]]])
    assert norm_weighted(weights, np.array([[[0.1, 3]]])) == pytest.approx(np.array([[[[0.1, 0], [0.09, 0.3]]]]))
    across = np.array([[[[0.5, 0.25, 0.25]]]])
    assert norm_weighted(across, np.array([[[2, 0, 4]]])) == pytest.approx(np.array([[[[1, 0, 1]]]]))


def test_rollout_of_norms_by_hand() -> None:
    weights = drawn(np.random.default_rng(7), 2, 3, 4, 4, causal=True)
    norms = np.random.default_rng(8).random((2, 3, 4))
    expected = np.eye(4)
    for layer, lengths in zip(weights, norms, strict=True):
        added = sum(head * length for head, length in zip(layer, lengths, strict=True))
        assert isinstance(added, np.ndarray)
        expected = (added / added.sum(axis=1)[:, None] + np.eye(4)) / 2 @ expected
    found = norm_rollout(weights, norms)
    assert found == pytest.approx(expected)
    assert found is not None
    assert found.sum(axis=1) == pytest.approx(np.ones(4))
    # Vectors of one length leave a mean over heads: the rollout of the weights.
    assert norm_rollout(weights, np.ones((2, 3, 4))) == pytest.approx(rollout(weights))
    # Heads that add nothing pass on what came.
    assert norm_rollout(weights, np.zeros((2, 3, 4))) == pytest.approx(np.eye(4))
    assert norm_rollout(np.ones((0, 3, 4, 4)), np.ones((0, 3, 4))) is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda w: gradient_weighted(w, np.ones((1, 1, 2, 3))), "gradients have the shape"),
        (lambda w: gradient_weighted(w, np.full_like(w, np.nan)), "gradients holds NaN"),
        (lambda w: gradient_weighted(w * 2, w), "sum to 1"),
        (lambda w: norm_weighted(w, np.ones((1, 1, 3))), "norms must be"),
        (lambda w: norm_weighted(w, -np.ones((1, 1, 2))), "negative lengths"),
        (lambda w: norm_weighted(w, np.full((1, 1, 2), np.inf)), "norms holds NaN"),
        (lambda w: norm_rollout(w[..., ::-1], np.ones((1, 1, 2))), "later positions"),
    ],
)
def test_mistakes_are_named(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=message):
        call(np.eye(2)[None, None])
