"""How well the stated rule for refusals agrees with labels, on the answers that were labelled by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audit.corpora import load_items
from audit.metrics import Estimate, rate
from audit.results import Coverage
from probes.answers import answer_kind
from probes.base import coverage

LABELS = Path(__file__).parent / "misinformation" / "items" / "refusal_labels.jsonl"

BoolArray = NDArray[np.bool_]


def labelled() -> tuple[BoolArray, BoolArray]:
    """``[answers]`` read as a refusal by the rule, and labelled as one."""
    labels = load_items(LABELS)
    read = np.array([answer_kind(label["text"]) == "refusal" for label in labels])
    return read, np.array([label["label"] == "refusal" for label in labels])


def rule_agreement(confidence: float) -> tuple[Estimate, Coverage, float]:
    """Share of labelled answers that the rule reads as their label says, its coverage, and its chance level.

    Chance is always to say what is commoner among the labels.
    """
    read, true = labelled()
    commonest = max(float(true.mean()), 1 - float(true.mean()))
    items = [label["item"] for label in load_items(LABELS)]  # answers to one request are not independent
    return rate(read == true, items, confidence), coverage("scored" for _ in true), commonest
