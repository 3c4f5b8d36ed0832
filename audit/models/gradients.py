"""Attributions by gradients of a decision's scalar, for every kind of model that is opened from weights.

The scalar is computed in one teacher-forced pass for each answer. The vectors that the embedding module gives for the
prompt's explained tokens are the variables: they are exchanged at that module's output, so that what the model does next
(scaling, positions, token types, norms) stays as it is. Tokens of no unit (a chat template's frame, special tokens) and the
answer's own keep their vectors. Weights collect no gradients, and steps of an integral are computed together.

A model in half precision is computed in float32 where there is memory for a copy of its weights; otherwise as it is, and
the ``error`` of integrated gradients shows what rounding did.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audit.models.budget import tokens_per_gradient_pass
from audit.models.embedded import EmbeddedPass, Unreachable, differentiable
from audit.models.explain import SAME_ANSWERS, NotFinite, Scalar
from audit.models.forced import Forced, same_inputs
from audit.models.requests import Attribute, Decision, Prompt
from audit.models.responses import Attributed, Failure
from audit.models.text import Units, summed

TOLERANCE = 0.05  # of the completeness error, relative; steps are doubled until it is met
FIRST_STEPS = 16
MOST_STEPS = 256  # where the request names no number
_VOCABULARY_ROWS = 8192  # embeddings averaged at a time


class OpensGradients(Protocol):
    """What is needed of a model."""

    network: Any

    encoder: Any

    @property
    def tokenizer(self) -> Any:
        """What turns texts into its tokens."""
        ...

    def scalar(self, request: Decision) -> Scalar:
        """The decision's scalar for any set of kept units."""
        ...

    def forced(self, prompt: Prompt, continuation: str) -> Forced:
        """The teacher-forced pass over a prompt and an answer."""
        ...

    def forget(self) -> None:
        """Let go of what was computed with weights of another number format and kept for the next call."""
        ...


def attribute_gradients(request: Attribute, model: OpensGradients) -> Attributed | Failure:
    """One number a unit, in nats; a unit's number is the sum of its tokens'.

    - ``saliency``: the Euclidean norm of the gradient over a token's embedding (Simonyan et al. 2014, arXiv:1312.6034; of
      words Li et al. 2016, arXiv:1506.01066, who show each dimension's size; their norm is that of Poerner et al. 2018,
      doi:10.18653/v1/P18-1032). It has no sign, and is in nats for a unit's length of embedding. The norms of an answer's
      tokens do not add up to that of the answer.
    - ``input_x_gradient``: the signed sum over the embedding of gradient times embedding (Shrikumar et al. 2016,
      arXiv:1605.01713).
    - ``integrated_gradients``: the gradient averaged on the straight line from the baseline, times the way (Sundararajan et
      al. 2017, arXiv:1703.01365). Steps are doubled until the scores sum to f(text) - f(baseline) within 5 percent,
      twice in a row, or ``request.samples`` steps (256 where 0) are reached; ``error`` is the worse of the last two.
    """
    scalar = model.scalar(request)
    units = scalar.units
    if not units.words:
        return Failure("failed", "The prompt has no words to explain.")
    if request.contrast == request.continuation:
        return SAME_ANSWERS
    positions = [position for members in units.members for position in members]
    try:
        with differentiable(model.network, model.forget):
            found = _explained(request, model, positions, scalar)
    except NotFinite:
        return Failure("not_a_number", "The model's log-probability of the answer, or its gradient, is not finite.")
    except Unreachable as error:
        return Failure("failed", str(error))
    rows = [_by_unit(row, positions, units) for row in found.rows.tolist()]
    return Attributed(
        units.words,
        _by_unit(found.scores.tolist(), positions, units),
        found.full,
        found.empty,
        found.error,
        found.steps,
        model.encoder.answer_pieces(request.prompt, request.continuation) if request.by_token else (),
        tuple(rows),
    )


@dataclass(frozen=True)
class _Found:
    """Scores ``[tokens]`` of the explained tokens and ``rows`` ``[targets, tokens]``, and what ``Attributed`` says."""

    scores: Tensor
    rows: Tensor
    full: float
    empty: float
    error: float | None = None
    steps: int | None = None


def _explained(request: Attribute, model: OpensGradients, positions: Sequence[int], scalar: Scalar) -> _Found:
    curve = Curve(request, model, positions)
    point = curve.text
    if request.method == "integrated_gradients":
        return _integrated(request, curve, baseline(request, model, curve.module))
    slopes = curve.slopes(point[None], request.by_token)[:, 0]
    [full] = curve.values(point[None])
    [empty] = scalar([()])
    size: Callable[[Tensor], Tensor] = (
        (lambda g: g.norm(dim=-1)) if request.method == "saliency" else lambda g: (g * point).sum(-1)
    )
    return _Found(size(slopes[0]), size(slopes[1:]), full, empty)


def _integrated(request: Attribute, curve: Curve, start: Tensor) -> _Found:
    """Integrated gradients from the vector ``start`` at every explained place."""
    way = curve.text - start
    empty, full = curve.values(torch.stack([curve.text - way, curve.text]))
    whole = full - empty
    most = request.samples or MOST_STEPS
    steps = min(FIRST_STEPS, most)
    errors: list[float] = []
    while True:
        parts = torch.zeros((1, *way.shape[:1]))
        for points, weights in curve.steps(start, way, steps):
            slopes = curve.slopes(points, request.by_token)
            parts = parts + (slopes * way * weights[:, None, None]).sum((1, 3)).cpu()
        total = math.fsum(parts[0].tolist())
        # Less than float32 can tell of f is nothing to share out, and no measure of the integral either.
        none = abs(whole) <= 1e-6 * max(1.0, abs(full), abs(empty))
        errors = [] if none else [*errors, abs(total - whole) / abs(whole)][-2:]
        # A sum can come near the whole by luck, so it has to do so at two numbers of steps; the worse of them is told.
        if steps >= most or (len(errors) > 1 and max(errors) < TOLERANCE):
            return _Found(parts[0], parts[1:], full, empty, max(errors, default=None), steps)
        steps = min(2 * steps, most)


class Curve:
    """f and its gradients as functions of the embeddings of the explained tokens.

    Attributes:
        module: the embedding module that reads the prompt.
        text: the explained tokens' own embeddings, ``[tokens, width]``.
        passes: what is computed for one point, each with the sign of its targets in f.
    """

    def __init__(self, request: Decision, model: OpensGradients, positions: Sequence[int]) -> None:
        first = model.forced(request.prompt, request.continuation)
        forced, signs = [first], [[1.0] * len(first.targets)]
        if request.contrast is not None:
            second = model.forced(request.prompt, request.contrast)
            minus = [-1.0] * len(second.targets)
            if same_inputs(first.inputs, second.inputs):  # as where each is one token: one pass then gives both
                forced, signs = [_joined(first, second)], [signs[0] + minus]
            else:
                forced.append(second)
                signs.append(minus)
        passes = [EmbeddedPass(model.network, one, positions) for one in forced]
        self.module = passes[0].module
        self.text = passes[0].embeddings()
        self.passes = [(one, self.text.new_tensor(s).float()) for one, s in zip(passes, signs, strict=True)]
        self._targets = len(first.targets)
        self._together = max(1, tokens_per_gradient_pass(model.network) // max(one.size for one in passes))

    def values(self, points: Tensor) -> list[float]:
        """f at each of the points ``[points, tokens, width]``, in nats."""
        with torch.no_grad():
            return _finite(torch.stack([one(points) @ signs for one, signs in self.passes]).sum(0)).tolist()

    def slopes(self, points: Tensor, by_token: bool) -> Tensor:
        """Gradients ``[1 + rows, points, tokens, width]``: of f first, then of log p of each token of the answer."""
        found = []
        for number, (one, signs) in enumerate(self.passes):
            wanted = signs[None]
            if by_token and number == 0:
                wanted = torch.cat([wanted, torch.eye(len(signs), device=signs.device)[: self._targets]])
            found.append(one.slopes(points, wanted))
        whole = torch.stack([slopes[0] for slopes in found]).sum(0)
        return _finite(torch.cat([whole[None], found[0][1:]]))

    def steps(self, start: Tensor, way: Tensor, count: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Points on the line and their weights, as many together as fit one pass."""
        at, share = nodes(count)
        for first in range(0, count, self._together):
            part = slice(first, first + self._together)
            yield start + start.new_tensor(at[part])[:, None, None] * way, start.new_tensor(share[part])


def _joined(first: Forced, second: Forced) -> Forced:
    return Forced(
        first.inputs,
        first.prompt,
        first.deciding + second.deciding,
        lambda output: torch.cat([first.read(output), second.read(output)]),
        first.targets + second.targets,
    )


def nodes(count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where on the line from 0 to 1 gradients are taken, and the weight of each.

    The midpoint rule, which samples neither end. Gauss-Legendre, made for smooth functions, is no better here: f of a
    language model jumps about in the middle of the way. Measured on SmolLM2-135M (two prompts, both baselines), the median
    error at 16, 32, 64, 128 and 256 steps was 0.9, 1.5, 0.8, 2.5 and 0.5 by midpoints and 1.5, 3.5, 0.3, 2.4 and 0.9 by
    Gauss-Legendre: neither converges, and of two rules that do as well this is the simpler.
    """
    return (np.arange(count) + 0.5) / count, np.full(count, 1 / count)


def baseline(request: Attribute, model: OpensGradients, module: Any) -> Tensor:
    """The vector that stands for no word: the mean of all embeddings, or that of a neutral token; ``[width]``.

    Raises:
        Unreachable: where every neutral token that the tokenizer has is the zero vector, as new models' padding is. From
            there the integral does not converge, because norms divide by a vector's length.
    """
    size, device = module.num_embeddings, module.weight.device
    with torch.no_grad():
        if request.baseline == "mean":
            starts = range(0, size, _VOCABULARY_ROWS)
            parts = [torch.arange(s, min(s + _VOCABULARY_ROWS, size), device=device) for s in starts]
            mean: Tensor = torch.stack([module(part).sum(0, dtype=torch.float32) for part in parts]).sum(0) / size
            return mean.to(module.weight.dtype)
        for name in ("mask", "pad", "eos", "unk"):
            token = getattr(model.tokenizer, f"{name}_token_id", None)
            if token is not None and token < size:
                vector: Tensor = module(torch.tensor(token, device=device))
                if bool(vector.any()):
                    return vector
    raise Unreachable("The tokenizer has no neutral token with an embedding other than zero.")


def _finite(found: Tensor) -> Tensor:
    if not bool(found.isfinite().all()):
        raise NotFinite
    return found


def _by_unit(scores: Sequence[float], positions: Sequence[int], units: Units) -> tuple[float, ...]:
    """The units' scores from those of the explained tokens."""
    every = [0.0] * len(units.ids)
    for position, score in zip(positions, scores, strict=True):
        every[position] = score
    return summed(every, units)
