"""Attention of one text as the viewer's block, where a person asks for it outside an audit."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.metrics import entropy, rollout, sink_mass
from audit.models import Attended
from probes.explainability.cross_attention import cross_entropy, source_mass, source_shares

FloatArray = NDArray[np.float64]
LONGEST = 128  # tokens: the weights grow with the square of them, and a page holds them all


def viewer_block(attended: Attended, encoder: Attended | None) -> dict[str, Any]:
    """The block that the viewer draws; empty for a text that is too long for it.

    ``encoder``: of an encoder-decoder, its encoder's attention, through which the rollout is carried.
    """
    if max(len(attended.tokens), len(attended.sources)) > LONGEST:
        return {}
    weights = attended.weights.astype(np.float64)
    if encoder is not None:
        rolled, spread, sink = (
            source_shares(attended.weights, encoder.weights),
            cross_entropy(attended.weights),
            source_mass(attended.weights, 0),
        )
    else:
        rolled, spread, sink = (f(weights, attended.causal) for f in (rollout, entropy, sink_mass))
    if rolled is None or spread is None or sink is None:
        return {}
    layers, heads, tokens, seen = weights.shape
    below = np.tril_indices(tokens) if attended.causal else np.indices((tokens, seen)).reshape(2, -1)
    return {
        "kind": "attention",
        "tokens": list(attended.tokens),
        **({"sources": list(attended.sources)} if attended.sources else {}),
        "layers": layers,
        "heads": heads,
        "encoding": "deflate-raw+base64",
        "causal": attended.causal,
        "weights": _packed(weights[:, :, below[0], below[1]]),
        "rollout": _packed(rolled[below[0], below[1]]),
        "entropy": np.round(spread, 3).tolist(),
        "sink": np.round(sink, 3).tolist(),
    }


def _packed(values: FloatArray) -> str:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    raw = np.round(np.clip(values, 0, 1) * 255).astype(np.uint8).tobytes()
    return base64.b64encode(squeeze.compress(raw) + squeeze.flush()).decode("ascii")
