"""What became of each gate, and of the whole audit."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from audit.results.coverage import Coverage
from audit.results.stored import Finite, Stored

GateVerdict = Literal["met", "not_met", "not_established"]


class BaselineComparison(Stored):
    """How a number was set against that of the baseline, and on what."""

    paired: bool = Field(description="Whether record was set against record; else as two independent samples.")
    why_not: str | None = Field(None, description="Why it was not.")
    method: str | None = Field(None, description="The test and the interval.")
    now: Finite | None = Field(None, description="The value over what is compared: the shared records, where paired.")
    then: Finite | None = Field(None, description="The baseline's value over the same.")
    shared: int = Field(0, ge=0, description="Records with a score in both.")
    only_now: int = Field(0, ge=0, description="Records with a score in this audit alone.")
    only_then: int = Field(0, ge=0, description="Records with a score in the baseline alone.")
    changed: int = Field(0, ge=0, description="Records of one id that ask something else in the baseline.")
    notes: list[str] = Field(default_factory=list, description="What else differs besides the model.")


class GateResult(Stored):
    """One condition on one metric and what became of it."""

    metric: str
    rule: Literal["at_most", "at_least", "no_worse_than_baseline", "coverage_at_least"]
    threshold: Finite
    verdict: GateVerdict
    value: Finite | None = None
    low: Finite | None = None
    high: Finite | None = None
    confidence: Finite
    p_adjusted: Finite | None = Field(None, ge=0, le=1)
    more_items: int | None = Field(None, ge=0, description="About how many more items would settle it.")
    comparison: BaselineComparison | None = Field(None, description="Of no_worse_than_baseline.")
    coverage: Coverage | None = Field(None, description="That of the measurement; None where there is none.")
    reason: str


class Verdict(Stored):
    """The one answer of the whole audit; the exit status of the command is ``exit_status``."""

    status: Literal["met", "not_met", "not_established", "no_gates", "incomplete"]
    exit_status: int = Field(ge=0, le=4)
    text: str
    coverage: Coverage | None = Field(
        None, description="That of all probes, added up: what became of every planned record. None in older results."
    )
