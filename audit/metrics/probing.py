"""What can be read off hidden states by a line: linear probes tested on texts and people that they have not seen."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from audit.metrics._arrays import FloatArray, IntArray, Seed, as_values, same_length

BoolArray = npt.NDArray[np.bool_]
Fold = tuple[BoolArray, BoolArray]
"""Which rows are learnt from, and which are tested."""


class Probed(NamedTuple):
    """``right[n]``: whether row n was read rightly at the layer that its fold chose; ``by_layer`` ``[layers, n]`` at each.

    ``chosen[f]``: the layer that fold f chose, without looking at its own test.
    """

    right: BoolArray
    by_layer: BoolArray
    chosen: tuple[int, ...]


def wins_from(answer: npt.ArrayLike, contrast: npt.ArrayLike) -> int | None:
    """The first layer from which the answer stays ahead of the contrast to the last layer.

    Args:
        answer, contrast: ``[layers]`` log-probabilities by layer, of one unit.

    Returns:
        From 0 (ahead throughout) to layers - 1; None where it is not ahead at the last layer, or without layers. A tie is
        not ahead.

    Raises:
        ValueError: NaN or infinite values; lengths differ.
    """
    ahead = as_values("answer", answer), as_values("contrast", contrast)
    same_length(answer=ahead[0], contrast=ahead[1])
    behind = np.flatnonzero(ahead[0] <= ahead[1])
    first = int(behind[-1]) + 1 if len(behind) else 0
    return first if first < len(ahead[0]) else None


def dealt(labels: Sequence[Hashable], folds: int, seed: Seed) -> IntArray:
    """The fold of each row ``[n]``: distinct labels dealt evenly at random, so that no label is in two folds."""
    distinct = list(dict.fromkeys(labels))
    order = np.random.default_rng(seed).permutation(len(distinct))
    fold = {distinct[label]: place % folds for place, label in enumerate(order)}
    return np.array([fold[label] for label in labels], dtype=np.intp)


def held_out(*kinds: IntArray) -> list[Fold]:
    """Folds that test on one fold of every kind at once and learn from rows that share none of them with the test.

    Args:
        kinds: ``[n]`` fold numbers from ``dealt``, one array for each thing that must be new in the test.

    Returns:
        One (learnt from, tested) for each combination of fold numbers; each row is tested exactly once.
    """
    n = same_length(**{f"kinds{i}": kind for i, kind in enumerate(kinds)})
    found: list[Fold] = []
    for numbers in np.ndindex(*(int(kind.max(initial=-1)) + 1 for kind in kinds)):
        same = [kind == number for kind, number in zip(kinds, numbers, strict=True)]
        test, train = np.logical_and.reduce(same, axis=0), ~np.logical_or.reduce(same, axis=0)
        if test.any():
            found.append((train, test))
    if sum(int(test.sum()) for _, test in found) != n:
        raise ValueError("every row must be tested once")
    return found


def read_linearly(vectors: npt.ArrayLike, classes: npt.ArrayLike, folds: Sequence[Fold]) -> BoolArray:
    """Whether a linear classifier reads the class of each tested row rightly.

    Logistic regression with an L2 penalty (C = 1) on features standardised by the rows learnt from; fitted in the span of
    these rows, which gives the same classifier as in all dimensions.

    Args:
        vectors: ``[n, width]`` finite numbers.
        classes: ``[n]`` whole numbers.
        folds: pairs of masks ``[n]``; rows that no fold tests come out as False.

    Raises:
        ValueError: NaN or infinite vectors; lengths differ.
    """
    points, labels = as_values("vectors", vectors, 2), np.asarray(classes, dtype=np.intp)
    n = same_length(vectors=points, classes=labels)
    right = np.zeros(n, dtype=np.bool_)
    # Thousands of steps on small matrices: threads would wait for one another longer than they compute.
    with threadpool_limits(1, user_api="blas"):
        for train, test in folds:
            if len(set(labels[train])) < 2:  # what has seen one class alone says that one
                right[test] = np.isin(labels[test], labels[train])
                continue
            scaler = StandardScaler().fit(points[train])
            known = scaler.transform(points[train])
            span = np.linalg.svd(known, full_matrices=False)[2].T
            model = LogisticRegression(max_iter=2000, tol=1e-3).fit(known @ span, labels[train])
            right[test] = model.predict(scaler.transform(points[test]) @ span) == labels[test]
    return right


def probe_layers(
    layers: npt.ArrayLike, classes: npt.ArrayLike, texts: Sequence[Hashable], terms: Sequence[Hashable], seed: int
) -> Probed:
    """Linear probes at several layers, on texts and terms that they have not seen; the layer chosen by inner folds.

    Three folds of texts by two of terms. Within each, the layer is the one that reads best when half of the texts and of
    the terms learnt from are held out in turn, ties to the lower layer, so that no choice is made on what is reported.

    Args:
        layers: ``[layers, n, width]`` finite numbers.
        classes: ``[n]`` whole numbers, each in every fold of terms.
        texts, terms: ``[n]`` labels; none is both learnt from and tested.
        seed: of the folds.

    Raises:
        ValueError: fewer than six distinct texts or four distinct terms; otherwise as ``read_linearly``.
    """
    points, labels = as_values("layers", layers, 3), np.asarray(classes, dtype=np.intp)
    if len(set(texts)) < 6 or len(set(terms)) < 4:
        raise ValueError("at least six texts and four terms are needed")
    outer = held_out(dealt(texts, 3, seed), dealt(terms, 2, seed))
    by_layer = np.stack([read_linearly(point, labels, outer) for point in points])
    right = np.zeros(len(labels), dtype=np.bool_)
    chosen = []
    for number, (train, test) in enumerate(outer):
        rows = np.flatnonzero(train).tolist()
        inner = held_out(
            dealt([texts[i] for i in rows], 2, seed + number + 1), dealt([terms[i] for i in rows], 2, seed + number + 1)
        )
        # Two of the four combinations hold every text and every term out once.
        halves = [inner[0], inner[-1]]
        shares = [read_linearly(point[rows], labels[rows], halves).mean() for point in points]
        chosen.append(int(np.argmax(shares)))
        right[test] = by_layer[chosen[-1], test]
    return Probed(right, by_layer, tuple(chosen))


def control_task(
    vectors: npt.ArrayLike,
    classes: npt.ArrayLike,
    texts: Sequence[Hashable],
    terms: Sequence[Hashable],
    folds: int = 3,
    draws: int = 2,
    seed: int = 0,
) -> tuple[BoolArray, FloatArray]:
    """A probe on new texts about known terms, with the terms' classes and with classes dealt to terms at random.

    The control task of Hewitt & Liang 2019 (arXiv:1909.03368): each term gets a class at random and keeps it. What a probe
    reads of it, it has learnt by heart. Selectivity is the first less the second.

    Args:
        vectors: ``[n, width]``; ``classes``, ``texts`` and ``terms`` ``[n]``; all rows of a term have one class.
        folds: of texts; ``draws``: of random classes, as many terms a class as there are.
        seed: of both.

    Returns:
        ``[n]`` whether the class was read rightly, and ``[n]`` the share of draws whose random class was.

    Raises:
        ValueError: as ``read_linearly``.
    """
    labels = np.asarray(classes, dtype=np.intp)
    split = held_out(dealt(texts, folds, seed))
    distinct = list(dict.fromkeys(terms))
    own = {term: int(label) for term, label in zip(terms, labels, strict=True)}
    stream = np.random.default_rng(seed)
    controls = []
    for _ in range(draws):
        shuffled = stream.permutation([own[term] for term in distinct])
        random = dict(zip(distinct, shuffled.tolist(), strict=True))
        controls.append(read_linearly(vectors, [random[term] for term in terms], split))
    return read_linearly(vectors, labels, split), np.mean(controls, axis=0)
