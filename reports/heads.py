"""Attention that can be drawn: which examples the viewer offers, and what can be said of them without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from audit.results.schema import Record
from reports.detail import table, text, texts, unpacked, whole
from reports.evidence import anchor, of_kind
from reports.text import cleaned, visible
from reports.viewers import spelled

MOST_EXAMPLES = 60
MOST_WEIGHTS = 64_000_000  # bytes of one example; more would stop a browser
MOST_PAIRS = 10
LEAST = 2  # of 255: a smaller share is printed as 0.00
MOST_HEADS = 12


@dataclass(frozen=True)
class Pair:
    """A token, one that it draws on, and the share, 0 to 1."""

    start: str
    end: str
    share: float


@dataclass(frozen=True)
class Role:
    """Heads that do the same thing, as (number of the layer, head); ``more`` of them are not named."""

    name: str
    heads: list[tuple[int, int]]
    more: int


@dataclass(frozen=True)
class Looked:
    """One example of the viewer, in words; ``pairs`` are the largest weights of its rollout, if ``rolled``."""

    anchor: str
    record: Record
    caption: str | None
    missing: list[str]
    roles: list[Role]
    pairs: list[Pair]
    rolled: bool


def _shape(detail: dict[str, Any]) -> tuple[list[str], list[str], int] | None:
    """Rows, columns, and numbers in one matrix; None where the weights do not fit them."""
    rows = texts(detail.get("tokens"))
    columns = rows if "sources" not in detail else texts(detail.get("sources"))
    layers, heads = whole(detail.get("layers"), 1), whole(detail.get("heads"), 1)
    causal = detail.get("causal")
    if rows is None or columns is None or layers is None or heads is None or not isinstance(causal, bool):
        return None
    if causal and columns is not rows:
        return None
    size = len(rows) * (len(rows) + 1) // 2 if causal else len(rows) * len(columns)
    if layers * heads * size > MOST_WEIGHTS or unpacked(detail.get("weights"), layers * heads * size) is None:
        return None
    return rows, columns, size


def _pairs(detail: dict[str, Any], rows: list[str], columns: list[str], size: int) -> list[Pair]:
    rolled = unpacked(detail.get("rollout"), size)
    if rolled is None:
        return []
    causal = detail["causal"]
    places = [(r, c) for r in range(len(rows)) for c in range(r + 1 if causal else len(columns))]
    # The first token draws what has no other place, and each token draws on itself: neither says anything of a text.
    told = [
        (w, r, c)
        for w, (r, c) in zip(rolled, places, strict=True)
        if w >= LEAST and c > 0 and (r != c or rows is not columns)
    ]
    best = sorted(told, key=lambda entry: (-entry[0], entry[1:]))[:MOST_PAIRS]
    return [Pair(spelled(rows[r]), spelled(columns[c]), w / 255) for w, r, c in best]


def _numbers(detail: dict[str, Any]) -> list[Any]:
    """The number of the model's layer behind each layer of a block."""
    layers, given = detail["layers"], detail.get("layer_numbers")
    known = isinstance(given, list) and len(given) == layers and all(whole(number) is not None for number in given)
    return list(given) if known and isinstance(given, list) else list(range(layers))


def _tested(detail: dict[str, Any], others: Sequence[Record]) -> dict[str, Any]:
    """Roles that were tested over the whole audit, where that saw these very layers and heads."""
    if "sources" in detail:
        return {}  # roles are tested on how a text looks at itself
    made = {}
    for other in others:
        name, scores = text(other.detail.get("role")), other.detail.get("scores")
        rows = table(scores, detail["layers"], detail["heads"])
        if name is not None and rows is not None and other.detail.get("layer_numbers") == _numbers(detail):
            made[name] = other.detail.get("heads")
    return made


def _roles(detail: dict[str, Any], others: Sequence[Record]) -> list[Role]:
    given = detail.get("roles")
    numbers = _numbers(detail)
    made = []
    for name, heads in {**_tested(detail, others), **(given if isinstance(given, dict) else {})}.items():
        places = heads if isinstance(heads, list) else []
        pairs = [(whole(p[0]), whole(p[1])) for p in places if isinstance(p, list) and len(p) == 2]
        known = [(a, b) for a, b in pairs if a is not None and b is not None and a in numbers and b < detail["heads"]]
        if known:
            made.append(Role(visible(name), known[:MOST_HEADS], max(len(known) - MOST_HEADS, 0)))
    return made


def _one(record: Record, tested: Sequence[Record]) -> Looked | None:
    shape = _shape(record.detail)
    if shape is None:
        return None
    rows, columns, size = shape
    pairs = _pairs(record.detail, rows, columns, size)
    bare = {key: record.detail[key] for key in ("caption", "missing") if key in record.detail}
    shown = cleaned(record.model_copy(update={"detail": bare}), 4000)
    missing = texts(shown.detail.get("missing")) or []
    return Looked(
        anchor(record),
        shown,
        text(shown.detail.get("caption")),
        missing,
        _roles(record.detail, tested),
        pairs,
        rolled=unpacked(record.detail.get("rollout"), size) is not None,
    )


def attended(records: Sequence[Record]) -> list[Looked]:
    """The examples that the attention viewer can draw, in the order given; malformed material is left out."""
    tested = of_kind(records, "head_roles")
    views = (_one(record, tested) for record in of_kind(records, "attention"))
    return list(islice((view for view in views if view is not None), MOST_EXAMPLES))
