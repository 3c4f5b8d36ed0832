"""What is asked for semantic entropy, and how the sampled answers to one question are grouped by meaning."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from audit.corpora import Item
from audit.metrics import meaning_clusters, predictive_entropy, semantic_entropy, weighted_semantic_entropy
from audit.models import Generate, Generated, Request, Responses
from audit.results import ItemStatus
from probes.answers import normalised
from probes.base import derived_seed
from probes.hallucination.doubt_questions import asked, greedy
from probes.hallucination.fact_answers import outcome_of, written
from probes.judges import SAME_MEANING, Case, Quality, Reader


@dataclass(frozen=True)
class Asking:
    """How the questions are asked: ``samples`` at ``temperature`` of at most ``tokens`` each, by the probe's ``seed``."""

    samples: int
    temperature: float
    tokens: int
    seed: int

    def own(self, item: Item) -> Generate:
        """The model's own answer, greedy."""
        return greedy(item, self.tokens)

    def sampled(self, item: Item) -> list[Generate]:
        """Answers drawn at random."""
        seeds = [derived_seed(self.seed, f"{item['id']} sample {i}") for i in range(self.samples)]
        return [Generate(asked(item), self.tokens, self.temperature, seed) for seed in seeds]


@dataclass(frozen=True)
class Sample:
    """A sampled answer: its text and its log-probability a token in nats, None where the server gives none."""

    text: str
    logprob: float | None


@dataclass(frozen=True)
class Doubted:
    """One item answered: the model's own answer, the samples with their meanings, and three entropies in nats.

    ``status`` is ``scored`` where the own answer and all samples could be read and compared; only then is there an entropy.
    """

    item: Item
    status: ItemStatus
    text: str | None = None
    outcome: str | None = None
    samples: tuple[Sample, ...] = ()
    meanings: tuple[int, ...] = ()
    entropy: float | None = None
    weighted: float | None = None
    naive: float | None = None
    note: str | None = None


def comparisons(item: Item, asking: Asking, reader: Reader, answers: Responses) -> list[Request]:
    """What must be asked of a judge to group an item's samples; nothing before all of them can be read."""
    samples, status, _ = _samples(item, asking, answers)
    if status != "scored":
        return []
    return [request for case in _cases(item, samples).values() for request in SAME_MEANING.asks(reader, case)]


def doubted(item: Item, asking: Asking, reader: Reader, quality: Quality, answers: Responses) -> Doubted:
    """The item's answers, grouped by meaning."""
    own = answers[asking.own(item)]
    status, note = written(own)
    text = own.text.strip() if isinstance(own, Generated) else None
    if status != "scored" or text is None:
        return Doubted(item, status, text, note=note)
    samples, status, note = _samples(item, asking, answers)
    if status != "scored":
        return Doubted(item, status, text, samples=samples, note=note)
    meanings, status, note = _meanings(item, samples, reader, quality, answers)
    if meanings is None:
        return Doubted(item, status, text, samples=samples, note=note)
    logs = [s.logprob for s in samples if s.logprob is not None]
    whole = len(logs) == len(samples)
    return Doubted(
        item,
        "scored",
        text,
        outcome_of(text, item),
        samples,
        meanings,
        semantic_entropy(meanings),
        weighted_semantic_entropy(meanings, logs) if whole else None,
        predictive_entropy(logs) if whole else None,
    )


def _samples(item: Item, asking: Asking, answers: Responses) -> tuple[tuple[Sample, ...], ItemStatus, str | None]:
    """The samples that are there, and the status of the first that cannot be read."""
    found = [answers.get(request) for request in asking.sampled(item)]
    failed = next((w for w in map(written, found) if w[0] != "scored"), None)
    status, note = failed or ("scored", None)
    return tuple(_sample(f) for f in found if isinstance(f, Generated)), status, note


def _sample(answer: Generated) -> Sample:
    known = answer.logprob is not None and math.isfinite(answer.logprob) and answer.tokens > 0
    return Sample(answer.text.strip(), (answer.logprob or 0.0) / answer.tokens if known else None)


def _cases(item: Item, samples: tuple[Sample, ...]) -> dict[tuple[str, str], Case]:
    """Each two different texts once; the same words mean the same and are not compared."""
    texts = list({normalised(s.text): s.text for s in reversed(samples)}.items())
    return {
        (a, b): Case(first, (second,), question=item["question"])
        for (a, first), (b, second) in combinations(reversed(texts), 2)
    }


def _meanings(
    item: Item, samples: tuple[Sample, ...], reader: Reader, quality: Quality, answers: Responses
) -> tuple[tuple[int, ...] | None, ItemStatus, str | None]:
    same: dict[tuple[str, str], bool] = {}
    for pair, case in _cases(item, samples).items():
        reading = SAME_MEANING.read(reader, case, answers)
        decided = quality.decide(reading.score)
        if decided is None:
            status: ItemStatus = "failed" if reading.status == "scored" else reading.status
            return None, status, reading.note or "What compares the meanings could not read them."
        same[pair] = same[pair[::-1]] = decided
    words = [normalised(s.text) for s in samples]
    table = np.array([[a == b or same[(a, b)] for b in words] for a in words])
    return tuple(int(label) for label in meaning_clusters(table)), "scored", None
