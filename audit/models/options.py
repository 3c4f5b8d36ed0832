"""How to open a model: the part of a config that the models read."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class EndpointOptions:
    """How to talk to a server.

    ``model``: its name there, None for the only one. ``key_variable``: the environment variable that holds the key,
    None for ``OPENAI_API_KEY`` at openai.com and no key elsewhere.
    ``max_requests`` and ``max_tokens`` (of prompts and answers together) end the run when they are spent, None for no
    limit. ``timeout`` in seconds for one try; ``retries`` after the first.
    """

    model: str | None = None
    key_variable: str | None = None
    max_requests: int | None = None
    max_tokens: int | None = None
    concurrency: int = 4
    timeout: float = 60.0
    retries: int = 4


@dataclass(frozen=True)
class TableOptions:
    """The table of cases that comes with a classifier, or is all there is.

    ``file``: CSV or Parquet; None where the source itself is the table. ``columns``: the name in the file of ``y_true``,
    ``y_pred``, ``y_score`` and ``text``, each by its own name where not given. ``positive``: the class that the person
    concerned wishes for.
    """

    file: str | None = None
    sensitive: tuple[str, ...] = ()
    columns: dict[str, str] = field(default_factory=dict)
    positive: str | None = None


@dataclass(frozen=True)
class Options:
    """How to open a model; ``device`` and ``dtype`` may be ``auto``.

    ``device_map``: ``auto`` spreads a model that is larger than one device over all. ``quantization``: ``8bit`` or
    ``4bit``, through bitsandbytes. ``backend``: ``transformers`` or ``vllm``.
    """

    device: str = "auto"
    dtype: str = "auto"
    device_map: str | None = None
    quantization: str | None = None
    backend: str = "transformers"
    chat_template: bool | None = None
    trust_remote_code: bool = False
    batch_tokens: int | None = None
    endpoint: EndpointOptions = field(default_factory=EndpointOptions)
    table: TableOptions = field(default_factory=TableOptions)
