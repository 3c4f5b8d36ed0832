"""Tiny encoder-decoders taught to translate a language of our own, and slow loops that say what their numbers should be.

The target language puts the adjective after the noun, and swaps the two nouns with what belongs to them around the verb,
so that the known alignment of words is not the order in which they stand.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    MarianConfig,
    MarianMTModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from audit.models import Score
from audit.models.options import Options
from audit.models.seq2seq import Seq2SeqModel
from tests.audit.models.tiny import Expected, open_source, save, single_thread

LONGEST = 64  # tokens that the tiny models read
COLOURS = {"red": "rufa", "green": "veda", "blue": "lazu", "white": "nevo", "black": "noko"}
ANIMALS = {"cat": "mino", "dog": "hundi", "bird": "pipa", "horse": "kavo", "goat": "kapri"}
VERBS = {"sleeps": "domas", "waits": "espas", "sings": "kantu"}
PLACES = {"garden": "orto", "kitchen": "kuko", "river": "fluo", "market": "bazo"}


def pair(colour: str, animal: str, verb: str, place: str) -> tuple[str, str]:
    """A sentence and its translation."""
    source = f"the {colour} {animal} {verb} in the {place}"
    return source, f"en {PLACES[place]} {VERBS[verb]} {ANIMALS[animal]} {COLOURS[colour]}"


ALIGNMENT = {0: 4, 1: 6, 2: 3, 3: 2, 4: 1}
"""Word of the translation to the word of the sentence that it translates, counted from 0."""

EVERY = [pair(*words) for words in itertools.product(COLOURS, ANIMALS, VERBS, PLACES)]
HELD_OUT = EVERY[::11]
SEEN = [p for i, p in enumerate(EVERY) if i % 11]


def word_tokenizer() -> PreTrainedTokenizerFast:
    """One token a word; ``</s>`` after every text."""
    words = sorted({word for texts in EVERY for text in texts for word in text.split()})
    vocabulary = {token: i for i, token in enumerate(["</s>", "<unk>", *words, "<pad>"])}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return _ending(raw)


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE, in which any text has tokens; ``</s>`` after every text."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=["<pad>", "</s>", "<unk>"], initial_alphabet=alphabet, show_progress=False
    )
    raw.train_from_iterator([text for texts in EVERY for text in texts], trainer)
    return _ending(raw)


def _ending(raw: Tokenizer) -> PreTrainedTokenizerFast:
    raw.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", raw.token_to_id("</s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, eos_token="</s>", pad_token="<pad>", unk_token="<unk>", model_max_length=LONGEST
    )


@single_thread()
def teach(model: Any, tokenizer: Any, steps: int, rate: float = 3e-3) -> None:
    """Teach a model to translate; some forty random pairs a step."""
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    encoded = [tokenizer([s for s, _ in SEEN]).input_ids, tokenizer([t for _, t in SEEN]).input_ids]
    model.train()
    for _ in range(steps):
        chosen = torch.randperm(len(SEEN), generator=generator)[:40].tolist()
        ids, labels = (_padded([side[i] for i in chosen]) for side in encoded)
        given = torch.where(labels < 0, 0, labels)
        start = torch.full((len(chosen), 1), model.config.decoder_start_token_id)
        logits = model(
            input_ids=ids.clamp(min=0), attention_mask=(ids >= 0).long(),
            decoder_input_ids=torch.cat([start, given[:, :-1]], dim=1),
        ).logits  # fmt: skip
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    model.eval()


def _padded(rows: Sequence[Sequence[int]]) -> torch.Tensor:
    longest = max(len(row) for row in rows)
    return torch.tensor([[*row, *[-100] * (longest - len(row))] for row in rows])


def make_t5(folder: Path) -> Path:
    """Relative positions, a tied and scaled head; byte-level tokens."""
    tokenizer = byte_tokenizer()
    torch.manual_seed(1)
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=48,
        d_kv=16,
        d_ff=96,
        num_layers=2,
        num_heads=3,
        relative_attention_num_buckets=16,
        relative_attention_max_distance=32,
        dropout_rate=0.0,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
    )
    model = T5ForConditionalGeneration(config)
    teach(model, tokenizer, 150, 1e-2)
    return save(model, tokenizer, folder)


def make_marian(folder: Path) -> Path:
    """Fixed positions, a bias on the head's logits; one token a word."""
    tokenizer = word_tokenizer()
    torch.manual_seed(2)
    config = MarianConfig(
        vocab_size=len(tokenizer),
        d_model=48,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=3,
        decoder_attention_heads=3,
        encoder_ffn_dim=96,
        decoder_ffn_dim=96,
        max_position_embeddings=LONGEST,
        scale_embedding=True,
        dropout=0.0,
        attention_dropout=0.0,
        activation_dropout=0.0,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        forced_eos_token_id=None,
        decoder_start_token_id=tokenizer.pad_token_id,
    )
    model = MarianMTModel(config)
    teach(model, tokenizer, 160)
    model.final_logits_bias[0, ::2] = 0.25  # published models have zeros there; a way that forgets it must be seen
    return save(model, tokenizer, folder)


def open_folder(folder: Path, **options: Any) -> Seq2SeqModel:
    """The model as an audit sees it, its task inferred."""
    model = open_source(str(folder), Options(**options))
    assert isinstance(model, Seq2SeqModel)
    return model


def change(folder: Path, name: str, **fields: Any) -> None:
    """Change fields of a JSON file of a folder; None takes one away."""
    path = folder / name
    content = {**json.loads(path.read_text()), **fields}
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))


class ByHand:
    """The same quantities one token, one plain forward pass and one row at a time, in float64."""

    def __init__(self, model: Seq2SeqModel) -> None:
        self.encoder = model.encoder
        self.start = list(model.scorer.start)
        self._exact = copy.deepcopy(model.scorer.model).double()

    @torch.inference_mode()
    def after(self, source: Sequence[int], answer: Sequence[int]) -> torch.Tensor:
        """Log-probabilities of the next token."""
        given = torch.tensor([[*self.start, *answer]])
        out = self._exact(input_ids=torch.tensor([list(source)]), decoder_input_ids=given, use_cache=False)
        logprobs: torch.Tensor = out.logits[0, -1].log_softmax(-1)
        return logprobs

    def row(self, source: Sequence[int], target: Sequence[int]) -> Expected:
        total, greedy = 0.0, True
        for i, token in enumerate(target):
            logprobs = self.after(source, target[:i])
            total += logprobs[token].item()
            greedy = greedy and int(logprobs.argmax()) == token
        return Expected(total, len(target), greedy)

    def score(self, request: Score) -> Expected:
        assert isinstance(request.prompt, str)
        tokenizer = self.encoder.tokenizer
        source = tokenizer(request.prompt.rstrip(" ")).input_ids
        return self.row(source, tokenizer(request.continuation.lstrip(), add_special_tokens=False).input_ids)

    def greedy(self, source: Sequence[int], most: int, ends: Sequence[int]) -> tuple[list[int], float, bool]:
        """Likeliest tokens one after another, their summed log-probability, and whether an end token came."""
        ids: list[int] = []
        total = 0.0
        while len(ids) < most:
            logprobs = self.after(source, ids)
            token = int(logprobs.argmax())
            total += logprobs[token].item()
            if token in ends:
                return ids, total, True
            ids.append(token)
        return ids, total, False
