"""Opening the model that a config names: which kind it is, and the module that opens that kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    MODEL_MAPPING_NAMES,
)
from transformers.utils import logging

from audit.models.base import Model, ModelError
from audit.models.causal import CausalModel
from audit.models.options import Options
from audit.models.source import Weights, resolve

Opener = Callable[[Weights, str, Options, dict[str, str]], Model]

OPENERS: dict[str, Opener] = {
    "causal-lm": CausalModel,
}
"""Task to what opens a folder of weights as such a model."""

TASKS: dict[str, dict[str, str]] = {
    "causal-lm": MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    "masked-lm": MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    "seq2seq-lm": MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    "text-classification": MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    "feature-extraction": MODEL_MAPPING_NAMES,
}
"""Task to transformers' table of the architectures that have it."""


def open_model(
    source: str,
    revision: str | None,
    adapter: str | None,
    task: str | None,
    options: Options,
    declared: dict[str, str],
) -> Model:
    """Open a model from its source.

    Raises:
        ModelError: where it is not found, not a model, of a kind that cannot be opened, or damaged.
    """
    if adapter is not None:
        raise ModelError("Adapters cannot be opened by this version; merge the adapter into a folder and audit that.")
    weights = resolve(source, revision, options.trust_remote_code)
    kind = task or infer_task(weights.folder) or "causal-lm"
    if kind not in OPENERS:
        raise ModelError(f"A model of task {kind} cannot be opened by this version; {', '.join(OPENERS)} can.")
    return OPENERS[kind](weights, source, options, declared)


def infer_task(folder: Path) -> str | None:
    """The task of the architecture that a folder's ``config.json`` names; None where it names none that is known."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        named = [name for name in config.get("architectures") or () if isinstance(name, str)]
    except (OSError, ValueError, AttributeError, TypeError):
        return None
    for task, table in TASKS.items():
        known = {name for entry in table.values() for name in ([entry] if isinstance(entry, str) else entry)}
        if any(name in known for name in named):
            return task
    return None


def quiet_libraries() -> None:
    """Keep transformers' bars and notes off the terminal; what matters is said by the audit itself."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
