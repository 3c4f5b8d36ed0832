"""Numbers of ``bias.dataset`` on the columns of a table: who is in it, with which labels, and what is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy import stats

from audit.metrics import Estimate, bootstrap_counts, holm, rate
from audit.results import Measurement
from probes.bias.dataset_items import Attribute, FloatArray, IntArray
from probes.bias.dataset_scope import NO_ATTRIBUTE, Scope

Reference = Mapping[str, Mapping[str, float]]
DRAWS = 2000
MOST_COLUMNS = 5  # columns told of for each attribute; the records hold the others
NO_LABEL = "the table has no column of labels"


def representation(scope: Scope, reference: Reference) -> list[Measurement]:
    """Share of each group, and how far the shares of an attribute are from those of the reference.

    Raises:
        ValueError: where the reference names an attribute that is no sensitive column.
    """
    if not scope.data.attributes:
        return [scope.nothing(name, NO_ATTRIBUTE) for name in ("group_share", "representation_distance")]
    names = {a.name for a in scope.data.attributes}
    strange = next((name for name in reference if name not in names), None)
    if strange is not None:
        raise ValueError(f"reference names {strange}, which is none of the sensitive columns ({', '.join(names)})")
    rows = [row for a in scope.data.attributes for row in _shares(scope, a, reference.get(a.name))]
    adjusted = holm([p for *_, p in rows])
    found = [
        scope.measure(
            "group_share",
            estimate,
            scope.coverage(estimate.n),
            part=part,
            chance=expected,
            p_adjusted=p,
            evidence={"tags.group": part},
        )
        for (part, estimate, expected, _), p in zip(rows, adjusted, strict=True)
    ]
    given = [a for a in scope.data.attributes if a.name in reference]
    if not given:
        return [*found, scope.nothing("representation_distance", "no reference shares were given")]
    distances = [(a.name, *_distance(scope, a, reference[a.name])) for a in given]
    return found + scope.corrected("representation_distance", distances, scope.coverage(scope.data.cases))


def _compared(attribute: Attribute, shares: Mapping[str, float] | None) -> tuple[list[str], IntArray]:
    """The groups that are set against one another, and how many cases each has.

    With a reference those that it names, whether they are in the data or not; without one, all that are known.
    """
    known = [n for i, n in enumerate(attribute.names) if attribute.known[attribute.codes == i].any()]
    names = known if shares is None else sorted(shares)
    sizes = dict(zip(attribute.names, np.bincount(attribute.codes, minlength=len(attribute.names)), strict=True))
    return names, np.array([sizes.get(name, 0) for name in names], dtype=np.intp)


def _shares(
    scope: Scope, attribute: Attribute, shares: Mapping[str, float] | None
) -> list[tuple[str, Estimate, float, float | None]]:
    """Slice, share, expected share (of the reference, or an even one) and p value against the reference."""
    names, sizes = _compared(attribute, shares)
    total = int(sizes.sum())
    rows: list[tuple[str, Estimate, float, float | None]] = []
    for name, size in zip(names, sizes.tolist(), strict=True):
        estimate = rate(np.arange(total) < size, None, scope.confidence)
        expected = 1 / len(names) if shares is None else shares[name]
        p = float(stats.binomtest(size, total, expected).pvalue) if shares is not None and total else None
        rows.append((f"{attribute.name}: {name}", replace(estimate, p_value=p), expected, p))
    return rows


def _distance(scope: Scope, attribute: Attribute, shares: Mapping[str, float]) -> tuple[Estimate, float | None]:
    """Total variation distance of the groups' shares to the reference, and what a sample of the reference would show."""
    names, sizes = _compared(attribute, shares)
    expected = np.array([shares[name] for name in names])
    expected = expected / expected.sum()

    def distance(counts: IntArray) -> FloatArray:
        return np.asarray(np.abs(counts / counts.sum(axis=-1, keepdims=True) - expected).sum(axis=-1) / 2)

    estimate = bootstrap_counts(sizes, distance, scope.confidence, DRAWS, scope.seed, biased=True)
    if estimate.value is None:
        return estimate, None
    null = distance(np.random.default_rng(scope.seed).multinomial(int(sizes.sum()), expected, size=DRAWS))
    p = (1 + int((null >= estimate.value - 1e-12).sum())) / (1 + DRAWS)
    low, high = (estimate.value if end is None else end for end in (estimate.low, estimate.high))
    low = 0.0 if p > 1 - scope.confidence else min(max(0.0, low), estimate.value)
    method = f"{estimate.method}; p from {DRAWS} samples of the reference"
    # All cases in one group give no variation, and a share of 1 that is as sure as its Wilson end.
    end = rate(np.ones(int(sizes.sum())), None, scope.confidence).low or 0.0
    low = min(low, estimate.value * end) if estimate.low is None else low
    found = replace(estimate, low=low, high=min(1.0, max(high, estimate.value)), p_value=p, method=method)
    return found, float(null.mean())


def labels(scope: Scope) -> list[Measurement]:
    """Share of favourable labels by group, and the gap between groups."""
    known = scope.data.label >= 0
    if not known.any():
        return [scope.nothing(name, NO_LABEL) for name in ("base_rate", "base_rate_gap")]
    if not scope.data.attributes:
        return [scope.nothing(name, NO_ATTRIBUTE) for name in ("base_rate", "base_rate_gap")]
    favourable = scope.data.label == 1
    return scope.group_rates("base_rate", favourable, known) + scope.gaps("base_rate_gap", favourable, known)


def missingness(scope: Scope) -> list[Measurement]:
    """Cases with an empty cell by group; the gap between groups, of these and of the columns where it is largest."""
    data = scope.data
    cells = {c.name: c.missing for c in data.columns}
    if (data.label >= 0).any():
        cells["label"] = data.label < 0
    if not cells or not data.attributes:
        why = "the table has no other columns" if data.attributes else NO_ATTRIBUTE
        return [scope.nothing(name, why) for name in ("missing_rate", "missing_rate_gap")]
    every = np.ones(data.cases, dtype=bool)
    somewhere = np.any(list(cells.values()), axis=0)
    found = scope.group_rates("missing_rate", somewhere, every)
    rows: list[tuple[str, Estimate, float | None]] = []
    for attribute in data.attributes:
        estimate, chance = scope.gap(attribute, somewhere, every)
        rows.append((attribute.name, estimate, chance))
        by_column = []
        for name, missing in cells.items():
            if missing.any() and not missing.all():
                gap, null = scope.gap(attribute, missing, every)
                p = _chi_square(scope.counts(attribute, missing, every))
                gap = gap if p is None or gap.value is None else replace(gap, p_value=p, method=_by_chi_square(gap))
                by_column.append((f"{attribute.name}: {name}", gap, null))
        rows += by_column
    told = scope.corrected("missing_rate_gap", rows, scope.coverage(data.cases))
    return found + [m for a in data.attributes for m in _largest(a.name, told)]


def _by_chi_square(gap: Estimate) -> str:
    return gap.method.split("; p from")[0] + "; p by chi-square"


def _largest(attribute: str, told: list[Measurement]) -> list[Measurement]:
    """Of an attribute: the measurement of all its columns together and those with the largest values."""
    columns = [m for m in told if (m.slice or "").startswith(f"{attribute}: ")]
    whole = [m for m in told if m.slice == attribute]
    return whole + sorted(columns, key=lambda m: -(m.value or 0.0))[:MOST_COLUMNS]


def _chi_square(counts: IntArray) -> float | None:
    """p value of a table of groups and cells, None where an expected count below 5 makes it unreliable.

    Thousands of shuffles cannot tell apart what is left after a correction over hundreds of columns.
    """
    table = counts[:, 0]
    if len(table) < 2 or (table.sum(axis=0) == 0).any():
        return None
    found = stats.chi2_contingency(table, correction=False)
    return float(found.pvalue) if found.expected_freq.min() >= 5 else None


def contradictions(scope: Scope) -> list[Measurement]:
    """Of cases that are alike in all other columns and in their text, those one of which has another label.

    Columns of names are left out: numbers of rows and dates would make every case one of its own.
    """
    data = scope.data
    labelled = data.label >= 0
    if not labelled.any():
        return [scope.nothing("contradiction_rate", NO_LABEL)]
    alike: dict[tuple[object, ...], list[int]] = defaultdict(list)
    compared = [c for c in data.columns if c.kind != "names"]
    if not data.usable and not data.texts:
        return [scope.nothing("contradiction_rate", "there are no other columns by which cases could be alike")]
    texts = [" ".join("".join(c if c.isalnum() else " " for c in t.casefold()).split()) for t in data.texts]
    for row in np.nonzero(labelled)[0].tolist():
        alike[(*(c.cells[row] for c in compared), *texts[row : row + 1])].append(row)
    twins = np.zeros(data.cases, dtype=bool)
    against = np.zeros(data.cases, dtype=bool)
    expected = []
    share = float((data.label[labelled] == 1).mean())
    family = np.arange(data.cases)
    for rows in alike.values():
        if len(rows) > 1:
            twins[rows] = True
            against[rows] = len(set(data.label[rows].tolist())) > 1
            family[rows] = rows[0]
            others = len(rows) - 1
            expected += [share * (1 - share**others) + (1 - share) * (1 - (1 - share) ** others)] * len(rows)
    if not expected:
        return [
            scope.nothing("contradiction_rate", "no two cases are alike in all other columns (those of names aside)")
        ]
    chance = float(np.mean(expected))
    estimate = rate(against[twins], family[twins].tolist(), scope.confidence)
    whole = scope.measure("contradiction_rate", estimate, scope.coverage(estimate.n, estimate.n), chance=chance)
    by_group = scope.group_rates("contradiction_rate", against, twins, chance, twins, family)
    return [whole, *(m for m in by_group if m.value is not None)]
