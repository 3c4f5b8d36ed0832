"""What two audits have in common: the parts of what an audit is of, each the same, changed, or not known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from audit.results.schema import AuditResult
from audit.results.stored import Stored

Part = Literal["weights", "tokenizer", "template", "number_format", "questions", "settings", "program"]
Fate = Literal["same", "changed", "unknown"]
MODEL_PARTS: tuple[Part, ...] = ("weights", "tokenizer", "template", "number_format")
UNKNOWN = "unknown"
MOST_SETTINGS = 12
# Of the config, what is said elsewhere or makes no difference to an answer.
_LEFT_OUT = ("card", "run.executor", "run.workers", "run.address")


class Changed(Stored):
    """One part of two audits; ``then`` and ``now`` are short forms for a person to read, where there are any."""

    part: Part
    fate: Fate
    then: str | None = None
    now: str | None = None
    details: tuple[str, ...] = ()


def what_changed(then: AuditResult, now: AuditResult) -> tuple[Changed, ...]:
    """Every part, in a fixed order. What not both audits know is ``unknown``, never the same.

    Predictions in a table have no tokenizer, no template and no number format.
    """
    text = (
        _hashes("tokenizer", _tokenizer(then), _tokenizer(now)),
        _hashes("template", _template(then), _template(now)),
        _hashes("number_format", then.model.dtype, now.model.dtype),
    )
    tables = then.model.kind == now.model.kind == "tabular"
    return (
        _weights(then, now),
        *(() if tables else text),
        questions_changed(then, now),
        _settings(then, now),
        _program(then, now),
    )


def questions_changed(then: AuditResult, now: AuditResult, probe: str | None = None) -> Changed:
    """Whether the drawn items changed, of one probe or of all that both audits have."""
    one, other = then.manifest.items, now.manifest.items
    if probe is not None:
        return _hashes("questions", one.get(probe), other.get(probe))
    shared = sorted(one.keys() & other.keys())
    if not shared:
        return Changed(part="questions", fate="unknown")
    changed = tuple(name for name in shared if one[name] != other[name])
    return Changed(part="questions", fate="changed" if changed else "same", details=changed)


def _identity(result: AuditResult, part: str, fact: str | None) -> str | None:
    found = result.manifest.identity.get(part, fact)
    return None if found == UNKNOWN else found


def _weights(then: AuditResult, now: AuditResult) -> Changed:
    """By the hash; where there is none, as of a server, another source or revision is another model.

    The same source and revision prove nothing then: a server can put another model behind its name.
    """
    one, other = (_identity(r, "weights", r.model.weights_sha256) for r in (then, now))
    if one is not None and other is not None:
        return _hashes("weights", one, other)
    for before, after in ((then.model.source, now.model.source), (then.model.revision, now.model.revision)):
        if before != after:
            return Changed(part="weights", fate="changed", then=before, now=after)
    return Changed(part="weights", fate="unknown", then=one, now=other)


def _tokenizer(result: AuditResult) -> str | None:
    return _identity(result, "tokenizer", result.model.tokenizer_sha256)


def _template(result: AuditResult) -> str | None:
    """The hash of the chat template; a model whose files are known to hold none says so."""
    found = _identity(result, "template", result.model.chat_template_sha256)
    return found if found or result.model.chat_template or result.model.weights_sha256 is None else "none"


def _hashes(part: Part, then: str | None, now: str | None) -> Changed:
    if then is None or now is None:
        return Changed(part=part, fate="unknown", then=then, now=now)
    return Changed(part=part, fate="same" if then == now else "changed", then=then, now=now)


def _program(then: AuditResult, now: AuditResult) -> Changed:
    versions = then.manifest.tool_version, now.manifest.tool_version
    codes = then.manifest.identity.get("code"), now.manifest.identity.get("code")
    same = versions[0] == versions[1] and codes[0] == codes[1]
    return Changed(part="program", fate="same" if same else "changed", then=versions[0], now=versions[1])


def _settings(then: AuditResult, now: AuditResult) -> Changed:
    """Settings of ``model.yaml`` that differ, each with its two values; the owner's words on the card do not count."""
    one, other = _flat(then.manifest.config), _flat(now.manifest.config)
    names = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    told = tuple(f"{name}: {one.get(name, '–')} → {other.get(name, '–')}" for name in names)
    if len(told) > MOST_SETTINGS:
        told = (*told[:MOST_SETTINGS], f"… ({len(told) - MOST_SETTINGS})")
    return Changed(part="settings", fate="changed" if told else "same", details=told)


def _flat(config: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in _leaves(config, "") if not name.startswith(_LEFT_OUT)}


def _leaves(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Every setting with its dotted name; an empty block is as good as none."""
    if isinstance(value, Mapping):
        for key in value:
            yield from _leaves(value[key], f"{name}.{key}" if name else str(key))
    else:
        yield name, str(value)
