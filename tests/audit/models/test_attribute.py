"""Attributions and ablations: equal to deleting words by hand and scoring what is left."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from audit.models import Ablate, Ablated, Attribute, Attributed, Failure, Message, Prompt, Score, Scored, user
from audit.models.causal import CausalModel
from tests.audit.models.tiny import LONGEST, TEMPLATE, ByHand, open_folder

PROMPT = "The red cat sleeps in the"
ANSWER, OTHER = " garden and sleeps.", " river"
NEAR = 1e-3  # attributions are float32


def attributed(model: CausalModel, request: Attribute) -> Attributed:
    [found] = model.attribute([request])
    assert isinstance(found, Attributed), found
    return found


def ablated(model: CausalModel, request: Ablate) -> tuple[float, ...]:
    [found] = model.ablate([request])
    assert isinstance(found, Ablated), found
    return found.values


def logprob(model: CausalModel, prompt: Prompt, answer: str) -> float:
    [found] = model.score([Score(prompt, answer)])
    assert isinstance(found, Scored), found
    return found.logprob


def without(text: str, gone: Sequence[int]) -> str:
    """The text with whole words deleted, each with the space before it."""
    pieces = re.findall(r"\s*\S+", text)
    return "".join(piece for n, piece in enumerate(pieces) if n not in gone)


def test_leave_one_out_is_deleting_each_word(model: CausalModel) -> None:
    found = attributed(model, Attribute(PROMPT, ANSWER))
    full = logprob(model, PROMPT, ANSWER)
    assert found.units == tuple(PROMPT.split())
    assert found.full == pytest.approx(full, abs=NEAR)
    assert found.empty == pytest.approx(logprob(model, "", ANSWER), abs=NEAR)
    by_hand = [full - logprob(model, without(PROMPT, [n]), ANSWER) for n in range(len(found.units))]
    assert found.scores == pytest.approx(by_hand, abs=NEAR)


def test_contrast_is_the_difference_of_two_answers(model: CausalModel) -> None:
    found = attributed(model, Attribute(PROMPT, ANSWER, OTHER))
    one, two = attributed(model, Attribute(PROMPT, ANSWER)), attributed(model, Attribute(PROMPT, OTHER))
    assert found.full == pytest.approx(one.full - two.full, abs=NEAR)
    assert found.empty == pytest.approx(one.empty - two.empty, abs=NEAR)
    assert found.scores == pytest.approx([a - b for a, b in zip(one.scores, two.scores, strict=True)], abs=NEAR)


def test_answers_of_several_tokens_equal_the_loop(model: CausalModel, by_hand: ByHand) -> None:
    expected = by_hand.score(Score(PROMPT, ANSWER))
    assert expected.tokens > 2
    assert attributed(model, Attribute(PROMPT, ANSWER)).full == pytest.approx(expected.logprob, abs=NEAR)


@pytest.mark.parametrize("contrast", [None, OTHER])
@pytest.mark.parametrize("samples", [1, 5])
def test_sampled_shapley_values_share_out_the_whole(model: CausalModel, samples: int, contrast: str | None) -> None:
    asked = Attribute(PROMPT, ANSWER, contrast, method="shapley_sampling", samples=samples, seed=4)
    found = attributed(model, asked)
    assert sum(found.scores) == pytest.approx(found.full - found.empty, abs=NEAR)
    assert attributed(model, asked) == found


def test_the_seed_chooses_the_orders(llama: CausalModel) -> None:
    found = {
        attributed(llama, Attribute(PROMPT, ANSWER, method="shapley_sampling", samples=1, seed=seed)).scores
        for seed in range(4)
    }
    assert len(found) > 1


def test_sampling_leaves_the_global_stream_alone(llama: CausalModel) -> None:
    before = torch.get_rng_state()
    attributed(llama, Attribute(PROMPT, ANSWER, method="shapley_sampling", samples=2))
    assert torch.equal(before, torch.get_rng_state())


def test_sampled_shapley_values_approach_the_exact_ones(llama: CausalModel) -> None:
    prompt = "The red cat"
    subsets = [s for size in range(4) for s in itertools.combinations(range(3), size)]
    f = dict(zip(subsets, ablated(llama, Ablate(prompt, ANSWER, kept=tuple(subsets))), strict=True))
    orders = list(itertools.permutations(range(3)))
    marginals: list[list[float]] = [[], [], []]
    for order in orders:
        for n, word in enumerate(order):
            marginals[word].append(f[tuple(sorted(order[: n + 1]))] - f[tuple(sorted(order[:n]))])
    found = attributed(llama, Attribute(prompt, ANSWER, method="shapley_sampling", samples=100))
    for score, values in zip(found.scores, marginals, strict=True):
        mean = sum(values) / len(values)
        spread = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))
        assert abs(score - mean) < 4 * spread / math.sqrt(100) + NEAR


def test_ablating_nothing_and_everything(model: CausalModel) -> None:
    whole = attributed(model, Attribute(PROMPT, ANSWER, OTHER))
    every = tuple(range(len(whole.units)))
    values = ablated(model, Ablate(PROMPT, ANSWER, OTHER, kept=(every, (), every[::-1])))
    assert values == pytest.approx([whole.full, whole.empty, whole.full], abs=NEAR)


def test_ablating_is_deleting_words(model: CausalModel) -> None:
    kept = ((0, 2), (1, 3, 4), (5,), (0, 1, 2, 3, 4))
    expected = [logprob(model, without(PROMPT, set(range(6)) - set(k)), ANSWER) for k in kept]
    assert ablated(model, Ablate(PROMPT, ANSWER, kept=kept)) == pytest.approx(expected, abs=NEAR)


def test_each_request_has_its_own_answer(model: CausalModel) -> None:
    asked = [Ablate(PROMPT, ANSWER, kept=((0,),)), Ablate("The", OTHER, kept=((0,), ()))]
    together = model.ablate(asked)
    assert all(isinstance(found, Ablated) for found in together)
    for one, found in zip(asked, together, strict=True):
        assert isinstance(found, Ablated)
        assert found.values == pytest.approx(ablated(model, one), abs=1e-4)  # what is computed together rounds together


CHAT = (*user("Where is the red cat?"), Message("assistant", "In the garden."), *user("The red cat sleeps in the"))


def test_of_a_chat_only_the_last_message_has_units(llama: CausalModel) -> None:
    found = attributed(llama, Attribute(CHAT, ANSWER))
    last = CHAT[-1].content
    assert found.units == tuple(last.split())

    def chat(text: str) -> Prompt:
        return (*CHAT[:-1], Message("user", text))

    full = logprob(llama, CHAT, ANSWER)
    assert found.full == pytest.approx(full, abs=NEAR)
    assert found.empty == pytest.approx(logprob(llama, chat(""), ANSWER), abs=NEAR)
    by_hand = [full - logprob(llama, chat(without(last, [n])), ANSWER) for n in range(len(found.units))]
    assert found.scores == pytest.approx(by_hand, abs=NEAR)


def test_a_chat_whose_messages_repeat(llama: CausalModel) -> None:
    twice = (*user("Where is it?"), *user("Where is it?"))
    found = attributed(llama, Attribute(twice, ANSWER))
    assert found.units == ("Where", "is", "it?")
    assert found.empty == pytest.approx(logprob(llama, (*user("Where is it?"), *user("")), ANSWER), abs=NEAR)


def test_a_plain_chat_keeps_its_frame(gpt2: CausalModel) -> None:
    asked = user("the red cat sleeps")
    found = attributed(gpt2, Attribute(asked, "The"))
    assert found.units == ("the", "red", "cat", "sleeps")
    assert found.full == pytest.approx(logprob(gpt2, asked, "The"), abs=NEAR)
    assert found.empty == pytest.approx(logprob(gpt2, "Question:\nAnswer:", " The"), abs=NEAR)


@pytest.mark.parametrize(
    "text",
    [
        "고양이는 정원에서 잠을 잔다.",
        "Der Bär läuft",
        "cat 🐈 cat",
        "  The   red\tcat\n\nsleeps  ",
        "unbelievable-words, (here)!",
    ],
)
def test_units_are_whole_words(model: CausalModel, text: str) -> None:
    found = attributed(model, Attribute(text, ANSWER))
    assert found.units == tuple(text.split())
    assert len(found.scores) == len(found.units)


def test_a_korean_word_goes_with_its_space(llama: CausalModel) -> None:
    text = "고양이는 정원에서 잠을"
    found = attributed(llama, Attribute(text, " 잔다."))
    full = logprob(llama, text, " 잔다.")
    by_hand = [full - logprob(llama, without(text, [n]), " 잔다.") for n in (1, 2)]
    assert found.scores[1:] == pytest.approx(by_hand, abs=NEAR)


@pytest.mark.parametrize("prompt", ["", "   ", user("")])
def test_a_prompt_without_words_cannot_be_explained(llama: CausalModel, prompt: Prompt) -> None:
    [found] = llama.attribute([Attribute(prompt, ANSWER)])
    assert found == Failure("failed", "The prompt has no words to explain.")


def test_numbers_that_are_not_finite_are_failures(gpt2_folder: Path) -> None:
    model = open_folder(gpt2_folder)
    model.scorer.model.transformer.ln_f.weight.data.fill_(math.nan)
    for method in ("leave_one_out", "shapley_sampling"):
        [found] = model.attribute([Attribute(PROMPT, ANSWER, method=method, samples=2)])
        assert isinstance(found, Failure)
        assert found.status == "not_a_number"
    [found_] = model.ablate([Ablate(PROMPT, ANSWER, kept=((0,),))])
    assert isinstance(found_, Failure)
    assert found_.status == "not_a_number"


def test_a_prompt_that_ends_in_a_space(model: CausalModel) -> None:
    found = attributed(model, Attribute(PROMPT + " ", ANSWER[1:]))
    assert found.full == pytest.approx(logprob(model, PROMPT + " ", ANSWER[1:]), abs=NEAR)


@pytest.mark.parametrize("content", ["assistant", "is", "start"])
def test_a_message_that_also_stands_in_the_frame(llama: CausalModel, content: str) -> None:
    found = attributed(llama, Attribute(user(content), ANSWER))
    assert found.units == (content,)
    assert found.empty == pytest.approx(logprob(llama, user(""), ANSWER), abs=NEAR)


def test_a_message_that_also_stands_in_the_plain_frame(gpt2: CausalModel) -> None:
    units = gpt2.encoder.units(user("Answer"))
    assert units.words == ("Answer",)
    kept = [token for place, token in enumerate(units.ids) if place not in units.members[0]]
    assert gpt2.encoder.tokenizer.decode(kept).replace(" ", "") == "<s>Question:\nAnswer:"


def test_a_template_that_trims_messages(llama_folder: Path) -> None:
    """As those of Llama 3 and Gemma do."""
    model = open_folder(llama_folder)
    model.encoder.tokenizer.chat_template = TEMPLATE.replace("m['content']", "m['content'] | trim")
    found = attributed(model, Attribute(user("Where is it?\n"), ANSWER))
    assert found.units == ("Where", "is", "it?")


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_too_long_is_truncated(name: str, request: pytest.FixtureRequest) -> None:
    model: CausalModel = request.getfixturevalue(name)
    long = "The" + " cat" * LONGEST
    found = [*model.attribute([Attribute(long, ANSWER)]), *model.ablate([Ablate(long, ANSWER, kept=((0,),))])]
    assert all(isinstance(one, Failure) and one.status == "truncated" for one in found)


def test_an_empty_answer_is_a_failure(llama: CausalModel) -> None:
    found = [*llama.attribute([Attribute(PROMPT, "")]), *llama.ablate([Ablate(PROMPT, "", kept=((0,),))])]
    assert all(isinstance(one, Failure) and one.status == "failed" for one in found)


def test_an_empty_contrast_is_a_failure(llama: CausalModel) -> None:
    [found] = llama.attribute([Attribute(PROMPT, ANSWER, "")])
    assert isinstance(found, Failure)


def test_shapley_without_samples_gives_no_nan(llama: CausalModel) -> None:
    [found] = llama.attribute([Attribute(PROMPT, ANSWER, method="shapley_sampling")])
    assert isinstance(found, Failure) or all(map(math.isfinite, found.scores))


def test_units_that_do_not_exist_are_refused(llama: CausalModel) -> None:
    [found] = llama.ablate([Ablate(PROMPT, ANSWER, kept=((0, 99),))])
    assert isinstance(found, Failure)
