"""What was tried against a finding and what it bought: the types behind ``mitigation.json`` of a result folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from audit.results.folder import ResultError, to_json, write_text
from audit.results.schema import Direction
from audit.results.stored import Finite, Stored

MITIGATION_FILE = "mitigation.json"
MITIGATION_VERSION = "1.0"
Change = Literal["better", "worse", "higher", "lower", "no_difference_shown", "not_measured"]
Conclusion = Literal["helped", "helped_at_a_cost", "made_it_worse", "did_not_help", "not_tried"]
_SELECTION = ".selection_rate["


class Effect(Stored):
    """One metric without and with the remedy, on the same cases, none of which the remedy was made from.

    ``role``: ``target`` is what the remedy was meant to improve, ``harm`` what it may cost elsewhere. The interval is
    that of ``difference``, after minus before. ``change`` reads it by the metric's direction: ``higher`` and ``lower``
    are for metrics of which neither is good. ``against``: what ``before`` is, the model as it was audited or the same
    simple model learnt without the remedy.
    """

    metric: str
    label: str
    slice: str | None = Field(None, description="The part that it is of, such as a group.")
    unit: str
    direction: Direction
    role: Literal["target", "harm"]
    against: Literal["audited", "without_remedy"] = "audited"
    before: Finite | None
    after: Finite | None
    difference: Finite | None = None
    low: Finite | None = None
    high: Finite | None = None
    confidence: Finite = Field(0.95, gt=0, lt=1)
    n: int = Field(0, ge=0, description="Held-out cases behind the difference.")
    interval: str | None = Field(None, description="How the interval was computed.")
    p_value: Finite | None = Field(None, ge=0, le=1)
    p_adjusted: Finite | None = Field(None, ge=0, le=1, description="Holm over the targets of one remedy.")
    change: Change = "not_measured"
    reason: str | None = Field(None, description="Why there is no difference.")

    @model_validator(mode="after")
    def _says_why(self) -> Effect:
        if self.difference is None and not self.reason:
            raise ValueError(f"{self.metric}: a missing difference needs a reason")
        if (self.difference is None) != (self.change == "not_measured"):
            raise ValueError(f"{self.metric}: the change {self.change} does not fit the difference {self.difference}")
        if (self.low is None) != (self.high is None):
            raise ValueError(f"{self.metric}: an interval with one end")
        ends = (self.low, self.difference, self.high)
        if None not in ends and list(ends) != sorted(end for end in ends if end is not None):
            raise ValueError(f"{self.metric}: the interval [{self.low}, {self.high}] misses {self.difference}")
        return self


class FrontierPoint(Stored):
    """One setting of a remedy: how right it is and how far groups differ, shares from 0 to 1 of the held-out cases.

    ``kind``: the model as it was audited, a simple model without the remedy, or the remedy.
    """

    label: str = Field(description="A letter or number by which chart and table name it.")
    kind: Literal["audited", "without_remedy", "remedy"] = "remedy"
    setting: str
    accuracy: Finite
    accuracy_low: Finite
    accuracy_high: Finite
    disparity: Finite
    disparity_low: Finite
    disparity_high: Finite


class Remedy(Stored):
    """One remedy that was tried, or could not be."""

    id: str
    title: str
    about: str = Field("", description="Whom it is about, in plain words, such as 'by race'.")
    addresses: list[str] = Field(default_factory=list, description="Ids of the findings that it is for.")
    what: str = Field(description="What was done, in plain words.")
    method: str = Field(description="How, for an engineer; with the paper or library.")
    status: Literal["done", "not_applicable", "failed"]
    reason: str | None = None
    settings: dict[str, str] = Field(default_factory=dict)
    learnt_from: int = Field(0, ge=0, description="Cases or texts that the remedy was made from.")
    held_out: int = Field(0, ge=0, description="Cases or items that it was tried on and had not seen.")
    seconds: Finite = 0.0
    effects: list[Effect] = Field(default_factory=list)
    frontier: list[FrontierPoint] = Field(default_factory=list)
    control: bool = Field(False, description="Not a remedy: the same intervention without its content.")
    frontier_axis: str | None = Field(None, description="What the frontier's disparity is.")

    @model_validator(mode="after")
    def _whole(self) -> Remedy:
        if self.status != "done" and not self.reason:
            raise ValueError(f"{self.id}: status {self.status} needs a reason")
        return self

    @property
    def conclusion(self) -> Conclusion:
        """What the effects say; ``did_not_help`` where no help was shown, which is no proof that there is none.

        Helped needs a target that got better against everything that it was compared with, and none that got worse
        against anything.
        """
        if self.status != "done":
            return "not_tried"
        targets: dict[str, set[Change]] = {}
        for effect in self.effects:
            if effect.role == "target":
                targets.setdefault(effect.metric, set()).add(effect.change)
        if any("worse" in changes for changes in targets.values()):
            return "made_it_worse"
        if not any(changes == {"better"} for changes in targets.values()):
            return "did_not_help"
        harmed = any(e.change == "worse" for e in self.effects if e.role == "harm")
        return "helped_at_a_cost" if harmed else "helped"

    @property
    def levelled_down(self) -> bool:
        """Whether a gap closed by taking away.

        That is where some group surely gets the favourable prediction less often, and of all favourable predictions
        that changed at least nine in ten were taken away.
        """
        shares = [e for e in self.effects if _SELECTION in e.metric and e.against == "audited"]
        moved = [e.n * e.difference for e in shares if e.difference is not None]
        given, taken = sum(m for m in moved if m > 0), -sum(m for m in moved if m < 0)
        closed = any(e.change == "better" for e in self.effects if e.role == "target")
        return closed and any(e.change == "lower" for e in shares) and given <= taken / 9


class Flagged(Stored):
    """A finding that remedies were looked for: its id, and its sentence."""

    id: str
    text: str


class Mitigation(Stored):
    """The content of ``mitigation.json``: remedies for the findings of one audit."""

    schema_version: str = MITIGATION_VERSION
    tool_version: str
    audit_id: str
    model: str
    created: str = Field(description="UTC, ISO 8601.")
    seed: int
    confidence: Finite
    findings: list[Flagged] = Field(description="The findings of bias that called for a remedy.")
    everything: bool = Field(False, description="Whether remedies were also tried where nothing was found.")
    remedies: list[Remedy]


def write_mitigation(folder: Path, mitigation: Mitigation) -> Path:
    """Write ``mitigation.json`` into a result folder."""
    return write_text(folder / MITIGATION_FILE, to_json(mitigation.model_dump(mode="json")))


def read_mitigation(folder: Path) -> Mitigation | None:
    """The mitigation of a result folder; None where none was made.

    Raises:
        ResultError: where the file cannot be read.
    """
    path = folder / MITIGATION_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ResultError(f"{path} is not readable JSON: {error}.") from None
    version = content.get("schema_version") if isinstance(content, dict) else None
    if str(version).split(".")[0] != MITIGATION_VERSION.split(".")[0]:
        raise ResultError(
            f"{path} has schema version {version}; this version of fairwitness reads {MITIGATION_VERSION}."
        )
    try:
        return Mitigation.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ResultError(f"{path} does not fit its schema: {place}: {first['msg']}.") from None
