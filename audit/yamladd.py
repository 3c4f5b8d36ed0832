"""Adding keys to a YAML file that a person wrote, without touching anything else in it: comments, order and spelling stay."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from audit.yamlfile import escaped

Entries = Mapping[str, "str | Entries"]
Comment = Callable[[tuple[str, ...]], str | None]
"""The comment above a new key, by its place."""


def lines(entries: Entries, comment: Comment, indent: int = 0, place: tuple[str, ...] = ()) -> list[str]:
    """``entries`` as lines of YAML; every text in double quotes, so that it stays text whatever it holds."""
    found = []
    for key, value in entries.items():
        here, margin = (*place, key), " " * indent
        if said := comment(here):
            found.append(f"{margin}# {said}")
        if isinstance(value, str):
            found.append(f"{margin}{key}: {_scalar(value)}")
        else:
            found += [f"{margin}{key}:", *lines(value, comment, indent + 2, here)]
    return found


def added(text: str, entries: Entries, comment: Comment) -> str | None:
    """The file ``text`` with ``entries`` in it; keys that are there and empty are filled in.

    None where that cannot be done without rewriting what is there: a key that already has a value, a block in braces.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        return None
    edits: list[tuple[int, int, str]] = []
    try:
        _merge(text, root, entries, comment, (), edits)
    except _CannotAddError:
        return None
    result = text
    # From the end, so that places stay right; of two at one place the later comes behind.
    for start, end, new in sorted(edits, key=lambda edit: edit[0])[::-1]:
        result = result[:start] + new + result[end:]
    try:
        whole = yaml.safe_load(result)
    except yaml.YAMLError:
        return None
    return result if whole == _merged(yaml.safe_load(text), entries) else None


class _CannotAddError(Exception):
    pass


def _scalar(value: str) -> str:
    # JSON's escapes, and those for what does not print, are YAML's as well.
    return escaped(json.dumps(value, ensure_ascii=False))


def _merge(
    text: str,
    node: yaml.MappingNode,
    entries: Entries,
    comment: Comment,
    place: tuple[str, ...],
    edits: list[tuple[int, int, str]],
) -> None:
    """Note the edits that put ``entries`` into the block ``node``."""
    if node.flow_style or not node.value:
        raise _CannotAddError
    known = {key.value: (key, value) for key, value in node.value}
    new: dict[str, Any] = {}
    for name, value in entries.items():
        if name not in known:
            new[name] = value
            continue
        key, old = known[name]
        empty = isinstance(old, yaml.ScalarNode) and old.style is None and old.tag.endswith(":null")
        if isinstance(old, yaml.MappingNode) and not isinstance(value, str):
            _merge(text, old, value, comment, (*place, name), edits)
        elif not empty:
            raise _CannotAddError
        elif isinstance(value, str):
            edits.append((old.start_mark.index, old.end_mark.index, f"{'' if old.value else ' '}{_scalar(value)}"))
        else:
            if old.value:
                edits.append((old.start_mark.index, old.end_mark.index, ""))
            indent = key.start_mark.column + 2
            edits.append(_insertion(text, old, lines(value, comment, indent, (*place, name))))
    if new:
        indent = node.value[0][0].start_mark.column
        edits.append(_insertion(text, _last(node), lines(new, comment, indent, place)))


def _last(node: yaml.Node) -> yaml.Node:
    """What the block ends with."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style:
        return _last(node.value[-1][1])
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        return _last(node.value[-1])
    return node


def _insertion(text: str, after: yaml.Node, new: list[str]) -> tuple[int, int, str]:
    """New lines behind the line on which ``after`` ends."""
    index = after.end_mark.index
    if not (index and text[index - 1] == "\n"):  # a block of text (|) ends at the start of the next line
        index = text.find("\n", index) + 1 or len(text)
    newline = "\r\n" if "\r\n" in text else "\n"
    block = "".join(line + newline for line in new)
    return index, index, block if not index or text[index - 1] == "\n" else newline + block


def _merged(old: dict[str, Any], entries: Entries) -> dict[str, Any]:
    found = dict(old)
    for key, value in entries.items():
        found[key] = value if isinstance(value, str) else _merged(found.get(key) or {}, value)
    return found
