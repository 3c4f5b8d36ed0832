"""Where a model looks in one text: the weights, the heads, and the viewer as a page and as a notebook's cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.metrics import head_effects
from audit.models import Attended
from audit.results import ModelFacts, Record, write_text
from probes.explainability.one_view import LONGEST, viewed
from reports.explanation import Told, render_explanation
from reports.frame import framed
from reports.text import shorten, visible

_LINE = 100  # characters of a text in the plain words of a cell


@dataclass(frozen=True)
class AttentionView:
    """Where a model looks in one text; ``parts``: of an encoder-decoder from its answer to the text first, then within."""

    model: ModelFacts
    text: str
    continuation: str
    parts: tuple[Attended, ...]

    @property
    def attended(self) -> Attended:
        """What is shown."""
        return self.parts[0]

    @property
    def weights(self) -> NDArray[np.float32]:
        """``[layers, heads, tokens, tokens]``, of an encoder-decoder ``[layers, heads, tokens, sources]``; rows sum to 1."""
        return self.attended.weights

    @property
    def tokens(self) -> tuple[str, ...]:
        """The text of each row."""
        return self.attended.tokens

    @property
    def sources(self) -> tuple[str, ...]:
        """The text of each column."""
        return self.attended.sources or self.attended.tokens

    def record(self) -> Record | None:
        """What the viewer draws; None where the text is too long for it."""
        block = viewed(self.parts)
        whole = f"{self.text} {self.continuation.strip()}".strip()
        return record_of("attention", "explainability.attention", whole, self.continuation, block) if block else None

    def save(self, path: str | Path) -> Path:
        """Write a page of its own with the viewer, which needs no other file."""
        return write_text(Path(path), self._page())

    @property
    def too_long(self) -> str:
        """Why the viewer does not draw a text that is too long for it."""
        size = max(len(self.tokens), len(self.sources))
        return f"The text has {size} tokens, of which the viewer draws {LONGEST} at most: the attention is not shown."

    def _page(self) -> str:
        record = self.record()
        shown = Told(
            f"Where {self.model.name} looks",
            "Attention shows from where the model took information, not why it answers.",
            warnings=() if record else (self.too_long,),
            facts=facts_of(self.model),
        )
        return render_explanation(shown, None, record)

    @property
    def heads(self) -> pd.DataFrame:
        """One row a head, those of the largest effect first: ``layer``, ``head``, ``effect``, ``first``.

        ``effect`` in nats of log p(answer): about what would be lost if the head wrote nothing, above 0 where it pushes
        towards the answer. It is estimated from gradients and not tested by taking the head away; NaN where the model gave
        none, or no answer. ``first``: the share of the head's weight on the first token, from 0 to 1.
        """
        found = self.attended
        layers, heads = found.weights.shape[:2]
        gradients = found.gradients
        effect = np.full((layers, heads), np.nan) if gradients is None else head_effects(found.weights, gradients)
        first = found.weights[:, :, 1:, 0].mean(axis=-1, dtype=np.float64) if len(self.tokens) > 1 else effect * np.nan
        rows = {
            "layer": np.repeat(np.array(found.layers or range(layers), dtype=np.int64), heads),
            "head": np.tile(np.arange(heads, dtype=np.int64), layers),
            "effect": effect.ravel(),
            "first": first.ravel(),
        }
        return pd.DataFrame(rows).sort_values("effect", key=lambda e: -e.abs(), kind="stable", ignore_index=True)

    def __repr__(self) -> str:
        layers, heads = self.weights.shape[:2]
        text = shorten(visible(" ".join(f"{self.text} {self.continuation}".split())), _LINE)
        return f"Attention of {visible(self.model.name)}: {layers} layers, {heads} heads, {len(self.tokens)} tokens\n{text}"

    def _repr_html_(self) -> str:
        """The viewer in a frame of its own, which can reach neither the notebook nor a network."""
        return framed(self._page(), "Attention", 900, scripts=True)


def record_of(name: str, probe: str, text: str, output: str, detail: Mapping[str, Any]) -> Record:
    """A record as the pages draw it; it is kept nowhere."""
    return Record(
        id=name,
        probe=probe,
        item=name,
        source="asked",
        cluster=name,
        input=text,
        output=output.strip() or None,
        detail=dict(detail),
    )


def facts_of(model: ModelFacts) -> tuple[tuple[str, str], ...]:
    """Which model it is, for the page."""
    weights = () if model.weights_sha256 is None else (("weights (SHA-256)", model.weights_sha256[:12]),)
    return (("model", model.name), ("source", model.source), *weights)
