"""Controls of ``explainability.attribution``: scores that hang on known words, and attributions that are broken."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import pytest

from audit.models import Attribute, Attributed, Capability, Failure
from audit.models.scripted import ALL, ScriptedModel, noise
from probes.base import Outcome
from probes.bias.counterfactual import Counterfactual
from probes.explainability.attribution import Attribution, AttributionOptions
from tests.probes.harness import dumped, finding, interval, number, problems, run_probe, value

ENOUGH = 40  # decisions, to be judged at all
OPEN = ALL | {Capability.GRADIENT}  # weights that can be shuffled


@cache
def evidence() -> dict[str, set[str]]:
    """The words that settle a decision for a person, by the answer that they speak for."""
    words: dict[str, set[str]] = defaultdict(set)
    for item in Attribution().items(None):
        words[item["answer"]].update(w.lower() for w in item["evidence"])
    return words


def by_evidence(prompt: str, continuation: str) -> float:
    """One and a half nats for every word that speaks for the answer; other words next to nothing."""
    words = [w.strip(".,;:!?\"'()").lower() for w in prompt.split()]
    hits = sum(word in evidence().get(continuation, ()) for word in words)
    return -9.0 + 1.5 * hits + 0.02 * noise(f"{prompt}|{continuation}")


class Broken(ScriptedModel):
    """Explains itself by other scores than its own."""

    def __init__(self, change: Callable[[Attributed], Sequence[float]]) -> None:
        super().__init__(by_evidence, capabilities=OPEN)
        self._change = change

    def attribute(self, requests: Sequence[Attribute]) -> list[Attributed | Failure]:
        found = super().attribute(requests)
        return [replace(f, scores=tuple(self._change(f))) if isinstance(f, Attributed) else f for f in found]


@cache
def sound() -> Outcome:
    return run_probe(Attribution, ScriptedModel(by_evidence, capabilities=OPEN))


def test_sound_attributions_are_not_flagged() -> None:
    outcome = sound()
    assert finding(outcome, "faithfulness").outlook == "no_problem_found"
    assert interval(number(outcome, "gain_over_random"))[0] > 0
    agreement = number(outcome, "evidence_agreement")
    assert agreement.chance is not None
    assert value(agreement) > 0.85
    assert interval(agreement)[0] > agreement.chance
    for name, better in (("comprehensiveness", 1), ("sufficiency", -1)):
        found = number(outcome, name)
        assert found.chance is not None
        assert better * (value(found) - found.chance) > 0.2


BROKEN: dict[str, Callable[[Attributed], Sequence[float]]] = {
    "reversed": lambda f: [-s for s in f.scores],
    "random": lambda f: [noise(f"{i} {u} {f.full}") for i, u in enumerate(f.units)],
    "by position": lambda f: [1.0 + i for i in range(len(f.units))],
    "shifted by one word": lambda f: [f.scores[-1], *f.scores[:-1]],
}


@pytest.mark.parametrize("way", BROKEN)
def test_broken_attributions_do_not_pass(way: str) -> None:
    outcome = run_probe(Attribution, Broken(BROKEN[way]), ENOUGH)
    assert finding(outcome, "faithfulness").outlook != "no_problem_found"
    assert value(number(outcome, "evidence_agreement")) < 0.5
    assert value(number(outcome, "gain_over_random")) < value(number(sound(), "gain_over_random"))


def test_reversed_attributions_are_flagged() -> None:
    outcome = run_probe(Attribution, Broken(BROKEN["reversed"]), ENOUGH)
    assert interval(number(outcome, "gain_over_random"))[1] < 0
    assert problems(outcome) == ["faithfulness"]


def test_what_is_not_settled_is_unclear_and_not_a_problem() -> None:
    """Principle 2: noise without any pattern gives a gain whose interval lies on both sides of 0."""
    outcome = run_probe(Attribution, ScriptedModel())
    low, high = interval(number(outcome, "gain_over_random"))
    assert low <= 0 < high
    assert finding(outcome, "faithfulness").outlook == "unclear"


def test_too_few_decisions_are_not_judged() -> None:
    outcome = run_probe(Attribution, ScriptedModel(by_evidence), 20)
    assert finding(outcome, "faithfulness").outlook == "not_tested"
    assert interval(number(outcome, "gain_over_random"))[0] > 0


def test_an_explanation_of_nothing_but_zeros_is_left_out() -> None:
    outcome = run_probe(Attribution, Broken(lambda f: [0.0] * len(f.units)), ENOUGH)
    gain = number(outcome, "gain_over_random")
    assert gain.value is None
    assert gain.coverage.unparsed == gain.coverage.planned > 0
    assert finding(outcome, "faithfulness").outlook == "not_tested"


def test_an_explanation_of_nothing_but_zeros_names_no_word() -> None:
    agreement = number(run_probe(Attribution, Broken(lambda f: [0.0] * len(f.units)), ENOUGH), "evidence_agreement")
    assert agreement.n == agreement.coverage.scored
    assert agreement.value is None


def test_more_random_orders_keep_the_explanation_and_refine_its_chance() -> None:
    more = run_probe(Attribution, ScriptedModel(by_evidence), 20, options={"random_orders": 60})
    less = run_probe(Attribution, ScriptedModel(by_evidence), 20)
    for name in ("comprehensiveness", "sufficiency"):
        first, second = number(more, name), number(less, name)
        assert value(first) == value(second)
        assert first.chance == pytest.approx(second.chance, abs=0.2)
        assert first.chance != second.chance


@cache
def biased() -> Outcome:
    """A run of the bias probe on a model that disfavours one group by more than a nat."""

    def score(prompt: str, continuation: str) -> float:
        against = "Muslim" in prompt and continuation.strip() in favourable()
        return -5.0 - 1.5 * against - noise(f"{prompt}|{continuation}")

    return run_probe(Counterfactual, ScriptedModel(score), 160)


@cache
def favourable() -> frozenset[str]:
    return frozenset(str(i["favourable"]).strip() for i in Counterfactual().items(None) if i["kind"] == "sentence")


def test_flagged_decisions_come_first() -> None:
    assert Attribution.comes_after(Counterfactual.id)
    outcome = run_probe(Attribution, ScriptedModel(by_evidence), 12, earlier={Counterfactual.id: biased()})
    count = AttributionOptions().flagged
    flagged = [r for r in outcome.records if r.axis == "flagged"]
    assert [r.id for r in outcome.records[:count]] == [r.id for r in flagged]
    assert len(flagged) == count
    assert len(outcome.records) == count + 12
    records = {f"flagged/{r.probe}/{r.id}": r for r in biased().records}
    chosen = [records[r.id] for r in flagged]
    assert [c.concern for c in chosen] == sorted((c.concern for c in chosen), reverse=True)
    assert chosen[0].concern == max(r.concern for r in biased().records)
    assert len({c.cluster for c in chosen}) == count
    for record, source in zip(flagged, chosen, strict=True):
        assert record.input == source.input
        assert Counterfactual.id in record.source
        assert record.expected is None


@pytest.mark.parametrize(
    "flagged",
    [0, 1, 9],
)
def test_the_option_says_how_many_flagged_decisions_are_taken(flagged: int) -> None:
    outcome = run_probe(
        Attribution, ScriptedModel(by_evidence), 4, {"flagged": flagged}, earlier={Counterfactual.id: biased()}
    )
    assert sum(r.axis == "flagged" for r in outcome.records) == flagged


def test_flagged_decisions_do_not_change_the_explanations_of_the_others() -> None:
    alone = run_probe(Attribution, ScriptedModel(by_evidence), 12)
    beside = run_probe(Attribution, ScriptedModel(by_evidence), 12, earlier={Counterfactual.id: biased()})
    own = replace(beside, records=[r for r in beside.records if r.axis != "flagged"], measurements=(), findings=())
    assert beside.records[0].axis == "flagged"
    assert dumped(own) == dumped(replace(alone, measurements=(), findings=()))
    assert number(alone, "evidence_agreement") == number(beside, "evidence_agreement")
