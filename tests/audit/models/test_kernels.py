"""Prepacked linear layers: the same numbers, gradients as before, and only where they pay."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from audit.models import kernels
from audit.models.kernels import FusedNorm, GateInPieces, PackedLinear, kernels_of, speed_up


class Small(nn.Module):
    """A body, and a head that shares its weights with an embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(40, 24)
        self.body = nn.Sequential(nn.Linear(24, 48), nn.SiLU(), nn.Linear(48, 24, bias=False))
        self.head = nn.Linear(24, 40, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(self.body(self.embedding(ids)))
        return found


@pytest.fixture
def wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a processor where it pays."""
    if not kernels._works():
        pytest.skip("this build of PyTorch has no oneDNN linear kernel")
    monkeypatch.setattr(kernels, "wanted", lambda: True)


def small() -> Small:
    torch.manual_seed(0)
    return Small()


@pytest.mark.usefixtures("wanted")
@pytest.mark.parametrize("shape", [(1,), (7,), (3, 5)])
def test_the_same_numbers(shape: tuple[int, ...]) -> None:
    model = small()
    ids = torch.arange(torch.Size(shape).numel()).reshape(shape) % 40
    with torch.inference_mode():
        expected = model(ids)
        assert speed_up(model) == "onednn"
        assert torch.allclose(model(ids), expected, atol=1e-6)
    assert kernels_of(model) == "onednn"


@pytest.mark.usefixtures("wanted")
def test_weights_stay_tied_and_saved_as_before() -> None:
    model = small()
    before = set(model.state_dict())
    speed_up(model)
    assert model.head.weight is model.embedding.weight
    assert set(model.state_dict()) == before


@pytest.mark.usefixtures("wanted")
def test_gradients_are_those_of_the_plain_layers() -> None:
    plain = small()
    packed = copy.deepcopy(plain)
    speed_up(packed)
    for model in (plain, packed):
        model(torch.tensor([1, 2, 3])).sum().backward()
    for one, two in zip(plain.parameters(), packed.parameters(), strict=True):
        assert one.grad is not None
        assert two.grad is not None
        assert torch.allclose(one.grad, two.grad, atol=1e-6)


@pytest.mark.usefixtures("wanted")
@pytest.mark.parametrize("large", [False, True])
def test_the_input_gets_its_gradient_from_prepacked_weights(monkeypatch: pytest.MonkeyPatch, large: bool) -> None:
    """Where weights collect none, as in attributions; of a large matrix the plain one is read."""
    monkeypatch.setattr(kernels, "LAID_OUT_AGAIN", 0 if large else 10**9)
    body = small().body.requires_grad_(False)
    points = torch.randn((2, 5, 24), generator=torch.Generator().manual_seed(1)).requires_grad_()
    [expected] = torch.autograd.grad((body(points) ** 2).sum(), [points])
    assert speed_up(body) == "onednn"
    if not large:
        for layer in body:
            if isinstance(layer, PackedLinear):
                layer.weight.data = torch.full_like(layer.weight, math.nan)  # is not read
    [found] = torch.autograd.grad((body(points) ** 2).sum(), [points])
    assert torch.equal(found, expected)


class Gated(nn.Module):
    """As in Llama."""

    def __init__(self, activation: nn.Module, bias: bool) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(24, 40, bias=bias)
        self.up_proj = nn.Linear(24, 40, bias=bias)
        self.down_proj = nn.Linear(40, 24, bias=bias)
        self.activation = activation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.down_proj(self.activation(self.gate_proj(x)) * self.up_proj(x))
        return found


def gated(activation: nn.Module, bias: bool = False) -> Gated:
    torch.manual_seed(0)
    return Gated(activation, bias)


@pytest.mark.usefixtures("wanted")
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("piece", [1, 5, 18, kernels.PIECE])
@pytest.mark.parametrize("shape", [(24,), (1, 24), (2, 9, 24), (0, 24)])
def test_a_gated_block_is_computed_in_pieces_and_in_place(
    monkeypatch: pytest.MonkeyPatch, bias: bool, piece: int, shape: tuple[int, ...]
) -> None:
    monkeypatch.setattr(kernels, "PIECE", piece)
    block = gated(nn.SiLU(), bias)
    rows = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    given, expected = rows.clone(), block(rows)
    names = set(block.state_dict())
    assert speed_up(block) == "onednn"
    assert isinstance(block, GateInPieces)
    assert isinstance(block, Gated)
    assert set(block.state_dict()) == names
    with torch.inference_mode(), monkeypatch.context() as patch:
        patch.setattr(block.activation, "forward", lambda x: pytest.fail("not computed by its own code"))
        sizes: list[int] = []
        watching = block.gate_proj.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
        found = block(rows)
        watching.remove()
        assert sum(sizes) == rows.numel() // 24
        assert max(sizes) == min(piece, sum(sizes))
        assert found.shape == expected.shape
        assert torch.allclose(found, expected, atol=1e-6)
        assert torch.equal(rows, given)
    with torch.inference_mode():
        with kernels.unpacked([block]):
            assert torch.equal(block(rows), expected)
        assert torch.equal(copy.deepcopy(block)(rows), expected)
    assert torch.allclose(block(rows), expected, atol=1e-6)  # with gradients
    block(rows).sum().backward()
    assert block.gate_proj.weight.grad is not None


@pytest.mark.usefixtures("wanted")
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_what_is_moved_while_unpacked_stays_plain(dtype: torch.dtype) -> None:
    model = small()
    speed_up(model)
    with kernels.unpacked([model]):
        model.body.to(dtype)
    found = {name: layer.packed is None for name, layer in model.named_modules() if isinstance(layer, PackedLinear)}
    assert found == {"body.0": True, "body.2": True, "head": False}


@pytest.mark.usefixtures("wanted")
@pytest.mark.parametrize("activation", [nn.GELU(), nn.ReLU(), nn.Sigmoid()])
def test_a_block_with_another_activation_keeps_its_own_code(activation: nn.Module) -> None:
    block = gated(activation)
    rows = torch.randn((3, 24), generator=torch.Generator().manual_seed(1))
    expected = block(rows)
    assert speed_up(block) == "onednn"
    assert type(block) is Gated
    with torch.inference_mode():
        assert torch.allclose(block(rows), expected, atol=1e-6)


@pytest.mark.usefixtures("wanted")
def test_a_build_that_cannot_keeps_the_blocks_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> torch.Tensor:
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(GateInPieces, "forward", missing)
    block = gated(nn.SiLU())
    speed_up(block)
    assert type(block) is Gated


class Norm(nn.Module):
    """As in Llama; ``shift`` is added to its weights, as in Gemma."""

    def __init__(self, shift: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(24, generator=torch.Generator().manual_seed(2)))
        self.variance_epsilon = 0.1  # large enough to be seen
        self.shift = shift

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        wide = x.float()
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)
        return (self.weight + self.shift) * wide.to(x.dtype)


@pytest.mark.usefixtures("wanted")
@pytest.mark.parametrize("awake", [10, 24 * 3, kernels.AWAKE])
@pytest.mark.parametrize("shape", [(24,), (1, 24), (2, 9, 24), (0, 24), (500, 24)])
def test_a_norm_gives_the_same_numbers_in_pieces(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], awake: int
) -> None:
    monkeypatch.setattr(kernels, "AWAKE", awake)
    model = nn.Sequential(Norm(), nn.Linear(24, 24))
    rows = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    expected = model[0](rows)
    assert speed_up(model) == "onednn"
    assert isinstance(model[0], FusedNorm)
    with torch.inference_mode():
        found = model[0](rows)
        assert found.shape == expected.shape
        assert torch.allclose(found, expected, atol=1e-6)
        assert torch.allclose(
            model[0](torch.stack([rows, rows], -1)[..., 0]), found, atol=1e-6
        )  # numbers that lie apart
        assert torch.equal(model[0](rows.double()), Norm().forward(rows.double()))
    assert torch.equal(model[0](rows), expected)  # with gradients, its own code


class GatedNorm(Norm):
    """As in Mamba 2: rows may come with a gate."""

    def forward(self, x: torch.Tensor, gate: torch.Tensor | None = None) -> torch.Tensor:
        return super().forward(x if gate is None else x * gate)


class OnlyGated(Norm):
    """One that must have it."""

    def forward(self, x: torch.Tensor, gate: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().forward(x * gate)


@pytest.mark.usefixtures("wanted")
@pytest.mark.parametrize("kind", [GatedNorm, OnlyGated])
def test_a_norm_that_is_given_a_gate_uses_it(kind: type[Norm]) -> None:
    model = nn.Sequential(kind(), nn.Linear(24, 24))
    rows, gate = torch.randn((2, 3, 24), generator=torch.Generator().manual_seed(1))
    expected = model[0](rows, gate)
    speed_up(model)
    assert isinstance(model[0], FusedNorm) == (kind is GatedNorm)
    with torch.inference_mode():
        assert torch.equal(model[0](rows, gate), expected)
        assert torch.equal(model[0](rows, gate=gate), expected)


@pytest.mark.usefixtures("wanted")
def test_each_block_is_tried_by_itself_and_one_of_zeros_shows_nothing() -> None:
    """As the layers that pruning or growing a model leaves behind."""
    empty = gated(nn.GELU())
    nn.init.zeros_(empty.down_proj.weight)
    still = Norm(shift=0.0)
    nn.init.zeros_(still.weight)
    model = nn.Sequential(empty, gated(nn.GELU()), gated(nn.SiLU()), still, Norm(shift=1.0), Norm())
    speed_up(model)
    fused = [isinstance(block, FusedNorm | GateInPieces) for block in model]
    assert fused == [False, False, True, False, False, True]


@pytest.mark.usefixtures("wanted")
def test_a_norm_with_more_than_weights_keeps_its_own_code() -> None:
    """What it adds may be nothing yet, and something where weights are shuffled."""
    model = nn.Sequential(Norm(), nn.Linear(24, 24))
    model[0].register_parameter("bias", nn.Parameter(torch.zeros(24)))
    speed_up(model)
    assert type(model[0]) is Norm


@pytest.mark.usefixtures("wanted")
def test_a_norm_of_another_kind_keeps_its_own_code() -> None:
    model = nn.Sequential(Norm(shift=1.0), nn.Linear(24, 24))
    speed_up(model)
    assert type(model[0]) is Norm


@pytest.mark.usefixtures("wanted")
def test_a_copy_and_another_number_format_are_plain_layers_again() -> None:
    model = small()
    ids = torch.arange(9)
    expected = model(ids)
    speed_up(model)
    copied = copy.deepcopy(model)
    assert kernels_of(copied) == "default"
    assert copied.head.weight is copied.embedding.weight
    with torch.inference_mode():
        assert torch.equal(copied(ids), expected)
        assert torch.allclose(model.double()(ids), expected.double(), atol=1e-5)
    assert model.head.weight.dtype == torch.float64


@pytest.mark.usefixtures("wanted")
def test_other_number_formats_and_kinds_of_layers_are_left_alone() -> None:
    class Own(nn.Linear):
        pass

    model = nn.Sequential(nn.Linear(8, 8).to(torch.bfloat16), Own(8, 8))
    assert speed_up(model) == "default"
    assert not any(isinstance(layer, PackedLinear) for layer in model)


def test_a_kernel_that_gives_other_numbers_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "wanted", lambda: True)
    monkeypatch.setattr(kernels, "_prepacked", lambda weight: weight)
    monkeypatch.setattr(kernels, "_product", lambda x, weight, bias: nn.functional.linear(x, weight, bias) * 1.01)
    model = small()
    assert speed_up(model) == "default"
    assert kernels_of(model) == "default"


def test_a_build_without_the_kernel_does_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> torch.Tensor:
        raise AttributeError("'_OpNamespace' 'mkldnn' object has no attribute '_linear_pointwise'")

    monkeypatch.setattr(kernels, "wanted", lambda: True)
    monkeypatch.setattr(kernels, "_prepacked", missing)
    assert speed_up(small()) == "default"


@pytest.mark.parametrize(
    ("level", "intel", "expected"),
    [
        ("AVX512", False, True),
        ("AVX512", True, False),
        ("AVX2", False, True),
        ("AVX2", True, False),
        ("DEFAULT", False, False),
    ],
)
def test_the_processor_alone_decides(monkeypatch: pytest.MonkeyPatch, level: str, intel: bool, expected: bool) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: level)
    monkeypatch.setattr(kernels, "_intel", lambda: intel)
    assert kernels.wanted() is expected
