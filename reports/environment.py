"""The Jinja2 environment of all pages: all is escaped, nothing may be undefined, every word can be translated."""

from __future__ import annotations

from functools import partial

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reports import charts, text
from reports.effects import EffectWords
from reports.languages import SOURCE, translations
from reports.page import TEMPLATES, json_block
from reports.phrases import Phrases
from reports.risk_texts import risk_text


def build_environment(language: str = SOURCE) -> Environment:
    """An environment in one language.

    Raises:
        ValueError: where there is no catalogue of it.

    ``_()`` and ``{% trans %}`` are for the literal strings of templates only: their result counts as markup.
    Text that comes from a result is translated with the filter ``say``, whose output is escaped.
    """
    words = translations(language)
    env = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.install_gettext_translations(words, newstyle=True)  # type: ignore[attr-defined]
    phrases = Phrases(words.gettext, language)
    env.globals |= {"language": language, "words": EffectWords(words.gettext), "others": (), "risk_text": risk_text}
    env.filters |= {
        "say": phrases.say,
        "reason": phrases.reason,
        "visible": text.visible,
        "shorten": text.shorten,
        "brief": text.brief,
        "number": text.number,
        "factor": text.factor,
        "count": text.count,
        "moment": partial(text.moment, language=language),
        "duration": text.duration,
        "slug": text.slug,
        "json_block": json_block,
        "strip": charts.strip,
        "sentence": phrases.sentence,
        "lines": phrases.lines,
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
