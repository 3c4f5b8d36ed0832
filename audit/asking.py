"""What can be asked about a record of an audit again, and what cannot; it needs no model and reads none."""

from __future__ import annotations

from audit.results import Asked, AuditResult, ModelFacts, Record


class ExplainError(ValueError):
    """What was asked cannot be explained; the message is one sentence for the user."""


class Unfinished(Exception):
    """The model failed before the explanation was complete; the message is one sentence for the user."""


def decision_of(record: Record) -> Asked:
    """The decision behind a record; raises ``ExplainError`` where it keeps none, or not the whole of one."""
    if record.asked is None:
        raise ExplainError(f"The record {record.id} of {record.probe} keeps no decision that could be explained.")
    if not record.decision_is_whole:
        raise ExplainError(
            f"In the record {record.id} of {record.probe} personal data are blotted out of what was asked, so that it cannot "
            "be put again; ask with a prompt and an answer of your own."
        )
    return record.asked


def check_same_weights(then: ModelFacts, now: ModelFacts) -> None:
    """Raise ``ExplainError`` where the open model is known not to be the one that was audited."""
    before, after = then.weights_sha256, now.weights_sha256
    if before is not None and after is not None and before != after:
        raise ExplainError(
            f"The weights of {now.name} ({after[:12]}) are not those that were audited ({before[:12]}), so that this would "
            "explain the answer of another model; other_weights=True does so all the same."
        )


def check_opening(audited: AuditResult) -> None:
    """Raise ``ExplainError`` where a result must not, or need not, open its model by itself.

    A result can come from anybody: what it says must run no code that comes with a model, and send nothing to a server.
    """
    facts, config = audited.model, audited.manifest.config.get("model", {})
    instead = 'open it with audit.open_model("model.yaml") and give it as model'
    if config.get("trust_remote_code"):
        raise ExplainError(
            f"The audit ran code that comes with {facts.name}, which a result does not start by itself; {instead}."
        )
    source = str(config.get("source", ""))
    if "://" in source:
        raise ExplainError(
            f"{facts.name} was audited at {source}, to which a result sends nothing by itself; {instead}."
        )
    if facts.capabilities and not {"attribute", "attention", "cross_attention"} & set(facts.capabilities):
        raise ExplainError(
            f"{facts.name} cannot be explained: it can neither be asked again with parts of the text left out, nor show "
            "attention weights."
        )
