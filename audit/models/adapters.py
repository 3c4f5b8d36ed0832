"""PEFT adapters: small files of weights that change a model, loaded onto the base that the config names.

Adapters that change weights (LoRA and the like) are merged into the base, so that what follows sees a plain model:
prefix trees, gathered heads and attention work as ever, and an audit costs what the base's costs. Onto quantised
weights an adapter is laid instead, because merging would round it away. Prompt and prefix tuning put tokens before the
text; they would change what a position means and are refused.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from audit.extras import absent
from audit.models.base import ModelError
from audit.models.faults import explained
from audit.models.placement import import_bitsandbytes
from audit.models.source import HUB_ID, Adapter, Weights, download, file_hash

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
_HUB_FILES = ("*.json", WEIGHTS_FILE, "*.jinja")
_ADDS_TOKENS = {"PROMPT_TUNING", "PREFIX_TUNING", "P_TUNING", "MULTITASK_PROMPT_TUNING", "ADAPTION_PROMPT", "CPT"}
_SHAPES = re.compile(r"size mismatch for (\S+): .*?Size\(\[([\d, ]*)\]\).*?Size\(\[([\d, ]*)\]\)", re.DOTALL)


def resolve_adapter(named: str) -> Adapter:
    """Find an adapter.

    Args:
        named: a folder, a hub id, or a hub id with a commit, ``org/name@commit``.

    Raises:
        ModelError: where nothing is found, or what is found is not an adapter with weights in safetensors.
    """
    nowhere = ModelError(f"The adapter {named} was not found: there is no such folder, and it is not a hub id.")
    try:
        path = Path(named).expanduser()
        found = path.is_dir()
    except (OSError, RuntimeError):
        raise nowhere from None
    name, _, revision = named.partition("@")
    if found and named:
        folder, called, commit, pinned = path, path.resolve().name, None, True
    elif HUB_ID.fullmatch(name):
        folder, commit = download(name, revision or None, _HUB_FILES, "adapter")
        called, pinned = name, bool(revision)
    else:
        raise nowhere
    config = _read_config(folder, named)
    if not (folder / WEIGHTS_FILE).is_file():
        pickled = any(folder.glob("*.bin"))
        why = (
            "only pickled weights, which are not opened because loading them can run code" if pickled else "no weights"
        )
        raise ModelError(f"The adapter {named} has {why}; {WEIGHTS_FILE} is needed.")
    base = config.get("base_model_name_or_path")
    return Adapter(
        folder=folder,
        name=called,
        sha256=file_hash([folder / CONFIG_FILE, folder / WEIGHTS_FILE]),
        revision=commit,
        pinned=pinned,
        base=base if isinstance(base, str) and base else None,
    )


def _read_config(folder: Path, named: str) -> dict[str, Any]:
    try:
        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    except OSError:
        raise ModelError(f"{named} is not an adapter: the folder has no {CONFIG_FILE}.") from None
    except ValueError:
        config = None
    if not isinstance(config, dict) or not isinstance(config.get("peft_type"), str):
        raise ModelError(f"The adapter {named} cannot be read: its {CONFIG_FILE} is damaged or names no peft_type.")
    if config["peft_type"].upper() in _ADDS_TOKENS:
        raise ModelError(
            f"The adapter {named} ({config['peft_type']}) puts tokens before the text instead of changing weights; "
            "only adapters that change weights, such as LoRA, can be audited."
        )
    return config


def with_adapter(weights: Weights, adapter: Adapter, source: str) -> Weights:
    """The weights of base and adapter together: their name says both, their hash changes with either."""
    at = f", commit {adapter.revision}" if adapter.revision else ""
    notes = [
        f"The adapter {adapter.name}{at} is put on {weights.name}; SHA-256 of the base {weights.sha256}, of the adapter's "
        f"config and weights {adapter.sha256}."
    ]
    if adapter.base is None:
        notes.append("The adapter does not say which base it was made for.")
    elif not _same(adapter.base, source, weights):
        notes.append(f"The adapter says that it was made for {adapter.base}; here its base is {source}.")
    if _own_tokenizer(adapter.folder, weights.folder):
        notes.append("The adapter comes with a tokenizer or chat template of its own; the base's are used.")
    both = hashlib.sha256(f"{weights.sha256}\n{adapter.sha256}".encode()).hexdigest()
    return replace(
        weights,
        name=f"{weights.name} + {adapter.name}",
        sha256=both,
        pinned=weights.pinned and adapter.pinned,
        notes=(*weights.notes, *notes),
        adapter=adapter,
    )


def _same(base: str, source: str, weights: Weights) -> bool:
    if base in (source, weights.name):
        return True
    try:
        return Path(base).expanduser().resolve() in (Path(source).expanduser().resolve(), weights.folder.resolve())
    except (OSError, RuntimeError):
        return False


def _own_tokenizer(adapter: Path, base: Path) -> bool:
    for name in ("tokenizer.json", "chat_template.jinja"):
        own, theirs = adapter / name, base / name
        if own.is_file() and (not theirs.is_file() or own.read_bytes() != theirs.read_bytes()):
            return True
    return False


def adapt(model: Any, adapter: Adapter, source: str) -> Any:
    """The model with the adapter's weights in it: merged, or laid onto quantised weights.

    Raises:
        ModelError: where peft is absent, or the adapter does not fit the model.
    """
    if importlib.util.find_spec("peft") is None:
        raise ModelError(absent(f"The adapter {adapter.name}", "lora"))
    if importlib.util.find_spec("bitsandbytes") is not None:
        import_bitsandbytes(remote_code=False)  # before peft does, which imports it where it is installed
    from peft import PeftModel

    beginning = f"The adapter {adapter.name} does not fit {source}"
    merged = not getattr(model, "is_quantized", False)
    if merged:
        _untie(model)
    with explained(beginning, adapter.folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what peft warns of is checked here
        try:
            wrapped = PeftModel.from_pretrained(model, str(adapter.folder), torch_device="cpu")
            # The same again, because only this way says which weights found no place.
            found = wrapped.load_adapter(str(adapter.folder), "default", torch_device="cpu")
        except RuntimeError as error:
            shapes = _SHAPES.search(str(error))
            if shapes is None:
                raise
            layer, theirs, ours = shapes[1], *(shapes[n].replace(", ", " x ") for n in (2, 3))
            raise ModelError(f"{beginning}: its {_plain(layer)} is {theirs} where the model's is {ours}.") from None
        if found.missing_keys or found.unexpected_keys:
            few, many = sorted(found.missing_keys), sorted(found.unexpected_keys)
            why = f"it lacks weights, {_plain(few[0])} first" if few else f"the model has no {_plain(many[0])}"
            raise ModelError(f"{beginning}: {why}.")
        if merged:
            return wrapped.merge_and_unload(safe_merge=True)
    adapted = wrapped.get_base_model()
    if not isinstance(adapted.get_input_embeddings(), torch.nn.Embedding):
        raise ModelError(f"{beginning}: it changes the embeddings, which needs weights that are not quantised.")
    return adapted


def _plain(key: str) -> str:
    """A weight's name without what peft puts around it."""
    return key.removeprefix("base_model.model.").replace(".default.", ".")


def _untie(model: Any) -> None:
    """Give the head a matrix of its own where it shares the embeddings': merging into one would change both."""
    head, embeddings = model.get_output_embeddings(), model.get_input_embeddings()
    if head is not None and getattr(head, "weight", None) is embeddings.weight:
        head.weight = torch.nn.Parameter(head.weight.detach().clone(), requires_grad=False)
