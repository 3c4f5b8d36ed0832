"""The log-probabilities of tokens one by one: equal to a plain loop over the vocabulary."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from audit.models import (
    Capability,
    Failure,
    SaysWhyNot,
    Score,
    Scored,
    ScoreTokens,
    TokensScored,
    answer,
    decode,
    encode,
)
from audit.models.causal import SAVE_TOKENS, CausalModel
from audit.models.seq2seq import Seq2SeqModel
from audit.models.states import by_length
from audit.models.tokens import spread
from tests.audit.models.tiny import LONGEST

TEXTS = (
    "The red cat sleeps in the garden.",
    "cat",
    "The dog in the kitchen sees the red cat and the blue bird.",
    "The red",
)
NEAR = 1e-4


def by_hand(model: CausalModel, request: ScoreTokens) -> list[tuple[float, float, float]]:
    """One pass for each token over all that stands before it, in double precision and with loops for sums."""
    context, target = model.encoder.pair(request.prompt, request.text)
    told = []
    for i, token in enumerate(target):
        ids = torch.tensor([context + target[:i]])
        logits = model.network(input_ids=ids, use_cache=False).logits[0, -1].double().tolist()
        total = math.fsum(math.exp(x) for x in logits)
        logs = [x - math.log(total) for x in logits]
        mean = math.fsum(math.exp(x) * x for x in logs)
        told.append((logs[token], mean, math.sqrt(math.fsum(math.exp(x) * (x - mean) ** 2 for x in logs))))
    return told


def table(found: object) -> list[tuple[float, float, float]]:
    assert isinstance(found, TokensScored)
    return list(zip(found.logprobs, found.means, found.deviations, strict=True))


def test_equal_to_a_loop_whatever_stands_beside(model: CausalModel) -> None:
    asked = [ScoreTokens(text) for text in TEXTS] + [ScoreTokens(" sleeps in the garden.", "The red cat")]
    found = answer(model, asked)
    for request, one in zip(asked, found, strict=True):
        with torch.inference_mode():
            assert np.array(table(one)) == pytest.approx(np.array(by_hand(model, request)), abs=NEAR)
        assert np.array(table(answer(model, [request])[0])) == pytest.approx(np.array(table(one)), abs=NEAR)
        assert decode(encode(one)) == one


def test_with_logits_of_the_whole_model(llama: CausalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    request = ScoreTokens(TEXTS[0])
    expected = table(answer(llama, [request])[0])
    monkeypatch.setattr(llama.scorer, "gathers", False)
    assert np.array(table(answer(llama, [request])[0])) == pytest.approx(np.array(expected), abs=NEAR)


def test_more_places_than_the_head_takes_at_once(llama: CausalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [ScoreTokens(text) for text in TEXTS]
    expected = answer(llama, asked)
    monkeypatch.setattr("audit.models.scorer.HEAD_ROWS", 3)
    for one, other in zip(answer(llama, asked), expected, strict=True):
        assert np.array(table(one)) == pytest.approx(np.array(table(other)), abs=NEAR)


def test_the_sum_is_the_likelihood_of_the_text(llama: CausalModel) -> None:
    [tokens], [whole] = answer(llama, [ScoreTokens(TEXTS[2])]), answer(llama, [Score("", TEXTS[2])])
    assert isinstance(tokens, TokensScored)
    assert isinstance(whole, Scored)
    assert sum(tokens.logprobs) == pytest.approx(whole.logprob, abs=1e-3)
    assert len(tokens.logprobs) == whole.tokens


def test_what_has_no_numbers_says_why(llama: CausalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    long = ScoreTokens("cat " * (LONGEST + 1))
    empty, too_long, fine = answer(llama, [ScoreTokens(""), long, ScoreTokens(TEXTS[0])])
    assert isinstance(empty, Failure)
    assert empty.status == "failed"
    assert isinstance(too_long, Failure)
    assert too_long.status == "truncated"
    assert isinstance(fine, TokensScored)
    monkeypatch.setattr(llama.scorer, "_head", lambda states: torch.full((len(states), 5000), math.nan))
    [broken] = answer(llama, [ScoreTokens(TEXTS[0])])
    assert isinstance(broken, Failure)
    assert broken.status == "not_a_number"


def test_what_can_never_be_chosen_counts_for_nothing() -> None:
    logits = torch.tensor([[0.0, math.log(3.0), -math.inf], [-math.inf, 2.0, -math.inf]])
    (logprob, sure), (mean, none), (deviation, flat) = spread(logits, torch.tensor([1, 1])).tolist()
    expected = 0.25 * math.log(0.25) + 0.75 * math.log(0.75)
    variance = 0.25 * (math.log(0.25) - expected) ** 2 + 0.75 * (math.log(0.75) - expected) ** 2
    assert (logprob, mean, deviation) == pytest.approx((math.log(0.75), expected, math.sqrt(variance)), abs=1e-6)
    assert (sure, none, flat) == (0.0, 0.0, 0.0)


def test_equal_sets_of_requests_give_equal_groups(llama: CausalModel) -> None:
    asked = [ScoreTokens(f"{text} {n}") for text in TEXTS for n in range(3)]
    assert llama.batches(asked) == llama.batches(asked[::-1])
    assert sorted(r.key for group in llama.batches(asked) for r in group) == sorted(r.key for r in asked)
    groups = by_length([(SAVE_TOKENS // 2, r) for r in asked], SAVE_TOKENS)  # type: ignore[misc]
    assert [len(group) for group in groups] == [2] * 6


def test_other_kinds_say_why_not(t5: Seq2SeqModel) -> None:
    assert Capability.DISTRIBUTION not in t5.capabilities
    assert isinstance(t5, SaysWhyNot)
    assert "answer to a prompt" in t5.lacks[Capability.DISTRIBUTION]
