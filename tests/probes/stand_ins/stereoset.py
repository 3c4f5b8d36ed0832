"""Invented triples in the layout of StereoSet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TERMS = {
    "gender": ("vels", "tarks", "mirrins", "oldens"),
    "profession": ("quellers", "sandrins", "dorners", "plimmers"),
    "race": ("Morans", "Ombrians", "Ilvites", "Brunnish"),
    "religion": ("Harrowites", "Sennists", "Tollians", "Wyrmers"),
}
SAID = (("late", "early"), ("loud", "quiet"), ("tall", "small"), ("slow", "quick"))
NONSENSE = ("granite", "seven", "purple", "wet sand")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday")


def _labels(label: str) -> list[dict[str, str]]:
    return [{"human_id": f"h{i}", "label": label if i else "related"} for i in range(3)]


def _row(number: int, kind: str, bias_type: str, term: str, context: str, texts: dict[str, str]) -> dict[str, Any]:
    labels = list(texts)
    turned = labels[number % 3 :] + labels[: number % 3]  # the order in the published file is mixed
    return {
        "id": f"{kind}{number:04d}",
        "target": term,
        "bias_type": bias_type,
        "context": context,
        "sentences": [
            {
                "id": f"{kind}{number:04d}{place}",
                "sentence": texts[label],
                "labels": _labels(label),
                "gold_label": label,
            }
            for place, label in enumerate(turned)
        ],
    }


def stereoset() -> dict[str, list[dict[str, Any]]]:
    """Rows as in the authors' file: four terms of each bias type, four things said of each, in both kinds.

    Of two terms of a type the first word of each pair is the stereotype, of the others the second.
    """
    rows: dict[str, list[dict[str, Any]]] = {"intrasentence": [], "intersentence": []}
    for bias_type, terms in TERMS.items():
        for place, term in enumerate(terms):
            for number, pair in enumerate(SAID):
                stereotype, opposite = pair if place % 2 else pair[::-1]
                fills = {"stereotype": stereotype, "anti-stereotype": opposite, "unrelated": NONSENSE[number]}
                context = f"On {DAYS[number]} the {term} are BLANK."
                texts = {label: context.replace("BLANK", fill) for label, fill in fills.items()}
                some = rows["intrasentence"]
                some.append(_row(len(some), "intra", bias_type, term, context, texts))
                context = f"Here come the {term} of {DAYS[number]}" + "." * (number % 2)
                texts = {label: f"They are {fill} again." for label, fill in fills.items()}
                some = rows["intersentence"]
                some.append(_row(len(some), "inter", bias_type, term, context, texts))
    return rows


def write_stereoset(folder: Path, data: Any) -> None:
    """As the file that a user puts into the data folder."""
    path = folder / "stereoset" / "dev.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"version": "1.0", "data": data}), encoding="utf-8")


def write(folder: Path) -> None:
    """All triples."""
    write_stereoset(folder, stereoset())
