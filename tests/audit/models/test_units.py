"""Parts of a text: every token in one of them, none without text, none through the middle of a letter."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from audit.models import Message, user
from audit.models.causal import CausalModel
from audit.models.classes import ClassReader
from audit.models.masked_rows import MaskedEncoder
from audit.models.requests import Unit, plain_chat
from audit.models.seq2seq import Seq2SeqModel
from audit.models.seq2seq_text import SourceEncoder
from audit.models.text import TextEncoder, Units, summed
from audit.models.units import unit_members
from tests.audit.models.test_seq2seq_text import Slow
from tests.audit.models.tiny import train_tokenizer
from tests.audit.models.tiny_classifier import make_bert, open_classifier, reviews
from tests.audit.models.tiny_masked import TEXTS, byte_pairs

UNITS: tuple[Unit, ...] = ("word", "token", "segment")
KOREAN = "고양이는 정원에서 잠을 잔다. 강아지는 물을 마신다."
HARD = [
    KOREAN,
    "cat 👩‍🔬🐈 e\u0301 cat",
    "a\r\n\r\nb c\u00a0d \r\n",
    "我有3个iPhone手机，很好。「是」吗？",
    "わたしはカメラをもっている。",
    "ภาษาไทย สวย",
    "  The   red\tcat\n\nsleeps  ",
    'Dr. Smith left. He was 3.5 m tall! "Really?" Yes.\nNew line',
    "\u200b\u00ad",
    "\n",
]


@cache
def byte_level() -> PreTrainedTokenizerFast:
    return train_tokenizer(begins=False)


@cache
def word_pieces() -> PreTrainedTokenizerFast:
    """As BERT's, which takes Korean syllables apart into letters and sets Chinese characters apart."""
    raw = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    raw.normalizer = normalizers.BertNormalizer(lowercase=True)
    raw.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=150, special_tokens=["[UNK]"], show_progress=False)
    raw.train_from_iterator([KOREAN, *HARD], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="[UNK]")


def found(tokenizer: Any, text: str, unit: Unit) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...], list[Any]]:
    offsets = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False).offset_mapping
    words, members = unit_members(text, (0, len(text)), offsets, unit)
    return words, members, offsets


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("text", HARD)
@pytest.mark.parametrize("tokenizer", [byte_level, word_pieces])
def test_each_token_is_of_one_unit_and_each_unit_has_text(tokenizer: Any, text: str, unit: Unit) -> None:
    words, members, offsets = found(tokenizer(), text, unit)
    if words:
        assert sorted(position for each in members for position in each) == list(range(len(offsets)))
    assert all(word and word == word.strip() and word in text for word in words)
    assert all(members)
    owners = {position: n for n, each in enumerate(members) for position in each}
    for one, (a, b) in enumerate(offsets):
        for two, (c, d) in enumerate(offsets):
            if text[max(a, c) : min(b, d)].strip():  # they share a letter
                assert owners[one] == owners[two]


def test_words() -> None:
    expected = {
        KOREAN: tuple(KOREAN.split()),
        HARD[1]: ("cat", "👩‍🔬🐈", "e\u0301", "cat"),
        HARD[2]: ("a", "b", "c", "d"),
        HARD[3]: ("我", "有", "3", "个", "iPhone", "手", "机，", "很", "好。", "「是」", "吗？"),
        HARD[4]: ("わたしは", "カメラ", "をもっている。"),
        "สวย": ("ส", "ว", "ย"),
        "กินน้ำ": ("กิ", "น", "น้", "ำ"),
    }
    for text, words in expected.items():
        assert found(byte_level(), text, "word")[0] == words


def test_segments_are_sentences_and_lines() -> None:
    expected = {
        KOREAN: ("고양이는 정원에서 잠을 잔다.", "강아지는 물을 마신다."),
        HARD[2]: ("a", "b c\u00a0d"),
        HARD[3]: ("我有3个iPhone手机，很好。", "「是」吗？"),
        HARD[7]: ("Dr. Smith left.", "He was 3.5 m tall!", '"Really?"', "Yes.", "New line"),
        "Use e.g. this one. It is J. R. Doe's": ("Use e.g. this one.", "It is J. R. Doe's"),
    }
    for text, segments in expected.items():
        assert found(byte_level(), text, "segment")[0] == segments


def test_tokens_that_share_a_letter_are_one_unit() -> None:
    words, members, offsets = found(byte_level(), "잔다 🐈", "token")
    assert words == ("잔", "다", "🐈")
    assert len(offsets) > len(words)
    letters, _, _ = found(word_pieces(), "한", "token")
    assert letters == ("한",)
    assert len(members) == 3


def test_what_one_token_joins_is_one_unit() -> None:
    text = "so of the way"
    offsets = [(0, 2), (2, 9), (9, 13)]  # " of the" is one token
    assert unit_members(text, (0, len(text)), offsets, "word") == (("so", "of the", "way"), ((0,), (1,), (2,)))


def test_spaces_and_marks_around_a_line_end_stay_with_their_word() -> None:
    """Some tokenizers make one token of a question mark and the line ends after it."""
    text = "Is it?\n\nYes"
    offsets = [(0, 2), (2, 5), (5, 8), (8, 11)]
    assert unit_members(text, (0, len(text)), offsets, "word") == (("Is", "it?", "Yes"), ((0,), (1, 2), (3,)))
    assert unit_members(text, (0, len(text)), offsets, "segment") == (("Is it?", "Yes"), ((0, 1, 2), (3,)))


def test_a_token_that_reaches_into_the_frame_is_the_frames() -> None:
    text = "Q: red?\nA:"
    offsets = [(0, 2), (2, 6), (6, 8), (8, 10)]
    assert unit_members(text, (3, 7), offsets, "word") == (("red?",), ((1,),))
    assert unit_members(text, (3, 7), [(0, 2), (2, 3), (3, 6), (6, 7), (7, 8), (8, 10)], "token") == (
        ("red", "?"),
        ((2,), (3,)),
    )


CHAT = (*user("First one. Not asked."), Message("assistant", "Yes."), *user("고양이는 red. So\r\nwhere?"))
PARTS: dict[Unit, tuple[str, ...]] = {
    "word": ("고양이는", "red.", "So", "where?"),
    "segment": ("고양이는 red.", "So", "where?"),
}


@pytest.mark.parametrize("chat", [True, False])
def test_of_a_conversation_the_last_message(chat: bool, llama: CausalModel, t5: Seq2SeqModel) -> None:
    encoders = [TextEncoder(llama.encoder.tokenizer, chat), t5.encoder]
    for encoder in encoders:
        for unit, expected in PARTS.items():
            units = encoder.units(CHAT, unit)
            assert units.words == expected
            frame = set(range(len(units.ids))) - {p for each in units.members for p in each}
            left = encoder.tokenizer.decode([units.ids[p] for p in sorted(frame)])
            assert "Not asked." in left
            assert "where" not in left


def test_of_a_masked_model() -> None:
    encoder = MaskedEncoder(byte_pairs(TEXTS), None, "tiny")
    for unit, expected in PARTS.items():
        units = encoder.units(CHAT, unit)
        assert units.words == expected
    units = encoder.units("잔다 <mask>", "token")
    assert units.words == ("잔", "다", "<mask>")
    assert [position for each in units.members for position in each] == list(range(len(units.ids)))


def test_of_a_classifier(tmp_path: Path) -> None:
    reader: ClassReader = open_classifier(make_bert(tmp_path, reviews(), steps=2)).reader
    units = reader.units("The soup was awful. A lamp!", "segment")
    assert units.words == ("The soup was awful.", "A lamp!")
    assert sorted(p for each in units.members for p in each) == list(range(1, len(units.ids) - 1))  # not [CLS], [SEP]
    units = reader.units(user("A lamp!"), "word")
    assert units.words == ("A", "lamp!")
    assert plain_chat(user("A lamp!")) == "Question: A lamp!\nAnswer:"


def test_tokenizers_without_characters(marian: Seq2SeqModel) -> None:
    """Their tokens are found by the pieces that make up a word; where they do not, a word is not taken apart."""
    slow = SourceEncoder(Slow(marian.encoder.tokenizer), None)
    for unit in UNITS:
        assert slow.units("the red cat", unit) == marian.encoder.units("the red cat", unit)

    class Pieces(Slow):
        def convert_ids_to_tokens(self, ids: Any) -> list[str]:
            return ["\u2581", "re", "d"][: len(ids)]

        def __call__(self, text: str | None = None, **options: Any) -> Any:
            return super().__call__(text and text.replace("red", "cat cat cat"), **options)

    pieced = SourceEncoder(Pieces(marian.encoder.tokenizer), None)
    assert pieced.units("red", "token").words == ("re", "d")
    assert pieced.units("red", "token").members == ((0, 1), (2,))


def test_scores_of_tokens_sum_to_those_of_their_unit() -> None:
    units = Units((9, 8, 7, 6), ("a", "b"), ((1, 3), (2,)))
    assert summed([5.0, 1.0, -2.5, 0.5], units) == (1.5, -2.5)
    with pytest.raises(ValueError, match="3 scores for 4 tokens"):
        summed([1.0, 2.0, 3.0], units)


@pytest.mark.parametrize("answer", [" 잔다 cat.", "고 ", " 🐈"])
@pytest.mark.parametrize("prompt", ["The red", "The red  ", "", user("Where?")])
def test_answer_pieces_are_the_answer(model: CausalModel, prompt: Any, answer: str) -> None:
    pieces = model.encoder.answer_pieces(prompt, answer)
    assert len(pieces) == len(model.encoder.pair(prompt, answer)[1])
    assert "".join(pieces).strip() == answer.strip()


def test_a_text_is_taken_into_tokens_once(llama: CausalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request is put into a batch and computed; the answers to one prompt share it."""
    encoder = TextEncoder(llama.encoder.tokenizer, None)
    expected = [encoder.pair("The cat is", answer) for answer in (" red", " green")]
    told = TextEncoder(llama.encoder.tokenizer, None)
    texts: list[str] = []
    tokenizer = told.tokenizer

    def spy(text: str, **options: Any) -> Any:
        texts.append(text)
        return tokenizer(text, **options)

    monkeypatch.setattr(told, "tokenizer", spy)
    for _ in range(2):
        assert [told.pair("The cat is", answer) for answer in (" red", " green")] == expected
    assert sorted(texts) == sorted({"The cat is", "The cat is red", "The cat is green"})
    told.pair("The cat is", " red")[0].append(0)  # what is given out is the asker's own
    assert told.pair("The cat is", " red") == expected[0]
