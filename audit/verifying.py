"""Does an old result hold? The model is opened again, and a sample of the result's decisions is computed anew.

Nothing is taken from the cache and nothing is kept in it. Only decisions between two answers, and likelihoods that a record
holds, can be computed again from the record alone; a written answer cannot, for the record does not say how it was sampled.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from audit.cache import ResponseCache
from audit.execution import Answers
from audit.manifest import code_identity, package_versions, tool_version
from audit.models import Capability, Classified, Classify, Failure, Model, Request, Response, Score, Scored
from audit.models.rounding import tolerance
from audit.progress import Progress
from audit.results import AuditResult, Record, read_records
from probes.asked import prompt_of

LOG_ODDS = ("log_odds", "log_odds_true", "log_odds_yes")
"""Scores of records that are log p(one answer) - log p(the other)."""
LIKELIHOOD = "log_likelihood"
Fate = Literal["same", "close", "moved", "unanswered"]


@dataclass(frozen=True)
class Check:
    """Something that a result says of its model or its making, and what is so now; ``same`` None: one is not known.

    ``decisive``: where it differs, the result is not of this model.
    """

    name: str
    then: str | None
    now: str | None
    decisive: bool

    @property
    def same(self) -> bool | None:
        """Whether it is as it was."""
        return None if self.then is None or self.now is None else self.then == self.now


@dataclass(frozen=True)
class Recomputed:
    """A record that was computed anew.

    ``then`` and ``now``: log-odds or log-likelihood in nats, where the record holds one; ``difference``: how far they are
    apart, ``allowed`` how far they may be. ``close``: the other answer is preferred now, by less than that.
    """

    probe: str
    record: str
    fate: Fate
    then: float | None = None
    now: float | None = None
    allowed: float = 0.0
    reason: str | None = None

    @property
    def difference(self) -> float | None:
        """How far the number moved, in nats."""
        return None if self.then is None or self.now is None else abs(self.then - self.now)


@dataclass(frozen=True)
class Verification:
    """What was found; ``available``: the records that could have been computed anew, of ``records`` in the result.

    ``withheld``: records that could not, because personal data are blotted out in what was asked.
    """

    checks: tuple[Check, ...]
    notes: tuple[str, ...]
    again: tuple[Recomputed, ...]
    available: int
    records: int
    stopped: str | None = None
    withheld: int = 0

    @property
    def other_model(self) -> tuple[Check, ...]:
        """What shows that the result is of another model."""
        return tuple(check for check in self.checks if check.decisive and check.same is False)

    @property
    def counts(self) -> Counter[Fate]:
        """Records by what became of them."""
        return Counter(again.fate for again in self.again)

    @property
    def largest(self) -> float | None:
        """The largest difference, in nats; None where no record holds a number."""
        return max((a.difference for a in self.again if a.difference is not None), default=None)

    @property
    def holds(self) -> bool | None:
        """Whether the result holds; None where that could not be found out."""
        if self.other_model or self.counts["moved"]:
            return False
        return None if not self.again or self.counts["unanswered"] else True

    def data(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "holds": self.holds,
            "checks": [{**asdict(check), "same": check.same} for check in self.checks],
            "notes": list(self.notes),
            "records": self.records,
            "available": self.available,
            "withheld": self.withheld,
            "sampled": len(self.again),
            "counts": {fate: self.counts[fate] for fate in ("same", "close", "moved", "unanswered")},
            "largest_difference": self.largest,
            "moved": [
                {**asdict(a), "difference": a.difference} for a in self.again if a.fate in ("moved", "unanswered")
            ],
            "stopped": self.stopped,
        }


def verify(model: Model, folder: Path, result: AuditResult, sample: int, seed: int, progress: Progress) -> Verification:
    """Compute a seeded sample of a result's decisions anew, and compare model, code and packages with what it says.

    Raises:
        ResultError: where the records cannot be read.
    """
    records = [r for run in result.probes if run.status == "done" for r in read_records(folder, run.id)]
    able = [record for record in records if requests_of(record, model.capabilities)]
    drawn = able if len(able) <= sample else random.Random(seed).sample(able, sample)
    drawn = sorted(drawn, key=lambda r: (r.probe, r.id))
    answers = Answers()
    with ResponseCache(Path(":memory:"), model.fingerprint) as nothing:
        asked = [request for record in drawn for request in requests_of(record, model.capabilities)]
        answers.fill(model, nothing, asked, progress)
    again = tuple(compared(record, model, answers.responses) for record in drawn)
    withheld = sum(not record.decision_is_whole for record in records)
    return Verification(checks(result, model), notes(result), again, len(able), len(records), answers.stopped, withheld)


def checks(result: AuditResult, model: Model) -> tuple[Check, ...]:
    """The model and the code that made the result beside those of now."""
    was, now = result.model, model.facts
    template, other = (facts.chat_template_sha256 if facts.chat_template else "none" for facts in (was, now))
    return (
        Check("weights", was.weights_sha256, now.weights_sha256, True),
        Check("tokenizer", was.tokenizer_sha256, now.tokenizer_sha256, True),
        Check("chat template", template, other, True),
        Check("number format", was.dtype, now.dtype, False),
        Check("version of fairwitness", result.manifest.tool_version, tool_version(), False),
        Check("code of fairwitness", result.manifest.identity.get("code"), code_identity(), False),
    )


def notes(result: AuditResult) -> tuple[str, ...]:
    """Other versions of the libraries that can change a number."""
    was, now = result.manifest.packages, package_versions()
    return tuple(
        f"{name} was {was.get(name, 'not installed')} and is {now.get(name, 'not installed')}"
        for name in sorted({*was, *now})
        if was.get(name) != now.get(name)
    )


def requests_of(record: Record, capabilities: frozenset[Capability]) -> list[Request]:
    """What a record's decision is computed anew from; empty where the record alone does not say how it was decided.

    Records that show other texts beside their own were decided over all of these.
    """
    asked = record.asked
    if record.status != "scored" or asked is None or "other_texts" in record.detail or not record.decision_is_whole:
        return []
    prompt = prompt_of(asked)
    if Capability.SCORE in capabilities:
        if asked.contrast is not None:
            return [Score(prompt, asked.answer), Score(prompt, asked.contrast)]
        return [Score(prompt, asked.answer)] if record.scores.get(LIKELIHOOD) is not None else []
    if Capability.CLASSIFY in capabilities and asked.contrast is not None and isinstance(prompt, str):
        return [Classify(prompt)]
    return []


def compared(record: Record, model: Model, answers: Mapping[Request, Response]) -> Recomputed:
    """What a record says beside what the model answers now."""
    found = [answers[request] for request in requests_of(record, model.capabilities)]
    failure = next((response for response in found if isinstance(response, Failure)), None)
    if failure is not None:
        return Recomputed(record.probe, record.id, "unanswered", reason=failure.reason)
    scores = [response.logprob for response in found if isinstance(response, Scored)]
    if isinstance(found[0], Classified):
        scores = _of_classes(found[0], record)
    if not scores:
        return Recomputed(record.probe, record.id, "moved", reason="The model has no such class any more.")
    allowed = sum(tolerance(model.facts.dtype, score) for score in scores)
    if len(scores) == 1:
        then, now = record.scores[LIKELIHOOD], scores[0]
        near = then is not None and abs(then - now) <= allowed
        return Recomputed(record.probe, record.id, "same" if near else "moved", then, now, allowed)
    now = scores[0] - scores[1]
    kept = [] if isinstance(found[0], Classified) else [record.scores.get(name) for name in LOG_ODDS]
    then = next((abs(value) for value in kept if value is not None), None)
    near = then is None or abs(then - now) <= allowed
    fate: Fate = "moved" if not near or now < -allowed else "same" if now > 0 else "close"
    return Recomputed(record.probe, record.id, fate, then, now, allowed)


def _of_classes(found: Classified, record: Record) -> list[float]:
    """Log-probabilities of the two classes of a record; empty where the classifier lacks one."""
    asked = record.asked
    classes = dict(zip(found.labels, found.probabilities, strict=True))
    if asked is None or asked.contrast is None or not {asked.answer, asked.contrast} <= set(classes):
        return []
    return [math.log(max(classes[name], 1e-300)) for name in (asked.answer, asked.contrast)]
