"""One decision explained and tested by itself, where a person asks about it.

``explainability.attribution`` explains many decisions and says how far a method holds over them. A single text has no
interval. Its explanation is tested by rank instead: among random orders of the same units, how many do as well?
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from audit.metrics import aopc, gain_over_random, perturbation_order
from audit.models import (
    GRADIENT_METHODS,
    Ablate,
    Ablated,
    Attribute,
    Attributed,
    Classified,
    Classify,
    Failure,
    Prompt,
    Request,
    Responses,
    Score,
    Scored,
    prompt_text,
)
from audit.models.requests import Method, Unit
from probes.base import derived_seed
from probes.explainability.attribution_measures import NO_EXPLANATION, says_nothing
from probes.explainability.attribution_requests import BINS, Rule, kept_sets, top_count

ORDERS = 200
LEVEL = Rule().level  # of the rank test, as of the probe's
MOST_ERROR = Rule().completeness  # of a method that claims to share out the whole
AT_ONCE = 200  # sets of kept units in one request: what is finished is on disk, and progress can be seen
SHAPLEY_ORDERS, STEPS, TEXTS = 25, 256, 256  # the most that the probe spends in its longest suite, or more

Verdict = Literal["supported", "weak", "not supported", "not tested"]


@dataclass(frozen=True)
class Question:
    """Why the model gives ``answer`` after ``prompt``, rather than ``contrast`` where there is one.

    ``orders``: random orders of the units that the test draws. ``classes``: the answers are classes of a classifier.
    ``by_token``: each token of the answer gets scores of its own as well.
    """

    prompt: Prompt
    answer: str
    contrast: str | None = None
    method: Method = "leave_one_out"
    unit: Unit = "word"
    seed: int = 0
    orders: int = ORDERS
    classes: bool = False
    by_token: bool = False

    @property
    def likelihoods(self) -> tuple[Request, ...]:
        """What says how likely the answers are."""
        if self.classes:
            return (Classify(prompt_text(self.prompt)),)
        return tuple(Score(self.prompt, answer) for answer in self.answers)

    @property
    def answers(self) -> tuple[str, ...]:
        """The answer, and the contrast where there is one."""
        return (self.answer,) if self.contrast is None else (self.answer, self.contrast)

    @property
    def attribution(self) -> Attribute:
        """The request for the scores."""
        draws = {
            "shapley_sampling": SHAPLEY_ORDERS,
            "integrated_gradients": STEPS,
            # A fit needs more texts than there are units, of which a text has no more than characters.
            **dict.fromkeys(("kernel_shap", "lime"), max(TEXTS, len(prompt_text(self.prompt)))),
        }
        samples = draws.get(self.method, 0)
        seed = derived_seed(self.seed, "explain") if samples else 0
        return Attribute(
            self.prompt, self.answer, self.contrast, self.unit, self.method, samples, seed, by_token=self.by_token
        )

    def tests(self, found: Attributed) -> list[Ablate]:
        """The requests that test scores that were found; none where nothing can be tested."""
        if self.untested(found) is not None:
            return []
        sets = list(dict.fromkeys(kept for order in self._orders(found) for kept in _sets(order)))
        groups = [tuple(sets[start : start + AT_ONCE]) for start in range(0, len(sets), AT_ONCE)]
        return [Ablate(self.prompt, self.answer, self.contrast, self.unit, kept) for kept in groups]

    def undrawn(self, found: Attributed) -> str | None:
        """Why scores are no explanation, by the probe's rule; None where they may be shown as one."""
        if not any(found.scores):
            return NO_EXPLANATION
        if self.method == "integrated_gradients" and found.error is not None and found.error > MOST_ERROR:
            missed = f"the scores miss their sum by {found.error:.0%}, where {MOST_ERROR:.0%} is allowed"
            return f"Not converged: {missed}. Try another method."
        return None

    def untested(self, found: Attributed) -> str | None:
        """Why scores cannot be tested by rank; None where they can."""
        undrawn, n = self.undrawn(found) or says_nothing(found.scores), len(found.units)
        if undrawn is not None:
            return undrawn
        if not self._testable(n):
            units = f"{n} {self.unit}{'' if n == 1 else 's'}"
            fewest = next(count for count in itertools.count(n) if self._testable(count))
            why = (
                "of fewer a random choice often marks the same ones"
                if self._often_alike(n)
                else "of fewer it would delete a single one, which is what the scores are made of"
            )
            return f"The prompt has {units}. The test needs {fewest}: {why}."
        return None

    def _testable(self, units: int) -> bool:
        """Whether p can get as low as the level, and what the test deletes is not what the scores are made of.

        Where the first bin is one unit, the highest score is the largest of the effects that would be measured: it would win
        by being chosen. Gradients do not measure deletions.
        """
        chosen = top_count(BINS[0], units) < 2 and self.method not in GRADIENT_METHODS
        return not self._often_alike(units) and not chosen

    def _often_alike(self, units: int) -> bool:
        """Whether p stays above the level even where only the same choice of units does as well."""
        return (1 + self.orders / ways(units)) / (1 + self.orders) > LEVEL

    def _orders(self, found: Attributed) -> list[list[int]]:
        """The explanation's order of the units, then the random ones."""
        stream = np.random.default_rng(derived_seed(self.seed, "explain orders"))
        own: list[int] = perturbation_order(found.scores).tolist()
        return [own, *(stream.permutation(len(found.units)).tolist() for _ in range(self.orders))]

    def measured(self, found: Attributed, answers: Responses) -> RankTest | Failure:
        """What the tests gave."""
        values: dict[tuple[int, ...], float] = {}
        for request in self.tests(found):
            answer = answers.get(request)
            if not isinstance(answer, Ablated):
                return answer if isinstance(answer, Failure) else Failure("failed", "The test was not answered.")
            values.update(zip(request.kept, answer.values, strict=True))
        curves = np.array([[values[kept] for kept in _sets(order)] for order in self._orders(found)])
        areas = [[aopc(found.full, part) or 0.0 for part in np.split(curve, 2)] for curve in curves]
        return _test(np.array(areas))


@dataclass(frozen=True)
class RankTest:
    """The explanation's order of the units against random ones; areas in nats of the decision's scalar.

    ``comprehensiveness``: the mean drop when the highest units go; ``sufficiency``: when only they stay; ``random_…``: the
    same of random orders. ``gain``: more drop than random on removal and less on keeping, halved; above 0 is better than
    chance. ``at_least``: how many of the random ``orders`` do as well or better.
    """

    comprehensiveness: float
    sufficiency: float
    random_comprehensiveness: float
    random_sufficiency: float
    gain: float
    at_least: int
    orders: int

    @property
    def p(self) -> float:
        """The share of orders, this one counted in, that do at least as well (Phipson & Smyth 2010, no p of zero)."""
        return (1 + self.at_least) / (1 + self.orders)


def _sets(order: Sequence[int]) -> list[tuple[int, ...]]:
    """For each bin the units left when the top ones go, then for each bin the top ones alone."""
    without, alone = kept_sets(order)
    return without + alone


def _test(areas: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> RankTest:
    """``areas``: ``[1 + orders, 2]`` of removal and of keeping, the explanation's first."""
    random_out, random_in = areas[1:].mean(axis=0)
    merit = (areas[:, 0] - areas[:, 1]) / 2  # highest where removal costs most and keeping least
    gain = gain_over_random(float(merit[0]), merit[1:])
    assert gain is not None  # there are random orders
    # Equal sets have equal values, but sums of equal numbers can differ in their last digits.
    at_least = int((merit[1:] >= merit[0] - 1e-9).sum())
    return RankTest(
        float(areas[0, 0]),
        float(areas[0, 1]),
        float(random_out),
        float(random_in),
        gain,
        at_least,
        len(areas) - 1,
    )


def ways(units: int) -> int:
    """In how many ways the bins can be filled with some of the units."""
    left, found, taken = units, 1, 0
    for share in BINS:
        count = top_count(share, units) - taken
        found *= math.comb(left, count)
        left, taken = left - count, taken + count
    return found


def verdict(found: Attributed, test: RankTest | None) -> Verdict:
    """What the test says of the scores, as the audit says it of a method over many decisions."""
    if test is None:
        return "not tested"
    if test.p > LEVEL or test.gain <= 0:
        return "not supported"
    return "weak" if found.error is not None and found.error > MOST_ERROR else "supported"


def log_likelihoods(question: Question, answers: Responses) -> list[float] | Failure:
    """log p of the answer, and of the contrast where there is one, in nats."""
    found = [answers.get(request) for request in question.likelihoods]
    failed = next((f for f in found if isinstance(f, Failure)), None)
    if failed is not None:
        return failed
    if question.classes:
        known = found[0]
        assert isinstance(known, Classified)
        given = dict(zip(known.labels, known.probabilities, strict=True))
        values = [given[answer] for answer in question.answers]
        return [math.log(v) if v > 0 else -math.inf for v in values]
    return [f.logprob for f in found if isinstance(f, Scored)]


def prefers(question: Question, answers: Responses) -> bool:
    """Whether the model gives the answer: likelier than the contrast, or its first choice where there is none."""
    found = [answers.get(request) for request in question.likelihoods]
    first = found[0]
    if isinstance(first, Classified):
        given = dict(zip(first.labels, first.probabilities, strict=True))
        if question.contrast is not None:
            return given[question.answer] >= given[question.contrast]
        return given[question.answer] >= (0.5 if first.independent else max(first.probabilities))
    scored = [f for f in found if isinstance(f, Scored)]
    if len(scored) > 1:
        return scored[0].logprob >= scored[1].logprob
    return bool(scored) and scored[0].greedy
