"""Choosing where to run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from audit.models.base import ModelError
from audit.models.loading import choose_device
from tests.audit.models.tiny import open_folder


def machine(monkeypatch: pytest.MonkeyPatch, cuda: bool = False, mps: bool = False) -> None:
    """A machine with these devices."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: int(cuda))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cuda", "mps", "taken"), [(False, False, "cpu"), (False, True, "mps"), (True, False, "cuda"), (True, True, "cuda")]
)
def test_auto_takes_the_fastest(monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, taken: str) -> None:
    machine(monkeypatch, cuda, mps)
    assert choose_device("auto").type == taken
    assert choose_device("cpu").type == "cpu"


@pytest.mark.parametrize("wanted", ["cuda", "cuda:0", "mps"])
def test_a_device_that_is_absent(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    machine(monkeypatch)
    with pytest.raises(ModelError) as raised:
        choose_device(wanted)
    assert str(raised.value) == f"This machine has no {wanted[:4].strip(':')} device; use device: auto or cpu."


def test_opening_on_an_absent_device(monkeypatch: pytest.MonkeyPatch, llama_folder: Path) -> None:
    machine(monkeypatch)
    with pytest.raises(ModelError, match="no cuda device"):
        open_folder(llama_folder, device="cuda")


@pytest.mark.parametrize("wanted", ["banana", "", "cuda:7"])
def test_a_device_that_does_not_exist(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    machine(monkeypatch, cuda=True)
    with pytest.raises(ModelError):
        choose_device(wanted)


def test_a_number_format_that_does_not_exist(llama_folder: Path) -> None:
    with pytest.raises(ModelError):
        open_folder(llama_folder, dtype="float31")
