"""A page in one language, or in several with a switch between them, from a template and what is to be shown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from reports.environment import build_environment
from reports.languages import SOURCE, own_name
from reports.page import Assets, assets

# Attributes that hold the id of an element, or several. In text and in attributes that come from data every quote is
# escaped, so that only our own markup fits.
_OWN = re.compile(r'(?<=\s)(id|for|name|href|aria-labelledby|aria-describedby|aria-controls|data-name)="([^"]*)"')
_SHARED = ("#i-", "#s-")  # the icons, which are drawn once


@dataclass(frozen=True)
class Further:
    """The body of a page in a language besides its first."""

    language: str
    name: str
    suffix: str
    body: Markup


def document(
    template: str,
    content: Mapping[str, Any],
    languages: Sequence[str] = (SOURCE,),
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
) -> str:
    """The whole page. ``content`` fills the template, in each of the ``languages``; the first is shown at the beginning.

    Ids in the bodies of further languages end in a suffix, so that none is there twice. The switch needs no script.

    Raises:
        ValueError: for a language without a catalogue, or none at all.
    """
    first, *others = languages
    rules = "".join(_rule(language) for language in languages) if others else ""
    parts = assets(styles, scripts, rules)
    further = [_further(template, content, language, parts) for language in others]
    page = build_environment(first).get_template(template)
    shared = {"frame": "base.html", "assets": parts, "others": further, "language_name": own_name(first)}
    return page.render(shared | dict(content))


def _further(template: str, content: Mapping[str, Any], language: str, parts: Assets) -> Further:
    page = build_environment(language).get_template(template)
    body = page.render({"frame": "body.html", "assets": parts} | dict(content))
    suffix = f"-in-{language}"
    return Further(language, own_name(language), suffix, Markup(suffixed(body, suffix)))


def suffixed(body: str, suffix: str) -> str:
    """Markup with the suffix behind every id and every reference to one; ids of icons stay as they are."""

    def renamed(match: re.Match[str]) -> str:
        name, value = match.groups()
        if name == "href":
            inside = value.startswith("#") and not value.startswith(_SHARED)
            return f'{name}="{value}{suffix}"' if inside else match[0]
        return f'{name}="{" ".join(part + suffix for part in value.split(" "))}"'

    return _OWN.sub(renamed, body)


def _rule(language: str) -> str:
    """While a language is chosen, the bodies of all others are hidden."""
    chosen = f"body:has(#language-{language}:checked)"
    return f"\n{chosen} .in-language:not([lang={language}]) {{ display: none; }}"
