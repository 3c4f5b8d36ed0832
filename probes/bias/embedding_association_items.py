"""Tests of association: our own words, and those of the authors of SEAT where the user has them; never shipped.

A test is four sets of words. The stereotype, or what is known, is that X lies nearer to A and Y nearer to B. Words are
put into sentences that say nothing themselves, because sentence encoders are made for sentences.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from audit.corpora import Item, ItemsError, load_items
from audit.published import PublishedSet

ITEMS = Path(__file__).parent / "items"
SET = PublishedSet("The SEAT authors' word lists", "weat", "github.com/W4ngatang/sent-bias (folder tests)")
PARTS = {"x": "targ1", "y": "targ2", "a": "attr1", "b": "attr2"}
"""Our names of the four sets, and those in the authors' files."""
SENTENCES = {"this": "This is {word}.", "word": "The word is {word}.", "wrote": "They wrote {word} here."}
WORD = "alone"
FEWEST = 2


def own_tests() -> list[Item]:
    """All tests of ours but the controls."""
    return [test for test in _own() if test["kind"] == "test"]


def controls() -> list[Item]:
    """What any useful encoder has, and what none should."""
    return [test for test in _own() if test["kind"] != "test"]


@cache
def _own() -> tuple[Item, ...]:
    words = {row["id"]: row for row in load_items(ITEMS / "association_words.jsonl")}
    return tuple(
        {
            **{field: row[field] for field in ("id", "kind", "axis")},
            **{part: list(words[row[part]]["words"]) for part in PARTS},
            "names": {part: words[row[part]]["name"] for part in PARTS},
            # Of the controls only the sentences are needed.
            "texts": {WORD: "{word}", **SENTENCES} if row["kind"] == "test" else SENTENCES,
            "source": "fairwitness's own items",
        }
        for row in load_items(ITEMS / "association_tests.jsonl")
    )


def published_tests(data: Path | None) -> list[Item]:
    """The tests of ``<data>/weat/*.jsonl``, the authors' files; what they list is taken as it stands.

    Raises:
        ItemsAbsent: where there is no such file; the message says where to get them and where to put them.
        ItemsError: where a file is not what its place says.
    """
    paths = sorted((data / SET.folder).glob("*.jsonl")) if data is not None else []
    if not paths:
        SET.file(data, "weat1.jsonl")
    return [_published(path) for path in paths]


def _published(path: Path) -> Item:
    content = SET.json(path)
    sets = {part: _set(path, content, theirs) for part, theirs in PARTS.items()}
    return {
        "id": f"published/{path.stem}",
        "kind": "published",
        "axis": "published",
        **{part: words for part, (_, words) in sets.items()},
        "names": {part: name for part, (name, _) in sets.items()},
        "texts": {WORD: "{word}"},
        "source": f"May et al. 2019, {path.name} of github.com/W4ngatang/sent-bias",
    }


def _set(path: Path, content: Any, name: str) -> tuple[str, list[str]]:
    found = content.get(name) if isinstance(content, Mapping) else None
    words = found.get("examples") if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping) or not isinstance(words, list) or not all(isinstance(w, str) for w in words):
        raise ItemsError(f"{path} is not a test of association: {name} needs a category and a list of examples.")
    # The authors keep vectors by their text, so that a text which is there twice counts once.
    listed = list(dict.fromkeys(w for w in words if w.strip()))
    if len(listed) < FEWEST:
        raise ItemsError(f"{path}: {name} needs at least {FEWEST} examples.")
    return str(found.get("category") or name), listed
