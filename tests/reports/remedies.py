"""Mitigations made by hand, one for each state that the page must be able to show."""

from __future__ import annotations

from typing import Any

from audit.results.mitigation import Effect, Flagged, FrontierPoint, Mitigation, Remedy
from tests.reports.makers import HOSTILE, manifest

GAP = "bias.group_fairness.demographic_parity_difference[race]"


def effect(**changes: Any) -> Effect:
    """A gap that fell from 24 to 3 points."""
    facts: dict[str, Any] = {
        "metric": GAP,
        "label": "Gap between groups in favourable predictions",
        "unit": "rate difference",
        "direction": "lower_is_better",
        "role": "target",
        "before": 0.24,
        "after": 0.03,
        "difference": -0.21,
        "low": -0.25,
        "high": -0.17,
        "n": 3000,
        "interval": "paired bootstrap",
        "change": "better",
    }
    return Effect(**{**facts, **changes})


def rate(metric: str, before: float, after: float, change: str, **changes: Any) -> Effect:
    """A rate, 2 points either way."""
    facts: dict[str, Any] = {
        "metric": f"bias.group_fairness.{metric}",
        "label": "Right predictions",
        "unit": "rate",
        "direction": "higher_is_better",
        "role": "harm",
        "before": before,
        "after": after,
        "difference": after - before,
        "low": after - before - 0.02,
        "high": after - before + 0.02,
        "change": change,
    }
    return effect(**{**facts, **changes})


def share(group: str, before: float, after: float, change: str, **changes: Any) -> Effect:
    """The share of a group that gets the favourable prediction."""
    told = {"label": "Favourable predictions", "direction": "descriptive", "slice": group, "n": 1000}
    return rate(f"selection_rate[race: {group}]", before, after, change, **{**told, **changes})


def point(label: str, kind: str, accuracy: float, disparity: float, **changes: Any) -> FrontierPoint:
    """A setting, 2 points either way."""
    facts: dict[str, Any] = {
        "label": label,
        "kind": kind,
        "setting": f"setting {label}",
        "accuracy": accuracy,
        "accuracy_low": accuracy - 0.02,
        "accuracy_high": accuracy + 0.02,
        "disparity": disparity,
        "disparity_low": max(disparity - 0.02, 0.0),
        "disparity_high": disparity + 0.02,
    }
    return FrontierPoint(**{**facts, **changes})


def remedy(**changes: Any) -> Remedy:
    """A remedy that helped at a cost."""
    facts: dict[str, Any] = {
        "id": "threshold_optimizer.demographic_parity_difference[race]",
        "title": "Other thresholds for each group",
        "about": "by race",
        "addresses": ["bias.group_fairness.selection.race"],
        "what": "The score that is needed is set for each group.",
        "method": "fairlearn ThresholdOptimizer.",
        "status": "done",
        "settings": {"groups": "a, b"},
        "learnt_from": 3001,
        "held_out": 3000,
        "effects": [
            effect(),
            rate("accuracy", 0.68, 0.65, "worse", low=-0.04, high=-0.02),
            rate("balanced_accuracy", 0.66, 0.66, "no_difference_shown", label="Both outcomes counting alike"),
            share("a", 0.4, 0.5, "higher"),
            share("b", 0.64, 0.53, "lower"),
        ],
        "frontier": [
            point("A", "audited", 0.68, 0.24),
            point("B", "without_remedy", 0.70, 0.2),
            point("1", "remedy", 0.65, 0.03),
            point("2", "remedy", 0.65, 0.031),
        ],
        "frontier_axis": "Gap between groups in favourable predictions, by race",
    }
    return Remedy(**{**facts, **changes})


def mitigation(*remedies: Remedy, **changes: Any) -> Mitigation:
    """Remedies for one finding of the audit that ``makers.manifest`` is of."""
    facts: dict[str, Any] = {
        "tool_version": "0.1.0",
        "audit_id": manifest().audit_id,
        "model": "Loan screening",
        "created": "2026-11-23T11:00:00Z",
        "seed": 0,
        "confidence": 0.95,
        "findings": [Flagged(id="bias.group_fairness.selection.race", text="By race, 40% of a and 64% of b got it.")],
        "remedies": list(remedies),
    }
    return Mitigation(**{**facts, **changes})


def typical() -> Mitigation:
    """One of each conclusion, and one that could not be tried."""
    same = effect(after=0.22, difference=-0.02, low=-0.06, high=0.02, change="no_difference_shown")
    worse = effect(after=0.34, difference=0.1, low=0.05, high=0.15, change="worse")
    return mitigation(
        remedy(),
        remedy(id="clean", title="A remedy without a cost", effects=[effect(), effect(against="without_remedy")]),
        remedy(id="none", title="A remedy without a help", effects=[same], frontier=[]),
        remedy(id="worse", title="A remedy that went wrong", effects=[worse], frontier=[]),
        remedy(id="absent", title="A remedy out of reach", status="not_applicable", reason="There is no y_score.", effects=[]),
        remedy(id="broken", title="A remedy that broke", status="failed", reason="RuntimeError: singular", effects=[]),
    )  # fmt: skip


def hostile() -> Mitigation:
    """Every text that may come from a table, a config or a model tries to be markup."""
    nasty = [
        effect(slice=HOSTILE, label=HOSTILE, unit=HOSTILE, interval=HOSTILE),
        share(HOSTILE, 0.4, 0.5, "higher"),
        rate("accuracy", 0.68, 0.6, "worse", label=HOSTILE, slice=HOSTILE, low=-0.1, high=-0.06),
    ]
    points = [point("A", "audited", 0.68, 0.24, setting=HOSTILE), point(HOSTILE, "remedy", 0.6, 0.1, setting=HOSTILE)]
    bad = remedy(
        id=HOSTILE, title=HOSTILE, about=HOSTILE, what=HOSTILE, method=HOSTILE, settings={HOSTILE: HOSTILE},
        addresses=[HOSTILE], effects=nasty, frontier=points, frontier_axis=HOSTILE,
    )  # fmt: skip
    gone = remedy(id="x", title=HOSTILE, about=HOSTILE, status="failed", reason=HOSTILE, effects=[], frontier=[])
    return mitigation(bad, gone, model=HOSTILE, findings=[Flagged(id=HOSTILE, text=HOSTILE)], created=HOSTILE)
