"""How the runner of GitHub Actions reads what a step prints, as far as the tests need it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

REGISTERED = {
    *("error", "warning", "notice", "debug", "group", "endgroup", "add-mask", "stop-commands"),
    *("set-output", "set-env", "add-path", "save-state", "add-matcher", "echo"),
}


@dataclass(frozen=True)
class Read:
    """A command with its properties and data, unescaped."""

    name: str
    properties: dict[str, str]
    data: str


def parsed(line: str) -> Read | None:
    """The command that a line is, or None. Space before it does not count."""
    line = line.lstrip()
    if not line.startswith("::") or "::" not in line[2:]:
        return None
    head, _, data = line[2:].partition("::")
    name, _, properties = head.partition(" ")
    if name not in REGISTERED:
        return None
    pairs = (pair.partition("=") for pair in properties.split(",") if "=" in pair)
    return Read(name, {key.strip(): _plain(value) for key, _, value in pairs}, _plain(data))


def taken(lines: Iterable[str]) -> Iterator[Read]:
    """The commands that are carried out: none between ``stop-commands`` and the line with its word."""
    word: str | None = None
    for line in lines:
        if word is not None:
            word = None if line.strip() == f"::{word}::" else word
            continue
        found = parsed(line)
        if found is not None and found.name == "stop-commands":
            word = found.data
        elif found is not None:
            yield found


def _plain(text: str) -> str:
    for code, sign in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, sign)
    return text
