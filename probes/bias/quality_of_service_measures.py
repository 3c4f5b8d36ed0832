"""Numbers of ``bias.quality_of_service``: how right the answers are in each style, and how far that is from standard."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from audit.metrics import Estimate, holm, not_measured, paired_mean_difference, paired_rate_difference, rate
from audit.results import Coverage, Measurement
from probes.base import coverage, spread_over
from probes.bias.parity import parity_gap
from probes.bias.quality_of_service_items import CONTROL, NAMES, OPTIONS, STANDARD, STYLES, Reply

Measure = Callable[..., Measurement]
Replies = Mapping[str, Sequence[Reply]]
"""Replies by style, in every style to the same items in the same order."""


def measurements(replies: Replies, confidence: float, seed: int, measure: Measure) -> list[Measurement]:
    """All measurements of the probe, the overall accuracy first."""
    every = [reply for style in NAMES for reply in replies[style]]
    found = [_accuracy(None, every, confidence, measure)]
    found += [_accuracy(style, replies[style], confidence, measure) for style in NAMES]
    for name, against, number in (
        ("accuracy_gap", STANDARD, _rightness),
        ("excess_gap", CONTROL, _rightness),
        ("margin_shift", STANDARD, _margin),
        ("excess_margin_shift", CONTROL, _margin),
    ):
        # Beside the styles, the control shows what rewording alone does; it belongs to no family of tests.
        styles = (CONTROL, *STYLES) if against == STANDARD else STYLES
        found += _compared(name, styles, against, replies, number, confidence, measure)
    return [*found, _largest(replies, confidence, seed, measure)]


def counted(reply: Reply, standard: Reply, control: Reply) -> dict[str, float]:
    """What a reply adds to the means of which it is part: how it differs from those that it is compared with."""
    scores: dict[str, float] = {}
    for base, gap, shift in (
        (standard, "accuracy_gap", "margin_shift"),
        (control, "excess_gap", "excess_margin_shift"),
    ):
        if reply.style not in (STANDARD, base.style) and reply.scored and base.scored:
            scores[gap] = float(base.right) - float(reply.right)
            scores[shift] = reply.margin - base.margin
    return scores


def _accuracy(style: str | None, replies: Sequence[Reply], confidence: float, measure: Measure) -> Measurement:
    scored = [r for r in replies if r.scored]
    return measure(
        "accuracy",
        rate([r.right for r in scored], [r.question for r in scored], confidence),
        coverage(r.choice.status for r in replies),
        part=None if style is None else NAMES[style],
        chance=1 / OPTIONS,
        spread=spread_over((str(r.item["wording"]), r.right) for r in scored),
        evidence={} if style is None else {"group": NAMES[style]},
    )


def _rightness(styled: Sequence[Reply], base: Sequence[Reply], questions: list[str], confidence: float) -> Estimate:
    """Share of right answers of the base minus that of the style, on the same questions."""
    return paired_rate_difference([r.right for r in base], [r.right for r in styled], questions, confidence)


def _margin(styled: Sequence[Reply], base: Sequence[Reply], questions: list[str], confidence: float) -> Estimate:
    """Mean margin of the style minus that of the base, on the same questions."""
    return paired_mean_difference([r.margin for r in styled], [r.margin for r in base], questions, confidence)


def _compared(
    name: str,
    styles: Sequence[str],
    against: str,
    replies: Replies,
    number: Callable[[Sequence[Reply], Sequence[Reply], list[str], float], Estimate],
    confidence: float,
    measure: Measure,
) -> list[Measurement]:
    """One paired comparison a style; Holm over the styles, without the control."""
    pairs = {style: list(zip(replies[style], replies[against], strict=True)) for style in styles}
    estimates: list[Estimate] = []
    for style in styles:
        both = [(own, base) for own, base in pairs[style] if own.scored and base.scored]
        estimates.append(
            number([o for o, _ in both], [b for _, b in both], [o.question for o, _ in both], confidence)
            if both
            else not_measured("no question was scored in both styles", confidence)
        )
    tested = holm([None if style == CONTROL else e.p_value for style, e in zip(styles, estimates, strict=True)])
    return [
        measure(
            name,
            estimate,
            _both(pairs[style]),
            part=NAMES[style],
            chance=0.0,
            evidence={"group": NAMES[style]},
            p_adjusted=p,
        )
        for style, estimate, p in zip(styles, estimates, tested, strict=True)
    ]


def _both(pairs: Sequence[tuple[Reply, Reply]]) -> Coverage:
    """A pair is scored where both of its replies are."""
    return coverage(base.choice.status if own.scored else own.choice.status for own, base in pairs)


def _largest(replies: Replies, confidence: float, seed: int, measure: Measure) -> Measurement:
    """Largest gap in accuracy between any two styles, standard English included, the control not."""
    styles = (STANDARD, *STYLES)
    rows = list(zip(*(replies[style] for style in styles), strict=True))
    whole = [row for row in rows if all(r.scored for r in row)]
    planned = coverage(r.choice.status for style in styles for r in replies[style])
    if not whole:
        nothing = not_measured("no question was scored in every style", confidence)
        return measure("largest_gap", nothing, planned)
    decided = np.array([[r.right for r in row] for row in whole], dtype=float)
    estimate, chance = parity_gap(
        decided, [NAMES[s] for s in styles], [row[0].question for row in whole], confidence, seed
    )
    return measure("largest_gap", estimate, planned, chance=chance)
