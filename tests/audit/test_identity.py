"""The audit id: the hash of weights, tokenizer, template, items, config and code, and of nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import audit.manifest
from audit.manifest import UNKNOWN, audit_id, code_identity, identity
from audit.models import Model
from audit.models.loading import tokenizer_hash
from audit.models.scripted import ScriptedModel
from audit.planning import plan
from audit.results import read_result
from reports.technical import render_report
from tests.audit.support import Tiny, catalogue_of, config
from tests.audit.support import audit as audited
from tests.probes.stand_ins import DATA

PARTS = {"weights", "tokenizer", "template", "model", "items", "config", "code"}


def parts_of(
    of: Model | None = None, limit: int = 5, drawn: Callable[[Any], Any] = list, **blocks: Any
) -> dict[str, str]:
    chosen = config(**blocks)
    opened = of or ScriptedModel()
    planned = drawn(plan(chosen, catalogue_of(Tiny), opened.capabilities, DATA, limit))
    return identity(opened, planned, chosen)


def with_facts(**changes: str) -> ScriptedModel:
    model = ScriptedModel()
    model.facts = model.facts.model_copy(update=changes)
    return model


def changed(one: dict[str, str], other: dict[str, str]) -> set[str]:
    assert set(one) == set(other) == PARTS
    found = {name for name in PARTS if one[name] != other[name]}
    assert (audit_id(one) != audit_id(other)) is bool(found)
    return found


def test_weights_tokenizer_and_template_are_known_or_said_not_to_be() -> None:
    assert {name for name, part in parts_of().items() if part == UNKNOWN} == {"weights", "tokenizer", "template"}


@pytest.mark.parametrize(
    ("part", "fact"),
    [("weights", "weights_sha256"), ("tokenizer", "tokenizer_sha256"), ("template", "chat_template_sha256")],
)
def test_weights_tokenizer_and_template_change_it(part: str, fact: str) -> None:
    one, two = (parts_of(with_facts(**{fact: digit * 64})) for digit in "01")
    assert changed(one, two) == {part}
    assert one[part] == "0" * 64


def test_another_model_changes_it() -> None:
    assert changed(parts_of(), parts_of(ScriptedModel(name="another"))) == {"model"}


def test_other_items_change_it() -> None:
    assert changed(parts_of(limit=5), parts_of(limit=6)) == {"items"}
    assert changed(parts_of(), parts_of(drawn=lambda found: [replace(p, items=p.items[::-1]) for p in found])) == {
        "items"
    }


def test_config_changes_it() -> None:
    assert changed(parts_of(), parts_of(gates={"tiny.rate.rate": {"at_most": 0.5}})) == {"config"}
    assert changed(parts_of(), parts_of(card={"owner": "Somebody"})) == {"config"}
    assert changed(parts_of(), parts_of(run={"confidence": 0.9})) == {"config"}


def test_code_changes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = parts_of()
    for package in ("audit", "probes", "reports"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "a.py").write_text("one = 1\n")
    monkeypatch.setattr(audit.manifest, "__file__", str(tmp_path / "audit" / "manifest.py"))
    found = []
    for package, text in (("audit", "one = 1\n"), ("audit", "one = 2\n"), ("probes", "two = 2\n"), ("reports", "3\n")):
        (tmp_path / package / "a.py").write_text(text)
        code_identity.cache_clear()
        found.append(parts_of())
    code_identity.cache_clear()
    assert changed(before, found[0]) == changed(found[0], found[1]) == changed(found[1], found[2]) == {"code"}
    assert changed(found[2], found[3]) == set()  # how a report is drawn changes no number


def test_what_does_not_matter_does_not_change_it() -> None:
    one = parts_of(drawn=list)
    endpoint = {"model": {"source": "script", "endpoint": {"concurrency": 2, "timeout": 9.0, "max_requests": 5}}}
    assert changed(one, parts_of(**endpoint)) == set()
    assert changed(one, parts_of(run={"executor": "ray", "workers": 3})) == set()
    assert changed(one, parts_of(drawn=lambda found: found[::-1])) == set()


def test_it_is_in_manifest_and_report(tmp_path: Path) -> None:
    audited(tmp_path, [Tiny], settings={"limit": 5})
    result = read_result(tmp_path / "result")
    assert set(result.manifest.identity) == PARTS
    assert result.manifest.audit_id == audit_id(result.manifest.identity)
    page = render_report(result, {})
    assert all(part in page for part in (result.manifest.audit_id, *result.manifest.identity.values()))


def test_the_tokenizers_hash_leaves_the_template_out(tmp_path: Path) -> None:
    def folder(name: str, vocabulary: str = "{}", **settings: Any) -> str | None:
        shutil.rmtree(tmp_path / name, ignore_errors=True)
        (tmp_path / name).mkdir()
        (tmp_path / name / "tokenizer.json").write_text(vocabulary)
        (tmp_path / name / "config.json").write_text(name)
        (tmp_path / name / "tokenizer_config.json").write_text(json.dumps(settings))
        return tokenizer_hash(tmp_path / name)

    one = folder("one", bos="a")
    assert one == folder("two", bos="a", chat_template="{{ messages }}")
    assert len({one, folder("three", '{"a": 1}', bos="a"), folder("four", bos="b")}) == 3
    (tmp_path / "none").mkdir()
    assert tokenizer_hash(tmp_path / "none") is None
