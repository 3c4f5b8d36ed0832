"""Numbers of ``bias.dataset`` that take a prediction: what gives groups away, and which labels look wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from audit.metrics import Estimate, auroc, bootstrap_counts, holm
from audit.results import Measurement
from probes.bias.dataset_items import Attribute, Column, FloatArray, IntArray
from probes.bias.dataset_prediction import Features, Predicted, balanced_accuracy, confusion, contradicted, features
from probes.bias.dataset_prediction import predicted as predict
from probes.bias.dataset_scope import NO_ATTRIBUTE, Scope
from probes.bias.dataset_table_measures import MOST_COLUMNS, NO_LABEL

Associations = list[tuple[str, Estimate, float]]
"""Column, association with an attribute, and its chance level."""
BINS = 10  # levels of a column of numbers, of about as many cases each
NULL_TABLES = 500
NO_COLUMNS = "the table has no other columns that could tell groups apart"
OF_COLUMNS = ("proxy_auroc", "proxy_balanced_accuracy", "column_association")
NO_TEXTS = "there is no column of texts"


def proxies(scope: Scope, associations: Mapping[str, Associations]) -> list[Measurement]:
    """How well the other columns, the single ones and the texts tell the groups of each attribute.

    Args:
        scope: the data set.
        associations: what ``column_associations`` gives, by attribute.
    """
    data = scope.data
    if not data.attributes:
        return [scope.nothing(name, NO_ATTRIBUTE) for name in (*OF_COLUMNS, "text_proxy_auroc")]
    found: list[Measurement] = []
    if data.usable:
        told = [(a, _group_predictions(scope, a, features(data.usable, data.cases))) for a in data.attributes]
        found += _areas(scope, "proxy_auroc", told) + _balanced(scope, told) + _associations(scope, associations)
    else:
        found += [scope.nothing(name, NO_COLUMNS) for name in OF_COLUMNS]
    if not any(data.texts):
        return [*found, scope.nothing("text_proxy_auroc", NO_TEXTS)]
    texts = np.array(data.texts, dtype=np.str_)
    return found + _areas(
        scope, "text_proxy_auroc", [(a, _group_predictions(scope, a, texts)) for a in data.attributes]
    )


def _group_predictions(scope: Scope, attribute: Attribute, given: Features) -> Predicted | None:
    candidates = np.nonzero(np.isin(attribute.codes, attribute.large))[0]
    if len(attribute.large) < 2:
        return None
    return predict(given, attribute.codes, candidates, scope.seed, balanced=True)


def _areas(scope: Scope, name: str, told: list[tuple[Attribute, Predicted | None]]) -> list[Measurement]:
    """Each compared group against the others, Holm-corrected over all of them."""
    rows: list[tuple[str, Estimate, float]] = []
    for attribute, found in told:
        for k, place in enumerate(() if found is None else found.classes.tolist()):
            assert found is not None
            estimate = auroc(found.probabilities[:, k], found.truth == k, level=scope.confidence)
            rows.append((attribute.part(place), estimate, found.chance_auroc))
    if not rows:
        return [scope.nothing(name, f"fewer than two groups have {scope.minimum} cases")]
    adjusted = holm([estimate.p_value for _, estimate, _ in rows])
    return [
        scope.measure(
            name,
            estimate,
            scope.coverage(estimate.n, estimate.n),  # the others were not drawn, or are of groups not compared
            part=part,
            chance=chance,
            p_adjusted=p,
            evidence={"tags.group": part},
        )
        for (part, estimate, chance), p in zip(rows, adjusted, strict=True)
    ]


def _balanced(scope: Scope, told: list[tuple[Attribute, Predicted | None]]) -> list[Measurement]:
    name, measured = "proxy_balanced_accuracy", []
    for attribute, found in told:
        if found is None:
            continue
        estimate = bootstrap_counts(confusion(found), balanced_accuracy, scope.confidence, seed=scope.seed)
        if estimate.low is None and estimate.value is not None:  # no resample differs where every case is told
            estimate = replace(estimate, low=_sure(estimate), high=1.0, method="rule of three (no variation)")
        measured.append(
            scope.measure(
                name,
                estimate,
                scope.coverage(estimate.n, estimate.n),
                part=attribute.name,
                chance=found.chance_balanced,
                evidence={"axis": attribute.name},
            )
        )
    return measured or [scope.nothing(name, f"fewer than two groups have {scope.minimum} cases")]


def _sure(estimate: Estimate) -> float:
    return max(0.0, (estimate.value or 0.0) - 3 / estimate.n)


def levels(column: Column) -> IntArray:
    """The level of each case: of words as they are, of numbers the bin; missing is a level of its own."""
    known = ~column.missing
    codes = np.zeros(len(column.codes), dtype=np.intp)
    if column.kind == "number":
        edges = np.unique(np.quantile(column.codes[known], np.linspace(0, 1, BINS + 1)[1:-1]))
        codes[known] = 1 + np.searchsorted(edges, column.codes[known], side="left")
    else:
        codes[known] = 1 + column.codes[known].astype(np.intp)
    return np.unique(codes, return_inverse=True)[1].astype(np.intp)


def uncertainty_coefficient(counts: IntArray) -> FloatArray:
    """Share of the groups' entropy that a column takes away: I(group; level) / H(group) (Theil 1970).

    ``[..., groups, levels]`` to ``[...]``, from 0 (tells nothing) to 1 (tells every group); NaN with one group alone.
    """
    joint = counts / counts.sum(axis=(-2, -1), keepdims=True)
    groups, columns = joint.sum(axis=-1, keepdims=True), joint.sum(axis=-2, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        mutual = np.where(joint > 0, joint * np.log(joint / (groups * columns)), 0.0).sum(axis=(-2, -1))
        entropy = -np.where(groups > 0, groups * np.log(groups), 0.0).sum(axis=(-2, -1))
        return np.asarray(np.clip(mutual / np.where(entropy > 0, entropy, np.nan), 0.0, 1.0))


def column_associations(scope: Scope, attribute: Attribute) -> Associations:
    """Column, association with the groups that are compared, and its mean where both are shuffled; strongest first."""
    rows: list[tuple[str, Estimate, float]] = []
    kept = np.isin(attribute.codes, attribute.large)
    groups = np.unique(attribute.codes[kept], return_inverse=True)[1]
    for column in scope.data.usable if len(attribute.large) > 1 else ():
        codes = np.unique(levels(column)[kept], return_inverse=True)[1]
        counts = np.zeros((int(groups.max()) + 1, int(codes.max()) + 1), dtype=np.intp)
        np.add.at(counts, (groups, codes), 1)
        rows.append((column.name, *_association(scope, counts)))
    return sorted(rows, key=lambda row: (-(row[1].value or 0.0), row[0]))


def _association(scope: Scope, counts: IntArray) -> tuple[Estimate, float]:
    estimate = bootstrap_counts(counts, uncertainty_coefficient, scope.confidence, 1000, scope.seed, biased=True)
    tables = stats.random_table(counts.sum(axis=1), counts.sum(axis=0))
    drawn = np.asarray(tables.rvs(NULL_TABLES, random_state=np.random.default_rng(scope.seed)), dtype=np.intp)
    null = float(uncertainty_coefficient(drawn).mean())
    if counts.shape[1] < 2 or estimate.value is None:
        return estimate, null
    p = float(stats.chi2_contingency(counts, correction=False).pvalue)
    value = estimate.value
    low, high = (value if end is None else end for end in (estimate.low, estimate.high))
    low = 0.0 if p > 1 - scope.confidence else min(max(0.0, low), value)
    method = f"{estimate.method}; p by chi-square"
    return replace(estimate, low=low, high=max(min(1.0, high), value), p_value=p, method=method), null


def _associations(scope: Scope, associations: Mapping[str, Associations]) -> list[Measurement]:
    """The strongest columns of each attribute, Holm-corrected over all columns of all attributes."""
    rows = [(attribute, *row) for attribute, told in associations.items() for row in told]
    if not rows:
        return [scope.nothing("column_association", f"fewer than two groups have {scope.minimum} cases")]
    adjusted = holm([estimate.p_value for _, _, estimate, _ in rows])
    found, told = [], dict.fromkeys(associations, 0)
    for (attribute, column, estimate, chance), p in zip(rows, adjusted, strict=True):
        told[attribute] += 1
        if told[attribute] <= MOST_COLUMNS:
            found.append(
                scope.measure(
                    "column_association",
                    estimate,
                    scope.coverage(estimate.n, estimate.n),
                    part=f"{attribute}: {column}",
                    chance=chance,
                    p_adjusted=p,
                    evidence={"tags.column": column},
                )
            )
    return found


def label_noise(scope: Scope) -> list[Measurement]:
    """How well labels are predicted, and which share of them a confident prediction contradicts, by group."""
    data = scope.data
    names = ("label_auroc", "label_disagreement", "label_disagreement_gap")
    labelled = np.nonzero(data.label >= 0)[0]
    if not len(labelled):
        return [scope.nothing(name, NO_LABEL) for name in names]
    given: Features | None = None
    if data.usable:
        given = features(data.usable, data.cases)
    elif any(data.texts):
        given = np.array(data.texts, dtype=np.str_)
    if given is None:
        return [scope.nothing(name, "there are no other columns to predict labels from") for name in names]
    found = predict(given, data.label, labelled, scope.seed, balanced=False)
    if found is None:
        return [scope.nothing(name, "one of the two labels is too rare to be predicted") for name in names]
    probability = found.probabilities[:, 1]
    ability = auroc(probability, found.truth, level=scope.confidence)
    suspect, judged = _spread(scope, found, contradicted(probability, found.truth))
    whole = scope.measure("label_auroc", ability, scope.coverage(ability.n, ability.n), chance=found.chance_auroc)
    by_group = scope.group_rates("label_disagreement", suspect, judged, planned=judged)
    if not by_group:
        return [whole, *(scope.nothing(name, NO_ATTRIBUTE) for name in names[1:])]
    return [whole, *by_group, *scope.gaps("label_disagreement_gap", suspect, judged, judged)]


def _spread(scope: Scope, found: Predicted, suspect: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The judgements in the places of the cases, and which cases were judged."""
    flags, judged = (np.zeros(scope.data.cases, dtype=bool) for _ in range(2))
    flags[found.rows], judged[found.rows] = suspect, True
    return flags, judged
