"""Brings the catalogues of ``reports/locale`` up to date with every text that a page can show.

The texts come from the templates and the code of the reports, from the mappings to laws and standards, and from the probes.
Sentences of findings are put together by code; ``--sentences FILE`` takes those that ``docs/sentences.py`` wrote down while the
tests ran, and those of the catalogue that came so before are kept.

    python docs/catalogue.py [--language ko] [--sentences FILE]    adds what is new, marks what is gone as obsolete
    python docs/catalogue.py --check                               says how much is untranslated; status 1 where a text is new
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po, write_po
from jinja2 import Environment

from probes.base import Probe
from probes.registry import find_probes
from reports.environment import build_environment
from reports.languages import LOCALE, languages
from reports.mapping import frameworks
from reports.page import TEMPLATES
from reports.text import sentences

REPORTS = Path(__file__).parent.parent / "reports"
PROBES = REPORTS.parent / "probes"
PART = 20  # characters by which a sentence is found again in the code
HEARD = "finding"  # the comment of what was heard while the tests ran
# Calls whose first argument is a text to be translated.
MARKS = ("_", "mark", "gettext")
Key = str | tuple[str, str]
WORDS = re.compile(r"[^\W\d_]{2,}")


def texts() -> dict[Key, str]:
    """Every text that can be found by reading, with where it comes from; a pair where it has a plural."""
    found: dict[Key, str] = {}
    env = build_environment()
    for path in sorted(TEMPLATES.glob("*.html")):
        for key in _template(env, path):
            found.setdefault(key, f"page {path.stem}")
    for path in sorted(REPORTS.glob("*.py")):
        for key in _code(path):
            found.setdefault(key, f"page {path.stem}")
    for framework in frameworks():
        for text in (framework.title, framework.about, *(x for p in framework.provisions for x in (p.line, p.source))):
            found.setdefault(text, f"law {framework.framework}")
        found.setdefault(framework.source, f"law {framework.framework}")
    for name, probe in find_probes().items():
        for text in _probe(probe):
            found.setdefault(text, f"probe {name}")
    plural = {key[0] for key in found if isinstance(key, tuple)}  # gettext has one message for both
    return {key: where for key, where in found.items() if key and key not in plural}


def _template(env: Environment, path: Path) -> Iterator[Key]:
    extracted = env.extract_translations(path.read_text(encoding="utf-8"))  # type: ignore[attr-defined]
    for _, function, message in extracted:
        if function == "ngettext":
            yield (message[0], message[1])
        else:
            yield message if isinstance(message, str) else message[0]


def _code(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        text = node.args[0]
        if name in MARKS and isinstance(text, ast.Constant) and isinstance(text.value, str):
            yield text.value


def _probe(probe: type[Probe]) -> Iterator[str]:
    yield from (probe.title, probe.purpose, probe.method, probe.limits, probe.alternative)
    for metric in probe.metrics:
        yield from (metric.label, metric.meaning)


def heard(path: Path) -> dict[Key, str]:
    """Sentences, advice and words of findings that the tests made; what is not in the code, as of stand-ins, stays out."""
    found: dict[Key, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        kind, text = json.loads(line)
        probe, what = kind.split(" ")[:2]
        written = _written(probe)
        if what == "reason" and text in written:
            found.setdefault(text, f"{HEARD} {probe}")
        elif what in ("template", "advice"):
            for sentence in filter(_has_words, sentences(text)):
                if any(sentence[:PART] in part or (len(part) >= PART and part in sentence) for part in written):
                    found.setdefault(sentence, f"{HEARD} {probe}")
        elif what == "value" and text in written and WORDS.search(text):
            found.setdefault(text, f"{HEARD} {probe} value")
    return found


def _has_words(sentence: str) -> bool:
    """Whether something stands besides places to be filled."""
    return bool(WORDS.search(re.sub(r"\{[^{}]*\}", "", sentence)))


@cache
def _written(probe: str) -> frozenset[str]:
    """The texts in the code of a probe: in the files of its risk that bear its name, or that serve several of its probes."""
    risk, _, name = probe.partition(".")
    others = {other.partition(".")[2] for other in find_probes() if other.startswith(f"{risk}.") and other != probe}
    files = [
        file
        for file in (PROBES / risk).glob("*.py")
        if file.stem.startswith(name) or not any(file.stem.startswith(other) for other in others)
    ]
    return frozenset(
        node.value
        for file in [*files, *PROBES.glob("*.py"), *(PROBES / "judges").glob("*.py")]
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def renewed(language: str, found: dict[Key, str]) -> Catalog:
    """The catalogue with all of ``found``, and with what was heard before; translations stay."""
    path = LOCALE / f"{language}.po"
    old = Catalog(locale=language)
    if path.exists():
        with path.open("rb") as file:
            old = read_po(file, locale=language)
    new = Catalog(locale=language, project="fairwitness", charset="utf-8", fuzzy=False, header_comment="")
    kept = {m.id: " ".join(m.auto_comments) for m in old if m.id and any(c.startswith(HEARD) for c in m.auto_comments)}
    for key, where in sorted({**kept, **found}.items(), key=lambda pair: (pair[1], str(pair[0]))):
        before = old.get(key[0] if isinstance(key, tuple) else key)
        # A text that has no plural in one place and one in another is one message for gettext.
        told = (
            before.string
            if isinstance(before, Message) and isinstance(before.id, tuple) == isinstance(key, tuple)
            else ""
        )
        new.add(key, string=told or None, auto_comments=[where], flags=_format(key))
    return new


def _format(key: Key) -> tuple[str, ...]:
    """Templates fill ``%(name)s``; the code fills ``{name}``."""
    return ("python-format",) if "%(" in str(key) else ()


def dumped(catalogue: Catalog) -> bytes:
    """The file of a catalogue: no date in it, so that nothing changes where nothing did."""
    buffer = io.BytesIO()
    write_po(buffer, catalogue, width=0, omit_header=False, sort_output=False, ignore_obsolete=True)
    lines = buffer.getvalue().decode().splitlines(keepends=True)
    dated = (
        '"POT-Creation-Date',
        '"PO-Revision-Date',
        '"Last-Translator',
        '"Report-Msgid',
        '"Generated-By',
        '"Language-Team',
    )
    return "".join(line for line in lines if not line.startswith(dated)).encode()


def main() -> int:
    """Write the catalogues, or check them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--language", action="append", default=[], help="A language to begin; those that are there are renewed."
    )
    parser.add_argument("--sentences", type=Path)
    parser.add_argument("--check", action="store_true")
    chosen = parser.parse_args()
    found = texts() | (heard(chosen.sentences) if chosen.sentences else {})
    stale = 0
    for language in dict.fromkeys([*languages()[1:], *chosen.language]):
        path = LOCALE / f"{language}.po"
        catalogue = renewed(language, found)
        content = dumped(catalogue)
        empty = sum(not any(m.string) if isinstance(m.string, tuple) else not m.string for m in catalogue if m.id)
        print(f"{language}: {len(catalogue):,} texts, {empty:,} of them untranslated")
        if chosen.check:
            stale += not path.exists() or path.read_bytes() != content
        else:
            path.write_bytes(content)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
