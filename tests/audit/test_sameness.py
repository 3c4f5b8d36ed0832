"""What two audits have in common: each part the same, changed, or not known."""

from __future__ import annotations

from typing import Any

import pytest

from audit.results import AuditResult, Changed, questions_changed, what_changed
from tests.audit.support import result_of


def audit_of(facts: dict[str, Any] | None = None, **manifest: Any) -> AuditResult:
    """An audit of a model whose every part is known."""
    result = result_of()
    known = {"weights_sha256": "a" * 64, "tokenizer_sha256": "b" * 64, "dtype": "float32"}
    identity = {"weights": "a" * 64, "tokenizer": "b" * 64, "template": "unknown", "code": "1"}
    told = {"items": {"p": "x", "q": "y"}, "identity": identity, "config": {"suite": "quick"}, **manifest}
    return result.model_copy(
        update={
            "model": result.model.model_copy(update=known | (facts or {})),
            "manifest": result.manifest.model_copy(update=told),
        }
    )


def fates(then: AuditResult, now: AuditResult) -> dict[str, str]:
    """The parts that are not the same."""
    return {c.part: c.fate for c in what_changed(then, now) if c.fate != "same"}


def part(then: AuditResult, now: AuditResult, name: str) -> Changed:
    return next(c for c in what_changed(then, now) if c.part == name)


def test_an_audit_is_like_itself_in_every_part() -> None:
    found = what_changed(audit_of(), audit_of())
    assert [c.part for c in found] == [
        "weights", "tokenizer", "template", "number_format", "questions", "settings", "program",
    ]  # fmt: skip
    assert {c.fate for c in found} == {"same"}


@pytest.mark.parametrize(
    ("now", "name"),
    [
        (audit_of(identity={"weights": "c" * 64, "tokenizer": "b" * 64, "code": "1"}), "weights"),
        (audit_of(identity={"weights": "a" * 64, "tokenizer": "c" * 64, "code": "1"}), "tokenizer"),
        (
            audit_of(identity={"weights": "a" * 64, "tokenizer": "b" * 64, "template": "c" * 64, "code": "1"}),
            "template",
        ),
        (audit_of({"dtype": "bfloat16"}), "number_format"),
        (audit_of(items={"p": "x", "q": "other"}), "questions"),
        (audit_of(config={"suite": "full"}), "settings"),
        (audit_of(identity={"weights": "a" * 64, "tokenizer": "b" * 64, "code": "2"}), "program"),
        (audit_of(tool_version="9"), "program"),
    ],
)
def test_each_part_changes_alone(now: AuditResult, name: str) -> None:
    assert fates(audit_of(), now) == {name: "changed"}
    assert fates(now, audit_of()) == {name: "changed"}


def test_weights_that_nobody_can_see_are_unknown_unless_the_name_is_another() -> None:
    def server(**facts: Any) -> AuditResult:
        hidden = {"weights_sha256": None, "source": "https://example.org/v1", **facts}
        return audit_of(hidden, identity={"weights": "unknown", "tokenizer": "unknown", "template": "unknown"})

    assert part(server(), server(), "weights").fate == "unknown"
    assert part(server(), server(source="https://example.org/v2"), "weights").fate == "changed"
    assert part(server(revision="1"), server(revision="2"), "weights").fate == "changed"
    assert part(server(revision="1"), server(revision="1"), "weights").fate == "unknown"
    assert fates(server(), server())["template"] == "unknown"


def test_results_of_before_there_was_an_identity_are_read_by_their_facts() -> None:
    assert fates(audit_of(identity={}), audit_of(identity={})) == {}
    assert fates(audit_of(identity={}), audit_of({"weights_sha256": "c" * 64}, identity={})) == {"weights": "changed"}


def test_settings_are_named_with_both_values_and_the_card_does_not_count() -> None:
    then = audit_of(config={"run": {"seed": 0, "workers": 1}, "card": {"owner": "A"}, "gates": {}})
    now = audit_of(config={"run": {"seed": 1, "workers": 9}, "card": {"owner": "B"}, "gates": {}, "suite": "full"})
    assert part(then, now, "settings").details == ("run.seed: 0 → 1", "suite: – → full")


def test_many_settings_are_cut_short() -> None:
    details = part(audit_of(config={}), audit_of(config={f"k{i:02}": i for i in range(50)}), "settings").details
    assert len(details) == 13
    assert details[-1] == "… (38)"


def test_questions_of_one_probe_and_of_all_that_both_have() -> None:
    then, now = audit_of(items={"p": "x", "q": "y", "gone": "z"}), audit_of(items={"p": "x", "q": "z", "new": "z"})
    assert questions_changed(then, now).details == ("q",)
    assert questions_changed(then, now, "p").fate == "same"
    assert questions_changed(then, now, "q").fate == "changed"
    assert questions_changed(then, now, "gone").fate == "unknown"
    assert questions_changed(audit_of(items={}), now).fate == "unknown"


def test_a_table_has_no_tokenizer() -> None:
    table: dict[str, Any] = {"kind": "tabular", "tokenizer_sha256": None, "dtype": None}
    parts = [c.part for c in what_changed(audit_of(table), audit_of(table))]
    assert parts == ["weights", "questions", "settings", "program"]
