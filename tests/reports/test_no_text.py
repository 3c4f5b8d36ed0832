"""No template holds text of its own: every word goes through the catalogue."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reports.page import TEMPLATES

# Names, units and marks that are the same in every language.
NAMES = re.compile(r"fairwitness|Python|SHA-256|JSON|CSV|HTML|UTC|p\b|f\b|n\b")
JINJA = re.compile(r"\{#.*?#\}|\{%-?\s*trans\b.*?\{%-?\s*endtrans\s*-?%\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
MARKUP = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>|&\w+;", re.DOTALL)
ATTRIBUTES = re.compile(r'\s(?:title|alt|placeholder|aria-label)="([^"{}]*[A-Za-z]{2}[^"{}]*)"')


def bare(source: str) -> str:
    """What is left of a template without its expressions and its markup."""
    return MARKUP.sub(" ", JINJA.sub(" ", source))


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.html")), ids=lambda p: p.name)
def test_every_word_is_translated(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    left = NAMES.sub("", bare(source))
    assert re.findall(r"[A-Za-z]{2,}[^\n]{0,40}", left) == []
    assert ATTRIBUTES.findall(source) == []


def test_a_word_of_its_own_would_be_found() -> None:
    left = bare("{# a note #}<p>{{ _('Told') }} bare words {% trans n=1 %}More{% endtrans %}</p>")
    assert re.findall(r"[A-Za-z]{2,}", left) == ["bare", "words"]
