"""``audit doctor``: it says what is wrong and what to do, tells no secret, and works where much is broken."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

import audit.checkup
from audit.checkup import Wrong, environment, extra_state, import_error, packages_wrong
from audit.extras import EXTRAS
from audit.models.machine import machine
from probes.registry import ProbeError
from tests.audit.shell import Command, entry_point


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, and no way out of the machine."""

    def closed(*_: object, **__: object) -> NoReturn:
        raise AssertionError("something is asked of a network")

    monkeypatch.setattr(socket.socket, "connect", closed)
    monkeypatch.setenv("FAIRWITNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(audit.checkup, "find_probes", lambda: {"a.b": None})
    return tmp_path


@pytest.fixture
def command(place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    return entry_point(monkeypatch, capfd, "doctor")


def test_a_machine_that_can_audit(command: Command, place: Path) -> None:
    done = command()
    assert (done.status, done.err) == (0, "")
    for part in ("torch", "Device", "Cache", str(place / "cache"), "1 probes", *EXTRAS):
        assert part.replace(" ", "") in "".join(done.out.split())
    assert done.out.endswith("Audits can run here.\n")
    assert not (place / "cache").exists(), "looking leaves nothing behind"


def test_a_path_is_on_one_line_to_be_copied(command: Command, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = place / "folder with spaces [red]" / ("x" * 120)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FAIRWITNESS_CACHE", str(long))
    out = command().out
    assert f"Cache        {long} (" in out
    assert str(long)[:200] in out.split("Environment")[1]
    assert "FAIRWITNESS_HASH_KEY, OPENAI_API_KEY, HF_TOKEN" in out


def test_json_holds_the_same(command: Command) -> None:
    told = json.loads(command("--json").out)
    assert told["can_audit"] is True
    assert told["machine"]["torch"] == machine().torch
    assert told["machine"]["used"] in ("cpu", "cuda", "mps")
    assert {e["name"] for e in told["extras"]} == EXTRAS.keys()
    assert all(e["adds"] and e["command"] == f'pip install "fairwitness[{e["name"]}]"' for e in told["extras"])


def test_no_secret_is_told(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FAIRWITNESS_HASH_KEY", "OPENAI_API_KEY", "HF_TOKEN", "https_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://user:geheim@proxy")
    for arguments in ([], ["--json"]):
        out = command(*arguments).out
        assert "geheim" not in out
        assert "HTTPS_PROXY" in out
    told = json.loads(command("--json").out)["environment"]
    assert {told[name] for name in ("FAIRWITNESS_HASH_KEY", "OPENAI_API_KEY", "HF_TOKEN", "HTTPS_PROXY")} == {"set"}


def test_variables_are_shown_in_printable_characters() -> None:
    told = environment({"HF_HOME": "\x1b[31mred\n" + "x" * 500, "HF_HUB_OFFLINE": ""})
    assert "\x1b" not in str(told["HF_HOME"])
    assert "\n" not in str(told["HF_HOME"])
    assert len(str(told["HF_HOME"])) < 300
    assert told["HF_HUB_OFFLINE"] is None


def test_absent_and_half_installed_extras(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    assert extra_state("lora", try_import=True) == extra_state("lora", try_import=False)
    assert not extra_state("lora", try_import=False).installed
    monkeypatch.delitem(sys.modules, "skops", raising=False)
    module = type(sys)("skops")  # without a spec, as a stub that something left behind
    module.__spec__ = None
    monkeypatch.setitem(sys.modules, "skops", module)
    assert not extra_state("sklearn", try_import=False).installed


def test_a_broken_extra_is_told_and_breaks_nothing(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "skops.py").write_text("raise ImportError('libodd.so.1: no such file')")
    monkeypatch.syspath_prepend(str(tmp_path / "path"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))
    monkeypatch.delitem(sys.modules, "skops", raising=False)
    assert command().status == 0, "it is not imported unless asked for"
    monkeypatch.setattr(audit.checkup, "EXTRAS", {"sklearn": EXTRAS["sklearn"]})
    done = command("--try-imports")
    assert done.status == 0
    assert "The extra sklearn is installed but cannot be imported: ImportError: libodd.so.1: no such file" in done.out


def test_a_module_that_ends_the_process_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "abrupt.py").write_text("import os; os._exit(7)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert import_error("abrupt") == "it ended with status 7."
    assert import_error("json") is None


def test_packages_that_are_absent_or_too_old() -> None:
    assert packages_wrong(["numpy>=2.0", "peft>=99; extra == 'lora'", "numpy; python_version < '3'"]) == []
    (absent,) = packages_wrong(["no-such-package>=1"])
    assert absent.fatal
    assert "no-such-package is missing" in absent.text
    (old,) = packages_wrong(["numpy>=999"])
    assert old.fatal
    assert 'pip install "numpy>=999"' in old.text


def broken_torch(*_: object) -> NoReturn:
    raise OSError("libcudart.so.13: cannot open shared object file\nand more")


def broken_probe() -> NoReturn:
    raise ProbeError("The probe x (y:Z) cannot be imported: No module named 'y'")


def cache_is_a_file(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "cache").write_text("")


@pytest.mark.parametrize(
    ("breaks", "told"),
    [
        (
            lambda _, m: m.setattr("audit.models.machine.machine", broken_torch),
            "torch cannot be used (OSError: libcudart.so.13: cannot open shared object file).",
        ),
        (lambda _, m: m.setattr(audit.checkup, "find_probes", broken_probe), "No module named 'y'"),
        (cache_is_a_file, "cannot be written (Not a directory)"),
        (lambda _, m: m.setattr(audit.checkup, "requires_of_ours", lambda: ["odd>=1"]), "The package odd is missing"),
    ],
    ids=["torch", "probe", "cache", "package"],
)
def test_what_keeps_audits_from_running(
    breaks: Callable[[Path, pytest.MonkeyPatch], Any],
    told: str,
    place: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    breaks(place, monkeypatch)
    done = command()
    assert done.status == 3
    assert "Traceback" not in done.out + done.err
    assert f"Wrong: {told}" in done.out or any(
        line.startswith("Wrong: ") and told in line for line in done.out.splitlines()
    )
    assert "No audit can run here" in done.out


def test_little_memory_and_disk_and_no_demo_model_are_notes(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit.checkup, "SMALL_MEMORY", 1 << 60)
    monkeypatch.setattr(audit.checkup, "SMALL_DISK", 1 << 60)
    monkeypatch.setattr(audit.checkup, "DEMO", "no_such_package")
    done = command()
    assert done.status == 0
    for part in ("GB of memory; take small models", "GB of disk are free for the cache", "The demo model is not here"):
        assert any(line.startswith("Note: ") and part in line for line in done.out.splitlines())


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_that_may_not_be_written(place: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "locked").mkdir(mode=0o500)
    monkeypatch.setenv("FAIRWITNESS_CACHE", str(place / "locked"))
    assert command().status == 3


def test_wrong_is_fatal_only_where_it_says_so() -> None:
    assert not Wrong("x").fatal
