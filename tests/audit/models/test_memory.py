"""Memory that goes back to the system, and weights that are read again where they are needed."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from audit.models import memory

LARGE = 16 << 20  # numbers: 64 MB


def resident() -> int:
    """Bytes of this process in memory."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        pytest.skip("this system does not tell how much memory a process has")
    return pages * mmap.PAGESIZE


@pytest.fixture
def table(tmp_path: Path) -> torch.Tensor:
    """A tensor in a file of weights."""
    save_file({"table": torch.arange(LARGE, dtype=torch.float32)}, tmp_path / "model.safetensors")
    found = load_file(tmp_path / "model.safetensors")["table"]
    if not memory.WeightFiles().hold(found):
        pytest.skip("weights are not mapped from their file here")
    return found


def test_what_is_set_aside_is_not_in_memory_and_comes_back(table: torch.Tensor) -> None:
    total = float(table.double().sum())
    before = resident()
    assert memory.WeightFiles().set_aside(table)
    assert resident() < before - 3 * LARGE
    assert float(table.double().sum()) == total


def test_what_was_written_stays(table: torch.Tensor) -> None:
    table[: LARGE // 2] = -1.0
    memory.WeightFiles().set_aside(table)
    assert bool((table[: LARGE // 2] == -1).all())
    assert float(table[-1]) == LARGE - 1


def test_what_lies_in_no_file_is_left_alone(table: torch.Tensor) -> None:
    own = table.clone()
    files = memory.WeightFiles()
    for other in (own, torch.empty(0), torch.empty(3, device="meta"), table[:8]):  # the last less than a page
        assert not files.set_aside(other)
    assert not files.hold(own)
    assert torch.equal(own, table)


def test_freed_memory_goes_back() -> None:
    kept = [torch.ones(1 << 14) for _ in range(4096)]  # 256 MB in pieces that the C library keeps when they are freed
    spacers = [torch.ones(8) for _ in range(16)]
    kept.clear()
    if not memory.give_back(0):
        pytest.skip("this system's C library cannot be told to return memory")
    low = resident()
    held = [torch.ones(1 << 14) for _ in range(4096)]
    spacers.append(torch.ones(8))
    held.clear()
    full = resident()
    if full < low + (64 << 20):
        pytest.skip("the C library returned it by itself")
    assert memory.give_back(32 << 20)
    assert resident() < full - (64 << 20)


def test_little_is_kept_for_the_next_batch() -> None:
    memory.give_back(0)
    assert not memory.give_back(1 << 40)


@pytest.mark.parametrize("missing", ["malloc_trim", "mallinfo2", "madvise"])
def test_other_systems_do_without(missing: str, table: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    call = memory._call
    monkeypatch.setattr(memory, "_call", lambda name: None if name == missing else call(name))
    assert memory.give_back(1 << 40) is False
    if missing == "madvise":
        assert not memory.WeightFiles().set_aside(table)


def test_a_system_that_does_not_tell_where_files_lie(table: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_MAPS", Path("/nowhere/maps"))
    assert not memory.WeightFiles().hold(table)
    assert not memory.WeightFiles().set_aside(table)
