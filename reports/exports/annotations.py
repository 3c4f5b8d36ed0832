"""The verdict as annotations of a GitHub job: workflow commands, one a line, which GitHub shows beside the config file.

GitHub keeps at most ten of a kind of each step; what is more is named in the last one, so that nothing is lost unsaid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from audit.results import AuditResult, GateResult
from reports.exports.text import (
    GATE_WORDS,
    fails,
    gate_told,
    one_line,
    stopped_outside,
)

Kind = Literal["error", "warning", "notice"]
Place = tuple[str, ...]
MOST = 10
_TEXT_LIMIT = 1000


@dataclass(frozen=True)
class Annotation:
    """What is said of a place of the config file: the keys that lead there."""

    kind: Kind
    title: str
    text: str
    place: Place = ()


def render_annotations(result: AuditResult, config_file: str, line: Callable[[Place], int | None]) -> list[str]:
    """The workflow commands of a result: errors, warnings, and one notice with the verdict and its coverage.

    Args:
        result: what was found.
        config_file: its path from the root of the repository.
        line: the line of a place of that file, or None where it is not known.
    """
    verdict = result.verdict
    told = verdict.text if verdict.coverage is None else f"{verdict.text} {verdict.coverage.text}"
    found = [*_gates(result), *_probes(result), Annotation("notice", "Audit", told)]
    kinds: tuple[Kind, ...] = ("error", "warning", "notice")
    return [
        command(a.kind, a.title, a.text, config_file, line(a.place))
        for kind in kinds
        for a in _most([a for a in found if a.kind == kind])
    ]


def command(kind: Kind, title: str, text: str, file: str, line: int | None) -> str:
    """One workflow command, in which no text can end a line, a property or the command."""
    properties = {"file": file, **({} if line is None else {"line": str(line)}), "title": one_line(title)}
    head = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{kind} {head}::{_data(one_line(text, _TEXT_LIMIT))}"


def _gates(result: AuditResult) -> list[Annotation]:
    return [_gate(result, gate) for gate in result.gates if gate.verdict != "met"]


def _gate(result: AuditResult, gate: GateResult) -> Annotation:
    kind: Kind = "error" if fails(result, gate) else "warning"
    title = f"Gate {GATE_WORDS[gate.verdict]}"
    return Annotation(kind, title, gate_told(result, gate), ("gates", gate.metric, gate.rule))


def _probes(result: AuditResult) -> list[Annotation]:
    failed = [probe for probe in result.probes if probe.status == "failed"]
    if stopped_outside(result):
        return [Annotation("error", "Audit incomplete", result.verdict.text)]
    return [Annotation("error", "Probe failed", f"{p.id}: {p.reason}", ("probes", p.id)) for p in failed]


def _most(found: Sequence[Annotation]) -> Sequence[Annotation]:
    if len(found) <= MOST:
        return found
    left = f"{len(found) - MOST + 1} more are in the job's summary and in report.html."
    return [*found[: MOST - 1], Annotation(found[0].kind, "More", left)]


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
