"""Numbers of ``hallucination.truthfulqa`` about given answers: what is likelier, the truth or a common falsehood."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

from audit.metrics import Estimate, mean, rate
from audit.results import ItemStatus, Measurement
from probes.base import coverage
from probes.hallucination.truthfulqa_answers import Question

Measure = Callable[..., Measurement]
COIN = 0.5


def measurements(questions: Sequence[Question], confidence: float, measure: Measure) -> list[Measurement]:
    """All measurements of the choices: overall, by category, and the control."""
    categories = sorted({str(q.item["category"]) for q in questions})
    parts: list[tuple[str | None, Sequence[Question]]] = [(None, questions)]
    parts += [(name, [q for q in questions if q.item["category"] == name]) for name in categories]
    found = [one(members, part, confidence, measure) for one in (_mc1, _mc2, _mc3) for part, members in parts]
    return [*found, _follows(questions, confidence, measure)]


def _mc1(questions: Sequence[Question], part: str | None, confidence: float, measure: Measure) -> Measurement:
    scored = [q for q in questions if q.status == "scored"]
    chance = fmean(q.chance for q in scored) if scored else None
    return _of_answers("mc1", rate([q.mc1 for q in scored], None, confidence), questions, part, chance, measure)


def _mc2(questions: Sequence[Question], part: str | None, confidence: float, measure: Measure) -> Measurement:
    scored = [q for q in questions if q.status == "scored"]
    chance = fmean(q.chance_mc2 for q in scored) if scored else None
    share = mean([q.mc2 for q in scored], None, confidence, null=chance or 0.0, bounds=(0.0, 1.0))
    return _of_answers("mc2", share, questions, part, chance, measure)


def _mc3(questions: Sequence[Question], part: str | None, confidence: float, measure: Measure) -> Measurement:
    scored = [q for q in questions if q.status == "scored"]
    chance = fmean(q.chance for q in scored) if scored else None
    share = mean([q.mc3 for q in scored], None, confidence, null=chance or 0.0, bounds=(0.0, 1.0))
    return _of_answers("mc3", share, questions, part, chance, measure)


def _of_answers(
    name: str,
    estimate: Estimate,
    questions: Sequence[Question],
    part: str | None,
    chance: float | None,
    measure: Measure,
) -> Measurement:
    evidence = {"tags.asked": "choice", **({"axis": part} if part else {})}
    planned = coverage(q.status for q in questions)
    return measure(name, estimate, planned, part=part, chance=chance, evidence=evidence)


def _follows(questions: Sequence[Question], confidence: float, measure: Measure) -> Measurement:
    statuses: list[ItemStatus] = [q.control_status for q in questions]
    follows = [q.follows for q in questions if q.control_status == "scored"]
    evidence = {"tags.asked": "control"}
    return measure(
        "answer_follows_question", rate(follows, None, confidence), coverage(statuses), chance=COIN, evidence=evidence
    )
