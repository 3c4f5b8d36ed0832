"""The languages of the reports: English, and each for which ``locale/`` holds a catalogue, one file a language.

A catalogue is a gettext file (``ko.po``) whose keys are the English texts. What it lacks is shown in English.
"""

from __future__ import annotations

import io
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LOCALE = Path(__file__).parent / "locale"
SOURCE = "en"
"""The language in which templates, probes and results are written."""


def mark(text: str) -> str:
    """A text in the code that the catalogues hold; it is translated where it is shown."""
    return text


def languages() -> tuple[str, ...]:
    """The codes of all languages, English first."""
    return (SOURCE, *sorted(path.stem for path in LOCALE.glob("*.po")))


@cache
def translations(language: str) -> NullTranslations:
    """The catalogue of a language, read from its file; that of English is empty.

    Raises:
        ValueError: where there is no such language.
    """
    if language == SOURCE:
        return NullTranslations()
    if language not in languages():
        raise ValueError(f"there is no text in {language}; there is {', '.join(languages())}")
    with (LOCALE / f"{language}.po").open("rb") as file:
        catalogue = read_po(file, locale=language, abort_invalid=True)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)  # leaves out what is marked fuzzy
    compiled.seek(0)
    return GNUTranslations(compiled)


def own_name(language: str) -> str:
    """What a language is called in itself, e.g. ``한국어``."""
    return Locale.parse(language).get_display_name(language) or language
