"""A probe asked again on held-out items, of the model as it is and of the model with a remedy, item by item."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from audit.cache import ResponseCache
from audit.corpora import Item, ItemsError
from audit.execution import Answers
from audit.judging import Judges
from audit.mitigation.effects import change_of
from audit.mitigation.settings import Settings
from audit.models import Judge, Model, Request, Responses
from audit.results import Change, Direction, Effect, Measurement
from probes.base import Context, Outcome, Probe, ProbeOptions, derived_seed

FEWEST = 8  # held-out items; below that an interval over groups of them says nothing
GROUPS = 20  # of the jackknife
FEWEST_GROUPS = 8
ROUNDS = 100  # a probe that still asks something new after so many will never end
Role = Literal["target", "harm"]


@dataclass(frozen=True)
class Aim:
    """A metric by its full name, and what a remedy has to do with it.

    ``best``: the value that is best, where that is neither the lowest nor the highest, such as one half of a preference.
    """

    metric: str
    role: Role
    best: float | None = None


@dataclass(frozen=True)
class Trial:
    """A probe with its held-out items, and the metrics that matter here; ``seen``: how many the audit had drawn."""

    probe: Probe
    context: Context
    items: Sequence[Item]
    aims: tuple[Aim, ...]
    seen: int


def held_out(
    probe: Probe,
    options: ProbeOptions,
    model: Model,
    aims: Sequence[Aim],
    audited: frozenset[str],
    learnt_from: frozenset[str],
    settings: Settings,
) -> Trial | str:
    """Items that no remedy is made from, those first that the audit has not drawn either; why not, where too few.

    Args:
        probe: what is asked again.
        options: as in the audit.
        model: whose capabilities count.
        aims: what is compared.
        audited: ids of the items that the audit drew.
        learnt_from: templates that remedies learn from; items made from one are left out.
        settings: seed, limit and data folder.
    """
    if probe.capabilities - model.capabilities:
        return f"{probe.id} cannot be asked of this model"
    seed = derived_seed(settings.seed, f"held out {probe.id}")
    context = Context(seed, settings.confidence, options, capabilities=model.capabilities)
    try:
        items = [i for i in probe.load(settings.data, options) if str(i.get("template")) not in learnt_from]
        # What the options leave out is asked nothing, and would be held out for nothing.
        items = [item for item in items if probe.requests([item], context, {})]
    except ItemsError as error:
        return str(error)
    new = [item for item in items if item["id"] not in audited]
    old = [item for item in items if item["id"] in audited]
    chosen = probe.drawn(new, settings.limit, seed)
    again = probe.drawn(old, settings.limit - len(chosen), seed) if len(chosen) < settings.limit else []
    if len(chosen) + len(again) < FEWEST:
        return f"{probe.id} has only {len(chosen) + len(again)} items that no remedy was made from"
    return Trial(probe, context, [*chosen, *again], tuple(aims), len(again))


def ask(trials: Sequence[Trial], model: Model, cache: ResponseCache, settings: Settings, judges: Judges) -> Responses:
    """The model's answers to all that the trials ask, and what judges make of them, as an audit gets them."""
    answers = Answers()
    for _ in range(ROUNDS):
        new: dict[Request, None] = {}
        for trial in trials:
            stated = trial.probe.requests(trial.items, trial.context, answers.responses)
            new.update(dict.fromkeys(r for r in stated if r not in answers.responses))
        if not new:
            return answers.responses
        judged = [request for request in new if isinstance(request, Judge)]
        answers.fill(model, cache, (request for request in new if not isinstance(request, Judge)), settings.progress)
        answers.responses.update(judges.answer(judged))
    raise RuntimeError(f"a probe still asks something new after {ROUNDS} rounds")


@dataclass(frozen=True)
class Measured:
    """A trial's measurements from one model's answers: on all items, and without each group of them in turn."""

    whole: Mapping[str, Measurement]
    parts: Sequence[Mapping[str, Measurement]]


def measured(trial: Trial, answers: Responses) -> Measured:
    """The trial's numbers; clusters of records are dealt into at most 20 groups, the same for every model."""
    outcome = trial.probe.measure(trial.items, trial.context, answers)
    cluster: dict[str, str] = {}
    for record in outcome.records:
        cluster.setdefault(record.item, record.cluster)  # those of an item's controls come after its own
    of = [cluster.get(str(item["id"]), str(item["id"])) for item in trial.items]
    names = sorted(set(of))
    order = np.random.default_rng(trial.context.seed).permutation(len(names))
    group = {names[c]: place % GROUPS for place, c in enumerate(order)}
    parts = []
    for left_out in range(min(GROUPS, len(names))):
        rest = [item for item, name in zip(trial.items, of, strict=True) if group[name] != left_out]
        parts.append(_numbers(trial.probe.measure(rest, trial.context, answers)))
    return Measured(_numbers(outcome), parts)


def _numbers(outcome: Outcome) -> dict[str, Measurement]:
    return {m.metric: m for m in outcome.measurements}


def effects(trial: Trial, before: Measured, after: Measured) -> list[Effect]:
    """Every metric of the trial without and with the remedy, with the interval of its paired difference.

    The interval is that of the delete-a-group jackknife (Kott 2001, Journal of Official Statistics 17:521; Efron &
    Tibshirani 1993, chapter 11) on both models' answers at once. What is best at a value
    of its own, such as zero, is judged by its distance from it.
    """
    return [_effect(trial, aim, before, after) for aim in trial.aims if aim.metric in before.whole]


def _effect(trial: Trial, aim: Aim, before: Measured, after: Measured) -> Effect:
    name = aim.metric
    one, two = before.whole[name], after.whole.get(name)
    content: dict[str, object] = {
        "metric": name,
        "label": one.label,
        "slice": one.slice,
        "unit": one.unit,
        "direction": one.direction,
        "role": aim.role,
        "before": one.value,
        "after": two.value if two else None,
        "confidence": trial.context.confidence,
        "n": one.n,
    }
    if two is None or one.value is None or two.value is None:
        why = next((m.reason for m in (one, two) if m is not None and m.value is None), None)
        return Effect.model_validate({**content, "reason": why or "it could not be measured"})
    ends = [(b.get(name), a.get(name)) for b, a in zip(before.parts, after.parts, strict=True)]
    pairs = [(b.value, a.value) for b, a in ends if b and a and b.value is not None and a.value is not None]
    found = jackknife(two.value - one.value, [a - b for b, a in pairs], trial.context.confidence)
    direction, judged = one.direction, (two.value - one.value, found)
    best = 0.0 if direction == "zero_is_better" else aim.best
    if best is not None:
        nearer = abs(two.value - best) - abs(one.value - best)
        distances = [abs(a - best) - abs(b - best) for b, a in pairs]
        judged, direction = (nearer, jackknife(nearer, distances, trial.context.confidence)), "lower_is_better"
    content |= {
        "difference": two.value - one.value,
        "low": found[0],
        "high": found[1],
        "interval": f"delete-a-group jackknife, {len(pairs)} groups"
        if found[0] is not None
        else "too few groups differ",
        "p_value": judged[1][2],
        "change": _change(direction, *judged),
    }
    return Effect.model_validate(content)


def _change(direction: Direction, difference: float, found: tuple[float | None, float | None, float | None]) -> Change:
    low, high, _ = found
    return "no_difference_shown" if low is None or high is None else change_of(direction, (difference, low, high))


def jackknife(
    value: float, replicates: Sequence[float], confidence: float
) -> tuple[float | None, float | None, float | None]:
    """Interval and two-sided p value (against 0) of a statistic from its values without each of G groups.

    The variance is (G-1)/G times the sum of squared distances of the replicates from their mean; t on G-1 degrees of
    freedom. A group that moves nothing when it is left out holds no case of the statistic, such as of one slice, and is
    no evidence that it is certain: only those that move it count. With fewer than eight there is no interval.
    """
    replicates = [r for r in replicates if abs(r - value) > 1e-12 * max(1.0, abs(value))]
    groups = len(replicates)
    if groups < FEWEST_GROUPS:
        return None, None, None
    spread = np.asarray(replicates) - np.mean(replicates)
    error = math.sqrt((groups - 1) / groups * float((spread**2).sum()))
    if error <= 1e-12 * max(1.0, abs(value)):
        return None, None, None
    half = float(stats.t.ppf((1 + confidence) / 2, groups - 1)) * error
    return value - half, value + half, 2 * float(stats.t.sf(abs(value) / error, groups - 1))
