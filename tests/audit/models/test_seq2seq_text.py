"""How encoder-decoders' prompts and answers become tokens, and back into words and pieces."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from transformers import NllbTokenizer

from audit.models import Failure, Score, Scored, user
from audit.models.requests import plain_chat
from audit.models.seq2seq import Seq2SeqModel
from audit.models.seq2seq_text import SourceEncoder
from tests.audit.models.tiny_seq2seq import HELD_OUT, change, open_folder

SOURCE, TARGET = HELD_OUT[3]
NEAR = 1e-4  # nats a token


class Slow:
    """A tokenizer that cannot say which characters a token stands for, as some translation models have."""

    is_fast = False

    def __init__(self, inner: Any, joined: bool = False) -> None:
        self._inner, self._joined = inner, joined

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __call__(self, text: str | None = None, **options: Any) -> Any:
        assert "return_offsets_mapping" not in options
        if self._joined and text is not None:
            text = text.replace(" ", "")
        return self._inner(text, **options)


@pytest.mark.parametrize("prompt", [SOURCE, " the  red cat ", user(SOURCE), ""])
def test_tokenizers_without_characters_find_the_same_words(marian: Seq2SeqModel, prompt: Any) -> None:
    fast, slow = (SourceEncoder(t, None) for t in (marian.encoder.tokenizer, Slow(marian.encoder.tokenizer)))
    assert slow.units(prompt) == fast.units(prompt)
    assert slow.source_pieces(prompt) == fast.source_pieces(prompt)
    assert fast.units(prompt).ids == tuple(fast.prompt_ids(prompt))
    assert "".join(fast.source_pieces(prompt)) == fast.text(prompt).rstrip(" ") + "</s>"


def test_tokens_that_cross_words_are_not_guessed(t5: Seq2SeqModel) -> None:
    encoder = SourceEncoder(Slow(t5.encoder.tokenizer, joined=True), None)
    with pytest.raises(ValueError, match="which tokens make up a word"):
        encoder.units("the red cat")


def test_a_translation_begins_with_its_language() -> None:
    tokenizer = NllbTokenizer(
        vocab={"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "▁": 4, "a": 5, "▁a": 6},
        merges=[("▁", "a")],
        src_lang="eng_Latn",
        tgt_lang="kor_Hang",
    )
    encoder = SourceEncoder(tokenizer, None)
    english, korean = tokenizer.convert_tokens_to_ids(["eng_Latn", "kor_Hang"])
    assert encoder.target_lead() == [korean]
    assert encoder.pair("a", " a") == ([english, 6, 2], [6])
    assert encoder.prefix() == [english, 2]


def test_conversations(t5_folder: Path, tmp_path: Path, t5: Seq2SeqModel) -> None:
    """Plain without a chat template; with one, it alone writes the special tokens."""
    asked = user("the red cat")
    assert t5.encoder.prompt_ids(asked) == t5.encoder.tokenizer(plain_chat(asked)).input_ids
    folder = Path(shutil.copytree(t5_folder, tmp_path / "chat"))
    template = "{% for m in messages %}{{ m['content'] }}</s>{% endfor %}"
    (folder / "chat_template.jinja").write_text(template)
    model = open_folder(folder)
    assert model.facts.chat_template
    assert model.encoder.prompt_ids(asked) == t5.encoder.prompt_ids("the red cat")
    assert model.encoder.units(asked).words == ("the", "red", "cat")
    [with_template], [without] = model.score([Score(asked, "mino")]), t5.score([Score("the red cat", "mino")])
    assert isinstance(with_template, Scored)
    assert isinstance(without, Scored)
    assert with_template.logprob == pytest.approx(without.logprob, abs=NEAR)


def test_the_tokenizers_limit_counts(t5_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(t5_folder, tmp_path / "short"))
    change(folder, "tokenizer_config.json", model_max_length=9)
    model = open_folder(folder)
    assert model.facts.context_length == 9
    fits, not_ = model.score([Score("cat " * 8, "mino"), Score("cat " * 9, "mino")])  # and the end token
    assert isinstance(fits, Scored)
    assert isinstance(not_, Failure)
    assert not_.status == "truncated"
