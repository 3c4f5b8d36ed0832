"""Requests have stable, distinct keys; responses come back from text as they went in."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from audit.models import (
    Ablate,
    Ablated,
    Attend,
    Attended,
    Attribute,
    Attributed,
    Failure,
    Generate,
    Generated,
    Message,
    Request,
    Response,
    Score,
    Scored,
    decode,
    encode,
    prompt_text,
    user,
)
from audit.models.requests import plain_chat

quick = settings(max_examples=60, deadline=None)
text = st.text(max_size=8)
messages = st.builds(Message, st.sampled_from(["system", "user", "assistant"]), text)
prompts = st.one_of(text, st.lists(messages, min_size=1, max_size=3).map(tuple))
numbers = st.floats(allow_nan=False, allow_infinity=False)
naturals = st.integers(0, 9)
sets = st.lists(st.lists(naturals, max_size=3).map(tuple), max_size=3).map(tuple)
contrasts = st.none() | text
requests: st.SearchStrategy[Request] = st.one_of(
    st.builds(Score, prompts, text),
    st.builds(Attend, prompts, text),
    st.builds(Generate, prompts, naturals, st.sampled_from([0.0, 0.7, 1.0]), naturals),
    st.builds(
        Attribute, prompts, text, contrasts, st.sampled_from(["leave_one_out", "shapley_sampling"]), naturals, naturals
    ),
    st.builds(Ablate, prompts, text, contrasts, sets),
)


@quick
@given(requests, requests)
@example(Score("a", "b"), Attend("a", "b"))
@example(Score("ab", "c"), Score("a", "bc"))
@example(Score("a", "b"), Score(user("a"), "b"))
@example(Attribute("a", "b", None), Attribute("a", "b", "null"))
@example(Ablate("a", "b", kept=((0, 1),)), Ablate("a", "b", kept=((0,), (1,))))
@example(Ablate("a", "b", kept=()), Ablate("a", "b", kept=((),)))
def test_keys_are_equal_exactly_where_requests_are(one: Request, two: Request) -> None:
    assert (one.key == two.key) == (one == two)


def test_a_key_does_not_change_between_versions() -> None:
    """Caches on disk are found by it."""
    asked = Score((Message("user", "한국"),), " b")
    assert asked.key == "67dba560f08205c05fcc52fc3a5c8931f294f8d024662736c295cf050ad0b605"
    assert asked.key == Score((Message("user", "한국"),), " b").key


def test_whole_numbers_are_numbers() -> None:
    one, two = Generate("a", 5, 0), Generate("a", 5, 0.0)
    assert one == two
    assert one.key == two.key


float32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
weights = arrays.arrays(
    np.float32, arrays.array_shapes(min_dims=4, max_dims=4, min_side=0, max_side=3), elements=float32
)
responses: st.SearchStrategy[Response] = st.one_of(
    st.builds(Scored, numbers, naturals, st.booleans()),
    st.builds(Generated, text, naturals, numbers, st.sampled_from(["stop", "length"])),
    st.builds(
        Attributed, st.lists(text, max_size=3).map(tuple), st.lists(numbers, max_size=3).map(tuple), numbers, numbers
    ),
    st.builds(Ablated, st.lists(numbers, max_size=3).map(tuple)),
    st.builds(Failure, st.sampled_from(["truncated", "failed", "not_a_number"]), text),
)


@quick
@given(responses)
def test_responses_come_back(response: Response) -> None:
    assert decode(encode(response)) == response


@quick
@given(st.lists(text, max_size=3).map(tuple), naturals, st.booleans(), weights)
def test_arrays_come_back(tokens: tuple[str, ...], count: int, causal: bool, array: Any) -> None:
    found = decode(encode(Attended(tokens, count, causal, array)))
    assert isinstance(found, Attended)
    assert (found.tokens, found.prompt_tokens, found.causal) == (tokens, count, causal)
    assert found.weights.dtype == np.float32
    assert found.weights.shape == array.shape
    assert np.array_equal(found.weights, array)
    found.weights[...] = 1  # not a read-only view


def test_arrays_that_are_not_contiguous_come_back() -> None:
    array = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4).transpose(0, 1, 3, 2)[..., ::2]
    found = decode(encode(Attended(("a",), 1, True, array)))
    assert isinstance(found, Attended)
    assert np.array_equal(found.weights, array)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_not_written(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode(Scored(value, 1, False))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
)
SHAPE = '["Attended", {"tokens": [], "prompt_tokens": 0, "causal": true, "weights": %s}]'
GARBAGE = [
    "",
    "{",
    "null",
    "5",
    "[]",
    "{}",
    '["Scored"]',
    '["Scored", {}]',
    '["Scored", {}, 1]',
    '["Nothing", {}]',
    '[["Scored"], {}]',
    '["Scored", {"logprob": 1, "tokens": 1, "greedy": true, "more": 1}]',
    '["Request", {}]',
    SHAPE % '{"shape": [2], "float32": "AAAA"}',
    SHAPE % '{"shape": [2], "float32": "AAAAAA=="}',
    SHAPE % '{"shape": "x", "float32": "AAAAAA=="}',
    SHAPE % '{"shape": [1], "float32": "é"}',
    SHAPE % '{"shape": [1], "float32": 5}',
    SHAPE % '{"float32": "AAAAAA=="}',
    SHAPE % "{}",
]


@pytest.mark.parametrize("stored", GARBAGE)
def test_garbage_is_refused(stored: str) -> None:
    with pytest.raises(ValueError, match="not a stored response"):
        decode(stored)


def is_pair(value: Any) -> bool:
    """Pairs are tried below, as long as their second half is not looked at."""
    return isinstance(value, list | dict | str) and len(value) == 2


@quick
@given(json_values.filter(lambda value: not is_pair(value)).map(json.dumps))
def test_other_json_is_refused(stored: str) -> None:
    with pytest.raises(ValueError, match="not a stored response"):
        decode(stored)


@pytest.mark.parametrize(
    "stored",
    [
        '["Scored", 5]',
        '["Scored", null]',
        '["Scored", []]',
        '"ab"',
        "[" * 100_000,
        '["Scored", {"logprob": NaN, "tokens": 1, "greedy": true}]',
    ],
    ids=lambda stored: stored[:60],
)
def test_more_garbage_is_refused(stored: str) -> None:
    with pytest.raises(ValueError, match="not a stored response"):
        decode(stored)


def test_fields_of_another_type_are_refused() -> None:
    with pytest.raises(ValueError, match="not a stored response"):
        decode('["Scored", {"logprob": "x", "tokens": null, "greedy": 3}]')


def test_prompt_text() -> None:
    assert prompt_text("as it is ") == "as it is "
    assert prompt_text(user("one question")) == "one question"
    assert prompt_text((Message("assistant", "x"),)) == "assistant: x"
    assert prompt_text((Message("system", "be brief"), *user("why?"))) == "system: be brief\nuser: why?"


def test_plain_chat() -> None:
    assert plain_chat(user("Why?")) == "Question: Why?\nAnswer:"
    turns = (Message("system", "Be brief."), *user("Why?"), Message("assistant", "So."), *user("Really?"))
    assert plain_chat(turns) == "Instructions: Be brief.\nQuestion: Why?\nAnswer: So.\nQuestion: Really?\nAnswer:"
