"""Models whose decision hangs on known words, and cases that none of them has read: the truth an attribution must find.

A text is a row of words that say nothing, with one word among them, at any place, that decides how it goes on. Texts
without such a word go on either way, so that what is left when it is deleted leaves the models undecided.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import BertConfig, BertForMaskedLM, LlamaConfig, LlamaForCausalLM

from audit.models.causal import CausalModel
from audit.models.masked import MaskedModel
from tests.audit.models.tiny import open_folder, save, single_thread
from tests.audit.models.tiny_masked import open_masked, wordpieces
from tests.probes.bias.taught import reader

FILLERS = (
    "the",
    "a",
    "lamp",
    "stone",
    "river",
    "cloud",
    "table",
    "paper",
    "and",
    "near",
    "under",
    "old",
    "new",
    "chair",
)
DECIDING = {"good": ("joy", "gift", "smile", "feast"), "bad": ("grief", "theft", "wound", "fire")}
"""The words that decide, by the answer that they decide for."""
ENDING = "it was"
ANSWERS = tuple(DECIDING)
CASES = 80
LONGEST = 32  # tokens that the models read
STEPS = 150
SHAPE = {
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "hidden_size": 32,
    "intermediate_size": 64,
    "initializer_range": 0.15,
}


@dataclass(frozen=True)
class Case:
    """One decision; ``deciding``: the number of the word of the prompt that it hangs on."""

    prompt: str
    answer: str
    contrast: str
    deciding: int

    @property
    def words(self) -> int:
        """How many words the prompt has."""
        return len(self.prompt.split())


def _case(stream: np.random.Generator) -> Case:
    words = [str(word) for word in stream.choice(FILLERS, size=stream.integers(5, 11))]
    answer = ANSWERS[stream.integers(2)]
    place = int(stream.integers(len(words) + 1))
    words.insert(place, str(stream.choice(DECIDING[answer])))
    contrast = next(other for other in ANSWERS if other != answer)
    return Case(" ".join([*words, ENDING]), f" {answer}", f" {contrast}", place)


def held_out(count: int = CASES, seed: int = 1) -> list[Case]:
    """Cases whose texts the models have not read."""
    known = {text.rsplit(" ", 1)[0] for text in texts()}
    stream = np.random.default_rng(seed)
    found = {case.prompt: case for case in (_case(stream) for _ in range(2 * count)) if case.prompt not in known}
    return list(found.values())[:count]


def texts(count: int = 1500) -> list[str]:
    """What the models read: one text in four says nothing and ends either way."""
    stream = np.random.default_rng(0)
    found = []
    for n in range(count):
        case = _case(stream)
        words = case.prompt.split()
        if n % 4 == 0:
            del words[case.deciding]
        found.append(" ".join(words) + case.answer)
    return found


def planted_causal(folder: Path) -> CausalModel:
    """A causal model that has learned which words decide."""
    read = texts()
    tokenizer = reader(read, merges=400)
    tokenizer.padding_side = "right"
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=LONGEST,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **SHAPE,
    )
    model = LlamaForCausalLM(config)
    batch = tokenizer(read, padding=True, return_tensors="pt")
    last = batch.attention_mask.sum(1) - 1
    ids, mask = batch.input_ids, batch.attention_mask
    _teach(model, ids, mask, ids[torch.arange(len(ids)), last], last - 1)
    return open_folder(save(model, tokenizer, folder))


def planted_masked(folder: Path) -> MaskedModel:
    """A masked model that has; only a text's last word was ever hidden from it."""
    read = texts()
    tokenizer = wordpieces(read)
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=LONGEST,
        pad_token_id=tokenizer.pad_token_id,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        **SHAPE,
    )
    model = BertForMaskedLM(config)
    batch = tokenizer(read, padding=True, return_tensors="pt")
    last = batch.attention_mask.sum(1) - 2  # before the mark that ends a text
    ids, rows = batch.input_ids, torch.arange(len(read))
    wanted = ids[rows, last].clone()
    ids[rows, last] = tokenizer.mask_token_id
    _teach(model, ids, batch.attention_mask, wanted, last)
    return open_masked(save(model, tokenizer, folder))


@single_thread()
def _teach(model: Any, ids: Tensor, mask: Tensor, wanted: Tensor, places: Tensor) -> None:
    """Teach a model the token that it is to name at one place of each row."""
    stream = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=STEPS)
    model.train()
    for _ in range(STEPS):
        chosen = torch.randint(len(ids), (64,), generator=stream)
        logits = model(input_ids=ids[chosen], attention_mask=mask[chosen]).logits
        said = logits[torch.arange(len(chosen)), places[chosen]]
        loss = torch.nn.functional.cross_entropy(said, wanted[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    model.eval()
