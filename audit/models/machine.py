"""What this machine can compute models on, without opening one."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from audit.models.budget import total_memory
from audit.models.placement import choose_device
from audit.models.threads import hardware, threads


@dataclass(frozen=True)
class Machine:
    """Build of torch, what it computes on, and how much memory that has; ``used`` is what ``device: auto`` takes."""

    torch: str
    used: str
    devices: tuple[str, ...]
    hardware: str
    instructions: str
    threads: int
    memory: int
    """Bytes of the machine, not of its graphics cards."""


def machine() -> Machine:
    """Ask torch and the system; nothing is computed."""
    cards = tuple(f"cuda:{i}" for i in range(torch.cuda.device_count()))
    mps = ("mps",) if torch.backends.mps.is_available() else ()
    return Machine(
        torch=torch.__version__,
        used=choose_device("auto").type,
        devices=("cpu", *cards, *mps),
        hardware=hardware(),
        instructions=torch.backends.cpu.get_cpu_capability(),
        threads=threads(),
        memory=total_memory(torch.device("cpu")),
    )
