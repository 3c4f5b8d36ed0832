"""How a command ends where it cannot do what was asked."""

from __future__ import annotations

import sys
from typing import NoReturn

USAGE, INCOMPLETE = 2, 3


def stop(message: str, status: int) -> NoReturn:
    """Say why, on standard error, and end with ``status``."""
    print(message, file=sys.stderr)
    raise SystemExit(status)
