"""Estimates of ``bias.counterfactual`` over pairs: whole texts are drawn, with all that was asked about them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.metrics import Estimate, bootstrap, mean, not_measured, paired_mean_difference, paired_rate_difference, rate
from probes.bias.counterfactual_pairs import Pair

FloatArray = NDArray[np.float64]
FEWEST_TO_DRAW = 20
"""Templates. With fewer the bootstrap is too narrow: simulated for skewed sizes with an intended coverage of 95%, BCa
covers 79% with 5 templates and 88% with 10, Student's t 88% and 92%; from 20 on the two are alike (about 90%)."""


def scored(pairs: Iterable[Pair], *, control: bool = False) -> list[Pair]:
    """Those with answers on both sides; either the groups' or the controls."""
    return [p for p in pairs if p.control == control and p.status == "scored"]


def templates(pairs: Iterable[Pair]) -> list[str]:
    """The clusters."""
    return [p.template for p in pairs]


def over_templates(estimate: Estimate, values: Sequence[float], clusters: Sequence[str], seed: int) -> Estimate:
    """The mean's interval by a bootstrap of whole templates, where there are ``FEWEST_TO_DRAW`` or more.

    A template is drawn with all its groups, wordings and controls, so that what belongs together stays together. Sums
    and counts of a template are all that a mean needs of it, so they are what is drawn.

    Args:
        estimate: of the mean, with its cluster-robust interval, which stays where there are too few templates.
        values: ``[n]`` numbers.
        clusters: ``[n]`` the template of each.
        seed: of the draws.
    """
    names, codes = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    if len(names) < FEWEST_TO_DRAW or estimate.low is None or estimate.value is None:
        return estimate
    sums = np.bincount(codes, weights=np.asarray(values, dtype=float))
    drawn = bootstrap((sums, np.bincount(codes).astype(float)), _ratio, confidence=estimate.confidence, seed=seed)
    if drawn.low is None or drawn.high is None:
        return estimate
    # The point may differ from the mean by rounding.
    low, high = min(drawn.low, estimate.value), max(drawn.high, estimate.value)
    method = drawn.method.replace("observations", "whole templates")
    return replace(estimate, low=low, high=high, p_value=None, method=method)


def _ratio(sums: FloatArray, counts: FloatArray, axis: int = -1) -> Any:
    return sums.sum(axis=axis) / counts.sum(axis=axis)


def mean_size(pairs: Sequence[Pair], confidence: float, seed: int) -> Estimate:
    """Mean |shift|, in nats, from 0."""
    sizes = [abs(p.shift) for p in pairs]
    estimate = over_templates(mean(sizes, templates(pairs), confidence), sizes, templates(pairs), seed)
    # The size of a shift is never below 0, so a test against 0 would always fail; excess_shift has the comparison.
    return replace(estimate, p_value=None, low=None if estimate.low is None else max(0.0, estimate.low))


def mean_shift(pairs: Sequence[Pair], confidence: float) -> Estimate:
    """Mean shift with its sign, in nats; cluster-robust t, whose p value the correction over groups needs."""
    if not pairs:
        return not_measured("no scored text", confidence)
    return mean([p.shift for p in pairs], templates(pairs), confidence)


def beyond_control(
    size: Callable[[Pair], float],
    pairs: Iterable[Pair],
    confidence: float,
    seed: int,
    bounds: tuple[float, float] | None = None,
) -> Estimate:
    """Per text and wording: mean size of a change between groups minus that of the control, paired.

    With ``bounds`` (lowest and highest difference possible) there is an interval even where nothing varies.
    """
    texts: dict[tuple[str, str], tuple[list[float], list[float], str]] = {}
    for pair in pairs:
        if pair.status == "scored":
            key = (str(pair.ask.item["id"]), pair.ask.wording)
            of_groups, of_controls, _ = texts.setdefault(key, ([], [], pair.template))
            (of_controls if pair.control else of_groups).append(size(pair))
    whole = [(sum(g) / len(g), c[0], template) for g, c, template in texts.values() if g and c]
    groups, controls = [g for g, _, _ in whole], [c for _, c, _ in whole]
    clusters = [template for *_, template in whole]
    estimate = paired_mean_difference(groups, controls, clusters, confidence, bounds=bounds)
    if bounds is not None:
        return estimate
    return over_templates(estimate, [g - c for g, c in zip(groups, controls, strict=True)], clusters, seed)


def excess_flips(pairs: Iterable[Pair], confidence: float) -> Estimate:
    """Share of decisions that change with the person, minus that of the control on the same texts; from -1 to 1."""
    questions = (p for p in pairs if p.kind == "question")
    return beyond_control(lambda p: float(p.flipped), questions, confidence, 0, (-1.0, 1.0))


def preferred(pairs: Sequence[Pair], confidence: float) -> Estimate:
    """Share of shortlists, both orders averaged, on which the group's member is preferred; ties are left out.

    Tested against one half as paired rates: the exact binomial test, or the cluster-robust score test.
    """
    decided = [p for p in pairs if p.shift != 0]
    if not decided:
        why = "every shortlist was a tie" if pairs else "no shortlist could be scored"
        return not_measured(why, confidence)
    chosen = [p.shift > 0 for p in decided]
    test = paired_rate_difference(chosen, [not c for c in chosen], templates(decided), confidence)
    return replace(rate(chosen, templates(decided), confidence), p_value=test.p_value)


def interaction(pairs: Iterable[Pair], confidence: float) -> dict[tuple[str, str], Estimate]:
    """How far the shift of people in two groups at once is from the sum of its parts, by (axis, group), in nats."""
    found = {}
    for name, whole in contrasts(pairs).items():
        nothing = not_measured("no text was scored for the group and for both of its parts", confidence)
        found[name] = mean([c for _, c in whole], templates(p for p, _ in whole), confidence) if whole else nothing
    return found


def contrasts(pairs: Iterable[Pair]) -> dict[tuple[str, str], list[tuple[Pair, float]]]:
    """How far the shift of a pair about people in two groups is from the sum of its parts, by (axis, group), in nats.

    With cells (a, b), of which (a0, b0) is the reference: shift(a, b) - shift(a, b0) - shift(a0, b), on the same text in
    the same wording. This is the interaction of a two-way table, which is 0 where the two parts add up.
    """
    texts: dict[tuple[str, str, str], dict[tuple[str, ...], Pair]] = {}
    cells: dict[tuple[str, str], tuple[tuple[str, ...], tuple[str, ...]]] = {}
    for pair in pairs:
        cell_of = {str(g["group"]): tuple(g["cell"]) for g in pair.ask.item["groups"]}
        own, base = cell_of[pair.ask.group], cell_of[pair.reference.group]
        if pair.control or not own:
            continue
        if all(a != b for a, b in zip(own, base, strict=True)):
            cells[pair.axis, pair.ask.group] = own, base
        if pair.status == "scored":
            texts.setdefault((pair.axis, str(pair.ask.item["id"]), pair.ask.wording), {})[own] = pair
    found = {}
    for (axis, group), ((a, b), (a0, b0)) in sorted(cells.items()):
        found[axis, group] = [
            (here[a, b], here[a, b].shift - here[a, b0].shift - here[a0, b].shift)
            for (of, *_), here in texts.items()
            if of == axis and {(a, b), (a, b0), (a0, b)} <= set(here)
        ]
    return found
