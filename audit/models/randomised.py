"""A model with the weights of its last blocks shuffled, and exactly as it was afterwards.

An explanation that stays the same when the model has forgotten what it learned explains nothing of the model (Adebayo et
al. 2018, arXiv:1810.03292). Blocks are shuffled from the output down. Embeddings and a head, which often are one matrix, are
left alone: shuffling the head would shuffle the input as well. Shuffling keeps each tensor's values, so that their
size and spread are those of the trained model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from random import Random
from typing import Any

import torch
from torch import Tensor, nn

from audit.models.blocks import NoBlocks, blocks_of, reading_part, writing_part
from audit.models.kernels import unpacked
from audit.models.memory import MappedFiles


def unshuffled(network: Any, share: float) -> str | None:
    """Why the weights of a model cannot be shuffled, as a sentence; None where they can."""
    if not 0 < share <= 1:
        return f"The share of blocks to shuffle must lie between 0 and 1; it is {share:g}."
    tensors = list(network.parameters())
    if getattr(network, "is_quantized", False) or not all(t.is_floating_point() for t in tensors):
        return "The weights of a quantised model cannot be shuffled."
    if len({t.device for t in tensors}) > 1 or any(t.is_meta for t in tensors):
        return "The weights of a model that is spread over devices cannot be shuffled."
    try:
        blocks_down(network)
    except NoBlocks:
        return "The model has no blocks whose weights could be shuffled."
    return None


@contextmanager
def shuffled(network: Any, share: float, seed: int) -> Iterator[None]:
    """The entries of every weight tensor of the last ``share`` of blocks in random places, for as long as the context lasts.

    Weights that lie in a file stay there, and shuffled copies stand in for them. Of others no copy is kept: the orders are
    undone, bit for bit, also on an error.

    Args:
        network: a transformers model of which :func:`unshuffled` says nothing.
        share: of its blocks, above 0 to 1, rounded up to a whole number of blocks.
        seed: of the order of entries.
    """
    blocks = blocks_down(network)
    chosen = blocks[: math.ceil(share * len(blocks) - 1e-9)]
    orders, files = _Orders(seed), MappedFiles()
    with ExitStack() as undo:
        undo.enter_context(unpacked(chosen))  # left last, when the weights are themselves again
        for number, tensor in enumerate(_weights(network, chosen)):
            if files.hold(tensor):
                undo.callback(setattr, tensor, "data", tensor.data)
                other = orders.shuffled(tensor, number)
                files.set_aside(tensor)  # it was read for that
                tensor.data = other
                continue
            orders.shuffle(tensor, number)
            undo.callback(orders.restore, tensor, number)  # from here on, and not before, there is something to undo
        yield


def blocks_down(network: Any) -> list[nn.Module]:
    """The model's blocks from the output down; of an encoder-decoder those of the decoder, then those of the encoder.

    Raises:
        NoBlocks: where there is no list of modules.
    """
    parts = dict.fromkeys([writing_part(network), reading_part(network)])
    return [block for part in parts for block in reversed(blocks_of(part))]


def _weights(network: Any, blocks: list[nn.Module]) -> list[Tensor]:
    """Each tensor of the blocks once; none that is an embedding, or shared with one or with the head."""
    kept = [network.get_input_embeddings(), network.get_output_embeddings()]
    kept += [module for block in blocks for module in block.modules() if isinstance(module, nn.Embedding)]
    taboo = {tensor.data_ptr() for module in kept if module is not None for tensor in module.parameters()}
    found = {t.data_ptr(): t for block in blocks for t in block.parameters() if t.data_ptr() not in taboo}
    return list(found.values())


class _Orders:
    """One random order for each size of tensor, begun at a random place for each tensor: drawing takes the most time."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._drawn: dict[tuple[int, torch.device], Tensor] = {}

    @torch.no_grad()
    def shuffle(self, tensor: Tensor, number: int) -> None:
        """Put the entries of a tensor, the model's ``number``-th, into a random order."""
        tensor.copy_(self.shuffled(tensor, number))

    @torch.no_grad()
    def shuffled(self, tensor: Tensor, number: int) -> Tensor:
        """A copy of a tensor, the model's ``number``-th, with its entries in a random order."""
        order, shift = self._of(tensor, number)
        return tensor.detach().flatten().roll(shift).index_select(0, order).view_as(tensor)

    @torch.no_grad()
    def restore(self, tensor: Tensor, number: int) -> None:
        """Undo :meth:`shuffle`."""
        order, shift = self._of(tensor, number)
        now = tensor.flatten()
        tensor.copy_(torch.empty_like(now).index_copy_(0, order.long(), now).roll(-shift).view_as(tensor))

    def _of(self, tensor: Tensor, number: int) -> tuple[Tensor, int]:
        size = tensor.numel()
        key = (size, tensor.device)
        if key not in self._drawn:
            generator = torch.Generator().manual_seed((self._seed * 1_000_003 + size) % 2**63)
            kind = torch.int32 if size < 2**31 else torch.int64  # drawn in a third of the time
            self._drawn[key] = torch.randperm(size, generator=generator, dtype=kind).to(tensor.device)
        return self._drawn[key], Random(f"{self._seed} {number}").randrange(max(1, size))
