"""How far two sets of texts differ in themselves: what a classifier makes of their words that never saw a model."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler

FOLDS = 5
FEWEST = 2 * FOLDS  # clusters of each label below which nothing is learnt from them
Floats: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.intp]


def compressed(text: str) -> int:
    """The bytes that zlib makes of a text."""
    return len(zlib.compress(text.encode()))


def blind_scores(texts: Sequence[str], label: Sequence[bool], clusters: Sequence[str], seed: int) -> Floats | None:
    """A score for each text from its words alone, by a classifier that learnt from the other texts and saw no model.

    Where it tells members from non-members, the two sets differ in themselves, and an attack that does no better may have
    seen that and nothing else (Das et al. 2024, arXiv:2406.16201; Meeus et al. 2024, arXiv:2406.17975). Logistic regression on
    words weighted by tf-idf and on plain numbers (length, length of words, compressibility, digits, capitals), in five
    folds that keep clusters together.

    Args:
        texts: ``[n]``.
        label: ``[n]``; whether it is a member.
        clusters: ``[n]`` labels; texts of one are never learnt from and scored at once.
        seed: of the folds.

    Returns:
        ``[n]`` log-odds of being a member, each from texts of other folds; None with fewer than ten clusters of a label.
    """
    labels = np.asarray(label, dtype=np.float64)
    codes = np.unique([str(c) for c in clusters], return_inverse=True)[1]
    if min(len(np.unique(codes[labels == side])) for side in (0, 1)) < FEWEST:
        return None
    numbers = np.array([_plain_numbers(text) for text in texts])
    found = np.zeros(len(texts))
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for learnt, tested in folds.split(numbers, labels, codes):
        found[tested] = _read_blindly(texts, numbers, labels, learnt, tested)
    return found


def _read_blindly(texts: Sequence[str], numbers: Floats, labels: Floats, learnt: Places, tested: Places) -> Floats:
    if len(np.unique(labels[learnt])) < 2:  # large clusters may leave one label only
        return np.zeros(len(tested))
    words = TfidfVectorizer(sublinear_tf=True, token_pattern=r"\w+|[^\w\s]")
    scaler = StandardScaler().fit(numbers[learnt])

    def features(rows: Places, counted: csr_matrix) -> csr_matrix:
        return hstack([counted, scaler.transform(numbers[rows])], format="csr")

    known = features(learnt, words.fit_transform([texts[i] for i in learnt]))
    model = LogisticRegression(max_iter=1000).fit(known, labels[learnt])
    scores: Floats = model.decision_function(features(tested, words.transform([texts[i] for i in tested])))
    return scores


def _plain_numbers(text: str) -> list[float]:
    count, size = max(1, len(text.split())), max(1, len(text))
    packed = compressed(text) / max(1, len(text.encode()))
    return [
        math.log(count),
        size / count,
        packed,
        sum(c.isdigit() for c in text) / size,
        sum(c.isupper() for c in text) / size,
    ]
