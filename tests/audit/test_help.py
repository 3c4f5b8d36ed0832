"""Help and completion: every command, also those that are added later, explains itself on one screen."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from audit.cli import app
from audit.commands import completing
from probes.registry import find_probes
from tests.audit import shell
from tests.audit.shell import entry_point

ROOT = Path(__file__).parents[2]
COLUMNS, LINES = 80, 40
"""A screen: the width of any terminal, and the height of an ordinary window."""
SHORT, FEW_LINES = 7, 24
"""A command with at most so many options and arguments fits the smallest terminal."""


def tree(command: Any, name: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The command and all below it, by what is typed for them."""
    yield name, command
    for below, inner in getattr(command, "commands", {}).items():
        yield from tree(inner, (*name, below))


ALL = dict(tree(typer.main.get_command(app)))
COMMANDS = {name: command for name, command in ALL.items() if not hasattr(command, "commands")}


def screen(*arguments: str, columns: int = COLUMNS) -> list[str]:
    environment = {"COLUMNS": str(columns), "NO_COLOR": "1"}
    done = CliRunner().invoke(app, [*arguments, "--help"], env=environment, prog_name="audit")
    assert done.exit_code == 0
    plain = re.sub(r"\x1b\[[0-9;]*m", "", done.output)  # where a CI system asks for colours
    return [line.rstrip() for line in plain.strip().splitlines()]


def test_the_version_is_told_alone() -> None:
    done = CliRunner().invoke(app, ["--version"], prog_name="audit")
    assert (done.exit_code, done.output) == (0, f"fairwitness {version('fairwitness')}\n")


def test_the_tree_is_found() -> None:
    assert {("run",), ("validate",), ("probes",), ("report",), ("compare",), ("init",)} <= COMMANDS.keys()
    assert () in ALL


@pytest.mark.parametrize("name", ALL, ids=" ".join)
def test_help_fits_a_screen(name: tuple[str, ...]) -> None:
    lines = screen(*name)
    assert max(map(len, lines)) <= COLUMNS
    assert len(lines) <= LINES
    if name and len(ALL[name].params) <= SHORT:
        assert len(lines) <= FEW_LINES


@pytest.mark.parametrize("name", ALL, ids=" ".join)
def test_help_shows_an_example_on_a_line_of_its_own(name: tuple[str, ...]) -> None:
    example = " ".join(("Example: audit", *name))
    assert any(line.strip().startswith(example) for line in screen(*name))


@pytest.mark.parametrize("name", COMMANDS, ids=" ".join)
def test_help_begins_with_a_sentence_that_fits_the_list_of_commands(name: tuple[str, ...]) -> None:
    first = (COMMANDS[name].help or "").strip().split("\n\n")[0]
    assert re.fullmatch(r"[A-Z][^\n]*[.?]", first), first
    assert "Example" not in first
    width = COLUMNS - 6 - max(len(word) for (word, *_) in COMMANDS)
    assert len(first) <= width, f"{first} breaks in two, which makes the list of commands longer than a screen"


@pytest.mark.parametrize("name", ALL, ids=" ".join)
def test_every_option_has_help(name: tuple[str, ...]) -> None:
    for parameter in ALL[name].params:
        text = getattr(parameter, "help", None) or ""
        assert text.strip().endswith((".", "?")), f"{parameter.name}: {text!r}"
        assert len(text) <= 110, "a long explanation belongs to the documentation"


def test_help_names_every_command() -> None:
    lines = screen()
    for name, *_ in COMMANDS:
        assert any(re.search(rf"^\W*{name} ", line) for line in lines)


def test_help_tells_the_default_of_output() -> None:
    assert "audits/<model>-<time>" in " ".join(screen("run"))


def test_options_of_the_contract_are_there() -> None:
    words = "output data probe suite limit baseline seed device resume quiet json"
    there = {name for parameter in COMMANDS["run",].params for name in parameter.opts}
    assert {f"--{word}" for word in words.split()} <= there


def test_an_option_means_the_same_everywhere_in_completion() -> None:
    """Whoever adds a --probe, a --suite or a --device to a command lets the shell complete it."""
    for name, command in COMMANDS.items():
        for parameter in command.params:
            if {"--probe", "--suite", "--device"} & set(parameter.opts):
                assert getattr(parameter, "_custom_shell_complete", None), f"{' '.join(name)} {parameter.opts}"


# Completion.


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> shell.Command:
    return entry_point(monkeypatch, capfd)


def ask(monkeypatch: pytest.MonkeyPatch, kind: str, typed: str) -> None:
    """What the script of that shell sets before it calls the command; the last word of ``typed`` is incomplete."""
    words = typed.split(" ")
    monkeypatch.setenv("_AUDIT_COMPLETE", f"complete_{kind}")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", typed)
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    monkeypatch.setenv("_TYPER_COMPLETE_WORD_TO_COMPLETE", words[-1])


@pytest.mark.parametrize("kind", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("typed", "offered", "others"),
    [
        ("audit ver", ["verify"], ["run"]),
        ("audit run --su", ["--suite"], ["--seed"]),
        ("audit run --suite ", ["quick", "standard", "full"], []),
        ("audit run --probe bias.c", ["bias.counterfactual", "bias.crows_pairs"], ["bias.bbq", "privacy"]),
        ("audit describe hallucination.tr", ["hallucination.truthfulqa"], ["bias"]),
        ("audit describe bias.bbq.am", ["bias.bbq.ambiguous_bias"], ["alignment_gap"]),
    ],
)
def test_shells_complete(
    kind: str,
    typed: str,
    offered: list[str],
    others: list[str],
    command: shell.Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ask(monkeypatch, kind, typed)
    done = command()
    assert done.err == ""
    assert done.status == 0
    for word in offered:
        assert word in done.out
    for word in others:
        assert word not in done.out


@pytest.mark.parametrize("kind", ["bash", "zsh", "fish"])
def test_shells_get_their_script(kind: str, command: shell.Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_AUDIT_COMPLETE", f"source_{kind}")
    done = command()
    assert done.status == 0
    assert "_AUDIT_COMPLETE" in done.out


def test_all_probes_are_offered_and_no_more() -> None:
    assert completing.probe_ids("") == sorted(find_probes())
    assert completing.probe_ids("no.such") == []
    assert completing.metric_names("no.such.probe") == []


def test_metrics_of_each_probe_are_offered() -> None:
    for name, probe in find_probes().items():
        assert completing.metric_names(f"{name}.") == [f"{name}.{metric.name}" for metric in probe.metrics]


def test_completion_and_help_do_not_wait_for_torch() -> None:
    """In a process of its own, as the shell does it: ids of probes, and the help of the largest command."""
    script = """
        import os, sys
        from audit.cli import main
        for argv, complete in ((["audit"], "audit run --probe bias."), (["audit", "run", "--help"], "")):
            os.environ |= {"_AUDIT_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": complete} if complete else {}
            sys.argv = argv
            try:
                main()
            except SystemExit as end:
                assert not end.code
            os.environ.pop("_AUDIT_COMPLETE", None)
        print(sorted({"torch", "transformers", "scipy", "datasets"} & sys.modules.keys()), file=sys.stderr)
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(script)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "bias.counterfactual" in done.stdout
    assert "Example: audit run" in done.stdout
    assert done.stderr == "[]\n"
