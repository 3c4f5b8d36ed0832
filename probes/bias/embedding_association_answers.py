"""What is asked for a test of association, and the cosines between its words that the answers give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from audit.corpora import Item
from audit.metrics import associations, cosines
from audit.models import Embed, Embedded, Responses
from audit.results import ItemStatus
from probes.bias.embedding_association_items import FEWEST, PARTS, SENTENCES, WORD, controls
from probes.choices import status_of

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class WordTest:
    """A test of association; ``item`` is the drawn item to which its records belong."""

    item: str
    name: str
    kind: str
    axis: str
    words: dict[str, tuple[str, ...]]
    names: dict[str, str]
    texts: dict[str, str]
    source: str

    @property
    def levels(self) -> tuple[str, ...]:
        """The texts over which the association is averaged: our sentences, or the published texts as they stand."""
        return tuple(SENTENCES) if set(SENTENCES) <= set(self.texts) else (WORD,)

    def embed(self, text: str, word: str) -> Embed:
        """The request for one word in one text."""
        return Embed(self.texts[text].replace("{word}", word))


@dataclass(frozen=True)
class Answered:
    """A test with the model's vectors, by text and word; those that did not come have a status instead."""

    test: WordTest
    vectors: dict[tuple[str, str], FloatArray]
    statuses: dict[tuple[str, str], ItemStatus]

    @cached_property
    def lacking(self) -> dict[str, ItemStatus]:
        """Texts in which too few words of an attribute have vectors, with what became of the first of the others."""
        found: dict[str, ItemStatus] = {}
        for level in self.test.texts:
            for part in ("a", "b"):
                missing = [s for w in self.test.words[part] if (s := self.statuses[level, w]) != "scored"]
                if len(self.test.words[part]) - len(missing) < FEWEST:
                    found.setdefault(level, missing[0] if missing else "failed")
        return found

    def scored(self, part: str, levels: Sequence[str]) -> list[str]:
        """The words of a set that have vectors in all of these texts."""
        return [w for w in self.test.words[part] if all((level, w) in self.vectors for level in levels)]

    def table(self, levels: Sequence[str]) -> tuple[FloatArray, int, int] | None:
        """Mean cosines over the texts, ``[x and y, a and b]``, with how many are x and a; None where a set is too small.

        Each cosine is between two words in the same text.
        """
        x, y, a, b = (self.scored(part, levels) for part in PARTS)
        if min(map(len, (x, y, a, b))) < FEWEST:
            return None
        tables = [cosines(self._stack(level, [*x, *y]), self._stack(level, [*a, *b])) for level in levels]
        return np.mean(tables, axis=0), len(x), len(a)

    def _stack(self, level: str, words: Sequence[str]) -> FloatArray:
        return np.stack([self.vectors[level, word] for word in words])

    def status(self, level: str, word: str) -> ItemStatus:
        """Of a target in one text: its own, or that of an attribute where too few of them came."""
        own = self.statuses[level, word]
        return self.lacking.get(level, "scored") if own == "scored" else own

    def association(self, level: str) -> dict[str, float]:
        """s(w, A, B) of each target in one text, by word; none of those that were not scored."""
        a, b = (self.scored(part, [level]) for part in ("a", "b"))
        targets = [w for part in ("x", "y") for w in self.scored(part, [level])]
        if not targets or level in self.lacking:
            return {}
        table = cosines(self._stack(level, targets), self._stack(level, [*a, *b]))
        return dict(zip(targets, associations(table, len(a)).tolist(), strict=True))


def word_tests(items: Sequence[Item]) -> Iterator[WordTest]:
    """The drawn tests, and the controls, which are asked whatever the sample; their records belong to the first item."""
    for item in items:
        yield _test(item, str(item["id"]))
    for item in controls() if items else []:
        yield _test(item, str(items[0]["id"]))


def _test(item: Item, owner: str) -> WordTest:
    return WordTest(
        item=owner,
        name=str(item["id"]),
        kind=str(item["kind"]),
        axis=str(item["axis"]),
        words={part: tuple(item[part]) for part in PARTS},
        names=dict(item["names"]),
        texts=dict(item["texts"]),
        source=str(item["source"]),
    )


def asks(test: WordTest) -> Iterator[Embed]:
    """A vector for each word in each text."""
    for text in test.texts:
        for part in PARTS:
            for word in test.words[part]:
                yield test.embed(text, word)


def answered(test: WordTest, answers: Responses) -> Answered:
    """The test with the model's vectors. A vector of zeros has no direction and does not count."""
    vectors: dict[tuple[str, str], FloatArray] = {}
    statuses: dict[tuple[str, str], ItemStatus] = {}
    for text in test.texts:
        for word in dict.fromkeys(w for part in PARTS for w in test.words[part]):
            answer = answers[test.embed(text, word)]
            if not isinstance(answer, Embedded):
                statuses[text, word] = status_of(answer)
            elif not np.isfinite(answer.vector).all():
                statuses[text, word] = "not_a_number"
            elif not answer.vector.any():
                statuses[text, word] = "failed"
            else:
                statuses[text, word] = "scored"
                vectors[text, word] = np.asarray(answer.vector, dtype=np.float64)
    return Answered(test, vectors, statuses)
