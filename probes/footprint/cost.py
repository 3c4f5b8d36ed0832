"""``footprint.cost``: how large a model is, how fast, and how its time and memory grow with the text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from audit.corpora import Item
from audit.models import Capability, Request, Responses
from probes.base import Context, Metric, Outcome, Probe, Suite
from probes.footprint.cost_findings import findings
from probes.footprint.cost_measures import REFERENCE, measurements, record, request_of

NEW_TOKENS = 8  # written after each text of the reference length
_RUNS: tuple[Mapping[int, int], ...] = (
    {64: 3, REFERENCE: 4, 256: 2, 512: 2},
    {64: 6, REFERENCE: 8, 256: 5, 512: 4, 1024: 3},
    {64: 8, REFERENCE: 12, 256: 8, 512: 6, 1024: 6, 2048: 4, 4096: 3},
)
"""Length in tokens to how many runs, in the quick, the standard and the full suite; each holds those before it."""


def runs() -> list[tuple[int, int]]:
    """(length, number of the run), those of a shorter suite first, and of each suite one of every length after another."""
    found: dict[tuple[int, int], None] = {}
    for suite in _RUNS:
        for repeat in range(1, max(suite.values()) + 1):
            found.update({(length, repeat): None for length, most in suite.items() if repeat <= most})
    return list(found)


class Cost(Probe):
    """Size, memory, speed, and growth with the length of the text, on the machine of the audit."""

    id = "footprint.cost"
    title = "What the model costs to run"
    risk = "footprint"
    purpose = (
        "How much memory the model needs, how long one waits for its first word, how fast it writes, and how time and memory "
        "grow when the text gets longer. Whoever decides on a model also decides on the machines that it takes."
    )
    method = (
        "Made-up token sequences are read one at a time, each alone, after one run of that length that does not count, in an "
        "order that has nothing to do with length. Time to first token: one pass over the text and the choice of the next "
        "token. Geometric means over runs, with t intervals on logarithms. Growth: regression of log time on log length, one "
        "point a length, t on lengths - 2; beside it t = c + a n + b n^2 with Fieller's interval of a/b."
    )
    citation = (
        "Own method. That full attention takes time with the square of the length: Vaswani et al. 2017 (arXiv:1706.03762). "
        "Ratio's interval: Fieller 1954 (doi:10.1111/j.2517-6161.1954.tb00159.x)."
    )
    limits = (
        "One machine, one request at a time, through the library that the audit computes with. A server that answers many at "
        "once, another machine or other kernels are faster or slower. Made-up tokens cost what real ones do, unless the "
        "model chooses parts of itself by the text. What else the machine was doing slows all of it."
    )
    capabilities = frozenset({Capability.TIME})
    alternative = "Audit the model from its weights, on the machine that it will run on."
    sizes: ClassVar[Mapping[Suite, int | None]] = {
        "quick": sum(_RUNS[0].values()),
        "standard": sum(_RUNS[1].values()),
        "full": None,
    }
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("parameters", "Parameters", "parameters", "descriptive", "How many numbers the model was taught."),
        Metric(
            "weights_memory",
            "Memory of the weights",
            "GB",
            "descriptive",
            "Parameters x bytes of each, as loaded here. 1 GB is 10^9 bytes.",
        ),
        Metric(
            "peak_memory",
            "Most memory in use",
            "GB",
            "descriptive",
            "The most that the process (or the graphics card, where the model lies there) had in use during a run.",
        ),
        Metric(
            "time_to_first_token",
            f"Time to the first token after {REFERENCE} tokens",
            "seconds",
            "descriptive",
            f"Geometric mean of the seconds from {REFERENCE} tokens to the choice of the token after them, one at a time.",
        ),
        Metric(
            "prefill_speed",
            "Reading speed",
            "tokens per second",
            "descriptive",
            f"Geometric mean of the tokens read in a second, of texts of {REFERENCE} tokens, one at a time.",
        ),
        Metric(
            "decode_speed",
            "Writing speed",
            "tokens per second",
            "descriptive",
            f"Geometric mean of the tokens written in a second, one after another, after {REFERENCE} tokens.",
        ),
        Metric(
            "time_exponent",
            "Growth of time with the length of the text",
            "exponent",
            "descriptive",
            "k of time = c x length^k over the lengths tried. 1: twice the text takes twice as long; 2: four times.",
        ),
        Metric(
            "quadratic_from",
            "Length from which attention's quadratic part is the larger",
            "tokens",
            "descriptive",
            "a/b of the fit time = c + a n + b n^2: above so many tokens doubling the text more than triples the time.",
        ),
        Metric(
            "memory_exponent",
            "Growth of kept memory with the length of the text",
            "exponent",
            "descriptive",
            "k of kept bytes = c x length^k; kept are keys and values of every token. 1: twice the text keeps twice as much.",
        ),
    )

    def items(self, data: Path | None) -> list[Item]:
        """One a run."""
        return [
            {
                "id": f"{length}/{repeat}",
                "prompt_tokens": length,
                "new_tokens": NEW_TOKENS if length == REFERENCE else 0,
                "repeat": repeat,
            }
            for length, repeat in runs()
        ]

    def drawn(self, items: Sequence[Item], limit: int | None, seed: int) -> list[Item]:
        """The first runs: lengths are set against one another, and none of them is drawn."""
        return list(items[:limit])

    def requests(self, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
        """One a run."""
        return [request_of(item, context.machine) for item in items]

    def measure(self, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        """One record a run, the numbers, and three sentences."""
        found = [answers[request_of(item, context.machine)] for item in items]
        kept = [record(item, answer, self.id, self.source) for item, answer in zip(items, found, strict=True)]
        numbers = measurements(items, found, context.confidence, self.measurement)
        return Outcome(kept, numbers, findings(items, found, numbers, context.machine, self.finding))
