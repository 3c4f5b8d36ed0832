"""Likelihoods: equal to a token-by-token loop, whatever else is asked and in whatever batches."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM

from audit.models import Failure, Generate, Request, Score, Scored, user
from audit.models.causal import CausalModel
from audit.models.kernels import speed_up
from audit.models.scorer import Continuation, Likelihood, Scorer
from tests.audit.models.tiny import LONGEST, TEXTS, ByHand, Expected, make_windowed, open_folder, single_thread

NEAR = 1e-4  # nats a token, between float32 in batches and float64 one token at a time
CONTEXT = "The red cat sleeps in the garden. The blue bird sleeps in the river. The green dog"
TEXT_REQUESTS = [
    Score("The red cat sleeps in the", " garden"),  # likely
    Score("The red cat sleeps in the", " river"),
    Score("The red cat sleeps in the ", "garden"),  # the same tokens by another cut
    Score("The red cat sleeps in the  ", "garden"),
    Score("The red cat sleeps in the", " garden.<|end|>"),
    Score("The red cat", " sleeps in the garden and then the dog drinks"),
    Score("", "The red cat"),
    Score("   ", "cat"),
    Score("The", " red"),  # its row begins many others
    Score("The red", " cat"),
    Score("고양이는", " 정원에서 잠을 잔다."),
    Score("Tab\tand\nline", "\n\nend"),
    *(Score(CONTEXT, f" sleeps in the {place}.") for place in ("kitchen", "market", "river", "house of a stranger")),
    Score(CONTEXT + " sleeps", " in"),
]
CHAT_REQUESTS = [
    Score(user("Where is the dog?"), "The dog is in the kitchen."),
    Score(user("Where is the dog?"), "kitchen"),
    Score((*user("Where is the cat?"), *user("And the dog?")), "The"),
]


def near(expected: Expected) -> object:
    return pytest.approx(expected.logprob, abs=NEAR * expected.tokens)


def requests_for(model: CausalModel) -> list[Score]:
    return TEXT_REQUESTS + (CHAT_REQUESTS if model.encoder.chat else [])


@pytest.fixture(scope="session")
def expected(model: CausalModel, by_hand: ByHand) -> dict[Score, Expected]:
    """What the loop says of every request."""
    with single_thread():
        return {request: by_hand.score(request) for request in requests_for(model)}


def test_the_models_have_learned_their_text(llama: CausalModel, gpt2: CausalModel) -> None:
    for model in (llama, gpt2):
        found = model.score([Score("", text) for text in TEXTS])
        per_token = sum(f.logprob for f in found if isinstance(f, Scored)) / sum(
            f.tokens for f in found if isinstance(f, Scored)
        )
        assert per_token > -math.log(len(model.encoder.tokenizer)) + 2


def test_pool_equals_loop(model: CausalModel, expected: dict[Score, Expected]) -> None:
    found = model.score(list(expected))
    for one, (request, by_loop) in zip(found, expected.items(), strict=True):
        assert isinstance(one, Scored), request
        assert one.logprob == near(by_loop), request
        assert (one.tokens, one.greedy) == (by_loop.tokens, by_loop.greedy), request


def test_both_greedy_and_not_occur(model: CausalModel, expected: dict[Score, Expected]) -> None:
    if model.facts.architecture == "LlamaForCausalLM":
        assert {one.greedy for one in expected.values()} == {True, False}


def test_each_alone_equals_loop(model: CausalModel, expected: dict[Score, Expected]) -> None:
    for request, by_loop in expected.items():
        [one] = model.score([request])
        assert isinstance(one, Scored)
        assert one.logprob == near(by_loop), request


def test_where_the_prompt_is_cut_does_not_matter(model: CausalModel) -> None:
    one, two = model.score(
        [Score("The red cat sleeps in the", " garden"), Score("The red cat sleeps in the ", "garden")]
    )
    assert one == two


def test_duplicates_get_the_same_answer(model: CausalModel) -> None:
    asked = TEXT_REQUESTS[:4]
    found = model.score(asked + asked[::-1] + asked)
    assert found[:4] == found[4:8][::-1] == found[8:]


def test_no_requests_no_answers(model: CausalModel) -> None:
    assert model.score([]) == []
    assert model.batches([]) == []
    assert Scorer(model.scorer.model, 64).score([]) == []


def test_a_chat_without_template_is_plain_dialogue(gpt2: CausalModel) -> None:
    chat, plain = gpt2.score(
        [Score(user("Where is it?"), "The river"), Score("Question: Where is it?\nAnswer:", " The river")]
    )
    assert chat == plain


def test_template_can_be_switched_off(llama_folder: Path) -> None:
    model = open_folder(llama_folder, chat_template=False)
    chat, plain = model.score([Score(user("Where?"), "Here"), Score("Question: Where?\nAnswer:", " Here")])
    assert chat == plain
    assert model.facts.chat_template is False


@torch.inference_mode()
def test_a_soft_capped_head_is_not_taken_for_a_linear_one(gemma: CausalModel) -> None:
    """The loop is equal (above); here, a head without its cap would not have been."""
    model = gemma.scorer.model
    context, target = gemma.encoder.pair("The red cat sleeps", " in the garden")
    ids = torch.tensor([context + target])
    uncapped = model.get_output_embeddings()(model.get_decoder()(ids).last_hidden_state)[0].log_softmax(-1)
    wrong = sum(uncapped[len(context) - 1 + n, token].item() for n, token in enumerate(target))
    [right] = gemma.scorer.score([Continuation(tuple(context), tuple(target))])
    assert right is not None
    assert abs(right.logprob - wrong) > 1


def by_scorer(model: CausalModel, asked: Sequence[Continuation], budget: int) -> list[Likelihood]:
    found = Scorer(model.scorer.model, budget).score(asked)
    assert None not in found
    return [one for one in found if one is not None]


def test_scorer_has_model_and_budget(model: CausalModel) -> None:
    assert model.scorer.budget > 0
    again = Scorer(model.scorer.model, 64)
    assert (again.model, again.budget) == (model.scorer.model, 64)


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_order_company_and_budget_do_not_matter(
    model: CausalModel, expected: dict[Score, Expected], data: st.DataObject
) -> None:
    asked = data.draw(st.lists(st.sampled_from(list(expected)), min_size=1, max_size=20))
    budget = data.draw(st.sampled_from([1, 16, 50, 200, 4096]))
    pairs = [model.encoder.pair(r.prompt, r.continuation) for r in asked]
    found = by_scorer(model, [Continuation(tuple(c), tuple(t)) for c, t in pairs], budget)
    for request, one in zip(asked, found, strict=True):
        assert one.logprob == near(expected[request])
        assert one.greedy == expected[request].greedy


tokens = st.integers(5, 339)
TRUNK = random.Random(0).choices(range(5, 340), k=40)


@settings(max_examples=10, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 40), st.lists(tokens, max_size=6), st.lists(tokens, min_size=1, max_size=4)),
        min_size=1,
        max_size=6,
    ),
    budget=st.sampled_from([32, 4096]),
)
def test_any_tokens_with_common_beginnings(
    model: CausalModel, by_hand: ByHand, rows: list[tuple[int, list[int], list[int]]], budget: int
) -> None:
    """Contexts share a beginning of up to 40 tokens, then go their own ways."""
    asked = [Continuation((*TRUNK[:shared], *own) or (5,), tuple(target)) for shared, own, target in rows]
    for continuation, one in zip(asked, by_scorer(model, asked, budget), strict=True):
        assert one.logprob == near(by_hand.row(continuation.context, continuation.target))


def test_one_row_the_beginning_of_another(model: CausalModel, by_hand: ByHand) -> None:
    whole = tuple(TRUNK)
    asked = [Continuation(whole[:cut], whole[cut : cut + 2]) for cut in (1, 2, 12, 13, 20, 38)]
    asked += [Continuation(whole[:1], whole[1:]), Continuation(whole[:12], whole[12:14])]
    for continuation, one in zip(asked, by_scorer(model, asked, 4096), strict=True):
        assert one.logprob == near(by_hand.row(continuation.context, continuation.target))


def test_batches_hold_every_request_once_and_do_not_depend_on_order(model: CausalModel) -> None:
    writing = [Generate("The", 3), Generate("The red cat", 2), Generate("", 3)]
    for asked in (requests_for(model), writing):
        groups = model.batches(asked)
        assert sorted(r.key for group in groups for r in group) == sorted(r.key for r in asked)
        shuffled: list[Request] = list(asked)
        random.Random(1).shuffle(shuffled)
        assert model.batches(shuffled) == groups


def row_of(model: CausalModel, tokens: int) -> Score:
    """A request of which the model would read so many tokens."""
    cats = tokens - len(model.encoder.pair("The", " red")[0])
    request = Score("The" + " cat" * cats, " red")
    context, target = model.encoder.pair(request.prompt, request.continuation)
    assert len(context) + len(target) - 1 == tokens
    return request


def test_the_longest_that_fits_is_scored(model: CausalModel, by_hand: ByHand) -> None:
    request = row_of(model, LONGEST)
    [found] = model.score([request])
    assert isinstance(found, Scored)
    assert found.logprob == near(by_hand.score(request))


def test_too_long_is_truncated_with_both_numbers(model: CausalModel, expected: dict[Score, Expected]) -> None:
    request = next(iter(expected))
    too_long, other = model.score([row_of(model, LONGEST + 1), request])
    assert isinstance(too_long, Failure)
    assert too_long.status == "truncated"
    assert str(LONGEST + 1) in too_long.reason
    assert f"{LONGEST};" in too_long.reason or f"{LONGEST}." in too_long.reason
    assert isinstance(other, Scored)
    assert other.logprob == near(expected[request])


def test_an_empty_continuation_is_a_failure_not_a_zero(model: CausalModel) -> None:
    for prompt in ("The red cat", ""):
        found = model.score([Score(prompt, ""), Score("The", " red")])
        assert isinstance(found[0], Failure)
        assert found[0].status == "failed"
        assert "no tokens" in found[0].reason
        assert isinstance(found[1], Scored)


def test_a_continuation_that_merges_into_the_prompt_gets_no_number(model: CausalModel) -> None:
    """``The red ca`` and ``The red cat`` have equally many tokens or fewer: nothing is left to score."""
    assert model.encoder.pair("The red ca", "t")[1] == []
    [found] = model.score([Score("The red ca", "t")])
    assert isinstance(found, Failure)


def test_numbers_that_are_not_finite_are_failures(gpt2_folder: Path) -> None:
    model = open_folder(gpt2_folder)
    model.scorer.model.get_input_embeddings().weight.data[7, 0] = math.nan  # tied: in every sum over the vocabulary
    speed_up(model.scorer.model.to("cpu"))  # laid out anew, with the fault
    found = model.score([Score("The red", " cat"), Score("", "The")])
    assert all(isinstance(one, Failure) and one.status == "not_a_number" for one in found)
    asked = [Continuation(*map(tuple, model.encoder.pair("The red", " cat")))]
    assert model.scorer.score(asked) == [None]


LATE_FAULT = 12  # the position from which the model below gives no numbers


@pytest.fixture
def late_fault(gpt2_folder: Path) -> CausalModel:
    """Its position vector 12 is not a number; shorter rows are in order."""
    model = open_folder(gpt2_folder)
    model.scorer.model.transformer.wpe.weight.data[LATE_FAULT] = math.nan
    return model


SHORT = Score("The red", " cat")
LONG = Score("The red cat sleeps in the garden.", " The blue bird sleeps in the river. The blue bird")


def test_one_bad_token_spoils_its_sum(late_fault: CausalModel, gpt2: CausalModel) -> None:
    [long], [short] = late_fault.score([LONG]), late_fault.score([SHORT])
    assert isinstance(long, Failure)
    assert long.status == "not_a_number"
    assert [short] == gpt2.score([SHORT])


def test_a_bad_row_does_not_spoil_its_neighbours(late_fault: CausalModel) -> None:
    short, long = late_fault.score([SHORT, LONG])
    assert isinstance(long, Failure)
    assert isinstance(short, Scored)


def test_rows_longer_than_a_sliding_window(tmp_path: Path) -> None:
    model = open_folder(make_windowed(tmp_path, window=32))
    by_hand = ByHand(model)
    asked = [Continuation(tuple(TRUNK[:cut]), tuple(TRUNK[cut : cut + 2])) for cut in (3, 20, 36, 38)]
    for continuation, one in zip(asked, by_scorer(model, asked, 4096), strict=True):
        assert one.logprob == near(by_hand.row(continuation.context, continuation.target))


def test_rows_longer_than_a_short_sliding_window(tmp_path: Path) -> None:
    model = open_folder(make_windowed(tmp_path, window=8))
    by_hand = ByHand(model)
    asked = [Continuation(tuple(TRUNK[:cut]), tuple(TRUNK[cut : cut + 2])) for cut in (3, 20, 36, 38)]
    for continuation, one in zip(asked, by_scorer(model, asked, 4096), strict=True):
        assert one.logprob == near(by_hand.row(continuation.context, continuation.target))


def test_a_vocabulary_of_thirty_tokens(tmp_path: Path) -> None:
    """As models of proteins and characters have."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=30, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2
    )
    model = Scorer(LlamaForCausalLM(config).eval(), 64)
    assert model.score([Continuation((1, 2), (3,))]) != [None]
