"""Declarations: what ``card`` may hold, what becomes of each, and what is checked of its evidence."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from audit.config import ConfigError, config_schema, load_config
from audit.declared import QUESTIONS, CardConfig, declarations, declared_texts, mismatches
from audit.progress import Silent
from audit.results import (
    AuditResult,
    Declaration,
    DeclaredEvidence,
    ModelFacts,
    read_records,
    read_result,
    write_result,
)
from tests.audit.support import CountingModel, Tiny, catalogue_of, result_of
from tests.audit.support import audit as run

MODEL = "model: {source: some/model}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def card(folder: Path, text: str) -> CardConfig:
    path = folder / "model.yaml"
    path.write_text(MODEL + text, encoding="utf-8")
    config = load_config(path, {})
    jsonschema.validate(yaml.safe_load(MODEL + text), config_schema({}))
    return config.card


def found(given: CardConfig) -> dict[str, Declaration]:
    return {d.field: d for d in declarations(given)}


def test_plain_words_stay_valid_and_missing_ones_do_not_vanish(folder: Path) -> None:
    given = card(folder, "card: {name: N, owner: O, contact: '  ', copyright: Ours, impact: {duration: Hours}}\n")
    all_of_them = found(given)
    assert len(all_of_them) == 29
    assert "name" not in all_of_them, "what a model is called is no statement about it"
    said = {key: d.text for key, d in all_of_them.items() if d.status == "declared"}
    assert said == {"owner": "O", "copyright": "Ours", "impact.duration": "Hours"}
    assert {d.status for key, d in all_of_them.items() if key not in said} == {"missing"}
    assert declared_texts(given) == {"name": "N", "owner": "O"}


@pytest.mark.parametrize("text", ["", "card:\n", "card: {impact: }\n", "card: {impact: {}}\n", "card: {owner: ''}\n"])
def test_nothing_said_is_all_missing(folder: Path, text: str) -> None:
    assert {d.status for d in declarations(card(folder, text))} == {"missing"}


def test_a_file_is_compared_and_a_link_is_not_opened(folder: Path) -> None:
    (folder / "proof.pdf").write_bytes(b"proof")
    right, wrong = hashlib.sha256(b"proof").hexdigest(), hashlib.sha256(b"other").hexdigest()
    (folder / "there").mkdir()
    os.mkfifo(folder / "pipe")
    given = card(
        folder,
        f"""
card:
  owner: {{text: O, evidence: {{link: "https://example.org/register?entry=5&year=2026"}}}}
  copyright: {{text: C, evidence: {{file: proof.pdf, sha256: {right.upper()}}}}}
  contact: {{text: C, evidence: {{file: proof.pdf, sha256: {wrong}, link: "http://127.0.0.1:9/"}}}}
  licence: {{text: L, evidence: {{file: gone.pdf, sha256: {right}}}}}
  training_data: {{text: T, evidence: {{file: there, sha256: {right}}}}}
  intended_use: {{text: I, evidence: {{file: pipe, sha256: {right}}}}}
  out_of_scope: {{text: U, evidence: {{sha256: {right}}}}}
  human_oversight: {{text: H}}
""",
    )
    checks = {key: (d.status, d.evidence.check) for key, d in found(given).items() if d.evidence}
    assert checks == {
        "owner": ("evidenced", "not_checked"),
        "copyright": ("evidenced", "matches"),
        "contact": ("mismatch", "mismatch"),
        "licence": ("evidenced", "not_found"),
        "training_data": ("evidenced", "not_found"),
        "intended_use": ("evidenced", "not_found"),  # a pipe would be waited on for ever
        "out_of_scope": ("evidenced", "not_checked"),
    }
    assert found(given)["human_oversight"].status == "declared"
    assert mismatches(declarations(given)) == [
        "card.contact: proof.pdf does not have the SHA-256 that is declared for it; the card says that the evidence "
        "does not match."
    ]
    assert declared_texts(given)["contact"] == "C"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("copyright: 5", "card.copyright must be text or a block of keys, not 5; put it in quotes"),
        ("copyright: [a]", "card.copyright must be text or a block of keys, not a list"),
        ("copyrigt: x", 'unknown key "copyrigt" in card; did you mean "copyright"?'),
        ("impact: {durtion: x}", 'unknown key "durtion" in card.impact; did you mean "duration"?'),
        ("impact: none", 'card.impact must be a block of keys, not the text "none"'),
        ("name: {text: x}", "card.name must be text, not a block of keys"),
        ("owner: {evidence: {link: 'https://a.b'}}", 'the key "text" is missing in card.owner'),
        ("owner: {text: ' '}", "card.owner.text: say in words what is declared; evidence alone declares nothing"),
        ("owner: {text: x, evidense: {}}", 'unknown key "evidense" in card.owner; did you mean "evidence"?'),
        ("owner: {text: x, evidence: {}}", "card.owner.evidence: give a link, or a file with its sha256"),
        (
            "owner: {text: x, evidence: {file: x}}",
            "card.owner.evidence: give its sha256 as well (`sha256sum FILE` prints it)",
        ),
        (
            "owner: {text: x, evidence: {sha256: abc}}",
            "card.owner.evidence.sha256: a SHA-256 has 64 hex digits (`sha256sum FILE` prints it)",
        ),
        *(
            (
                f"owner: {{text: x, evidence: {{link: {json.dumps(link)}}}}}",
                "card.owner.evidence.link: an address must begin with https:// or http:// and hold no spaces",
            )
            for link in (
                "javascript:alert(1)",
                "data:text/html,x",
                "ftp://a.b",
                "https://",
                "https://a b",
                "//a.b",
                "https://a.b/\u202egpj",
                "https://a.b/\n",
            )
        ),
        *(
            (
                f"owner: {{text: x, evidence: {{link: '{link}'}}}}",
                "card.owner.evidence.link: an address may not hold a key; keys come from the environment, never from this file",
            )
            for link in (
                "https://me:pw@a.b",
                "https://bank.example@evil.example",
                "https://a.b/?token=1",
                "https://a.b/?X-Amz-Signature=1",
                "https://a.b/?sig=1",
            )
        ),
        ("owner: {text: x, evidence: {link: 'http://[x'}}", "card.owner.evidence.link: the address is not well formed"),
    ],
)
def test_mistakes(folder: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        card(folder, f"card:\n  {text}\n")
    assert [p.message for p in caught.value.problems] == [message]
    assert caught.value.problems[0].line == 3


def test_every_new_key_has_a_question() -> None:
    asked = {key for key in QUESTIONS if QUESTIONS[key][0].endswith("?") and QUESTIONS[key][1].endswith(".")}
    plain = {"owner", "intended_use", "out_of_scope", "training_data", "licence", "contact"}
    assert asked == {d.field for d in declarations(CardConfig())} - plain


class Listening(Silent):
    """Keeps the lines that the engine says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        """Keeps the line."""
        self.lines.append(message)


def test_an_audit_keeps_them_apart_from_what_it_measured(folder: Path) -> None:
    (folder / "proof.txt").write_text("changed since")
    evidence = {"file": "proof.txt", "sha256": "0" * 64}
    given = {"owner": "O", "copyright": {"text": "C", "evidence": evidence}}
    told = Listening()
    result = run(folder, catalogue_of(Tiny), CountingModel(), progress=told, card=given)
    assert [line for line in told.lines if "proof.txt" in line] == mismatches(result.model.declarations) != []
    assert [(d.field, d.status) for d in result.model.declarations if d.status != "missing"] == [
        ("owner", "declared"),
        ("copyright", "mismatch"),
    ]
    bare = run(folder / "bare", catalogue_of(Tiny), CountingModel())
    assert bare.measurements == result.measurements
    assert (bare.findings, bare.gates, bare.verdict) == (result.findings, result.gates, result.verdict)
    assert read_result(folder / "result").model.declarations == result.model.declarations
    assert read_records(folder / "result", Tiny.id)


def test_results_of_earlier_versions_still_load(tmp_path: Path) -> None:
    path = write_result(tmp_path, result_of(), {})
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["model"]["declarations"]
    path.write_text(json.dumps(content), encoding="utf-8")
    old: AuditResult = read_result(tmp_path)
    assert old.model.declarations == []


LINK = DeclaredEvidence(link="https://a.b", check="not_checked")


@pytest.mark.parametrize(
    ("status", "text", "evidence"),
    [
        ("missing", "words", None),
        ("declared", None, None),
        ("declared", "words", LINK),
        ("evidenced", "words", None),
        ("mismatch", "words", LINK),
        ("evidenced", "words", DeclaredEvidence(file="x", sha256="0", check="mismatch")),
    ],
)
def test_a_status_that_does_not_fit_cannot_be_stored(
    status: str, text: str | None, evidence: DeclaredEvidence | None
) -> None:
    with pytest.raises(ValidationError, match="x: "):
        Declaration.model_validate({"field": "x", "status": status, "text": text, "evidence": evidence})


def test_facts_without_declarations_are_whole() -> None:
    assert ModelFacts(name="n", source="s", kind="k", pinned=False).declarations == []
