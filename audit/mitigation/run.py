"""From a result folder to ``mitigation.json``: which remedies are tried for which findings."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from audit.config import AuditConfig, ConfigError, Problem, load_config
from audit.manifest import now, tool_version
from audit.mitigation.features import check_columns
from audit.mitigation.settings import Settings
from audit.mitigation.tables import table_remedies
from audit.planning import catalogue
from audit.results import AuditResult, Finding, Flagged, Mitigation, Remedy
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
    # Remedies for language models are added here: the same arguments, and a list as well.
    return table_remedies(config, result, folder, settings)


def config_of(result: AuditResult, file: Path | None) -> AuditConfig:
    """The config of the audit: from ``file`` where one is named, otherwise as the manifest keeps it.

    Paths in either are read from the folder in which the command runs, as in the audit.

    Raises:
        ConfigError: where the file is wrong, or the manifest's config does not fit this version.
    """
    if file is not None:
        return load_config(file, catalogue(find_probes()))
    try:
        return AuditConfig.model_validate(result.manifest.config)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        told = f"the config that the result keeps does not fit this version ({place}: {first['msg']}); name one with --config"
        raise ConfigError("result.json", [Problem(told)]) from None
