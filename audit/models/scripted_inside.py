"""The inside of a scripted model, with nothing to find in it; controls plant something by a subclass."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from audit.models.requests import Lens, Patch, States, prompt_text
from audit.models.responses import Failure, Hidden, Lensed, Patched

LAYERS = 4
WIDTH = 16
LEAST_DIFFERENCE = 0.1
_NO_NUMBER = Failure("not_a_number", "The script gave no finite number.")


def noise(text: str) -> float:
    """A number from 0 to 1 that depends on the text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


class ScriptedInside:
    """States, layers' answers and patches from functions of the text."""

    _score: Callable[[str, str], float]

    def hidden(self, text: str) -> NDArray[np.float32]:
        """``[layers + 1, width]``; by default directions that depend on the text alone, without any pattern."""
        seeds = [int(noise(f"{text} {layer}") * 2**32) for layer in range(LAYERS + 1)]
        return np.stack([np.random.default_rng(seed).standard_normal(WIDTH) for seed in seeds]).astype(np.float32)

    def at_layer(self, layer: int, prompt: str, continuation: str) -> float:
        """log p of the continuation by a layer; by default noise in all but the last, which is the model's own."""
        own = self._score(prompt, continuation)
        return own if layer == LAYERS else -1.0 - noise(f"{layer}|{prompt}|{continuation}")

    def restored(self, layer: int, place: int, differing: Sequence[int], places: int) -> float:
        """The restored share; by default every place from the first difference on restores as much."""
        return 1 / (places - differing[0]) if place >= differing[0] else 0.0

    def states(self, requests: Sequence[States]) -> list[Hidden | Failure]:
        """The script's states, whatever place is asked for."""
        return [Hidden(self.hidden(prompt_text(r.prompt))) for r in requests]

    def lens(self, requests: Sequence[Lens]) -> list[Lensed | Failure]:
        """Each layer's answer; not-a-number is passed on as a failure."""
        return [self._lensed(r) for r in requests]

    def _lensed(self, request: Lens) -> Lensed | Failure:
        endings = [request.continuation, *([] if request.contrast is None else [request.contrast])]
        prompt = prompt_text(request.prompt)
        told = [tuple(self.at_layer(layer, prompt, ending) for layer in range(LAYERS + 1)) for ending in endings]
        if not np.isfinite(told).all():
            return _NO_NUMBER
        top = tuple(endings[int(np.argmax(column))] for column in zip(*told, strict=True))
        return Lensed(told[0], told[1] if len(told) > 1 else (), top, endings[0], endings[-1] if len(told) > 1 else "")

    def patch(self, requests: Sequence[Patch]) -> list[Patched | Failure]:
        """Shares over words; not-a-number is passed on as a failure."""
        return [self._patched(r) for r in requests]

    def _patched(self, request: Patch) -> Patched | Failure:
        texts = [prompt_text(prompt) for prompt in (request.clean, request.corrupt)]
        clean, corrupt = (self._scalar_of(text, request) for text in texts)
        if not np.isfinite([clean, corrupt]).all():
            return _NO_NUMBER
        one, two = (text.split() for text in texts)
        if len(one) != len(two):
            return Failure("unparsed", "The prompts have different numbers of words.")
        differing = [n for n, (a, b) in enumerate(zip(one, two, strict=True)) if a != b]
        if abs(clean - corrupt) < LEAST_DIFFERENCE or not differing:
            return Failure("unparsed", "There is nothing to restore.")
        layers = range(LAYERS + 1) if request.layers is None else range(1, LAYERS + 1)
        values = [[self.restored(layer, n, differing, len(one)) for n in range(len(one))] for layer in layers]
        return Patched(clean, corrupt, np.array(values, dtype=np.float32), tuple(layers), tuple(one), tuple(two))

    def _scalar_of(self, text: str, request: Patch) -> float:
        other = self._score(text, request.contrast) if request.contrast is not None else 0.0
        return self._score(text, request.continuation) - other
