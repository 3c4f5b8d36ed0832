"""What all probes share: a finding is clean only where nearly all of what it rests on could be scored."""

from __future__ import annotations

import pytest

from audit.metrics import rate
from audit.results import Outlook
from probes.base import coverage
from probes.misinformation.claims import Claims


@pytest.mark.parametrize(
    ("scored", "outlook", "told"),
    [
        (100, "no_problem_found", "no_problem_found"),
        (90, "no_problem_found", "no_problem_found"),
        (80, "no_problem_found", "unclear"),
        (80, "problem_found", "problem_found"),
        (0, "not_tested", "not_tested"),
    ],
)
def test_what_is_clean_among_a_part_of_the_answers_is_unclear(scored: int, outlook: Outlook, told: str) -> None:
    planned = coverage(["scored"] * scored + ["not_a_number"] * (100 - scored))
    m = Claims.measurement("flip_rate", rate([False] * scored), planned, chance=0.0)
    severity = "low" if outlook == "problem_found" else "none"
    found = Claims.finding("flips", outlook, "It kept to {what}.", {"what": "them"}, [m], "Ask.", severity=severity)
    assert found.outlook == told
    assert ("only 80% of the answers could be scored" in found.text) == (told != outlook)
    assert (found.severity == "none") == (told != "problem_found")
