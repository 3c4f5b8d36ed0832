"""Invented word lists in the layout of the SEAT authors' tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def weat() -> dict[str, Any]:
    """Four sets of words about two invented peoples."""
    sets = {
        "targ1": ("Velians", ["Vela", "Veno", "Viri", "Vosk", "Vela"]),
        "targ2": ("Morans", ["Mora", "Mino", "Mirk", "Musk"]),
        "attr1": ("Round", ["ball", "ring", "wheel"]),
        "attr2": ("Square", ["box", "brick", "tile"]),
    }
    return {name: {"category": category, "examples": words} for name, (category, words) in sets.items()}


def write_weat(folder: Path, content: object, name: str = "weat-stand-in.jsonl") -> None:
    """As a file that a user puts into the data folder; the authors' files are one object over many lines."""
    path = folder / "weat" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")


def write(folder: Path) -> None:
    """One test."""
    write_weat(folder, weat())
