"""Answers: those of transformers itself, one prompt or many at a time."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from audit.models import Failure, Generate, Generated, causal, user
from audit.models.causal import CausalModel
from audit.models.generator import Generator
from tests.audit.models.tiny import LONGEST, ByHand, edit_json, make_llama, make_windowed, open_folder

PROMPTS = [
    "The red cat sleeps in",
    "The",
    "",
    "The blue bird sleeps in the river. The white horse sleeps in the market. The green dog",
    "고양이는 정원에서",
    "The red cat ",
    "<|im_start|>user\nWhere is the dog?<|im_end|>\n<|im_start|>assistant\n",
]


def requests(temperature: float = 0.0, seed: int = 0) -> list[Generate]:
    return [Generate(prompt, 4 + 3 * n, temperature, seed) for n, prompt in enumerate(PROMPTS)]


def answers(model: CausalModel, asked: list[Generate]) -> list[Generated]:
    found = model.generate(asked)
    assert len(found) == len(asked)
    assert not [one for one in found if isinstance(one, Failure)]
    return [one for one in found if isinstance(one, Generated)]


@torch.inference_mode()
def by_transformers(model: CausalModel, request: Generate) -> str:
    ids = torch.tensor([model.encoder.prompt_ids(request.prompt)])
    out = model.scorer.model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=request.max_tokens
    )
    tokenizer = model.encoder.tokenizer
    return str(tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)).strip()


def test_greedy_text_is_that_of_transformers(model: CausalModel) -> None:
    asked = requests()
    assert [one.text for one in answers(model, asked)] == [by_transformers(model, request) for request in asked]


def test_greedy_chat_is_that_of_transformers(llama: CausalModel) -> None:
    asked = [Generate(user(f"Where is the {animal}?"), 20) for animal in ("dog", "cat", "bird")]
    found = answers(llama, asked)
    assert [one.text for one in found] == [by_transformers(llama, request) for request in asked]
    assert found[0].text.startswith("The ")


def test_numbers_equal_the_loop(model: CausalModel, by_hand: ByHand) -> None:
    end = model.encoder.tokenizer.eos_token_id
    asked = requests()
    for request, found in zip(asked, answers(model, asked), strict=True):
        ids, logprob, ended = by_hand.greedy(model.encoder.prompt_ids(request.prompt), request.max_tokens, [end])
        assert found.tokens == len(ids) + ended
        assert found.logprob == pytest.approx(logprob, abs=1e-4 * found.tokens)
        assert found.finish == ("stop" if ended else "length")


BEGINNING = "The red cat sleeps in the garden. The blue bird sleeps in the river."
TOGETHER = [
    BEGINNING + end for end in ("", " The", " The white horse sleeps in the", " The green dog sleeps in the market.")
]


@pytest.mark.parametrize("prompts", [TOGETHER, TOGETHER[1:], [*TOGETHER, "The"]], ids=["all", "longer", "with-another"])
def test_prompts_that_begin_alike(model: CausalModel, by_hand: ByHand, prompts: list[str]) -> None:
    agree(model, by_hand, prompts)


def agree(model: CausalModel, by_hand: ByHand, prompts: list[str]) -> None:
    end = model.encoder.tokenizer.eos_token_id
    found = answers(model, [Generate(prompt, 6) for prompt in prompts])
    for prompt, one in zip(prompts, found, strict=True):
        ids, logprob, ended = by_hand.greedy(model.encoder.prompt_ids(prompt), 6, [end])
        assert one.logprob == pytest.approx(logprob, abs=1e-4 * one.tokens), prompt
        assert one.tokens == len(ids) + ended


@pytest.mark.parametrize("window", [8, 20, 32])
def test_prompts_that_begin_alike_and_are_longer_than_a_window(tmp_path: Path, window: int) -> None:
    model = open_folder(make_windowed(tmp_path, window))
    agree(model, ByHand(model), TOGETHER)


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.5])
def test_alone_as_in_a_batch(model: CausalModel, temperature: float) -> None:
    asked = requests(temperature, seed=3)
    together = answers(model, asked)
    for request, found in zip(asked, together, strict=True):
        [alone] = answers(model, [request])
        assert (alone.text, alone.tokens, alone.finish) == (found.text, found.tokens, found.finish)
        assert alone.logprob == pytest.approx(found.logprob, abs=1e-4 * found.tokens)
    assert answers(model, asked[::-1])[::-1] == [
        Generated(one.text, one.tokens, pytest.approx(one.logprob, abs=1e-2), one.finish) for one in together
    ]


def test_the_seed_chooses_the_sample(llama: CausalModel) -> None:
    texts = [answers(llama, [Generate("The", 12, 1.5, seed)])[0].text for seed in (1, 1, 2, 3)]
    assert texts[0] == texts[1]
    assert len(set(texts)) > 1


def test_sampling_leaves_the_global_stream_alone(llama: CausalModel) -> None:
    before = torch.get_rng_state()
    llama.generate([Generate("The", 3, 1.0, 5)])
    assert torch.equal(before, torch.get_rng_state())


def test_samples_follow_the_model(llama: CausalModel, llama_folder: Path) -> None:
    """Of many samples of one token, the share of each is near its probability."""
    found = answers(llama, [Generate("The red cat sleeps in the", 1, 1.0, seed) for seed in range(400)])
    texts = [one.text for one in found]
    for text in ("garden", "kitchen", "river", "market"):
        expected = ByHand(llama).row(*llama.encoder.pair("The red cat sleeps in the", f" {text}"))
        share, p = texts.count(text) / len(texts), math.exp(expected.logprob)
        assert abs(share - p) < 4 * math.sqrt(p * (1 - p) / len(texts)) + 1e-3


@pytest.mark.parametrize("most", [1, 2, 7])
def test_no_more_tokens_than_asked(gemma: CausalModel, most: int) -> None:
    [found] = answers(gemma, [Generate("The red", most)])
    assert found.tokens <= most
    assert found.finish == ("length" if found.tokens == most else "stop")


def test_an_answer_ends_at_the_end_token(llama: CausalModel) -> None:
    [found] = answers(llama, [Generate("The red cat sleeps in the", 30)])
    assert found.finish == "stop"
    assert found.tokens < 30
    assert "<|end|>" not in found.text
    assert found.text.endswith(".")


def test_every_end_token_of_the_config_ends_an_answer(tmp_path: Path) -> None:
    """A list of end tokens, as chat models have: ``<|im_end|>`` ends a turn."""
    folder = make_llama(tmp_path)
    edit_json(folder / "generation_config.json", eos_token_id=[0, 2])
    [found] = answers(open_folder(folder), [Generate(user("Where is the dog?"), 30)])
    assert found.finish == "stop"
    assert "\n" not in found.text


def test_no_prompts_no_answers(model: CausalModel) -> None:
    assert model.generate([]) == []


def test_what_does_not_fit_is_truncated_and_the_rest_is_answered(model: CausalModel) -> None:
    long = "The" + " cat" * LONGEST
    found = model.generate([Generate(long, 4), Generate("The", 4)])
    assert isinstance(found[0], Failure)
    assert found[0].status == "truncated"
    assert str(LONGEST) in found[0].reason
    assert str(len(model.encoder.prompt_ids(long))) in found[0].reason
    assert found[1:] == model.generate([Generate("The", 4)])


def test_prompt_and_answer_may_fill_the_context(model: CausalModel) -> None:
    prompt = "The red cat"
    most = LONGEST - len(model.encoder.prompt_ids(prompt))
    answers(model, [Generate(prompt, most)])


def test_a_short_prompt_with_too_long_an_answer_says_so(llama: CausalModel) -> None:
    [found] = llama.generate([Generate("The red cat", 2000)])
    assert isinstance(found, Failure)
    assert "2000" in found.reason


def broken(folder: Path) -> CausalModel:
    model = open_folder(folder)
    model.scorer.model.transformer.ln_f.weight.data.fill_(math.nan)
    return model


def test_numbers_that_are_not_finite_are_failures(gpt2_folder: Path) -> None:
    found = broken(gpt2_folder).generate([Generate("The", 3), Generate("The red", 3)])
    assert all(isinstance(one, Failure) and one.status == "not_a_number" for one in found)


def test_numbers_that_are_not_finite_are_failures_of_samples_too(gpt2_folder: Path) -> None:
    [found] = broken(gpt2_folder).generate([Generate("The", 3, 1.0, 1)])
    assert isinstance(found, Failure)
    assert found.status == "not_a_number"


def test_a_prompt_with_a_number_that_is_not_finite_leaves_the_others_alone(tmp_path: Path) -> None:
    """Its keys and values reach others that are read in the same pass, where only a mask hides them."""
    model = open_folder(make_llama(tmp_path))
    asked = [Generate(prompt, 4) for prompt in ("The red cat", "The red 고양이", "The green bird")]
    expected = answers(model, asked)
    assert model._generator.packs
    spoilt = model.encoder.prompt_ids("The red 고양이")[-1]

    def spoil(_: object, given: tuple[torch.Tensor], states: torch.Tensor) -> torch.Tensor:
        return states.masked_fill((given[0] == spoilt)[..., None], math.nan)

    model.scorer.model.get_input_embeddings().register_forward_hook(spoil)
    found = model.generate(asked)
    assert isinstance(found[1], Failure)
    for i in (0, 2):
        one = found[i]
        assert isinstance(one, Generated)
        assert (one.text, one.tokens) == (expected[i].text, expected[i].tokens)


def test_models_whose_layers_see_everything_read_prompts_packed(
    llama: CausalModel, gpt2: CausalModel, gemma: CausalModel
) -> None:
    assert llama._generator.packs
    assert gpt2._generator.packs
    assert not gemma._generator.packs  # some of its layers see a window only
    assert gemma._generator.batches


def test_prompts_read_packed_or_padded_get_the_same_answers(llama: CausalModel) -> None:
    """With a beginning long and shared enough to be kept, two packs and more, and one prompt asked twice."""
    stem = "The red cat sleeps in the garden. " * 3
    prompts = [*PROMPTS, *(stem + end for end in ("The", "The blue", "The blue bird sleeps", "A"))]
    asked = [
        Generate(prompt, 5 + n % 4, temperature, 7) for n, prompt in enumerate(prompts) for temperature in (0.0, 0.9)
    ]
    padded = Generator(llama.scorer, [llama.encoder.tokenizer.eos_token_id], 0)
    padded.packs = False
    packed, budget = llama._generator, llama.scorer.budget
    try:
        llama.scorer.budget = 24
        found = answers(llama, asked)
        llama._generator = padded
        expected = answers(llama, asked)
    finally:
        llama._generator, llama.scorer.budget = packed, budget
        llama.forget()
    for one, two in zip(found, expected, strict=True):
        assert (one.text, one.tokens, one.finish) == (two.text, two.tokens, two.finish)
        assert one.logprob == pytest.approx(two.logprob, abs=1e-4 * one.tokens)


def test_a_prompt_that_cannot_be_read_packed_rightly_is_read_padded(
    llama: CausalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check at load time compares answers with the plain way."""
    inner = Generator._packed

    def shifted(self: Generator, *given: Any) -> Any:
        logits, cache, mask = inner(self, *given)
        return logits.roll(1, -1), cache, mask

    monkeypatch.setattr(Generator, "_packed", shifted)
    generator = Generator(llama.scorer, [0], 0)
    assert not generator.packs
    assert generator.batches


@pytest.mark.parametrize(
    ("lengths", "room", "spans"),
    [
        ([2, 2, 2], 6, [(0, 3)]),
        ([2, 2, 2, 2], 6, [(0, 2), (2, 4)]),  # not three and one
        ([1, 1, 1, 1, 5, 5], 10, [(0, 4), (4, 6)]),  # three of the longest would not fit
        ([20, 30], 10, [(0, 1), (1, 2)]),  # one row is always computed
    ],
)
def test_batches_of_answers_fit_and_are_even(lengths: list[int], room: int, spans: list[tuple[int, int]]) -> None:
    assert causal._spans(lengths, room) == spans


def test_no_batch_of_answers_has_more_rows_than_one_may() -> None:
    sizes = [end - start for start, end in causal._spans([1] * (causal.GENERATE_ROWS + 2), 10**9)]
    assert sizes == [causal.GENERATE_ROWS // 2 + 1] * 2
