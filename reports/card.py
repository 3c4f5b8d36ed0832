"""The model card: one page for a person who decides about a model and knows no statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from gettext import NullTranslations

from audit.results.schema import AuditResult, Record
from reports.environment import build_environment
from reports.evidence import anchor
from reports.page import assets
from reports.risks import nist_checklist, numbers_behind, risk_views, worst_record
from reports.text import cleaned

LONGEST_TEXT = 1200
MOST_FINDINGS = 8
MOST_NUMBERS = 3
MOST_GATES = 60
DECLARED = ("owner", "intended_use", "out_of_scope", "training_data", "licence", "contact")


def render_card(
    result: AuditResult,
    records: Mapping[str, Sequence[Record]],
    translations: NullTranslations | None = None,
    language: str = "en",
) -> str:
    """The whole ``card.html``; the same result always gives the same bytes."""
    shown = cleaned(result, LONGEST_TEXT)
    risks = []
    for raw, view in zip(risk_views(result), risk_views(shown), strict=True):
        example = worst_record(raw, records)
        risks.append(
            {
                "view": view,
                "findings": [(f, numbers_behind(f, shown, MOST_NUMBERS)) for f in view.findings[:MOST_FINDINGS]],
                "more": max(len(view.findings) - MOST_FINDINGS, 0),
                "example": None if example is None else cleaned(example, LONGEST_TEXT),
                "anchor": None if example is None else anchor(example),
            }
        )
    page = build_environment(translations, language).get_template("card.html")
    return page.render(
        result=shown,
        model=shown.model,
        manifest=shown.manifest,
        risks=risks,
        gates=[(gate, shown.measurement(gate.metric)) for gate in shown.gates[:MOST_GATES]],
        gates_left_out=max(len(shown.gates) - MOST_GATES, 0),
        nist=nist_checklist(shown),
        declared=[(key, shown.model.declared.get(key, "")) for key in DECLARED],
        assets=assets(["base.css", "card.css"]),
    )
