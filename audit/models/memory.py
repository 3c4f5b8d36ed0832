"""How much memory work needs: what it took at most, and how the system gets back what is not in use.

Memory that was freed stays with the process until the C library is told to return it, and pages of a file that were read
once count as the process's own until somebody else wants them. Both can be given back without anything being lost; where
a system has no such calls, nothing is done.
"""

from __future__ import annotations

import ctypes
import resource
import sys
from collections.abc import Iterable
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


HELD = (
    128 << 20
)  # bytes that were freed and not given back: below that, asking for them again costs more than they are worth
_PAGE = 4096
_PAGEOUT = 21  # MADV_PAGEOUT of Linux: pages that are as the file has them are dropped, and read again where needed
_MAPS = Path("/proc/self/maps")


class _Heap(ctypes.Structure):
    """The C library's ``struct mallinfo2``; ``fordblks`` is what was freed and is still held."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in [
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        ]
    ]


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


def set_aside(tensors: Iterable[Tensor]) -> int:
    """Let go of the pages of tensors that lie in a file of weights; they are read again where they are needed.

    Returns:
        The bytes of tensors that lie in files. What was written to since stays in memory.
    """
    advise = _call("madvise")
    places = [(t.data_ptr(), t.data_ptr() + t.numel() * t.element_size()) for t in tensors if t.device.type == "cpu"]
    mapped = _mapped() if advise else []
    bytes_found = 0
    for start, end in places:
        if advise and any(first <= start and end <= last for first, last in mapped):
            bytes_found += end - start
            first = -(-start // _PAGE) * _PAGE
            if end - first >= _PAGE:
                advise(ctypes.c_void_p(first), ctypes.c_size_t((end - first) // _PAGE * _PAGE), _PAGEOUT)
    return bytes_found


def in_file(tensor: Tensor) -> bool:
    """Whether a tensor lies in a file of weights that is mapped into memory."""
    if tensor.device.type != "cpu":
        return False
    start, end = tensor.data_ptr(), tensor.data_ptr() + tensor.numel() * tensor.element_size()
    return any(first <= start and end <= last for first, last in _mapped())


def _mapped() -> list[tuple[int, int]]:
    """Where files of weights lie in memory."""
    try:
        lines = _MAPS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    ranges = [line.split(maxsplit=1)[0].split("-") for line in lines if line.endswith(".safetensors")]
    return [(int(first, 16), int(last, 16)) for first, last in ranges]


def _call(name: str) -> Any:
    """A function of the C library; None where it has none of that name."""
    try:
        return getattr(ctypes.CDLL(None), name, None)
    except (OSError, TypeError):
        return None  # Windows
