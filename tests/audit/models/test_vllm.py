"""vLLM's backend at the library's edge: its numbers are those of the local path, its limits are told, never guessed."""

from __future__ import annotations

import importlib.util
import math
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from audit.models import (
    Ablate,
    Attribute,
    Attributed,
    Capability,
    Failure,
    Generate,
    Generated,
    ModelError,
    Score,
    Scored,
    answer,
    user,
)
from audit.models.causal import CausalModel
from audit.models.options import Options
from audit.models.vllm_model import VllmModel, parallel
from tests.audit.models.fake_vllm import Engine, RequestOutput, library
from tests.audit.models.tiny import ANIMALS, COLOURS, LONGEST, edit_json, open_source

PROMPT = "The red cat sleeps in the"
SCORES = [
    Score(PROMPT, " garden"),
    Score(PROMPT, " river"),
    Score(PROMPT + " ", "garden"),
    Score("", "The red cat"),
    Score("고양이는", " 정원에서 잠을 잔다."),
    Score(user("Where is the dog?"), "The dog is in the kitchen."),
]
GENERATES = [
    Generate("The blue dog", 12),
    Generate("The", 3),
    Generate(user("Where is the cat?"), 20),
]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """The stand-in for vLLM, in the place of the real one."""
    found = Engine()
    for name in ("VLLM_NO_USAGE_STATS", "VLLM_ENABLE_V1_MULTIPROCESSING", "VLLM_LOGGING_LEVEL"):
        monkeypatch.setenv(name, "x")
        monkeypatch.delenv(name)
    monkeypatch.setitem(sys.modules, "vllm", library(found))
    return found


def opened(folder: Path, **options: Any) -> VllmModel:
    model = open_source(str(folder), Options(backend="vllm", **options))
    assert isinstance(model, VllmModel)
    return model


def scored(model: Any, request: Score) -> Scored:
    (found,) = answer(model, [request])
    assert isinstance(found, Scored)
    return found


# The same numbers.


@pytest.mark.parametrize("folder", ["llama_folder", "gpt2_folder"])
def test_scores_are_those_of_the_local_path(folder: str, engine: Engine, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(folder)
    local = request.getfixturevalue(folder.removesuffix("_folder"))
    for here, there in zip(opened(path).score(SCORES), local.score(SCORES), strict=True):
        assert isinstance(here, Scored)
        assert here.logprob == pytest.approx(there.logprob, abs=1e-4 * there.tokens)
        assert (here.tokens, here.greedy) == (there.tokens, there.greedy)


def test_some_are_greedy_and_some_are_not(llama_folder: Path, engine: Engine) -> None:
    model = opened(llama_folder)
    assert {scored(model, request).greedy for request in SCORES} == {True, False}


def test_model_knows_its_text(llama_folder: Path, engine: Engine) -> None:
    model = opened(llama_folder)
    for colour in COLOURS:
        for animal in ANIMALS:
            known = scored(model, Score("The", f" {colour} {animal} sleeps in the"))
            other = scored(model, Score("The", f" the {animal} in sleeps {colour}"))
            assert known.logprob > other.logprob + 1


def test_equal_rows_are_asked_once(llama_folder: Path, engine: Engine) -> None:
    model = opened(llama_folder)
    first, again = model.score([SCORES[0], Score("The red cat sleeps in", " the garden")])
    assert len(engine.prompts) == 1
    assert isinstance(first, Scored)
    assert isinstance(again, Scored)
    assert again.tokens > first.tokens


def test_greedy_answers_are_those_of_the_local_path(llama_folder: Path, llama: CausalModel, engine: Engine) -> None:
    for here, there in zip(opened(llama_folder).generate(GENERATES), llama.generate(GENERATES), strict=True):
        assert isinstance(here, Generated)
        assert isinstance(there, Generated)
        assert here.logprob == pytest.approx(there.logprob, abs=1e-3)
        assert (here.text, here.tokens, here.finish) == (there.text, there.tokens, there.finish)


def test_answers_end_both_ways(llama_folder: Path, engine: Engine) -> None:
    found = opened(llama_folder).generate(GENERATES)
    assert {a.finish for a in found if isinstance(a, Generated)} == {"stop", "length"}
    assert not any("<|" in a.text for a in found if isinstance(a, Generated))


def test_sample_follows_its_seed(llama_folder: Path, engine: Engine) -> None:
    model = opened(llama_folder)
    asked = [Generate("The", 8, temperature=3.0, seed=seed) for seed in (1, 2, 1)]
    one, two, again = (a.text for a in model.generate(asked) if isinstance(a, Generated))
    assert one == again != two
    assert [(s.temperature, s.seed) for s in engine.sampling] == [(3.0, 1), (3.0, 2), (3.0, 1)]


@pytest.mark.parametrize("method", ["leave_one_out", "shapley_sampling"])
def test_explanations_are_those_of_the_local_path(
    method: Any, llama_folder: Path, llama: CausalModel, engine: Engine
) -> None:
    asked = Attribute(PROMPT, " garden", " river", method=method, samples=2, seed=1)
    (here,), (there,) = opened(llama_folder).attribute([asked]), llama.attribute([asked])
    assert isinstance(here, Attributed)
    assert isinstance(there, Attributed)
    assert here.units == there.units
    assert here.scores == pytest.approx(there.scores, abs=1e-3)
    kept = Ablate(PROMPT, " garden", " river", kept=((0, 1, 2), (), (2,)))
    (mine,), (theirs,) = opened(llama_folder).ablate([kept]), llama.ablate([kept])
    assert mine.values == pytest.approx(theirs.values, abs=1e-3)  # type: ignore[union-attr]


# What cannot be answered.


def test_not_finite_is_a_failure(llama_folder: Path, engine: Engine) -> None:
    def spoil(output: RequestOutput) -> None:
        last = (output.prompt_logprobs or [None])[-1]
        for entry in (last or {}).values():
            entry.logprob = math.nan
        for entry in (output.outputs[0].logprobs or [{}])[0].values():
            entry.logprob = -math.inf

    engine.spoil = spoil
    model = opened(llama_folder)
    for asked in (SCORES[0], GENERATES[0], Ablate(PROMPT, " garden", kept=((0,),)), Attribute(PROMPT, " garden")):
        (found,) = answer(model, [asked])
        assert isinstance(found, Failure)
        assert found.status == "not_a_number"


def test_empty_continuation_and_too_long_inputs(llama_folder: Path, engine: Engine) -> None:
    model = opened(llama_folder)
    encoder = model.encoder
    words = "cat " * 200
    while len(encoder.prompt_ids(words)) > LONGEST - 2:
        words = words.rsplit(" ", 2)[0] + " "
    fits = Score(words.strip(), " garden")
    tokens = sum(map(len, encoder.pair(fits.prompt, fits.continuation)))
    found = model.score([Score(PROMPT, ""), Score(words + words, " garden"), SCORES[0]])
    assert [type(f) for f in found] == [Failure, Failure, Scored]
    assert isinstance(found[0], Failure)
    assert isinstance(found[1], Failure)
    assert (found[0].status, found[1].status) == ("failed", "truncated")
    assert f"vLLM scores {LONGEST - 1}" in found[1].reason
    (near,) = model.score([fits])
    assert isinstance(near, Scored if tokens < LONGEST else Failure)
    (long,) = model.generate([Generate(words, LONGEST)])
    assert isinstance(long, Failure)
    assert long.status == "truncated"
    assert len(engine.prompts) <= 2  # nothing that does not fit is sent
    for asked in (Attribute(words + words, " a"), Ablate(PROMPT, "", kept=((0,),))):
        assert isinstance(answer(model, [asked])[0], Failure)


def test_longest_input_that_vllm_takes_is_scored(llama_folder: Path, engine: Engine) -> None:
    model = opened(llama_folder)
    edge = [Score("a" * n, "b") for n in range(60, 120)]
    sizes = [sum(map(len, model.encoder.pair(r.prompt, r.continuation))) for r in edge]
    assert LONGEST - 1 in sizes
    assert LONGEST in sizes
    for size, found in zip(sizes, model.score(edge), strict=True):
        assert isinstance(found, Scored if size < LONGEST else Failure), size


def test_strange_end_and_missing_numbers_are_told(llama_folder: Path, engine: Engine) -> None:
    def abort(output: RequestOutput) -> None:
        output.outputs[0].finish_reason = "abort"
        output.prompt_logprobs = None

    engine.spoil = abort
    model = opened(llama_folder)
    (found,) = model.generate([GENERATES[0]])
    assert found == Failure("failed", "vLLM ended the answer with 'abort'.")
    with pytest.raises(RuntimeError, match="no log-probabilities"):
        model.score([SCORES[0]])


# Opening.


def test_facts_are_those_of_the_local_path_but_for_vllm(llama_folder: Path, llama: CausalModel, engine: Engine) -> None:
    model = opened(llama_folder)
    assert model.capabilities == {Capability.SCORE, Capability.GENERATE, Capability.ATTRIBUTE}
    here, there = model.facts.model_dump(), llama.facts.model_dump()
    assert here.pop("notes") == [*there.pop("notes"), "Computed by vLLM 0.99.0."]
    assert here["kernels"] is None
    for name in ("capabilities", "kernels"):
        del here[name], there[name]
    assert here == there
    assert model.fingerprint != llama.fingerprint
    assert model.fingerprint == opened(llama_folder).fingerprint
    assert model.fingerprint != opened(llama_folder, dtype="bfloat16").fingerprint


def test_vllm_is_started_with_what_numbers_depend_on(llama_folder: Path, engine: Engine) -> None:
    opened(llama_folder, dtype="bfloat16")
    opened(llama_folder)
    (half, full) = engine.opened
    assert (half["dtype"], full["dtype"]) == ("bfloat16", "float32")
    assert full["model"] == str(llama_folder)
    assert (full["trust_remote_code"], full["enable_prefix_caching"], full["seed"]) == (False, False, 0)
    assert os.environ["VLLM_NO_USAGE_STATS"] == "1"
    assert os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] == "0"


def test_end_tokens_are_the_models_own(llama_folder: Path, llama: CausalModel, engine: Engine, tmp_path: Path) -> None:
    opened(llama_folder).generate([GENERATES[0]])
    assert engine.sampling[0].stop_token_ids == [llama.encoder.tokenizer.eos_token_id]


@pytest.mark.parametrize(("devices", "heads", "split"), [(0, 12, 1), (1, 12, 1), (8, 12, 6), (8, 32, 8), (3, 7, 1)])
def test_model_is_split_over_as_many_devices_as_its_heads_allow(devices: int, heads: int, split: int) -> None:
    assert parallel(devices, heads) == split


def test_batches_are_the_same_for_the_same_requests(llama_folder: Path, engine: Engine) -> None:
    model = opened(llama_folder, batch_tokens=40)
    groups = model.batches(SCORES)
    assert groups == model.batches(SCORES[::-1])
    assert sorted(r.key for g in groups for r in g) == sorted(r.key for r in SCORES)
    assert len(groups) > 1
    assert model.batches([]) == []
    assert [len(g) for g in model.batches([Generate(f"{i}", 4) for i in range(300)])] == [256, 44]
    assert [len(g) for g in model.batches([Attribute(PROMPT, " a"), Attribute(PROMPT, " b")])] == [1, 1]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        pytest.param({"quantization": "4bit"}, "quantization cannot be combined with backend: vllm", id="quantization"),
        pytest.param({"device": "cpu"}, "not on device cpu", id="cpu"),
        pytest.param({"device": "cuda:1"}, "CUDA_VISIBLE_DEVICES", id="one GPU"),
    ],
)
def test_options_that_vllm_has_not_are_refused(
    options: dict[str, Any], told: str, llama_folder: Path, engine: Engine
) -> None:
    with pytest.raises(ModelError, match=told):
        opened(llama_folder, **options)
    assert engine.opened == []


def test_other_tasks_are_refused(llama_folder: Path, engine: Engine) -> None:
    with pytest.raises(ModelError, match="opens models of task causal-lm only"):
        open_source(str(llama_folder), Options(backend="vllm"), task="masked-lm")


def test_what_vllm_says_is_told(llama_folder: Path, engine: Engine) -> None:
    engine.refuse = ValueError("1 validation error for ModelConfig\n  Value error, no kernels for float32 [type=x]")
    with pytest.raises(ModelError, match=r"could not be opened by vLLM: Value error, no kernels"):
        opened(llama_folder)
    engine.refuse = RuntimeError()
    with pytest.raises(ModelError, match=r"could not be opened by vLLM: RuntimeError"):
        opened(llama_folder)


def test_absent_package_is_one_sentence(llama_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)  # as Python marks what is not there
    with pytest.raises(ModelError, match=r'pip install "fairwitness\[vllm\]"') as error:
        opened(llama_folder)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param("import no_such_part_of_vllm", "no_such_part_of_vllm is missing", id="part missing"),
        pytest.param("raise ImportError('libcudart.so.12: cannot open')", "libcudart", id="no CUDA"),
    ],
)
def test_broken_package_is_one_sentence(
    content: str, told: str, llama_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "vllm.py").write_text(content)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "vllm", raising=False)
    with pytest.raises(ModelError, match=told):
        opened(llama_folder)


def test_damaged_folder_is_one_sentence(llama_folder: Path, engine: Engine, tmp_path: Path) -> None:
    for file in llama_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    edit_json(tmp_path / "config.json", model_type="nothing_known")
    with pytest.raises(ModelError, match="could not be opened as a causal language model"):
        opened(tmp_path)
    assert engine.opened == []


# The real one, where it is.


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed")
@pytest.mark.filterwarnings("ignore")
def test_real_vllm_agrees_with_the_local_path(llama_folder: Path, llama: CausalModel) -> None:
    model = opened(llama_folder)
    for here, there in zip(model.score(SCORES), llama.score(SCORES), strict=True):
        assert isinstance(here, Scored)
        assert here.logprob == pytest.approx(there.logprob, abs=1e-2 * there.tokens)
    for made, wanted in zip(model.generate(GENERATES), llama.generate(GENERATES), strict=True):
        assert isinstance(made, Generated)
        assert made.text == wanted.text  # type: ignore[union-attr]
    one, two = model.generate([Generate("The", 8, temperature=3.0, seed=1)] * 2)
    assert one == two
