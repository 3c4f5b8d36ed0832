"""``explainability.attention``: where the model looks, by layer and head, and how little that may say.

Attention weights come from one teacher-forced pass. Entropy and sink mass describe them; rollout follows them through
the layers to the position that decides; its agreement with the measured effect of words says what it is worth.

Of an encoder-decoder, the attention from the answer to the prompt is taken instead: its entropy and sink mass, with the
encoder's own beside them, and its shares carried through the encoder, as a mean over the answer's tokens.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from audit.corpora import Item
from audit.metrics import entropy, kendall_tau, mean, rollout, sink_mass
from audit.models import Attend, Attended, Attribute, Attributed, Capability, Failure, Request, Response, Responses
from audit.results import Finding, ItemStatus, Measurement, Outlook, Record, Severity
from probes.base import Context, Metric, Outcome, Probe, ProbeOptions, Suite, coverage, options_of
from probes.explainability.attribution import attribution_request
from probes.explainability.cross_attention import cross_entropy, source_mass, source_shares
from probes.explainability.decisions import FLAGGED_BY, Decision, decisions, load_decisions, preference_requests

FloatArray = NDArray[np.float64]
FEWEST = 8  # decisions; below that the agreement is not judged
_NO_TAU = "Attention could not be set against word effects."


class AttentionOptions(ProbeOptions):
    """Options of ``explainability.attention``."""

    shown: int = Field(6, ge=0, le=50, description="Examples kept whole for the report's viewer.")
    longest: int = Field(64, ge=8, le=256, description="Longer texts, in tokens, are measured but not shown.")
    flagged: int = Field(2, ge=0, le=100, description="Decisions taken from what the bias probe flags.")


@dataclass(frozen=True)
class Looked:
    """A decision with its attention; entropy and sink ``[layers, heads]``, rollout ``[tokens, tokens]``.

    Of an encoder-decoder, ``attended`` is the answer's attention to the prompt, rollout ``[tokens, sources]``, ``encoder``
    the entropy and sink of the encoder, and ``end`` the mean weight on the prompt's last token.
    """

    decision: Decision
    answer: str
    status: ItemStatus
    note: str | None = None
    attended: Attended | None = None
    entropy: FloatArray | None = None
    sink: FloatArray | None = None
    rollout: FloatArray | None = None
    tau: float | None = None
    encoder: tuple[FloatArray | None, FloatArray | None] | None = None
    end: float | None = None


class Attention(Probe):
    """Attention by layer and head with its measured usefulness."""

    id = "explainability.attention"
    title = "Where the model looks"
    risk = "explainability"
    purpose = (
        "Language models weigh earlier words by what is called attention. We record these weights for every layer and "
        "show them, and we measure whether the words that get most weight are the ones that really change the answer."
    )
    method = (
        "Attention weights of one teacher-forced pass with the eager kernel. Normalised entropy by head; mass on the first "
        "token (sink); rollout to the deciding position, summed by word; Kendall's tau-b between rollout and the size of "
        "leave-one-out effects, averaged over decisions with a t interval."
    )
    citation = (
        "Rollout: Abnar & Zuidema 2020 (arXiv:2005.00928); attention as explanation: Jain & Wallace 2019 "
        "(arXiv:1902.10186); sinks: Xiao et al. 2023 (arXiv:2309.17453); items are our own."
    )
    limits = (
        "Attention shows where the model looked, not why it answered. Words can matter without weight and have weight "
        "without mattering; the agreement figure says how far apart the two are here."
    )
    capabilities = frozenset({Capability.SCORE, Capability.ATTENTION, Capability.ATTRIBUTE})
    options = AttentionOptions
    sizes: ClassVar[Mapping[Suite, int | None]] = {"quick": 10, "standard": 28, "full": None}
    stratum = "kind"
    follows = FLAGGED_BY
    metrics = (
        Metric(
            "usefulness",
            "Agreement of attention with the measured effect of words",
            "correlation",
            "higher_is_better",
            "Mean rank correlation of attention rollout with leave-one-out effects. 1: attention names the words that "
            "matter; 0: it says nothing about them.",
        ),
        Metric(
            "entropy",
            "How widely attention is spread",
            "share of maximum",
            "descriptive",
            "Mean over layers and heads of the normalised entropy. 0: all weight on one token; 1: even over all tokens. "
            "Chance is even weight.",
        ),
        Metric(
            "sink_mass",
            "Attention that rests on the first token",
            "share of weight",
            "descriptive",
            "Mean weight on the first token, which often serves as a resting place without meaning. Chance is its share "
            "under even weight.",
        ),
    )

    def items(self, data: Path | None) -> list[Item]:
        """Decisions of our own; flagged ones come from the bias probe."""
        return load_decisions()

    def requests(self, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
        """Both answers, then attention and the leave-one-out effects of the chosen one."""
        stated: list[Request] = []
        for decision in self._decisions(items, context):
            stated += preference_requests([decision])
            effects = attribution_request(decision, answers)
            if effects is not None:
                stated.append(effects)
                if Capability.CROSS_ATTENTION in context.capabilities:
                    stated += _across(decision, effects)
                else:
                    stated.append(Attend(decision.prompt, effects.continuation))
        return stated

    def measure(self, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        """Entropy, sinks, rollout and usefulness, with the first examples kept for the viewer."""
        across = Capability.CROSS_ATTENTION in context.capabilities
        looked = [_looked(d, answers, across) for d in self._decisions(items, context)]
        done = [x for x in looked if x.attended is not None]
        taus = [x.tau for x in done if x.tau is not None]
        level = context.confidence
        found = [
            self.measurement(
                "usefulness",
                mean(taus, None, level, bounds=(-1.0, 1.0)),
                coverage("unparsed" if x.status == "scored" and x.tau is None else x.status for x in looked),
                chance=0.0,
            ),
            self._described("entropy", looked, [x.entropy for x in done], 1.0, level),
            self._described("sink_mass", looked, [x.sink for x in done], _even_sink(done), level),
        ]
        if across:
            parts = [x.encoder for x in done if x.encoder is not None]
            even = _mean_or_none([1 / len(x.attended.sources) for x in done if x.attended is not None])
            found += [
                self._described("entropy", looked, [spread for spread, _ in parts], 1.0, level, "encoder"),
                self._described("sink_mass", looked, [sink for _, sink in parts], even, level, "encoder"),
            ]
        options = options_of(context, AttentionOptions)
        fitting = [x.decision.id for x in done if x.attended and _extent(x.attended) <= options.longest]
        shown = set(fitting[: options.shown])
        return Outcome([self._record(x, x.decision.id in shown) for x in looked], found, [_finding(found[0])])

    def _decisions(self, items: Sequence[Item], context: Context) -> list[Decision]:
        return decisions(items, context, options_of(context, AttentionOptions).flagged)

    def _described(
        self,
        name: str,
        looked: Sequence[Looked],
        values: Sequence[FloatArray | None],
        chance: float | None,
        level: float,
        part: str | None = None,
    ) -> Measurement:
        means = [float(v.mean()) for v in values if v is not None]
        estimate = mean(means, None, level, bounds=(0.0, 1.0))
        return self.measurement(name, estimate, coverage(x.status for x in looked), chance=chance, part=part)

    def _record(self, x: Looked, shown: bool) -> Record:
        scored = x.status == "scored"
        return Record(
            id=x.decision.id,
            probe=self.id,
            item=x.decision.id,
            source=self.source if x.decision.flagged_by is None else f"flagged by {x.decision.flagged_by}",
            cluster=x.decision.id,
            axis=x.decision.kind,
            input=x.decision.text,
            output=x.answer.strip() or None,
            scores={
                "usefulness": x.tau,
                "entropy": None if x.entropy is None else float(x.entropy.mean()),
                "sink_mass": None if x.sink is None else float(x.sink.mean()),
                **({} if x.end is None else {"end_mass": x.end}),
            },
            status=x.status,
            outcome=None if not scored else "shown in the viewer" if shown else "measured",
            concern=0.1 if shown else 0.0,
            note=x.note,
            detail=_viewer_block(x) if shown else {},
        )


def _looked(decision: Decision, answers: Responses, across: bool) -> Looked:
    effects = attribution_request(decision, answers)
    if effects is None:
        failed = next((f for f in (answers.get(s) for s in decision.preferences) if isinstance(f, Failure)), None)
        reason = failed.reason if failed else "The answers could not be scored."
        return Looked(decision, "", failed.status if failed else "failed", reason)
    if across:
        return _looked_across(decision, effects, answers)
    attended = answers.get(Attend(decision.prompt, effects.continuation))
    if not isinstance(attended, Attended):
        return _unseen(decision, effects, attended)
    weights = attended.weights.astype(np.float64)
    rolled = rollout(weights, attended.causal)
    found = answers.get(effects)
    tau = _usefulness(attended, rolled, found) if rolled is not None and isinstance(found, Attributed) else None
    return Looked(
        decision,
        effects.continuation,
        "scored",
        None if tau is not None else _NO_TAU,
        attended,
        entropy(weights, attended.causal),
        sink_mass(weights, attended.causal),
        rolled,
        tau,
    )


def _unseen(decision: Decision, effects: Attribute, answer: Response | None) -> Looked:
    reason = answer.reason if isinstance(answer, Failure) else "No attention came."
    status: ItemStatus = answer.status if isinstance(answer, Failure) else "failed"
    return Looked(decision, effects.continuation, status, reason)


def _across(decision: Decision, effects: Attribute) -> tuple[Attend, Attend]:
    """Attention of the answer to the prompt, and of the encoder."""
    return (
        Attend(decision.prompt, effects.continuation, "cross"),
        Attend(decision.prompt, effects.continuation, "encoder"),
    )


def _looked_across(decision: Decision, effects: Attribute, answers: Responses) -> Looked:
    cross, encoder = (answers.get(request) for request in _across(decision, effects))
    if not isinstance(cross, Attended):
        return _unseen(decision, effects, cross)
    if not isinstance(encoder, Attended):
        return _unseen(decision, effects, encoder)
    shares = source_shares(cross.weights, encoder.weights)
    found = answers.get(effects)
    tau = None
    if shares is not None and isinstance(found, Attributed):
        masses = mass_by_word(cross.sources, shares.mean(axis=0), found.units)
        tau = None if masses is None else kendall_tau(masses, np.abs(found.scores))
    end = source_mass(cross.weights, -1)
    return Looked(
        decision,
        effects.continuation,
        "scored",
        None if tau is not None else _NO_TAU,
        cross,
        cross_entropy(cross.weights),
        source_mass(cross.weights, 0),
        shares,
        tau,
        (entropy(encoder.weights, encoder.causal), sink_mass(encoder.weights, encoder.causal)),
        None if end is None else float(end.mean()),
    )


def _extent(attended: Attended) -> int:
    return max(len(attended.tokens), len(attended.sources))


def _usefulness(attended: Attended, rolled: FloatArray, found: Attributed) -> float | None:
    """Kendall's tau-b between rollout mass by word, at the position that decides, and the size of word effects."""
    pieces = attended.tokens[: attended.prompt_tokens]
    # A model that reads from left to right decides at the prompt's last token, a masked one at the answer's place.
    place = attended.prompt_tokens - (1 if attended.causal else 0)
    masses = mass_by_word(pieces, rolled[place, : attended.prompt_tokens], found.units)
    return None if masses is None else kendall_tau(masses, np.abs(found.scores))


def mass_by_word(pieces: Sequence[str], mass: FloatArray, words: Sequence[str]) -> FloatArray | None:
    """Sum of token masses for each word.

    Args:
        pieces: ``[tokens]`` text of each token; joined they hold the words in order.
        mass: ``[tokens]`` numbers.
        words: ``[words]`` without spaces.

    Returns:
        ``[words]`` sums; None where the words are not found in the joined text in order.
    """
    text = "".join(pieces)
    found = list(re.finditer(r"\s+".join(f"({re.escape(word)})" for word in words), text)) if words else []
    if not found:
        return None
    starts = [found[-1].start(w + 1) for w in range(len(words))]
    sums = np.zeros(len(words))
    end = 0
    for piece, weight in zip(pieces, mass, strict=True):
        begin, end = end, end + len(piece)
        owner = next((w for w, s in enumerate(starts) if s < end and begin < s + len(words[w])), None)
        if owner is not None:
            sums[owner] += weight
    return sums


def _even_sink(done: Sequence[Looked]) -> float | None:
    """Mass on the first token if each position weighed all tokens that it sees alike, rows from the second."""
    shares = [_even_share(x.attended) for x in done if x.attended is not None]
    return _mean_or_none(shares)


def _even_share(attended: Attended) -> float:
    if attended.sources:
        return 1 / len(attended.sources)
    return float(np.mean([1 / (i + 1) for i in range(1, len(attended.tokens))]))


def _mean_or_none(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _packed(values: FloatArray) -> str:
    """Weights 0 to 1 as bytes 0 to 255, raw-deflated, in base64."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    raw = np.round(np.clip(values, 0, 1) * 255).astype(np.uint8).tobytes()
    return base64.b64encode(squeeze.compress(raw) + squeeze.flush()).decode("ascii")


def _viewer_block(x: Looked) -> dict[str, Any]:
    if x.attended is None or x.rollout is None or x.entropy is None or x.sink is None:
        return {}
    layers, heads, tokens, seen = x.attended.weights.shape
    below = np.tril_indices(tokens) if x.attended.causal else np.indices((tokens, seen)).reshape(2, -1)
    across = {"sources": list(x.attended.sources)} if x.attended.sources else {}
    return {
        "kind": "attention",
        "tokens": list(x.attended.tokens),
        **across,
        "layers": layers,
        "heads": heads,
        "encoding": "deflate-raw+base64",
        "causal": x.attended.causal,
        "weights": _packed(x.attended.weights[:, :, below[0], below[1]].astype(np.float64)),
        "rollout": _packed(x.rollout[below[0], below[1]]),
        "entropy": np.round(x.entropy, 3).tolist(),
        "sink": np.round(x.sink, 3).tolist(),
    }


def _finding(usefulness: Measurement) -> Finding:
    outlook: Outlook = "not_tested"
    severity: Severity = "none"
    values = {"n": str(usefulness.n)}
    text = "Too few texts were read to say what the attention pictures are worth ({n})."
    if usefulness.value is not None and usefulness.low is not None and usefulness.n >= FEWEST:
        values |= {"tau": f"{usefulness.value:.2f}", "low": f"{usefulness.low:.2f}", "high": f"{usefulness.high:.2f}"}
        text = (
            "Attention pictures are not an explanation of this model's answers: on a scale where 1 is full agreement and 0 is "
            "none, where it looked agreed with the measured effect of words at {tau} (likely between {low} and {high}; {n} "
            "texts)."
        )
        if usefulness.low > 0.5:
            outlook = "no_problem_found"
            text = (
                "Where the model looked agreed with the measured effect of words at {tau}, where 1 is full agreement and 0 "
                "is none (likely between {low} and {high}; {n} texts)."
            )
        elif usefulness.high is not None and usefulness.high < 0.5:
            outlook, severity = "problem_found", "low"
        else:
            outlook = "unclear"
            text = (
                "Whether attention pictures explain this model's answers is open: they agreed with the measured effect of "
                "words at {tau}, where 1 is full agreement and 0 is none (likely between {low} and {high}; {n} texts)."
            )
    advice = "Do not accept an attention picture as a reason for a decision; ask for an explanation that was tested."
    return Attention.finding("usefulness", outlook, text, values, [usefulness], advice, severity=severity)
