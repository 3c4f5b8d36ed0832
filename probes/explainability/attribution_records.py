"""The records of ``explainability.attribution``: each explained decision with what its explanations were worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit.models import Method
from audit.results import Record
from probes.asked import stated
from probes.explainability.attribution_findings import LABELS, Judged, why_not_drawn
from probes.explainability.attribution_measures import WITHOUT_SIGN, Explained, Tested
from probes.explainability.attribution_requests import DEFAULT, Rule, unit_of

SCORED = {"gain_over_random": "gain", "comprehensiveness": "comprehensiveness", "sufficiency": "sufficiency"}
"""Metrics whose numbers a record holds of the default method, and under which name."""


def record_of(one: Explained, probe: str, source: str, verdicts: Mapping[Method, Judged], rule: Rule) -> Record:
    """What a person reads about one decision."""
    decision, main = one.decision, one.main
    scored = main.status == "scored"
    scores = {"gain": main.gain, "comprehensiveness": main.comprehensiveness, "sufficiency": main.sufficiency}
    return Record(
        id=decision.id,
        probe=probe,
        item=decision.id,
        source=decision.source(source),
        cluster=decision.id,
        axis=decision.kind,
        input=decision.text,
        output=one.chosen.strip() or None,
        expected=decision.answer.strip() or None if decision.kind != "flagged" else None,
        scores=dict(scores) if scored else {},
        status=main.status,
        outcome=None if not scored else "better than random" if main.gain > 0 else "marked words no better than random",
        concern=0.5 if scored and main.gain <= 0 else 0.3 if scored and decision.kind == "flagged" else 0.0,
        note=main.note,
        detail=_detail(one, verdicts, rule) if scored else {},
        asked=stated(decision.prompt, one.chosen, one.other) if scored else None,
    )


def _detail(one: Explained, verdicts: Mapping[Method, Judged], rule: Rule) -> dict[str, Any]:
    found = one.main.found
    if found is None:
        return {}
    detail: dict[str, Any] = {
        "kind": "attribution",
        "method": LABELS[DEFAULT],
        "unit": unit_of(one.decision),
        "baseline": f"{unit_of(one.decision)} deleted",
        "tokens": list(found.units),
        "scores": [round(s, 4) for s in found.scores],
        "target": one.chosen.strip(),
        **({} if one.other is None else {"contrast": one.other.strip()}),
        "f_full": round(found.full, 4),
        "f_empty": round(found.empty, 4),
        "comprehensiveness": round(one.main.comprehensiveness, 4),
        "sufficiency": round(one.main.sufficiency, 4),
        "gain": round(one.main.gain, 4),
        "verdict": verdicts[DEFAULT].verdict,
    }
    if one.by_token is not None and one.by_token.by_token:
        detail["answer_tokens"] = list(one.by_token.tokens)
        detail["by_token"] = [[round(s, 4) for s in row] for row in one.by_token.by_token]
    others = [_other(one, method, tested, verdicts, rule) for method, tested in one.tested.items() if method != DEFAULT]
    if others:
        detail["others"] = others
    checks = {name: round(r.value, 4) for name, r in one.checks.items() if r.value is not None}
    if checks:
        detail["checks"] = checks
    return detail


def _other(
    one: Explained, method: Method, tested: Tested, verdicts: Mapping[Method, Judged], rule: Rule
) -> dict[str, Any]:
    reason = why_not_drawn(one, method, rule)
    if reason is not None or tested.found is None:
        return {"method": LABELS[method], "reason": reason or "not answered"}
    told: dict[str, Any] = {
        "method": LABELS[method],
        "scores": [round(s, 4) for s in tested.found.scores],
        "verdict": verdicts[method].verdict,
        **({"signed": False} if method in WITHOUT_SIGN else {}),
    }
    if tested.status == "scored":
        told["gain"] = round(tested.gain, 4)
    error = tested.reading("completeness_error").value
    if error is not None:
        told["error"] = round(error, 4)
    return told
