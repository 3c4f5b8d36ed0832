"""Probes that describe the model and judge nothing say so alike, and do not colour the word that a risk gets."""

from __future__ import annotations

import pytest

from audit.models.scripted import ScriptedModel, noise
from audit.results import Finding
from probes.base import Probe
from probes.explainability.head_roles import HeadRoles
from probes.explainability.linear_probe import LinearProbe
from probes.explainability.logit_lens import LogitLens
from probes.explainability.patching import Patching
from reports.risks import risk_views
from tests.audit.support import probe_run, result_of
from tests.probes.harness import run_probe

DESCRIBING = (HeadRoles, LinearProbe, LogitLens, Patching)


def leaning(prompt: str, continuation: str) -> float:
    return -4.0 - 3.0 * noise(f"{prompt}|{continuation}")


@pytest.mark.parametrize("kind", DESCRIBING, ids=lambda kind: kind.id)
def test_what_only_describes_says_so_and_is_neither_problem_nor_clean_nor_unclear(kind: type[Probe]) -> None:
    outcome = run_probe(kind, ScriptedModel(leaning), 24)
    assert any(m.value is not None for m in outcome.measurements)
    for told in outcome.findings:
        assert told.text.startswith("Described, not judged: ")
        assert (told.outlook, told.severity) == ("not_tested", "none")
    assert {m.direction for m in outcome.measurements} == {"descriptive"}


def test_a_description_changes_no_word_of_its_risk_and_alone_tests_nothing() -> None:
    described = run_probe(HeadRoles, ScriptedModel(leaning), 24).findings[0]
    judged = Finding(
        id="explainability.attribution.faithfulness",
        probe="explainability.attribution",
        risk="explainability",
        outlook="no_problem_found",
        severity="none",
        template="They held up.",
        advice="None.",
    )
    runs = [probe_run(described.probe, risk="explainability"), probe_run(judged.probe, risk="explainability")]

    def word(*findings: Finding) -> str:
        views = risk_views(result_of(probes=runs, findings=list(findings)))
        return next(v.outlook for v in views if v.key == "explainability")

    assert word(described, judged) == "no_problem_found"
    assert word(described) == "not_tested"
