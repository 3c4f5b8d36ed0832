"""What all models that are opened from weights share: loading, limits, and saying which model it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer

from audit.extras import EXTRAS
from audit.models.adapters import adapt
from audit.models.base import ModelError
from audit.models.faults import explained
from audit.models.kernels import kernels_of, speed_up
from audit.models.options import Options
from audit.models.placement import check_runs, devices, import_bitsandbytes, loading_options, place, spread
from audit.models.placement import choose_device as choose_device
from audit.models.placement import number_format as number_format
from audit.models.requests import Capability
from audit.models.responses import Failure
from audit.models.source import Weights
from audit.results import ModelFacts


def load(
    kind: Any, weights: Weights, source: str, options: Options, noun: str, slow_tokenizer: bool = False
) -> tuple[Any, Any]:
    """Tokenizer and model of a folder, the model in evaluation mode on its device, with its adapter where it has one.

    Args:
        kind: the transformers class to load with, e.g. ``AutoModelForCausalLM``.
        weights: the folder.
        source: how the user named it, for messages.
        options: device, number format and the like.
        noun: what it should be, e.g. ``a causal language model``.
        slow_tokenizer: whether one will do that cannot say which characters a token stands for.

    Raises:
        ModelError: where the folder's weights, architecture, tokenizer or adapter cannot be loaded, or options cannot
            be met on this machine.
    """
    beginning = f"{source} could not be opened as {noun}"
    remote_code = options.trust_remote_code
    with explained(beginning):
        config = AutoConfig.from_pretrained(weights.folder, trust_remote_code=remote_code)
    placed = loading_options(options, weights.adapter is not None, config, source)
    if (held := getattr(config, "quantization_config", None)) and "bitsandbytes" in str(held):
        import_bitsandbytes(remote_code)  # before transformers does
    _check_task(kind, config, source, noun)
    tokenizer = _tokenizer(weights.folder, source, options, beginning, slow_tokenizer)
    with explained(beginning, weights.folder):
        model, info = kind.from_pretrained(
            weights.folder,
            config=config,
            use_safetensors=True,
            trust_remote_code=remote_code,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # refused below, in one sentence
            **placed,
        )
    _check_weights(model, config, info, source, noun)
    unused = frozenset(map(str, info.get("unexpected_keys", ())))
    if weights.adapter is not None:
        model = adapt(model, weights.adapter, source)
    with explained(beginning):
        model = place(model, options, source).eval()
    if options.quantization or options.device_map or getattr(model, "is_quantized", False):
        check_runs(model, source)
    if not options.quantization and not spread(model):
        speed_up(model)
    setattr(model, UNUSED, unused)
    return tokenizer, model


UNUSED = "fairwitness_unused"
"""The attribute of a loaded network that names the tensors of its files that it has no place for."""

_VOCABULARIES = ("tokenizer.json", "vocab*", "*.model", "*.spm", "*.tiktoken", "tekken.json")
"""Files of which one holds a tokenizer's vocabulary; without any, transformers makes an empty tokenizer."""
_TOKENIZER_FILES = (
    "tokenizer", "vocab", "merges", "special_tokens_map", "added_tokens", "spiece", "sentencepiece", "source.spm",
    "target.spm", "tekken", "bpe.codes",
)  # fmt: skip


def _tokenizer(folder: Path, source: str, options: Options, beginning: str, slow: bool) -> Any:
    try:
        with explained(beginning):
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=options.trust_remote_code)
    except ModelError:
        if not (folder / "tokenizer.json").is_file():
            pieces = any(path.suffix in {".spm", ".model"} for path in folder.iterdir())
            hint = f"; reading its SentencePiece files takes: {EXTRAS['translation'].command}" if pieces else ""
            raise ModelError(
                f"{beginning}: it has no tokenizer that can be read; tokenizer.json is missing{hint}."
            ) from None
        raise
    if getattr(tokenizer, "is_fast", False) and not any(any(folder.glob(name)) for name in _VOCABULARIES):
        raise ModelError(f"{beginning}: it has no tokenizer; copy tokenizer.json from where the model came from.")
    if not slow and not getattr(tokenizer, "is_fast", False):
        raise ModelError(
            f"{beginning}: its tokenizer ({type(tokenizer).__name__}) cannot say which characters a token stands for; "
            "a tokenizer.json is needed."
        )
    if options.chat_template and not tokenizer.chat_template:
        raise ModelError(f"{source} has no chat template; leave out chat_template: true.")
    return tokenizer


def _check_task(kind: Any, config: Any, source: str, noun: str) -> None:
    """Refuse an architecture that has no such head; one that brings its own code may have any."""
    mapping = getattr(kind, "_model_mapping", None)
    if mapping is None or type(config) in mapping or getattr(config, "auto_map", None):
        return
    held = ", ".join(config.architectures or ()) or config.model_type
    raise ModelError(f"{source} is not {noun}: it holds {held}; leave out model.task, or name the one that fits.")


def _check_weights(model: Any, config: Any, info: dict[str, Any], source: str, noun: str) -> None:
    """Refuse what transformers would fill with random numbers: an audit of those would be of another model."""
    for name, theirs, ours in sorted(info.get("mismatched_keys", ())):
        shapes = [" x ".join(str(size) for size in shape) for shape in (theirs, ours)]
        raise ModelError(f"{source} does not fit its config.json: {name} is {shapes[0]} and should be {shapes[1]}.")
    missing = sorted(info.get("missing_keys", ()))
    if not missing:
        return
    held = [name for name in config.architectures or () if isinstance(name, str)]
    if held and type(model).__name__ not in held:
        raise ModelError(f"{source} is not {noun}: it holds {', '.join(held)}, which has no {missing[0]}.")
    raise ModelError(f"{source} lacks weights that its architecture needs, {missing[0]} first; it may be truncated.")


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
    name = declared.get("name") or weights.name
    if weights.adapter is not None and declared.get("name"):
        name = f"{name} + {weights.adapter.name}"  # base and adapter may be audited with one card
    return ModelFacts(
        name=name,
        source=source,
        kind=kind,
        revision=weights.revision,
        pinned=weights.pinned,
        weights_sha256=weights.sha256,
        tokenizer_sha256=tokenizer_hash(weights.folder),
        architecture=type(model).__name__,
        parameters=model.num_parameters(),
        context_length=context_length(model.config),
        dtype=_numbers(model, options),
        device=devices(model),
        kernels=kernels_of(model),
        chat_template=template_hash is not None,
        chat_template_sha256=template_hash,
        licence=weights.licence,
        remote_code=options.trust_remote_code,
        capabilities=sorted(capabilities),
        declared=declared,
        notes=[*weights.notes, *_notes(model, weights, options)],
    )


def _numbers(model: Any, options: Options) -> str:
    rest = str(model.dtype).removeprefix("torch.")
    return f"{options.quantization} (bitsandbytes), rest {rest}" if options.quantization else rest


def _notes(model: Any, weights: Weights, options: Options) -> list[str]:
    """What else decides the numbers, or how fast they come."""
    notes = []
    if options.quantization:
        notes.append(f"The weights are rounded to {options.quantization.removesuffix('bit')} bits while loading.")
        if weights.adapter is not None:
            notes.append("The adapter is laid onto the rounded weights, not merged into them.")
    elif getattr(model, "is_quantized", False):
        method = getattr(getattr(model.config, "quantization_config", None), "quant_method", "an unnamed method")
        notes.append(f"The weights come quantised ({getattr(method, 'value', method)}).")
    if spread(model):
        notes.append(f"The weights are spread over {devices(model)}.")
    return notes


def fingerprint(facts: ModelFacts, folder: Path, vocabulary: dict[str, int], version: str) -> str:
    """Hash of weights, tokenizer, template, number format, kinds of devices and the version of the code that asks."""
    words = json.dumps(sorted(vocabulary.items()))
    kinds = sorted({device.partition(":")[0] for device in str(facts.device).split(", ")})
    parts = [
        facts.weights_sha256,
        files_hash(folder),
        hashlib.sha256(words.encode()).hexdigest(),
        facts.chat_template_sha256,
        facts.dtype,
        facts.kernels,
        ", ".join(kinds),
        version,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def files_hash(folder: Path) -> str:
    """Of all small files that decide how the weights are used and how text becomes tokens."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.suffix in {".json", ".txt", ".model", ".jinja", ".spm", ".py"}):
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def tokenizer_hash(folder: Path) -> str | None:
    """Of the files that say how text becomes tokens, without the chat template; None where there are none."""
    digest = hashlib.sha256()
    found = sorted(p for p in folder.iterdir() if p.is_file() and p.name.startswith(_TOKENIZER_FILES))
    for path in found:
        content = path.read_bytes()
        if path.name == "tokenizer_config.json":
            settings = json.loads(content)
            settings.pop("chat_template", None)
            content = json.dumps(settings, sort_keys=True).encode()
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(content).digest())
    return digest.hexdigest() if found else None


def context_length(config: Any) -> int | None:
    """The longest input in tokens, where the model's config names one."""
    for name in ("max_position_embeddings", "n_positions", "seq_length"):
        value = getattr(config, name, None)
        if isinstance(value, int) and value > 0:
            return value
    return None


def longest_input(model: Any, tokenizer: Any) -> int | None:
    """The longest input in tokens, by config, positions and tokenizer."""
    limits = [context_length(model.config)]
    for name, module in model.named_modules():
        # RoBERTa and its kin count positions from after the padding token's.
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            limits.append(int(module.num_embeddings) - int(module.padding_idx) - 1)
    named = int(tokenizer.model_max_length)  # 10^30 where the tokenizer names none
    limits.append(named if named < 10**9 else None)
    return min((limit for limit in limits if limit is not None), default=None)


def unfit(tokens: int, limit: int | None) -> Failure | None:
    """Why a model that reads ``limit`` tokens cannot read this many; nothing is ever cut off."""
    if limit is None or tokens <= limit:
        return None
    return Failure("truncated", f"The input has {tokens} tokens; the model reads {limit}.")
