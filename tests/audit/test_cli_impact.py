"""``audit init --impact``: questions, and a file that is whole or as it was."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
import yaml

from audit.config import load_config
from audit.declared import QUESTIONS
from tests.audit.shell import Command, entry_point

MINE = "# mine\nmodel: {source: x/y} # keep\ncard:\n  owner: me\n  copyright: none used\nsuite: quick\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def command(place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    return entry_point(monkeypatch, capfd, "init", "--impact")


def typed(monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{answer}\n" for answer in answers)))


def test_a_new_file_holds_the_answers_and_is_valid(
    place: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, "the web", "", *[f"  answer: {n} \x1b[A # no " for n in range(len(QUESTIONS) - 2)])
    done = command("--source", "a/b")
    assert (done.status, done.err) == (0, "")
    assert "Wrote 22 of 23 answers to model.yaml; the card says what is missing." in done.out
    assert [done.out.index(question) for question, _ in QUESTIONS.values()] == sorted(
        done.out.index(question) for question, _ in QUESTIONS.values()
    )
    config = load_config(place / "model.yaml", {})
    assert config.model.source == "a/b"
    assert (config.card.data_provenance, config.card.data_sovereignty) == ("the web", None)
    assert config.card.impact is not None
    assert config.card.impact.legal_basis == "answer: 20 [A # no"
    assert "# What allows this use?\n    legal_basis:" in (place / "model.yaml").read_text(encoding="utf-8")


def test_a_file_that_is_there_is_added_to_and_asked_only_what_it_lacks(
    place: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "model.yaml").write_text(MINE)
    typed(monkeypatch, "a web crawl")  # the input ends here: the rest is skipped
    done = command()
    assert (done.status, done.err) == (0, "")
    assert QUESTIONS["copyright"][0] not in done.out
    text = (place / "model.yaml").read_text()
    added = '  # Where do the training data come from?\n  data_provenance: "a web crawl"\n'
    assert text == MINE.replace("suite:", f"{added}suite:")
    typed(monkeypatch, *["x"] * 30)
    assert "Wrote 21 of 21 answers" in command().out
    assert "answers every question already; nothing was changed" in command().out


@pytest.mark.parametrize("arguments", [(), ("--force",)])
def test_stopped_in_the_middle_nothing_is_written(
    place: Path, command: Command, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    class Impatient(io.StringIO):
        def readline(self, *_: object) -> str:
            if self.tell():
                raise KeyboardInterrupt
            return super().readline()

    for before in (None, MINE):
        if before is not None:
            (place / "model.yaml").write_text(before)
        monkeypatch.setattr(sys, "stdin", Impatient("one\ntwo\n"))
        done = command(*arguments)
        assert (done.status, done.told) == (3, ["Stopped. Nothing was written."])
        assert {path.name for path in place.iterdir()} == ({"model.yaml"} if before else set())
        assert before is None or (place / "model.yaml").read_text() == before


def test_no_answers(place: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "model.yaml").write_text(MINE)
    typed(monkeypatch, *[""] * 30)
    assert "No answers, so model.yaml is as it was." in command().out
    assert (place / "model.yaml").read_text() == MINE
    typed(monkeypatch)
    assert command("new.yaml").status == 0
    assert load_config(place / "new.yaml", {}).card.impact is None


def test_answers_are_printed_where_the_card_cannot_be_added_to(
    place: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "model: {source: x/y}\ncard: {owner: me}\n"
    (place / "model.yaml").write_text(text)
    typed(monkeypatch, "the web")
    done = command()
    assert done.status == 0
    assert (place / "model.yaml").read_text() == text
    block = done.out[done.out.index("card:\n") :]
    assert yaml.safe_load(block) == {"card": {"data_provenance": "the web"}}


def test_a_file_with_mistakes_is_told_before_anything_is_asked(
    place: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "model.yaml").write_text("modle: x\n")
    typed(monkeypatch, "x")
    done = command()
    assert (done.status, done.out) == (2, "")
    assert 'unknown key "modle"' in done.err


def test_force_begins_anew(place: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "model.yaml").write_text(MINE)
    typed(monkeypatch, "the web")
    assert command("--force").status == 0
    config = load_config(place / "model.yaml", {})
    assert (config.card.owner, config.card.data_provenance) == (None, "the web")


def test_the_mode_and_a_link_are_kept(place: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "real.yaml").write_text(MINE)
    (place / "real.yaml").chmod(0o600)
    (place / "model.yaml").symlink_to("real.yaml")
    typed(monkeypatch, "the web")
    assert command().status == 0
    assert (place / "model.yaml").is_symlink()
    assert (place / "real.yaml").stat().st_mode & 0o777 == 0o600
    assert "the web" in (place / "real.yaml").read_text()


def test_validate_tells_of_evidence_that_does_not_match(
    place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (place / "proof.pdf").write_text("changed since")
    evidence = f"{{file: proof.pdf, sha256: '{'0' * 64}'}}"
    (place / "model.yaml").write_text(f"model: {{source: x/y}}\ncard: {{owner: {{text: me, evidence: {evidence}}}}}\n")
    done = entry_point(monkeypatch, capfd)("validate", "model.yaml")
    assert (done.status, done.out) == (0, "model.yaml is valid.\n")
    assert done.err.startswith("card.owner: proof.pdf does not have the SHA-256 that is declared for it")
