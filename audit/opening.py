"""From a config to an open model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from audit.config import AuditConfig, ModelConfig
from audit.declared import declared_texts
from audit.judging import open_judge
from audit.later import collect_as_usual
from audit.models import Model
from audit.models.opening import open_model
from audit.models.options import EndpointOptions, Options, TableOptions
from audit.replica import Opening


def opening_of(config: AuditConfig) -> Opening:
    """How the model that a config names is opened."""
    return _opening(config.model, config, declared_texts(config.card))


def judge_opener(config: AuditConfig) -> Callable[[str], Model]:
    """What opens a judge by its name: an entry of the config's ``judges``, or a source.

    What it opens raises ``ModelError`` where the judge cannot be opened, or is of the hub and not pinned to a commit.
    """

    def opener(named: str) -> Model:
        judge = config.judges.get(named)
        if judge is None:
            return open_judge(named)
        return opened(_opening(judge, config, {}))

    return opener


def _opening(model: ModelConfig, config: AuditConfig, declared: dict[str, str]) -> Opening:
    return Opening(
        model.source,
        model.revision,
        model.adapter,
        model.task,
        Options(
            device=model.device,
            dtype=model.dtype,
            device_map=model.device_map,
            quantization=model.quantization,
            backend=model.backend,
            chat_template=model.chat_template,
            trust_remote_code=model.trust_remote_code,
            batch_tokens=config.run.batch_tokens,
            endpoint=EndpointOptions(**model.endpoint.model_dump(exclude={"keep_answers"})),
            table=TableOptions(
                model.table,
                tuple(model.sensitive),
                {str(name): column for name, column in model.columns.items()},
                model.positive,
            ),
        ),
        declared,
    )


def opened(opening: Opening, adapter: Path | None = None) -> Model:
    """The open model; with another adapter than the config's where one is given.

    Raises:
        ModelError: where it cannot be opened.
    """
    o = opening
    model = open_model(o.source, o.revision, str(adapter) if adapter else o.adapter, o.task, o.options, o.declared)
    collect_as_usual()  # from here on what is made does not stay
    return model
