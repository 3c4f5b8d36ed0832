"""Shuffled weights: other answers for as long as it lasts, the same bits afterwards."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from audit.models import Attribute, Attributed, Failure, Score, Scored, packing, user
from audit.models import kernels as kernels_module
from audit.models.causal import CausalModel
from audit.models.kernels import PackedLinear, speed_up
from audit.models.memory import MappedFiles
from audit.models.randomised import blocks_down, shuffled, unshuffled
from audit.models.seq2seq import Seq2SeqModel
from audit.models.whitebox import WhiteBox
from tests.audit.models.test_attribute import ANSWER, OTHER, PROMPT, attributed
from tests.audit.models.tiny import open_folder
from tests.audit.models.tiny_classifier import make_bert as make_classifier
from tests.audit.models.tiny_classifier import open_classifier, reviews
from tests.audit.models.tiny_masked import make_bert, open_masked
from tests.audit.models.tiny_seq2seq import HELD_OUT

FRAME = user("Where is the red cat, and where are all of the other animals of the market and of the river?")


def tensors(network: Any) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def changed(network: Any, before: dict[str, Tensor]) -> set[str]:
    return {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> WhiteBox:
    return open_masked(make_bert(tmp_path_factory.mktemp("masked"), steps=5))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> WhiteBox:
    return open_classifier(make_classifier(tmp_path_factory.mktemp("classes"), reviews(), ["bad", "good"], steps=5))


def opened(name: str, request: pytest.FixtureRequest) -> tuple[WhiteBox, Attribute]:
    model: WhiteBox = request.getfixturevalue(name)
    source, target = HELD_OUT[3]
    asked = {
        "t5": Attribute(source, target),
        "classifier": Attribute("The soup was awful", "bad", "good"),
        "masked": Attribute(PROMPT, " garden", OTHER),
    }
    return model, asked.get(name, Attribute(PROMPT, ANSWER, OTHER))


@pytest.mark.parametrize("name", ["llama", "gpt2", "t5", "masked", "classifier"])
def test_other_answers_and_then_the_same(name: str, request: pytest.FixtureRequest) -> None:
    model, asked = opened(name, request)
    before = tensors(model.network)
    plain = model.attribute([asked])
    fields = {slot: getattr(asked, slot) for slot in ("prompt", "continuation", "contrast")}
    halved, whole, again, other = (
        Attribute(**fields, randomised=share, seed=seed) for share, seed in ((0.5, 1), (1, 1), (1.0, 1), (1, 2))
    )
    found = model.attribute([halved, asked, whole, again, other])
    assert all(isinstance(one, Attributed) for one in found)
    assert len({one.full for one in found if isinstance(one, Attributed)}) == 4  # ``again`` is ``whole``
    assert found[1] == plain[0]
    assert found[2] == found[3]
    assert changed(model.network, before) == set()
    assert model.attribute([asked]) == plain
    assert model.attribute([whole]) == [found[2]]


def test_from_the_output_down_and_no_embeddings(llama: CausalModel, t5: Seq2SeqModel) -> None:
    before = tensors(llama.network)
    with shuffled(llama.network, 0.5, 0):
        names = changed(llama.network, before)
    assert names
    assert all(name.startswith("model.layers.1.") for name in names)
    with shuffled(llama.network, 0.51, 0):  # rounded up to whole blocks
        assert {name.split(".")[2] for name in changed(llama.network, before)} == {"0", "1"}
    before = tensors(t5.network)
    with shuffled(t5.network, 0.5, 0):  # the decoder's blocks come first
        assert {name.split(".")[0] for name in changed(t5.network, before)} == {"decoder"}
    with shuffled(t5.network, 1.0, 0):
        names = changed(t5.network, before)
        assert {name.split(".")[0] for name in names} == {"decoder", "encoder"}
        assert not any("embed" in name or "shared" in name or "relative_attention_bias" in name for name in names)


def test_each_tensor_keeps_its_values_in_another_order(llama: CausalModel) -> None:
    before = tensors(llama.network)
    with shuffled(llama.network, 1.0, 3):
        now = tensors(llama.network)
    for name in changed_names(before, now):
        assert torch.equal(now[name].flatten().sort().values, before[name].flatten().sort().values)
        assert (now[name] == before[name]).float().mean() < 0.2
    gate, up = (before[f"model.layers.0.mlp.{part}_proj.weight"] for part in ("gate", "up"))
    assert gate.shape == up.shape
    places = [
        int((now[f"model.layers.0.mlp.{part}_proj.weight"].flatten() == before_.flatten()[0]).nonzero()[0])
        for part, before_ in (("gate", gate), ("up", up))
    ]
    assert places[0] != places[1]  # tensors of one size are not shuffled alike


def changed_names(before: dict[str, Tensor], now: dict[str, Tensor]) -> list[str]:
    return [name for name in before if not torch.equal(before[name], now[name])]


def test_an_error_restores_the_weights(llama: CausalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tensors(llama.network)
    monkeypatch.setattr(llama.scorer, "score", lambda _: {}["missing"])
    with pytest.raises(KeyError, match="missing"):
        llama.attribute([Attribute(PROMPT, ANSWER, randomised=1.0)])
    assert changed(llama.network, before) == set()


def test_an_error_while_shuffling_restores_what_was_shuffled(
    llama: CausalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tensors(llama.network)
    drawn, calls = torch.randperm, 0

    def failing(*args: Any, **options: Any) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise MemoryError
        return drawn(*args, **options)

    monkeypatch.setattr(torch, "randperm", failing)
    with pytest.raises(MemoryError), shuffled(llama.network, 1.0, 0):
        pass
    assert calls == 3
    assert changed(llama.network, before) == set()


def test_the_global_stream_is_left_alone(llama: CausalModel) -> None:
    before = torch.get_rng_state()
    attributed(llama, Attribute(PROMPT, ANSWER, randomised=1.0))
    assert torch.equal(before, torch.get_rng_state())


def test_kept_beginnings_do_not_outlast_the_weights(llama_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long prompts are begun from keys and values of the call before."""
    monkeypatch.setattr(packing, "MOST_NODES", 96)
    model = open_folder(llama_folder)
    asked = [Attribute(FRAME, " The", " In", method="shapley_sampling", samples=12, randomised=r) for r in (0.0, 1.0)]
    plain = model.attribute(asked[:1])
    assert model.scorer._trunks
    shuffled_first = open_folder(llama_folder).attribute(asked[1:])
    assert model.attribute(asked[1:]) == shuffled_first
    assert model.attribute(asked[:1]) == plain


def _packed_layers(module: torch.nn.Module) -> list[PackedLinear]:
    return [layer for layer in module.modules() if isinstance(layer, PackedLinear)]


def test_prepacked_layers_follow(llama: CausalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """They hold their weights a second time."""
    if not kernels_module._works():
        pytest.skip("this build of PyTorch has no oneDNN linear kernel")
    monkeypatch.setattr(kernels_module, "wanted", lambda: True)
    network = copy.deepcopy(llama.network)
    ids = torch.arange(9)[None]
    with torch.inference_mode():
        with shuffled(network, 1.0, 5):
            expected = network(ids).logits
        assert speed_up(network) == "onednn"
        layers = _packed_layers(network)
        plain, second = network(ids).logits, [layer.packed.to_dense() for layer in layers if layer.packed is not None]
        assert len(second) == len(layers)
        with shuffled(network, 1.0, 5):
            # What stands in for the plain weights has room where the second layout was.
            assert all(layer.packed is None for block in blocks_down(network) for layer in _packed_layers(block))
            assert torch.allclose(network(ids).logits, expected, atol=1e-4)
            assert not torch.allclose(expected, plain, atol=1e-2)
        assert torch.equal(network(ids).logits, plain)
        assert all(
            b.packed is not None and torch.equal(a, b.packed.to_dense()) for a, b in zip(second, layers, strict=True)
        )


def test_weights_in_a_file_stay_there_and_copies_stand_in(llama_folder: Path) -> None:
    network = AutoModelForCausalLM.from_pretrained(llama_folder)
    files = MappedFiles()
    mapped = [t for block in blocks_down(network) for t in block.parameters() if files.hold(t)]
    if not mapped:
        pytest.skip("weights are not mapped from their file here")
    loose = copy.deepcopy(network)  # the same weights in memory of their own, where orders are undone
    assert not any(files.hold(t) for t in loose.parameters())
    places, before = [t.data_ptr() for t in mapped], [t.clone() for t in mapped]
    with shuffled(network, 1.0, 3), shuffled(loose, 1.0, 3):
        for one, two in zip(network.parameters(), loose.parameters(), strict=True):
            assert torch.equal(one, two)
        assert not any(t.data_ptr() == place for t, place in zip(mapped, places, strict=True))
    assert [t.data_ptr() for t in mapped] == places
    assert all(torch.equal(t, old) for t, old in zip(mapped, before, strict=True))


class Experts(nn.Module):
    """Two blocks of five experts each."""

    def __init__(self) -> None:
        super().__init__()
        self.config = type("Config", (), {"is_encoder_decoder": False})()
        self.layers = nn.ModuleList(
            nn.ModuleDict({"experts": nn.ModuleList(nn.Linear(2, 2) for _ in range(5))}) for _ in range(2)
        )

    @property
    def base_model(self) -> Experts:
        return self


def test_experts_are_no_blocks() -> None:
    network = Experts()
    assert blocks_down(network) == [network.layers[1], network.layers[0]]


@pytest.mark.parametrize("share", [-0.5, 1.5])
def test_shares_that_are_none_are_refused(llama: CausalModel, share: float) -> None:
    [found] = llama.attribute([Attribute(PROMPT, ANSWER, randomised=share)])
    assert isinstance(found, Failure)
    assert "between 0 and 1" in found.reason


def test_what_cannot_be_shuffled(gpt2: CausalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    assert unshuffled(gpt2.network, 1.0) is None
    assert unshuffled(nn.Sequential(nn.Linear(2, 2, device="meta"), nn.Linear(2, 2)), 1.0) is not None
    monkeypatch.setattr(gpt2.network, "is_quantized", True, raising=False)
    found = gpt2.attribute([Attribute(PROMPT, ANSWER, randomised=1.0), Attribute(PROMPT, ANSWER)])
    assert found[0] == Failure("failed", "The weights of a quantised model cannot be shuffled.")
    assert isinstance(found[1], Attributed)


def test_one_shuffling_serves_a_batch(llama: CausalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    orders: list[int] = []
    drawn = torch.randperm

    def counted(size: int, **options: Any) -> Tensor:
        orders.append(size)
        return drawn(size, **options)

    monkeypatch.setattr(torch, "randperm", counted)
    prompts = (PROMPT, "The dog", "The white horse")
    llama.attribute([Attribute(p, ANSWER, randomised=1.0) for p in prompts])
    assert len(orders) == len(set(orders))  # one order for each size of tensor


@pytest.fixture(autouse=True)
def _scores_stay(llama: CausalModel) -> Iterator[None]:
    """Whatever a test here does, the model that others use is as it was."""
    before = llama.score([Score(PROMPT, ANSWER)])
    yield
    after = llama.score([Score(PROMPT, ANSWER)])
    assert isinstance(before[0], Scored)
    assert after == before
