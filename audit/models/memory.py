"""How much memory work needs: what it took at most, and how the system gets back what is not in use.

Memory that was freed stays with the process until the C library is told to return it, and pages of a file that were read
once count as the process's own until somebody else wants them. Both can be given back without anything being lost; where
a system has no such calls, nothing is done.
"""

from __future__ import annotations

import ctypes
import resource
import sys
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
_PAGE = 4096
_PAGEOUT = 21  # MADV_PAGEOUT of Linux: pages that are as the file has them are dropped, and read again where needed
_MAPS = Path("/proc/self/maps")


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


class WeightFiles:
    """The files of weights that lie in the memory of this process when it is made; none where a system does not tell."""

    def __init__(self) -> None:
        try:
            lines = _MAPS.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
        ranges = [line.split(maxsplit=1)[0].split("-") for line in lines if line.endswith(".safetensors")]
        self._ranges = [(int(first, 16), int(last, 16)) for first, last in ranges]
        self._advise = _call("madvise")

    def hold(self, tensor: Tensor) -> bool:
        """Whether a tensor lies in one of them."""
        if tensor.device.type != "cpu":
            return False
        start, end = tensor.data_ptr(), tensor.data_ptr() + tensor.numel() * tensor.element_size()
        return any(first <= start and end <= last for first, last in self._ranges)

    def set_aside(self, tensor: Tensor) -> bool:
        """Let go of the pages of a tensor that lies in a file; they are read again where they are needed.

        What was written to since stays in memory. Returns whether anything may have been let go.
        """
        if tensor.device.type != "cpu":
            return False
        start, end = tensor.data_ptr(), tensor.data_ptr() + tensor.numel() * tensor.element_size()
        first = -(-start // _PAGE) * _PAGE
        size = end // _PAGE * _PAGE - first
        if self._advise is None or size <= 0 or not self.hold(tensor):
            return False
        self._advise(ctypes.c_void_p(first), ctypes.c_size_t(size), _PAGEOUT)
        return True


def _call(name: str) -> Any:
    """A function of the C library; None where it has none of that name."""
    try:
        return getattr(ctypes.CDLL(None), name, None)
    except (OSError, TypeError):
        return None  # Windows
