"""The smallest model that can be opened from a folder."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast


def gpt2(folder: Path) -> None:
    """A causal model of three words in a folder of its own; it opens, and answers at random."""
    words = Tokenizer(WordLevel({"<u>": 0, "a": 1, "b": 2}, unk_token="<u>"))
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<u>", eos_token="<u>").save_pretrained(folder)
    config = GPT2Config(vocab_size=3, n_embd=8, n_layer=1, n_head=1, n_positions=512, bos_token_id=0, eos_token_id=0)
    GPT2LMHeadModel(config).save_pretrained(folder)
