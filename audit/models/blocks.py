"""A network's blocks, found generically, and passes in which what comes out of them is watched or exchanged.

The residual stream at layer 0 is what the first block is given; at layer l it is what block l hands on.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor
from torch.nn import Module, ModuleList


class NoBlocks(Exception):
    """The network is not a row of blocks that hand one residual stream on; the message is a sentence."""


@dataclass(frozen=True)
class Watched:
    """A pass, and the residual stream ``[rows, tokens, width]`` at each layer from 0; ``raw``: what each block gave."""

    output: Any
    states: list[Tensor]
    raw: list[Any]


def reading_part(network: Any) -> Any:
    """What reads the prompt: the encoder where there is one, otherwise all below the head."""
    return network.get_encoder() if network.config.is_encoder_decoder else network.base_model


def writing_part(network: Any) -> Any:
    """What the answer is predicted from: the decoder of an encoder-decoder, otherwise all below the head."""
    return network.get_decoder() if network.config.is_encoder_decoder else network.base_model


def blocks_of(part: Any) -> list[Module]:
    """The blocks in order: the list of modules nearest to the part itself, the longest of these.

    Raises:
        NoBlocks: where there is no list of modules.
    """
    found = [(name.count("."), -len(m), name, m) for name, m in part.named_modules() if isinstance(m, ModuleList)]
    if not found:
        raise NoBlocks("This architecture has no list of layers.")
    return list(min(found, key=lambda entry: entry[:3])[3])


def run(network: Any, inputs: Mapping[str, Tensor]) -> Any:
    """One pass that keeps nothing for later tokens."""
    keeps = "use_cache" in inspect.signature(network.forward).parameters
    return network(**inputs, **({"use_cache": False} if keeps else {}))


def can_keep(network: Any) -> bool:
    """Whether logits of some places alone can be had, which saves most of the head's work."""
    return "logits_to_keep" in inspect.signature(network.forward).parameters


def watched(network: Any, blocks: Sequence[Module], inputs: Mapping[str, Tensor]) -> Watched:
    """One pass with the residual stream at every layer.

    Raises:
        NoBlocks: where the blocks do not run once each and in order, or hand something else on.
    """
    first: list[Tensor] = []
    raw: list[Any] = []
    order: list[int] = []

    def before(_: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        first.append(args[0] if args else kwargs["hidden_states"])

    def after(number: int, _: Module, __: Any, output: Any) -> None:
        order.append(number)
        raw.append(output)

    handles = [blocks[0].register_forward_pre_hook(before, with_kwargs=True)]
    handles += [block.register_forward_hook(partial(after, n)) for n, block in enumerate(blocks)]
    try:
        output = run(network, inputs)
    except KeyError:
        raise NoBlocks("This architecture's layers are not given the states by the usual name.") from None
    finally:
        for handle in handles:
            handle.remove()
    if order != list(range(len(blocks))):
        raise NoBlocks("This architecture does not run its layers one after another.")
    states = [first[0], *map(_stream, raw)]
    if any(state.shape != first[0].shape or state.dim() != 3 for state in states):
        raise NoBlocks("This architecture's layers do not hand on one state for each token.")
    return Watched(output, states, raw)


def run_from(
    network: Any, blocks: Sequence[Module], inputs: Mapping[str, Tensor], seen: Watched, layer: int, states: Tensor
) -> Any:
    """One pass whose residual stream at ``layer`` is ``states``; the blocks before are passed over."""
    if layer == 0:
        handle = blocks[0].register_forward_pre_hook(partial(_given, states), with_kwargs=True)
        try:
            return run(network, inputs)
        finally:
            handle.remove()
    given = [*seen.raw[: layer - 1], _exchanged(seen.raw[layer - 1], states)]
    with _passed_over(blocks[:layer], given):
        return run(network, inputs)


def _given(states: Tensor, _: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    return ((states, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": states})


@contextmanager
def _passed_over(blocks: Sequence[Module], outputs: Sequence[Any]) -> Iterator[None]:
    """Blocks that give what they are told without computing."""
    before = [block.__dict__.get("forward") for block in blocks]
    try:
        for block, output in zip(blocks, outputs, strict=True):
            block.__dict__["forward"] = partial(_said, output)
        yield
    finally:
        for block, forward in zip(blocks, before, strict=True):
            if forward is None:
                block.__dict__.pop("forward", None)
            else:
                block.__dict__["forward"] = forward


def _said(output: Any, *_: Any, **__: Any) -> Any:
    return output


def _stream(output: Any) -> Tensor:
    """The residual stream in what a block gave."""
    stream = output[0] if isinstance(output, tuple) else output
    if not isinstance(stream, Tensor):
        raise NoBlocks("This architecture's layers do not hand on one state for each token.")
    return stream


def _exchanged(output: Any, states: Tensor) -> Any:
    return (states, *output[1:]) if isinstance(output, tuple) else states
