"""Markdown in which text from a model stays text, in every renderer: GitHub, GitLab, the Hugging Face hub.

Character references are used rather than backslashes: they mean the same inside and outside of tables, and no
renderer takes them for structure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from reports.exports.text import one_line

_SPECIAL = re.compile(r"[\\`*_{}\[\]<>&|~$\"]")
_PLAIN_CODE = re.compile(r"[A-Za-z0-9 ._,:;=+%()/\[\]@-]+")
_COPYABLE = re.compile(
    r"((?:https?://[A-Za-z0-9.-]+(?::\d+)?(?:/[A-Za-z0-9._~/%-]*)?"
    r"|(?<![\w.+-])[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)(?![^\s,;)]))"
)
_LINE_START = re.compile(r"^(?:([#+=-])|(\d+)([.)])(?=\s|$))")
# Hosts of Markdown turn these into links and notices after rendering, where no escape reaches; a zero-width space
# inside them is the one thing that all of them respect.
_LIVE = (
    (re.compile(r"@(?=\w)"), "@\u200b"),
    (re.compile(r"#(?=\d)"), "#\u200b"),
    (re.compile(r"://"), ":\u200b//"),
    (re.compile(r"(?i)\b(www)\."), "\\1\u200b."),
    (re.compile(r"(?i)\b(mailto|xmpp):"), "\\1\u200b:"),
)


def inline(text: str, limit: int | None = None) -> str:
    """Any text as plain words on one line: no markup, link, mention or HTML can come of it.

    A plain web or mail address is shown as code, so that it can be copied but not clicked.
    """
    parts = _COPYABLE.split(one_line(text, limit))
    words = "".join(f"`{part}`" if index % 2 else _escape(part) for index, part in enumerate(parts))
    return _LINE_START.sub(_quote_start, words)


def code(text: str) -> str:
    """Any text on one line in a monospaced face, e.g. a metric's name."""
    line = one_line(text)
    if not line:
        return ""
    if _PLAIN_CODE.fullmatch(line) and line == line.strip():
        return f"`{line}`"
    return f"<code>{_escape(line)}</code>"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table; the cells are ready-made Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(cells) + " |" for cells in lines]


def _escape(text: str) -> str:
    for pattern, replacement in _LIVE:
        text = pattern.sub(replacement, text)
    return _SPECIAL.sub(lambda match: f"&#{ord(match.group())};", text)


def _quote_start(match: re.Match[str]) -> str:
    """A first character that would open a heading, a list or a rule, as a character reference."""
    mark, digits, point = match.groups()
    return f"&#{ord(mark)};" if mark else f"{digits}&#{ord(point)};"
