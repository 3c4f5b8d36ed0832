"""Faster matrix products on processors that PyTorch's default ones are not made for.

MKL, which PyTorch uses for float32 products on x86, takes its best code on Intel processors only. oneDNN, which PyTorch
carries as well and which its compiler uses for frozen linear layers, takes AVX-512 wherever it is there, and lays weights out
once ("prepacked"), which pays most where rows are few. Measured of 512 rows: 1.1 to 1.2 times the rate on a Zen 4 processor;
of 8 rows on a Zen 3, which has no AVX-512: 1.2 to 1.7 times, and 3 times for a head of 49,152 tokens.

The choice follows from the processor alone and is never timed: a choice that depended on how busy a machine was
would give two audits of the same model different last digits.
"""

from __future__ import annotations

import copy
import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from audit.models.budget import total_memory
from audit.models.memory import MappedFiles

ROWS_HINT = 512  # oneDNN lays weights out for about so many rows; others work as well
PIECE = 512  # rows of a gated block at a time; on a Zen 3, 384 to 1,024 were as fast, all of a pass a tenth slower
LAID_OUT_AGAIN = 16 << 20  # numbers; of a larger matrix the plain one is read where gradients are asked for
AWAKE = 32 << 10  # numbers that PyTorch gives to one thread; of more it wakes another
MOST_PIECES = 10  # of that size that are computed one after another all the same
_TOLERANCE = 1e-4  # relative to the largest output; both kernels sum in float32, in another order


class _Product(torch.autograd.Function):
    """The prepacked product and the gradient by its input, for which the weights are laid out plainly again.

    That gives the bits of the plain weights, which may have been set aside, and takes an eighth of the product's time with
    192 rows. Of a head, whose table is the embedding's as a rule and in memory anyway, the plain weights are read.
    """

    @staticmethod
    def forward(ctx: Any, input: Tensor, packed: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.packed, ctx.weight = packed, weight
        return _product(input, packed, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, None, None]:
        plain = ctx.weight if ctx.weight.numel() > LAID_OUT_AGAIN else ctx.packed.to_dense()
        return slope @ plain, None, None, None


class PackedLinear(nn.Linear):
    """A linear layer that computes with weights prepacked for oneDNN where no gradient by the weights is asked for.

    Copied, or moved to another device or number format, it is a plain layer again.
    """

    packed: Tensor | None

    @classmethod
    def of(cls, layer: nn.Linear) -> PackedLinear:
        """The same layer with its weights laid out a second time."""
        new = cls.__new__(cls)
        nn.Module.__init__(new)
        new.in_features, new.out_features = layer.in_features, layer.out_features
        new.weight, new.bias = layer.weight, layer.bias  # shared, so that what reads or ties weights still finds them
        # Not a buffer: what copies, moves or saves the tensors of a module cannot read this layout.
        object.__setattr__(new, "packed", _prepacked(layer.weight.detach()))
        new.train(layer.training)
        return new

    def forward(self, input: Tensor) -> Tensor:
        """``input @ weight.T + bias``."""
        sloping = torch.is_grad_enabled()
        learnt = self.weight.requires_grad or (self.bias is not None and self.bias.requires_grad)
        if self.packed is None or (sloping and learnt):
            return nn.functional.linear(input, self.weight, self.bias)
        if sloping and input.requires_grad:
            found: Tensor = _Product.apply(input, self.packed, self.weight, self.bias)  # type: ignore[no-untyped-call]
            return found
        return _product(input, self.packed, self.bias)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        object.__setattr__(self, "packed", None)
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    def __deepcopy__(self, memo: dict[int, Any]) -> nn.Linear:
        plain = nn.Linear(self.in_features, self.out_features, bias=self.bias is not None, device="meta")
        plain.weight, plain.bias = copy.deepcopy(self.weight, memo), copy.deepcopy(self.bias, memo)
        plain.train(self.training)
        memo[id(self)] = plain
        return plain


class GateInPieces:
    """Mixed into a gated feed-forward block, ``down(silu(gate(x)) * up(x))``: some rows at a time, and in place.

    What lies between the products is then still in the processor's cache when it is read. oneDNN can do the activation while
    it writes the product, but with AVX2, where it was measured, takes six times as long for it as PyTorch does afterwards.
    Where a gradient is asked for, or a layer is a plain one, the block's own code runs.
    """

    gate_proj: nn.Module
    up_proj: nn.Module
    down_proj: nn.Module

    def forward(self, input: Tensor) -> Tensor:
        """What the block gives."""
        layers = (self.gate_proj, self.up_proj, self.down_proj)
        packed = all(isinstance(layer, PackedLinear) and layer.packed is not None for layer in layers)
        if not packed or torch.is_grad_enabled():
            own: Tensor = super().forward(input)  # type: ignore[misc]
            return own
        found = [self._piece(rows) for rows in torch.split(input.reshape(-1, input.shape[-1]), PIECE)]
        whole = found[0] if len(found) == 1 else torch.cat(found)
        return whole.view(*input.shape[:-1], whole.shape[-1])

    def _piece(self, rows: Tensor) -> Tensor:
        opened = nn.functional.silu(self.gate_proj(rows), inplace=True).mul_(self.up_proj(rows))
        closed: Tensor = self.down_proj(opened)
        return closed


class FusedNorm:
    """Mixed into a norm by the root of the mean square, ``weight * x / sqrt(mean(x^2) + eps)``: half as many steps.

    Where a gradient is asked for, numbers are not float32, or more than rows is given (a gate), the norm's own code runs.
    """

    weight: Tensor
    variance_epsilon: float

    def forward(self, input: Tensor, *more: Any, **named: Any) -> Tensor:
        """What the norm gives."""
        if torch.is_grad_enabled() or input.dtype != torch.float32 or more or named:
            own: Tensor = super().forward(input, *more, **named)  # type: ignore[misc]
            return own
        rows = input.reshape(-1, input.shape[-1])
        found = torch.empty_like(rows)
        # Of some dozens of rows, as in writing, waking a second thread for each step takes longer than the step.
        count = max(1, AWAKE // rows.shape[1] if rows.numel() <= MOST_PIECES * AWAKE else len(rows))
        for part, out in zip(torch.split(rows, count), torch.split(found, count), strict=True):
            size = torch.linalg.vector_norm(part, dim=-1, keepdim=True)
            scale = size.square_().div_(rows.shape[1]).add_(self.variance_epsilon).rsqrt_()
            torch.mul(part, scale, out=out).mul_(self.weight)
        return found.view(input.shape)


def _fuse(block: nn.Module) -> None:
    """Let a block compute as a class above does, where it has its parts and gives the same numbers that way.

    Each block is tried by itself: two of one class may differ in what neither their names nor their parts show.
    """
    weight, gate = getattr(block, "weight", None), getattr(block, "gate_proj", None)
    if isinstance(block, GateInPieces | FusedNorm):  # the copy of one
        return
    others = (getattr(block, name, None) for name in ("up_proj", "down_proj"))
    if isinstance(gate, PackedLinear) and all(isinstance(layer, PackedLinear) for layer in others):
        _exchange(block, GateInPieces, gate.in_features)
    elif hasattr(block, "variance_epsilon") and isinstance(weight, Tensor) and len(list(block.parameters())) == 1:
        _exchange(block, FusedNorm, weight.shape[-1])


def _exchange(block: nn.Module, faster: type, width: int) -> None:
    plain = type(block)
    rows = torch.randn((5, width), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        try:
            expected = block(rows)
            block.__class__ = type(f"Faster{plain.__name__}", (faster, plain), {})
            same = bool(expected.any()) and _alike(block(rows), expected)  # nothing but zeros would show no difference
        except (AttributeError, RuntimeError, NotImplementedError, TypeError, ValueError):
            same = False  # a build of PyTorch without these kernels, or a block that takes more than rows
    if not same:
        block.__class__ = plain


def _alike(found: Tensor, expected: Tensor) -> bool:
    return bool(torch.allclose(found, expected, rtol=0, atol=_TOLERANCE * float(expected.abs().max())))


@contextmanager
def unpacked(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Layers compute with their plain weights, which may be changed meanwhile; then these are laid out a second time again.

    The second layout is let go of in between: copies that stand in for the plain weights have room in its place.
    """
    layers = [layer for module in modules for layer in module.modules() if isinstance(layer, PackedLinear)]
    layers = [layer for layer in layers if layer.packed is not None]
    for layer in layers:
        object.__setattr__(layer, "packed", None)
    try:
        yield
    finally:
        files = MappedFiles()
        for layer in layers:
            if _fit(layer.weight):  # moved meanwhile, it stays a plain one
                object.__setattr__(layer, "packed", _prepacked(layer.weight.detach()))
                files.set_aside(layer.weight)


def speed_up(model: nn.Module) -> str:
    """Exchange the linear layers of a float32 model on a processor for prepacked ones, where that is faster.

    Returns:
        The name of the kernels that are in use now: ``onednn`` or ``default``.
    """
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    if not wanted() or 4 * weights > total_memory(torch.device("cpu")) or not _works():
        return "default"  # the second layout takes as much memory as the weights
    exchanged, files = False, MappedFiles()
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) is nn.Linear and _fit(layer.weight):
                setattr(parent, name, PackedLinear.of(layer))
                files.set_aside(layer.weight)  # read again where gradients by weights, or shuffled ones, are asked for
                exchanged = True
    for block in model.modules():
        _fuse(block)
    return "onednn" if exchanged else "default"


def _fit(weight: Tensor) -> bool:
    return weight.dtype == torch.float32 and weight.device.type == "cpu"


def wanted() -> bool:
    """Whether this is a processor on which prepacked products were faster than MKL's: with AVX2 or AVX-512, and not Intel's."""
    return torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512") and not _intel()


def _intel() -> bool:
    try:
        return "GenuineIntel" in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return "Intel" in platform.processor()


def _prepacked(weight: Tensor) -> Tensor:
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, ROWS_HINT)
    return packed


def _product(input: Tensor, packed: Tensor, bias: Tensor | None) -> Tensor:
    found: Tensor = torch.ops.mkldnn._linear_pointwise(input, packed, bias, "none", [], "")
    return found


def _works() -> bool:
    """Whether this build of PyTorch has the kernel and it gives the same numbers."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn((48, 96), generator=generator)
    weight, bias = torch.randn((80, 96), generator=generator), torch.randn((80,), generator=generator)
    expected = nn.functional.linear(rows, weight, bias)
    try:
        found = _product(rows, _prepacked(weight), bias)
    except (AttributeError, RuntimeError, NotImplementedError, TypeError):
        return False
    return _alike(found, expected)


def kernels_of(model: Any) -> str:
    """The kernels that :func:`speed_up` left a model with."""
    return "onednn" if any(isinstance(module, PackedLinear) for module in model.modules()) else "default"
