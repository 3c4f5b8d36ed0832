"""Which attention kernel a transformers model computes with, for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def implementation(network: Any, name: str) -> Iterator[None]:
    """The attention function of this name in transformers' table is in use; afterwards the one from before.

    Raises:
        ValueError: where the model does not take it.
    """
    before = network.config._attn_implementation
    network.set_attn_implementation(name)
    try:
        yield
    finally:
        network.set_attn_implementation(before)
