"""How many threads torch computes with: float sums, and so last digits, can depend on it."""

from __future__ import annotations

import torch


def threads() -> int:
    """Threads of one operation in this process."""
    return int(torch.get_num_threads())


def use_threads(count: int) -> None:
    """Compute with as many threads as another process does."""
    torch.set_num_threads(count)
