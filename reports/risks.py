"""The audit seen by risk: which word each risk gets, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audit.results.schema import AuditResult, Finding, Measurement, Outlook, ProbeRun, Record

# The four questions that every card answers, even where the answer is that nobody asked.
ALWAYS = ("bias", "hallucination", "misinformation", "explainability")
_WORST_FIRST: tuple[Outlook, ...] = ("problem_found", "unclear", "no_problem_found", "not_tested")
OUTLOOK_WORDS: dict[Outlook, str] = {
    "problem_found": "problem found",
    "no_problem_found": "no problem found in what we tested",
    "unclear": "unclear: too little evidence",
    "not_tested": "not tested",
}
"""The four words of the card, where plain text says them."""
MOST_GROUPS = 8
_SEVEREST_FIRST = ("high", "medium", "low", "none")

# NIST AI 600-1 (July 2024), sections 2.1 to 2.12, in their order.
NIST_RISKS = (
    "CBRN Information or Capabilities",
    "Confabulation",
    "Dangerous, Violent, or Hateful Content",
    "Data Privacy",
    "Environmental Impacts",
    "Harmful Bias and Homogenization",
    "Human-AI Configuration",
    "Information Integrity",
    "Information Security",
    "Intellectual Property",
    "Obscene, Degrading, and/or Abusive Content",
    "Value Chain and Component Integration",
)
# What a finished probe of a risk says about those twelve: the whole of the risk never, hence 'assessed' means
# that questions made for it were asked.
_NIST_BY_RISK: dict[str, tuple[tuple[str, str], ...]] = {
    "hallucination": (("Confabulation", "assessed"),),
    "bias": (("Harmful Bias and Homogenization", "assessed"),),
    "misinformation": (("Information Integrity", "assessed"),),
    "explainability": (("Human-AI Configuration", "partly"),),
    "privacy": (("Data Privacy", "partly"),),
    "poisoning": (("Information Security", "partly"), ("Value Chain and Component Integration", "partly")),
    "footprint": (("Environmental Impacts", "partly"),),
    "safety": (
        ("Dangerous, Violent, or Hateful Content", "partly"),
        ("Obscene, Degrading, and/or Abusive Content", "partly"),
    ),
}


@dataclass(frozen=True)
class RiskView:
    """One risk with its probes, its findings (worst first) and the word that sums them up."""

    key: str
    outlook: Outlook
    probes: list[ProbeRun]
    findings: list[Finding]

    @property
    def done(self) -> list[ProbeRun]:
        """Probes that ran to their end."""
        return [p for p in self.probes if p.status == "done"]

    @property
    def failed(self) -> list[ProbeRun]:
        """Probes that broke off."""
        return [p for p in self.probes if p.status == "failed"]

    @property
    def not_applicable(self) -> list[ProbeRun]:
        """Probes that need something this model does not offer."""
        return [p for p in self.probes if p.status == "not_applicable"]

    @property
    def headline(self) -> Finding | None:
        """The most severe finding."""
        return self.findings[0] if self.findings else None


def _outlook(probes: Sequence[ProbeRun], findings: Sequence[Finding]) -> Outlook:
    """The worst outlook; a probe that broke off can hide a problem, so it never lets 'no problem' stand."""
    if not any(p.status == "done" for p in probes):
        return "not_tested"
    worst = min((f.outlook for f in findings), key=_WORST_FIRST.index, default=None)
    if worst is None:
        return "unclear"
    broken = any(p.status == "failed" for p in probes)
    return "unclear" if broken and worst == "no_problem_found" else worst


def _severity(finding: Finding) -> tuple[int, int]:
    return _WORST_FIRST.index(finding.outlook), _SEVEREST_FIRST.index(finding.severity)


def risk_views(result: AuditResult) -> list[RiskView]:
    """Every risk of the audit, the four standing questions first, then the others by name."""
    done = {p.id for p in result.probes if p.status == "done"}
    present = {p.risk for p in result.probes}
    views = []
    for key in (*ALWAYS, *sorted(present - set(ALWAYS))):
        probes = [p for p in result.probes if p.risk == key]
        ids = {p.id for p in probes} & done
        findings = sorted((f for f in result.findings if f.probe in ids), key=_severity)
        views.append(RiskView(key, _outlook(probes, findings), probes, findings))
    return views


def nist_checklist(result: AuditResult) -> list[tuple[str, str]]:
    """The twelve NIST risks, each ``assessed``, ``partly`` or ``not_assessed``."""
    levels = dict.fromkeys(NIST_RISKS, "not_assessed")
    for key in sorted({p.risk for p in result.probes if p.status == "done"}):
        levels.update(_NIST_BY_RISK.get(key, ()))
    return list(levels.items())


def _carries(m: Measurement) -> float:
    """How far a value lies from no effect, in widths of its interval."""
    if m.value is None:
        return -1.0
    if m.low is None or m.high is None or m.high <= m.low:
        return 0.0
    return abs(m.value - (m.chance or 0.0)) / (m.high - m.low)


def numbers_behind(finding: Finding, result: AuditResult, most: int) -> tuple[list[Measurement], int]:
    """The measurements that carry a finding, and how many more it names.

    Whole ones come before slices and in the order in which the finding names them; of the slices of one metric those
    that lie furthest from no effect, seen against their intervals, come first.
    """
    known = {m.metric: m for m in result.measurements}
    named = [known[name] for name in dict.fromkeys(finding.measurements) if name in known]
    bases = list(dict.fromkeys(m.metric.split("[")[0] for m in named))
    named.sort(
        key=lambda m: (m.slice is not None, bases.index(m.metric.split("[")[0]), -_carries(m) if m.slice else 0.0)
    )
    return named[:most], max(len(named) - most, 0)


def worst_record(view: RiskView, records: Mapping[str, Sequence[Record]]) -> Record | None:
    """The record of highest concern among a risk's finished probes, or None where nothing stands out."""
    candidates = [r for p in view.done for r in records.get(p.id, ()) if r.concern > 0 and r.status == "scored"]
    return min(candidates, key=lambda r: (-r.concern, r.probe, r.id), default=None)


def groups_seen(view: RiskView, result: AuditResult, records: Mapping[str, Sequence[Record]]) -> list[str]:
    """The groups for which a problem was found: those of the problems' numbers whose interval leaves out no effect.

    Only what the records call a group counts; other slices are kinds of questions, not people.
    """
    known = {m.metric: m for m in result.measurements}
    found: dict[str, None] = {}
    for finding in view.findings:
        if finding.outlook != "problem_found":
            continue
        people = {record.group for record in records.get(finding.probe, ()) if record.group}
        for m in (known[name] for name in finding.measurements if name in known):
            if m.slice in people and _leaves_out_chance(m):
                found[str(m.slice)] = None
    return list(found)[:MOST_GROUPS]


def _leaves_out_chance(m: Measurement) -> bool:
    level = m.chance or 0.0
    return m.low is not None and m.high is not None and not m.low <= level <= m.high
