"""``bias.group_fairness``: how predictions about real cases differ between groups of people.

The cases come with the model: a table with the true outcome, the groups and, where the model is not at hand, its
predictions. The favourable class is called positive throughout, so a true positive rate is the share of those who
merited it that got it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field

from audit.corpora import Item
from audit.models import Capability, Request, Responses, Tabulate, Tabulated
from audit.results import Average, ItemStatus, Record
from probes.base import Context, Metric, Outcome, Probe, ProbeOptions, Suite, options_of
from probes.bias.group_fairness_cases import UNKNOWN, Cases, questions, read_cases, sample, words
from probes.bias.group_fairness_findings import findings
from probes.bias.group_fairness_measures import measurements

ITEM = "table"
MOST_RECORDS = 20_000
OUTCOMES = {
    (1, 1): "rightly favoured (true positive)",
    (0, 1): "wrongly favoured (false positive)",
    (1, 0): "wrongly denied (false negative)",
    (0, 0): "rightly denied (true negative)",
    (UNKNOWN, 1): "favoured (true outcome unknown)",
    (UNKNOWN, 0): "denied (true outcome unknown)",
}
"""What a record says of (true outcome, prediction), 1 for the favourable class."""


class GroupFairnessOptions(ProbeOptions):
    """Options of ``bias.group_fairness``."""

    limit: int | None = Field(
        None, ge=1, description="Judge at most this many cases, a seeded sample of the table; all by default."
    )
    minimum_group: int = Field(
        30, ge=2, description="Groups with fewer cases behind a rate are shown, but not compared with others."
    )
    intersections: bool = Field(True, description="Whether groups by two attributes together are compared as well.")


class GroupFairness(Probe):
    """Selection rates, error rates and calibration of the groups in a table of cases."""

    id = "bias.group_fairness"
    title = "Predictions about groups of people"
    risk = "bias"
    purpose = (
        "We take predictions about real cases and compare groups of people: who gets the favourable prediction, who gets "
        "it though it was not merited, and who is denied it wrongly."
    )
    method = (
        "Rates of each group with Wilson intervals; calibration in bins of equal mass. Gaps and ratios between groups of at "
        "least a minimum size by fairlearn, with bootstrap intervals over cases; because the distance between extremes is "
        "biased upwards, chance is its mean with shuffled groups, p values come from the shuffles and are Holm-corrected "
        "over attributes."
    )
    citation = (
        "Demographic parity and impact ratio after the Uniform Guidelines (29 CFR 1607.4 D); impact ratio and scoring rate "
        "after the rules of New York City Local Law 144 (6 RCNY 5-300); equalized odds and equal opportunity after Hardt et "
        "al. 2016 (arXiv:1610.02413); calibration within groups after Kleinberg et al. 2016 (arXiv:1609.05807)."
    )
    limits = (
        "It speaks of these cases and these groups, not of other people, and the true outcomes may themselves carry bias. A "
        "gap is not its cause: groups can differ in what the prediction rests on. Equal selection, equal errors and "
        "calibration can in general not all hold at once, so which of them matters is a decision for people."
    )
    source = "the cases that came with the model"
    licence = "that of the table"
    capabilities = frozenset({Capability.TABULATE, Capability.PREDICT})
    options = GroupFairnessOptions
    sizes: ClassVar[Mapping[Suite, int | None]] = {"quick": None, "standard": None, "full": None}
    metrics = (
        Metric(
            "accuracy",
            "Right predictions",
            "rate",
            "higher_is_better",
            "Share of cases predicted rightly as favourable or not. Chance is always predicting the commoner outcome.",
            average=Average(outcomes=["rightly denied (true negative)", "rightly favoured (true positive)"]),
        ),
        Metric(
            "balanced_accuracy",
            "Right predictions, both outcomes counting alike",
            "rate",
            "higher_is_better",
            "Mean of the shares of right predictions among cases that merited the favourable class and among the others; "
            "one half without looking at the case.",
        ),
        Metric(
            "demographic_parity_difference",
            "Gap between groups in favourable predictions",
            "rate difference",
            "lower_is_better",
            "Highest minus lowest share of favourable predictions. Chance is the gap with shuffled groups.",
        ),
        Metric(
            "impact_ratio",
            "Impact ratio (lowest over highest share of favourable predictions)",
            "ratio",
            "higher_is_better",
            "Share of favourable predictions in the group with the lowest one, divided by the highest; of a single group, "
            "its share divided by the highest. 1 means alike; below 0.8 (four fifths) is the usual sign of adverse impact. "
            "Chance is the ratio with shuffled groups.",
        ),
        Metric(
            "equalized_odds_difference",
            "Largest gap between groups in error rates",
            "rate difference",
            "lower_is_better",
            "The larger of the gaps in true and in false positive rates. Chance is the gap with groups shuffled among cases "
            "of the same true outcome.",
        ),
        Metric(
            "equalized_odds_ratio",
            "Lowest over highest error rate, the worse of two",
            "ratio",
            "higher_is_better",
            "The smaller of two ratios between groups: lowest over highest true positive rate, and the same of false positive "
            "rates. 1 means alike. Chance is the ratio with groups shuffled among cases of the same true outcome.",
        ),
        Metric(
            "equal_opportunity_difference",
            "Gap between groups among those who merited the favourable class",
            "rate difference",
            "lower_is_better",
            "Highest minus lowest true positive rate. Chance is the gap with groups shuffled among such cases.",
        ),
        Metric(
            "selection_rate",
            "Favourable predictions",
            "rate",
            "descriptive",
            "Share of a group's cases that got the favourable prediction. Chance is the share over all cases.",
            average=Average(outcomes=["rightly favoured (true positive)", "wrongly favoured (false positive)"]),
        ),
        Metric(
            "outcome_rate",
            "Favourable true outcomes",
            "rate",
            "descriptive",
            "Share of a group's cases whose true outcome was favourable. Chance is the share over all cases.",
            average=Average(outcomes=["rightly favoured (true positive)", "wrongly denied (false negative)"]),
        ),
        Metric(
            "true_positive_rate",
            "Favourable predictions where they were merited",
            "rate",
            "higher_is_better",
            "Among a group's cases with a favourable true outcome, the share predicted so; the rest was wrongly denied. "
            "Chance is the share of favourable predictions over all cases.",
        ),
        Metric(
            "false_positive_rate",
            "Favourable predictions where they were not merited",
            "rate",
            "lower_is_better",
            "Among a group's cases with another true outcome, the share predicted favourably. Chance is the share of "
            "favourable predictions over all cases.",
        ),
        Metric(
            "false_negative_rate",
            "Denied though the favourable class was merited",
            "rate",
            "lower_is_better",
            "Among a group's cases with a favourable true outcome, the share that was not predicted so: one minus the true "
            "positive rate. Chance is the share of other predictions over all cases.",
        ),
        Metric(
            "scoring_rate",
            "Scores above the median",
            "rate",
            "descriptive",
            "Share of a group's cases whose stated probability of the favourable class is above the median of all cases. "
            "Chance is the share over all cases.",
        ),
        Metric(
            "scoring_impact_ratio",
            "Impact ratio of scores (lowest over highest share above the median)",
            "ratio",
            "higher_is_better",
            "Lowest share of scores above the median in a group, divided by the highest. 1 means alike. Chance is the ratio "
            "with shuffled groups.",
        ),
        Metric(
            "calibration_error",
            "Distance of stated probabilities from what came true",
            "probability",
            "lower_is_better",
            "Within a group, mean distance over bins of scores between mean stated probability and share that came true. "
            "Chance is what perfectly calibrated scores would show.",
        ),
        Metric(
            "calibration_gap",
            "Stated probability minus what came true",
            "rate difference",
            "zero_is_better",
            "Mean stated probability of the favourable class minus the share of a group's cases where it was true. Above 0: "
            "the group's chances are overstated; below 0: understated.",
        ),
    )

    def items(self, data: Path | None) -> list[Item]:
        """One: the table, which comes with the model."""
        return [{"id": ITEM}]

    def requests(self, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
        """The table; then, where it holds no predictions, the class of each of its texts."""
        table = answers.get(Tabulate())
        limit = options_of(context, GroupFairnessOptions).limit
        asked = questions(table, limit, context.seed) if isinstance(table, Tabulated) else []
        return [Tabulate(), *asked]

    def measure(self, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        """Rates of groups, gaps between them, and a record for each case."""
        options = options_of(context, GroupFairnessOptions)
        cases = read_cases(answers, options.limit, context.seed)
        found, ways = measurements(
            cases, options.minimum_group, options.intersections, context.confidence, context.seed, self.measurement
        )
        return Outcome(_records(cases, context.seed, self), found, findings(found, ways, cases.positive))


def _records(cases: Cases, seed: int, probe: GroupFairness) -> list[Record]:
    if cases.failure is not None or cases.table is None:
        return [_unread(cases, probe)]
    places = sample(cases, MOST_RECORDS, seed)
    note = None
    if len(places) < len(cases.rows):
        note = f"One of {len(places):,} records drawn from {len(cases.rows):,} cases; numbers are of all cases."
    return [_record(cases, place, note, probe) for place in places]


def _unread(cases: Cases, probe: GroupFairness) -> Record:
    status: ItemStatus = cases.failure.status if cases.failure else "failed"
    return Record(
        id=ITEM,
        probe=probe.id,
        item=ITEM,
        source=probe.source,
        cluster=ITEM,
        input="The table of cases",
        status=status,
        note=cases.reason,
    )


def _record(cases: Cases, place: int, note: str | None, probe: GroupFairness) -> Record:
    assert cases.table is not None
    row, table = int(cases.rows[place]), cases.table
    truth, predicted, score = int(cases.truth[place]), int(cases.predicted[place]), float(cases.score[place])
    tags = {a: str(column[place]) for a, column in zip(cases.attributes, cases.groups, strict=True)}
    known = np.isfinite(score)
    scored = predicted != UNKNOWN
    # A wrong denial weighs more than a wrong favour, and the more the surer the model was.
    wrong = scored and truth not in (UNKNOWN, predicted)
    sure = abs(score - 0.5) if known else 0.0
    name = f"row-{row + 1}"
    return Record(
        id=name,
        probe=probe.id,
        item=ITEM,
        source=probe.source,
        cluster=name,
        axis=" x ".join(cases.attributes),
        group=", ".join(tags.values()),
        tags=tags,
        input=words(table, row),
        output=cases.labels[place],
        expected=table.truth[row],
        scores={"y_score": score} if known else {},
        status=str(cases.status[place]),
        outcome=OUTCOMES[truth, predicted] if scored else None,
        concern=(0.6 if truth == 1 else 0.2) + 0.4 * sure if wrong else 0.0,
        note=note,
    )
