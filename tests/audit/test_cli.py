"""The command: what it prints, what it exits with, and one sentence for each mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest
import yaml
from huggingface_hub.errors import LocalEntryNotFoundError
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

import audit.api
import audit.cli
import audit.custom
import audit.models.source
import audit.opening
from audit.models.scripted import ScriptedModel
from audit.results import Finding, write_result
from probes.base import Probe
from probes.registry import ProbeError, find_probes
from tests.audit.shell import Command, Done, entry_point
from tests.audit.support import Tiny, catalogue_of, measurement, result_of, tiny

ROOT = Path(__file__).parents[2]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with a cache of its own, out of reach of a CI system's files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FAIRWITNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def command(place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """The entry point itself, as the shell calls it, but in this process."""

    return entry_point(monkeypatch, capfd)


def planted(monkeypatch: pytest.MonkeyPatch, *probes: type[Probe]) -> None:
    """A scripted model, and these probes instead of the installed ones."""
    monkeypatch.setattr(audit.opening, "open_model", lambda *_: ScriptedModel())
    for module in (audit.api, audit.cli, audit.custom):
        monkeypatch.setattr(module, "find_probes", lambda: catalogue_of(*probes))


@pytest.fixture
def tiny_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, Tiny)


def write(place: Path, **blocks: Any) -> None:
    (place / "model.yaml").write_text(yaml.safe_dump({"model": {"source": "script"}, **blocks}))


# Whole audits.


@pytest.mark.usefixtures("tiny_probes")
def test_run_prints_the_paths_at_the_end(place: Path, command: Command) -> None:
    write(place, gates={"tiny.rate.rate": {"at_most": 0.5}})
    done = command("run", "model.yaml", "--output", "out")
    assert done.status == 0
    assert done.out.splitlines()[-3:] == [
        "The gate is met.",
        f"Card:   {Path('out', 'card.html')}",
        f"Report: {Path('out', 'report.html')}",
    ]
    assert "gate tiny.rate.rate: met. The whole interval" in done.out
    assert "The rate was 0.0." in done.out
    assert "100/100" in done.err
    for name in ("card.html", "report.html", "summary.md", "junit.xml", "audit.sarif", "modelcard.md", "manifest.json"):
        assert (place / "out" / name).stat().st_size > 0


@pytest.mark.usefixtures("tiny_probes")
def test_default_folder_is_below_audits(place: Path, command: Command) -> None:
    write(place)
    done = command("run", "model.yaml", "--limit", "2")
    (folder,) = (place / "audits").iterdir()
    assert folder.name.startswith("scripted-2")
    assert f"Card:   audits/{folder.name}/card.html" in done.out


def test_run_with_the_installed_probes(place: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit.opening, "open_model", lambda *_: ScriptedModel())
    write(place)
    picked = ["--probe", "misinformation.claims", "--probe", "bias.counterfactual"]
    done = command("run", "model.yaml", *picked, "--limit", "2", "--seed", "3", "--suite", "quick", "--output", "o")
    assert done.status == 0
    result = json.loads((place / "o" / "result.json").read_text())
    assert [(p["id"], p["status"], p["items"]) for p in result["probes"]] == [
        ("bias.counterfactual", "done", 2),
        ("misinformation.claims", "done", 2),
    ]
    assert result["manifest"]["seed"] == 3
    assert result["manifest"]["suite"] == "quick"


@pytest.mark.usefixtures("tiny_probes")
def test_json_is_all_that_is_printed(place: Path, command: Command) -> None:
    write(place, gates={"tiny.rate.rate": {"at_most": 0.5}})
    done = command("run", "model.yaml", "--output", "out", "--json")
    told = json.loads(done.out)
    assert done.err == ""
    verdict = {key: told["verdict"][key] for key in ("status", "exit_status", "text")}
    assert verdict == {"status": "met", "exit_status": 0, "text": "The gate is met."}
    assert told["verdict"]["coverage"]["planned"] == told["verdict"]["coverage"]["scored"] == 100
    assert told["folder"] == "out"
    assert Path(told["card"]).is_file()
    assert Path(told["report"]).is_file()
    assert told["gates"][0]["verdict"] == "met"
    assert told["findings"] == [
        {"id": "tiny.rate.rate", "outlook": "unclear", "severity": "none", "text": "The rate was 0.0."}
    ]


@pytest.mark.usefixtures("tiny_probes")
def test_quiet_prints_nothing(place: Path, command: Command) -> None:
    write(place)
    assert command("run", "model.yaml", "--output", "out", "--quiet") == Done(0, "", "")


def boom(*_: object) -> NoReturn:
    raise RuntimeError("on purpose")


@pytest.mark.parametrize(
    ("successes", "threshold", "inconclusive", "broken", "status", "word"),
    [
        (0, 0.5, "fail", False, 0, "The gate is met."),
        (90, 0.5, "warn", False, 1, "0 of 1 gates met, 1 not met"),
        (90, 0.5, "fail", True, 1, "bad.probe failed"),
        (0, 0.5, "warn", True, 3, "The audit is incomplete: bad.probe failed."),
        (50, 0.5, "fail", True, 3, "The audit is incomplete: bad.probe failed."),
        (50, 0.5, "fail", False, 4, "1 not established"),
        (50, 0.5, "warn", False, 0, "1 not established"),
    ],
)
def test_exit_status_says_what_became_of_the_gates(
    successes: int,
    threshold: float,
    inconclusive: str,
    broken: bool,
    status: int,
    word: str,
    place: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    planted(monkeypatch, *([tiny("bad.probe", measure=boom)] if broken else []), Tiny)
    write(
        place,
        probes={"tiny.rate": {"successes": successes}, **({"bad.probe": {}} if broken else {})},
        gates={"tiny.rate.rate": {"at_most": threshold}},
        run={"on_inconclusive": inconclusive},
    )
    done = command("run", "model.yaml", "--output", "out")
    assert done.status == status
    assert "Traceback" not in done.err
    assert word in done.out
    assert ("bad.probe: failed. RuntimeError: on purpose" in done.out) == broken
    assert json.loads((place / "out" / "result.json").read_text())["verdict"]["exit_status"] == status
    assert (place / "out" / "card.html").is_file(), "reports are drawn whatever the verdict"


@pytest.mark.usefixtures("tiny_probes")
@pytest.mark.parametrize("mode", ["--quiet", "--json"])
def test_exit_status_is_the_same_without_words(mode: str, place: Path, command: Command) -> None:
    write(place, probes={"tiny.rate": {"successes": 90}}, gates={"tiny.rate.rate": {"at_most": 0.5}})
    done = command("run", "model.yaml", "--output", "out", mode)
    assert (done.status, done.err) == (1, "")
    assert (done.out == "") == (mode == "--quiet")


@pytest.mark.usefixtures("tiny_probes")
def test_gate_against_a_baseline(place: Path, command: Command) -> None:
    gates = {"tiny.rate.rate": {"no_worse_than_baseline": 0.05}}
    write(place, probes={"tiny.rate": {"successes": 10}}, gates=gates, run={"on_inconclusive": "fail"})
    assert command("run", "model.yaml", "--output", "old").status == 4
    write(place, probes={"tiny.rate": {"successes": 90}}, gates=gates, run={"on_inconclusive": "fail"})
    assert command("run", "model.yaml", "--output", "new", "--baseline", "old").status == 1
    write(place, probes={"tiny.rate": {"successes": 0}}, gates=gates, run={"on_inconclusive": "fail"})
    assert command("run", "model.yaml", "--output", "new", "--baseline", "old/result.json").status == 0


@pytest.mark.usefixtures("tiny_probes")
def test_a_baseline_file_is_made_and_compared_with(place: Path, command: Command) -> None:
    gates = {"tiny.rate.rate": {"no_worse_than_baseline": 0.3}}
    write(place, probes={"tiny.rate": {"successes": 10}}, gates=gates, run={"on_inconclusive": "fail"})
    assert command("run", "model.yaml", "--output", "old").status == 4
    done = command("baseline", "old")
    assert done.status == 0
    assert done.out.startswith("Wrote baseline.json: ")
    assert command("run", "model.yaml", "--output", "new", "--baseline", "baseline.json").status == 0
    manifest = json.loads((place / "new" / "manifest.json").read_text())
    assert manifest["baseline"]["audit_id"] == json.loads((place / "old" / "manifest.json").read_text())["audit_id"]


@pytest.mark.usefixtures("tiny_probes")
def test_a_baseline_of_what_is_not_there(place: Path, command: Command) -> None:
    write(place, probes={"tiny.rate": {"successes": 10}})
    assert command("run", "model.yaml", "--output", "old").status == 0
    for options, why in (
        (("--probe", "a.b"), "The result has no probe a.b."),
        (("--metric", "tiny.rate.x"), "The result has no metric tiny.rate.x."),
        (("--output", "old"), "old is a folder; name a file."),
    ):
        done = command("baseline", "old", *options)
        assert (done.status, done.err.strip()) == (2, why)
    assert command("baseline", "nowhere").status == 2
    assert not (place / "baseline.json").exists()


@pytest.mark.usefixtures("tiny_probes")
def test_summary_is_added_to_the_page_of_a_ci_job(
    place: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(place)
    page = place / "summary of the job.md"
    page.write_text("Earlier step.\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    assert command("run", "model.yaml", "--output", "out", "--quiet").status == 0
    summary = (place / "out" / "summary.md").read_text()
    assert page.read_text() == f"Earlier step.\n{summary}"
    command("run", "model.yaml", "--output", "out", "--json")
    assert page.read_text().startswith(f"Earlier step.\n{summary}")
    assert len(page.read_text()) > 1.9 * len(summary)


@pytest.mark.usefixtures("tiny_probes")
def test_resume_and_a_finished_audit(place: Path, command: Command) -> None:
    write(place)
    assert command("run", "model.yaml", "--quiet", "--resume").status == 0
    assert command("run", "model.yaml", "--quiet", "--resume").status == 0
    assert len(list((place / "audits").iterdir())) == 2


class Marked(Tiny):
    """A finding with what rich reads as markup."""

    def finding(self, measured: Any) -> Finding:
        return super().finding(measured).model_copy(update={"values": {"share": "[red]1[/red] :smile: [/b] [link=x]"}})


def test_markup_in_a_finding_is_text(place: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, Marked)
    write(place)
    done = command("run", "model.yaml", "--output", "out")
    assert done.status == 0
    assert "[red]1[/red]" in done.out
    assert "[/b] [link=x]" in " ".join(done.out.split())


def test_backslash_and_markup_in_a_finding_is_text(
    place: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def finding(self: Tiny, measured: Any) -> Finding:
        return Tiny.finding(self, measured).model_copy(update={"values": {"share": r"\[/b] \[red]x"}})

    planted(monkeypatch, tiny("tiny.rate", finding=finding))
    write(place)
    done = command("run", "model.yaml", "--output", "out")
    assert done.status == 0
    assert r"\[/b] \[red]x" in done.out


# Mistakes: exit status 2 and one sentence each.


def text_gguf(place: Path) -> None:
    (place / "m.gguf").write_text("This is a diary, not a model. " * 10)
    write(place, model={"source": "m.gguf"})


def truncated_gguf(place: Path) -> None:
    (place / "m.gguf").write_bytes(b"GGUF" + (3).to_bytes(4, "little") + bytes(40))
    write(place, model={"source": "m.gguf"})


def folder_without_config(place: Path) -> None:
    (place / "m").mkdir()
    (place / "m" / "notes.txt").write_text("x")
    write(place, model={"source": "./m"})


def pickled_folder(place: Path) -> None:
    folder_without_config(place)
    (place / "m" / "config.json").write_text("{}")
    (place / "m" / "pytorch_model.bin").write_bytes(b"\x80\x04")


def truncated_safetensors(place: Path) -> None:
    words = Tokenizer(WordLevel({"<u>": 0, "a": 1, "b": 2}, unk_token="<u>"))
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<u>", eos_token="<u>").save_pretrained(place / "m")
    config = GPT2Config(vocab_size=3, n_embd=8, n_layer=1, n_head=1, n_positions=16, bos_token_id=0, eos_token_id=0)
    GPT2LMHeadModel(config).save_pretrained(place / "m")
    weights = place / "m" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-200])
    write(place, model={"source": "./m"})


def not_on_the_hub(place: Path) -> None:
    write(place, model={"source": "nobody/nothing"})


def plain(**blocks: Any) -> Callable[[Path], None]:
    return lambda place: write(place, **blocks)


def text(content: str) -> Callable[[Path], None]:
    def made(place: Path) -> None:
        (place / "model.yaml").write_text(content)

    return made


def result_folder(place: Path) -> None:
    write(place)
    write_result(place / "r", result_of(measurement()), {})


RUN = ("run", "model.yaml")
MISTAKES: dict[str, tuple[Callable[[Path], None], Sequence[str], str]] = {
    "missing file": (plain(), ("run", "missing.yaml"), "missing.yaml: there is no such file"),
    "folder as file": (plain(), ("run", "."), "this is a folder, not a file"),
    "not YAML": (text("model: {source: [}\n"), RUN, "model.yaml:1:"),
    "not text": (lambda p: (p / "model.yaml").write_bytes(b"\xff\xfe\x81"), RUN, "model.yaml"),
    "empty file": (text(""), RUN, "model.yaml"),
    "wrong type": (plain(run={"seed": "one"}), RUN, "run.seed must be a whole number"),
    "unknown key": (plain(model={"source": "x", "sorce": "y"}), RUN, 'unknown key "sorce"'),
    "unknown key with a suggestion": (plain(gate={}), RUN, 'did you mean "gates"?'),
    "unknown probe": (plain(probes={"bias.counterfactul": {}}), RUN, 'did you mean "bias.counterfactual"?'),
    "unknown option": (plain(probes={"bias.counterfactual": {"axis": 1}}), RUN, 'did you mean "axes"?'),
    "unknown metric": (
        plain(gates={"misinformation.claims.flip_rat": {"at_most": 1}}),
        RUN,
        'did you mean "misinformation.claims.flip_rate"?',
    ),
    "unknown probe asked for": (plain(), (*RUN, "--probe", "bias.bias"), "Unknown probe bias.bias; there are bias."),
    "bad budget": (
        plain(),
        (*RUN, "--budget", "soon"),
        "The budget cannot be read: a time is written as 90s, 10m or 1h30m, or as a number of seconds from 1 on, not as "
        '"soon".',
    ),
    "bad suite": (plain(), (*RUN, "--suite", "huge"), "Unknown suite huge; choose quick, standard or full."),
    "bad device": (plain(), (*RUN, "--device", "gpu"), "Unknown device gpu; choose auto, cpu, cuda, cuda:N or mps."),
    "bad device number": (plain(), (*RUN, "--device", "cpu:1"), "Unknown device cpu:1"),
    "missing data folder": (plain(), (*RUN, "--data", "nowhere"), "The data folder nowhere does not exist."),
    "data is a file": (plain(), (*RUN, "--data", "model.yaml"), "The data folder model.yaml does not exist."),
    "missing baseline": (plain(), (*RUN, "--baseline", "nowhere"), "nowhere is not a result folder or a baseline file"),
    "bad baseline": (plain(), (*RUN, "--baseline", "model.yaml"), "model.yaml is not readable JSON"),
    "file not found": (plain(model={"source": "./nothing"}), RUN, "The model ./nothing was not found"),
    "gguf not found": (plain(model={"source": "a/b.gguf"}), RUN, "The model a/b.gguf was not found"),
    "package not found": (plain(model={"source": "package:no_such/x.gguf"}), RUN, "no_such is not installed"),
    "hub id not found": (not_on_the_hub, RUN, "nobody/nothing was not found on the hub"),
    "endpoint with an adapter": (
        plain(model={"source": "https://example.org/v1", "adapter": "a/b"}),
        RUN,
        "https://example.org/v1 is an endpoint, of which no adapter can be chosen from here; leave model.adapter out.",
    ),
    "endpoint that is not there": (
        plain(model={"source": "http://127.0.0.1:1/v1", "endpoint": {"retries": 0}}),  # nothing listens at port 1
        RUN,
        "http://127.0.0.1:1/v1 gives no answer; check the address, and that the server runs",
    ),
    "text file named gguf": (text_gguf, RUN, "m.gguf is not a model"),
    "truncated gguf": (truncated_gguf, RUN, "m.gguf could not be read as a GGUF model; the file may be truncated"),
    "folder without config": (folder_without_config, RUN, "./m is not a model: the folder has no config.json."),
    "pickled weights": (pickled_folder, RUN, "loading them can run code"),
    "truncated safetensors": (truncated_safetensors, RUN, "./m could not be opened as a causal language model"),
    "other task": (plain(model={"source": "x", "task": "tabular"}), RUN, "x is no table; task tabular takes"),
    "validate a missing file": (plain(), ("validate", "missing.yaml"), "missing.yaml: there is no such file"),
    "validate a mistake": (plain(suit="quick"), ("validate", "model.yaml"), 'did you mean "suite"?'),
    "unknown language": (result_folder, ("report", "r", "--lang", "xx"), "There is no text in xx; there is "),
    "no language": (result_folder, ("report", "r", "--lang", ","), "Name a language after --lang; there is "),
    "report on nothing": (plain(), ("report", "nowhere"), "nowhere is not a result folder: it has no result.json."),
    "report on a folder": (folder_without_config, ("report", "m"), "m is not a result folder"),
    "report on a file": (plain(), ("report", "model.yaml"), "model.yaml is not readable JSON"),
    "compare one": (result_folder, ("compare", "r"), "Give at least two results to compare."),
    "compare with nothing": (result_folder, ("compare", "r", "nowhere"), "nowhere is not a result folder"),
    "init over a file": (
        plain(),
        ("init", "model.yaml"),
        "model.yaml exists already; --force overwrites it, --impact adds",
    ),
    "unknown schema": (plain(), ("schema", "card"), "There is no schema of card; choose config, result or probe."),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_one_sentence(name: str, place: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> NoReturn:
        raise LocalEntryNotFoundError("There is no connection.")

    monkeypatch.setattr(audit.models.source, "snapshot_download", offline)
    make, arguments, told = MISTAKES[name]
    make(place)
    done = command(*arguments)
    assert done.status == 2
    assert done.out == ""
    told_lines = [line for line in done.told if not line.startswith("Opening ")]
    assert len(told_lines) == 1, done.err
    assert told in told_lines[0]
    assert "Traceback" not in done.err
    assert not (place / "audits").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run", "model.yaml", "--limit", "0"], "--limit"),
        (["run", "model.yaml", "--limit", "many"], "--limit"),
        (["run", "model.yaml", "--seed", "-1"], "--seed"),
        (["run", "model.yaml", "--nothing"], "--nothing"),
        (["run"], "FILE"),
        (["compare"], "RESULT"),
        (["nothing"], "nothing"),
    ],
    ids=str,
)
def test_wrong_use_of_the_command(arguments: list[str], told: str, place: Path, command: Command) -> None:
    write(place)
    done = command(*arguments)
    assert done.status == 2
    assert done.out == ""
    assert told in done.err
    assert "Usage: " in done.err
    assert "Traceback" not in done.err


def test_every_mistake_of_a_file_is_told_with_its_line(place: Path, command: Command) -> None:
    (place / "model.yaml").write_text(
        "model:\n  source: x\n  devise: cpu\nsuite: quik\nprobes:\n  bias.nothing: {}\n"
        "gates:\n  misinformation.claims.flip_rate: {at_most: high}\nrun: {confidence: 2}\n"
    )
    for verb in ("run", "validate"):
        done = command(verb, "model.yaml")
        assert done.status == 2
        assert [line.split(":")[1] for line in done.told] == ["3", "4", "6", "8", "9"]


@pytest.mark.usefixtures("tiny_probes")
@pytest.mark.parametrize("arguments", [["run", "model.yaml", "--output", "model.yaml"], ["init", "--force", "."]])
def test_output_that_cannot_be_written_is_a_mistake_of_the_user(
    arguments: list[str], place: Path, command: Command
) -> None:
    write(place)
    done = command(*arguments)
    assert done.status == 2
    assert "Traceback" not in done.err


def test_broken_probe_of_another_package_is_one_sentence(
    place: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> NoReturn:
        raise ProbeError("The probe x (y:Z) cannot be imported: No module named 'y'")

    for module in (audit.cli, audit.custom):
        monkeypatch.setattr(module, "find_probes", broken)
    write(place)
    for arguments in (["run", "model.yaml"], ["validate", "model.yaml"], ["probes"], ["schema"]):
        done = command(*arguments)
        assert (done.status, done.told) == (2, ["The probe x (y:Z) cannot be imported: No module named 'y'"])


# What goes wrong that is nobody's mistake.


@pytest.mark.usefixtures("tiny_probes")
def test_cache_that_cannot_be_used(place: Path, command: Command) -> None:
    write(place)
    (place / "cache").write_text("a file where the cache's folder should be")
    done = command("run", "model.yaml", "--quiet")
    assert done.status == 3
    assert len(done.told) == 1
    assert done.told[0].startswith("The audit could not be completed: The cache ")


@pytest.mark.parametrize(
    ("error", "last"),
    [
        (
            OSError(28, "No space left on device"),
            "The audit could not be completed: [Errno 28] No space left on device",
        ),
        (ValueError("surprise"), "The audit could not be completed: this is an error in the program, shown above."),
        (RecursionError(), "The audit could not be completed: this is an error in the program, shown above."),
    ],
    ids=str,
)
def test_unexpected_error_is_not_a_gate_that_was_not_met(
    error: Exception, last: str, place: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> NoReturn:
        raise error

    monkeypatch.setattr(audit.cli, "run", fails)
    write(place)
    done = command("run", "model.yaml")
    assert done.status == 3
    assert done.told[-1] == last
    assert ("Traceback" in done.err) == (not isinstance(error, OSError))


def test_stop_from_the_keyboard(place: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def stops(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(audit.cli, "run", stops)
    write(place)
    done = command("run", "model.yaml")
    assert done.status == 3
    assert "--resume" in done.err


@pytest.mark.parametrize("code", [None, 0, 1, "bye"])
def test_code_that_ends_the_program_is_no_pass(
    code: Any, place: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as that of a model; what a probe does is told as its failure."""

    def leaves(*_: object, **__: object) -> NoReturn:
        raise SystemExit(code)

    monkeypatch.setattr(audit.cli, "run", leaves)
    write(place)
    done = command("run", "model.yaml")
    assert done.status == 3
    assert done.told == [f"The audit could not be completed: code that it ran ended the program ({code})."]


def test_closed_pipe_is_not_a_gate_that_was_not_met(
    place: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(*_: object, **__: object) -> NoReturn:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(audit.cli, "tell", closed)
    planted(monkeypatch, Tiny)
    write(place)
    assert command("run", "model.yaml", "--output", "out").status != 1


# The other commands.


def test_init_then_validate(place: Path, command: Command) -> None:
    done = command("init")
    assert (done.status, done.err) == (0, "")
    assert done.out == "Wrote model.yaml. Next: audit run model.yaml\n"
    assert command("validate", "model.yaml") == Done(0, "model.yaml is valid.\n", "")
    before = (place / "model.yaml").read_bytes()
    assert command("init").status == 2
    assert (place / "model.yaml").read_bytes() == before
    (place / "model.yaml").write_text("mine")
    assert command("init", "--force").status == 0
    assert (place / "model.yaml").read_bytes() == before


def test_init_elsewhere_with_a_source(place: Path, command: Command) -> None:
    assert command("init", "new/folder/my.yaml", "--source", 'odd: "name" # x').status == 0
    assert yaml.safe_load((place / "new/folder/my.yaml").read_text())["model"]["source"] == 'odd: "name" # x'
    assert command("validate", "new/folder/my.yaml").status == 0


def test_probes_as_json(command: Command) -> None:
    done = command("probes", "--json")
    rows = json.loads(done.out)
    assert (done.status, done.err) == (0, "")
    assert [row["id"] for row in rows] == sorted(find_probes())
    for row in rows:
        assert {"id", "purpose", "capability", "method", "source", "licence"} <= row.keys()
        assert all(row[name] for name in row)
        assert all(metric.startswith(row["id"] + ".") for metric in row["metrics"])


def test_probes_as_text(command: Command) -> None:
    done = command("probes")
    assert (done.status, done.err) == (0, "")
    for name, probe in find_probes().items():
        assert f"{name}  {', '.join(sorted(probe.capabilities))}\n" in done.out
        assert probe.licence in done.out


@pytest.mark.usefixtures("tiny_probes")
@pytest.mark.parametrize("name", ["model.yaml", "my.yaml", "sub/other.yml"])
def test_report_draws_the_same_again(name: str, place: Path, command: Command) -> None:
    write(place)
    (place / "sub").mkdir()
    if name != "model.yaml":
        (place / "model.yaml").rename(place / name)
    command("run", name, "--output", "out", "--limit", "20")
    before = {p.name: p.read_bytes() for p in (place / "out").iterdir() if p.is_file()}
    for file in ("card.html", "report.html", "summary.md", "junit.xml", "audit.sarif", "modelcard.md"):
        (place / "out" / file).unlink()
    done = command("report", "out")
    assert (done.status, done.err) == (0, "")
    assert done.out == "Card:   out/card.html\nReport: out/report.html\n"
    assert {p.name: p.read_bytes() for p in (place / "out").iterdir() if p.is_file()} == before


@pytest.mark.usefixtures("tiny_probes")
def test_compare_marks_what_differs(place: Path, command: Command) -> None:
    for folder, successes in (("old", 10), ("new", 90), ("same", 10)):
        write(place, probes={"tiny.rate": {"successes": successes}})
        command("run", "model.yaml", "--output", folder, "--quiet")
    done = command("compare", "old", "new", "same")
    assert (done.status, done.err) == (0, "")
    assert done.out.count("0.900 (0.826 to 0.945)  *") == 1
    assert done.out.count("0.100 (0.055 to 0.174)") == 2
    assert "* differs from A (95%, corrected for the number of comparisons, 2)" in done.out
    (row,) = json.loads(command("compare", "old", "new", "same", "--json").out)
    assert row["metric"] == "tiny.rate.rate"
    assert row["differs_from_first"] == [True, False]
    assert [found["value"] for found in row["results"]] == [0.1, 0.9, 0.1]


@pytest.mark.parametrize("of", ["config", "result"])
def test_schema_parses(of: str, command: Command) -> None:
    done = command("schema", of)
    assert (done.status, done.err) == (0, "")
    schema = json.loads(done.out)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert ("gates" if of == "config" else "measurements") in schema["properties"]
    if of == "config":
        assert all(f'"{name}"' in done.out for name in find_probes())
        assert command("schema").out == done.out


# From the shell. Slow, for each is a process of its own that imports everything.


@pytest.mark.slow
def test_from_the_shell(tmp_path: Path) -> None:
    text_gguf(tmp_path)
    environment = {**os.environ, "FAIRWITNESS_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)}
    command = [str(Path(sys.executable).with_name("audit")), "run", "model.yaml", "--quiet"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "m.gguf is not a model: it does not begin as a GGUF file does.\n"


@pytest.mark.slow
@pytest.mark.parametrize("module", ["audit", "audit.cli"])
def test_from_the_shell_by_module(module: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", "-m", module, "run", "missing.yaml"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "missing.yaml: there is no such file\n")
