"""What goes wrong while opening or computing: one clear sentence each, nothing cut off and nothing lost."""

from __future__ import annotations

import gc
import shutil
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM

from audit.execution import attempt
from audit.models import Failure, Generate, ModelError, Request, Score, Scored, user
from audit.models.causal import CausalModel
from audit.models.faults import LESS_MEMORY, out_of_memory
from audit.models.loading import unfit
from audit.models.scripted import ScriptedModel
from probes.base import coverage
from tests.audit.models.tiny import edit_json, open_folder, open_source, save, train_tokenizer

FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8 GiB.")


@pytest.fixture
def copy(llama_folder: Path, tmp_path: Path) -> Path:
    """The tiny model's folder, to be damaged."""
    return Path(shutil.copytree(llama_folder, tmp_path / "copied"))


def complaint(folder: Path, task: str | None = None) -> str:
    with pytest.raises(ModelError) as raised:
        open_source(str(folder), task=task)
    text = str(raised.value)
    assert text.startswith(str(folder))
    assert text.endswith(".")
    assert "\n" not in text
    return text


def test_an_architecture_that_is_not_known(copy: Path) -> None:
    edit_json(copy / "config.json", model_type="brand-new", architectures=["BrandNewForCausalLM"])
    text = complaint(copy)
    assert "does not know the model type brand-new" in text
    assert "pip install -U transformers" in text


@pytest.mark.parametrize("known", [True, False], ids=["known type", "unknown type"])
def test_an_architecture_that_brings_its_own_code(copy: Path, known: bool) -> None:
    """Where transformers knows the type its own code is taken; the repository's is never run unasked."""
    (copy / "own.py").write_text("raise SystemExit('run')")
    own = {"auto_map": {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"}}
    edit_json(copy / "config.json", **own, **({} if known else {"model_type": "own"}))
    if known:
        assert open_folder(copy).facts.architecture == "LlamaForCausalLM"
    else:
        assert "runs only with trust_remote_code: true in model.yaml" in complaint(copy)


def test_a_tokenizer_that_is_missing(copy: Path) -> None:
    (copy / "tokenizer.json").unlink()
    assert "it has no tokenizer that can be read; tokenizer.json is missing" in complaint(copy)
    (copy / "tokenizer_config.json").unlink()
    assert "it has no tokenizer that can be read; tokenizer.json is missing" in complaint(copy)


def test_a_tokenizer_without_offsets(llama_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class SlowTokenizer:
        is_fast = False

    monkeypatch.setattr("audit.models.loading.AutoTokenizer.from_pretrained", lambda *_, **__: SlowTokenizer())
    text = complaint(llama_folder)
    assert "its tokenizer (SlowTokenizer) cannot say which characters" in text
    assert "a tokenizer.json is needed" in text


def test_the_truncated_file_is_named(llama: CausalModel, copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    llama.scorer.model.save_pretrained(copy, max_shard_size="60KB")
    last = sorted(copy.glob("*.safetensors"))[-1]
    last.write_bytes(last.read_bytes()[:-100])
    assert f"{last.name} is truncated or damaged; copy or download it again" in complaint(copy)


def test_weights_of_another_shape_are_named(copy: Path) -> None:
    edit_json(copy / "config.json", intermediate_size=128)
    text = complaint(copy)
    assert "does not fit its config.json: model.layers.0.mlp.down_proj.weight is 48 x 96 and should be 48 x 128" in text


def test_a_folder_of_another_task(llama_folder: Path, tmp_path: Path) -> None:
    assert "is not an encoder" in complaint(llama_folder, "seq2seq-lm").replace("a seq", "an encoder")
    assert "it holds LlamaForCausalLM, which has no score.weight" in complaint(llama_folder, "text-classification")
    size = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    tokenizer = train_tokenizer(begins=True)
    save(BertForMaskedLM(BertConfig(vocab_size=len(tokenizer), **size)), tokenizer, tmp_path / "bert")
    assert "it holds BertForMaskedLM" in complaint(tmp_path / "bert", "text-classification")


@pytest.mark.parametrize(("wanted", "used"), [(None, True), (False, False), (True, True)])
def test_the_chat_template_in_use_is_recorded(llama_folder: Path, wanted: bool | None, used: bool) -> None:
    facts = open_folder(llama_folder, chat_template=wanted).facts
    assert facts.chat_template is used
    assert (facts.chat_template_sha256 is not None) is used


@pytest.mark.parametrize("wanted", [None, False])
def test_no_chat_template_is_recorded(gpt2_folder: Path, wanted: bool | None) -> None:
    facts = open_folder(gpt2_folder, chat_template=wanted).facts
    assert (facts.chat_template, facts.chat_template_sha256) == (False, None)


def test_a_chat_template_that_is_not_there(gpt2_folder: Path) -> None:
    with pytest.raises(ModelError) as raised:
        open_folder(gpt2_folder, chat_template=True)
    assert str(raised.value) == f"{gpt2_folder} has no chat template; leave out chat_template: true."


def test_weights_that_are_not_numbers_fail_each_request(copy: Path) -> None:
    tensors = load_file(copy / "model.safetensors")
    tensors["model.norm.weight"][:] = float("nan")
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    model = open_folder(copy)
    found: list[Any] = [*model.score([Score("The", " cat")]), *model.generate([Generate("The", 3)])]
    assert [response.status for response in found] == ["not_a_number", "not_a_number"]


LONG = "cat garden " * 80


def test_nothing_is_cut_off_silently(llama: CausalModel) -> None:
    requests = [Score(LONG, " cat"), Score("The", " cat"), Score(user(LONG), "yes")]
    found = llama.score(requests)
    assert [isinstance(response, Scored) for response in found] == [False, True, False]
    assert all("the model reads 96" in response.reason for response in found if isinstance(response, Failure))
    counted = coverage(response.status if isinstance(response, Failure) else "scored" for response in found)
    assert (counted.planned, counted.scored, counted.truncated) == (3, 1, 2)
    (answer,) = llama.generate([Generate(LONG, 4)])
    assert isinstance(answer, Failure)
    assert answer.status == "truncated"


def test_unfit() -> None:
    assert unfit(96, 96) is None
    assert unfit(10**6, None) is None
    assert unfit(97, 96) == Failure("truncated", "The input has 97 tokens; the model reads 96.")


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (FULL, True),
        (MemoryError(), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
            True,
        ),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_errors_of_memory(error: Exception, memory: bool) -> None:
    assert out_of_memory(error) is memory


def test_what_the_processor_says_of_memory() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60, dtype=torch.uint8)
    assert out_of_memory(raised.value)


class Small(ScriptedModel):
    """Has memory for two requests at a time; ``alive`` are the tensors of earlier tries that are still held."""

    def __init__(self, fits: Callable[[Sequence[Score]], bool]) -> None:
        super().__init__()
        self.fits = fits
        self.tries: list[weakref.ref[torch.Tensor]] = []
        self.alive: list[int] = []

    def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
        self.alive.append(sum(tensor() is not None for tensor in self.tries))
        activations = torch.zeros(10)
        self.tries.append(weakref.ref(activations))
        if not self.fits(requests):
            raise FULL.__class__(str(FULL))
        return super().score(requests)


ASKED: list[Request] = [Score(f"prompt {n}", " yes") for n in range(8)]


@pytest.fixture
def no_collecting(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes long in a session of tests; what is freed here is freed because nothing refers to it."""
    monkeypatch.setattr(gc, "collect", lambda *_: 0)


def test_a_batch_that_is_too_large_is_halved(no_collecting: None) -> None:
    model = Small(lambda requests: len(requests) <= 2)
    found = attempt(model, ASKED)
    assert found == ScriptedModel().score([r for r in ASKED if isinstance(r, Score)])
    assert len(model.tries) == 7  # 8, 4, 2, 2, 4, 2, 2
    assert set(model.alive) == {0}, "an error keeps the tensors of its try alive"


def test_everything_is_looked_through_once_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes half a second where torch is loaded; for the halves, what is new is enough."""
    looked: list[int] = []
    monkeypatch.setattr(gc, "collect", looked.append)
    attempt(Small(lambda requests: False), ASKED)
    assert looked == [2] + [1] * 14


def test_one_input_that_is_too_large_fails_alone(no_collecting: None) -> None:
    model = Small(lambda requests: ASKED[3] not in requests)
    found = attempt(model, ASKED)
    assert [isinstance(response, Failure) for response in found] == [n == 3 for n in range(8)]
    assert found[3] == Failure("failed", f"Out of memory even for one input; {LESS_MEMORY}.")
