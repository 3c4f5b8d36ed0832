"""A record of an audit as a notebook shows it, from which one goes on to the words and the heads behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import audit
from audit.asking import check_same_weights, decision_of
from audit.models import Model
from audit.results import AuditResult, Record
from reports.frame import framed
from reports.records import render_records
from reports.text import shorten, visible

if TYPE_CHECKING:  # what explains a decision needs torch, which reading a result must not cost
    from audit.explained import AttentionView, Explanation

SHOWN = 20
_LINE = 100


@dataclass(frozen=True)
class RecordView:
    """One record: ``record`` holds all of it; ``explain`` and ``attention`` go on to what is behind it."""

    record: Record
    _audited: AuditResult = field(repr=False)
    _opened: Callable[[], Model] = field(repr=False)

    def explain(
        self, model: str | Path | Model | None = None, *, other_weights: bool = False, **options: Any
    ) -> Explanation:
        """Which words drove the decision behind the record, and whether that claim holds up.

        Args:
            model: an open model, a model.yaml or a source; without one the audited model is opened, once for its result.
            other_weights: go on where the weights are not those that were audited.
            options: ``method``, ``unit``, ``seed``, ``orders`` and ``progress`` as for ``audit.explain_record``.

        Raises:
            ExplainError: where the record keeps no decision, or not the whole of one; where its model cannot be explained,
                must not be opened by a result, or is another one by now.
            ModelError: where the model cannot be opened.
        """
        decision_of(self.record)
        found: Explanation = audit.explain_record(self._model(model, other_weights), self.record, **options)
        return found

    def attention(
        self, model: str | Path | Model | None = None, *, other_weights: bool = False, **options: Any
    ) -> AttentionView:
        """Where each head looks in the decision behind the record, and what it adds to the answer (``.heads``).

        The arguments and errors are those of ``explain``; ``options``: ``progress`` as for ``audit.attention``.
        """
        decision_of(self.record)
        seen: AttentionView = audit.attention(self._model(model, other_weights), self.record, **options)
        return seen

    def _model(self, given: str | Path | Model | None, other_weights: bool) -> Model:
        model: Model
        match given:
            case None:
                model = self._opened()
            case str() | Path():
                model = audit.open_model(given)
            case _:
                model = given
        if not other_weights:
            check_same_weights(self._audited.model, model.facts)
        return model

    def _repr_html_(self) -> str:
        """The record in a frame of its own, in which nothing can run: model output is hostile."""
        return framed(render_records([self.record]), "Record", 420)

    def __repr__(self) -> str:
        return f"{_line(self.record)}\n{_why(self.record)}"


class RecordViews(tuple[RecordView, ...]):
    """Several records, in their order."""

    def _repr_html_(self) -> str:
        """The first of them as a list in a frame of its own."""
        if not self:
            return "<p>No records.</p>"
        shown = [view.record for view in self[:SHOWN]]
        return framed(render_records(shown, len(self) - len(shown)), "Records", min(120 + 45 * len(shown), 720))

    def __repr__(self) -> str:
        left = [f"{len(self) - SHOWN} more"] if len(self) > SHOWN else []
        return "\n".join([*(_line(view.record) for view in self[:SHOWN]), *left]) or "No records."


def _line(record: Record) -> str:
    told = [record.outcome or record.status, *([record.group] if record.group else [])]
    text = " ".join(visible(record.input).split())
    return f"{visible(record.probe)}/{visible(record.id)} ({visible(', '.join(told))}): {shorten(text, _LINE)}"


def _why(record: Record) -> str:
    asked = record.asked
    if asked is None:
        return "It keeps no decision that could be explained."
    other = "" if asked.contrast is None else f" rather than “{shorten(visible(asked.contrast.strip()), _LINE)}”"
    return f"explain(): why “{shorten(visible(asked.answer.strip()), _LINE)}”{other}?"
