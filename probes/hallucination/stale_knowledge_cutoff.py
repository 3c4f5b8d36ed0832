"""The date that a model's choices between dated values fit best, by maximum likelihood.

A model whose knowledge of a chain of values stops at date t chooses the value that held at t. Over chains t is taken to
spread round the effective cutoff m by a logistic distribution of scale s, since some subjects are written about sooner and
more than others; with probability e the model guesses among all options. So the probability that it chooses a value that
held from a to b is (1 - e) (G(b) - G(a)) + e / options, with G(x) = 1 / (1 + exp((m - x) / s)): the probability of choosing
a value from after a change falls with the date of the change as a logistic step at m.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from audit.metrics import Estimate, not_measured

Reach = Literal["within", "after", "before", "unknown"]
FloatArray = NDArray[np.float64]

START = 1990.0  # the items' changes begin about here
STEP = 0.25  # years between the cutoffs tried
BEYOND = 2.0  # years tried beyond the last check of the items, to see that nothing declines within it
SCALES = (0.05, 0.5, 1.0, 2.0, 4.0)  # years
GUESSES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
FLAT = 0.1  # log-likelihoods closer than this are alike
FEWEST_CHAINS = 10
RESAMPLES = 500
SHUFFLES = 199


@dataclass(frozen=True)
class Dated:
    """A chain: the dates (in years) since which its values held, and how many options were offered with it.

    ``chosen``: of each scored answer the place of the value, or None for an option that never held.
    """

    since: tuple[float, ...]
    options: int
    chosen: tuple[int | None, ...]


@dataclass(frozen=True)
class Cutoff:
    """The effective cutoff in years; where ``reach`` is after or before the range, ``bound`` is what is still known of it.

    ``open_ended``: the interval of a cutoff within the range goes on beyond the last check of the items, where it cannot be
    followed; its upper end is that check. ``chance``: the date that random choices between the same values fit best, the
    median of as many draws as the test takes.
    """

    estimate: Estimate
    reach: Reach
    bound: float | None = None
    open_ended: bool = False
    chance: float | None = None


def effective_cutoff(chains: Sequence[Dated], end: float, confidence: float, seed: int) -> Cutoff:
    """The maximum-likelihood cutoff with a percentile bootstrap interval over chains.

    Before that it is tested whether the choices fit any date better than guessing does: the gain in log-likelihood over
    guessing is set against that of random choices (one a chain, as a model that knows nothing may still answer alike in all
    wordings).

    Args:
        chains: those with at least one scored answer.
        end: the year up to which the items were checked; values from after it are not offered.
        confidence: of the interval and of the test, between 0 and 1.
        seed: of resamples and random choices.

    Returns:
        A year within [START, end], with n the chains. Not measured with fewer than ten chains, where the choices fit no
        date better than guessing, or where the best date is an end of the range; then ``bound`` is the lower (upper) end of
        the interval of a cutoff that is later (earlier).
    """
    if len(chains) < FEWEST_CHAINS:
        return Cutoff(not_measured(f"fewer than {FEWEST_CHAINS} chains of values were scored", confidence), "unknown")
    grid = np.arange(START, end + BEYOND + STEP / 2, STEP)
    tables = [_log_likelihoods(chain, grid) for chain in chains]
    seen = np.stack(
        [np.mean([table[_row(c, chain)] for c in chain.chosen], axis=0) for chain, table in _both(chains, tables)]
    )
    stream = np.random.default_rng(seed)
    gain = float(seen.sum(axis=0).max() - _guessing(chains))
    by_chance = [_random(chains, tables, stream) for _ in range(SHUFFLES)]
    p = (1 + sum(float(total.max() - _guessing(chains)) >= gain for total in by_chance)) / (1 + SHUFFLES)
    chance = _median_date(np.stack(by_chance), grid, end)
    if p > 1 - confidence:
        reason = f"the choices fit no date better than random choices do (p {p:.2f})"
        return Cutoff(not_measured(reason, confidence), "unknown", chance=chance)
    first, last = _best(seen.sum(axis=0)[None], grid)
    weights = stream.multinomial(len(chains), np.full(len(chains), 1 / len(chains)), size=RESAMPLES).astype(np.float64)
    ends = [_best(part @ seen.reshape(len(chains), -1), grid) for part in np.array_split(weights, 5)]
    tail = (1 - confidence) / 2
    low = float(np.quantile(np.concatenate([e[0] for e in ends]), tail)) - STEP / 2
    high = float(np.quantile(np.concatenate([e[1] for e in ends]), 1 - tail)) + STEP / 2
    found = _within(float(first[0]), float(last[0]), low, high, end, len(chains), confidence)
    return replace(found, chance=chance)


def _within(first: float, last: float, low: float, high: float, end: float, n: int, confidence: float) -> Cutoff:
    if last >= end:
        bound = max(START, min(low, end))
        reason = f"its choices do not decline up to {end:.0f}: the cutoff is later than {bound:.1f}"
        return Cutoff(not_measured(reason, confidence), "after", bound)
    if first <= START:
        bound = min(end, max(high, START))
        reason = f"its choices are those of before {START:.0f}: the cutoff is earlier than {bound:.1f}, or none"
        return Cutoff(not_measured(reason, confidence), "before", bound)
    value = (first + last) / 2
    beyond = high >= end
    low, high = max(START, min(low, value)), min(end, max(high, value))
    method = f"maximum likelihood, percentile bootstrap, {RESAMPLES} resamples of chains"
    if beyond:
        method += "; the upper end is where the items end, and the cutoff may be later"
    return Cutoff(Estimate(value, low, high, n, None, confidence, method), "within", open_ended=beyond)


def _both(chains: Sequence[Dated], tables: Sequence[FloatArray]) -> list[tuple[Dated, FloatArray]]:
    return list(zip(chains, tables, strict=True))


def _row(chosen: int | None, chain: Dated) -> int:
    """All options that never held share the last row."""
    return len(chain.since) if chosen is None else chosen


def _log_likelihoods(chain: Dated, grid: FloatArray) -> FloatArray:
    """``[values + 1, guesses * scales, cutoffs]``: log-probability of choosing each value; the last row is never-true."""
    scales = np.array(SCALES)[:, None]
    until = [
        expit((since - grid) / scales) for since in chain.since
    ]  # knowledge of the chain ends before the value began
    starts = [np.zeros_like(until[0]) if chain.since[0] <= START else until[0], *until[1:]]
    held = [b - a for a, b in zip(starts, [*starts[1:], np.ones_like(until[0])], strict=True)]
    # Before the first listed value nothing on offer is right, and the model guesses.
    none = starts[0] / chain.options
    masses = np.stack([*(h + none for h in held), none])[:, None]
    guess = np.array(GUESSES)[:, None, None]
    likelihood = (1 - guess) * masses + guess / chain.options
    logs: FloatArray = np.log(likelihood).reshape(len(chain.since) + 1, -1, len(grid))
    return logs


def _guessing(chains: Sequence[Dated]) -> float:
    return -float(sum(np.log(chain.options) for chain in chains))


def _random(chains: Sequence[Dated], tables: Sequence[FloatArray], stream: np.random.Generator) -> FloatArray:
    """The log-likelihoods of random choices, one a chain."""
    total: FloatArray = np.zeros_like(tables[0][0])
    for chain, table in _both(chains, tables):
        total += table[min(int(stream.integers(chain.options)), len(chain.since))]
    return total


def _median_date(totals: FloatArray, grid: FloatArray, end: float) -> float:
    """The median of the dates that fit best, within the range of the items."""
    first, last = _best(totals.reshape(len(totals), -1), grid)
    return float(np.clip(np.median((first + last) / 2), START, end))


def _best(totals: FloatArray, grid: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Of each row of log-likelihoods, the first and last cutoff that is as likely as the best."""
    profile = totals.reshape(len(totals), -1, len(grid)).max(axis=1)
    near = profile >= profile.max(axis=1, keepdims=True) - FLAT
    return grid[near.argmax(axis=1)], grid[len(grid) - 1 - near[:, ::-1].argmax(axis=1)]
