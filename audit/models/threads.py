"""How many threads torch computes with: float sums, and so last digits, can depend on it."""

from __future__ import annotations

import platform
import re
from functools import cache
from pathlib import Path

import torch


def threads() -> int:
    """Threads of one operation in this process."""
    return int(torch.get_num_threads())


def use_threads(count: int) -> None:
    """Compute with as many threads as another process does."""
    torch.set_num_threads(count)


@cache
def _processor() -> str:
    """Name of the processor, as the system tells it."""
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        told = ""
    found = re.search(r"^model name\s*:\s*(.+)$", told, re.MULTILINE)
    return found.group(1).strip() if found else platform.processor() or platform.machine()


def hardware() -> str:
    """What passes are computed on: processor, threads in use and graphics cards, for a person and for telling two apart."""
    cards = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    count = threads()
    return ", ".join([_processor(), f"{count} thread{'s' if count != 1 else ''}", *cards])
