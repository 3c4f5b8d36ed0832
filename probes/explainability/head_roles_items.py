"""Texts that show what a head does: sentences with a pronoun, in two orders of their nouns, and repeated lists of words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from audit.corpora import Item, load_items
from probes.explainability.attention_words import Span, span_of

ITEMS = Path(__file__).parent / "items" / "pronouns.jsonl"
Kind = Literal["pronoun", "repeated"]
SEQUENCES, SEED = 24, 20240
SHORTEST, LONGEST = 8, 16
"""Words of a list: of one length alone, a head that looks back by that distance would seem to find what followed."""
# Short common nouns, most of which are one token to most tokenizers.
_LIST = (
    "apple arm bag ball bank bell bird boat book box bread bridge bus car cat chair church city clock cloud coat "
    "cup day desk dog door ear egg eye face farm field fire fish foot game garden glass gold hand hat hill horse "
    "hour house ice key king lake leaf letter light line map milk moon mouth name night page paper park pen plant "
    "rain ring river road rock room salt school sea ship shop sky snow song stone street sun table team tree wall "
    "water wind window wood "
)
_WORDS = tuple(_LIST.split())


@dataclass(frozen=True)
class Sentence:
    """A text with its pronoun, the noun that it stands for, and the other noun; all as first and last characters."""

    text: str
    pronoun: Span
    antecedent: Span
    distractor: Span


def load_roles() -> list[Item]:
    """Sentences by pairs, each with its antecedent first and then second, and lists of words that are said twice."""
    return [*({**row, "kind": "pronoun", "words": []} for row in load_items(ITEMS)), *repeated_lists()]


def repeated_lists() -> list[Item]:
    """Lists of different words and lengths drawn once and for all; the text says the list twice."""
    stream = np.random.default_rng(SEED)
    empty = {"text": "", "pronoun": "", "antecedent": "", "distractor": "", "settled_by": ""}
    found: list[Item] = []
    for number in range(1, SEQUENCES + 1):
        length = SHORTEST + number % (LONGEST - SHORTEST + 1)
        words = [_WORDS[i] for i in stream.permutation(len(_WORDS))[:length]]
        found.append({"id": f"repeated-{number:02d}", **empty, "kind": "repeated", "words": words})
    return found


def sentences(item: Item) -> tuple[Sentence, Sentence]:
    """A pronoun item's two sentences, the antecedent first and second."""
    nouns = (item["antecedent"], item["distractor"])
    texts = [
        item["text"].format(one=one, two=two, pronoun=item["pronoun"]) for one, two in (nouns, tuple(reversed(nouns)))
    ]
    first, second = (
        Sentence(text, span_of(text, item["pronoun"]), span_of(text, nouns[0]), span_of(text, nouns[1]))
        for text in texts
    )
    return first, second


def texts_of(item: Item) -> tuple[str, ...]:
    """What is read for an item."""
    if item["kind"] == "pronoun":
        return tuple(sentence.text for sentence in sentences(item))
    return (" ".join([*item["words"], *item["words"]]),)


def same_tokens(pieces: Sequence[str]) -> list[int]:
    """A number for each token, alike for tokens that are written alike but for spaces and case."""
    known: dict[str, int] = {}
    return [known.setdefault(piece.strip().replace("▁", "").casefold(), len(known)) for piece in pieces]
