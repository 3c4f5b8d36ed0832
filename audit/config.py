"""``model.yaml``: its types, its checks, and its JSON Schema.

Every mistake in a file is found in one reading and said in one plain sentence, with its line. Values are taken as
they are written: ``"5"`` is not a number and ``yes`` is not true.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.json_schema import models_json_schema

from audit.blocks import Block, Text
from audit.complaints import DEVICE as DEVICE
from audit.complaints import NO_SECRETS, QUERY_SECRET, sentences
from audit.declared import CardConfig as CardConfig
from audit.durations import seconds_of
from audit.yamlfile import ConfigError as ConfigError
from audit.yamlfile import Problem as Problem
from audit.yamlfile import closest, did_you_mean, escaped, quoted, read_yaml

_GATE = re.compile(r"(?P<name>[^\[\]]+)(\[.+\])?", re.DOTALL)
_PINNED = re.compile(r"[^@]+@[0-9a-f]{40}")
_OPTIONAL_BLOCKS = ("card", "judges", "probes", "gates", "run")
_SEE_PROBES = "(`audit probes` lists them)"
CUSTOM = "custom"
"""The key under ``probes`` that names files of custom probes, and how their ids begin."""

_FILES = {
    "description": "The file of a custom probe, or a list of such files.",
    "anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
}

Number = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True)
class ProbeEntry:
    """What the config must know of a probe: its metrics (without the probe's id) and the type of its options."""

    metrics: tuple[str, ...]
    options: type[BaseModel]


class EndpointConfig(Block):
    """How to talk to an OpenAI-compatible server. The key comes from an environment variable, never from this file."""

    model: Text | None = Field(None, description="The model's name on the server; the only one there by default.")
    key_variable: str | None = Field(
        None,
        pattern=r"^[A-Za-z_]\w*$",
        description="The environment variable that holds the key; OPENAI_API_KEY for openai.com, none for other servers.",
    )
    max_requests: int | None = Field(None, gt=0, description="Requests after which the audit stops.")
    max_tokens: int | None = Field(
        None, gt=0, description="Tokens, of prompts and answers together, after which the audit stops."
    )
    concurrency: int = Field(4, gt=0, le=256, description="Requests under way at once.")
    timeout: Number = Field(60.0, gt=0, description="Seconds to wait for an answer.")
    retries: int = Field(4, ge=0, le=20, description="Further tries after a time-out, a refusal for load or an error.")
    keep_answers: bool = Field(
        False,
        description="Use answers of earlier audits again. What serves an address can change, so without this only "
        "a resumed audit does.",
    )


class ModelConfig(Block):
    """Which model is audited, and how it is opened."""

    source: Text = Field(
        description="Hub id, folder, file.gguf, package:NAME/file.gguf, address of an OpenAI-compatible endpoint, "
        "or table of predictions (csv)."
    )
    revision: Text | None = Field(
        None, description="The exact commit; without one the card says that the model is not pinned."
    )
    adapter: Text | None = Field(
        None, description="Folder or hub id (org/name, org/name@commit) of a PEFT adapter to put on the model."
    )
    task: (
        Literal["causal-lm", "masked-lm", "seq2seq-lm", "text-classification", "feature-extraction", "tabular"] | None
    ) = Field(None, description="What the model does; inferred from its files where it can be.")
    device: str = Field("auto", pattern=DEVICE, description="auto, cpu, mps, cuda or cuda:0.")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="Number format of the weights."
    )
    device_map: Literal["auto"] | None = Field(
        None, description="auto spreads a model that is larger than one device over all devices and the memory."
    )
    quantization: Literal["8bit", "4bit"] | None = Field(
        None, description="Load the weights in 8 or 4 bits through bitsandbytes; numbers differ from the full weights'."
    )
    backend: Literal["transformers", "vllm"] = Field("transformers", description="What computes the model's answers.")
    chat_template: bool | None = Field(
        None, description="Whether prompts are put in the model's chat template; by default each probe decides."
    )
    sensitive: list[Text] = Field(
        default_factory=list, description="For tables: the columns whose groups are compared, e.g. race, sex."
    )
    table: Text | None = Field(
        None, description="For classifiers: a labelled table (csv or parquet) with the sensitive columns."
    )
    columns: dict[Literal["y_true", "y_pred", "y_score", "text"], Text] = Field(
        default_factory=dict,
        description="What the table's columns are called, where not y_true, y_pred, y_score, text.",
    )
    positive: Text | None = Field(
        None, description="For tables: the class that the person concerned wishes for; 1 by default."
    )
    endpoint: EndpointConfig = Field(
        default_factory=lambda: EndpointConfig(), description="For endpoints: how to talk to the server."
    )
    trust_remote_code: bool = Field(
        False, description="Run Python code that comes with the model. It can do anything; the card shows that it ran."
    )

    @field_validator("source")
    @classmethod
    def _no_keys(cls, source: str) -> str:
        try:
            address = urlsplit(source)
        except ValueError:
            raise ValueError("the address is not well formed") from None
        named = any(QUERY_SECRET.search(name) for name, _ in parse_qsl(address.query, keep_blank_values=True))
        if address.scheme in ("http", "https") and (address.password or address.username or named):
            raise ValueError(f"an address may not hold a key; {NO_SECRETS}")
        return source


class JudgeConfig(ModelConfig):
    """Another model that reads answers, and how it is asked."""

    kind: Literal["nli", "encoder", "model", "classifier"] = Field(
        "model",
        description="nli: a classifier of entailment; encoder: sentence vectors; model: a question with short answers; "
        "classifier: its classes of a text.",
    )


class GateConfig(Block):
    """What a metric must meet. Its whole interval must be on the good side; coverage is counted."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    at_most: Number | None = Field(None, description="Highest value allowed.")
    at_least: Number | None = Field(None, description="Lowest value allowed.")
    no_worse_than_baseline: Number | None = Field(
        None, ge=0, description="How much worse than in the baseline result (--baseline) the value may be."
    )
    coverage_at_least: Number | None = Field(
        None,
        gt=0,
        le=1,
        description="Lowest share of what the metric was planned on that must have been scored, 0 to 1.",
    )

    @model_validator(mode="after")
    def _has_a_rule(self) -> GateConfig:
        rules = (self.at_most, self.at_least, self.no_worse_than_baseline, self.coverage_at_least)
        if all(rule is None for rule in rules):
            raise ValueError("give at_most, at_least, no_worse_than_baseline or coverage_at_least, or remove the gate")
        if self.at_most is not None and self.at_least is not None and self.at_least > self.at_most:
            raise ValueError("at_least is above at_most, so that no value can meet both")
        return self


class RunConfig(Block):
    """How the audit is computed."""

    seed: int = Field(0, ge=0, description="Decides which items are drawn; the same seed gives the same result.")
    confidence: Number = Field(0.95, gt=0.5, lt=1, description="Confidence of every interval.")
    on_inconclusive: Literal["warn", "fail"] = Field(
        "warn", description="Whether a gate that is not established fails the command (exit status 4)."
    )
    budget: str | int | None = Field(
        None, description="The time that the audit is fitted to, such as 90s, 10m or 1h30m: probes draw fewer items."
    )
    batch_tokens: int | None = Field(
        None,
        gt=0,
        description="Tokens in one pass; on a processor with memory to spare 2048 or 4096, by the kind of model.",
    )
    executor: Literal["local", "ray"] = Field(
        "local", description="Where batches are computed: here, or on the workers of a Ray cluster."
    )
    workers: int | None = Field(
        None, gt=0, description="For ray: workers, each with a copy of the model; 2 by default."
    )
    address: Text | None = Field(
        None, description="For ray: the cluster's address; without one, the cluster that Ray finds, or one made here."
    )

    @field_validator("budget")
    @classmethod
    def _a_time(cls, budget: str | int | None) -> str | int | None:
        if budget is not None:
            seconds_of(budget)
        return budget


class AuditConfig(Block):
    """The content of ``model.yaml``. An empty block (``gates:`` and nothing more) is the same as none."""

    model: ModelConfig = Field(description="Which model is audited, and how it is opened.")
    card: CardConfig = Field(default_factory=CardConfig, description="What the owner of the model declares.")
    judges: dict[str, JudgeConfig] = Field(
        default_factory=dict,
        description="Other models that read answers, by the names that probes' options give as judge. The one named default "
        "reads for every probe that can use its kind and names none. Each as under model, with its kind.",
    )
    suite: Literal["quick", "standard", "full"] = Field("standard", description="How many items each probe draws.")
    probes: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Probes to run, with their options; those that gates name run as well. Without any, all probes run.",
    )
    gates: dict[str, GateConfig] = Field(
        default_factory=dict, description="What the metrics must meet, by <probe id>.<metric> or with [slice] after it."
    )
    run: RunConfig = Field(default_factory=RunConfig, description="How the audit is computed.")

    @model_validator(mode="before")
    @classmethod
    def _empty_blocks(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value is not None or key not in _OPTIONAL_BLOCKS}

    @field_validator("probes", mode="before")
    @classmethod
    def _no_options(cls, probes: Any) -> Any:
        if not isinstance(probes, dict):
            return probes
        named, found = (
            probes.get(CUSTOM),
            {name: {} if options is None else options for name, options in probes.items()},
        )
        return found | ({CUSTOM: {"files": custom_files(named)}} if CUSTOM in probes and not _as_checked(named) else {})


def custom_files(named: Any) -> list[str]:
    """The files of custom probes that ``probes: {custom: ...}`` names: one, or a list; none where it is neither."""
    files = named["files"] if _as_checked(named) else [named] if isinstance(named, str) else named
    return files if isinstance(files, list) and all(isinstance(file, str) and file for file in files) else []


def _as_checked(named: Any) -> bool:
    """Whether a checked config keeps the files so, such as a manifest's; ``all: false``: only the probes listed beside run."""
    return isinstance(named, dict) and isinstance(named.get("files"), list) and set(named) <= {"files", "all"}


def load_config(path: Path, catalogue: Mapping[str, ProbeEntry]) -> AuditConfig:
    """Read and check ``path`` whole; raises ``ConfigError`` with every mistake in it, in the order of the lines."""
    problems: list[Problem] = []
    document = read_yaml(path, problems)
    config, data = None, document.data
    found = [*_probe_problems(data, catalogue), *_judge_problems(data, catalogue), *_gate_problems(data, catalogue)]
    try:
        config = AuditConfig.model_validate(data)
    except ValidationError as error:
        found += sentences(error, AuditConfig, data)
    # A number that cannot be used was replaced to read on: what the types say of it is not for the user.
    said = {(p.line, p.location) for p in problems}
    placed = [Problem(p.message, document.line(p.location), p.location) for p in found]
    problems += [p for p in placed if (p.line, p.location) not in said]
    if problems or config is None:
        raise ConfigError(path, problems)
    return config


def read_options(entry: ProbeEntry, options: Mapping[str, Any]) -> BaseModel:
    """The typed options of a probe; raises pydantic's ``ValidationError``.

    By way of JSON, where a strict reading still takes a list for a tuple and text for a date or an enum.
    """
    return entry.options.model_validate_json(json.dumps(options), strict=True, extra="forbid")


def config_schema(catalogue: Mapping[str, ProbeEntry]) -> dict[str, Any]:
    """The JSON Schema of ``model.yaml`` for editors, with the options and metrics of the probes of ``catalogue``."""
    kinds: set[type[BaseModel]] = {AuditConfig, *(entry.options for entry in catalogue.values())}
    refs, whole = models_json_schema([(kind, "validation") for kind in sorted(kinds, key=str)])
    definitions = whole["$defs"]
    for definition in definitions.values():
        if "properties" in definition:
            definition["additionalProperties"] = False
    root: dict[str, Any] = definitions.pop(refs[AuditConfig, "validation"]["$ref"].rpartition("/")[2])
    blocks = root["properties"]
    blocks["probes"] |= {
        "properties": {
            name: {"anyOf": [refs[entry.options, "validation"], {"type": "null"}]} for name, entry in catalogue.items()
        }
        | {CUSTOM: _FILES},
        "patternProperties": {rf"^{CUSTOM}\.[a-z][a-z0-9_]*$": {"type": ["object", "null"]}},
        "additionalProperties": False,
    }
    gate = blocks["gates"]["additionalProperties"]
    metrics = _metrics(catalogue)
    sliced = "|".join(re.sub(r"[^\w-]", r"\\\g<0>", metric) for metric in metrics)
    blocks["gates"] |= {
        "properties": dict.fromkeys(metrics, gate),
        "patternProperties": {rf"^{CUSTOM}\..+$": gate} | ({rf"^({sliced})\[.+\]$": gate} if metrics else {}),
        "additionalProperties": False,
    }
    for name, field in AuditConfig.model_fields.items():
        # pydantic drops a description that equals the docstring of the block.
        block = {"anyOf": [blocks[name], {"type": "null"}]} if name in _OPTIONAL_BLOCKS else blocks[name]
        blocks[name] = block | {"description": field.description}
    root |= {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "model.yaml"}
    return root | {"$defs": definitions}


def starter(source: str) -> str:
    """The commented ``model.yaml`` that ``audit init`` writes for the model ``source``."""
    template = (Path(__file__).parent / "templates" / "model.yaml.j2").read_text("utf-8")
    # JSON's escapes, and those for what does not print, are YAML's as well.
    return template.replace("{{ source }}", escaped(json.dumps(source, ensure_ascii=False)))


def _metrics(catalogue: Mapping[str, ProbeEntry]) -> dict[str, str]:
    """Full metric name to probe id."""
    return {f"{name}.{metric}": name for name, entry in catalogue.items() for metric in entry.metrics}


def _probe_problems(data: dict[str, Any], catalogue: Mapping[str, ProbeEntry]) -> Iterator[Problem]:
    chosen = data.get("probes")
    for name, options in chosen.items() if isinstance(chosen, dict) else ():
        place = ("probes", name)
        if name == CUSTOM:
            continue  # its files are read, and what is wrong told, where they become probes
        if name not in catalogue:
            meant = did_you_mean(closest(name, catalogue))
            yield Problem(f"unknown probe {quoted(name)}{meant} {_SEE_PROBES}", location=place)
        # Options that are not a block at all are found with the types of the whole file.
        elif options is None or isinstance(options, dict):
            try:
                read_options(catalogue[name], options or {})
            except ValidationError as error:
                yield from sentences(error, catalogue[name].options, options or {}, place)


def _judge_problems(data: dict[str, Any], catalogue: Mapping[str, ProbeEntry]) -> Iterator[Problem]:
    """Judges that probes' options name and that are nowhere, or of a kind that the probe cannot use."""
    chosen, judges = data.get("probes"), data.get("judges")
    known = judges if isinstance(judges, dict) else {}
    for name, options in chosen.items() if isinstance(chosen, dict) else ():
        judge = options.get("judge") if isinstance(options, dict) and name in catalogue else None
        if not isinstance(judge, str):
            continue
        place = ("probes", name, "judge")
        if judge in known:
            kind = known[judge].get("kind", "model") if isinstance(known[judge], dict) else "model"
            able = sorted(getattr(catalogue[name].options, "kinds", {kind}))
            if kind not in able:
                yield Problem(f"{name} cannot use a judge of kind {kind}, only {' or '.join(able)}", location=place)
        elif not (judge.startswith("package:") or _PINNED.fullmatch(judge) or Path(judge).expanduser().exists()):
            meant = did_you_mean(closest(judge, known))
            told = "no entry of judges, no folder or file, and no hub id with its commit (org/name@<40 digits>)"
            yield Problem(f"the judge {quoted(judge)} is {told}{meant}", location=place)


def _gate_problems(data: dict[str, Any], catalogue: Mapping[str, ProbeEntry]) -> Iterator[Problem]:
    gates = data.get("gates")
    metrics = _metrics(catalogue)
    for key in gates if isinstance(gates, dict) else ():
        place = ("gates", key)
        match = _GATE.fullmatch(key)
        if match is None:
            yield Problem(f"the gate {quoted(key)} is not of the form <probe id>.<metric>[slice]", location=place)
        elif match["name"] not in metrics:
            yield Problem(_unknown_metric(match["name"], catalogue), location=place)


def chosen_probes(config: AuditConfig, catalogue: Mapping[str, ProbeEntry]) -> list[str]:
    """Ids of the probes to run: those listed and those that gates name; without a list, all of the catalogue."""
    if not config.probes:
        return list(catalogue)
    metrics = _metrics(catalogue)
    gated = {metrics[match["name"]] for gate in config.gates if (match := _GATE.fullmatch(gate))}
    own = f"{CUSTOM}." if config.probes.get(CUSTOM, {"all": False}).get("all", True) else None
    listed = [probe for probe in catalogue if probe in config.probes or (own is not None and probe.startswith(own))]
    return [probe for probe in catalogue if probe in listed or probe in gated]


def _unknown_metric(name: str, catalogue: Mapping[str, ProbeEntry]) -> str:
    probe = max((probe for probe in catalogue if name.startswith(probe + ".")), key=len, default=None)
    if probe is None:
        hint = did_you_mean(closest(name, _metrics(catalogue)))
        return f"unknown metric {quoted(name)}{hint or ': it does not begin with the id of a probe'} {_SEE_PROBES}"
    match = closest(name.removeprefix(probe + "."), catalogue[probe].metrics)
    hint = did_you_mean(f"{probe}.{match}") if match else f"; {probe} measures {', '.join(catalogue[probe].metrics)}"
    return f"unknown metric {quoted(name)}{hint}"
