"""Where words stand among tokens of several kinds."""

from __future__ import annotations

import numpy as np
import pytest

from probes.explainability.attention_words import attention_by_word, mass_by_word, span_of, word_places, word_spans


@pytest.mark.parametrize(
    ("pieces", "words", "sums"),
    [
        (["The", " cat", " sat"], ["The", "cat", "sat"], [1, 2, 4]),
        (["The", " c", "at", " sat", "."], ["The", "cat", "sat."], [1, 6, 24]),
        (["<s>", "The", " cat"], ["The", "cat"], [2, 4]),
        (["a", " b", " a"], ["a", "b", "a"], [1, 2, 4]),
        (["The", " dog"], ["The", "cat"], None),
    ],
)
def test_tokens_belong_to_words(pieces: list[str], words: list[str], sums: list[float] | None) -> None:
    found = mass_by_word(pieces, 2.0 ** np.arange(len(pieces)), words)
    assert (None if found is None else found.tolist()) == sums


def test_tokens_that_end_in_a_space_belong_to_their_word() -> None:
    found = mass_by_word(["The ", "cat ", "sat"], np.array([1.0, 2.0, 4.0]), ["The", "cat", "sat"])
    assert found is not None
    assert found.tolist() == [1, 2, 4]


def test_words_of_a_chat_template_are_not_the_prompts() -> None:
    pieces = ["system", " AI", " helper", "\nuser", "\n", "A", " man", " asks"]
    found = mass_by_word(pieces, 2.0 ** np.arange(len(pieces)), ["A", "man", "asks"])
    assert found is not None
    assert found.tolist() == [32, 64, 128]


def test_parts_of_words_without_spaces_belong_to_words() -> None:
    """As a classifier gives them, whose tokens carry marks instead of spaces."""
    found = mass_by_word(
        ["[CLS]", "the", "cat", "##s", "slept", ".", "[SEP]"], 2.0 ** np.arange(7), ["The", "cats", "slept."]
    )
    assert found is not None
    assert found.tolist() == [2, 4 + 8, 16 + 32]


TEXT = "L'été, the well-known cat's nap."


def test_words_of_a_text() -> None:
    assert [TEXT[a:b] for a, b in word_spans(TEXT)] == ["L'", "été", "the", "well-known", "cat'", "s", "nap"]


@pytest.mark.parametrize(
    ("pieces", "places"),
    [
        (["L", "'", "été", ",", " the", " nap"], [(0, 1), (2,), (4,), (5,)]),
        (["▁L'", "ét", "é", ",", "▁the", "▁", "nap", "</s>"], [(0,), (1, 2), (4,), (6,)]),
        (["[CLS]", "l", "'", "et", "##e", ",", "the", "nap", "[SEP]"], [(1, 2), (3, 4), (6,), (7,)]),
        (["<s>", "L'", "\ufffd", "\ufffd", "t", "é", ", the", " nap"], [(1,), (2, 3, 4, 5), (6,), (7,)]),
        (["L'é", "té, the nap"], [(0,), (0, 1), (1,), (1,)]),
    ],
)
def test_words_are_found_among_tokens(pieces: list[str], places: list[tuple[int, ...]]) -> None:
    text = "L'été, the nap"
    assert word_places(pieces, text, word_spans(text)) == tuple(places)


@pytest.mark.parametrize("pieces", [["the", " dog"], ["the"], [], ["the", "[UNK]"]])
def test_tokens_of_another_text_have_no_places(pieces: list[str]) -> None:
    assert word_places(pieces, "the cat", word_spans("the cat")) is None


def test_half_letters_at_the_end() -> None:
    assert word_places(["the", " caf", "\ufffd", "\ufffd"], "the café", word_spans("the café")) == ((0,), (1, 2, 3))


def test_a_word_is_found_once_or_not_at_all() -> None:
    assert span_of("he saw the cat", "he") == (0, 2)
    with pytest.raises(ValueError, match="is 2 times"):
        span_of("the cat and the dog", "the")


def test_weights_of_words() -> None:
    """Rows of a word are averaged, columns added."""
    weights = np.arange(12.0).reshape(3, 4)
    found = attention_by_word(weights, ((0,), (1, 2)), ((0, 1), (3,)))
    assert found.tolist() == [[0 + 1, 3], [(4 + 5 + 8 + 9) / 2, (7 + 11) / 2]]
