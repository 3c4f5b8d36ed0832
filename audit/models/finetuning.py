"""A short LoRA run (Hu et al. 2021, arXiv:2106.09685) on given texts, through peft; the result is an adapter's folder."""

from __future__ import annotations

import importlib.util
import math
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from audit.extras import absent
from audit.models.base import ModelError
from audit.models.faults import explained
from audit.models.placement import choose_device, import_bitsandbytes
from audit.models.source import Weights

_IGNORED = -100  # torch's cross entropy passes over this label


@dataclass(frozen=True)
class LoraRun:
    """How an adapter is learnt.

    Args:
        steps: updates of the weights.
        batch: texts in each.
        rank: of the two small matrices that stand for the change of a layer; their scale is twice the rank.
        rate: learning rate of AdamW, falling to 0 over the run as half a cosine.
        longest: tokens of a text that are read.
        seed: of the matrices' first values and of the order of texts.
    """

    steps: int = 40
    batch: int = 16
    rank: int = 8
    rate: float = 5e-4
    longest: int = 128
    seed: int = 0


@dataclass(frozen=True)
class Learnt:
    """An adapter and how its learning went: mean loss, in nats a token, of the first and of the last tenth of the steps."""

    folder: Path
    first_loss: float
    last_loss: float
    seconds: float


def train_lora(
    weights: Weights, texts: Sequence[str], folder: Path, run: LoraRun, device: str = "auto", remote_code: bool = False
) -> Learnt:
    """Teach a causal language model texts and write what it learnt as a PEFT adapter.

    Args:
        weights: the model's folder, without an adapter.
        texts: what it reads, each ended by the end token; drawn with replacement.
        folder: where the adapter is written.
        run: how it learns.
        device: where.
        remote_code: whether Python code of the folder may run.

    Raises:
        ModelError: where peft is absent, the model has an adapter already, or it cannot be taught.
        ValueError: without texts.
    """
    if importlib.util.find_spec("peft") is None:
        raise ModelError(absent("A LoRA run", "lora"))
    if weights.adapter is not None:
        raise ModelError(f"{weights.name} has an adapter already; merge it into the weights before another is learnt.")
    if not texts:
        raise ValueError("there are no texts to learn from")
    start = time.perf_counter()
    with explained(f"{weights.name} could not be taught", weights.folder):
        tokenizer = AutoTokenizer.from_pretrained(weights.folder, trust_remote_code=remote_code)
        model = AutoModelForCausalLM.from_pretrained(
            weights.folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=remote_code
        ).to(choose_device(device))
        end = tokenizer.eos_token or ""
        rows = [tokenizer(text + end).input_ids[: run.longest] for text in texts]
        losses = _learn(_with_lora(model, run), rows, tokenizer.pad_token_id or 0, run, folder)
    if not math.isfinite(losses[-1]):
        raise ModelError(f"{weights.name} could not be taught: the loss became {losses[-1]}.")
    tenth = max(1, len(losses) // 10)
    first, last = (sum(part) / tenth for part in (losses[:tenth], losses[-tenth:]))
    return Learnt(folder, first, last, time.perf_counter() - start)


def _with_lora(model: Any, run: LoraRun) -> Any:
    if importlib.util.find_spec("bitsandbytes") is not None:
        import_bitsandbytes(remote_code=False)  # before peft does, which imports it where it is installed
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(run.seed)
    config = LoraConfig(
        r=run.rank, lora_alpha=2 * run.rank, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a converted model has no hub id to write down
        return get_peft_model(model, config)


def _learn(model: Any, rows: Sequence[list[int]], pad: int, run: LoraRun, folder: Path) -> list[float]:
    """The loss of each step; the adapter is in the folder afterwards."""
    order = torch.Generator().manual_seed(run.seed)
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=run.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, run.steps)
    losses = []
    model.train()
    for _ in range(run.steps):
        chosen = [rows[i] for i in torch.randint(len(rows), (run.batch,), generator=order).tolist()]
        ids, mask = padded(chosen, pad)
        labels = ids.masked_fill(mask == 0, _IGNORED)
        device = model.device
        loss = model(input_ids=ids.to(device), attention_mask=mask.to(device), labels=labels.to(device)).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save_pretrained(folder)
    return losses


def padded(rows: Sequence[Sequence[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of tokens as one matrix ``[rows, longest]``, filled up on the right, and 1 where a token stands."""
    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[pad] * (width - len(row))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return ids, mask
