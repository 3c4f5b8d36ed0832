"""How much memory work needs: what it took at most, and how the system gets back what is not in use.

Memory that was freed stays with the process until the C library is told to return it, and pages of a file that were read
once stay with it as well. Both can be given back without anything being lost; where a system has no such calls (they are
those of Linux and its usual C library), nothing is done.
"""

from __future__ import annotations

import ctypes
import mmap
import re
import resource
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_RESET = Path("/proc/self/clear_refs")  # Linux: writing 5 sets the process's high-water mark to what is in use now
_STATUS = Path("/proc/self/status")
_highest = 0


def highest() -> int:
    """Most resident memory of this process so far, in bytes, also before a mark was set back."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return max(_highest, int(peak if sys.platform == "darwin" else peak * 1024))


def begin(device: torch.device) -> bool:
    """Set the mark back to what is in use now; whether that can be done here."""
    global _highest
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return True
    before = highest()
    try:
        _RESET.write_text("5")
    except OSError:
        return False
    _highest = before
    return device.type == "cpu"


def most(device: torch.device) -> int | None:
    """Bytes in use at most since ``begin``, the model's own among them; None where the system does not tell."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    found = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return 1024 * found[0] if found else None


HELD = 64 << 20  # freed bytes that stay with the process: giving them back to ask for them again costs time as well
_PAGE = mmap.PAGESIZE
_SMAPS = Path("/proc/self/smaps")
_MAPPING = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \d+ +(/.*)$")


class _Heap(ctypes.Structure):
    """The C library's ``struct mallinfo2``; ``fordblks`` is what was freed and is still held."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    ]  # fmt: skip


def give_back(held: int = HELD) -> bool:
    """Return freed memory to the system where more than ``held`` bytes of it are kept; whether that was done."""
    trim, info = _call("malloc_trim"), _call("mallinfo2")
    if trim is None or info is None:
        return False
    info.restype = _Heap
    if info().fordblks <= held:
        return False
    trim(ctypes.c_size_t(0))
    return True


@dataclass(frozen=True)
class _Mapping:
    """Addresses from ``start`` to ``end`` that show a file; ``written``: whether some of it was written to, in memory only."""

    start: int
    end: int
    written: bool


class MappedFiles:
    """Where files lie in the memory of this process at the moment; nowhere where a system does not tell."""

    def __init__(self) -> None:
        try:
            lines = _SMAPS.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
        self._mappings = list(_mappings(lines))

    def hold(self, tensor: Tensor) -> bool:
        """Whether a tensor lies in a file, as weights do that were loaded in the format of their file."""
        return self._of(tensor) is not None

    def set_aside(self, tensor: Tensor) -> bool:
        """Let go of the pages of a tensor; where they are needed they are mapped again, from the system's copy of the file.

        Returns:
            Whether they were let go: not where the tensor lies in no file, or in one whose pages were written to (as by
            an adapter that was merged), because these would be lost.
        """
        mapping, advise = self._of(tensor), _call("madvise")
        if mapping is None or mapping.written or advise is None:
            return False
        start, end = _place(tensor)
        first, last = -(-start // _PAGE) * _PAGE, end // _PAGE * _PAGE
        if first >= last:
            return False
        return bool(advise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), mmap.MADV_DONTNEED) == 0)

    def _of(self, tensor: Tensor) -> _Mapping | None:
        if tensor.device.type != "cpu":
            return None
        start, end = _place(tensor)
        return next((m for m in self._mappings if m.start <= start < end <= m.end), None)


def _mappings(lines: Iterable[str]) -> Iterator[_Mapping]:
    place: tuple[int, int] | None = None
    written = False
    for line in lines:
        name, _, rest = line.partition(":")
        if name in ("Anonymous", "Swap"):
            written = written or rest.split()[0] != "0"
        elif "-" in line.split(" ", 1)[0]:  # the next mapping begins
            if place:
                yield _Mapping(*place, written)
            found = _MAPPING.match(line)
            place, written = (int(found[1], 16), int(found[2], 16)) if found else None, False
    if place:
        yield _Mapping(*place, written)


def _place(tensor: Tensor) -> tuple[int, int]:
    start = tensor.data_ptr()
    return start, start + tensor.numel() * tensor.element_size()


def _call(name: str) -> Any:
    """A function of the C library; None where it has none of that name."""
    try:
        return getattr(ctypes.CDLL(None), name, None)
    except (OSError, TypeError):
        return None  # Windows
