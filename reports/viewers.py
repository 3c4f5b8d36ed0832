"""Attributions as drawable tokens, each picture with the test that it passed or failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from audit.results.schema import Record
from reports.detail import finite, numbers, table, text, texts
from reports.evidence import anchor, of_kind
from reports.text import cleaned, number

MOST_EXAMPLES = 24
MOST_TOKENS = 600
MOST_ANSWER_TOKENS = 200
MOST_METHODS = 12
LEVELS = 5
VERDICTS = ("supported", "weak", "not supported", "not tested")
UNITS = ("word", "token", "segment")
NOTHING_FOUND = "no explanation found: all scores are zero"
# Facts of an attribution that are printed under it, in this order.
_WORDS = ("target", "contrast", "baseline", "unit")
_NUMBERS = ("f_full", "f_empty", "comprehensiveness", "sufficiency")
# What the name of a method must hold to have a blind spot of its own.
_FAMILIES = (
    ("gradient", "gradient"),
    ("saliency", "gradient"),
    ("attention", "attention"),
    ("rollout", "attention"),
    ("shap", "shapley"),
)
_ONE_BY_ONE = ("leave one out", "leave-one-out", "occlusion", "ablation", "deletion")


@dataclass(frozen=True)
class Token:
    """One token with its score; ``level`` from 0 to 5 sets the thickness, ``sign`` the direction."""

    position: int
    text: str
    value: float
    level: int

    @property
    def sign(self) -> str:
        """``plus`` for what pushed towards the answer, else ``minus``."""
        return "plus" if self.value > 0 else "minus"

    @property
    def score(self) -> str:
        """The score in print."""
        return f"{'+' if self.value > 0 else ''}{number(self.value)}"


@dataclass(frozen=True)
class Picture:
    """What one method says of one answer; without ``tokens`` there is no picture and ``reason`` says why.

    ``verdict`` is of the method over the whole audit, ``gain`` what its test gave for this text, in nats; ``error``
    how far the scores miss the change that they should add up to. ``here`` and ``p`` are of a test of this text by itself.
    ``unit`` is what each token stands for; ``signed``: whether a score says which way it pushes. ``blind`` names what
    such a picture does not show.
    """

    method: str
    verdict: str | None
    gain: float | None
    error: float | None
    reason: str | None
    tokens: list[Token]
    blind: str
    unit: str
    here: str | None
    p: float | None
    signed: bool

    @property
    def fails_here(self) -> bool:
        """Whether random words did as well on this very text, however the method does over the audit."""
        return self.gain is not None and (self.gain <= 0 or self.here == "not supported")


@dataclass(frozen=True)
class AnswerToken:
    """A token of the answer with the input token that weighed most for it, where any did."""

    position: int
    text: str
    strongest: Token | None


@dataclass(frozen=True)
class Attribution:
    """One explained answer: the picture of the main method, then those of the others."""

    anchor: str
    record: Record
    picture: Picture
    others: list[Picture]
    strongest: list[Token]
    by_token: list[AnswerToken]
    facts: list[tuple[str, str]]
    left_out: int


def spelled(token: str) -> str:
    """A token with its spaces and line ends made visible, for they are part of it."""
    return token.replace(" ", "␣").replace("\n", "⏎").replace("\t", "⇥") or "∅"


def drawn(names: Sequence[str], scores: Sequence[float], top: float | None = None) -> list[Token]:
    """Tokens with the thickness of their lines; ``top`` is the score of the thickest, else the largest of these."""
    full = top or max((abs(score) for score in scores), default=0.0) or 1.0
    return [
        Token(position, spelled(name), score, min(round(LEVELS * (abs(score) / full)), LEVELS))
        for position, (name, score) in enumerate(zip(names, scores, strict=True))
    ]


def strongest(tokens: Sequence[Token], most: int) -> list[Token]:
    """Those with a line, the largest score first."""
    return sorted((t for t in tokens if t.level), key=lambda t: (-abs(t.value), t.position))[:most]


def _blind(method: str) -> str:
    name = method.lower()
    if any(part in name for part in _ONE_BY_ONE):
        return "one by one"
    return next((family for part, family in _FAMILIES if part in name), "any")


def _picture(names: Sequence[str], detail: dict[str, Any], unit: str) -> Picture | None:
    """The picture of a method, or why it has none; None where the material is malformed."""
    method = text(detail.get("method")) or "?"
    verdict, here = (detail.get(key) if detail.get(key) in VERDICTS else None for key in ("verdict", "here"))
    gain, error = finite(detail.get("gain")), finite(detail.get("error"))
    reason, scores = text(detail.get("reason")), numbers(detail.get("scores"), len(names))
    if reason is None and scores is None:
        return None
    if reason is None and not any(scores or ()):
        reason = NOTHING_FOUND
    tokens = [] if reason is not None or scores is None else drawn(names, scores)[:MOST_TOKENS]
    p, signed = finite(detail.get("p")), detail.get("signed") is not False
    return Picture(method, verdict, gain, error, reason, tokens, _blind(method), unit, here, p, signed)


def _by_token(names: Sequence[str], detail: dict[str, Any]) -> list[AnswerToken]:
    answer = texts(detail.get("answer_tokens"))
    rows = None if answer is None else table(detail.get("by_token"), len(answer), len(names))
    if answer is None or rows is None:
        return []
    top = max(abs(score) for row in rows for score in row)
    made = []
    for position, (name, row) in enumerate(zip(answer[:MOST_ANSWER_TOKENS], rows, strict=False)):
        best = strongest(drawn(names, row, top), 1)
        made.append(AnswerToken(position, spelled(name), best[0] if best else None))
    return made


def _one(record: Record) -> Attribution | None:
    shown = cleaned(record, 4000)
    detail = shown.detail
    names = texts(detail.get("tokens"))
    unit = next((unit for unit in UNITS if unit == detail.get("unit")), "word")
    picture = None if names is None else _picture(names, detail, unit)
    if names is None or picture is None:
        return None
    given = detail.get("others")
    others = given[:MOST_METHODS] if isinstance(given, list) else []
    pictures = [_picture(names, other, unit) for other in others if isinstance(other, dict)]
    facts = [(key, words) for key in _WORDS if (words := text(detail.get(key))) is not None]
    facts += [(key, number(value)) for key in _NUMBERS if (value := finite(detail.get(key))) is not None]
    return Attribution(
        anchor(record),
        shown,
        picture,
        [p for p in pictures if p is not None],
        strongest(picture.tokens, 10),
        [] if picture.reason else _by_token(names, detail),
        facts,
        max(len(names) - MOST_TOKENS, 0),
    )


def attributions(records: Sequence[Record]) -> list[Attribution]:
    """The attributions worth drawing, in the order given; malformed material is left out."""
    views = (_one(record) for record in of_kind(records, "attribution"))
    return list(islice((view for view in views if view is not None), MOST_EXAMPLES))
