"""The page of one explanation: what was asked, whether the marked words hold up, the picture, and where the model looked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.results.schema import Outlook, Record
from reports.document import document
from reports.evidence import packed
from reports.explained import SCRIPTS, STYLES, explained
from reports.languages import SOURCE
from reports.text import shorten, visible

LONGEST_TEXT = 2000


@dataclass(frozen=True)
class Told:
    """What the page says in words.

    ``outlook``: whether the picture holds up, as the outlook of a finding, or None where nothing is claimed; ``meaning``:
    what the gain says; ``facts``: names and values, in the order in which they are printed.
    """

    title: str
    sentence: str
    outlook: Outlook | None = None
    meaning: str = ""
    warnings: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()


def render_explanation(
    told: Told,
    attribution: Record | None,
    attention: Record | None = None,
    scripts: bool = True,
    languages: Sequence[str] = (SOURCE,),
) -> str:
    """The whole page, with what there is of both; the same content always gives the same bytes.

    Scripts are part of it only where something needs them, and none where ``scripts`` is False: the picture of the words
    is complete without.
    """
    records = [record for record in (attribution, attention) if record is not None]
    needed = attention is not None or bool(attribution and attribution.detail.get("by_token"))
    scripted = scripts and needed
    content = {
        "told": _cleaned(told),
        "text": _shown(attribution.input if attribution else attention.input if attention else ""),
        "answer": attribution is not None,
        "views": explained(records),
        "evidence": packed(records),
        "linked": False,
        "scripted": scripted,
    }
    styles = (*STYLES, "explanation.css")
    return document("explanation.html", content, languages, styles, SCRIPTS if scripted else ())


def _shown(text: str) -> str:
    return shorten(visible(text), LONGEST_TEXT)


def _cleaned(told: Told) -> Told:
    """Names, answers and reasons come from models and people: nothing hidden in them, and of bounded length."""
    return Told(
        _shown(told.title),
        _shown(told.sentence),
        told.outlook,
        _shown(told.meaning),
        tuple(_shown(warning) for warning in told.warnings),
        tuple((name, _shown(value)) for name, value in told.facts),
    )
