"""An answer with the parts of it that were judged on their own, so that a page can underline them in place."""

from __future__ import annotations

from dataclasses import dataclass

from audit.results.schema import Claim, Record
from reports.text import shorten, visible

UNDERLINED = frozenset({"contradicted", "not in the text", "inconsistent"})
"""Verdicts that a reader must see in the text itself."""


@dataclass(frozen=True)
class Part:
    """A stretch of an answer, safe to print; ``claim`` is what was judged there, if anything."""

    text: str
    claim: Claim | None = None

    @property
    def underlined(self) -> bool:
        """Whether the claim's verdict is one to see in the text."""
        return self.claim is not None and self.claim.verdict in UNDERLINED


def parts_of(record: Record, limit: int) -> list[Part]:
    """The answer in order, cut where a claim begins or ends, no longer than ``limit`` characters in all.

    Claims that overlap an earlier one or lie outside the answer are left out: a page must not show words twice.
    """
    output = record.output or ""
    parts: list[Part] = []
    place = 0
    for claim in sorted(record.claims, key=lambda c: (c.start, c.end)):
        if claim.start < place or claim.end > len(output):
            continue
        if claim.start > place:
            parts.append(Part(visible(output[place : claim.start])))
        parts.append(Part(visible(output[claim.start : claim.end]), _shown(claim)))
        place = claim.end
    if place < len(output):
        parts.append(Part(visible(output[place:])))
    return _within(parts, limit)


def _shown(claim: Claim) -> Claim:
    evidence = None if claim.evidence is None else shorten(visible(claim.evidence), 400)
    return claim.model_copy(update={"evidence": evidence})


def _within(parts: list[Part], limit: int) -> list[Part]:
    kept: list[Part] = []
    for part in parts:
        if len(part.text) > limit:
            return [*kept, Part(shorten(part.text, max(limit, 2)), part.claim)]
        kept.append(part)
        limit -= len(part.text)
    return kept
