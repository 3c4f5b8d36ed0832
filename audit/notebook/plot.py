"""Which measurements a figure shows, and the figure as a notebook, a file or a table holds it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import pandas as pd

from audit.notebook.frames import Axes, axes_of, measurement_frame, place_of
from audit.results import AuditResult, Measurement, write_text
from reports.frame import framed
from reports.plot import families_of, height_of, render_plot
from reports.text import moment, number, visible

NEAR = 5
Group = tuple[str, str, tuple[Measurement, ...]]


@dataclass(frozen=True)
class Plot:
    """Values with their intervals, n and chance level; on a line of its own in a notebook it shows itself.

    ``groups``: for each figure its name, its label (none for a whole probe) and its measurements, which share one scale.
    ``reasons``: why nothing was measured. ``axes``: those of the whole result.
    """

    title: str
    about: str
    groups: tuple[Group, ...]
    reasons: tuple[str, ...] = ()
    axes: Axes = frozenset()

    @property
    def data(self) -> pd.DataFrame:
        """What is drawn, in its order, with the columns of ``result.measurements``."""
        return measurement_frame([m for _, _, group in self.groups for m in group], self.axes)

    def save(self, path: str | Path) -> Path:
        """Write a page of its own that needs no other file and no script."""
        return write_text(Path(path), self._page())

    def _page(self) -> str:
        return render_plot(self.title, self.about, families_of(self.groups), self.reasons)

    def _repr_html_(self) -> str:
        """The page in a frame of its own, in which nothing can run: it stays as it is in a saved notebook."""
        return framed(self._page(), "Figure", height_of(families_of(self.groups), self.reasons))

    def __repr__(self) -> str:
        lines = [visible(self.title), *(f"Not measured: {visible(reason)}" for reason in self.reasons)]
        for name, _, group in self.groups:
            lines += [visible(name), *(f"  {_line(m)}" for m in group)]
        return "\n".join(lines)


def _line(m: Measurement) -> str:
    name = visible(m.slice or "all")
    if m.value is None:
        return f"{name}: not measured. {visible(m.reason or '')}"
    interval = "" if m.low is None or m.high is None else f" [{number(m.low)}, {number(m.high)}]"
    chance = "" if m.chance is None else f", chance {number(m.chance)}"
    return f"{name}: {number(m.value)}{interval}, n = {m.n}{chance}"


def plotted(result: AuditResult, name: str, by: str | None = None, axis: str | None = None) -> Plot:
    """The figure of a metric or a probe.

    Args:
        result: the audit.
        name: a metric with or without its slice, or a probe, of which each metric is drawn.
        by: the parts by which a metric is sliced: ``axis``, ``group`` or another column of ``result.measurements`` that
            selects records. By default all parts of a metric, and of a probe the whole values alone.
        axis: only the parts of this axis.

    Raises:
        KeyError: where the audit has no such metric or probe, with those that have similar names; or where nothing of it is
            sliced in this way, with the ways in which it is.
    """
    found = _named(result, name)
    about = f"{result.model.name}, {moment(result.manifest.created)}"
    title = next((p.title for p in result.probes if p.id == name), found[0].label if found else name)
    probe = next(p for p in result.probes if name == p.id or name.startswith(f"{p.id}."))
    if not found:
        return Plot(title, about, (), (probe.reason or f"{probe.id} gave no number.",))
    whole_probe = name == probe.id
    axes = axes_of(result.measurements)
    shown = (
        _sliced(name, found, by, axis, axes) if by or axis else [m for m in found if m.slice is None or not whole_probe]
    )
    groups = tuple(_groups(shown or found, by_unit=whole_probe and not by and not axis))
    lacking = [m for m in shown if m.value is None]
    reasons = dict.fromkeys(m.reason or "" for m in lacking) if len(lacking) == len(shown) else {}
    return Plot(title, about, groups, tuple(reasons), axes)


def _named(result: AuditResult, name: str) -> list[Measurement]:
    """The measurements of that name; none where its probe did not run."""
    if not isinstance(name, str):
        raise KeyError(f"Name a metric or a probe, not {name!r}.")
    found = [m for m in result.measurements if name in (m.metric, m.metric.split("[")[0], m.probe)]
    ran = {p.id for p in result.probes if p.status == "done"}
    waiting = [p.id for p in result.probes if p.id not in ran]
    if found or name in ran or any(name == p or name.startswith(f"{p}.") for p in waiting):
        return found
    raise KeyError(f"{name} was not measured in this audit{_near(name, result)}")


def _near(name: str, result: AuditResult) -> str:
    known = [*dict.fromkeys(m.metric.split("[")[0] for m in result.measurements), *(p.id for p in result.probes)]
    near = [k for k in known if k.endswith(f".{name}")] or get_close_matches(name, known, NEAR, 0.5)
    return f"; similar names: {', '.join(near[:NEAR])}" if near else "; result.measurements lists what was"


def _sliced(
    name: str, found: Sequence[Measurement], by: str | None, axis: str | None, known: Axes
) -> list[Measurement]:
    """The parts that are asked for, each metric's after its whole."""
    parts = [m for m in found if m.slice is not None and (axis is None or place_of(m, known)[0] == axis)]
    chosen = [m for m in parts if by is None or by in _ways(m, known)]
    if not chosen:
        axes = dict.fromkeys(place_of(m, known)[0] for m in found if m.slice is not None)
        if axis is not None and not parts:
            raise KeyError(f"{name} has no axis {axis}{_told(a for a in axes if a)}")
        ways = dict.fromkeys(way for m in parts for way in sorted(_ways(m, known)))
        raise KeyError(f"{name} is not sliced by {by}{_told(ways)}")
    bases = {m.metric.split("[")[0] for m in chosen}
    return [m for m in found if m in chosen or (axis is None and m.metric in bases)]


def _ways(m: Measurement, axes: Axes) -> set[str]:
    """By which columns a part may be asked for; a part of an axis is no whole axis."""
    axis, group = place_of(m, axes)
    further = {key for key in m.evidence if key not in ("axis", "group")}
    return further | ({"group"} if group is not None else {"axis"} if axis is not None else set())


def _told(names: Iterable[str]) -> str:
    listed = list(names)
    return f"; there is {', '.join(listed)}" if listed else "; it has no parts"


def _groups(shown: Sequence[Measurement], by_unit: bool) -> list[Group]:
    """One figure for each metric with its parts, or for all metrics of one unit and direction."""
    kept: dict[tuple[str, str], list[Measurement]] = {}
    for m in shown:
        base = m.metric.split("[")[0]
        kept.setdefault((m.unit, m.direction) if by_unit else (base, m.label), []).append(m)
    if by_unit:
        return [(group[0].probe, "", tuple(group)) for group in kept.values()]
    return [(base, label, tuple(group)) for (base, label), group in kept.items()]
