"""Which remedies are looked for at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from audit.config import AuditConfig
from audit.mitigation import run
from audit.mitigation.settings import Settings
from audit.progress import Silent
from audit.results import AuditResult, Finding, ModelFacts
from probes.bias.counterfactual import Counterfactual
from probes.bias.dataset import Dataset
from tests.audit.support import result_of


def found(finding: Finding) -> AuditResult:
    model = ModelFacts(name="m", source="org/name", kind="causal-lm", pinned=True)
    return result_of(model=model, findings=[finding])


def remedies(result: AuditResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def fetched(*_: object) -> None:
        raise AssertionError("weights were looked for")

    monkeypatch.setattr(run, "resolve", fetched)
    settings = Settings(0, 0.95, None, 8, tmp_path / "cache.sqlite", tmp_path, Silent())
    return run.remedies(AuditConfig.model_validate({"model": {"source": "org/name"}}), result, tmp_path, settings)


def test_weights_are_looked_for_only_where_a_finding_of_text_calls_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about: dict[str, Any] = {"severity": "low"}
    of_data = Dataset.finding("x", "problem_found", "It.", {}, [], "Do.", **about)
    assert remedies(found(of_data), tmp_path, monkeypatch) == []
    of_text = Counterfactual.finding("x", "problem_found", "It.", {}, [], "Do.", **about)
    with pytest.raises(AssertionError, match="weights were looked for"):
        remedies(found(of_text), tmp_path, monkeypatch)
