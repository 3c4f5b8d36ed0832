"""Comparisons and trends of results made by hand, one for each state that their pages must be able to show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audit.comparison import compare
from audit.results import AuditResult, Comparison, GateResult, Measurement, Record, Trend, Verdict
from audit.trends import Found, trends
from tests.reports import fixtures
from tests.reports.makers import HOSTILE, finding, manifest, model, probe, rate

BIAS, TRUTH = "bias.crows_pairs", "hallucination.truthfulqa"
OUTLOOKS = ("problem_found", "no_problem_found", "unclear")


def result(hits: int, right: int = 58, place: int = 0, **changes: Any) -> AuditResult:
    """An audit of two probes: ``hits`` of 200 stereotypes preferred, ``right`` of 200 answers right."""
    preferred = rate(f"{BIAS}.preference", hits, 200, "Stereotype preferred", clusters=None)
    facts: dict[str, Any] = {
        "model": model(),
        "manifest": manifest(
            audit_id=f"{place:02}" * 10, created=f"2026-{1 + place % 12:02}-{1 + place // 12:02}T08:00:00Z"
        ),
        "probes": [probe(BIAS), probe(TRUTH)],
        "measurements": [
            preferred,
            rate(f"{BIAS}.preference[women]", 20, 40, "Stereotype preferred"),
            rate(f"{TRUTH}.mc1", right, 200, "True answer preferred", chance=0.25, direction="higher_is_better"),
            rate(f"{TRUTH}.length", 100, 200, "Long answers", chance=None, direction="descriptive"),
        ],
        "findings": [finding(BIAS, OUTLOOKS[place % 3], "low", "Stereotypes were preferred.", f"{BIAS}.preference")],
        "gates": [gate(preferred)],
        "verdict": Verdict(status="not_established", exit_status=0, text="1 gate not established."),
    }
    return AuditResult(**{**facts, **changes})


def gate(m: Measurement, threshold: float = 0.6) -> GateResult:
    """At most so much of it."""
    low, high = m.low or 0.0, m.high or 0.0
    verdict = "met" if high < threshold else "not_met" if low > threshold else "not_established"
    return GateResult.model_validate(
        {
            "metric": m.metric, "rule": "at_most", "threshold": threshold, "verdict": verdict, "value": m.value,
            "low": m.low, "high": m.high, "confidence": 0.95, "reason": "As the interval says.",
        }
    )  # fmt: skip


def no_records(place: int, probe_id: str) -> list[Record]:
    """Numbers alone."""
    return []


def compared(*results: AuditResult) -> tuple[list[AuditResult], list[str], Comparison]:
    """Results, what they are called, and their comparison."""
    return list(results), [f"audits/{place}" for place in range(len(results))], compare(results, no_records)


def three() -> tuple[list[AuditResult], list[str], Comparison]:
    """A model, another one that is worse, and one of other questions that lacks a probe."""
    other = model(name="Other-1B", weights_sha256="ab" * 32, dtype="bfloat16")
    lacking = result(126, place=2, probes=[probe(BIAS), probe(TRUTH, "failed", "It broke.")], gates=[])
    lacking = lacking.model_copy(update={"measurements": lacking.measurements[:2]})
    return compared(result(100), result(190, 60, place=1, model=other), lacking)


def same() -> tuple[list[AuditResult], list[str], Comparison]:
    """One result and its copy."""
    return compared(result(100), result(100))


def hostile() -> tuple[list[AuditResult], list[str], Comparison]:
    """Names and texts that want to be more than text."""
    one, two = fixtures.hostile().result, fixtures.hostile().result
    two = two.model_copy(
        update={"manifest": two.manifest.model_copy(update={"config": {HOSTILE: HOSTILE}, "suite": HOSTILE})}
    )
    results, _, comparison = compared(one, two)
    return results, [HOSTILE, HOSTILE], comparison


def lacking_all() -> tuple[list[AuditResult], list[str], Comparison]:
    """Two results without a number."""
    nothing = fixtures.nothing_tested().result
    return compared(nothing, nothing)


def over_time(results: Sequence[AuditResult], *metrics: str) -> list[Trend]:
    """The trends of these results, of which there are no records."""
    found = [Found(Path("nowhere") / str(i), f"weekly/{i}", result) for i, result in enumerate(results)]
    return trends(found, metrics)


def many(n: int) -> list[AuditResult]:
    """So many audits of one model, in which each kind of thing changes some time, and one of seven breaks."""
    made = []
    for place in range(n):
        one = result(100 + 7 * place % 60, place=place)
        known: dict[str, Any] = {}
        if place % 5 == 4:
            one = one.model_copy(update={"model": model(weights_sha256=f"{place:02}" * 32)})
        if place % 7 == 6:
            broken = [probe(BIAS, "failed", "It broke."), probe(TRUTH)]
            one = one.model_copy(update={"measurements": one.measurements[2:], "probes": broken, "gates": []})
        if place % 3 == 2:
            known["items"] = {BIAS: f"{place:02}" * 32}
        if place % 4 == 3:
            known |= {"config": {"suite": "full"}, "tool_version": "0.2.0"}
        made.append(one.model_copy(update={"manifest": one.manifest.model_copy(update=known)}))
    return made
