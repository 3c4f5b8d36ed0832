"""What single heads do: look at the token before, at what followed last time, at what a pronoun stands for.

Scores are of one text, ``[layers, heads]``; their mean over texts is the head's score. Whether a score is more than
chance is tested over all texts and all heads at once. A small score can be far beyond chance: a role needs both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from audit.metrics._arrays import FloatArray, IntArray, Seed, as_values, check_positive
from audit.metrics.attention import as_attention, as_weights

NOWHERE = -1
"""In ``targets``: this row looks for nothing."""
# Rounding in sums of some thousand weights; nulls that are equal but for it count as equal.
_ROUNDING = 1e-9


class HeadTest(NamedTuple):
    """The test of each head, all ``[layers, heads]``.

    Attributes:
        scores: the statistic.
        chance: its mean under the null.
        p_values: of each head by itself, one-sided: how often chance does as well.
        adjusted: corrected for all heads: how often the best head of all does as well by chance.
    """

    scores: FloatArray
    chance: FloatArray
    p_values: FloatArray
    adjusted: FloatArray


class _Sums(NamedTuple):
    """Sums over rows with a target: the weight on it ``[heads]``, its moments when drawn, and draws ``[draws, heads]``."""

    shape: tuple[int, ...]
    rows: int
    found: FloatArray
    mean: FloatArray
    variance: FloatArray
    drawn: FloatArray

    def plus(self, other: _Sums) -> _Sums:
        return _Sums(
            self.shape,
            self.rows + other.rows,
            self.found + other.found,
            self.mean + other.mean,
            self.variance + other.variance,
            self.drawn + other.drawn,
        )


def previous_token_scores(attention: npt.ArrayLike) -> FloatArray | None:
    """Mean weight on the position right before, over rows after the first.

    Args:
        attention: ``[layers, heads, tokens, tokens]``, rows summing to 1.

    Returns:
        ``[layers, heads]``, a share from 0 to 1. Even weight gives the mean of 1 / (positions seen). None for fewer than two
        tokens.

    Raises:
        ValueError: as for ``entropy``.
    """
    weights = as_attention(attention, causal=False)
    return induction_scores(weights, previous_targets(weights.shape[-1]))


def induction_scores(attention: npt.ArrayLike, targets: npt.ArrayLike) -> FloatArray | None:
    """Prefix matching score (Olsson et al. 2022, 2209.11895): mean weight on the token after the earlier occurrence.

    Random tokens repeated in the same order are read; an induction head looks from a token of the repetition at the one
    that followed it the first time. ``induction_targets`` finds those. Any other target a row can be scored too.

    Args:
        attention: ``[layers, heads, tokens, tokens]``, rows summing to 1.
        targets: ``[tokens]``, the position that each row is to look at, or -1 (``NOWHERE``).

    Returns:
        ``[layers, heads]``, a share from 0 to 1. Even weight gives the mean of 1 / (positions seen). None without a row
        that has a target, and without layers or heads.

    Raises:
        ValueError: as for ``entropy``; targets that are no positions or not one a token.
    """
    weights = as_attention(attention, causal=False)
    wanted = _as_targets(targets, weights.shape[-1])
    rows = np.flatnonzero(wanted != NOWHERE)
    if not len(rows) or not weights.size:
        return None
    return np.asarray(weights[:, :, rows, wanted[rows]].mean(axis=-1), dtype=np.float64)


def previous_targets(tokens: int) -> IntArray:
    """The position before each of some tokens; the first has none."""
    return np.arange(tokens) - 1


def induction_targets(ids: Sequence[int]) -> IntArray:
    """For each token the position after its last earlier occurrence, where there is one; elsewhere -1.

    Right after one another, ``a a``, the position is the token's own, which says nothing: -1 as well.
    """
    before: dict[int, int] = {}
    found = []
    for place, token in enumerate(ids):
        follower = before.get(token, place) + 1
        found.append(follower if follower < place else NOWHERE)
        before[token] = place
    return np.asarray(found, dtype=np.intp)


def antecedent_scores(
    attention: npt.ArrayLike, pronoun: int, antecedent: Sequence[int], distractor: Sequence[int]
) -> FloatArray | None:
    """Weight from a pronoun to the noun that it stands for, minus that to another noun of its kind.

    Weights on the tokens of one noun are added (Clark et al. 2019, 1906.04341). Take nouns of as many tokens, and as many
    texts in which the antecedent comes first as second: otherwise even weight and mere distance have a preference.

    Args:
        attention: ``[layers, heads, tokens, tokens]``, rows summing to 1.
        pronoun: the position from which is looked: of a word of several tokens its last.
        antecedent, distractor: the positions of the two nouns.

    Returns:
        ``[layers, heads]`` from -1 (all weight on the distractor) over 0 (no preference) to 1. None without layers or heads.

    Raises:
        ValueError: as for ``entropy``; positions that are not in the text, a noun without positions, nouns that overlap.
    """
    weights = as_attention(attention, causal=False)
    places = np.asarray([pronoun, *antecedent, *distractor])
    if not len(antecedent) or not len(distractor) or set(antecedent) & set(distractor):
        raise ValueError("antecedent and distractor must have positions of their own")
    if places.min() < 0 or places.max() >= weights.shape[-1]:
        raise ValueError(f"positions must lie between 0 and {weights.shape[-1] - 1}")
    if not weights.size:
        return None
    row = weights[:, :, pronoun]
    difference = row[..., list(antecedent)].sum(axis=-1) - row[..., list(distractor)].sum(axis=-1)
    return np.asarray(difference, dtype=np.float64)


def head_permutation_test(
    attention: Sequence[npt.ArrayLike],
    targets: Sequence[npt.ArrayLike],
    causal: bool = True,
    permutations: int = 1000,
    seed: Seed = 0,
) -> HeadTest | None:
    """Whether heads put more weight on stated positions than on positions drawn at random, over several texts.

    Statistic: the mean over all rows with a target, of all texts, of the weight on it (``previous_targets``,
    ``induction_targets``). Null: each of these rows looks for a position drawn evenly from all that it sees, independently;
    the weights stay as they are. p = (1 + draws that do as well) / (1 + draws). A head that looks back by a fixed distance,
    whatever stands there, does better than chance where targets lie at that distance: repeat sequences of different lengths.

    Corrected for all heads by the largest of them (Westfall & Young 1993, single-step maxT): scores are set in standard
    deviations of their null, which is known exactly, and each head is compared with the largest of all heads in each draw. All
    heads share the draws, so that their dependence counts. Holm's correction would need more draws than 20 times the heads
    before any head could pass at 0.05. The family-wise error stays below the level, whichever heads have the role.

    Args:
        attention: one ``[layers, heads, tokens, tokens]`` a text, rows summing to 1; tokens may differ between texts.
        targets: one ``[tokens]`` a text: the position that each row is to look at, or -1.
        causal: row i sees positions 0 to i; otherwise all.
        permutations: how many draws, at least 1.
        seed: an int, or a numpy Generator (which it advances).

    Returns:
        Scores from 0 to 1 with their chance, p values and corrected ones from 1 / (1 + draws) to 1. None without texts, layers
        or heads, and where no row has a target.

    Raises:
        ValueError: as for ``induction_scores``; a target that its row does not see; texts of different layers or heads.
    """
    check_positive("permutations", permutations)
    if len(attention) != len(targets):
        raise ValueError(f"lengths differ: attention has {len(attention)}, targets {len(targets)}")
    rng = np.random.default_rng(seed)
    total: _Sums | None = None
    for one, wanted in zip(attention, targets, strict=True):
        part = _sums(one, wanted, causal, permutations, rng)
        if total is not None and total.shape != part.shape:
            raise ValueError(f"texts have different layers or heads: {total.shape} and {part.shape}")
        total = part if total is None else total.plus(part)
    if total is None or not total.rows or not total.found.size:
        return None
    n = total.rows
    return _tested(total.found / n, total.mean / n, total.variance / n**2, total.drawn / n, total.shape)


def head_swap_test(differences: npt.ArrayLike, permutations: int = 1000, seed: Seed = 0) -> HeadTest | None:
    """Whether heads prefer one of two places in a text over the other, over several texts.

    Statistic: the mean over texts of a difference (``antecedent_scores``). Null: which of the two is which is a coin's toss in
    each text, independently, so that the difference changes its sign. A head that picks one of two nouns without
    knowing which has much weight on both, and would pass a test against random positions. p and the correction as in
    ``head_permutation_test``. With few texts no head can pass: p is at least 2 to the power of minus their number.

    Args:
        differences: ``[texts, layers, heads]``.
        permutations: how many draws, at least 1.
        seed: an int, or a numpy Generator (which it advances).

    Returns:
        Mean differences with their chance 0, p values and corrected ones. None without texts, layers or heads.

    Raises:
        ValueError: NaN or infinite or not of three dimensions; ``permutations`` below 1.
    """
    values = as_values("differences", differences, ndim=3)
    check_positive("permutations", permutations)
    if not values.size:
        return None
    texts = len(values)
    flat = values.reshape(texts, -1)
    signs = np.random.default_rng(seed).choice((-1.0, 1.0), size=(permutations, texts))
    variance = (flat**2).sum(axis=0) / texts**2
    return _tested(flat.mean(axis=0), np.zeros(flat.shape[1]), variance, signs @ flat / texts, values.shape[1:])


def _as_targets(targets: npt.ArrayLike, tokens: int) -> IntArray:
    values = as_values("targets", targets)
    if len(values) != tokens:
        raise ValueError(f"targets must hold one position for each of the {tokens} tokens, not {len(values)}")
    places = values.astype(np.intp)
    if (places != values).any() or (places < NOWHERE).any() or (places >= tokens).any():
        raise ValueError(f"targets must hold positions from 0 to {tokens - 1}, or -1")
    return places


def _sums(
    attention: npt.ArrayLike, targets: npt.ArrayLike, causal: bool, permutations: int, rng: np.random.Generator
) -> _Sums:
    """Those of one text."""
    weights = as_attention(attention, causal)
    places = _as_targets(targets, weights.shape[-1])
    rows = np.flatnonzero(places != NOWHERE)
    seen = rows + 1 if causal else np.full(len(rows), weights.shape[-1])
    if (places[rows] >= seen).any():
        raise ValueError("targets holds a position that its row does not see")
    of_rows = weights[:, :, rows].reshape(weights.shape[0] * weights.shape[1], len(rows), weights.shape[-1])
    means = of_rows.sum(axis=-1) / seen
    return _Sums(
        weights.shape[:2],
        len(rows),
        of_rows[:, np.arange(len(rows)), places[rows]].sum(axis=-1),
        means.sum(axis=-1),
        ((of_rows**2).sum(axis=-1) / seen - means**2).sum(axis=-1),
        _drawn(of_rows, seen, permutations, rng),
    )


def _drawn(weights: FloatArray, seen: IntArray, permutations: int, rng: np.random.Generator) -> FloatArray:
    """Sums over rows of the weight on positions drawn from those seen, ``[permutations, heads]``."""
    heads, rows, tokens = weights.shape
    places = (rng.random((permutations, rows)) * seen).astype(np.intp) + np.arange(rows) * tokens
    ends = np.arange(permutations + 1) * rows
    chosen = sparse.csr_array((np.ones(places.size), places.ravel(), ends), shape=(permutations, rows * tokens))
    return np.asarray(chosen @ np.ascontiguousarray(weights.reshape(heads, rows * tokens).T), dtype=np.float64)


def _tested(
    found: FloatArray, mean: FloatArray, variance: FloatArray, drawn: FloatArray, shape: tuple[int, ...]
) -> HeadTest:
    """p values of each head and over all; statistics ``[heads]``, ``drawn`` ``[permutations, heads]``."""
    spread = np.sqrt(np.maximum(variance, 0.0))
    varies = spread > _ROUNDING
    scale = np.where(varies, spread, 1.0)
    score = np.where(varies, (found - mean) / scale, 0.0)
    chance = np.where(varies, (drawn - mean) / scale, 0.0)
    count = 1 + len(drawn)
    alone = (1 + (chance >= score - _ROUNDING).sum(axis=0)) / count
    best = np.sort(chance.max(axis=1))
    over_all = (1 + len(best) - np.searchsorted(best, score - _ROUNDING, side="left")) / count
    return HeadTest(*(np.asarray(a, dtype=np.float64).reshape(shape) for a in (found, mean, alone, over_all)))


def head_effects(attention: npt.ArrayLike, gradients: npt.ArrayLike) -> FloatArray:
    """About what a scalar loses where a head writes nothing: the sum of weight * gradient over a head's rows and columns.

    What a head writes is the sum of weight * value, so that this sum is its output times the gradient by its output: the
    first-order estimate of Michel, Levy & Neubig 2019 (1905.10650, equation 2), here with its sign and for one text.

    Args:
        attention: ``[layers, heads, rows, columns]``, rows summing to 1; among tokens or across.
        gradients: of the scalar by these weights, of the same shape.

    Returns:
        ``[layers, heads]`` in the scalar's unit, of any size: above 0 the head pushes the scalar up, 0 where small changes of
        what it writes change nothing. An estimate: heads that make up for one another have effects that it does not show.

    Raises:
        ValueError: NaN or infinite, wrong or different shapes, negative weights, rows that do not sum to 1.
    """
    weights = as_weights("attention", attention)
    slopes = as_values("gradients", gradients, ndim=4)
    if slopes.shape != weights.shape:
        raise ValueError(f"gradients of shape {list(slopes.shape)} for weights of shape {list(weights.shape)}")
    return np.asarray((weights * slopes).sum(axis=(-2, -1)), dtype=np.float64)
