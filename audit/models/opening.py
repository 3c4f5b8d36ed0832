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

from audit.models.adapters import resolve_adapter, with_adapter
from audit.models.base import Model, ModelError
from audit.models.causal import CausalModel
from audit.models.classifier import ClassifierModel
from audit.models.embedder import Embedder
from audit.models.endpoint.model import EndpointModel, is_endpoint
from audit.models.masked import MaskedModel
from audit.models.options import Options
from audit.models.seq2seq import Seq2SeqModel
from audit.models.sklearn_model import PICKLED, SUFFIX, SklearnModel, refuse_pickle
from audit.models.source import Weights, resolve
from audit.models.table import TableModel, is_table
from audit.models.vllm_model import VllmModel

Opener = Callable[[Weights, str, Options, dict[str, str]], Model]

OPENERS: dict[str, Opener] = {
    "causal-lm": CausalModel,
    "masked-lm": MaskedModel,
    "seq2seq-lm": Seq2SeqModel,
    "text-classification": ClassifierModel,
    "feature-extraction": Embedder,
}
"""Task to what opens a folder of weights as such a model."""

_WITH_MASKED_HEAD = (
    "AlbertForPreTraining",
    "BertForPreTraining",
    "BigBirdForPreTraining",
    "ErnieForPreTraining",
    "MegatronBertForPreTraining",
    "MobileBertForPreTraining",
)
"""Architectures of a first training that hold a masked language model's head besides another one."""

TASKS: dict[str, dict[str, str | tuple[str, ...]]] = {
    "causal-lm": MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    # Before masked-lm, whose table names BART's kin as well.
    "seq2seq-lm": MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    "masked-lm": {**MODEL_FOR_MASKED_LM_MAPPING_NAMES, "with another head": _WITH_MASKED_HEAD},
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
    if is_endpoint(source):
        return _open_endpoint(source, revision, adapter, task, options, declared)
    tabular = _open_tabular(source, task, options, declared)
    if tabular is not None:
        if adapter is not None:
            raise ModelError(f"{source} is a table; the adapter {adapter} can only be put on a model's weights.")
        return tabular
    weights = resolve(source, revision, options.trust_remote_code)
    if adapter is not None:
        weights = with_adapter(weights, resolve_adapter(adapter), source)
    kind = task or infer_task(weights.folder) or "causal-lm"
    if kind != "text-classification" and (options.table.file or options.table.sensitive):
        raise ModelError(
            f"{source} is a model of task {kind}, which has no use for model.table and model.sensitive; leave them out, or "
            "audit its predictions as a table of their own."
        )
    if kind not in OPENERS:
        raise ModelError(f"A model of task {kind} cannot be opened by this version; {', '.join(OPENERS)} can.")
    if options.backend == "vllm":
        if kind != "causal-lm":
            raise ModelError(f"backend: vllm opens models of task causal-lm only; {source} is a model of task {kind}.")
        if weights.adapter is not None:
            raise ModelError(f"backend: vllm opens no adapters; leave it out, or merge {weights.adapter.name} first.")
        return VllmModel(weights, source, options, declared)
    return OPENERS[kind](weights, source, options, declared)


def _open_endpoint(
    source: str, revision: str | None, adapter: str | None, task: str | None, options: Options, declared: dict[str, str]
) -> Model:
    """A server, of which nothing but text can be asked."""
    named = {"revision": revision, "adapter": adapter, "quantization": options.quantization}
    if options.backend != "transformers":
        named["backend"] = options.backend
    extra = next((name for name, value in named.items() if value is not None), None)
    if extra is not None:
        raise ModelError(
            f"{source} is an endpoint, of which no {extra} can be chosen from here; leave model.{extra} out."
        )
    if options.table.file or options.table.sensitive:
        raise ModelError(
            f"{source} is an endpoint, which has no use for model.table and model.sensitive; leave them out."
        )
    if task not in (None, "causal-lm"):
        raise ModelError(f"{source} is an endpoint, which is asked for text; task {task} cannot be asked of it.")
    return EndpointModel(source, options, declared)


def _open_tabular(source: str, task: str | None, options: Options, declared: dict[str, str]) -> Model | None:
    """A table of predictions, or a scikit-learn model with its table; None where the source is neither."""
    name = source.lower()
    remote = name.startswith(("http://", "https://"))
    if not remote and name.endswith(PICKLED):
        raise refuse_pickle(source)
    if remote or not (is_table(source) or name.endswith(SUFFIX)):
        if task == "tabular":
            raise ModelError(f"{source} is no table; task tabular takes a .csv or .parquet file, or a .skops model.")
        return None
    if task not in (None, "tabular"):
        raise ModelError(f"{source} is of task tabular, not {task}; leave model.task out.")
    if options.quantization or options.device_map or options.backend != "transformers":
        raise ModelError(f"{source} is tabular; leave model.quantization, model.device_map and model.backend out.")
    return TableModel(source, options, declared) if is_table(source) else SklearnModel(source, options, declared)


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
