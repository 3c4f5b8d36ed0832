"""Real models whose decision hangs on one known word of each text: it must be found, and other scores refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audit.corpora import Item
from audit.models import Attribute, Attributed, Failure
from audit.models.causal import CausalModel
from probes.base import Outcome
from probes.explainability.attribution import Attribution
from tests.probes.explainability.planted import held_out, planted_causal
from tests.probes.harness import finding, interval, number, run_probe, value

CASES = 32


class Planted(Attribution):
    """The probe on decisions that hang on one word."""

    def items(self, data: Path | None) -> list[Item]:
        return [
            {
                "id": f"planted-{i}",
                "kind": "planted",
                "prompt": case.prompt,
                "answer": case.answer,
                "contrast": case.contrast,
                "evidence": [case.prompt.split()[case.deciding]],
                "paraphrase": case.prompt,
            }
            for i, case in enumerate(held_out(CASES))
        ]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> CausalModel:
    return planted_causal(tmp_path_factory.mktemp("planted"))


def run(model: CausalModel) -> Outcome:
    options: dict[str, Any] = {"compared": 4, "checked": 0, "rule": {"randomisation": False}}
    return run_probe(Planted, model, options=options)


def test_the_word_that_decides_is_found_and_the_explanation_supported(model: CausalModel) -> None:
    outcome = run(model)
    assert value(number(outcome, "evidence_agreement")) >= 0.9
    assert value(number(outcome, "evidence_auprc")) >= 0.9
    assert interval(number(outcome, "gain_over_random"))[0] > 1
    assert value(number(outcome, "normalised_comprehensiveness")) > 0.8
    assert value(number(outcome, "same_top_word")) >= 0.75
    assert finding(outcome, "faithfulness").outlook == "no_problem_found"
    assert {r.detail["verdict"] for r in outcome.records} == {"supported"}


def test_the_scores_of_another_text_are_not_supported(model: CausalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = model.attribute

    def of_another(requests: Sequence[Attribute]) -> list[Attributed | Failure]:
        found = sound(requests)
        scores = [s for f in found if isinstance(f, Attributed) for s in f.scores]
        return [
            replace(f, scores=tuple(scores[(7 * i + 31 * j) % len(scores)] for j in range(len(f.scores))))
            if isinstance(f, Attributed)
            else f
            for i, f in enumerate(found, 1)
        ]

    monkeypatch.setattr(model, "attribute", of_another)
    outcome = run(model)
    assert {r.detail["verdict"] for r in outcome.records if r.detail} == {"not supported"}
    assert finding(outcome, "faithfulness").text.startswith("Do not rely on the highlighted words")
    assert value(number(outcome, "evidence_agreement")) < 0.5
