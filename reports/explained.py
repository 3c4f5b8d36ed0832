"""All explanations of a set of records, as the report and any other page draw them.

A page of its own extends ``base.html`` and needs, whatever else it holds::

    {% include 'explanations.html' %}         the sections that have something to show
    {% include 'report_words.html' %}         the words, for the scripts; both in its block ``body``
    {% include 'explanations_data.html' %}    the records, for the scripts; in its block ``data``

with these names in its context:

- ``views``: ``explained(records)``;
- ``evidence``: ``packed(records)`` of the same records (``reports.evidence``);
- ``linked``: whether the page holds the list of records, to which the pictures then link;
- ``assets``: ``assets(STYLES, SCRIPTS)`` (``reports.page``);
- ``probes``, where there are some: those of the report, whose findings on attention stand beside its pictures.

Without attention and without ``by_token`` nothing needs a script: ``explanations_data.html``, ``evidence`` and
``SCRIPTS`` can then be left out.

Nothing in the result must be escaped or checked again: malformed material is left out, texts are escaped by the
templates, and scripts set them as text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.results.schema import Record
from reports.evidence import of_kind
from reports.heads import Looked, attended
from reports.inside import Lens, Patching, lenses, patchings
from reports.viewers import Attribution, attributions

STYLES = ("base.css", "report.css", "tokens.css", "viewers.css", "inside.css")
SCRIPTS = ("common.js", "by_token.js", "attention_draw.js", "attention.js")


@dataclass(frozen=True)
class Explained:
    """What can be drawn; ``known`` counts the records with an attribution, drawn or not."""

    attributions: list[Attribution]
    known: int
    attention: list[Looked]
    lenses: list[Lens]
    patchings: list[Patching]


def explained(records: Sequence[Record]) -> Explained:
    """Everything of these records that can be drawn, in the order given."""
    return Explained(
        attributions(records),
        len(of_kind(records, "attribution")),
        attended(records),
        lenses(records),
        patchings(records),
    )
