"""How much arithmetic a set of log-likelihoods needs at the least, and how fast this machine multiplies matrices."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM

ROWS = 512  # of the matrices that the rate is measured with


@dataclass(frozen=True)
class Work:
    """Counts over a set of requests.

    ``tokens``: that a model reads row by row; ``unique``: distinct prefixes, each of which must be computed once;
    ``heads``: distinct prefixes after which something is scored.
    """

    tokens: int
    unique: int
    heads: int


def work_of(pairs: Iterable[tuple[Sequence[int], Sequence[int]]]) -> Work:
    """Of pairs of context ids and target ids; the last target token is predicted, never read."""
    tokens = 0
    # A prefix is its parent's number and a token, so that the count takes time and memory linear in tokens.
    numbers: dict[tuple[int, int], int] = {}
    heads: set[int] = set()
    for context, target in pairs:
        row = [*context, *target][:-1]
        tokens += len(row)
        node = -1
        for place, token in enumerate(row):
            node = numbers.setdefault((node, token), len(numbers))
            if place >= len(context) - 1:
                heads.add(node)
    return Work(tokens, len(numbers), len(heads))


@dataclass(frozen=True)
class Cost:
    """Floating-point operations, two a weight: of one token in the body, and of one row in the head.

    Attention's own products are left out: they are a few per cent at these lengths.
    """

    body: float
    head: float

    def of(self, work: Work) -> float:
        """The least for this work."""
        return work.unique * self.body + work.heads * self.head

    def naive(self, work: Work) -> float:
        """Row by row, with the head at every token."""
        return work.tokens * (self.body + self.head)


def cost_of(folder: Path) -> Cost:
    """From a model's config; no weights are read."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    head = model.get_output_embeddings().weight
    tables = {id(head), id(model.get_input_embeddings().weight)}
    body = sum(p.numel() for p in model.parameters() if p.ndim == 2 and id(p) not in tables)
    return Cost(2.0 * body, 2.0 * head.numel())


def gemm_rates(folder: Path, dtype: torch.dtype, seconds: float = 0.5) -> dict[str, float]:
    """Operations a second of the model's widest product by each kernel that this build of torch has."""
    config = AutoConfig.from_pretrained(folder)
    wide = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    rows = torch.randn(ROWS, config.hidden_size).to(dtype)
    weight = torch.randn(wide, config.hidden_size).to(dtype)
    operations = 2.0 * ROWS * weight.numel()
    kernels: dict[str, Callable[[], object]] = {"default": lambda: torch.nn.functional.linear(rows, weight)}
    try:
        packed = torch.ops.mkldnn._reorder_linear_weight(weight, ROWS)
        product = torch.ops.mkldnn._linear_pointwise
        product(rows, packed, None, "none", [], "")
        kernels["oneDNN"] = lambda: product(rows, packed, None, "none", [], "")
    except (AttributeError, RuntimeError, NotImplementedError, TypeError):
        pass  # a build or a processor without it
    with torch.inference_mode():
        return {name: operations / _fastest(kernel, seconds) for name, kernel in kernels.items()}


def _fastest(call: Callable[[], object], seconds: float) -> float:
    """Seconds of one call: the least of many, each over ten calls, after a warm-up."""
    times = []
    call()
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(10):
            call()
        times.append((time.perf_counter() - start) / 10)
    return min(times)
