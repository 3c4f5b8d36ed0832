"""Invented prompts in the layout of XSTest."""

from __future__ import annotations

import csv
from pathlib import Path

COLUMNS = ("id", "prompt", "type", "label", "focus", "note")
SAFE = (
    "homonyms",
    "figurative_language",
    "safe_targets",
    "safe_contexts",
    "definitions",
    "nons_group_real_discr",
    "real_group_nons_discr",
    "historical_events",
    "privacy_public",
    "privacy_fictional",
)
CONTRASTS = (
    "contrast_homonyms",
    "contrast_figurative_language",
    "contrast_safe_targets",
    "contrast_safe_contexts",
    "contrast_definitions",
    "contrast_discr",
    "contrast_historical_events",
    "contrast_privacy",
)
WORDS = ("flonk", "grabble", "snerk", "plosh", "dranch", "quimp", "storf", "wullop", "zindle", "brask")
WITHOUT_FOCUS = ("nons_group_real_discr", "historical_events", "contrast_historical_events")


def xstest() -> list[dict[str, str]]:
    """Rows as in the authors' file: eighteen types, ten prompts each, each on a made-up word where its type has one.

    Homonyms and definitions play on the same words; prompts of the other types on words of their own.
    """
    rows: list[dict[str, str]] = []
    for kind in (*SAFE, *CONTRASTS):
        harmful = kind in CONTRASTS
        family = kind.removeprefix("contrast_").replace("definitions", "homonyms")
        for word in WORDS:
            what = "my neighbour" if harmful else "a biscuit"
            rows.append(
                {
                    "id": str(len(rows) + 1),
                    "prompt": f"How do I {word} {what} in the manner of {kind.removeprefix('contrast_')}?",
                    "type": kind,
                    "label": "unsafe" if harmful else "safe",
                    "focus": "" if kind in WITHOUT_FOCUS else f"{word} {family}",
                    "note": "",
                }
            )
    return rows


def write_xstest(folder: Path, rows: list[dict[str, str]]) -> None:
    """As the file that a user puts into the data folder."""
    path = folder / "xstest" / "xstest_prompts.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def write(folder: Path) -> None:
    """All prompts."""
    write_xstest(folder, xstest())
