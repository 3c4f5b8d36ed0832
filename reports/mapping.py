"""Which results may be useful as evidence for which provision: dated data in ``mappings/``, one file a framework.

A mapping never says that a law is met. It names a provision, in one line, and the tests whose results somebody who must show
evidence for it may want to look at; with the date, the source and how sure we are of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from audit.results.schema import AuditResult, ProbeRun

MAPPINGS = Path(__file__).parent / "mappings"
Confidence = Literal["high", "medium", "low"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Provision(_Strict):
    """One provision and the probes that bear on it, by ids or patterns such as ``bias.*``."""

    identifier: str = Field(min_length=1)
    line: str = Field(min_length=1, max_length=200, description="What it is about, in one line of our own words.")
    probes: tuple[str, ...] = Field(min_length=1)
    confidence: Confidence = Field(description="How sure we are that identifier and content belong together.")
    checked_on: date
    source: str = Field(min_length=1)

    def concerns(self, probe: str) -> bool:
        """Whether the probe of that id bears on it."""
        return any(fnmatchcase(probe, pattern) for pattern in self.probes)


class Framework(_Strict):
    """A law, a standard or a set of principles; its date and source hold for provisions that name none of their own."""

    framework: str = Field(pattern=r"^[a-z0-9-]+$")
    title: str
    about: str
    checked_on: date
    source: str
    provisions: tuple[Provision, ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _inherited(cls, data: object) -> object:
        if not isinstance(data, dict) or not isinstance(data.get("provisions"), list):
            return data
        shared = {key: data[key] for key in ("checked_on", "source") if key in data}
        rows = [shared | row if isinstance(row, dict) else row for row in data["provisions"]]
        return {**data, "provisions": rows}

    @model_validator(mode="after")
    def _named_once(self) -> Framework:
        names = [p.identifier for p in self.provisions]
        if len(set(names)) < len(names):
            raise ValueError(f"{self.framework}: a provision is listed twice")
        return self


@dataclass(frozen=True)
class Bearing:
    """A provision with the probes of one audit that ran and bear on it, and those that bear on it but gave no result."""

    provision: Provision
    done: tuple[ProbeRun, ...]
    without_result: tuple[ProbeRun, ...]

    @property
    def everything(self) -> bool:
        """Whether the audit as a whole, not one of its tests, is what bears on it."""
        return "*" in self.provision.probes

    @property
    def risks(self) -> tuple[str, ...]:
        """The risks of the probes that ran."""
        return tuple(dict.fromkeys(run.risk for run in self.done))


@dataclass(frozen=True)
class Evidence:
    """What an audit may be useful for under one framework; ``rest`` are provisions on which none of its tests bears."""

    framework: Framework
    bearings: tuple[Bearing, ...]
    rest: tuple[Provision, ...]


@cache
def frameworks(folder: Path = MAPPINGS) -> tuple[Framework, ...]:
    """All frameworks of the folder, by file name.

    Raises:
        ValueError: where a file is not of this form.
    """
    paths = sorted(folder.glob("*.yaml"))
    return tuple(Framework.model_validate(yaml.safe_load(path.read_text(encoding="utf-8"))) for path in paths)


def evidence(result: AuditResult, known: Sequence[Framework] | None = None) -> list[Evidence]:
    """For each framework, the provisions for which tests of this audit that ran to their end may be useful."""
    found = []
    for framework in frameworks() if known is None else known:
        bearings = [_bearing(provision, result.probes) for provision in framework.provisions]
        useful = tuple(bearing for bearing in bearings if bearing.done)
        rest = tuple(bearing.provision for bearing in bearings if not bearing.done)
        found.append(Evidence(framework, useful, rest))
    return found


def _bearing(provision: Provision, probes: Sequence[ProbeRun]) -> Bearing:
    fitting = [probe for probe in probes if provision.concerns(probe.id)]
    return Bearing(
        provision,
        tuple(probe for probe in fitting if probe.status == "done"),
        tuple(probe for probe in fitting if probe.status != "done"),
    )
