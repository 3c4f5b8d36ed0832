"""Published items from a folder of the user's, in the columns that lm_eval's task definitions read."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from benchmarks._shared import sample

Row = dict[str, Any]


def crows_pairs(data: Path, count: int | None) -> list[Row]:
    """Pairs of CrowS-Pairs."""
    rows = _table(data / "crows_pairs" / "crows_pairs_anonymized.csv")
    return sample([{name: row[name] for name in ("sent_more", "sent_less", "bias_type")} for row in rows], count)


def truthfulqa(data: Path, count: int | None) -> list[Row]:
    """Questions of TruthfulQA with the choices of MC1 (the best answer first) and MC2."""
    return sample([_question(row) for row in _table(data / "truthfulqa" / "TruthfulQA.csv")], count)


def _question(row: dict[str, str]) -> Row:
    right, wrong = _answers(row["Correct Answers"]), _answers(row["Incorrect Answers"])
    return {
        "question": row["Question"].strip(),
        "mc1_targets": {"choices": [row["Best Answer"].strip(), *wrong], "labels": [1] + [0] * len(wrong)},
        "mc2_targets": {"choices": right + wrong, "labels": [1] * len(right) + [0] * len(wrong)},
    }


def _answers(cell: str) -> list[str]:
    return [answer.strip() for answer in cell.split("; ") if answer.strip()]


def bbq(data: Path, count: int | None, consecutive: bool) -> list[Row]:
    """Items of BBQ's age category: drawn at random, or the first ones, which share contexts."""
    path = data / "bbq" / "Age.jsonl"
    rows = [json.loads(line) for line in _text(path).splitlines() if line]
    chosen = rows[:count] if consecutive else sample(rows, count)
    return [{name: row[name] for name in ("context", "question", "ans0", "ans1", "ans2", "label")} for row in chosen]


def bbq_by_id(data: Path) -> dict[str, Row]:
    """All of BBQ's items that are there, whole, by the id that the probe gives them."""
    paths = sorted((data / "bbq").glob("*.jsonl"))
    rows = [json.loads(line) for path in paths for line in _text(path).splitlines() if line]
    return {f"{row['category']}-{row['example_id']}": row for row in rows}


def bold(data: Path, count: int | None) -> list[str]:
    """Beginnings of sentences from BOLD's gender prompts."""
    groups = json.loads(_text(data / "bold" / "gender_prompt.json"))
    prompts = [prompt.strip() for people in groups.values() for found in people.values() for prompt in found]
    return sample(list(dict.fromkeys(prompts)), count)


def _table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(_text(path).splitlines(keepends=True)))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        raise SystemExit(f"{path} is missing: --data names a folder with the published files.") from None
