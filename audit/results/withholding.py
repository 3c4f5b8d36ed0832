"""Records and results as they are written: personal data blotted out, and a keyed hash kept of each.

This is done once, where a result folder is written. Everything that is drawn from the folder then shows nothing either.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from audit.results.mitigation import Mitigation
from audit.results.personal import Span, continued, masked, merged, personal
from audit.results.schema import AuditResult, Record, Withheld

KEY_VARIABLE = "FAIRWITNESS_HASH_KEY"
DIGITS = 16  # of a stored hash; chance gives two data of a million one hash with a probability of 3e-8
_NAME_DIGITS = 6
# Texts keep their length, so that places in them hold; what tells records apart gets a piece of the hash.
_TEXTS = ("input", "output", "expected", "note")
_NAMES = ("id", "item", "source", "cluster", "template", "axis", "group", "outcome")
# What stands between the parts of a name that a probe puts together, as in exposure[canary-+44 …]; a dash before a
# number or an account, as others belong to them.
_JOINTS = re.compile(r"[/:|#=_\[\]]|(?<=[A-Za-z])-(?=[\d+(]|[A-Z]{2}\d)")
_LONGEST_NAME = 300
_OWNERS = ("model", "judges", "card")  # blocks of model.yaml
_PACKED = 24  # shorter strings are no packed weights
Place = tuple[str | int, ...]
ResultT = TypeVar("ResultT", AuditResult, Mitigation)


def hash_key(environment: Mapping[str, str]) -> bytes:
    """The key of the hashes, from the environment; without one a random key of this call, known to nobody afterwards."""
    return environment.get(KEY_VARIABLE, "").encode() or secrets.token_bytes(32)


class Withholding:
    """Blots out personal data under one key, which it keeps to itself."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._found: dict[str, tuple[Span, ...]] = {}
        self._in_names: dict[str, tuple[Span, ...]] = {}  # the same names come in every record
        self._told: dict[str, Span] = {}  # what only the place in the present record tells

    def hash(self, kind: str, datum: str) -> str:
        """The keyed hash of a datum: HMAC-SHA256, its first 16 hexadecimal digits."""
        return hmac.new(self._key, f"{kind}:{datum}".encode(), hashlib.sha256).hexdigest()[:DIGITS]

    def record(self, record: Record, private: Sequence[Span] = ()) -> Record:
        """The record as it is written; itself where it holds no personal data.

        ``private``: further data in its output, which are blotted out wherever they stand in it.
        """
        held: list[Withheld] = []
        self._told = _told_by_place(record)
        if record.output is not None:
            self._told |= {record.output[s.start : s.end]: s for s in private}
        changed: dict[str, Any] = {}
        for field in (*_TEXTS, *_NAMES):
            before = getattr(record, field)
            after = before if before is None else self._seen(before, (field,), held, field in _NAMES)
            if after != before:
                changed[field] = after
        for field in ("tags", "scores", "detail"):
            before = getattr(record, field)
            if before:
                names = field != "detail"
                after = self._nested(before, (field,), held, names)
                if after != before:
                    changed[field] = after
        changed |= self._decision(record, held)
        if not held:
            return record
        return Record.model_validate({**dict(record), **changed, "withheld": held})

    def result(self, result: ResultT) -> ResultT:
        """The result with the names of groups, sentences and reasons blotted out alike.

        What the config says of where the model is found, and of whom to ask about it, stays as it is: without the one
        the result leads nowhere, and the other is there to be read.
        """
        self._told = {}
        content = result.model_dump()
        kept = {name: content.pop(name) for name in ("model", "manifest") if name in content}
        if "command" in kept.get("manifest", {}):
            kept["manifest"]["command"] = self._seen(kept["manifest"]["command"], (), [], True)
        config = kept.get("manifest", {}).get("config", {})
        config |= {name: self._nested(block, (), [], True) for name, block in config.items() if name not in _OWNERS}
        return type(result).model_validate({**kept, **self._nested(content, (), [], True)})

    def _decision(self, record: Record, held: list[Withheld]) -> dict[str, Any]:
        """What changes in the claims and the decision of a record, which hold texts in fields of known names."""
        changed: dict[str, Any] = {}
        for field in ("claims", "asked"):
            before = getattr(record, field)
            if before:
                dumped = [c.model_dump() for c in before] if field == "claims" else before.model_dump()
                after = self._nested(dumped, (field,), held, False)
                if after != dumped:
                    changed[field] = after
        return changed

    def _spans(self, text: str, name: bool) -> tuple[Span, ...]:
        if text not in self._found:
            self._found[text] = personal(text)
        found = self._found[text]
        if name:
            if text not in self._in_names:
                self._in_names[text] = tuple(_in_parts(text))
            found = merged(found, self._in_names[text])
        return merged(found, list(_again(text, self._told))) if self._told else found

    def _seen(self, text: str, place: Place, held: list[Withheld], name: bool) -> str:
        spans = self._spans(text, name)
        if not spans:
            return text
        where = ".".join(map(str, place))
        held += [
            Withheld(where=where, kind=s.kind, start=s.start, end=s.end, hash=self.hash(s.kind, s.datum)) for s in spans
        ]
        return self._named(text, spans) if name else masked(text, spans)

    def _named(self, text: str, spans: tuple[Span, ...]) -> str:
        """A name stays one of its own: after each datum come some digits of the hash of exactly what stood there."""
        for span in reversed(spans):
            exact = text[span.start : span.end]
            dots = masked(exact, [Span(span.kind, 0, len(exact), "")])
            text = f"{text[: span.start]}{dots}~{self.hash('name', exact)[:_NAME_DIGITS]}{text[span.end :]}"
        return text

    def _nested(self, value: Any, place: Place, held: list[Withheld], name: bool) -> Any:
        """Whatever JSON can hold: each text, the keys, and what pieces of a list make together."""
        if isinstance(value, str):
            return value if _packed(value) else self._seen(value, place, held, name)
        if isinstance(value, Mapping):
            return {
                key if not isinstance(key, str) else self._seen(key, place, held, True): self._nested(
                    inner, (*place, str(key)), held, name
                )
                for key, inner in value.items()
            }
        if isinstance(value, list):
            after = [self._nested(inner, (*place, i), held, name) for i, inner in enumerate(value)]
            return after if name else self._joined(after, place, held)
        return value

    def _joined(self, values: list[Any], place: Place, held: list[Withheld]) -> list[Any]:
        """A list of pieces of a text, such as tokens or words, in which no single one is a datum."""
        columns: dict[Place, list[tuple[str, Callable[[str], None]]]] = {}
        holder = {"list": values}
        for path, text, put in _pieces(holder, "list", ()):
            columns.setdefault(path, []).append((text, put))
        for path, pieces in columns.items():
            for between in ("", " "):
                if len(pieces) > 1:
                    pieces = self._together(pieces, between, (*place, *path), held)
        return holder["list"]

    def _together(
        self, pieces: list[tuple[str, Callable[[str], None]]], between: str, place: Place, held: list[Withheld]
    ) -> list[tuple[str, Callable[[str], None]]]:
        """The pieces, each with what is to be dots in the text that they make; ``between`` stands between them."""
        text = between.join(piece for piece, _ in pieces)
        after = self._seen(text, place, held, False)
        if after == text:
            return pieces
        told, start = [], 0
        for piece, put in pieces:
            new = after[start : start + len(piece)]
            put(new)
            told.append((new, put))
            start += len(piece) + len(between)
        return told


def _told_by_place(record: Record) -> dict[str, Span]:
    """Data of the output that only what was asked tells, by how they are written."""
    if record.output is None:
        return {}
    alone = {(s.start, s.end) for s in personal(record.output)}
    spans = continued(record.input, record.output)
    return {record.output[s.start : s.end]: s for s in spans if (s.start, s.end) not in alone}


def _in_parts(name: str) -> Iterator[Span]:
    """The data that are one part of a name, and that what stands before or after it in the name would hide."""
    if len(name) > _LONGEST_NAME or "://" in name or any(c.isspace() for c in name):
        return
    start = 0
    for joint in _JOINTS.finditer(f"{name}/"):
        part = name[start : joint.start()]
        if part != name:
            yield from (Span(s.kind, s.start + start, s.end + start, s.datum) for s in personal(part))
        start = joint.end()


def _again(text: str, told: Mapping[str, Span]) -> Iterator[Span]:
    """Where these data stand in a text."""
    for written, span in told.items():
        start = text.find(written)
        while start >= 0:
            yield Span(span.kind, start, start + len(written), span.datum)
            start = text.find(written, start + len(written))


def _pieces(holder: Any, at: Any, path: Place) -> Iterator[tuple[Place, str, Callable[[str], None]]]:
    """The texts below a place, each with the names on its way and how it is exchanged."""
    value = holder[at]
    if isinstance(value, str):
        if not _packed(value):
            yield path, value, lambda new: holder.__setitem__(at, new)
    elif isinstance(value, list):
        for i in range(len(value)):
            yield from _pieces(value, i, path)
    elif isinstance(value, dict):
        for key in value:
            yield from _pieces(value, key, (*path, str(key)))


def _packed(text: str) -> bool:
    """Whether a string holds packed numbers, in which digits are no digits."""
    if len(text) < _PACKED or len(text) % 4 or any(c.isspace() for c in text[:_PACKED]):
        return False
    try:
        zlib.decompressobj(-15).decompress(base64.b64decode(text, validate=True), 4096)
    except (binascii.Error, ValueError, zlib.error):
        return False
    return True
