"""Prepacked linear layers: the same numbers, gradients as before, and only where they pay."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from audit.models import kernels
from audit.models.kernels import PackedLinear, kernels_of, speed_up


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
    ("level", "intel", "expected"), [("AVX512", False, True), ("AVX512", True, False), ("AVX2", False, False)]
)
def test_the_processor_alone_decides(monkeypatch: pytest.MonkeyPatch, level: str, intel: bool, expected: bool) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: level)
    monkeypatch.setattr(kernels, "_intel", lambda: intel)
    assert kernels.wanted() is expected
