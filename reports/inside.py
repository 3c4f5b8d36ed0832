"""What was seen inside the model: the lens over its layers, and what patching a state restores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from audit.results.schema import Record
from reports.charts import Scale, Tick
from reports.detail import finite, numbers, table, text, texts, whole
from reports.evidence import anchor, of_kind
from reports.text import cleaned
from reports.viewers import LEVELS, spelled

MOST_EXAMPLES = 8
MOST_LAYERS = 200
MOST_CELLS = 6000
MOST_STRONGEST = 10
TOP = 22
DEPTH = 190  # pixels from the highest value to the lowest


@dataclass(frozen=True)
class Point:
    """A value at a layer: ``x`` in percent of the width, ``y`` in pixels."""

    x: float
    y: float


@dataclass(frozen=True)
class Layer:
    """One row of a lens: log probabilities after that many layers, and the token that would be written there."""

    layer: int
    answer: float
    contrast: float | None
    top: str | None


@dataclass(frozen=True)
class Lens:
    """The answer's log probability read off after every layer; layer 0 is the input.

    ``outside``: the input reads so unlikely that its points stand at the edge, for else the layers would look alike.
    """

    anchor: str
    record: Record
    target: str
    contrast: str | None
    wins_at: int | None
    rows: list[Layer]
    lines: list[list[Point]]
    ticks: list[Tick]
    layers: list[Tick]
    won: float | None
    outside: bool


@dataclass(frozen=True)
class Cell:
    """The share of the difference that one patched state restores; ``level`` from 0 to 5 sets the tint."""

    layer: int
    position: int
    value: float

    @property
    def level(self) -> int:
        """The strength of the tint: full at a share of 1 and beyond."""
        return min(round(LEVELS * abs(self.value)), LEVELS)

    @property
    def sign(self) -> str:
        """``plus`` where the state moves towards the clean text's answer, else ``minus``."""
        return "plus" if self.value > 0 else "minus"

    @property
    def percent(self) -> str:
        """The share in percent, in print."""
        shown = f"{round(100 * self.value)}" if abs(self.value) < 100 else f"{100 * self.value:.0e}"
        return shown.replace("-", "−")


@dataclass(frozen=True)
class Patching:
    """Layers by tokens; ``rows`` is empty where there are too many cells to draw."""

    anchor: str
    record: Record
    target: str
    contrast: str | None
    clean: float | None
    corrupt: float | None
    tokens: list[tuple[str, str | None]]
    rows: list[tuple[int, list[Cell]]]
    strongest: list[Cell]


def _place(index: int, last: int) -> float:
    return round(9 + 88 * index / max(last, 1), 2)


def _scale(series: list[list[float]]) -> tuple[Scale, bool]:
    """A scale for all lines, and whether their first points lie outside it."""
    every = [value for line in series for value in line]
    later = [value for line in series for value in line[1:]]
    low, high = min(later), max(later)
    outside = min(every) < low - (high - low) / 2
    if not outside:
        low, high = min(every), max(every)
    margin = (high - low) * 0.04 or 1.0
    return Scale(low - margin, max(high, *every) + margin), outside


def _lens(record: Record) -> Lens | None:
    shown = cleaned(record, 400)
    detail = shown.detail
    given = detail.get("answer")
    depth = len(given) if isinstance(given, list) else 0
    answer, target = numbers(given, depth), text(detail.get("target"))
    if answer is None or target is None or not 2 <= depth <= MOST_LAYERS:
        return None
    contrast = None
    if detail.get("contrast") is not None:
        contrast = numbers(detail["contrast"], depth)
        if contrast is None:
            return None  # half a comparison would read as a whole one
    tops = texts(detail.get("top"))
    tops = tops if tops is not None and len(tops) == depth else None
    won = whole(detail.get("wins_at"))
    won = won if won is not None and won < depth else None
    series = [answer] if contrast is None else [answer, contrast]
    scale, outside = _scale(series)

    def height(value: float) -> float:
        return round(TOP + DEPTH * (98 - scale.place(value)) / 96, 2)

    step = max(1, round((depth - 1) / 6))
    return Lens(
        anchor=anchor(record),
        record=shown,
        target=spelled(target),
        contrast=None if contrast is None else spelled(text(detail.get("contrast_text")) or "?"),
        wins_at=won,
        rows=[
            Layer(i, a, None if contrast is None else contrast[i], None if tops is None else spelled(tops[i]))
            for i, a in enumerate(answer)
        ],
        lines=[[Point(_place(i, depth - 1), height(v)) for i, v in enumerate(line)] for line in series],
        ticks=[Tick(round(TOP + DEPTH * (98 - t.x) / 96, 2), t.text, "start") for t in scale.ticks()],
        layers=[Tick(_place(i, depth - 1), str(i), "middle") for i in range(0, depth, step)],
        won=None if won is None else _place(won, depth - 1),
        outside=outside,
    )


def _columns(detail: dict[str, Any], tokens: list[str]) -> list[tuple[str, str | None]]:
    """Each token, and the other text's where it differs."""
    others = texts(detail.get("other_tokens"))
    if others is None or len(others) != len(tokens):
        return [(spelled(token), None) for token in tokens]
    return [(spelled(t), None if t == o else spelled(o)) for t, o in zip(tokens, others, strict=True)]


def _patching(record: Record) -> Patching | None:
    shown = cleaned(record, 400)
    detail = shown.detail
    tokens, target = texts(detail.get("tokens")), text(detail.get("target"))
    given = detail.get("layers")
    layers = [whole(layer) for layer in given] if isinstance(given, list) and given else []
    if tokens is None or target is None or not layers or None in layers:
        return None
    values = table(detail.get("values"), len(layers), len(tokens))
    if values is None:
        return None
    rows = [
        (layer or 0, [Cell(layer or 0, position, value) for position, value in enumerate(row)])
        for layer, row in zip(layers, values, strict=True)
    ]
    cells = sorted((c for _, row in rows for c in row), key=lambda c: (-abs(c.value), c.layer, c.position))
    contrast = text(detail.get("contrast"))
    return Patching(
        anchor=anchor(record),
        record=shown,
        target=spelled(target),
        contrast=None if contrast is None else spelled(contrast),
        clean=finite(detail.get("clean")),
        corrupt=finite(detail.get("corrupt")),
        tokens=_columns(detail, tokens),
        rows=rows if len(layers) * len(tokens) <= MOST_CELLS else [],
        strongest=cells[:MOST_STRONGEST],
    )


def lenses(records: Sequence[Record]) -> list[Lens]:
    """The lenses worth drawing, in the order given; malformed material is left out."""
    views = (_lens(record) for record in of_kind(records, "lens"))
    return list(islice((view for view in views if view is not None), MOST_EXAMPLES))


def patchings(records: Sequence[Record]) -> list[Patching]:
    """The patched states worth drawing, in the order given; malformed material is left out."""
    views = (_patching(record) for record in of_kind(records, "patching"))
    return list(islice((view for view in views if view is not None), MOST_EXAMPLES))
