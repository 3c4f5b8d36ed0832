"""Reading ``Record.detail``: whatever does not have the shape that a picture needs becomes None, never an error."""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from typing import Any

LARGEST = 1e12  # no measurement is larger, and arithmetic on it stays finite


def finite(value: Any) -> float | None:
    """A number as a float; None for texts, truth values, not-a-number and what is too large for a measurement."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and abs(number) <= LARGEST else None


def text(value: Any) -> str | None:
    """A text that says something."""
    return value if isinstance(value, str) and value.strip() else None


def texts(value: Any) -> list[str] | None:
    """A list of texts with at least one of them."""
    return value if isinstance(value, list) and value and all(isinstance(v, str) for v in value) else None


def numbers(value: Any, length: int) -> list[float] | None:
    """A list of ``length`` finite numbers."""
    if not isinstance(value, list) or len(value) != length:
        return None
    read = [finite(v) for v in value]
    whole = [v for v in read if v is not None]
    return whole if len(whole) == length else None


def table(value: Any, rows: int, columns: int) -> list[list[float]] | None:
    """``rows`` lists of ``columns`` finite numbers each."""
    if not isinstance(value, list) or len(value) != rows:
        return None
    read = [numbers(row, columns) for row in value]
    whole = [row for row in read if row is not None]
    return whole if len(whole) == rows else None


def whole(value: Any, least: int = 0) -> int | None:
    """A whole number of at least ``least``."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= least else None


def unpacked(value: Any, size: int) -> bytes | None:
    """The ``size`` bytes behind raw-deflated base64; never more is unpacked than that."""
    if not isinstance(value, str):
        return None
    try:
        unzip = zlib.decompressobj(-15)
        content = unzip.decompress(base64.b64decode(value, validate=True), size + 1)
    except (binascii.Error, ValueError, zlib.error):
        return None
    return content if len(content) == size else None
