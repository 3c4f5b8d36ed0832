"""Which attention kernel a transformers model computes with, for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transformers import PreTrainedModel


@contextmanager
def implementation(network: Any, name: str) -> Iterator[None]:
    """The attention function of this name in transformers' table is in use; afterwards every part has its own from before.

    Parts can differ: where an audio tower does not take a kernel, transformers gives it another one, and refuses to set the
    kernel of the whole again.

    Raises:
        ValueError: where the model does not take it.
    """
    configs = [part for m in network.modules() if isinstance(m, PreTrainedModel) for part in _with_parts(m.config)]
    before = [(config, config._attn_implementation) for config in {id(c): c for c in configs}.values()]
    try:
        network.set_attn_implementation(name)
        yield
    finally:
        for config, own in before:
            config._attn_implementation_internal = own  # what the property sets, of this config alone


def _with_parts(config: Any) -> Iterator[Any]:
    if config is None:
        return
    yield config
    for name in getattr(config, "sub_configs", None) or ():
        yield from _with_parts(getattr(config, name, None))
