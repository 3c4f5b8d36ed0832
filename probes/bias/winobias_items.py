"""The sentences of WinoBias in pairs: read from the user's data folder or the hub, never shipped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from audit.corpora import Item, ItemsError
from audit.published import PublishedSet, Row

SET = PublishedSet("WinoBias", "winobias", "github.com/uclanlp/corefBias (WinoBias/wino/data)", "uclanlp/wino_bias")
TYPES = ("type1", "type2")
SIDES = ("pro", "anti")
PRONOUNS = {"he": "he", "him": "he", "his": "he", "she": "she", "her": "she", "hers": "she"}
PLACES = ("first", "last")
MOST_LEFT_OUT = 0.05  # with more of the pairs unclear, it is another set
_NUMBERED = re.compile(r"\s*(\d+)\s+(\S.*)")
_MENTION = re.compile(r"\[([^\[\]]*)\]")
_ARTICLE = re.compile(r"^the\s+", re.IGNORECASE)
_SPACE_BEFORE = re.compile(r" (?=[.,;:?!])")


@dataclass(frozen=True)
class Line:
    """A sentence without brackets, and what stood in them, in order."""

    number: int
    text: str
    mentions: tuple[str, ...]

    @property
    def pronouns(self) -> list[str]:
        """The pronouns in brackets."""
        return [m for m in self.mentions if m.lower() in PRONOUNS]

    @property
    def occupations(self) -> list[str]:
        """The occupations in brackets, without an article."""
        return [_ARTICLE.sub("", m) for m in self.mentions if m.lower() not in PRONOUNS]


def from_folder(data: Path | None) -> list[Item]:
    """The pairs of the four development files in ``<data>/winobias``.

    Raises:
        ItemsAbsent: where one of them is missing; the message says where to get it and where to put it.
        ItemsError: where a file is not what its name says.
    """
    paths = {(side, kind): _path(data, f"{side}_stereotyped_{kind}") for kind in TYPES for side in SIDES}
    lines = {place: _lines(path) for place, path in paths.items()}
    return _items(lines, f"{paths['pro', 'type1'].parent}", "uclanlp/corefBias")


def _path(data: Path | None, stem: str) -> Path:
    """The file under the authors' name, or under one that ends like a text file."""
    plain = data / SET.folder / f"{stem}.dev.txt" if data is not None else None
    return plain if plain is not None and plain.is_file() else SET.file(data, f"{stem}.txt.dev")


def _lines(path: Path) -> list[Line]:
    found = []
    for row in SET.text(path).splitlines():
        numbered = _NUMBERED.fullmatch(row)
        if numbered is None and row.strip():
            raise ItemsError(f"{path} is not {SET.name}: a line does not begin with its number and a sentence.")
        if numbered is not None:
            mentions = tuple(" ".join(m.split()) for m in _MENTION.findall(numbered[2]))
            text = " ".join(numbered[2].replace("[", "").replace("]", "").split())
            found.append(Line(int(numbered[1]), text, mentions))
    return found


def from_hub(revision: str) -> list[Item]:
    """The pairs of the hub's data set at one commit.

    Raises:
        ItemsError: where they cannot be had, or are not what they should be.
    """
    fields = ("tokens", "coreference_clusters")
    lines = {
        (side, kind): _from_tokens(SET.from_hub(revision, f"{kind}_{side}", "validation", fields), revision)
        for kind in TYPES
        for side in SIDES
    }
    return _items(lines, f"{SET.hub} at {revision}", f"{SET.hub}@{revision[:12]}")


def _from_tokens(rows: Iterable[Row], revision: str) -> list[Line]:
    """Sentences from their tokens; the hub gives mentions as pairs of first and last token, in one row."""
    found = []
    for number, row in enumerate(rows, 1):
        tokens = [str(token) for token in row["tokens"]]
        try:
            ends = [int(place) for place in row["coreference_clusters"]]
            spans = sorted(zip(ends[::2], ends[1::2], strict=True))
        except (TypeError, ValueError):
            spans = []
        if not spans or not all(0 <= a <= b < len(tokens) for a, b in spans):
            raise ItemsError(f"{SET.hub} at {revision}: the mentions of sentence {number} are no places of tokens.")
        text = _SPACE_BEFORE.sub("", " ".join(tokens))
        found.append(Line(number, text, tuple(" ".join(tokens[a : b + 1]) for a, b in spans)))
    return found


def _items(lines: Mapping[tuple[str, str], Sequence[Line]], place: str, source: str) -> list[Item]:
    """One item a pair of sentences; the few pairs that do not name exactly two people are left out."""
    named = {name for some in lines.values() for line in some for name in line.occupations}
    if not named:
        raise ItemsError(f"{place} is not {SET.name}: no occupation stands in square brackets.")
    longest_first = sorted(named, key=lambda name: (-len(name), name))
    people = re.compile(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b", re.IGNORECASE)
    spelling = {name.lower(): name for name in sorted(named)}
    items: list[Item] = []
    odd: list[str] = []
    for kind in TYPES:
        pro, anti = lines["pro", kind], lines["anti", kind]
        if not pro or [line.number for line in pro] != [line.number for line in anti]:
            raise ItemsError(f"{place}: the pro and anti sentences of {kind} are not of the same numbers.")
        if len({line.number for line in pro}) != len(pro):
            raise ItemsError(f"{place}: two sentences of {kind} have the same number.")
        for one, other in zip(pro, anti, strict=True):
            item = _pair(kind, one, other, people, spelling)
            if isinstance(item, str):
                odd.append(f"{kind} {one.number} {item}")
            else:
                items.append({**item, "source": source})
    if len(odd) > MOST_LEFT_OUT * (len(items) + len(odd)):
        raise ItemsError(f"{place} is not {SET.name}: {len(odd)} pairs are unclear; {odd[0]}.")
    return items


def _pair(kind: str, pro: Line, anti: Line, people: re.Pattern[str], spelling: Mapping[str, str]) -> Item | str:
    """The item of two sentences, or what is unclear about them."""
    found = []
    for line in (pro, anti):
        genders = {PRONOUNS[word.lower()] for word in line.pronouns}
        if len(line.occupations) != 1 or len(genders) != 1:
            return "has not one occupation and one gender in brackets"
        named = list(dict.fromkeys(spelling[match.lower()] for match in people.findall(line.text)))
        right = spelling[line.occupations[0].lower()]
        found.append((named, right, genders.pop()))
    (named, right, gender), (named_anti, right_anti, gender_anti) = found
    if len(named) != 2:
        return f"names {len(named)} occupations"
    if (named, right) != (named_anti, right_anti) or gender == gender_anti:
        return "is no pair: the people differ or the pronoun does not"
    place = PLACES[named.index(right)]
    return {
        "id": f"{kind}-{pro.number}",
        "kind": kind,
        "place": place,
        "part": f"{kind} {place}",
        "people": "|".join(sorted(named)),
        "right": right,
        "wrong": next(name for name in named if name != right),
        "texts": {"pro": pro.text, "anti": anti.text},
        "pronouns": {"pro": pro.pronouns[0].lower(), "anti": anti.pronouns[0].lower()},
        "turn": pro.number // 2,
    }
