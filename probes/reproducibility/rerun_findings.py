"""Findings of ``reproducibility.rerun``: one about what the model writes, one about log-likelihoods."""

from __future__ import annotations

from collections.abc import Sequence

from audit.models import Way
from audit.results import Finding, Measurement, Outlook, Severity
from probes.base import Probe, percent
from probes.reproducibility.rerun_answers import WAYS, Comparison
from probes.reproducibility.rerun_measures import SHARES, moved_by_way, unnoticed

NOTICED = (
    0.3  # of texts answered otherwise: where not even so large a share would be noticed, nothing is called the same
)
TELLING = 0.5  # share of different items with one answer from which on the same answer again says nothing
OFTEN = 0.1  # share of moved answers from which on a problem is more than a small one
SHOWN = 5
WORDS: dict[Way, str] = {
    "same": "asked again just as before",
    "alone": "asked alone",
    "reversed": "asked in another order with other requests among them",
}
_SETTING = (
    "Ask the provider which settings make answers repeatable (batch-invariant kernels, full precision, one request at a "
    "time), and repeat any single answer that a decision rests on."
)
_GOOD = (
    "Nothing to do. Other machines and other versions may still give other digits; audit verify checks an old result."
)


def findings(
    kind: type[Probe], found: Sequence[Comparison], numbers: Sequence[Measurement], confidence: float
) -> list[Finding]:
    """What moved and how far, or what could have been noticed."""
    whole = {m.metric.removeprefix(f"{kind.id}."): m for m in numbers if m.slice is None}
    written = [whole[name] for name in ("greedy_identical", "sampled_identical")]
    likely = [whole[name] for name in ("likelihood_within", "largest_difference")]
    texts = [c for c in found if c.ask.kind != "likelihood"]
    scores = [c for c in found if c.ask.kind == "likelihood"]
    return [
        _finding(kind, "texts", "written answers", texts, written, confidence),
        _finding(kind, "likelihoods", "log-likelihoods", scores, likely, confidence),
    ]


def _finding(
    kind: type[Probe],
    name: str,
    what: str,
    found: Sequence[Comparison],
    used: Sequence[Measurement],
    confidence: float,
) -> Finding:
    scored = [c for c in found if c.same is not None]
    if not scored:
        text = "Whether the model's {what} stay the same when it is asked again was not tested: none came twice."
        return kind.finding(
            name, "not_tested", text, {"what": what}, used, "Ask for the reason in the technical report."
        )
    moved = [c for c in scored if c.same is False]
    values = {"what": what, "moved": f"{len(moved):,}", "n": f"{len(scored):,}", **_largest(scored)}
    if moved:
        ways = moved_by_way(moved)
        values["ways"] = "; ".join(f"{ways[way]:,} when {WORDS[way]}" for way in WAYS if ways[way])
        text = "The model's {what} depend on more than the text: {moved} of {n} were not the same as before ({ways})."
        text += " The largest change was {largest} nats." if name == "likelihoods" else ""
        severity: Severity = "medium" if len(moved) >= OFTEN * len(scored) else "low"
        examples = _examples(moved)
        return kind.finding(name, "problem_found", text, values, used, _SETTING, severity=severity, records=examples)
    outlook, text = _unmoved(scored, used, confidence)
    texts = len({c.ask.item["id"] for c in scored})
    values |= {"texts": f"{texts:,}", "share": percent(unnoticed(texts, confidence))}
    return kind.finding(name, outlook, text, values, used, _GOOD if outlook == "no_problem_found" else _SETTING)


def _unmoved(scored: Sequence[Comparison], used: Sequence[Measurement], confidence: float) -> tuple[Outlook, str]:
    beginning = "All {n} of the model's {what} were the same when asked again, alone, or in other company"
    levels = [m.chance for m in used if m.metric.rpartition(".")[2] in SHARES and m.chance is not None]
    if max(levels, default=0.0) >= TELLING:
        return "unclear", beginning + ", but it gives different texts the same ones too, so that this says little."
    if unnoticed(len({c.ask.item["id"] for c in scored}), confidence) > NOTICED:
        return "unclear", (
            beginning
            + ", but only {texts} different texts were asked: {share} of such texts could be answered otherwise and we "
            "would not have noticed."
        )
    further = " The largest change was {largest} nats, within rounding." if _largest(scored) else ""
    return "no_problem_found", (
        beginning + ", on {texts} different texts." + further + " Had more than {share} of such texts been answered "
        "otherwise, we would most likely have noticed."
    )


def _largest(scored: Sequence[Comparison]) -> dict[str, str]:
    values = [c.difference for c in scored if isinstance(c.first, float)]
    return {"largest": f"{max(values):.2g}"} if values else {}


def _examples(moved: Sequence[Comparison]) -> list[str]:
    """The records of those that moved furthest."""
    ordered = sorted(moved, key=lambda c: -c.difference)[:SHOWN]
    return [f"{c.ask.item['id']}/{c.ask.name}/{c.way}" for c in ordered]
