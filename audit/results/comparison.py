"""Several results beside each other, and one model's results over time: what the pages of both are drawn from."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from audit.results.sameness import Changed
from audit.results.schema import Direction, GateResult, Measurement
from audit.results.stored import Finite, Stored

DifferenceWord = Literal["better", "worse", "higher", "lower", "no_difference_shown", "cannot_be_compared"]


class Difference(Stored):
    """One result's number less that of the result it is set against.

    ``word`` rests on the interval and on the p value after correction, never on which number is larger. ``higher`` and
    ``lower`` are for numbers of which neither is good. ``no_difference_shown`` is no proof that there is none: the interval
    says how large one may be.
    """

    word: DifferenceWord
    value: Finite | None = None
    low: Finite | None = None
    high: Finite | None = None
    confidence: Finite = Field(0.95, gt=0, lt=1)
    p_value: Finite | None = Field(None, ge=0, le=1)
    p_adjusted: Finite | None = Field(
        None, ge=0, le=1, description="Holm over all comparisons that were made together."
    )
    paired: bool = Field(False, description="Record by record on what both share; otherwise as independent samples.")
    unpaired: str | None = Field(None, description="Why not record by record.")
    here: Finite | None = Field(
        None, description="The number over what is compared: over the shared records, where paired."
    )
    there: Finite | None = Field(None, description="The number that it is set against, over the same.")
    shared: int | None = Field(None, ge=0, description="Records that both results hold, with the same input.")
    only_here: int | None = Field(None, ge=0)
    only_there: int | None = Field(None, ge=0, description="Records that only the other result holds.")
    changed: int | None = Field(None, ge=0, description="Records of one id whose input is another.")
    method: str | None = None
    reason: str | None = Field(None, description="Why they cannot be compared.")

    @model_validator(mode="after")
    def _says_why(self) -> Difference:
        if (self.word == "cannot_be_compared") != bool(self.reason):
            raise ValueError("what cannot be compared needs a reason, and nothing else has one")
        if self.word != "cannot_be_compared" and None in (self.value, self.low, self.high):
            raise ValueError(f"the word {self.word} needs a difference with its interval")
        return self


class Compared(Stored):
    """One metric over several results, in their order.

    ``missing`` says why a result has no number; ``differences`` sets each against the first, None for the first itself.
    """

    metric: str
    probe: str
    risk: str
    label: str
    slice: str | None = None
    unit: str
    direction: Direction
    found: tuple[Measurement | None, ...]
    missing: tuple[str | None, ...]
    differences: tuple[Difference | None, ...]


class Comparison(Stored):
    """All metrics of several results. The first result is what the others are set against."""

    confidence: Finite = Field(gt=0, lt=1)
    tests: int = Field(ge=0, description="Comparisons that were corrected together.")
    rows: tuple[Compared, ...]


class Point(Stored):
    """One metric in one audit of a trend; ``gates`` are that audit's own verdicts on it."""

    measurement: Measurement | None
    reason: str | None = Field(None, description="Why there is no number.")
    gates: tuple[GateResult, ...] = ()
    questions: Changed | None = Field(
        None, description="Whether the items of the metric's probe changed since the last audit that had them."
    )


class Series(Stored):
    """One metric over time. ``change`` sets the last audit against the one before, None where there is only one."""

    metric: str
    label: str
    slice: str | None = None
    unit: str
    direction: Direction
    points: tuple[Point, ...]
    change: Difference | None = None


class Occasion(Stored):
    """One audit of a trend, and what changed since the one before it."""

    folder: str
    created: str
    audit_id: str
    suite: str
    seed: int
    confidence: Finite
    tool_version: str
    changes: tuple[Changed, ...] = ()


class Trend(Stored):
    """The audits of one model, the oldest first, and its gated metrics over them."""

    model: str
    audits: tuple[Occasion, ...]
    series: tuple[Series, ...]


class LeftOut(Stored):
    """A folder that is in no trend."""

    folder: str
    reason: str
