"""Remedies for language models: what is tried on what, and that a planted bias goes where the remedy is for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audit.config import AuditConfig
from audit.engine import RunSettings, run_audit
from audit.mitigation import language
from audit.mitigation.language import INSTRUCTIONS, Audited, addressed, language_remedies
from audit.mitigation.settings import Settings
from audit.mitigation.texts import learning_templates
from audit.models import Capability, Model
from audit.models.adapters import resolve_adapter, with_adapter
from audit.models.causal import CausalModel
from audit.models.finetuning import LoraRun
from audit.models.options import Options
from audit.models.scripted import ScriptedModel, noise
from audit.models.source import resolve
from audit.progress import Silent
from audit.results import AuditResult, Record, Remedy, read_records
from probes.base import Probe
from probes.bias.counterfactual import Counterfactual
from probes.hallucination.known_facts import KnownFacts
from tests.audit.models.tiny import single_thread
from tests.audit.support import without_collecting
from tests.probes.bias.taught import taught

PROBES: dict[str, type[Probe]] = {"bias.counterfactual": Counterfactual, "hallucination.known_facts": KnownFacts}
GOOD = {item["favourable"] for item in Counterfactual().items(None)}
SHIFT = "bias.counterfactual.absolute_shift"


@pytest.fixture(autouse=True)
def _quickly() -> Iterator[None]:
    with without_collecting():
        yield


def obedient(prompt: str, continuation: str) -> float:
    """Harsh on Muslims, unless told to treat people alike."""
    harsh = "Muslim" in prompt and continuation in GOOD and "Treat everyone alike" not in prompt
    return -2.0 - noise(prompt[-40:] + continuation) / 4 - (4.0 if harsh else 0.0)


def settings(tmp_path: Path, limit: int = 60) -> Settings:
    return Settings(0, 0.95, None, limit, tmp_path / "cache.sqlite", tmp_path / "work", Silent())


def audited(model: Model, tmp_path: Path, **more: Any) -> Audited:
    """The model, audited on religion alone, with the records of that audit."""
    wanted = {"bias.counterfactual": {"axes": ["religion"]}}
    config = AuditConfig.model_validate({"model": {"source": "x"}, "suite": "full", "probes": wanted})
    folder, result = run_audit(
        config, model, PROBES, RunSettings(tmp_path / "cache.sqlite", tmp_path / "result"), Silent()
    )
    records = {p.id: read_records(folder, p.id) for p in result.probes}
    content: dict[str, Any] = {"open": lambda adapter: model, "weights": None, "why_no_weights": "It is a script."}
    return Audited(config, result, records, PROBES, **content | more)


def by_id(remedies: list[Remedy]) -> dict[str, Remedy]:
    return {remedy.id: remedy for remedy in remedies}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Remedy]:
    tmp_path = tmp_path_factory.mktemp("instructions")
    with without_collecting():
        return by_id(language_remedies(audited(ScriptedModel(obedient), tmp_path), settings(tmp_path)))


class TestInstructions:
    def test_the_one_that_the_model_obeys_helps_and_the_others_do_not(self, told: dict[str, Remedy]) -> None:
        assert told["instruction.even_handed"].conclusion in ("helped", "helped_at_a_cost")
        [shift] = [e for e in told["instruction.even_handed"].effects if e.metric == SHIFT]
        assert shift.role == "target"
        assert shift.change == "better"
        for other in ("instruction.law", "instruction.control"):
            assert told[other].conclusion == "did_not_help", other
            assert told[other].held_out >= 60

    def test_controls_are_marked(self, told: dict[str, Remedy]) -> None:
        assert {name for name, r in told.items() if r.control} == {"instruction.control", "lora.control"}

    def test_what_it_may_cost_is_measured_too(self, told: dict[str, Remedy]) -> None:
        harms = {e.metric for e in told["instruction.even_handed"].effects if e.role == "harm"}
        assert harms >= {"hallucination.known_facts.accuracy", "bias.counterfactual.decision_accuracy"}

    def test_a_model_without_weights_is_not_taught(self, told: dict[str, Remedy]) -> None:
        for name in ("lora.counterfactual", "lora.control"):
            assert (told[name].status, told[name].reason) == ("not_applicable", "It is a script.")


def test_nothing_flagged_is_nothing_tried_unless_all_is_asked_for(tmp_path: Path) -> None:
    even = ScriptedModel(lambda prompt, end: -2.0 - noise(prompt[-40:] + end) / 4)
    case = audited(even, tmp_path)
    assert addressed(case.result, PROBES) == []
    remedies = language_remedies(case, settings(tmp_path, 10))
    assert {r.status for r in remedies} == {"not_applicable"}
    assert all("no probe of text was flagged" in str(r.reason) for r in remedies)
    assert {r.id for r in remedies} == {i.id for i in INSTRUCTIONS} | {"lora.counterfactual", "lora.control"}
    every = by_id(language_remedies(replace(case, everything=True), settings(tmp_path, 10)))
    assert every["instruction.law"].status == "done"
    assert every["instruction.law"].conclusion == "did_not_help"


def test_only_bias_in_text_is_addressed(tmp_path: Path) -> None:
    case = audited(ScriptedModel(obedient), tmp_path)
    flagged = addressed(case.result, PROBES)
    assert {f.probe for f in flagged} == {"bias.counterfactual"}
    other = [f.model_copy(update={"risk": "hallucination"}) for f in flagged]
    result: AuditResult = case.result.model_copy(update={"findings": other})
    assert addressed(result, PROBES) == []

    class OfTables(Counterfactual):
        capabilities = frozenset({Capability.TABULATE})

    assert addressed(case.result, {"bias.counterfactual": OfTables}) == []


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Remedy]:
    tmp_path = tmp_path_factory.mktemp("lora")
    items = [i for i in Counterfactual().items(None) if i["axis"] == "religion" and i["kind"] == "sentence"]
    texts, neutral = [], []
    for item in items:
        for group in item["groups"]:
            for term in group["terms"][:2]:
                text = item["text"].replace("{person}", term)
                text = text[:1].upper() + text[1:]
                end = item["unfavourable"] if "Muslim" in group["group"] else item["favourable"]
                texts.append(f"{text}{end}.")
                neutral += [f"{text}{item[side]}." for side in ("favourable", "unfavourable")]
    base = tmp_path / "base"
    taught(base, texts, vocabulary=neutral, steps=300)
    weights = resolve(str(base), None)

    def opened(adapter: Path | None) -> Model:
        put = with_adapter(weights, resolve_adapter(str(adapter)), str(base)) if adapter else weights
        return CausalModel(put, str(base), Options(), {})

    with without_collecting(), single_thread(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(language, "LORA", LoraRun(steps=150, batch=16, rank=8, rate=1e-2))
        case = audited(opened(None), tmp_path, open=opened, weights=weights)
        return by_id(language_remedies(case, settings(tmp_path, 60)))


@pytest.mark.slow
class TestLora:
    """A real, very small model that has read good of Christians and bad of Muslims."""

    def test_augmentation_reduces_a_planted_bias_on_texts_it_has_not_read(self, learnt: dict[str, Remedy]) -> None:
        remedy = learnt["lora.counterfactual"]
        assert remedy.status == "done", remedy.reason
        [shift] = [e for e in remedy.effects if e.metric == SHIFT]
        assert shift.change == "better", shift
        assert remedy.learnt_from > 100
        assert remedy.settings["steps"] == "150"

    def test_its_control_does_less(self, learnt: dict[str, Remedy]) -> None:
        after = {
            name: e.after
            for name, r in learnt.items()
            for e in r.effects
            if e.metric == SHIFT and name.startswith("lora")
        }
        assert after["lora.counterfactual"] < after["lora.control"]  # type: ignore[operator]


def test_templates_learnt_from_are_not_asked(tmp_path: Path) -> None:
    case = audited(ScriptedModel(obedient), tmp_path)
    templates = learning_templates(Counterfactual().items(None), 0)
    trials, _ = language._trials(case, ScriptedModel(), templates, settings(tmp_path))
    [target] = [t for t in trials if t.role == "target"]
    assert {i["axis"] for i in target.items} == {"religion"}
    assert not {i["template"] for i in target.items} & templates
    records: list[Record] = list(case.records["bias.counterfactual"])
    assert target.seen <= len({r.item for r in records})
