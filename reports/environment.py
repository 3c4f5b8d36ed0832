"""The Jinja2 environment of all pages: all is escaped, nothing may be undefined, every word can be translated."""

from __future__ import annotations

from gettext import NullTranslations

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reports import charts, text
from reports.page import TEMPLATES, json_block
from reports.phrases import Phrases


def build_environment(translations: NullTranslations | None = None, language: str = "en") -> Environment:
    """An environment in one language.

    ``_()`` and ``{% trans %}`` are for the literal strings of templates only: their result counts as markup.
    Text that comes from a result is translated with the filter ``say``, whose output is escaped.
    """
    words = translations or NullTranslations()
    env = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.install_gettext_translations(words, newstyle=True)  # type: ignore[attr-defined]
    phrases = Phrases(words.gettext)
    env.globals["language"] = language
    env.filters |= {
        "say": words.gettext,
        "visible": text.visible,
        "shorten": text.shorten,
        "brief": text.brief,
        "number": text.number,
        "factor": text.factor,
        "count": text.count,
        "moment": text.moment,
        "duration": text.duration,
        "slug": text.slug,
        "json_block": json_block,
        "strip": charts.strip,
        "sentence": phrases.sentence,
        "amount": phrases.amount,
        "head": phrases.head,
        "scale": phrases.scale,
        "range": phrases.range,
        "frequency": phrases.frequency,
        "share": phrases.share,
        "chance": phrases.chance,
        "direction": phrases.direction,
        "side": phrases.side,
        "tendency": phrases.tendency,
        "basis": phrases.basis,
        "told": phrases.told,
        "missing": phrases.missing,
        "rule": phrases.rule,
        "big": phrases.big,
    }
    return env
