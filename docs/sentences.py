"""Writes down every sentence that findings and measurements say while the tests run: ``pytest -p docs.sentences``.

Sentences of findings are put together by code, so that no reading of the code finds them all. The file that the environment
variable ``FAIRWITNESS_SENTENCES`` names gets one JSON string a line, for ``docs/catalogue.py``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from audit.results import Finding, Measurement

_seen: set[tuple[str, str]] = set()


def _note(kind: str, text: str) -> None:
    path = os.environ.get("FAIRWITNESS_SENTENCES")
    if path and text and (kind, text) not in _seen:
        _seen.add((kind, text))
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps([kind, text], ensure_ascii=False) + "\n")


def pytest_configure() -> None:
    """Listen to findings as they are made."""
    made = Finding.__init__

    def init(self: Finding, **data: Any) -> None:
        made(self, **data)
        probe = self.probe
        _note(f"{probe} template", self.template)
        _note(f"{probe} advice", self.advice)
        for name, value in self.values.items():
            _note(f"{probe} value {name}", value)

    Finding.__init__ = init  # type: ignore[method-assign]
    measured = Measurement.__init__

    def reasoned(self: Measurement, **data: Any) -> None:
        measured(self, **data)
        _note(f"{self.probe} reason", self.reason or "")

    Measurement.__init__ = reasoned  # type: ignore[method-assign]
