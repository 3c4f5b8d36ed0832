"""Remedies for predictions about groups of people: thresholds by group, learning under a constraint, other columns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import combinations
from pathlib import Path

import numpy as np

from audit.config import AuditConfig
from audit.mitigation.cases import PROBE, Halves, halves, read_cases
from audit.mitigation.effects import with_holm
from audit.mitigation.features import Features, NoFeaturesError, read_features
from audit.mitigation.methods import Kind, Trial, correlations, plain, reductions, thresholds
from audit.mitigation.settings import Settings
from audit.mitigation.texts import CORRELATIONS, REDUCTIONS, THRESHOLDS, Text
from audit.mitigation.trials import GAPS, Scale, axis, effects_of, frontier
from audit.planning import told
from audit.results import AuditResult, Effect, Finding, FrontierPoint, Remedy, ResultError
from probes.base import derived_seed, percent
from probes.bias.group_fairness import GroupFairnessOptions


class _NotApplicableError(Exception):
    """Why a remedy could not be tried; the message is one sentence."""


@dataclass(frozen=True)
class Task:
    """Groups that remedies are tried for: by an attribute, or by several together, and the findings behind it."""

    name: str
    attributes: tuple[str, ...]
    kinds: tuple[Kind, ...]
    findings: tuple[Finding, ...]

    @property
    def about(self) -> str:
        """In plain words."""
        return "by " + " and ".join(attribute.replace("_", " ") for attribute in self.attributes)


def table_remedies(config: AuditConfig, result: AuditResult, folder: Path, settings: Settings) -> list[Remedy]:
    """Every remedy for the gaps that the audit flagged, tried or with the reason why not; with ``everything``, for all.

    Args:
        config: of the audit; it names the table.
        result: the audit.
        folder: its folder, whose records hold the cases.
        settings: how remedies are tried.
    """
    if not any(run.id == PROBE and run.status == "done" for run in result.probes):
        return []
    minimum = GroupFairnessOptions.model_validate(config.probes.get(PROBE, {})).minimum_group
    found: list[Remedy] = []
    for task in tasks(config, result, settings.everything):
        settings.progress.say(f"Trying remedies for gaps {task.about}")
        found += _for_task(_Bench(config, result, folder, settings, task, minimum))
    return found


def tasks(config: AuditConfig, result: AuditResult, everything: bool) -> list[Task]:
    """Which groups remedies are tried for: attributes with a gap that was flagged, in the config's order.

    Two attributes together are taken only where neither has a flagged gap of its own.
    """
    single = tuple(dict.fromkeys(config.model.sensitive))
    found = [_task((attribute,), result, everything) for attribute in single]
    flagged = {task.name for task in found if task is not None}
    for pair in combinations(single, 2):
        if not flagged & set(pair):
            found.append(_task(pair, result, False))
    return [task for task in found if task is not None]


def _task(attributes: tuple[str, ...], result: AuditResult, everything: bool) -> Task | None:
    name = " x ".join(attributes)
    by_id = {finding.id: finding for finding in result.findings}
    found = {kind: by_id.get(f"{PROBE}.{kind}.{name}") for kind in GAPS}
    kinds = tuple(k for k, f in found.items() if everything or (f is not None and f.outlook == "problem_found"))
    told = tuple(f for f in found.values() if f is not None and f.outlook == "problem_found")
    return Task(name, attributes, kinds, told) if kinds else None


@dataclass(frozen=True)
class _Done:
    """What trying a remedy gave."""

    halves: Halves
    effects: list[Effect]
    frontier: list[FrontierPoint]
    settings: dict[str, str]


class _Bench:
    """Where the remedies of one task are tried: its cases, and the other columns, read when a remedy first asks."""

    def __init__(
        self, config: AuditConfig, result: AuditResult, folder: Path, settings: Settings, task: Task, minimum: int
    ) -> None:
        self.config, self.result, self.settings, self.task, self.minimum = config, result, settings, task, minimum
        self.seed = derived_seed(settings.seed, f"mitigation.{task.name}")
        self.scale = Scale(task.name, settings.confidence, self.seed)
        self.cases = read_cases(folder, task.attributes)

    def halves(self, scored: bool = False) -> Halves:
        """The cases in two halves; ``scored``: only those with a stated probability."""
        cases = self.cases
        if scored:
            cases = cases.where(np.isfinite(cases.score))
            if not len(cases):
                raise _NotApplicableError(
                    "There is no y_score: a threshold can only be moved where the probability of the favourable class is "
                    "known."
                )
        found = halves(cases, self.minimum, self.seed)
        if len(found.names) < 2:
            raise _NotApplicableError(
                f"Fewer than two groups {self.task.about} have {self.minimum} cases, with enough of either true outcome, "
                "in each half of the table: one half to learn from, one to try it on."
            )
        return found

    @cached_property
    def _learnt(self) -> tuple[Halves, Features, Trial] | NoFeaturesError:
        found = self.halves()
        try:
            features = read_features(self.config.model, self.result, found, self.task.attributes, self.settings.columns)
        except NoFeaturesError as error:
            return error
        return found, features, plain(features, found)

    def learnt(self) -> tuple[Halves, Features, Trial]:
        """The halves, their other columns, and the simple model without a remedy."""
        learnt = self._learnt
        if isinstance(learnt, NoFeaturesError):
            raise _NotApplicableError(str(learnt))
        return learnt

    def thresholds(self, kind: Kind) -> _Done:
        """Thresholds by group, against the audited predictions."""
        found = self.halves(scored=True)
        trials = thresholds(found, kind, self.seed)
        effects = effects_of(found, found.held.predicted, trials[0].decided, (kind,), "audited", self.scale)
        points = frontier(found, found.held.predicted, None, trials, kind, self.scale)
        return _Done(found, effects, points, _settings(found, trials[0]))

    def reductions(self, kind: Kind) -> _Done:
        """A simple model under a constraint."""
        found, features, without = self.learnt()
        return self._anew(found, features, without, reductions(features, found, kind, self.seed), (kind,))

    def correlations(self) -> _Done:
        """A simple model on columns without what goes along with the group."""
        found, features, without = self.learnt()
        return self._anew(found, features, without, correlations(features, found), self.task.kinds)

    def _anew(
        self, found: Halves, features: Features, without: Trial, trials: list[Trial], targets: Sequence[Kind]
    ) -> _Done:
        """A model that was learnt anew, against the same without the remedy, and against the audited predictions."""
        decided, before = trials[0].decided, found.held.predicted
        effects = effects_of(found, without.decided, decided, targets, "without_remedy", self.scale)
        effects += effects_of(found, before, decided, targets, "audited", self.scale)
        points = frontier(found, before, without, trials, targets[0], self.scale)
        return _Done(found, effects, points, _settings(found, trials[0]) | features.told())


def _for_task(bench: _Bench) -> list[Remedy]:
    task = bench.task
    found = [
        _tried(
            bench, f"threshold_optimizer.{GAPS[kind][0]}", THRESHOLDS[kind], (kind,), partial(bench.thresholds, kind)
        )
        for kind in task.kinds
    ]
    found += [
        _tried(
            bench, f"exponentiated_gradient.{GAPS[kind][0]}", REDUCTIONS[kind], (kind,), partial(bench.reductions, kind)
        )
        for kind in task.kinds
    ]
    return [*found, _tried(bench, "correlation_remover", CORRELATIONS, task.kinds, bench.correlations)]


def _tried(bench: _Bench, name: str, text: Text, kinds: Sequence[Kind], run: Callable[[], _Done]) -> Remedy:
    task, start = bench.task, time.perf_counter()
    findings = [f.id for f in task.findings if any(f.id == f"{PROBE}.{kind}.{task.name}" for kind in kinds)]
    known = {
        "id": f"{name}[{task.name}]",
        "title": text.title,
        "about": task.about,
        "addresses": findings,
        "what": text.what,
        "method": text.method,
    }
    try:
        done = run()
    except _NotApplicableError as error:
        return Remedy.model_validate(known | {"status": "not_applicable", "reason": str(error)})
    except ResultError:
        raise
    except Exception as error:
        # Whatever the libraries raise on cases that they cannot learn from; the other remedies are still tried.
        return Remedy.model_validate(known | {"status": "failed", "reason": told(error)})
    return Remedy.model_validate(
        known
        | {
            "status": "done",
            "settings": done.settings,
            "learnt_from": len(done.halves.learn),
            "held_out": len(done.halves.held),
            "seconds": round(time.perf_counter() - start, 3),
            "effects": with_holm(done.effects),
            "frontier": done.frontier,
            "frontier_axis": f"{axis(kinds[0])}, {task.about}",
        }
    )


def _settings(found: Halves, trial: Trial) -> dict[str, str]:
    """What a reader needs to judge the trial."""
    settings = {"setting that is judged": trial.setting, "groups": ", ".join(found.names)}
    if found.left_out:
        settings["groups left out, too small for two halves"] = ", ".join(found.left_out)
    if trial.by_lot:
        settings["decisions that depend on the lot"] = percent(trial.by_lot)
    return settings
