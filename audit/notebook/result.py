"""A finished audit as Python and a notebook have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

import pandas as pd

import audit
from audit.models import Model
from audit.notebook.frames import finding_frame, measurement_frame, record_frame
from audit.notebook.plot import Plot, plotted
from audit.notebook.record import RecordView, RecordViews
from audit.results import AuditResult, Record, Verdict, behind, read_records, read_result
from reports.frame import framed
from reports.render import CARD_FILE, REPORT_FILE
from reports.risk_texts import risk_text
from reports.risks import OUTLOOK_WORDS, risk_views
from reports.text import shorten, visible

CARD_HEIGHT = 720


@dataclass(frozen=True)
class Result:
    """A finished audit: its folder and what ``result.json`` holds. On a line of its own in a notebook it shows its card."""

    folder: Path
    data: AuditResult
    _kept: dict[str, Model] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def verdict(self) -> Verdict:
        """The one answer of the audit."""
        return self.data.verdict

    @property
    def card(self) -> Path:
        """Path of the model card."""
        return self.folder / CARD_FILE

    @property
    def report(self) -> Path:
        """Path of the technical report."""
        return self.folder / REPORT_FILE

    @property
    def measurements(self) -> pd.DataFrame:
        """One row a measurement, ``metric`` as index; ``axis`` and ``group`` say which part of a metric a row is of."""
        return measurement_frame(self.data.measurements)

    @property
    def findings(self) -> pd.DataFrame:
        """One row a finding, with its finished sentence."""
        return finding_frame(self.data.findings)

    def records(self, name: str) -> pd.DataFrame:
        """One row a record of a probe, or of those behind a metric; tags and scores have columns of their own.

        Raises:
            KeyError: where the audit has no probe and no metric of that name.
            ResultError: where the records cannot be read.
        """
        return record_frame(self._records(name))

    def record(self, probe: str, name: str) -> RecordView:
        """One record of a probe by its id, to be shown and explained.

        Raises:
            KeyError: where there is no such probe or record.
            ResultError: where the records cannot be read.
        """
        records = {record.id: record for record in self._records(probe)}
        if name not in records:
            near = get_close_matches(str(name), records, 3)
            raise KeyError(f"{probe} has no record {name}{'; similar ids: ' + ', '.join(near) if near else ''}")
        return self._view(records[name])

    def flagged(self, name: str, most: int | None = None) -> RecordViews:
        """The records of a probe, or behind a metric, that call for a look: those with some concern, the worst first.

        ``most``: at most so many. Where records are of equal concern, those come first whose decision can be explained.

        Raises:
            KeyError: where the audit has no probe and no metric of that name.
            ResultError: where the records cannot be read.
        """
        found = [r for r in self._records(name) if r.concern > 0]
        found.sort(key=lambda r: (-r.concern, r.asked is None or not r.decision_is_whole, r.id))
        return RecordViews(self._view(record) for record in found[:most])

    def plot(self, name: str, by: str | None = None, axis: str | None = None) -> Plot:
        """A metric with its parts, or the metrics of a probe, as dots with intervals, n and chance levels.

        Args:
            name: ``probe.metric``, ``probe.metric[slice]`` or a probe.
            by: ``axis``, ``group`` or another column of ``measurements`` that selects records, such as ``tags.kind``.
            axis: only the parts of this axis.

        Raises:
            KeyError: where there is no such metric, probe, column or axis; the message names those that there are.
        """
        return plotted(self.data, name, by, axis)

    def open_model(self, device: str | None = None) -> Model:
        """The model that was audited, open; opened once, and kept as long as this result.

        Raises:
            ExplainError: where the result must not open it by itself: it would run code or reach a server.
            ModelError: where it cannot be opened, as where its folder lies elsewhere.
        """
        place = device or ""
        if place not in self._kept:
            self._kept[place] = audit.open_model(self.data, device)
        return self._kept[place]

    def _records(self, name: str) -> Sequence[Record]:
        if name in {probe.id for probe in self.data.probes}:
            return read_records(self.folder, name)
        measurement = self.data.measurement(name)
        if measurement is None:
            known = ", ".join(probe.id for probe in self.data.probes)
            near = get_close_matches(str(name), [m.metric for m in self.data.measurements], 3)
            more = f"; similar metrics: {', '.join(near)}" if near else ""
            raise KeyError(f"{name} was not part of this audit: {known}{more}")
        return behind(measurement, read_records(self.folder, measurement.probe))

    def _view(self, record: Record) -> RecordView:
        return RecordView(record, self.data, self.open_model)

    def _repr_html_(self) -> str:
        """The card in a frame of its own, in which nothing can run: it stays as it is in a saved notebook."""
        return framed(self.card.read_text(encoding="utf-8"), "Model card", CARD_HEIGHT)

    def __repr__(self) -> str:
        model, made = self.data.model, self.data.manifest
        lines = [f"Audit of {shorten(visible(model.name), 100)}, {visible(made.created)}, suite {visible(made.suite)}"]
        lines.append(shorten(visible(self.verdict.text), 300))
        for view in risk_views(self.data):
            lines.append(f"{visible(risk_text(view.key).name)}: {OUTLOOK_WORDS[view.outlook]}")
        return "\n".join([*lines, f"Card: {self.card}"])


def load(folder: str | Path) -> Result:
    """Open the result folder of an earlier audit.

    Raises:
        ResultError: where it is not one, or of another schema version.
    """
    path = Path(folder)
    return Result(path.parent if path.is_file() else path, read_result(path))
