"""Attention of one decision: what it looks like, how it is carried to the place that decides, and what that is worth.

Each way of carrying it gives every word of the prompt a number. What a way is worth is Kendall's tau-b between these
numbers and the sizes of the words' measured effects on the decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from audit.metrics import (
    attention_flow,
    entropy,
    gradient_weighted,
    gradient_weighted_across,
    kendall_tau,
    mean_distance,
    norm_rollout,
    norm_weighted,
    rollout,
    sink_mass,
)
from audit.models import Attend, Attended, Attribute, Attributed, Capability, Failure, Response, Responses
from audit.results import ItemStatus
from probes.explainability.attention_words import mass_by_word
from probes.explainability.attribution import attribution_request
from probes.explainability.cross_attention import cross_entropy, source_mass, source_shares
from probes.explainability.decisions import Decision

FloatArray = NDArray[np.float64]
ROLLOUT, FLOW, GRADIENT, NORMS, RAW = "rollout", "flow", "gradient_weighted", "value_norm", "raw last layer"
POSITION = "position"
_NO_TAU = "Attention could not be set against word effects."


@dataclass(frozen=True)
class Looked:
    """A decision with its attention; entropy, sink and distance ``[layers, heads]``, maps ``[tokens, tokens]`` by name.

    Of an encoder-decoder, ``attended`` is the answer's attention to the prompt, the maps are ``[tokens, sources]``,
    ``encoder`` holds entropy and sink of the encoder and ``distance`` is the encoder's, and ``end`` the mean weight on the
    prompt's last token. ``taus``: the agreement with word effects, by the way in which attention was carried; ``untold``:
    what became of a decision without one.
    """

    decision: Decision
    answer: str
    status: ItemStatus
    note: str | None = None
    attended: Attended | None = None
    entropy: FloatArray | None = None
    sink: FloatArray | None = None
    distance: FloatArray | None = None
    even_distance: float | None = None
    maps: Mapping[str, FloatArray] = field(default_factory=dict)
    flow: FloatArray | None = None
    taus: Mapping[str, float] = field(default_factory=dict)
    encoder: tuple[FloatArray | None, FloatArray | None] | None = None
    end: float | None = None
    untold: ItemStatus = "unparsed"


def ways(capabilities: frozenset[Capability]) -> tuple[str, ...]:
    """The ways of carrying attention that a model allows, the main one first."""
    weighted = (GRADIENT, NORMS) if Capability.GRADIENT in capabilities else ()
    flow = () if Capability.CROSS_ATTENTION in capabilities else (FLOW,)
    return (ROLLOUT, *flow, *weighted, RAW)


def attention_requests(effects: Attribute, capabilities: frozenset[Capability]) -> tuple[Attend, ...]:
    """The attention behind a decision; of an encoder-decoder across first, then within the encoder and the decoder."""
    weighted = Capability.GRADIENT in capabilities
    if Capability.CROSS_ATTENTION not in capabilities:
        return (Attend(effects.prompt, effects.continuation, weighted=weighted),)
    parts = (
        Attend(effects.prompt, effects.continuation, "cross", weighted),
        Attend(effects.prompt, effects.continuation, "encoder", weighted),
    )
    return (*parts, Attend(effects.prompt, effects.continuation, "self", weighted)) if weighted else parts


def looked_at(decision: Decision, answers: Responses, capabilities: frozenset[Capability]) -> Looked:
    """A decision with all that its attention says."""
    effects = attribution_request(decision, answers)
    if effects is None:
        missing = decision.unscored(answers)
        return Looked(decision, "", missing.status, missing.reason)
    parts = [answers.get(request) for request in attention_requests(effects, capabilities)]
    found = answers.get(effects)
    attributed = found if isinstance(found, Attributed) else None
    untold: ItemStatus = found.status if isinstance(found, Failure) else "unparsed"
    if Capability.CROSS_ATTENTION in capabilities:
        return replace(_across(decision, effects, parts, attributed), untold=untold)
    attended = parts[0]
    if not isinstance(attended, Attended):
        return _unseen(decision, effects, attended)
    return replace(_within(decision, effects, attended, attributed), untold=untold)


def _unseen(decision: Decision, effects: Attribute, answer: Response | None) -> Looked:
    reason = answer.reason if isinstance(answer, Failure) else "No attention came."
    status: ItemStatus = answer.status if isinstance(answer, Failure) else "failed"
    return Looked(decision, effects.continuation, status, reason)


def deciding_place(attended: Attended) -> int:
    """The row at which a decision is read.

    A model that reads from left to right decides at the prompt's last token, a masked one at the answer's place; of a
    classifier that reads both ways the first token is taken, which most have for it.
    """
    if attended.causal:
        return attended.prompt_tokens - 1
    return attended.prompt_tokens if attended.prompt_tokens < len(attended.tokens) else 0


def _within(decision: Decision, effects: Attribute, attended: Attended, found: Attributed | None) -> Looked:
    weights, causal = attended.weights.astype(np.float64), attended.causal
    place = deciding_place(attended)
    maps = {ROLLOUT: rollout(weights, causal)}
    if attended.gradients is not None:
        maps[GRADIENT] = gradient_weighted(weights, attended.gradients)
    if attended.norms is not None:
        maps[NORMS] = norm_rollout(weights, attended.norms, causal)
    known = {name: values for name, values in maps.items() if values is not None}
    by_token = {name: values[place] for name, values in known.items()}
    if GRADIENT in known:  # each token of the answer has a row from which it is predicted
        rows = range(place, len(attended.tokens) - 1) if causal else range(place, place + 1)
        by_token[GRADIENT] = known[GRADIENT][list(rows) or [place]].sum(axis=0)
    flow = attention_flow(weights, causal, place)
    if flow is not None:
        by_token[FLOW] = flow
    if len(weights):
        by_token[RAW] = weights[-1].mean(axis=0)[place]
    prompt = attended.tokens[: attended.prompt_tokens]
    taus = _taus(prompt, {name: row[: len(prompt)] for name, row in by_token.items()}, found)
    return Looked(
        decision,
        effects.continuation,
        "scored",
        None if ROLLOUT in taus else _NO_TAU,
        attended,
        entropy(weights, causal),
        sink_mass(weights, causal),
        mean_distance(weights, causal),
        even_distance(len(attended.tokens), causal),
        known,
        flow,
        taus,
    )


def _across(
    decision: Decision, effects: Attribute, parts: Sequence[Response | None], found: Attributed | None
) -> Looked:
    cross, encoder = parts[:2]
    if not isinstance(cross, Attended):
        return _unseen(decision, effects, cross)
    if not isinstance(encoder, Attended):
        return _unseen(decision, effects, encoder)
    maps = {ROLLOUT: source_shares(cross.weights, encoder.weights), **_weighted_across(cross, encoder, parts[2:])}
    known = {name: values for name, values in maps.items() if values is not None}
    by_token = {name: values.mean(axis=0) for name, values in known.items()}
    if cross.weights.size:
        by_token[RAW] = cross.weights[-1].astype(np.float64).mean(axis=(0, 1))
    taus = _taus(cross.sources, by_token, found)
    end = source_mass(cross.weights, -1)
    return Looked(
        decision,
        effects.continuation,
        "scored",
        None if ROLLOUT in taus else _NO_TAU,
        cross,
        cross_entropy(cross.weights),
        source_mass(cross.weights, 0),
        mean_distance(encoder.weights, encoder.causal),
        even_distance(len(encoder.tokens), encoder.causal),
        known,
        None,
        taus,
        (entropy(encoder.weights, encoder.causal), sink_mass(encoder.weights, encoder.causal)),
        None if end is None else float(end.mean()),
    )


def _weighted_across(
    cross: Attended, encoder: Attended, others: Sequence[Response | None]
) -> dict[str, FloatArray | None]:
    """What gradients and the lengths of what is weighed add, where they came."""
    found: dict[str, FloatArray | None] = {}
    decoder = others[0] if others else None
    if (
        isinstance(decoder, Attended)
        and decoder.gradients is not None
        and encoder.gradients is not None
        and cross.gradients is not None
        and not (decoder.missing or cross.missing)  # each layer of the decoder is followed by its look across
    ):
        found[GRADIENT] = gradient_weighted_across(
            (encoder.weights, encoder.gradients),
            (decoder.weights, decoder.gradients),
            (cross.weights, cross.gradients),
            decoder.prompt_tokens - 1,
        )
    if cross.norms is not None and encoder.norms is not None:
        rolled = norm_rollout(encoder.weights, encoder.norms, encoder.causal)
        added = norm_weighted(cross.weights, cross.norms).sum(axis=(0, 1))
        sums = added.sum(axis=-1, keepdims=True)
        found[NORMS] = None if rolled is None else added / np.where(sums > 0, sums, 1.0) @ rolled
    return found


def _taus(pieces: Sequence[str], by_token: Mapping[str, FloatArray], found: Attributed | None) -> dict[str, float]:
    """Kendall's tau-b of each way's masses by word, and of nearness to the end, with the size of word effects."""
    if found is None:
        return {}
    masses = {name: mass_by_word(pieces, row, found.units) for name, row in by_token.items()}
    masses[POSITION] = np.arange(len(found.units), dtype=np.float64)
    sizes = np.abs(found.scores)
    taus = {name: kendall_tau(mass, sizes) for name, mass in masses.items() if mass is not None}
    return {name: tau for name, tau in taus.items() if tau is not None}


def even_distance(tokens: int, causal: bool) -> float | None:
    """Mean distance if each position weighed all that it sees alike, rows as in ``mean_distance``."""
    if tokens < 2:
        return None
    if causal:
        return tokens / 4  # row i has the mean i / 2; the mean over rows 1 to tokens - 1
    return (tokens**2 - 1) / (3 * tokens)


def even_share(attended: Attended) -> float:
    """Weight on the first token if each position weighed all tokens that it sees alike, rows from the second."""
    if attended.sources:
        return 1 / len(attended.sources)
    if not attended.causal:
        return 1 / len(attended.tokens)
    return float(np.mean([1 / (i + 1) for i in range(1, len(attended.tokens))]))


def missing_layers(looked: Sequence[Looked]) -> tuple[str, ...]:
    """Layers without a full matrix in any of the texts, each as a person reads it."""
    named = [layer for x in looked if x.attended is not None for layer in x.attended.missing]
    return tuple(dict.fromkeys(named))


def with_missing(looked: Looked) -> Looked:
    """The decision with a note that names layers without a full matrix."""
    told = missing_layers([looked])
    if not told:
        return looked
    note = f"Not available: {'; '.join(told)}."
    return replace(looked, note=f"{looked.note} {note}" if looked.note else note)
