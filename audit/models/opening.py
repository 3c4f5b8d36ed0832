"""Opening the model that a config names."""

from __future__ import annotations

from transformers.utils import logging

from audit.models.base import Model, ModelError
from audit.models.causal import CausalModel, Options
from audit.models.source import resolve


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
    if task not in (None, "causal-lm"):
        raise ModelError(f"A model of task {task} cannot be opened by this version; causal-lm can.")
    if adapter is not None:
        raise ModelError("Adapters cannot be opened by this version; merge the adapter into a folder and audit that.")
    weights = resolve(source, revision, options.trust_remote_code)
    return CausalModel(weights, source, options, declared)


def quiet_libraries() -> None:
    """Keep transformers' bars and notes off the terminal; what matters is said by the audit itself."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
