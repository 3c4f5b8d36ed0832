"""``audit mitigate``: what it prints and writes, what it exits with, and one sentence for each mistake."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from audit.api import draw
from audit.cli import main
from audit.mitigation.methods import plain
from audit.results import Finding, ResultError, read_mitigation, read_result, write_result
from tests.audit.mitigation.tables import applicants, audited
from tests.audit.support import result_of, without_collecting

Command = Callable[..., tuple[object, str, str]]


@pytest.fixture(scope="module", autouse=True)
def cheap() -> Iterator[None]:
    with without_collecting(), pytest.MonkeyPatch.context() as patch:
        # What a reduction learns is not what these tests are about, and it takes its time.
        patch.setattr("audit.mitigation.tables.reductions", lambda features, found, *_: [plain(features, found)])
        yield


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An audit with a planted gap, made once; each test works on a copy."""
    return audited(tmp_path_factory.mktemp("once"), applicants(many=600, gap=2.0)).folder


@pytest.fixture
def folder(once: Path, tmp_path: Path) -> Path:
    shutil.copytree(once, tmp_path / "result")
    return tmp_path / "result"


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """The entry point itself, as the shell calls it, but in this process."""
    monkeypatch.setenv("COLUMNS", "200")

    def called(*arguments: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["audit", "mitigate", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        return stop.value.code, *capfd.readouterr()

    return called


def test_it_writes_the_page_and_the_card_tells_of_it(folder: Path, command: Command) -> None:
    card = (folder / "card.html").read_text()
    status, out, err = command(str(folder))
    assert status == 0
    assert "Other thresholds for each group" in out
    assert out.splitlines()[-1] == f"Page: {folder / 'mitigation.html'}"
    assert "Trying remedies for gaps by region" in err
    found = read_mitigation(folder)
    assert found is not None
    assert found.audit_id == read_result(folder).manifest.audit_id
    assert len(found.remedies) == 5
    drawn = (folder / "card.html").read_text()
    assert 'href="mitigation.html"' in drawn
    assert 'href="mitigation.html"' not in card


def test_json_is_all_that_is_printed(folder: Path, command: Command) -> None:
    status, out, err = command(str(folder), "--json", "--column", "skill", "--seed", "7")
    assert (status, err) == (0, "")
    told = json.loads(out)
    assert told["seed"] == 7
    assert told["remedies"][-1]["settings"]["columns"] == "skill"


def test_nothing_found_is_one_sentence_and_no_failure(tmp_path: Path, command: Command) -> None:
    rows = applicants(many=600, gap=0.0, seed=4)
    clean = audited(tmp_path, rows, ["region", "y_true", "y_pred"]).folder
    status, out, err = command(str(clean), "--quiet")
    assert (status, out, err) == (0, "", "")
    status, out, _ = command(str(clean))
    assert status == 0
    assert out.splitlines()[0] == (
        "The audit found no problem of bias, so no remedy was tried; --all tries them all the same."
    )
    page = (clean / "mitigation.html").read_text()
    assert "so no remedy was tried" in page
    status, out, _ = command(str(clean), "--all")
    assert status == 0
    assert "not tried: There is no y_score" in out


def test_another_folder_gets_the_page_and_the_result_stays_as_it_was(
    folder: Path, tmp_path: Path, command: Command
) -> None:
    before = sorted(p.name for p in folder.iterdir())
    assert command(str(folder), "--output", str(tmp_path / "else"), "--column", "skill")[0] == 0
    assert sorted(p.name for p in (tmp_path / "else").iterdir()) == ["mitigation.html", "mitigation.json"]
    assert sorted(p.name for p in folder.iterdir()) == before
    assert "card.html" not in (tmp_path / "else" / "mitigation.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "nowhere is not a result folder: it has no result.json."),
        (["RESULT", "--data", "nowhere"], "The data folder nowhere does not exist."),
        (["RESULT", "--output", "RESULT/result.json"], "is a file; name a folder."),
        (["RESULT", "--config", "nowhere.yaml"], "nowhere.yaml"),
        (["RESULT", "--column", "skil"], "has no column skil, which --column names; did you mean skill."),
        (["RESULT", "--column", "region"], "The column region is an outcome, a prediction, a text or a group"),
    ],
)
def test_a_mistake_is_one_sentence(folder: Path, command: Command, arguments: list[str], told: str) -> None:
    status, out, err = command(*(a.replace("RESULT", str(folder)) for a in arguments))
    assert (status, out) == (2, "")
    assert told in err
    assert len(err.strip().splitlines()) == 1


def test_a_broken_file_of_remedies_is_one_sentence(folder: Path) -> None:
    (folder / "mitigation.json").write_text('{"schema_version": "2.0"}')
    with pytest.raises(ResultError, match=r"schema version 2\.0"):
        draw(folder, read_result(folder))


def test_the_config_is_found_again_where_the_table_has_moved(
    folder: Path, once: Path, tmp_path: Path, command: Command
) -> None:
    """The table's path is the manifest's; a config that names another place is taken from --config."""
    moved = tmp_path / "moved.csv"
    shutil.copy(once.parent / "table.csv", moved)
    config = (once.parent / "model.yaml").read_text().replace(str(once.parent / "table.csv"), str(moved))
    (tmp_path / "moved.yaml").write_text(config)
    text = (folder / "result.json").read_text().replace(str(once.parent / "table.csv"), "gone.csv")
    (folder / "result.json").write_text(text)
    assert "gone.csv was not found" in command(str(folder))[1]
    status, out, _ = command(str(folder), "--config", str(tmp_path / "moved.yaml"))
    assert status == 0
    assert "not tried" not in out


def test_a_finding_that_no_remedy_is_for_is_said(tmp_path: Path, command: Command) -> None:
    """A model without a table of cases, and a manifest whose config is of another version."""
    told = Finding(
        id="bias.other.gap", probe="bias.other", risk="bias", outlook="problem_found", severity="high",
        template="A gap.", advice="Look.",
    )  # fmt: skip
    result = result_of(findings=[told])
    write_result(tmp_path, result, {})
    status, out, err = command(str(tmp_path))
    assert (status, out) == (2, "")
    assert "name one with --config" in err
    manifest = result.manifest.model_copy(update={"config": {"model": {"source": "some-model"}}})
    write_result(tmp_path, result.model_copy(update={"manifest": manifest}), {})
    status, out, _ = command(str(tmp_path))
    assert status == 0
    assert out.startswith("There is no remedy here for what the audit found of this kind of model.")
    assert "No remedy was tried for this finding itself." in (tmp_path / "mitigation.html").read_text()
