"""Writes predictions.csv: invented loan applications with a gap planted between groups, to try an audit on.

No row is about a real person. Repayment depends on chance alone and is as common in each group; the invented lender
sees it through noise and marks down applicants who were born abroad. Women and men are treated alike.
"""

from __future__ import annotations

import csv
import math
import random
from pathlib import Path

CASES = 800
REPAID = 0.65  # share of loans that are repaid, in every group
SEED = 2  # one with which repayment came out about as common in each group as it is meant to be
MARKED_DOWN = 1.1  # what birth abroad takes off an applicant's log-odds
HEADER = ("sex", "born", "y_true", "y_score", "y_pred")


def rows(seed: int = SEED) -> list[tuple[str, str, str, str, str]]:
    """One row an applicant, ``HEADER`` naming the columns; approved where the score is one half or more."""
    stream = random.Random(seed)
    found = []
    for _ in range(CASES):
        sex = stream.choice(("woman", "man"))
        born = "abroad" if stream.random() < 0.35 else "here"
        repaid = stream.random() < REPAID
        odds = (1.5 if repaid else -0.7) + stream.gauss(0, 1.1) - (MARKED_DOWN if born == "abroad" else 0.0)
        score = f"{1 / (1 + math.exp(-odds)):.3f}"
        found.append((sex, born, "repaid" if repaid else "not repaid", score, float(score) >= 0.5))
    return [(sex, born, truth, score, "repaid" if yes else "not repaid") for sex, born, truth, score, yes in found]


def main() -> None:
    """Write the table beside this script."""
    with (Path(__file__).parent / "predictions.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(rows())


if __name__ == "__main__":
    main()
