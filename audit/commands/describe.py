"""``audit describe``: what a metric is, in plain words."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audit.commands.completing import metric_names
from audit.commands.ends import USAGE, stop
from audit.describing import Catalogue, Description, describe, find
from audit.results import to_json
from probes.registry import find_probes

if TYPE_CHECKING:
    from probes import base

WIDTH = 88
IN_A_RESULT = (
    "its interval and how that was made, n, the independent clusters among them, what could not "
    "be scored, and the chance level where there is one. Which interval and which clusters: docs/statistics.md."
)


def describe_command(
    name: Annotated[
        str, typer.Argument(metavar="METRIC", help="A metric, a probe, or a beginning.", autocompletion=metric_names)
    ],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Say in plain words what METRIC is, and how to gate it.

    A [slice] after the name is left out of account; of a probe all metrics are listed.

    Example: audit describe bias.counterfactual.flip_rate
    """
    probes = find_probes()
    try:
        found = find(name, probes)
    except LookupError as error:
        stop(str(error.args[0]), USAGE)
    if as_json:
        print(to_json(_data(found.metric, found.probe, found.among, probes)), end="")
    elif found.metric:
        _tell(describe(found.metric, probes))
    elif found.probe:
        _tell_probe(probes[found.probe])
    else:
        for known in found.among:
            print(f"{known}  {_label(known, probes)}")


def _data(metric: str | None, probe: str | None, among: tuple[str, ...], probes: Catalogue) -> dict[str, Any]:
    """Whatever was asked: the metrics and the probes that it stands for."""
    names = [metric] if metric else among
    kinds = [probe] if probe else [known for known in among if known in probes]
    if probe:  # with all that it reports
        names = tuple(f"{probe}.{m.name}" for m in probes[probe].metrics)
    return {
        "metrics": [asdict(describe(known, probes)) for known in names if known not in probes],
        "probes": [{"id": p, "title": probes[p].title, "asks": probes[p].purpose} for p in kinds],
    }


def _label(known: str, probes: Catalogue) -> str:
    if known in probes:
        return probes[known].title
    probe, _, name = known.rpartition(".")
    return probes[probe].metric(name).label


def _tell(found: Description) -> None:
    unit = f"{found.unit} ({found.unit_meaning})" if found.unit_meaning else found.unit
    lies = "" if found.low is None else f" It lies between {found.low:g} and {found.high:g}."
    print(f"{found.metric}\n{found.label}\n")
    _paragraph("What it is", found.meaning)
    _paragraph("Unit", f"{unit}.{lies}")
    _paragraph("Good", found.good)
    _paragraph("A result prints beside it", IN_A_RESULT)
    _paragraph("Compared", found.compared)
    _paragraph("The probe asks", found.asks)
    _paragraph("It does not show", found.limits)
    _paragraph("After", found.citation)
    if found.page:
        _paragraph("More", found.page)
    print(f"To gate it, in model.yaml; NUMBER is yours to choose:\n{textwrap.indent(found.gate, '  ')}")


def _tell_probe(probe: type[base.Probe]) -> None:
    print(f"{probe.id}\n{probe.title}\n")
    _paragraph("The probe asks", probe.purpose)
    _paragraph("How", probe.method)
    _paragraph("It does not show", probe.limits)
    _paragraph("After", probe.citation)
    print("Its metrics:")
    for metric in probe.metrics:
        print(f"  {probe.id}.{metric.name}  {metric.label}")


def _paragraph(head: str, text: str) -> None:
    print(textwrap.fill(f"{head}: {text}", WIDTH, break_long_words=False, break_on_hyphens=False) + "\n")
