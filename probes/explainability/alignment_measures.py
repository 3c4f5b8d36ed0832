"""Word links read from cross-attention, their error, and whether the model translates at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from audit.metrics import (
    Estimate,
    alignment_chance,
    alignment_error_rate,
    argmax_links,
    bootstrap,
    not_measured,
    wilson,
)
from audit.models import Attend, Attended, Failure, Responses, Score, Scored
from audit.results import ItemStatus
from probes.explainability.alignment_items import Links, Pair
from probes.explainability.attention_words import attention_by_word, word_places

FloatArray = NDArray[np.float64]
MIXED = "The words could not be found among the model's tokens."


@dataclass(frozen=True)
class Asked:
    """The requests of one pair: the translation after its source and after another's, and the attention across."""

    right: Score
    wrong: Score
    attend: Attend


@dataclass(frozen=True)
class Aligned:
    """A pair with what was found: ``by_layer`` holds the links of each layer, heads averaged.

    ``prefers``: whether the translation is likelier after its own source than after another's; None where that could not
    be scored, ``status`` and ``note`` then say why. ``seen`` and ``reason`` are the same for the attention.
    """

    pair: Pair
    status: ItemStatus
    note: str | None = None
    prefers: bool | None = None
    margin: float | None = None
    seen: ItemStatus = "failed"
    reason: str | None = None
    attended: Attended | None = None
    by_layer: tuple[Links, ...] = ()
    layer: int | None = None

    @property
    def links(self) -> Links:
        """The links of the layer that was chosen on other pairs."""
        return frozenset() if self.layer is None else self.by_layer[self.layer]


def asked(pair: Pair, prefix: str) -> Asked:
    """What is asked about a pair; ``prefix`` is what the model wants to read before a text to translate."""
    source = prefix + pair.source
    return Asked(
        Score(source, pair.target), Score(prefix + pair.unrelated, pair.target), Attend(source, pair.target, "cross")
    )


def aligned(pair: Pair, prefix: str, answers: Responses) -> Aligned:
    """A pair with the links of every layer; ``layer`` is still to be chosen."""
    requests = asked(pair, prefix)
    right, wrong = answers.get(requests.right), answers.get(requests.wrong)
    found = Aligned(pair, "failed", "The translation could not be scored.", reason="No attention came.")
    if isinstance(right, Scored) and isinstance(wrong, Scored):
        margin = right.logprob - wrong.logprob
        found = replace(found, status="scored", note=None, prefers=margin > 0, margin=margin)
    else:
        failure = next((f for f in (right, wrong) if isinstance(f, Failure)), None)
        if failure is not None:
            found = replace(found, status=failure.status, note=failure.reason)
    attended = answers.get(requests.attend)
    if isinstance(attended, Failure):
        return replace(found, seen=attended.status, reason=attended.reason)
    if not isinstance(attended, Attended) or not attended.sources:
        return replace(found, reason="The model gave no attention from an answer to its prompt.")
    links = links_by_layer(pair, prefix, attended)
    if links is None:
        return replace(found, seen="unparsed", reason=MIXED, attended=attended)
    return replace(found, seen="scored", reason=None, attended=attended, by_layer=links)


def links_by_layer(pair: Pair, prefix: str, attended: Attended) -> tuple[Links, ...] | None:
    """For each layer the word of the source that each word of the target looks at most, heads averaged."""
    words = word_weights(pair, prefix, attended)
    return None if words is None else tuple(frozenset((t, s) for t, s in argmax_links(layer)) for layer in words)


def word_weights(pair: Pair, prefix: str, attended: Attended) -> FloatArray | None:
    """``[layers, target words, source words]``, heads averaged; None where words are not found among the tokens."""
    shifted = [(start + len(prefix), end + len(prefix)) for start, end in pair.source_words]
    columns = word_places(attended.sources, prefix + pair.source, shifted)
    rows = word_places(attended.tokens, pair.target, pair.target_words)
    if rows is None or columns is None:
        return None
    return attention_by_word(attended.weights.astype(np.float64).mean(axis=1), rows, columns)


def diagonal(pair: Pair) -> Links:
    """Links by the order of words alone: each word of the target with the source's at the same height."""
    sources, targets = len(pair.source_words), len(pair.target_words)
    return frozenset((t, round(t * (sources - 1) / max(targets - 1, 1))) for t in range(targets))


def corpus_error(pairs: Sequence[Pair], links: Sequence[Links]) -> float | None:
    """The alignment error rate over all pairs together."""
    found, sure, possible = (set[tuple[int, ...]]() for _ in range(3))
    for n, (pair, some) in enumerate(zip(pairs, links, strict=True)):
        found |= {(n, *link) for link in some}
        sure |= {(n, *link) for link in pair.sure}
        possible |= {(n, *link) for link in pair.possible}
    error = alignment_error_rate(found, sure, possible)
    return None if error is None else error.error


def with_layers(seen: Sequence[Aligned]) -> list[Aligned]:
    """The pairs whose links were read, each with the layer that had the lowest error on the other half of them.

    Every second pair is one half, so that no pair helps to choose its own layer. Nothing is chosen for a single pair.
    """
    usable = [x for x in seen if x.by_layer]
    if len({len(x.by_layer) for x in usable}) != 1 or len(usable) < 2:
        return []
    halves = (usable[::2], usable[1::2])
    best = [_best_layer(half) for half in halves]
    return [replace(x, layer=best[1 - place % 2]) for place, x in enumerate(usable)]


def _best_layer(half: Sequence[Aligned]) -> int:
    pairs = [x.pair for x in half]
    errors = [corpus_error(pairs, [x.by_layer[layer] for x in half]) for layer in range(len(half[0].by_layer))]
    return int(np.argmin([1.0 if error is None else error for error in errors]))


def beyond_order(pairs: Sequence[Pair], links: Sequence[Links], confidence: float, seed: int) -> Estimate:
    """The error of links by the order of words minus that of these, with a bootstrap interval that keeps pairs together.

    Both errors are of the same sentences. To hold the interval of the one against the point of the other would call a
    difference where there is none far more often than the confidence says.
    """
    if not pairs:
        return not_measured("no pair had links", confidence)
    ordered = [diagonal(pair) for pair in pairs]
    counts = [np.array(_hits(pairs, some), float).T for some in (links, ordered)]

    def less(*columns: FloatArray, axis: int = -1) -> FloatArray:
        own, own_links, order, order_links = (column.sum(axis=axis) for column in columns)
        return np.asarray(own / own_links - order / order_links, dtype=np.float64)

    return bootstrap((*counts[0], *counts[1]), less, None, confidence, seed=seed)


def _hits(pairs: Sequence[Pair], links: Sequence[Links]) -> list[tuple[int, int]]:
    """Of each pair the links that are right, sure ones counted twice, and all of both sides: 1 - their ratio is the error."""
    return [
        (len(some & p.sure) + len(some & p.possible), len(some) + len(p.sure))
        for p, some in zip(pairs, links, strict=True)
    ]


def error_estimate(pairs: Sequence[Pair], links: Sequence[Links], confidence: float, seed: int) -> Estimate:
    """The alignment error rate over pairs, with a bootstrap interval over them."""
    if not pairs:
        return not_measured("no pair had links", confidence)
    right, whole = np.array(_hits(pairs, links), float).T

    def error(hits: FloatArray, all_links: FloatArray, axis: int = -1) -> FloatArray:
        return np.asarray(1 - hits.sum(axis=axis) / all_links.sum(axis=axis), dtype=np.float64)

    found = bootstrap((right, whole), error, None, confidence, seed=seed)
    if found.low is None and found.value is not None and len(pairs) > 1:
        # All pairs alike, as where every link is right: each counts as one observation.
        low, high = wilson(found.value, len(pairs), confidence)
        return replace(found, low=low, high=high, method="no variation between pairs: Wilson, a pair one observation")
    return found


def shuffled_error(pairs: Sequence[Pair], links: Sequence[Links], seed: int) -> float | None:
    """The error rate of the same links shuffled within each pair: what they say by their number alone."""
    numbered: Mapping[str, set[tuple[int, ...]]] = {"links": set(), "sure": set(), "possible": set()}
    for n, (pair, some) in enumerate(zip(pairs, links, strict=True)):
        for name, group in (("links", some), ("sure", pair.sure), ("possible", pair.possible)):
            numbered[name].update((n, *link) for link in group)
    chance = alignment_chance(numbered["links"], numbered["sure"], numbered["possible"], 200, seed)
    return None if chance is None else chance.error
