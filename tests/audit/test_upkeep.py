"""What is kept on a machine, and what a clean-up removes: that and nothing else."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from audit.cache import DAY, ResponseCache
from audit.cli import main
from audit.models import Request, Score, Scored
from audit.upkeep import Kept, inventory, remove, select

NOW = 1_700_000_000
ONE, TWO, WEIGHTS = "1" * 64, "2" * 64, "abcdef" + "0" * 58
SCORED = Scored(-1.0, 1, True)


@dataclass
class Place:
    """A cache folder and the time there."""

    folder: Path
    moment: int = NOW

    def add(self, model: str, name: str, count: int, age: int, weights: str | None = None) -> list[Request]:
        """Answers of a model that were last used so many days ago."""
        before, self.moment = self.moment, NOW - age * DAY
        requests: list[Request] = [Score(f"{name} {age} {i}", " yes") for i in range(count)]
        with ResponseCache(self.folder / "responses.sqlite", model, name, weights) as cache:
            cache.put([(request, SCORED) for request in requests])
        self.moment = before
        return requests

    def convert(self, key: str, finished: bool = True) -> Path:
        """A folder as a conversion leaves it."""
        path = self.folder / "models" / key
        path.mkdir(parents=True)
        (path / "model.safetensors").write_bytes(bytes(1000))
        if finished:
            (path / "fairwitness.json").write_text(json.dumps({"file": "tiny.gguf", "licence": None}))
        return path

    def left(self, model: str, requests: list[Request]) -> int:
        """How many of the answers are still there."""
        with ResponseCache(self.folder / "responses.sqlite", model) as cache:
            return len(cache.get(requests))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    made = Place(tmp_path / "cache")
    made.folder.mkdir()
    monkeypatch.setattr("audit.cache.time.time", lambda: made.moment)
    monkeypatch.setattr("audit.commands.cache.time.time", lambda: made.moment)
    monkeypatch.setenv("FAIRWITNESS_CACHE", str(made.folder))
    monkeypatch.setenv("COLUMNS", "160")
    return made


def by_key(kept: list[Kept]) -> dict[str, Kept]:
    return {k.key: k for k in kept}


def test_nothing_is_kept_and_nothing_is_made(place: Place) -> None:
    assert inventory(place.folder) == []
    assert inventory(place.folder / "missing") == []
    assert list(place.folder.iterdir()) == []


def test_each_thing_is_listed_with_name_count_size_and_times(place: Place) -> None:
    place.add(ONE, "first model", 3, age=10)
    place.add(ONE, "first model", 2, age=4, weights=WEIGHTS)
    place.add(TWO, "second model", 1, age=0)
    converted = place.convert(WEIGHTS)
    place.convert(".converting-ab12", finished=False)
    found = by_key(inventory(place.folder))
    assert set(found) == {ONE, TWO, WEIGHTS, ".converting-ab12"}
    one = found[ONE]
    assert (one.kind, one.name, one.count, one.weights) == ("answers", "first model", 5, WEIGHTS)
    assert (one.first_used, one.last_used) == (NOW - 10 * DAY, NOW - 4 * DAY)
    body = '["Scored", {"logprob": -1.0, "tokens": 1, "greedy": true}]'
    assert one.size == 5 * len(body)
    assert (found[WEIGHTS].kind, found[WEIGHTS].name) == ("converted model", "tiny.gguf")
    assert found[WEIGHTS].size == sum(f.stat().st_size for f in converted.iterdir())
    assert found[".converting-ab12"].kind == "unfinished conversion"


def test_answers_without_a_name_are_listed(place: Place) -> None:
    place.add(ONE, "", 1, age=0)
    with closing(sqlite3.connect(place.folder / "responses.sqlite")) as connection, connection:
        connection.execute("DELETE FROM models")
    (kept,) = inventory(place.folder)
    assert (kept.name, kept.first_used) == ("unknown", None)


def test_folders_of_others_are_never_listed(place: Place, tmp_path: Path) -> None:
    for name in ("notes", "a" * 63, "g" * 64):
        place.convert(name)
    outside = tmp_path / "mine"
    outside.mkdir()
    (place.folder / "models" / ("c" * 64)).symlink_to(outside)
    (place.folder / "benchmarks").symlink_to(outside)
    assert inventory(place.folder) == []


def test_removing_by_age_takes_the_old_answers_only(place: Place) -> None:
    old, new = place.add(ONE, "m", 3, age=40), place.add(ONE, "m", 2, age=5)
    before = NOW - 30 * DAY
    chosen = select(place.folder, before)
    assert [(k.key, k.count) for k in chosen] == [(ONE, 3)]
    assert remove(place.folder, chosen, before)
    assert (place.left(ONE, old), place.left(ONE, new)) == (0, 2)
    assert select(place.folder, before) == []


def test_what_was_read_lately_is_not_old(place: Place) -> None:
    old = place.add(ONE, "m", 3, age=40)
    place.left(ONE, old[:1])
    assert [k.count for k in select(place.folder, NOW - 30 * DAY)] == [2]


def test_removing_a_model_takes_its_answers_and_its_conversion(place: Place) -> None:
    one, two = place.add(ONE, "m", 3, age=0, weights=WEIGHTS), place.add(TWO, "n", 2, age=0)
    path = place.convert(WEIGHTS)
    chosen = select(place.folder, model=WEIGHTS[:6])
    assert {k.key for k in chosen} == {ONE, WEIGHTS}
    remove(place.folder, chosen)
    assert not path.exists()
    assert (place.left(ONE, one), place.left(TWO, two)) == (0, 2)
    assert {k.key for k in inventory(place.folder)} == {TWO}


def test_answers_of_single_runs_go_with_their_model(place: Place) -> None:
    runs = [ONE + "2026-01-01T00:00:00Z", ONE + "2026-02-02T00:00:00Z"]
    for run in runs:
        place.add(run, "endpoint", 1, age=0)
    assert sorted(k.key for k in select(place.folder, model=ONE[:8])) == runs


def test_hash_must_fit_one_model(place: Place) -> None:
    place.add("a" * 63 + "1", "m", 1, age=0)
    place.add("a" * 63 + "2", "n", 1, age=0)
    with pytest.raises(ValueError, match="fits more than one model"):
        select(place.folder, model="a" * 10)
    for wrong in ("a" * 5, "b" * 10, "", "%"):
        with pytest.raises(ValueError, match="Nothing is kept of a model"):
            select(place.folder, model=wrong)
    assert [k.name for k in select(place.folder, model="a" * 63 + "2")] == ["n"]


def test_space_is_given_back(place: Place) -> None:
    place.add(ONE, "m" * 300, 5000, age=0)
    file = place.folder / "responses.sqlite"
    before = file.stat().st_size
    assert remove(place.folder, select(place.folder))
    assert before > 1_000_000
    assert file.stat().st_size < before / 20
    assert not (place.folder / "responses.sqlite-wal").exists()


def test_an_audit_at_work_keeps_working(place: Place) -> None:
    request, other = Score("a", "b"), Score("c", "d")
    with ResponseCache(place.folder / "responses.sqlite", ONE, "m") as cache:
        cache.put([(request, SCORED)])
        remove(place.folder, select(place.folder))
        assert cache.get([request]) == {}
        cache.put([(other, SCORED)])
        assert cache.get([other]) == {other: SCORED}
    assert [(k.name, k.count) for k in inventory(place.folder)] == [("m", 1)]


def test_space_that_cannot_be_given_back_is_said(place: Place, command: Command) -> None:
    place.add(ONE, "m", 100, age=0)
    with closing(sqlite3.connect(place.folder / "responses.sqlite")) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM responses").fetchone()
        status, out, _ = command("--prune", "--all", "--yes")
    assert status == 0
    assert "not given back yet" in out
    assert inventory(place.folder) == []


def test_damaged_file_is_listed_and_goes_with_all(place: Place) -> None:
    file = place.folder / "responses.sqlite"
    file.write_text("This is a diary. " * 100)
    converted = place.convert(WEIGHTS)
    kept = inventory(place.folder)
    assert [k.kind for k in kept] == ["damaged answers", "converted model"]
    assert "cannot be used" in kept[0].name
    remove(place.folder, select(place.folder))
    assert not file.exists()
    assert not converted.exists()


# The command.

Command = Callable[..., tuple[object, str, str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """``audit cache`` as the shell calls it, but in this process."""

    def called(*arguments: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["audit", "cache", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capfd.readouterr()
        return stop.value.code or 0, out, err

    return called


def test_command_shows_and_removes_nothing(place: Place, command: Command) -> None:
    requests = place.add(ONE, "[red]model", 1234, age=3)
    status, out, _ = command()
    assert status == 0
    for said in ("[red]model", ONE[:12], "1,234", "2023-11-11", str(place.folder)):
        assert said in out
    status, out, _ = command("--prune", "--all")
    assert "Would be removed, with --yes: " in out
    assert place.left(ONE, requests) == 1234


def test_command_removes_with_yes(place: Place, command: Command) -> None:
    old, new = place.add(ONE, "m", 3, age=40), place.add(TWO, "n", 2, age=5)
    status, out, _ = command("--prune", "--older-than", "30", "--yes")
    assert status == 0
    assert "Removed: 0.2 kB" in out
    assert ONE[:12] in out
    assert TWO[:12] not in out
    assert (place.left(ONE, old), place.left(TWO, new)) == (0, 2)
    assert "Removed: nothing" in command("--prune", "--older-than", "30", "--yes")[1]


def test_command_as_json(place: Place, command: Command) -> None:
    place.add(ONE, "m", 3, age=40)
    shown = json.loads(command("--json")[1])
    assert set(shown) == {"folder", "bytes", "kept"}
    assert [(k["key"], k["count"], k["kind"]) for k in shown["kept"]] == [(ONE, 3, "answers")]
    planned = json.loads(command("--prune", "--all", "--json")[1])
    assert (planned["removed"], len(planned["kept"])) == (False, 1)
    done = json.loads(command("--prune", "--all", "--yes", "--json")[1])
    assert (done["removed"], done["space_given_back"]) == (True, True)
    assert json.loads(command("--json")[1])["kept"] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--prune"], "Say what to remove"),
        (["--yes"], "go with --prune"),
        (["--all"], "go with --prune"),
        (["--model", "123456"], "go with --prune"),
        (["--prune", "--all", "--older-than", "3"], "--all removes everything"),
        (["--prune", "--model", "123456"], "Nothing is kept of a model"),
    ],
)
def test_wrong_use_is_one_sentence(arguments: list[str], said: str, place: Place, command: Command) -> None:
    status, out, err = command(*arguments)
    assert (status, out) == (2, "")
    assert said in err
    assert len(err.strip().splitlines()) == 1
