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
    if not memory.MappedFiles().hold(found):
        pytest.skip("weights are not mapped from their file here")
    return found


def test_what_is_set_aside_is_not_in_memory_and_comes_back(table: torch.Tensor) -> None:
    total = float(table.double().sum())
    before = resident()
    assert memory.MappedFiles().set_aside(table)
    assert resident() < before - 3 * LARGE
    assert float(table.double().sum()) == total


def test_what_was_written_to_stays(table: torch.Tensor) -> None:
    """As by an adapter that was merged into the weights; of the same file nothing is let go any more."""
    table[5] = -1.0
    files = memory.MappedFiles()
    assert files.hold(table)
    assert not files.set_aside(table)
    assert not files.set_aside(table[LARGE // 2 :])
    assert float(table[5]) == -1.0


def test_weights_in_a_hubs_cache(tmp_path: Path, table: torch.Tensor) -> None:
    """There model.safetensors is a link to a file without such an ending."""
    (tmp_path / "blobs").mkdir()
    (tmp_path / "model.safetensors").rename(tmp_path / "blobs" / "6a1f")
    (tmp_path / "model.safetensors").symlink_to(tmp_path / "blobs" / "6a1f")
    found = load_file(tmp_path / "model.safetensors")["table"]
    assert float(found.double().sum()) == float(table.double().sum())
    before = resident()
    assert memory.MappedFiles().set_aside(found)
    assert resident() < before - 3 * LARGE


HEAD = "7f00000{}000-7f00000{}000 rw-p 00000000 fe:00 123 {}"
NUMBERS = ["Rss:     8 kB", "Anonymous:   {} kB", "Swap:    {} kB", "VmFlags: rd wr mr"]


@pytest.mark.parametrize(("anonymous", "swapped"), [(0, 0), (4, 0), (0, 4)])
def test_pages_that_were_written_are_seen_in_memory_and_on_disk(anonymous: int, swapped: int) -> None:
    heap = [HEAD.format(1, 2, "[heap]"), NUMBERS[1].format(9), NUMBERS[2].format(9)]
    own = [
        HEAD.format(3, 4, "/w/my model.bin"),
        NUMBERS[0],
        NUMBERS[1].format(anonymous),
        NUMBERS[2].format(swapped),
        NUMBERS[3],
    ]
    unnamed = ["7f000005000-7f000006000 rw-p 00000000 00:00 0 ", NUMBERS[1].format(9)]
    expected = memory._Mapping(0x7F000003000, 0x7F000004000, bool(anonymous or swapped))
    for lines in ([*heap, *own, *unnamed], [*own, *heap], own):
        assert list(memory._mappings(lines)) == [expected]


def test_what_lies_in_no_file_is_left_alone(table: torch.Tensor) -> None:
    own = table.clone()
    files = memory.MappedFiles()
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
    if not memory.give_back(0):
        pytest.skip("this system's C library cannot be told to return memory")
    assert not memory.give_back(1 << 40)


@pytest.mark.parametrize("missing", ["malloc_trim", "mallinfo2"])
def test_a_c_library_without_such_calls(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    call = memory._call
    monkeypatch.setattr(memory, "_call", lambda name: None if name == missing else call(name))
    assert memory.give_back(0) is False


def test_systems_that_cannot_let_go_or_do_not_tell_where_files_lie(
    table: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(memory, "_call", lambda name: None)
        assert not memory.MappedFiles().set_aside(table)
    monkeypatch.setattr(memory, "_SMAPS", Path("/nowhere/smaps"))
    assert not memory.MappedFiles().hold(table)
    assert not memory.MappedFiles().set_aside(table)
