"""Attention of one text for the viewer, where a person asks for it outside an audit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from audit.metrics import attention_flow, entropy, gradient_weighted, norm_rollout, rollout, sink_mass
from audit.models import Attend, Attended, Attribute, Capability, Prompt
from probes.explainability.attention_measures import attention_requests, deciding_place
from probes.explainability.attention_viewer import viewer_block
from probes.explainability.attention_words import reading
from probes.explainability.cross_attention import cross_entropy, source_mass, source_shares

LONGEST = 128  # tokens: the weights grow with the square of them, and a page holds them all


def view_requests(
    prompt: Prompt, continuation: str, capabilities: frozenset[Capability], weighted: bool
) -> tuple[Attend, ...]:
    """What to ask: of an encoder-decoder the attention between its halves and within them.

    Without a continuation, how the text is read: by an encoder-decoder's encoder, by a masked model with its last word masked.
    """
    if not continuation.strip():
        halves = bool(capabilities & {Capability.CROSS_ATTENTION, Capability.INFILL})
        return (reading(prompt.rstrip(), capabilities) if halves and isinstance(prompt, str) else Attend(prompt, ""),)
    able = capabilities if weighted else capabilities - {Capability.GRADIENT}
    return attention_requests(Attribute(prompt, continuation), able)


def viewed(parts: Sequence[Attended]) -> dict[str, Any]:
    """The viewer's block; empty for a text that is too long for it. ``parts``: the answers to ``view_requests``."""
    first = parts[0]
    if max(len(first.tokens), len(first.sources)) > LONGEST:
        return {}
    if first.sources:
        shares = source_shares(first.weights, parts[1].weights)
        maps = {} if shares is None else {"rollout": shares}
        return viewer_block(first, cross_entropy(first.weights), source_mass(first.weights, 0), maps)
    weights, causal = first.weights.astype(np.float64), first.causal
    every = {
        "rollout": rollout(weights, causal),
        "gradient": None if first.gradients is None else gradient_weighted(weights, first.gradients),
        "norms": None if first.norms is None else norm_rollout(weights, first.norms, causal),
    }
    maps = {name: values for name, values in every.items() if values is not None}
    answered = 0 < first.prompt_tokens < len(first.tokens)  # otherwise no place decides
    flow = attention_flow(weights, causal, deciding_place(first)) if answered else None
    return viewer_block(first, entropy(weights, causal), sink_mass(weights, causal), maps, flow)
