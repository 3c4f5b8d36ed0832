"""What an audit says: the types behind ``result.json`` and the record files.

Everything that a person or a CI job reads (card, report, exit status) is drawn from these types alone. Numbers
that could not be measured are ``None`` with a ``reason``; not-a-number and infinity cannot be stored.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from audit.results.coverage import Coverage
from audit.results.facts import ModelFacts
from audit.results.fitted import Budget
from audit.results.stored import Finite, Stored
from audit.results.verdicts import GateResult, Verdict

SCHEMA_VERSION = "1.0"

Direction = Literal["lower_is_better", "higher_is_better", "zero_is_better", "descriptive"]
Outlook = Literal["problem_found", "no_problem_found", "unclear", "not_tested"]
Severity = Literal["high", "medium", "low", "none"]
ClaimVerdict = Literal["supported", "contradicted", "not in the text", "consistent", "inconsistent", "unread"]
ItemStatus = Literal["scored", "unparsed", "refused", "truncated", "not_a_number", "failed"]

DatumKind = Literal[
    "key", "account", "card", "identity number", "e-mail", "phone", "internet address", "street address", "name"
]


class Spread(Stored):
    """How far a value moves between wordings of the same question: its lowest and highest over templates."""

    low: Finite
    high: Finite
    templates: int = Field(ge=1)


class Average(Stored):
    """How a number follows from the records behind it: a mean over those that were scored, or the difference of two.

    What is averaged of a record is one of its scores, or 1 where its outcome is one of ``outcomes`` and else 0. With it two
    results that share records can be compared record by record.
    """

    score: str | None = Field(None, description="The name of the score that is averaged.")
    outcomes: list[str] = Field(
        default_factory=list, description="The outcomes that count as 1, where no score is named."
    )
    among: dict[str, str] = Field(
        default_factory=dict, description="Column values of the records that are averaged, of those behind the number."
    )
    less: dict[str, str] | None = Field(
        None, description="Column values of the records whose mean is taken away; None where nothing is."
    )

    @model_validator(mode="after")
    def _says_what(self) -> Average:
        if (self.score is None) != bool(self.outcomes):
            raise ValueError("an average is of a score or of outcomes, and of one of them")
        return self


class Measurement(Stored):
    """One number with what is needed to judge it.

    ``metric`` is ``<probe id>.<name>`` or ``<probe id>.<name>[<slice>]`` and unique within a result.
    ``value`` is None where nothing could be scored; ``reason`` then says why.
    """

    metric: str
    probe: str
    slice: str | None = None
    label: str = Field(description="The metric's name in plain words.")
    value: Finite | None
    low: Finite | None = Field(None, description="Lower end of the interval.")
    high: Finite | None = Field(None, description="Upper end of the interval.")
    confidence: Finite = Field(0.95, gt=0, lt=1)
    n: int = Field(ge=0, description="Scored observations behind the value.")
    clusters: int | None = Field(None, ge=0, description="Independent groups (templates, questions) among the n.")
    successes: int | None = Field(None, ge=0, description="For rates: how many of the n.")
    unit: str = Field(description="rate, nats, nats per word, probability, correlation, ...")
    direction: Direction
    chance: Finite | None = Field(None, description="What guessing, or no effect at all, would give.")
    interval: str | None = Field(None, description="How the interval was computed.")
    p_value: Finite | None = Field(None, ge=0, le=1)
    p_adjusted: Finite | None = Field(None, ge=0, le=1)
    adjustment: Literal["holm", "benjamini-hochberg"] | None = None
    spread: Spread | None = None
    coverage: Coverage
    evidence: dict[str, str] = Field(
        default_factory=dict, description="Column values that select the records behind the number."
    )
    average: Average | None = Field(
        None, description="How the value follows from those records; None where it is no mean of anything of theirs."
    )
    reason: str | None = None

    @model_validator(mode="after")
    def _honest(self) -> Measurement:
        if self.value is None and not self.reason:
            raise ValueError(f"{self.metric}: a missing value needs a reason")
        if self.value is not None and self.n == 0:
            raise ValueError(f"{self.metric}: a value without observations")
        if (self.low is None) != (self.high is None):
            raise ValueError(f"{self.metric}: an interval with one end")
        ends = (self.low, self.value, self.high)
        if None not in ends and list(ends) != sorted(end for end in ends if end is not None):
            raise ValueError(f"{self.metric}: the interval [{self.low}, {self.high}] misses the value {self.value}")
        return self


class Claim(Stored):
    """A part of an answer that was judged on its own: ``output[start:end]`` of its record."""

    start: int = Field(ge=0, description="Place of its first character, counted in Unicode code points.")
    end: int = Field(ge=1)
    verdict: ClaimVerdict
    evidence: str | None = Field(None, description="What the verdict rests on, e.g. a sentence of the given text.")
    score: Finite | None = Field(None, description="The reader's score, on its own scale.")

    @model_validator(mode="after")
    def _holds_something(self) -> Claim:
        if self.end <= self.start:
            raise ValueError("a claim ends after it starts")
        return self


class Turn(Stored):
    """One turn of a conversation with the model."""

    role: Literal["system", "user", "assistant"]
    content: str


class Asked(Stored):
    """The decision behind a record exactly as the model was given it, so that it can be explained later.

    The question is why the model gives ``answer`` after ``prompt``, rather than ``contrast`` where there is one.
    """

    prompt: str | list[Turn] = Field(description="Raw text, or the turns of a conversation.")
    answer: str = Field(description="As it was scored or written, with its leading space; of a classifier a class.")
    contrast: str | None = Field(None, description="What the answer was compared with.")


class Withheld(Stored):
    """A personal datum that a record does not hold: its place is blotted out, and this is left of it."""

    where: str = Field(description="The field, such as output, asked.prompt.0 or detail.tokens.")
    kind: DatumKind
    start: int = Field(ge=0, description="Place of its first character; in lists of texts, of all of them joined.")
    end: int = Field(ge=1)
    hash: str = Field(
        pattern="^[0-9a-f]{16}$",
        description="Keyed hash of the datum in one form: equal for equal data of audits with one key.",
    )


class Record(Stored):
    """One piece of evidence: what the model was given, what it gave back, and how that was read.

    Personal data in it are blotted out when it is written, and named in ``withheld``; see ``docs/privacy.md``.
    """

    id: str = Field(description="Stable within the probe; names the item and its variant.")
    probe: str
    item: str = Field(description="The item's id in its source.")
    source: str = Field(description="Where the item comes from, with its licence.")
    cluster: str = Field(description="Records of one cluster are not independent.")
    template: str | None = Field(None, description="The wording used.")
    axis: str | None = Field(None, description="The protected attribute or subject that the item is about.")
    group: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    input: str
    output: str | None = None
    expected: str | None = None
    scores: dict[str, Finite | None] = Field(default_factory=dict)
    status: ItemStatus = "scored"
    outcome: str | None = Field(None, description="How the answer was read, e.g. right, wrong, refusal.")
    concern: Finite = Field(0.0, ge=0, le=1, description="For sorting: 0 nothing to see, 1 the worst of its probe.")
    seed: int | None = None
    note: str | None = None
    detail: dict[str, Any] = Field(default_factory=dict, description="Material for viewers, e.g. attention blocks.")
    claims: list[Claim] = Field(default_factory=list, description="Parts of the output that were judged on their own.")
    asked: Asked | None = Field(None, description="The decision behind the record, where it can be explained.")
    withheld: list[Withheld] = Field(default_factory=list, description="Personal data that are blotted out in it.")

    @property
    def decision_is_whole(self) -> bool:
        """Whether nothing of the decision behind the record is blotted out, so that it can be put again."""
        return not any(w.where.startswith("asked.") for w in self.withheld)

    @field_validator("detail")
    @classmethod
    def _finite(cls, detail: dict[str, Any]) -> dict[str, Any]:
        json.dumps(detail, allow_nan=False)  # raises ValueError: Out of range float values are not JSON compliant
        return detail


class Finding(Stored):
    """A sentence that a person can act on, tied to measurements and records.

    ``template`` is the English sentence with named places and ``values`` fills them, so that a report in another
    language can say the same; ``text`` is the finished English sentence.
    """

    id: str
    probe: str
    risk: str
    outlook: Outlook
    severity: Severity
    template: str
    values: dict[str, str] = Field(default_factory=dict)
    advice: str = Field(description="What can be done, or what to ask the provider.")
    measurements: list[str] = Field(default_factory=list)
    records: list[str] = Field(default_factory=list)

    @property
    def text(self) -> str:
        """The English sentence."""
        return self.template.format_map(self.values)


class ProbeRun(Stored):
    """What one probe asked, by which method, and how it went."""

    id: str
    title: str
    risk: str
    purpose: str
    method: str
    citation: str
    limits: str
    source: str
    licence: str
    capabilities: list[str]
    status: Literal["done", "not_applicable", "failed"]
    reason: str | None = None
    seconds: Finite = 0.0
    items: int = Field(0, ge=0, description="Items drawn.")
    available: int = Field(0, ge=0, description="Items that the source holds.")
    records: int = Field(0, ge=0)
    coverage: Coverage | None = Field(
        None,
        description="What became of its records, each once; where it failed, nothing counts as scored. None in older "
        "results.",
    )

    @model_validator(mode="after")
    def _says_why(self) -> ProbeRun:
        if self.status != "done" and not self.reason:
            raise ValueError(f"{self.id}: status {self.status} needs a reason")
        return self


class ComparedWith(Stored):
    """The baseline of an audit."""

    audit_id: str
    model: str
    weights_sha256: str | None = None
    created: str
    sha256: str = Field(description="Of the baseline file, or of the result.json.")


class Manifest(Stored):
    """What is needed to run the same audit again, and how long this one took."""

    audit_id: str = Field(description="Hash of weights, tokenizer, template, items, config and code version.")
    identity: dict[str, str] = Field(default_factory=dict, description="What audit_id is the hash of, part by part.")
    tool_version: str
    created: str = Field(description="UTC, ISO 8601.")
    seconds: Finite = 0.0
    timings: dict[str, Finite] = Field(default_factory=dict)
    seed: int
    suite: str
    confidence: Finite
    config: dict[str, Any]
    config_file: str = Field("model.yaml", description="Where the config lay, as it was named.")
    command: str
    python: str
    platform: str
    packages: dict[str, str]
    items: dict[str, str] = Field(default_factory=dict, description="Probe id to the hash of its items.")
    requests: dict[str, int] = Field(default_factory=dict, description="stated, unique.")
    judges: dict[str, str] = Field(
        default_factory=dict, description="Other models that read answers, with the SHA-256 of their weights."
    )
    budget: Budget | None = Field(None, description="The time that the audit was fitted to; None where there was none.")
    baseline: ComparedWith | None = Field(None, description="The earlier result that gates were compared with.")


class AuditResult(Stored):
    """The content of ``result.json``."""

    schema_version: str = SCHEMA_VERSION
    model: ModelFacts
    manifest: Manifest
    probes: list[ProbeRun]
    measurements: list[Measurement]
    findings: list[Finding]
    gates: list[GateResult]
    verdict: Verdict

    @field_validator("measurements")
    @classmethod
    def _unique(cls, measurements: list[Measurement]) -> list[Measurement]:
        names = [m.metric for m in measurements]
        twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if twice:
            raise ValueError(f"metrics measured twice: {', '.join(twice)}")
        return measurements

    def measurement(self, metric: str) -> Measurement | None:
        """The measurement of that full name, or None."""
        return next((m for m in self.measurements if m.metric == metric), None)
