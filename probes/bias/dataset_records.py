"""Records of ``bias.dataset``: one a group, one a column, one a group that texts name. None is of a person.

None is of concern by itself, so that no card shows one as an answer of a model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from audit.metrics import Estimate
from audit.results import Measurement, Record
from probes.base import percent
from probes.bias.dataset_items import ITEM, Column
from probes.bias.dataset_scope import Scope

PROBE = "bias.dataset"
KINDS = {
    "number": "numbers",
    "words": "words",
    "names": "a value of its own in most rows; not used to predict",
    "constant": "one value; not used to predict",
}


def records(
    scope: Scope,
    found: Sequence[Measurement],
    associations: Mapping[str, Sequence[tuple[str, Estimate, float]]],
    source: str,
) -> list[Record]:
    """What was counted of each group, column and named group; one failed record where nothing was."""
    if scope.data.failure is not None:
        failure = scope.data.failure
        return [_record("table", source, "The data set", status=failure.status, note=failure.reason)]
    scores: dict[str, dict[str, float | None]] = {}
    for m in found:
        if m.slice is not None and m.value is not None:
            scores.setdefault(m.slice, {})[m.metric.split("[")[0].removeprefix(f"{PROBE}.")] = m.value
    large = {a.part(place) for a in scope.data.attributes for place in a.large}
    return [
        *(_group(m, scores, m.slice in large, source) for m in _named(found, "group_share")),
        *(_column(scope, c, associations, source) for c in scope.data.columns),
        *(_mentioned(m, scores, source) for m in _named(found, "mention_rate")),
    ]


def _named(found: Sequence[Measurement], name: str) -> list[Measurement]:
    return [m for m in found if m.metric.startswith(f"{PROBE}.{name}[") and m.slice is not None]


def _group(m: Measurement, scores: Mapping[str, dict[str, float | None]], large: bool, source: str) -> Record:
    part = str(m.slice)
    axis, _, group = part.partition(": ")
    return _record(
        f"group {part}",
        source,
        f"Cases whose {axis} is {group}",
        axis=axis,
        group=group,
        tags={"kind": "group", "group": part},
        output=f"{m.successes or 0:,} of {m.n:,} cases",
        outcome="compared" if large else "too few to be compared",
        scores=scores.get(part, {}),
    )


def _column(
    scope: Scope, column: Column, associations: Mapping[str, Sequence[tuple[str, Estimate, float]]], source: str
) -> Record:
    share = float(np.mean(column.missing))
    told = {
        f"association with {attribute}": estimate.value
        for attribute, rows in associations.items()
        for name, estimate, _ in rows
        if name == column.name
    }
    return _record(
        f"column {column.name}",
        source,
        f"The column {column.name}",
        tags={"kind": "column", "column": column.name},
        output=f"{KINDS[column.kind]}; {percent(share)} of {scope.data.cases:,} cells are empty",
        outcome="used to predict" if column.kind in ("number", "words") else "not used to predict",
        scores={"missing": share, **told},
    )


def _mentioned(m: Measurement, scores: Mapping[str, dict[str, float | None]], source: str) -> Record:
    part = str(m.slice)
    axis, _, group = part.partition(": ")
    return _record(
        f"named {part}",
        source,
        f"Texts that name {group}",
        axis=axis,
        group=group,
        tags={"kind": "named in texts", "group": part},
        output=f"{m.successes or 0:,} of {m.n:,} texts",
        outcome="named" if m.successes else "not named",
        scores=scores.get(part, {}),
    )


def _record(name: str, source: str, text: str, **fields: object) -> Record:
    return Record.model_validate(
        {"id": name, "probe": PROBE, "item": ITEM, "source": source, "cluster": name, "input": text, **fields}
    )
