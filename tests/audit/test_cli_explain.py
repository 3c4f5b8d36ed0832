"""``audit explain``: what it prints, its page, its exit status, and one sentence for each mistake."""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path

import pytest
import yaml

import audit.opening
from audit.cli import main
from audit.models import Capability
from audit.models.scripted import ALL, ScriptedModel
from audit.results import Record, write_records, write_result
from probes.asked import stated
from tests.audit.shell import Command, entry_point
from tests.audit.support import measurement, result_of
from tests.audit.test_explaining import TEXT, weighed

ASKED = ("explain", "model.yaml", "--prompt", TEXT, "--answer", "yes", "--raw")


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """The entry point as the shell calls it, in a folder with a model.yaml, whose model is scripted."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FAIRWITNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(audit.opening, "open_model", lambda *_: ScriptedModel(weighed))
    (tmp_path / "model.yaml").write_text(yaml.safe_dump({"model": {"source": "script"}}))

    return entry_point(monkeypatch, capfd)


def test_the_sentence_comes_first_then_the_strongest_words(command: Command) -> None:
    done = command(*ASKED, "--instead", "no")
    lines = done.out.splitlines()
    assert done.status == 0
    assert lines[0] == "Why “yes” rather than “no”?"
    assert lines[1].startswith("The marked words hold up: ")
    assert re.search(
        r"mattered more to the answer than \d+ of 200 random choices of as many words \(p = 0\.0", lines[1]
    )
    assert [line.split() for line in lines[3:7]] == [
        ["2", "three", "+", "towards", "+4.000"],
        ["6", "seven", "+", "towards", "+2.000"],
        ["4", "five", "-", "away", "-1.500"],
        ["9", "ten", "+", "towards", "+1.000"],
    ]
    assert "log p of the answer 3.500, of the other answer -3.000 (5%), f +6.500 (nats)" in lines
    assert lines[-1].startswith("Gain over random orders: +")
    assert "\x1b" not in done.out


def test_warnings_stand_before_the_words(command: Command) -> None:
    done = command(
        "explain", "model.yaml", "--prompt", "one two five six seven eight", "--answer", "no", "--instead", "yes"
    )
    lines = done.out.splitlines()
    assert lines[2].startswith("Warning: The model prefers “yes”")


@pytest.mark.parametrize(
    ("score", "told"),
    [
        (-1.0, "All scores are zero: no explanation found."),
        (math.nan, "No explanation. The script gave no finite number."),
    ],
)
def test_without_an_explanation_no_words_are_listed(
    command: Command, monkeypatch: pytest.MonkeyPatch, score: float, told: str
) -> None:
    monkeypatch.setattr(audit.opening, "open_model", lambda *_: ScriptedModel(lambda prompt, answer: score))
    done = command(*ASKED)
    assert done.status == 0
    assert told in done.out
    assert "Position" not in done.out


def test_json_is_all_that_is_printed(command: Command) -> None:
    done = command(*ASKED, "--instead", "no", "--json", "--seed", "3")
    told = json.loads(done.out)
    assert (done.status, done.err) == (0, "")
    assert told["units"] == TEXT.split()
    assert told["scores"][2] == pytest.approx(4.0)
    assert (told["f"], told["seed"], told["verdict"], told["preferred"]) == (pytest.approx(6.5), 3, "supported", True)
    assert told["test"]["p"] == pytest.approx((1 + told["test"]["at_least"]) / 201)


def test_the_page_holds_the_words_and_the_attention(command: Command, tmp_path: Path) -> None:
    done = command(*ASKED, "--instead", "no", "--output", "sub/page.html")
    page = (tmp_path / "sub" / "page.html").read_text(encoding="utf-8")
    assert done.out.splitlines()[-1] == "Page: sub/page.html"
    assert 'class="token plus-5"' in page
    assert 'id="attention-viewer"' in page
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!#|data:)""", page)


def test_a_model_without_attention_gets_a_page_without(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blind = ScriptedModel(weighed, capabilities=ALL - {Capability.ATTENTION})
    monkeypatch.setattr(audit.opening, "open_model", lambda *_: blind)
    assert command(*ASKED, "--output", "page.html").status == 0
    assert 'id="attention-viewer"' not in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.fixture
def place(tmp_path: Path) -> str:
    """Where the records of a result lie."""
    result = result_of(measurement())
    write_result(tmp_path / "r", result, {})
    common = {"probe": result.probes[0].id, "item": "i", "source": "s", "cluster": "c", "input": TEXT}
    records = [Record(id="a/b", asked=stated(TEXT, " yes", " no"), **common), Record(id="none", **common)]
    write_records(tmp_path / "r", result.probes[0].id, records)
    return f"r/{result.probes[0].id}"


def test_a_record_of_an_audit(command: Command, place: str) -> None:
    by_record = command("explain", "model.yaml", "--record", f"{place}/a/b", "--json")
    by_hand = command(*ASKED, "--instead", "no", "--json")
    assert by_record.status == 0
    assert json.loads(by_record.out) == json.loads(by_hand.out)


def test_a_record_that_keeps_no_decision(command: Command, place: str) -> None:
    done = command("explain", "model.yaml", "--record", f"{place}/none")
    assert (done.status, done.out) == (2, "")
    assert "keeps no decision that could be explained" in done.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--prompt", "x"), "Give --answer, or --record."),
        (("--answer", "x"), "Give --prompt, or --record."),
        (("--prompt", " ", "--answer", "x"), "The prompt is empty"),
        (("--prompt", "x", "--answer", ""), "The answer is empty"),
        (("--prompt", "x", "--answer", "y", "--instead", "y"), "are the same"),
        (("--prompt", "x", "--answer", "y", "--method", "guess"), "Unknown method guess; choose leave_one_out,"),
        (("--prompt", "x", "--answer", "y", "--method", "saliency"), "needs gradients"),
        (("--prompt", "x", "--answer", "y", "--unit", "page"), "Unknown unit page; choose word, token or segment."),
        (("--prompt", "x", "--answer", "y", "--device", "gpu"), "Unknown device gpu"),
        (("--prompt", "x", "--answer", "y", "--output", "."), "The output . is a folder; name a file."),
        (("--record", "r/p/x", "--raw"), "The record says what was asked: leave out --chat/--raw, or --record."),
        (("--record", "r/p/x"), "r/p/x lies in no result folder; write RESULT/PROBE/RECORD-ID."),
    ],
)
def test_mistake_is_one_sentence(command: Command, arguments: tuple[str, ...], told: str) -> None:
    done = command("explain", "model.yaml", *arguments)
    lines = [line for line in done.err.splitlines() if line.strip() and not line.startswith("Opening ")]
    assert (done.status, done.out, len(lines)) == (2, "", 1), done
    assert told in lines[0]


def test_a_table_has_no_text_to_explain(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.csv").write_text("group,y_true,y_pred\na,1,1\nb,0,1\n")
    (tmp_path / "table.yaml").write_text(yaml.safe_dump({"model": {"source": "p.csv", "sensitive": ["group"]}}))
    monkeypatch.setattr(sys, "argv", ["audit", "explain", "table.yaml", "--prompt", "x", "--answer", "y"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2


def test_what_the_model_fails_at_is_told_apart(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(ScriptedModel):
        def attribute(self, requests: object) -> list[object]:  # type: ignore[override]
            raise RuntimeError("the cable is loose")

    monkeypatch.setattr(audit.opening, "open_model", lambda *_: Broken(weighed))
    done = command(*ASKED)
    assert done.status == 3
    assert "the cable is loose" in done.err
    assert "Traceback" not in done.err


def test_a_page_that_cannot_be_written_does_not_lose_the_explanation(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = command(*ASKED, "--output", str(tmp_path / "file" / "page.html"))
    assert done.status == 2
    assert "The marked words hold up: " in done.out
    assert re.search(r"The page \S+ cannot be written: \w", done.err)
