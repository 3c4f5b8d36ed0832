"""What the report's attention viewer draws of one text: weights as bytes, squeezed."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.metrics import mean_distance
from audit.models import Attended

FloatArray = NDArray[np.float64]


def packed(values: FloatArray) -> str:
    """Weights 0 to 1 as bytes 0 to 255, raw-deflated, in base64."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    raw = np.round(np.clip(values, 0, 1) * 255).astype(np.uint8).tobytes()
    return base64.b64encode(squeeze.compress(raw) + squeeze.flush()).decode("ascii")


def viewer_block(
    attended: Attended,
    entropy: FloatArray | None,
    sink: FloatArray | None,
    maps: Mapping[str, FloatArray] | None = None,
    flow: FloatArray | None = None,
    roles: Mapping[str, Sequence[tuple[int, int]]] | None = None,
) -> dict[str, Any]:
    """The ``detail`` of a record whose attention is drawn.

    ``maps``: ``[tokens, tokens or sources]`` over all layers by name; ``rollout`` has a place of its own. Their rows are
    brought to a sum of 1. ``flow``: one number a token at the deciding position, likewise. ``roles``: heads by what they do,
    as (number of the model's layer, head); layers without weights here are left out.
    """
    layers, heads, tokens, seen = attended.weights.shape
    below = np.tril_indices(tokens) if attended.causal else np.indices((tokens, seen)).reshape(2, -1)
    shares = {name: packed(_shares(values)[below[0], below[1]]) for name, values in (maps or {}).items()}
    distance = None if attended.sources else mean_distance(attended.weights, attended.causal)
    numbers = attended.layers or tuple(range(layers))
    named = {role: [[n, head] for n, head in of if n in numbers] for role, of in (roles or {}).items()}
    block = {
        "kind": "attention",
        "tokens": list(attended.tokens),
        "layers": layers,
        "heads": heads,
        "encoding": "deflate-raw+base64",
        "causal": attended.causal,
        "weights": packed(attended.weights[:, :, below[0], below[1]].astype(np.float64)),
        "rollout": shares.pop("rollout", None),
        "entropy": None if entropy is None else np.round(entropy, 3).tolist(),
        "sink": None if sink is None else np.round(sink, 3).tolist(),
        "sources": list(attended.sources) or None,
        "layer_numbers": list(attended.layers) or None,
        "missing": list(attended.missing) or None,
        "maps": shares or None,
        "flow": None if flow is None or not flow.any() else np.round(flow / flow.sum(), 4).tolist(),
        "distance": None if distance is None else np.round(distance, 2).tolist(),
        "roles": None if attended.sources or not any(named.values()) else named,
    }
    return {name: value for name, value in block.items() if value is not None}


def _shares(values: FloatArray) -> FloatArray:
    sums = values.sum(axis=-1, keepdims=True)
    return np.asarray(values / np.where(sums > 0, sums, 1.0), dtype=np.float64)
