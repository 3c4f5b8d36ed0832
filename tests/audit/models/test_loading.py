"""Number formats, quantised weights, and weights spread over more than one place."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from audit.models import ModelError, Score, Scored
from audit.models.causal import CausalModel
from audit.models.opening import open_model
from audit.models.options import Options
from audit.models.placement import check_runs, devices, loading_options
from tests.audit.models.test_adapters import train_lora
from tests.audit.models.tiny import LONGEST, open_folder, save, train, train_tokenizer

ASKED = [Score("The red cat", " sleeps in the garden."), Score("The blue bird", " sleeps in the river.")]
pytestmark = [
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing"),
    pytest.mark.filterwarnings("ignore::UserWarning:peft"),
]


@pytest.fixture(scope="session")
def wide_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained; of the sizes that kernels for 4 bits take."""
    tokenizer = train_tokenizer(begins=False)
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=LONGEST,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    train(model, tokenizer, 80)
    return save(model, tokenizer, tmp_path_factory.mktemp("wide"))


@pytest.fixture(scope="session")
def wide(wide_folder: Path) -> CausalModel:
    return open_folder(wide_folder)


def logprobs(model: CausalModel) -> list[float]:
    found = model.score(ASKED)
    assert all(isinstance(response, Scored) for response in found)
    return [response.logprob for response in found if isinstance(response, Scored)]


@pytest.mark.parametrize(("wanted", "taken"), [("auto", "float32"), ("bfloat16", "bfloat16"), ("float16", "float16")])
def test_number_formats(wide_folder: Path, wide: CausalModel, wanted: str, taken: str) -> None:
    model = open_folder(wide_folder, dtype=wanted)
    assert model.facts.dtype == taken
    assert model.scorer.model.dtype == getattr(torch, taken)
    for found, exact in zip(logprobs(model), logprobs(wide), strict=True):
        assert math.isclose(found, exact, abs_tol=0.5)


@pytest.mark.parametrize(("bits", "near"), [("8bit", 1.0), ("4bit", 6.0)])
def test_quantised_weights(wide_folder: Path, wide: CausalModel, bits: str, near: float) -> None:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    model = open_folder(wide_folder, quantization=bits)
    assert model.facts.dtype == f"{bits} (bitsandbytes), rest float32"
    assert model.facts.parameters == wide.facts.parameters
    assert model.fingerprint != wide.fingerprint
    assert f"The weights are rounded to {bits[0]} bits while loading." in model.facts.notes
    differences = [abs(a - b) for a, b in zip(logprobs(model), logprobs(wide), strict=True)]
    assert 1e-4 < max(differences) < near
    stored = {parameter.dtype for parameter in model.scorer.model.parameters()}
    assert stored & {torch.int8, torch.uint8}


def test_quantised_numbers_do_not_depend_on_what_is_asked_together(wide_folder: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    model = open_folder(wide_folder, quantization="8bit")
    (alone,) = model.score(ASKED[:1])
    together = model.score(ASKED)[0]
    assert isinstance(alone, Scored)
    assert isinstance(together, Scored)
    assert math.isclose(alone.logprob, together.logprob, abs_tol=0.05)


def test_an_adapter_on_quantised_weights(wide_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    lora = train_lora(wide_folder, tmp_path / "lora")
    places = [Score("The red cat sleeps in the", f" {place}.") for place in ("blue", "garden")]

    def preference(model: Any) -> float:
        values = [response.logprob for response in model.score(places)]
        return float(values[0] - values[1])

    base = open_folder(wide_folder, quantization="8bit")
    adapted = open_model(str(wide_folder), None, str(lora), None, Options(quantization="8bit"), {})
    assert preference(adapted) > preference(base) + 1
    assert "The adapter is laid onto the rounded weights, not merged into them." in adapted.facts.notes
    assert adapted.fingerprint != base.fingerprint


def test_weights_of_sizes_that_the_kernels_do_not_take(llama_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen at opening, where it is one sentence, instead of at every request."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("N must be divisible by block_n")

    monkeypatch.setattr(LlamaForCausalLM, "forward", refuse)
    with pytest.raises(ModelError, match=r"cannot be computed with quantised weights here: N must be divisible"):
        open_folder(llama_folder, quantization="8bit")


def test_without_bitsandbytes(llama_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.models.placement.importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError) as raised:
        open_folder(llama_folder, quantization="4bit")
    assert (
        str(raised.value)
        == 'quantization: 4bit needs the package bitsandbytes: pip install "fairwitness[quantization]".'
    )


def test_quantising_fetches_no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """bitsandbytes asks the package ``kernels`` for compiled code of the hub; while it is imported there is none."""
    seen: list[object] = []
    monkeypatch.delitem(sys.modules, "bitsandbytes", raising=False)
    fetching = SimpleNamespace(get_kernel=lambda *_, **__: pytest.fail("code was fetched"))
    monkeypatch.setitem(sys.modules, "kernels", fetching)
    monkeypatch.setattr(
        "audit.models.placement.importlib.import_module", lambda name: seen.append(sys.modules["kernels"])
    )
    loading_options(Options(quantization="8bit"), False, SimpleNamespace(), "tiny")
    assert seen == [None]
    assert sys.modules["kernels"] is fetching


def test_quantising_what_is_quantised(llama_folder: Path, wide_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    model = open_folder(wide_folder, quantization="8bit")
    folder = save(model.scorer.model, model.encoder.tokenizer, tmp_path / "int8")
    again = open_folder(folder)
    assert any("come quantised (bitsandbytes)" in note for note in again.facts.notes)
    with pytest.raises(ModelError, match="is quantised already; leave out quantization: 4bit"):
        open_folder(folder, quantization="4bit")


def test_device_map_and_device_contradict(llama_folder: Path) -> None:
    with pytest.raises(ModelError, match="device_map: auto spreads the model over all devices and device: cpu names"):
        open_folder(llama_folder, device="cpu", device_map="auto")


def test_a_model_that_fits_is_not_spread(llama_folder: Path, llama: CausalModel) -> None:
    model = open_folder(llama_folder, device_map="auto")
    assert (model.facts.device, model.facts.notes) == ("cpu", [])
    assert model.fingerprint == llama.fingerprint
    assert logprobs(model) == logprobs(llama)


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose memory holds only a part of the tiny model."""
    monkeypatch.setattr("transformers.integrations.accelerate.get_balanced_memory", lambda *_, **__: {"cpu": 150_000})


def test_weights_that_stay_on_the_disk(llama_folder: Path, llama: CausalModel, small_memory: None) -> None:
    model = open_folder(llama_folder, device_map="auto")
    assert model.facts.device == "cpu, disk"
    assert "The weights are spread over cpu, disk." in model.facts.notes
    assert any(parameter.device.type == "meta" for parameter in model.scorer.model.parameters())
    assert model.facts.parameters == llama.facts.parameters
    for found, exact in zip(logprobs(model), logprobs(llama), strict=True):
        assert math.isclose(found, exact, abs_tol=1e-4)


def test_an_adapter_is_merged_before_the_weights_are_spread(llama_folder: Path, tmp_path: Path) -> None:
    lora = train_lora(llama_folder, tmp_path / "lora")
    models = [
        open_model(str(llama_folder), None, str(lora), None, Options(device_map=spread), {})
        for spread in (None, "auto")
    ]
    one, other = models
    assert isinstance(one, CausalModel)
    assert isinstance(other, CausalModel)
    assert logprobs(one) == logprobs(other)


def test_an_adapted_model_that_does_not_fit(
    llama_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lora = train_lora(llama_folder, tmp_path / "lora")
    monkeypatch.setattr("audit.models.placement.get_balanced_memory", lambda *_, **__: {"cpu": 150_000})
    with pytest.raises(ModelError, match="does not fit into devices and memory; merge it into a folder"):
        open_model(str(llama_folder), None, str(lora), None, Options(device_map="auto"), {})


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (None, "cpu"),
        ({"": "cpu"}, "cpu"),
        ({"a": 0, "b": 1, "c": 1, "d": "cpu"}, "cuda:0, cuda:1, cpu"),
        ({"a": 0, "b": "disk"}, "cuda:0, disk"),
    ],
)
def test_where_the_weights_lie(plan: dict[str, Any] | None, said: str) -> None:
    assert devices(SimpleNamespace(hf_device_map=plan, device=torch.device("cpu"))) == said


def test_inputs_need_a_device() -> None:
    with pytest.raises(ModelError, match="too small for tiny's embeddings"):
        check_runs(SimpleNamespace(device=torch.device("meta")), "tiny")


def fails_with(error: Exception) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize("place", ["to", "from_pretrained"])
def test_a_model_that_does_not_fit_into_memory(llama_folder: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nGPU 0 has ...")
    monkeypatch.setattr(LlamaForCausalLM if place == "to" else AutoModelForCausalLM, place, fails_with(error))
    with pytest.raises(ModelError) as raised:
        open_folder(llama_folder)
    assert "it does not fit into the memory; dtype: bfloat16, quantization: 4bit" in str(raised.value)
    assert "\n" not in str(raised.value)
