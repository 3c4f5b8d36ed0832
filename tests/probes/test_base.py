"""What all probes share: a finding is clean only where nearly all of what it rests on could be scored."""

from __future__ import annotations

import pytest

from audit.metrics import rate
from audit.results import Outlook
from probes.base import coverage
from probes.explainability.attention import Attention
from probes.explainability.attribution import Attribution
from probes.explainability.logit_lens import LogitLens
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


def test_patterns_say_which_probes_one_comes_after_and_take_away() -> None:
    for kind in (Attribution, LogitLens, Attention):
        assert kind.comes_after("bias.counterfactual")
        assert kind.comes_after("hallucination.known_facts")
        assert not kind.comes_after("explainability.linear_probe")
        assert not kind.comes_after(kind.id)
    assert not Claims.comes_after("bias.counterfactual")
    # The last pattern that fits decides: attention is drawn with the heads that were found, and nothing else of its risk.
    assert Attention.comes_after("explainability.head_roles")
    assert not LogitLens.comes_after("explainability.head_roles")
    assert not Attention.comes_after("explainability.attribution")
