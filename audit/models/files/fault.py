"""What can be said of one file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

Check = Literal[
    "dangerous_import",
    "unlisted_import",
    "native_code",
    "python",
    "remote_code",
    "template",
    "unexpected_tensor",
    "nonfinite_tensor",
    "numbers_unread",
    "number_format",
    "layout",
    "metadata",
    "disguised",
    "unread",
]
"""What a fault is about:

- ``dangerous_import``: a pickle imports what runs commands or code, or hides what it imports;
- ``unlisted_import``: a pickle imports something else than what rebuilds tensors and plain containers;
- ``native_code``, ``python``: a program, compiled or as text; ``remote_code``: a setting that has one loaded;
- ``template``: a chat template does what none needs;
- ``unexpected_tensor``, ``nonfinite_tensor``, ``number_format``: of tensors; ``numbers_unread``: tensors without numbers,
  because the library refuses the file;
- ``layout``: bytes that belong to no tensor or to two; ``metadata``: an unusual header;
- ``disguised``: the content is not what the name says; ``unread``: nothing can be said of all of the file.
"""

FEW = 5
_LONGEST = 160


@dataclass(frozen=True)
class Fault:
    """``count`` of what the check counts (imports, templates, tensors …), and which they are."""

    check: Check
    count: int
    told: str


@dataclass
class Report:
    """What was found in one file; ``tensors`` and ``templates``: how many it holds."""

    kind: str = "other"
    faults: list[Fault] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    tensors: int = 0
    templates: int = 0

    def add(self, check: Check, told: str | Sequence[str]) -> None:
        """Note a fault, or one for each of several things; nothing where there are none."""
        found = [told] if isinstance(told, str) else list(told)
        if found:
            self.faults.append(Fault(check, len(found), few(found)))


def few(names: Iterable[str]) -> str:
    """The first names, each shortened, and how many more there are."""
    found = [shortened(name) for name in names]
    rest = len(found) - FEW
    return "; ".join(found[:FEW]) + (f"; and {rest} more" if rest > 0 else "")


def shortened(text: str) -> str:
    """The beginning of a text that may be long."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
