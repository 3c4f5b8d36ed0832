"""Material for the viewers: attributions as drawable tokens, attention as a list of examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from audit.results.schema import Record
from reports.evidence import anchor, of_kind
from reports.text import cleaned, number

MOST_EXAMPLES = 24
MOST_TOKENS = 600
LEVELS = 5
# Facts of an attribution that are printed under it, in this order.
_FACTS = ("target", "contrast", "method", "baseline", "f_full", "f_empty", "comprehensiveness", "sufficiency", "gain")


@dataclass(frozen=True)
class Token:
    """One token with its score; ``level`` from 0 to 5 sets the thickness, ``sign`` the direction."""

    position: int
    text: str
    score: str
    level: int
    sign: str


@dataclass(frozen=True)
class Attribution:
    """One explained answer."""

    anchor: str
    record: Record
    tokens: list[Token]
    strongest: list[Token]
    facts: list[tuple[str, str]]
    left_out: int


def spelled(token: str) -> str:
    """A token with its spaces and line ends made visible, for they are part of it."""
    return token.replace(" ", "␣").replace("\n", "⏎").replace("\t", "⇥") or "∅"


def _tokens(texts: Sequence[Any], scores: Sequence[Any]) -> list[Token]:
    pairs = [(str(t), float(s) if isinstance(s, int | float) else 0.0) for t, s in zip(texts, scores, strict=False)]
    top = max((abs(score) for _, score in pairs), default=0.0) or 1.0
    made = []
    for position, (text, score) in enumerate(pairs[:MOST_TOKENS]):
        level = round(LEVELS * abs(score) / top)
        sign = "plus" if score > 0 else "minus"
        made.append(Token(position, spelled(text), f"{'+' if score > 0 else ''}{number(score)}", level, sign))
    return made


def _one(record: Record) -> Attribution | None:
    shown = cleaned(record, 4000)
    texts, scores = shown.detail.get("tokens"), shown.detail.get("scores")
    if not isinstance(texts, list) or not isinstance(scores, list) or len(texts) != len(scores):
        return None
    tokens = _tokens(texts, scores)
    facts = []
    for key in _FACTS:
        value = shown.detail.get(key)
        if value is not None:
            facts.append((key, number(value) if isinstance(value, int | float) else str(value)))
    strongest = sorted((t for t in tokens if t.level), key=lambda t: (-t.level, -abs(float(t.score)), t.position))[:10]
    return Attribution(anchor(record), shown, tokens, strongest, facts, max(len(texts) - MOST_TOKENS, 0))


def attributions(records: Sequence[Record]) -> list[Attribution]:
    """The attributions worth drawing, in the order given; malformed material is left out."""
    views = (_one(record) for record in of_kind(records, "attribution")[:MOST_EXAMPLES])
    return [view for view in views if view is not None]
