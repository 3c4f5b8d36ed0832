"""Other models that read answers: opened once, asked once, kept under their own name, and never the audited model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from audit.config import AuditConfig
from audit.corpora import Item
from audit.engine import RunSettings, run_audit
from audit.judging import Judges, open_judge
from audit.metrics import rate
from audit.models import (
    Capability,
    Classified,
    Classify,
    Failure,
    Generate,
    Generated,
    Judge,
    ModelError,
    Request,
    Responses,
)
from audit.models.scripted import ScriptedModel
from audit.progress import Silent
from audit.results import MANIFEST_FILE, Record
from probes.base import Context, Metric, Outcome, Probe, Suite, coverage
from tests.audit.models.tiny_classifier import make_bert

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Judged(Probe):
    """Writes one text an item and has it read."""

    id, title, risk = "tiny.judged", "Judged", "bias"
    purpose = method = citation = limits = "For tests alone."
    capabilities = frozenset({Capability.GENERATE})
    metrics = (Metric("bad", "Bad", "rate", "lower_is_better", "Share read as bad."),)
    sizes: ClassVar[dict[Suite, int | None]] = {"quick": None, "standard": None, "full": None}

    def items(self, data: Path | None) -> list[Item]:
        return [{"id": f"item-{i}"} for i in range(6)]

    def requests(self, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
        asked = [Generate(item["id"], 8) for item in items]
        texts = [answers[request] for request in asked if request in answers]
        return [*asked, *(Judge(text.text, "reader") for text in texts if isinstance(text, Generated))]

    def measure(self, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        records, bad = [], []
        for item in items:
            text = answers[Generate(item["id"], 8)]
            assert isinstance(text, Generated)
            read = answers[Judge(text.text, "reader")]
            scored = isinstance(read, Classified)
            bad += [read.probabilities[0] > 0.5] if isinstance(read, Classified) else []
            records.append(
                Record(id=item["id"], probe=self.id, item=item["id"], source="own", cluster=item["id"], input=item["id"],
                       output=text.text, outcome="read" if scored else None, status="scored" if scored else "failed")
            )  # fmt: skip
        return Outcome(records, [self.measurement("bad", rate(bad), coverage(r.status for r in records))], [])


class Counting(ScriptedModel):
    """Counts the texts that it is asked to classify."""

    asked = 0

    def classify(self, requests: Sequence[Classify]) -> list[Classified | Failure]:
        self.asked += len(requests)
        return super().classify(requests)


def reader() -> Counting:
    return Counting(
        classify=lambda text: {"bad": float("3" in text), "good": float("3" not in text)}, name="the reader"
    )


def run(tmp_path: Path, judges: Judges | None, model: ScriptedModel | None = None) -> Any:
    config = AuditConfig.model_validate({"model": {"source": "script"}})
    settings = RunSettings(tmp_path / "cache.sqlite", tmp_path / "result")
    writer = model or ScriptedModel(write=lambda prompt: f"text of {prompt}", classify=lambda text: {"bad": 1.0})
    return run_audit(config, writer, {Judged.id: Judged}, settings, Silent(), judges=judges)


def judges_of(tmp_path: Path, model: ScriptedModel) -> Judges:
    return Judges(tmp_path / "cache.sqlite", Silent(), lambda name: model)


def test_a_judge_reads_what_the_model_wrote_and_is_named(tmp_path: Path) -> None:
    judge = reader()
    folder, result = run(tmp_path, judges_of(tmp_path, judge))
    assert result.measurements[0].value == pytest.approx(1 / 6)
    assert judge.asked == 6
    assert result.manifest.judges == {"reader": "unknown"}  # a script has no weights
    assert json.loads((folder / MANIFEST_FILE).read_text())["judges"] == {"reader": "unknown"}


def test_its_answers_are_kept_under_its_own_fingerprint(tmp_path: Path) -> None:
    run(tmp_path, judges_of(tmp_path, reader()))
    again = reader()
    _, result = run(tmp_path, judges_of(tmp_path, again))
    assert again.asked == 0
    other = Counting(classify=lambda text: {"bad": 1.0, "good": 0.0}, name="another reader")
    _, result = run(tmp_path, judges_of(tmp_path, other))
    assert (other.asked, result.measurements[0].value) == (6, 1.0)


def test_one_that_cannot_be_opened_fails_the_measurement_with_its_reason(tmp_path: Path) -> None:
    tried = []

    def broken(name: str) -> ScriptedModel:
        tried.append(name)
        raise ModelError("It is not there.")

    _, result = run(tmp_path, Judges(tmp_path / "cache.sqlite", Silent(), broken))
    [measured] = result.measurements
    assert measured.value is None
    assert "The judge reader could not be opened: It is not there." in str(measured.reason)
    assert measured.coverage.failed == 6
    assert tried == ["reader"]
    assert result.manifest.judges == {}


def test_a_judge_must_be_a_classifier(tmp_path: Path) -> None:
    mute = ScriptedModel(capabilities=frozenset({Capability.GENERATE}))
    found = judges_of(tmp_path, mute).answer([Judge("a text", "reader")])
    assert found == {Judge("a text", "reader"): Failure("failed", "The judge reader is no text classifier.")}


def test_a_judge_from_the_hub_needs_its_commit(tmp_path: Path) -> None:
    for named in ("org/name", "org/name@main", f"org/name@{COMMIT[:-1]}", str(tmp_path / "nowhere")):
        with pytest.raises(ModelError, match="needs its commit"):
            open_judge(named)


def test_a_folder_is_opened_as_a_real_classifier(tmp_path: Path) -> None:
    folder = make_bert(tmp_path / "judge", [("a good day", (0.0, 1.0)), ("a bad day", (1.0, 0.0))])
    judges = Judges(tmp_path / "cache.sqlite", Silent())
    [found] = judges.answer([Judge("a good day", str(folder))]).values()
    assert isinstance(found, Classified)
    assert sum(found.probabilities) == pytest.approx(1.0, abs=1e-5)
    assert set(judges.weights) == {str(folder)}
    assert len(judges.weights[str(folder)]) == 64
