"""What was tried against a finding and what it bought: the types behind ``mitigation.json`` of a result folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from audit.results.folder import ResultError, to_json, write_text
from audit.results.schema import Direction, Finite, Stored

MITIGATION_FILE = "mitigation.json"
Change = Literal["better", "worse", "no_difference_shown", "not_measured"]


class Effect(Stored):
    """One metric without and with the remedy, on the same cases, none of which the remedy was made from.

    ``role``: ``target`` is what the remedy was meant to improve, ``harm`` what it may cost elsewhere. The interval is
    that of ``difference``, after minus before. ``change`` reads it by the metric's direction.
    """

    metric: str
    label: str
    unit: str
    direction: Direction
    role: Literal["target", "harm"]
    before: Finite | None
    after: Finite | None
    difference: Finite | None = None
    low: Finite | None = None
    high: Finite | None = None
    confidence: Finite = Field(0.95, gt=0, lt=1)
    n: int = Field(0, ge=0, description="Held-out cases behind the difference.")
    interval: str | None = Field(None, description="How the interval was computed.")
    change: Change = "not_measured"
    reason: str | None = Field(None, description="Why there is no difference.")

    @model_validator(mode="after")
    def _says_why(self) -> Effect:
        if self.difference is None and not self.reason:
            raise ValueError(f"{self.metric}: a missing difference needs a reason")
        return self


class FrontierPoint(Stored):
    """One setting of a remedy: how right it is and how far groups differ, both on held-out cases."""

    label: str
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
    def conclusion(self) -> Literal["helped", "helped_at_a_cost", "made_it_worse", "did_not_help", "not_tried"]:
        """What the effects say: helped needs a target that got better and none that got worse."""
        if self.status != "done":
            return "not_tried"
        targets = {e.change for e in self.effects if e.role == "target"}
        harmed = any(e.change == "worse" for e in self.effects if e.role == "harm")
        if "worse" in targets:
            return "made_it_worse"
        if "better" not in targets:
            return "did_not_help"
        return "helped_at_a_cost" if harmed else "helped"


class Mitigation(Stored):
    """The content of ``mitigation.json``: remedies for the findings of one audit."""

    schema_version: str = "1.0"
    audit_id: str
    model: str
    created: str = Field(description="UTC, ISO 8601.")
    seed: int
    confidence: Finite
    findings: list[str] = Field(description="Ids of the findings that were addressed.")
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
        return Mitigation.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ResultError(f"{path} is not readable JSON: {error}.") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ResultError(f"{path} does not fit its schema: {place}: {first['msg']}.") from None
