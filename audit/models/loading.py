"""What all models that are opened from weights share: device, number format, loading, and saying which model it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoTokenizer

from audit.models.base import ModelError
from audit.models.options import Options
from audit.models.requests import Capability
from audit.models.source import Weights
from audit.results import ModelFacts


def choose_device(wanted: str) -> torch.device:
    """The device to run on; ``auto`` takes cuda, then mps, then the processor.

    Raises:
        ModelError: where the wanted device is not on this machine.
    """
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise ModelError(f"There is no kind of device {wanted!r}; use device: auto, cpu, mps or cuda.") from None
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}.get(device.type, True)
    if not present or (device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()):
        raise ModelError(
            f"This machine has no {device.type if not present else device} device; use device: auto or cpu."
        )
    return device


def number_format(wanted: str) -> torch.dtype:
    """The dtype to load weights in.

    Raises:
        ModelError: where there is no such dtype.
    """
    # float32 is what measurements are made in: bfloat16 moves log-likelihoods by tenths of a nat.
    dtype = torch.float32 if wanted == "auto" else getattr(torch, wanted, None)
    if not isinstance(dtype, torch.dtype):
        raise ModelError(f"There is no number format {wanted}; use float32, bfloat16 or float16.")
    return dtype


def load(kind: Any, weights: Weights, source: str, options: Options, noun: str) -> tuple[Any, Any]:
    """Tokenizer and model of a folder, the model in evaluation mode on its device.

    Args:
        kind: the transformers class to load with, e.g. ``AutoModelForCausalLM``.
        weights: the folder.
        source: how the user named it, for messages.
        options: device, number format and the like.
        noun: what it should be, e.g. ``a causal language model``.

    Raises:
        ModelError: where the folder's weights, architecture or tokenizer cannot be loaded.
    """
    device, dtype = choose_device(options.device), number_format(options.dtype)
    remote_code = options.trust_remote_code
    try:
        config = AutoConfig.from_pretrained(weights.folder, trust_remote_code=remote_code)
        tokenizer = AutoTokenizer.from_pretrained(weights.folder, trust_remote_code=remote_code)
        model, info = kind.from_pretrained(
            weights.folder,
            config=config,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=remote_code,
            output_loading_info=True,
        )
    except Exception as error:
        # transformers, tokenizers and safetensors raise many kinds of errors on damaged or foreign files.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"{source} could not be opened as {noun}: {reason}") from None
    missing = sorted(info.get("missing_keys", ()))
    if missing:
        # transformers fills missing weights with random numbers; an audit of those would be of another model.
        raise ModelError(
            f"{source} lacks weights that its architecture needs, {missing[0]} first; it may be truncated."
        )
    return tokenizer, model.to(device).eval()


def describe(
    model: Any,
    weights: Weights,
    source: str,
    kind: str,
    options: Options,
    declared: dict[str, str],
    capabilities: Iterable[Capability],
    template_hash: str | None = None,
) -> ModelFacts:
    """Which exact model this is; ``kind`` is its task, ``template_hash`` that of the chat template in use."""
    return ModelFacts(
        name=declared.get("name") or weights.name,
        source=source,
        kind=kind,
        revision=weights.revision,
        pinned=weights.pinned,
        weights_sha256=weights.sha256,
        architecture=type(model).__name__,
        parameters=model.num_parameters(),
        context_length=context_length(model.config),
        dtype=str(model.dtype).removeprefix("torch."),
        device=str(model.device),
        chat_template=template_hash is not None,
        chat_template_sha256=template_hash,
        licence=weights.licence,
        remote_code=options.trust_remote_code,
        capabilities=sorted(capabilities),
        declared=declared,
        notes=list(weights.notes),
    )


def fingerprint(facts: ModelFacts, folder: Path, vocabulary: dict[str, int], version: str) -> str:
    """Hash of weights, tokenizer, template, number format, device kind and the version of the code that asks."""
    words = json.dumps(sorted(vocabulary.items()))
    parts = [
        facts.weights_sha256,
        files_hash(folder),
        hashlib.sha256(words.encode()).hexdigest(),
        facts.chat_template_sha256,
        facts.dtype,
        str(facts.device).partition(":")[0],
        version,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def files_hash(folder: Path) -> str:
    """Of all small files that decide how the weights are used and how text becomes tokens."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.suffix in {".json", ".txt", ".model", ".jinja"}):
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def context_length(config: Any) -> int | None:
    """The longest input in tokens, where the model's config names one."""
    for name in ("max_position_embeddings", "n_positions", "seq_length"):
        value = getattr(config, name, None)
        if isinstance(value, int) and value > 0:
            return value
    return None
