"""The audited cases as a remedy needs them: from the records of ``bias.group_fairness``, cut into two halves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audit.results import read_records
from probes.bias.group_fairness import OUTCOMES
from probes.bias.group_fairness_cases import MISSING_GROUP, UNKNOWN

IntArray = NDArray[np.intp]
FloatArray = NDArray[np.float64]
PROBE = "bias.group_fairness"
LEAST_OUTCOMES = 10  # of each true outcome in each half: fewer say nothing about a group's errors
_CODES = {outcome: codes for codes, outcome in OUTCOMES.items()}


@dataclass(frozen=True)
class Cases:
    """Cases of which prediction, true outcome and group are known: arrays of one length, one entry a case.

    ``truth`` and ``predicted``: 1 for the favourable class, else 0. ``score``: probability of the favourable class, NaN
    where unknown. ``groups``: names of groups. ``rows``: places in the table, from 0. ``expected``: the true class in
    the words of the table.
    """

    truth: IntArray
    predicted: IntArray
    score: FloatArray
    groups: NDArray[np.str_]
    rows: IntArray
    expected: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.truth)

    def where(self, kept: NDArray[np.bool_]) -> Cases:
        """Some of the cases."""
        places = np.flatnonzero(kept)
        return Cases(
            self.truth[kept],
            self.predicted[kept],
            self.score[kept],
            self.groups[kept],
            self.rows[kept],
            tuple(self.expected[place] for place in places),
        )


def read_cases(folder: Path, attributes: Sequence[str]) -> Cases:
    """The audited cases by the groups of one attribute, or of several together, from the records of a result folder.

    Cases without a prediction, a true outcome or a known group are left out.

    Raises:
        ResultError: where the records cannot be read.
    """
    found = []
    for record in read_records(folder, PROBE):
        truth, predicted = _CODES.get(record.outcome or "", (UNKNOWN, UNKNOWN))
        members = [record.tags.get(attribute, MISSING_GROUP) for attribute in attributes]
        if UNKNOWN in (truth, predicted) or MISSING_GROUP in members:
            continue
        score = record.scores.get("y_score")
        row = int(record.id.removeprefix("row-")) - 1
        known = np.nan if score is None else score
        found.append((truth, predicted, known, ", ".join(members), row, record.expected or ""))
    found.sort(key=lambda case: case[4])
    columns = list(zip(*found, strict=True)) or [()] * 6
    return Cases(
        np.array(columns[0], dtype=np.intp),
        np.array(columns[1], dtype=np.intp),
        np.array(columns[2], dtype=np.float64),
        np.array(columns[3], dtype=np.str_),
        np.array(columns[4], dtype=np.intp),
        tuple(str(expected) for expected in columns[5]),
    )


@dataclass(frozen=True)
class Halves:
    """Cases to learn from and cases to try on; ``names`` are the groups in both, ``left_out`` those too small for it."""

    learn: Cases
    held: Cases
    names: tuple[str, ...]
    left_out: tuple[str, ...]

    def codes(self, cases: Cases) -> IntArray:
        """The place of each case's group in ``names``."""
        return np.searchsorted(np.array(self.names), cases.groups).astype(np.intp)


def halves(cases: Cases, minimum: int, seed: int) -> Halves:
    """Cut the cases in two, half of each group and true outcome on either side, drawn by ``seed``.

    A group stays where each half has ``minimum`` of its cases and ``LEAST_OUTCOMES`` of either true outcome; the cases
    of other groups are left out, because a remedy can learn nothing about them.
    """
    stream = np.random.default_rng(seed)
    held = np.zeros(len(cases), dtype=bool)
    names, left_out = [], []
    for name in sorted(set(cases.groups.tolist())):
        strata = [np.flatnonzero((cases.groups == name) & (cases.truth == truth)) for truth in (0, 1)]
        drawn = [stream.permutation(stratum)[: len(stratum) // 2] for stratum in strata]
        smaller = [len(half) for half in drawn]
        if sum(smaller) < minimum or min(smaller) < LEAST_OUTCOMES:
            left_out.append(name)
            continue
        names.append(name)
        for half in drawn:
            held[half] = True
    kept = np.isin(cases.groups, names)
    return Halves(cases.where(kept & ~held), cases.where(held), tuple(names), tuple(left_out))
