"""Which heads have a role, tested over all heads at once, and how strongly the strongest does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from audit.corpora import Item
from audit.metrics import (
    Estimate,
    HeadTest,
    antecedent_scores,
    head_permutation_test,
    head_swap_test,
    induction_scores,
    induction_targets,
    mean,
    not_measured,
    previous_targets,
)
from audit.models import Attended, Capability, Failure, Responses
from audit.results import ItemStatus
from probes.explainability.attention_words import reading, word_places
from probes.explainability.head_roles_items import Sentence, same_tokens, sentences, texts_of

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
PREVIOUS, INDUCTION, ANTECEDENT = "previous token", "induction", "pronoun to antecedent"
LEVEL = 0.05  # chance that any head at all is taken for one with the role
PERMUTATIONS = 1000


@dataclass(frozen=True)
class Read:
    """An item with the attention within its texts, and each head's score for each role that it shows.

    ``scores``: role to ``[layers, heads]``, the mean over the item's texts; ``even``: the same of even attention.
    """

    item: Item
    status: ItemStatus
    note: str | None = None
    attended: tuple[Attended, ...] = ()
    scores: Mapping[str, FloatArray] = field(default_factory=dict)
    even: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Role:
    """What was found of one role over all texts.

    ``tested``: scores and corrected p values ``[layers, heads]``; None where nothing could be. ``has``: which heads have the
    role. ``share`` and ``strongest`` are estimates with ``n`` items; ``layers``: the numbers of the model's layers.
    """

    name: str
    tested: HeadTest | None
    has: NDArray[np.bool_]
    share: Estimate
    strongest: Estimate
    chance: float | None
    layers: tuple[int, ...]

    def heads(self, most: int | None = None) -> list[tuple[int, int, float]]:
        """Layer, head and score of those that have the role, the strongest first."""
        if self.tested is None:
            return []
        order = np.argsort(-self.tested.scores, axis=None, kind="stable")
        places = [np.unravel_index(flat, self.has.shape) for flat in order]
        kept = [(int(a), int(b)) for a, b in places if self.has[a, b]][:most]
        return [(self.layers[a], b, float(self.tested.scores[a, b])) for a, b in kept]


def read_item(item: Item, capabilities: frozenset[Capability], answers: Responses) -> Read:
    """The attention within an item's texts, and what each head scores on it."""
    found = [answers.get(reading(text, capabilities)) for text in texts_of(item)]
    failure = next((f for f in found if isinstance(f, Failure)), None)
    if failure is not None:
        return Read(item, failure.status, failure.reason)
    attended = tuple(f for f in found if isinstance(f, Attended))
    if len(attended) < len(found) or not all(a.weights.size for a in attended):
        return Read(item, "failed", "No attention came.")
    attended = in_common(attended)
    if not attended[0].weights.size:
        return Read(item, "failed", "No layer has a full matrix in all texts of the item.")
    return _read_list(item, attended) if item["kind"] == "repeated" else _read_sentences(item, attended)


def in_common(attended: Sequence[Attended]) -> tuple[Attended, ...]:
    """The texts with those layers only that are whole in all of them: one that sees a window is whole in short texts."""
    numbers = [a.layers or tuple(range(len(a.weights))) for a in attended]
    shared = tuple(sorted(set(numbers[0]).intersection(*numbers[1:])))
    return tuple(
        replace(a, weights=a.weights[[n.index(layer) for layer in shared]], layers=shared)
        for a, n in zip(attended, numbers, strict=True)
    )


def _read_list(item: Item, attended: tuple[Attended, ...]) -> Read:
    targets = induction_targets(same_tokens(attended[0].tokens))
    scores = induction_scores(attended[0].weights, targets) if attended[0].causal else None
    if scores is None:
        reason = (
            "The model reads in both directions; what followed last time is a question for one that reads forwards."
        )
        return Read(item, "unparsed", reason if not attended[0].causal else "No token was repeated.", attended)
    return Read(item, "scored", None, attended, {INDUCTION: scores}, {INDUCTION: _even(targets, True)})


def _read_sentences(item: Item, attended: tuple[Attended, ...]) -> Read:
    differences = [_difference(s, a) for s, a in zip(sentences(item), attended, strict=True)]
    known = [d for d in differences if d is not None]
    before = [induction_scores(a.weights, previous_targets(len(a.tokens))) for a in attended]
    previous = [b for b in before if b is not None]
    if len(known) < len(differences) or len(previous) < len(before):
        return Read(
            item, "unparsed", "The pronoun and its nouns could not be found among the model's tokens.", attended
        )
    scores = {PREVIOUS: np.mean(previous, axis=0), ANTECEDENT: np.mean(known, axis=0)}
    even = float(np.mean([_even(previous_targets(len(a.tokens)), a.causal) for a in attended]))
    return Read(item, "scored", None, attended, scores, {PREVIOUS: even, ANTECEDENT: 0.0})


def _difference(sentence: Sentence, attended: Attended) -> FloatArray | None:
    """Weight from the pronoun to its antecedent minus that to the other noun; of one's tokens their mean.

    Nouns of several tokens would otherwise win by their length.
    """
    places = word_places(attended.tokens, sentence.text, (sentence.pronoun, sentence.antecedent, sentence.distractor))
    if places is None:
        return None
    pronoun, right, wrong = places
    if len(right) == len(wrong):
        return antecedent_scores(attended.weights, pronoun[-1], right, wrong)
    row = attended.weights[:, :, pronoun[-1]].astype(np.float64)
    return np.asarray(row[..., list(right)].mean(axis=-1) - row[..., list(wrong)].mean(axis=-1), dtype=np.float64)


def _even(targets: IntArray, causal: bool) -> float:
    rows = np.flatnonzero(targets >= 0)  # -1: nothing is looked for
    return float(np.mean(1 / (rows + 1.0))) if causal else 1 / len(targets)


def find_role(name: str, read: Sequence[Read], smallest: float, confidence: float, seed: int) -> Role:
    """Test one role over the items that show it; a head needs a corrected p value and a score of at least ``smallest``."""
    done = [r for r in read if name in r.scores]
    if len(done) < 2:
        reason = "fewer than two items could be read"
        none = not_measured(reason, confidence)
        return Role(name, None, np.zeros((0, 0), dtype=bool), none, none, None, ())
    every = in_common([a for r in done for a in r.attended])
    layers = every[0].layers
    if not layers:
        none = not_measured("no layer has a full matrix in all texts", confidence)
        return Role(name, None, np.zeros((0, 0), dtype=bool), none, none, None, ())
    stacked = np.stack([r.scores[name][[r.attended[0].layers.index(n) for n in layers]] for r in done])
    tested = _tested(name, every, stacked, seed)
    chance = float(np.mean([r.even[name] for r in done]))
    strongest = _strongest(stacked, confidence, (-1.0 if name == ANTECEDENT else 0.0, 1.0))
    if tested is None:
        none = not_measured("no head could be tested", confidence)
        return Role(name, None, np.zeros(stacked.shape[1:], dtype=bool), none, strongest, chance, layers)
    # A score over items, not over rows: every text counts alike, and intervals are of texts.
    tested = tested._replace(scores=stacked.mean(axis=0))
    has = (tested.adjusted <= LEVEL) & (tested.scores >= smallest)
    return Role(name, tested, has, _share(stacked, has, smallest, confidence), strongest, chance, layers)


def _tested(name: str, every: Sequence[Attended], stacked: FloatArray, seed: int) -> HeadTest | None:
    if name == ANTECEDENT:
        return head_swap_test(stacked, PERMUTATIONS, seed)
    targets = [
        previous_targets(len(a.tokens)) if name == PREVIOUS else induction_targets(same_tokens(a.tokens)) for a in every
    ]
    return head_permutation_test([a.weights for a in every], targets, every[0].causal, PERMUTATIONS, seed)


def _share(stacked: FloatArray, has: NDArray[np.bool_], smallest: float, confidence: float) -> Estimate:
    """Share of heads with the role; the ends count the heads that surely, and that possibly, reach the smallest score.

    Student's t over items for each head at a level divided by the number of heads (Bonferroni), so that all intervals hold
    at once with the stated confidence, and with them both counts.
    """
    items = len(stacked)
    heads = has.size
    error = stacked.std(axis=0, ddof=1) / np.sqrt(items)
    reach = float(stats.t.ppf(1 - (1 - confidence) / (2 * heads), items - 1)) * error
    centre = stacked.mean(axis=0)
    sure, possible = int((centre - reach >= smallest).sum()), int((centre + reach >= smallest).sum())
    count = int(has.sum())
    low, high = min(sure, count) / heads, max(possible, count) / heads
    method = f"heads whose t intervals over items, Bonferroni over {heads} heads, lie above or reach {smallest:g}"
    return Estimate(count / heads, low, high, items, None, confidence, method)


def _strongest(stacked: FloatArray, confidence: float, bounds: tuple[float, float]) -> Estimate:
    """The score of the strongest head, which is picked on every second item and scored on the others, and the reverse.

    The best of many heads on the very items that it was picked on would look better than it is.
    """
    flat = stacked.reshape(len(stacked), -1)
    picked = [int(flat[half::2].mean(axis=0).argmax()) for half in (0, 1)]
    values = [float(row[picked[1 - place % 2]]) for place, row in enumerate(flat)]
    return mean(np.clip(values, *bounds), None, confidence, bounds=bounds)
