"""Predicting a column from the others, out of fold: who belongs to a group, and which labels a prediction contradicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline

from probes.bias.dataset_items import Column, FloatArray, IntArray
from probes.bias.group_fairness_cases import drawn

MOST_CASES = 1000  # of each class; more narrow the interval little and cost minutes
FOLDS = 5
SHUFFLES = 2  # predictions of shuffled values, whose mean is the chance level
MOST_WORDS = 5000
Features = FloatArray | NDArray[np.str_]


@dataclass(frozen=True)
class Predicted:
    """Out-of-fold predictions of cases.

    ``probabilities[i, k]``: that the case in place ``rows[i]`` is of the class ``classes[k]``; ``truth[i]``: the place of
    its class in ``classes``. The chance levels are those of shuffled classes.
    """

    rows: IntArray
    classes: IntArray
    truth: IntArray
    probabilities: FloatArray
    chance_auroc: float
    chance_balanced: float


def features(columns: Sequence[Column], many: int) -> FloatArray:
    """The columns beside one another, ``[many, columns]``, NaN where a cell is missing."""
    return np.stack([c.codes for c in columns], axis=1) if columns else np.zeros((many, 0))


def balanced_accuracy(counts: IntArray) -> FloatArray:
    """Mean over classes of the share predicted rightly, ``[..., true classes, predicted]`` to ``[...]``, 0 to 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.mean(np.diagonal(counts, axis1=-2, axis2=-1) / counts.sum(axis=-1), axis=-1))


def confusion(found: Predicted) -> IntArray:
    """How often each class was predicted as each, ``[true classes, predicted]``."""
    classes = found.probabilities.shape[1]
    counts = np.zeros((classes, classes), dtype=np.intp)
    np.add.at(counts, (found.truth, found.probabilities.argmax(axis=1)), 1)
    return counts


def predicted(given: Features, truth: IntArray, candidates: IntArray, seed: int, balanced: bool) -> Predicted | None:
    """Each case's class as a model says that was fitted on other cases; None where a class has too few for that.

    Columns are put to gradient-boosted trees, which take missing cells as they are; texts to a logistic regression on
    the weights of their words. The chance level is what the same gives on shuffled classes.

    Args:
        given: ``[n, columns]`` numbers, or ``[n]`` texts.
        truth: ``[n]`` classes from 0 on, each of which occurs among the candidates.
        candidates: places of the cases that may be predicted; at most ``MOST_CASES`` of each class are drawn.
        seed: of the draw, the folds, the shuffles and the trees.
        balanced: whether classes count alike when the model is fitted, however many cases they have.
    """
    rows = _drawn(candidates, truth, seed, balanced)
    classes, inside = np.unique(truth[rows], return_inverse=True)
    if len(classes) < 2 or np.bincount(inside).min() < 2 * FOLDS:
        return None
    stream = np.random.default_rng(seed)
    shown = given[rows]
    probabilities = out_of_fold(shown, inside, seed, balanced)
    shuffles = []
    for _ in range(SHUFFLES):
        mixed = stream.permutation(inside)
        null = Predicted(rows, classes, mixed, out_of_fold(shown, mixed, seed, balanced), 0.0, 0.0)
        areas = [roc_auc_score(mixed == k, null.probabilities[:, k]) for k in range(len(classes))]
        shuffles.append((float(np.mean(areas)), float(balanced_accuracy(confusion(null)))))
    area, share = np.mean(shuffles, axis=0)
    return Predicted(rows, classes, inside.astype(np.intp), probabilities, float(area), float(share))


def _drawn(candidates: IntArray, truth: IntArray, seed: int, balanced: bool) -> IntArray:
    """Places of the cases that are predicted.

    Where classes count alike, each has its own limit, so that rare ones stay whole; otherwise they keep their shares.
    """
    classes = np.unique(truth[candidates])
    if not balanced:
        return candidates[drawn(len(candidates), MOST_CASES * len(classes), seed)]
    each = [candidates[truth[candidates] == k] for k in classes]
    return np.sort(np.concatenate([rows[drawn(len(rows), MOST_CASES, seed)] for rows in each]))


def out_of_fold(given: Features, truth: IntArray, seed: int, balanced: bool) -> FloatArray:
    """``[n, classes]`` probabilities of each case's classes, by a model that was fitted on the other folds."""
    found = np.zeros((len(truth), int(truth.max()) + 1))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for fitted, left in folds.split(np.zeros(len(truth)), truth):
        model = _model(given, balanced, seed).fit(given[fitted], truth[fitted])
        found[left] = model.predict_proba(given[left])
    return found


def _model(given: Features, balanced: bool, seed: int) -> Any:
    weight = "balanced" if balanced else None
    if given.ndim == 1:
        words = TfidfVectorizer(max_features=MOST_WORDS, sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
        return make_pipeline(words, LogisticRegression(class_weight=weight, max_iter=1000))
    return HistGradientBoostingClassifier(
        max_iter=40, max_leaf_nodes=8, class_weight=weight, early_stopping=False, random_state=seed
    )


def contradicted(probability: FloatArray, label: IntArray) -> NDArray[np.bool_]:
    """Which labels a confident prediction contradicts: the off-diagonal of the confident joint (Northcutt et al. 2021).

    A case is confidently of a class where its probability of it is at least the mean probability that the cases with
    that label have of it; of two such classes it is the likelier one (arXiv:1911.00068, equations 1 and 2).

    Args:
        probability: ``[n]`` out-of-fold probability of label 1.
        label: ``[n]`` labels, 0 or 1, each of which occurs.
    """
    classes = np.stack([1 - probability, probability], axis=1)
    thresholds = np.array([classes[label == k, k].mean() for k in (0, 1)])
    confident = classes >= thresholds
    likeliest = np.where(confident, classes, -1.0).argmax(axis=1)
    return np.asarray(confident.any(axis=1) & (likeliest != label))
