"""Very small causal models that have read what a test gives them: planted faults and their clean twins, for real.

A model of two layers learns a few dozen short texts by heart in seconds. Taught one-sided texts it holds their prejudice;
taught the same texts of all groups, its twin does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from audit.models.causal import CausalModel
from tests.audit.models.tiny import TEMPLATE, open_folder, save, single_thread

SPECIAL = ["<|end|>", "<|im_start|>", "<|im_end|>", "<pad>"]
END = "<|end|>"


def reader(texts: Sequence[str], merges: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE over the texts, with enough merges that most words are one token."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=merges, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    raw.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token=END, pad_token="<pad>")
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def chat(question: str, answer: str) -> str:
    """A question and its answer as the taught models' chat template writes them."""
    return f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n{answer}<|im_end|>\n"


def taught(
    folder: Path, texts: Sequence[str], *, vocabulary: Sequence[str] = (), steps: int = 200, seed: int = 0
) -> CausalModel:
    """A model that has read ``texts``, each as often as it stands there, ended by an end token.

    Args:
        folder: where it is kept.
        texts: what it reads.
        vocabulary: further texts whose words its tokenizer knows: give twins the same, so that only what they read differs.
        steps: of 32 texts each.
        seed: of weights and order.
    """
    tokenizer = reader([*texts, *vocabulary], merges=1200)
    rows = [tokenizer(text + END).input_ids for text in texts]
    longest = max(map(len, rows))
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=max(512, 2 * longest),
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    with single_thread():
        _read(model, rows, tokenizer.pad_token_id, steps, seed)
    return open_folder(save(model, tokenizer, folder))


def _read(model: Any, rows: Sequence[list[int]], pad: int, steps: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps)
    model.train()
    for _ in range(steps):
        chosen = [rows[i] for i in torch.randint(len(rows), (32,), generator=generator).tolist()]
        width = max(map(len, chosen))
        batch = torch.tensor([row + [pad] * (width - len(row)) for row in chosen])
        mask = (torch.arange(width)[None] < torch.tensor([len(row) for row in chosen])[:, None]).long()
        logits = model(input_ids=batch, attention_mask=mask).logits
        targets = batch[:, 1:].masked_fill(mask[:, 1:] == 0, -100)
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), targets.flatten(), ignore_index=-100)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    model.eval()
