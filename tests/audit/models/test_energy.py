"""codecarbon as it is used here: no network, no file, nothing said, no thread left; and what its descriptions mean."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from audit.models import Spent
from audit.models.energy import CodeCarbonMeter, grid_intensity, metered, source_of

pytest.importorskip("codecarbon")


def test_nothing_is_sent_written_said_or_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Also where a settings file of codecarbon's asks for it."""

    def refuse(*_: object, **__: object) -> Any:
        raise AssertionError("the network was asked")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.chdir(tmp_path)
    settings = "[codecarbon]\nsave_to_api=true\nsave_to_file=true\nelectricitymaps_api_token=x\nlog_level=debug\n"
    (tmp_path / ".codecarbon.config").write_text(settings, encoding="utf-8")
    before = set(threading.enumerate())
    meter = CodeCarbonMeter()
    found = meter.stop()
    assert found.seconds > 0
    assert dict(found.sources).keys() == dict(found.joules).keys()
    assert "memory" in dict(found.joules)
    assert set(threading.enumerate()) <= before
    assert [p.name for p in tmp_path.iterdir()] == [".codecarbon.config"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("description", "part", "how"),
    [
        ("CPU(Intel Rapl)", "processor", "measured (RAPL"),
        ("CPU(Windows Emi)", "processor", "measured (RAPL, through Windows"),
        ("CPU(Cpu Load)", "processor", "estimated"),
        ("CPU(AMD EPYC > 85W [generic])", "processor", "estimated"),
        ("RAM()", "memory", "estimated"),
        ("GPU(0 x NVIDIA A100)", "graphics card", "measured (NVML"),
        ("AppleSiliconChip (Apple M2 > GPU)", "graphics card", "measured (powermetrics"),
        ("AppleSiliconChip (Apple M2 > CPU)", "processor", "measured (powermetrics"),
    ],
)
def test_what_is_measured_and_what_is_estimated(description: str, part: str, how: str) -> None:
    found = source_of(description)
    assert found[0] == part
    assert found[1].startswith(how)


def test_the_electricity_of_countries() -> None:
    korea, france = grid_intensity("KOR"), grid_intensity("FRA")
    assert korea is not None
    assert france is not None
    assert 10 < france < 150 < 300 < korea < 600  # nuclear power against coal and gas
    assert grid_intensity("XXX") is None


class Counted:
    """A meter that counts how often it was started and stopped."""

    started = stopped = 0

    def __init__(self) -> None:
        Counted.started += 1

    def stop(self) -> Spent:
        Counted.stopped += 1
        return Spent(1.0, (("processor", 36.0),), (("processor", "measured"),))


def test_a_meter_is_stopped_once_also_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counted, "started", 0)
    monkeypatch.setattr(Counted, "stopped", 0)
    with metered(Counted) as spent:
        assert spent() == spent()
    with pytest.raises(RuntimeError), metered(Counted):
        raise RuntimeError("on the way")
    assert (Counted.started, Counted.stopped) == (2, 2)
    with metered(None) as spent:
        assert spent() is None


class Broken:
    """A meter that cannot be read."""

    def stop(self) -> Spent:
        raise RuntimeError("no reading")


def broken() -> Broken:
    raise RuntimeError("no meter")


@pytest.mark.parametrize("start", [Broken, broken])
def test_a_broken_meter_takes_no_audit_down(start: Any) -> None:
    with metered(start) as spent:
        assert spent() is None
