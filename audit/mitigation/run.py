"""From a result folder to ``mitigation.json``: which remedies are tried for which findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from audit.config import CUSTOM, AuditConfig, ConfigError, Problem
from audit.custom import configured, known_probes
from audit.manifest import now, tool_version
from audit.mitigation.features import check_columns
from audit.mitigation.language import Audited, addressed, language_remedies
from audit.mitigation.settings import Settings
from audit.mitigation.tables import table_remedies
from audit.models.source import resolve
from audit.opening import judge_opener, opened, opening_of
from audit.results import AuditResult, Finding, Flagged, Mitigation, Remedy, read_records
from probes.base import Probe
from probes.registry import find_probes

RISK = "bias"


def mitigate(folder: Path, result: AuditResult, config: AuditConfig, settings: Settings) -> Mitigation:
    """Try the remedies for what an audit found of bias; nothing is written.

    Args:
        folder: the result folder, which holds the records.
        result: what its ``result.json`` says.
        config: of the audit, see ``config_of``.
        settings: how remedies are tried.

    Raises:
        ResultError: where the records cannot be read.
        ModelError: where a column that the user wants to be learnt from is not there.
    """
    check_columns(config.model, settings.columns)
    settings = replace(settings, judge_opener=judge_opener(config))
    flagged = problems(result)
    return Mitigation(
        tool_version=tool_version(),
        audit_id=result.manifest.audit_id,
        model=result.model.name,
        created=now(),
        seed=settings.seed,
        confidence=settings.confidence,
        findings=[Flagged(id=finding.id, text=finding.text) for finding in flagged],
        everything=settings.everything,
        remedies=remedies(config, result, folder, settings) if flagged or settings.everything else [],
    )


def problems(result: AuditResult) -> list[Finding]:
    """The findings of bias that say that a problem was found; only for these are remedies tried."""
    return [f for f in result.findings if f.risk == RISK and f.outlook == "problem_found"]


def remedies(config: AuditConfig, result: AuditResult, folder: Path, settings: Settings) -> list[Remedy]:
    """All kinds of remedies; each kind gives none where it has nothing to do with such a model."""
    of_tables = table_remedies(config, result, folder, settings)
    # The files of custom probes are read only where they are needed: they may be gone.
    own = any(finding.probe.startswith(f"{CUSTOM}.") for finding in result.findings if finding.risk == RISK)
    probes = known_probes(config) if own else find_probes()
    if not addressed(result, probes, settings.everything):
        return of_tables  # weights are not looked for, or fetched, for nothing
    return [*of_tables, *language_remedies(_audited(config, result, folder, probes), settings)]


def _audited(config: AuditConfig, result: AuditResult, folder: Path, probes: Mapping[str, type[Probe]]) -> Audited:
    """What remedies for language models are given; weights are looked for only where a short LoRA run could use them."""
    model = config.model
    why = (
        "It needs a causal language model whose weights lie on this machine."
        if result.model.kind != "causal-lm"
        else "It needs weights that are not quantised." if model.quantization
        else "It needs a model that transformers computes." if model.backend != "transformers"
        else "The model has an adapter already; merge it into the weights first." if model.adapter
        else ""
    )  # fmt: skip
    return Audited(
        config=config,
        result=result,
        records={probe.id: read_records(folder, probe.id) for probe in result.probes},
        probes=probes,
        open=lambda adapter: opened(opening_of(config), adapter),
        weights=None if why else resolve(model.source, model.revision, model.trust_remote_code),
        why_no_weights=why,
    )


def config_of(result: AuditResult, file: Path | None) -> AuditConfig:
    """The config of the audit: from ``file`` where one is named, otherwise as the manifest keeps it.

    Paths in either are read from the folder in which the command runs, as in the audit.

    Raises:
        ConfigError: where the file is wrong, or the manifest's config does not fit this version.
    """
    if file is not None:
        return configured(file)[0]
    try:
        return AuditConfig.model_validate(result.manifest.config)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        told = f"the config that the result keeps does not fit this version ({place}: {first['msg']}); name one with --config"
        raise ConfigError("result.json", [Problem(told)]) from None
