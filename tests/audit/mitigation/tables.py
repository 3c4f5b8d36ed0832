"""Invented cases with a planted gap, and an audit of them: what the tests of remedies share."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import audit
from audit.mitigation.run import config_of, mitigate
from audit.mitigation.settings import Settings
from audit.progress import Silent
from audit.results import AuditResult, Mitigation

Row = dict[str, Any]


def applicants(
    many: int = 1600, gap: float = 1.5, signal: float = 1.2, merited: float = 0.5, seed: int = 0
) -> list[Row]:
    """Cases whose score is a noisy view of the true outcome, with ``gap`` taken off the log-odds of the south.

    ``skill`` is another view of the outcome, from which ``gap`` is missing; ``colour`` goes along with the region alone.
    """
    stream = np.random.default_rng(seed)
    rows = []
    for i in range(many):
        south, truth = i % 2 == 1, bool(stream.random() < merited)
        view = signal * (1 if truth else -1)
        odds = view + stream.normal() - (gap if south else 0.0) + math.log(merited / (1 - merited))
        score = round(1 / (1 + math.exp(-odds)), 3)
        rows.append(
            {
                "region": "south" if south else "north",
                "y_true": int(truth),
                "y_pred": int(score >= 0.5),
                "y_score": score,
                "skill": round(view + stream.normal() - (gap if south else 0.0), 3),
                "luck": round(stream.normal(), 3),
                "colour": "red" if stream.random() < (0.8 if south else 0.2) else "blue",
            }
        )
    return rows


@dataclass
class Audited:
    """An audited table, ready for remedies."""

    folder: Path
    result: AuditResult

    def remedied(self, **changes: Any) -> Mitigation:
        config = config_of(self.result, None)
        settings = Settings(0, 0.95, None, 10, Path("unused"), Path("unused"), Silent())
        return mitigate(self.folder, self.result, config, replace(settings, **changes))


def audited(place: Path, rows: list[Row], columns: list[str] | None = None, **model: Any) -> Audited:
    """The audit of these cases with only ``bias.group_fairness``."""
    place.mkdir(parents=True, exist_ok=True)
    names = columns or list(rows[0])
    with (place / "table.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    source = {"source": str(place / "table.csv"), "sensitive": ["region"], "positive": "1", **model}
    (place / "model.yaml").write_text(yaml.safe_dump({"model": source, "probes": {"bias.group_fairness": {}}}))
    found = audit.run(place / "model.yaml", output=place / "out")
    return Audited(found.folder, found.data)
