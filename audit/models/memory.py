"""How much memory a stretch of work needed at most: of the process, or of the graphics card where the model lies there."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import torch

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
