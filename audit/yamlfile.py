"""Reading a YAML file that a person wrote: plain values, the line of each key, and one clear sentence per mistake.

The reading follows YAML 1.2 where 1.1 surprises people:

* Only ``true`` and ``false`` are truth values: ``yes``, ``no``, ``on`` and ``off`` are text.
* ``1e-3`` is a number; ``1_000``, ``12:30`` and ``2024-01-31`` are text; ``010`` is ten.
* Keys are always text, exactly as written: ``no: 1`` has the key "no", ``2024: x`` the key "2024".
* ``<<`` is an ordinary key: nothing is merged.

Nothing in a file can construct an object: every tag (``!!python/object``, but also ``!!str``) is refused. Anchors and
aliases work, within a limit on how many values they may expand to.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 1_000_000
MAX_VALUES = 100_000
MAX_DEPTH = 50
MAX_DIGITS = 300

Location = tuple[str | int, ...]

_NULL = re.compile(r"|~|null|Null|NULL")
_BOOL = re.compile(r"(true|True|TRUE)|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True)
class Problem:
    """One mistake in a file: a sentence for the person who wrote it, and where."""

    message: str
    line: int | None = None
    location: Location = ()
    file: str | None = None
    """Where it is not in the file that is checked, but in one that this names."""


class ConfigError(Exception):
    """A file that cannot be used, with everything that is wrong with it."""

    def __init__(self, path: Path | str, problems: Sequence[Problem]) -> None:
        super().__init__(path, problems)
        self.path = path
        # Problems of the file as a whole have no line and come first.
        self.problems = sorted(problems, key=lambda problem: (problem.file or "", problem.line or 0))

    def __str__(self) -> str:
        return "\n".join(map(self._said, self.problems))

    def _said(self, problem: Problem) -> str:
        name = escaped(problem.file or str(self.path))
        return f"{name}:{problem.line}: {problem.message}" if problem.line else f"{name}: {problem.message}"


class Document:
    """The values of a file and the lines they stand on."""

    def __init__(self, data: dict[str, Any], root: yaml.MappingNode) -> None:
        self.data = data
        self._root = root
        self._steps: dict[int, dict[str | int, tuple[int, yaml.Node]]] = {}

    def line(self, location: Location) -> int:
        """The line (from 1) of the key or item at ``location``, or of its nearest parent that is in the file."""
        node: yaml.Node = self._root
        line = _line(node)
        for part in location:
            # A file with many mistakes asks often: each node is gone through once.
            if id(node) not in self._steps:
                self._steps[id(node)] = _children(node)
            if part not in self._steps[id(node)]:
                break
            line, node = self._steps[id(node)][part]
        return line


def read_yaml(path: Path, problems: list[Problem] | None = None) -> Document:
    """Read the YAML file ``path``, whose top level must be a mapping.

    Raises ``ConfigError`` where the file is unreadable or has mistakes. Where a list of ``problems`` is given, the
    mistakes that leave the rest readable (a key given twice, an infinite number) are added to it instead, so that a
    caller can report them together with its own.
    """
    text = _read_text(path)
    root = _compose(path, text)
    if not isinstance(root, yaml.MappingNode):
        kind = "a list" if isinstance(root, yaml.SequenceNode) else "a single value"
        message = f"the file must hold keys with values (`key: value`), but holds {kind}"
        raise ConfigError(path, [Problem(message, _line(root))])
    found: list[Problem] = []
    try:
        data = _Converter(found).mapping(root, ())
    except _TooMuch as error:
        raise ConfigError(path, [Problem(str(error), error.line)]) from None
    if found and problems is None:
        raise ConfigError(path, found)
    if problems is not None:
        problems.extend(found)
    return Document(data, root)


def escaped(text: str) -> str:
    """``text`` on one line, with what a terminal would not print written as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def quoted(text: str, limit: int = 60) -> str:
    """``text`` in double quotes for a message: printable, on one line, shortened."""
    return '"' + escaped(text if len(text) <= limit else text[: limit - 1] + "…") + '"'


def shown(value: Any) -> str:
    """A wrong value, as the end of the sentence "... must be a number"."""
    if value is None or value == "":
        return "but it is empty"
    if isinstance(value, str):
        return f"not the text {quoted(value)}"
    if isinstance(value, bool):
        return f"not {str(value).lower()}"
    if isinstance(value, int | float):
        return f"not {str(value)[:40]}"
    if isinstance(value, dict):
        return "not a block of keys"
    return "not a list" if value else "not an empty list"


def place_name(location: Location) -> str:
    """``location`` as people write it: ``model.sensitive[0]``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{quoted(part, 80)[1:-1]}" for part in location)
    return "".join(parts).removeprefix(".")


def closest(word: str, known: Iterable[str]) -> str | None:
    """The one of ``known`` that ``word`` most likely stands for, if any is near."""
    return next(iter(difflib.get_close_matches(word, list(known), 1)), None)


def did_you_mean(match: str | None) -> str:
    """The end of a sentence about a word that is not known."""
    return f"; did you mean {quoted(match)}?" if match else ""


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _failure(path, "there is no such file") from None
    except IsADirectoryError:
        raise _failure(path, "this is a folder, not a file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _failure(path, f"the file cannot be read: {reason}") from None
    if len(raw) > MAX_BYTES:
        raise _failure(path, f"the file is larger than {MAX_BYTES:,} bytes")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _failure(path, "the file is not UTF-8 text; save it with the encoding UTF-8", line) from None
    if not text.strip():
        raise _failure(path, "the file is empty", 1)
    return text


def _failure(path: Path, message: str, line: int | None = None) -> ConfigError:
    return ConfigError(path, [Problem(message, line)])


class _Loader(yaml.BaseLoader):
    """PyYAML's composer without any tag, and with a limit on nesting.

    The pure Python one: the C composer recurses on the C stack, which a hostile file can exhaust.
    """

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise yaml.composer.ComposerError(None, None, f"the tag {quoted(tag)}", event.start_mark)
        if self.depth >= MAX_DEPTH:
            raise yaml.composer.ComposerError(None, None, "too deep", event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _compose(path: Path, text: str) -> yaml.Node:
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = f"the character U+{ord(text[error.position]):04X} is not allowed in YAML"
        raise _failure(path, message, line) from None
    try:
        root: yaml.Node | None = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        problem = _syntax_problem(error, text.splitlines())
        raise ConfigError(path, [problem]) from None
    except (ValueError, OverflowError):
        # PyYAML lets these through for an escape such as "\UFFFFFFFF", which names no character.
        message = "an escape in quotes names a character that does not exist"
        raise _failure(path, message, loader.line + 1) from None
    finally:
        loader.dispose()
    if root is None:
        raise _failure(path, "the file is empty: it holds only comments", 1)
    return root


# What PyYAML says, the sentence for it, and whether the line is where the problem shows or where its context began.
_SENTENCES: tuple[tuple[str, str, bool], ...] = (
    (r"the tag (.+)", r"tags are not supported (\1); put text that begins with ! in quotes", False),
    (r"too deep", f"values are nested more than {MAX_DEPTH} levels deep", False),
    (
        r"mapping values are not allowed here",
        'unexpected ":"; check the indentation, and put text that holds ": " in quotes',
        False,
    ),
    (r"sequence entries are not allowed here", 'unexpected "-"; a list begins on the line after its key', False),
    (r"could not find expected ':'", 'a ":" is missing after the key on this line, or a quote is not closed', True),
    (r"found unexpected (end of stream|document separator)", "the quote that opens on this line is never closed", True),
    (r"found character '\\t' that cannot start any token", "a tab stands where a value should; use spaces", False),
    (r"found character '(.)' that cannot start any token", r'text that begins with "\1" must be in quotes', False),
    (r"expected alphabetic or numeric character, .*", "text that begins with * or & must be in quotes", False),
    (r"expected ',' or '(.)', but got .*", r'a "," or the closing "\1" is missing before this point', False),
    (r"expected the node content, but found '(.+)'", r'unexpected "\1"', False),
    (
        r"expected (<block end>|'<document start>'), but found .*",
        "this line does not fit the lines above; check its indentation and quotes",
        False,
    ),
    (r"found undefined alias '(.+)'", r'no anchor has the name "\1"; put text that begins with * in quotes', False),
    (r"second occurrence", "an anchor of this name was given above", False),
    (r"found unknown escape character '(.+)'", r'"\\\1" means nothing in double quotes; use single quotes', False),
    (r"but found another document", 'a second document begins here ("---"); only one is allowed', False),
)


def _syntax_problem(error: yaml.MarkedYAMLError, lines: list[str]) -> Problem:
    said = error.problem or ""
    mark = error.problem_mark or error.context_mark
    number = min(mark.line + 1 if mark else 1, max(len(lines), 1))
    indentation = re.match(r"\s*", lines[number - 1])
    if indentation and "\t" in indentation[0]:
        return Problem("a tab is used for indentation; use spaces", number)
    for pattern, sentence, at_context in _SENTENCES:
        match = re.fullmatch(pattern, said, re.DOTALL)
        if match:
            if at_context and error.context_mark:
                number = error.context_mark.line + 1
            return Problem(escaped(match.expand(sentence)), number)
    return Problem(f"this is not YAML: {escaped(said)}", number)


class _TooMuch(Exception):
    def __init__(self, message: str, node: yaml.Node) -> None:
        super().__init__(message)
        self.line = _line(node)


class _Converter:
    """Turns nodes into plain values, noting mistakes; an alias is converted wherever it is used."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        self.noted: set[tuple[str, int]] = set()
        self.values = 0
        self.open: list[yaml.Node] = []

    def value(self, node: yaml.Node, location: Location) -> Any:
        """The plain value of any node."""
        self.values += 1
        if self.values > MAX_VALUES:
            raise _TooMuch(f"the file holds more than {MAX_VALUES:,} values, aliases included", node)
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, location)
        if any(node is parent for parent in self.open):
            raise _TooMuch("an alias stands inside its own anchor", node)
        if len(self.open) >= MAX_DEPTH:
            raise _TooMuch(f"values are nested more than {MAX_DEPTH} levels deep, aliases included", node)
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, location)
        self.open.append(node)
        items = [self.value(item, (*location, i)) for i, item in enumerate(node.value)]
        self.open.pop()
        return items

    def mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        """The plain dict of a mapping; of a key given twice the first value counts."""
        self.open.append(node)
        result: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                message = "a key must be text, not a list or a mapping; put text with { or [ in quotes"
                self.note(message, key_node, location)
                continue
            key = self.text(key_node, location)
            value = self.value(value_node, (*location, key))
            if key in lines:
                message = f"the key {quoted(key)} is given twice, first on line {lines[key]}"
                self.note(message, key_node, (*location, key))
                continue
            result[key], lines[key] = value, _line(key_node)
        self.open.pop()
        return result

    def scalar(self, node: yaml.ScalarNode, location: Location) -> str | int | float | bool | None:
        """The plain value of a scalar; what is in quotes is text."""
        text = self.text(node, location)
        if node.style is not None:
            return text
        if _NULL.fullmatch(text):
            return None
        if truth := _BOOL.fullmatch(text):
            return truth[1] is not None
        if not (_INT.fullmatch(text) or _FLOAT.fullmatch(text) or _NOT_FINITE.fullmatch(text)):
            return text
        number = _number(text)
        if number is None:
            message = f"{escaped(text[:40])} is not a number that can be used; put it in quotes if it is text"
            self.note(message, node, location)
            # Only to read on: the file is refused.
            return 0
        return number

    def text(self, node: yaml.ScalarNode, location: Location) -> str:
        """The characters of a scalar, without halves of characters that UTF-8 cannot hold."""
        text = str(node.value)
        if any("\ud800" <= c <= "\udfff" for c in text):
            self.note("an escape in quotes names half a character (U+D800 to U+DFFF)", node, location)
            text = re.sub("[\ud800-\udfff]", "\ufffd", text)
        return text

    def note(self, message: str, node: yaml.Node, location: Location) -> None:
        """Remember a mistake, once: an aliased value is visited more than once."""
        line = _line(node)
        if (message, line) not in self.noted:
            self.noted.add((message, line))
            self.problems.append(Problem(message, line, location))


def _number(text: str) -> int | float | None:
    if _INT.fullmatch(text):
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return int(text, base) if len(text) <= MAX_DIGITS else None
    number = float(text) if _FLOAT.fullmatch(text) else math.nan
    return number if math.isfinite(number) else None


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _children(node: yaml.Node) -> dict[str | int, tuple[int, yaml.Node]]:
    """By key or index: the line of the key or item, and the node of its value."""
    if isinstance(node, yaml.MappingNode):
        # Reversed, as of a key given twice the first counts.
        pairs = [(key, value) for key, value in reversed(node.value) if isinstance(key, yaml.ScalarNode)]
        return {key.value: (_line(key), value) for key, value in pairs}
    if isinstance(node, yaml.SequenceNode):
        return {index: (_line(item), item) for index, item in enumerate(node.value)}
    return {}
