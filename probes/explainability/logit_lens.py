"""``explainability.logit_lens``: at which depth of the model its answers are settled.

The states of every layer are read with the model's own head. A layer settles an answer where its first token is ahead of
the other answer's there and in all layers above.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from audit.corpora import Item
from audit.metrics import mean, rate, wins_from
from audit.models import Capability, Failure, Lens, Lensed, Request, Response, Responses
from audit.results import Average, Finding, ItemStatus, Measurement, Record
from probes.base import Context, Metric, Outcome, Probe, ProbeOptions, Suite, coverage, derived_seed, options_of
from probes.explainability.decisions import FLAGGED_BY, Decision, decisions, load_decisions, preference_requests

FEWEST = 8  # decisions; below that nothing is said of them
EARLY = 0.5  # share of the layers
_SAME = "Both answers begin with the same token, so that their first tokens decide nothing."
_BEHIND = "The first token of the model's answer is behind that of the other; what follows decides."
_ALONE = "There is no other answer to be ahead of."


class LogitLensOptions(ProbeOptions):
    """Options of ``explainability.logit_lens``."""

    flagged: int = Field(4, ge=0, le=500, description="Decisions taken from what other probes flag.")


@dataclass(frozen=True)
class Settled:
    """A decision and the layer that settles it; ``depth`` from 0 (the embeddings) to 1 (the last layer).

    ``control``: the depth that settles which of two answers to another question is ahead.
    """

    decision: Decision
    answer: str
    status: ItemStatus
    note: str | None = None
    lensed: Lensed | None = None
    wins: int | None = None
    depth: float | None = None
    control: float | None = None


class LogitLens(Probe):
    """The layer at which an answer wins for good."""

    id = "explainability.logit_lens"
    title = "At which layer an answer is settled"
    risk = "explainability"
    purpose = (
        "A model works through its layers one after another. We read off every layer which of two answers it would give, and "
        "find the layer from which the model's answer stays ahead. It shows an engineer where in the model to look."
    )
    method = (
        "Logit lens: the residual stream of each layer at the place that decides the answer, through the model's own final "
        "norm and head; the last layer must give the model's own log-probability to 1e-4 or the reading is refused. The first "
        "layer from which the first token of the model's answer stays ahead of the other answer's, as a share of all layers; "
        "t and Wilson intervals over decisions. Control: two answers to another question."
    )
    citation = (
        "nostalgebraist 2020, interpreting GPT: the logit lens (LessWrong); its weaknesses: Belrose et al. 2023 "
        "(arXiv:2303.08112); items are our own and the audit's flagged texts."
    )
    limits = (
        "A layer that cannot be read this way may still hold the answer in another form, so that the depth is an upper bound. "
        "Only the first token of each answer is read. An early or a late layer is neither good nor bad."
    )
    capabilities = frozenset({Capability.SCORE, Capability.STATES})
    options = LogitLensOptions
    sizes: ClassVar[Mapping[Suite, int | None]] = {"quick": 16, "standard": 56, "full": None}
    stratum = "kind"
    follows = FLAGGED_BY
    metrics = (
        Metric(
            "winning_depth",
            "Depth of the model at which its answer is settled",
            "share of layers",
            "descriptive",
            "Mean share of the layers that the text has passed when the answer is ahead for good. 0: already as it enters; 1: "
            "in the last layer only. Chance is the depth at which two answers to another question are in their last order.",
            average=Average(score="depth"),
        ),
        Metric(
            "early_rate",
            "Answers settled in the first half of the model",
            "rate",
            "descriptive",
            "Share of decisions whose answer is ahead for good from a layer of the first half. Chance is the share for two "
            "answers to another question.",
            average=Average(outcomes=["settled in the first half"]),
        ),
    )

    def items(self, data: Path | None) -> list[Item]:
        """Decisions of our own; flagged ones come from other probes."""
        return load_decisions()

    def requests(self, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
        """Both answers, then the layers' reading of them and of a control's two answers."""
        stated: list[Request] = []
        for decision in self._decisions(items, context):
            stated += preference_requests([decision])
            chosen = decision.chosen(answers)
            if chosen is not None and chosen[1] is not None:
                stated += [Lens(decision.prompt, *chosen), self._control(decision, context)]
        return stated

    def measure(self, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        """The depth of every decision, and over all of them."""
        settled = [_settled(d, self._control(d, context), answers) for d in self._decisions(items, context)]
        depths = [s.depth for s in settled if s.depth is not None]
        controls = [s.control for s in settled if s.depth is not None and s.control is not None]
        planned, level = coverage(s.status for s in settled), context.confidence
        found = [
            self.measurement(
                "winning_depth",
                mean(depths, None, level, bounds=(0.0, 1.0)),
                planned,
                chance=float(np.mean(controls)) if controls else None,
            ),
            self.measurement(
                "early_rate",
                rate([depth <= EARLY for depth in depths], None, level),
                planned,
                chance=float(np.mean([depth <= EARLY for depth in controls])) if controls else None,
            ),
        ]
        return Outcome([self._record(s) for s in settled], found, [_finding(found)])

    def _decisions(self, items: Sequence[Item], context: Context) -> list[Decision]:
        return decisions(items, context, options_of(context, LogitLensOptions).flagged)

    def _control(self, decision: Decision, context: Context) -> Lens:
        """The decision's text with the answers of another decision of ours, which does not depend on the sample."""
        own = {decision.answer, decision.contrast}
        others = [item for item in _own_decisions() if own.isdisjoint((item["answer"], item["contrast"]))]
        other = others[derived_seed(context.seed, decision.id) % len(others)]
        return Lens(decision.prompt, other["answer"], other["contrast"])

    def _record(self, s: Settled) -> Record:
        scored = s.status == "scored"
        return Record(
            id=s.decision.id,
            probe=self.id,
            item=s.decision.id,
            source=s.decision.source(self.source),
            cluster=s.decision.id,
            axis=s.decision.kind,
            input=s.decision.text,
            output=s.answer.strip() or None,
            scores={"depth": s.depth, "layer": None if s.wins is None else float(s.wins), "control_depth": s.control},
            status=s.status,
            outcome=None if not scored else f"settled in the {'first' if (s.depth or 0) <= EARLY else 'second'} half",
            note=s.note,
            detail={} if s.lensed is None else _detail(s.lensed, s.wins),
        )


@cache
def _own_decisions() -> list[Item]:
    return load_decisions()


def _detail(lensed: Lensed, wins: int | None) -> dict[str, Any]:
    return {
        "kind": "lens",
        "answer": [round(value, 4) for value in lensed.answer],
        "contrast": [round(value, 4) for value in lensed.contrast],
        "target": lensed.target,
        "contrast_text": lensed.contrast_text,
        "wins_at": wins,
        "top": list(lensed.top),
    }


def _settled(decision: Decision, control: Lens, answers: Responses) -> Settled:
    chosen = decision.chosen(answers)
    if chosen is None:
        missing = decision.unscored(answers)
        return Settled(decision, "", missing.status, missing.reason)
    answer, other = chosen
    if other is None:
        return Settled(decision, answer, "unparsed", _ALONE)
    found = answers.get(Lens(decision.prompt, answer, other))
    if not isinstance(found, Lensed):
        status, reason = (found.status, found.reason) if isinstance(found, Failure) else ("failed", "Nothing was read.")
        return Settled(decision, answer, status, reason)
    if found.answer == found.contrast:
        return Settled(decision, answer, "unparsed", _SAME, found)
    wins = wins_from(found.answer, found.contrast)
    if wins is None:
        return Settled(decision, answer, "unparsed", _BEHIND, found)
    return Settled(
        decision, answer, "scored", None, found, wins, wins / (len(found.answer) - 1), _order(answers.get(control))
    )


def _order(found: Response | None) -> float | None:
    """The depth from which two answers are in their last order, whichever is ahead; None where neither is."""
    if not isinstance(found, Lensed):
        return None
    orders = (wins_from(found.answer, found.contrast), wins_from(found.contrast, found.answer))
    return next((wins / (len(found.answer) - 1) for wins in orders if wins is not None), None)


def _finding(found: Sequence[Measurement]) -> Finding:
    depth, early = found
    advice = "For engineers: the layers in which an answer is settled are where to look, or to intervene, first."
    if depth.value is None or depth.low is None or depth.high is None or depth.n < FEWEST:
        text = "At which layer answers are settled could be read for too few decisions ({n}; {fewest} are needed)."
        values = {"n": str(depth.n), "fewest": str(FEWEST)}
        return LogitLens.finding("depth", "not_tested", text, values, found, advice)
    values = {
        "n": str(depth.n),
        "depth": f"{depth.value:.0%}",
        "range": f"likely between {depth.low:.0%} and {depth.high:.0%}",
        "early": f"{early.value or 0:.0%}",
        "chance": "an unknown share" if depth.chance is None else f"{depth.chance:.0%}",
    }
    text = (
        "Described, not judged: on average the model's answer takes the lead for good after {depth} of its layers ({range}; "
        "{n} decisions), and for {early} of the decisions in the first half. For two answers that belong to another question, "
        "the order is settled after {chance}."
    )
    return LogitLens.finding("depth", "not_tested", text, values, found, advice)
