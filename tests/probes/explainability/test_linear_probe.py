"""Groups planted in scripted states are read, absent ones and people learnt by heart are not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from audit.models import Failure, Hidden, States
from audit.models.scripted import ScriptedModel, noise
from audit.models.scripted_inside import LAYERS, WIDTH
from probes.explainability.linear_probe import AXES, LinearProbe, _described
from probes.explainability.linear_probe_measures import DEPTHS
from tests.probes.harness import finding, interval, number, run_probe, value

KNOWN = {str(d.request.prompt): d for item in LinearProbe().items(None) for d in _described(item)}


class Holding(ScriptedModel):
    """States with a direction for each name that ``named`` gives to a text, from a layer on."""

    def __init__(self, named: Callable[[str], str], layer: int = 2) -> None:
        super().__init__()
        self._named, self._from = named, layer

    def hidden(self, text: str) -> NDArray[np.float32]:
        states = super().hidden(text)
        own = super().hidden(self._named(text))[0]
        return np.concatenate([states[: self._from], states[self._from :] + 3 * own]).astype(np.float32)


def by_group(text: str) -> str:
    return KNOWN[text].group


def by_term(text: str) -> str:
    return KNOWN[text].term


def test_a_planted_group_is_read_where_it_is() -> None:
    outcome = run_probe(LinearProbe, Holding(by_group), 24)
    for axis in AXES:
        accuracy = number(outcome, "accuracy", axis)
        assert value(accuracy) > 0.9
        assert accuracy.chance is not None
        assert interval(number(outcome, "selectivity", axis))[0] > 0
        below, above = (value(number(outcome, "layer_accuracy", f"{axis}, {DEPTHS[n]}")) for n in (1, 2))
        assert below < 0.6 < 0.9 < above
        told = finding(outcome, axis)
        assert "does not say that it uses it" in told.text
        assert (told.outlook, told.severity) == ("not_tested", "none")


def test_nothing_is_read_where_nothing_is() -> None:
    outcome = run_probe(LinearProbe, ScriptedModel(), 40)
    for axis in AXES:
        accuracy, selective = number(outcome, "accuracy", axis), number(outcome, "selectivity", axis)
        low, high = interval(accuracy)
        assert accuracy.chance is not None
        assert low < accuracy.chance < high
        assert interval(selective)[0] < 0 < interval(selective)[1]
        assert "did not surely tell" in finding(outcome, axis).text


def test_people_learnt_by_heart_are_no_group() -> None:
    outcome = run_probe(LinearProbe, Holding(by_term), 24)
    for axis in AXES:
        accuracy = number(outcome, "accuracy", axis)
        assert accuracy.chance is not None
        assert interval(accuracy)[0] < accuracy.chance + 0.1
        assert value(number(outcome, "selectivity", axis)) < 0.15


class Patchy(ScriptedModel):
    """Leaves out half of one group's texts."""

    def states(self, requests: Sequence[States]) -> list[Hidden | Failure]:
        return [
            Failure("failed", "Out of order.")
            if KNOWN[str(r.prompt)].group == "men" and noise(str(r.prompt)) < 0.5
            else found
            for r, found in zip(requests, super().states(requests), strict=True)
        ]


def test_guessing_is_to_name_the_most_frequent_group() -> None:
    outcome = run_probe(LinearProbe, Patchy(), 24)
    scored = [r for r in outcome.records if r.axis == "gender" and r.status == "scored"]
    most = max(sum(r.group == group for r in scored) for group in {r.group for r in scored})
    accuracy = number(outcome, "accuracy", "gender")
    assert accuracy.chance == pytest.approx(most / len(scored))
    assert accuracy.chance > 1 / len({r.group for r in scored}) + 0.05


def test_too_few_texts_are_not_read() -> None:
    outcome = run_probe(LinearProbe, Holding(by_group), 4)
    assert number(outcome, "accuracy").value is None
    assert "fewer than 6 texts" in (number(outcome, "accuracy", "gender").reason or "")
    assert finding(outcome, "gender").outlook == "not_tested"


def test_texts_of_all_groups_end_alike_and_after_the_person() -> None:
    for item in LinearProbe().items(None):
        described = _described(item)
        ends = {str(d.request.prompt).partition(d.term)[2] or str(d.request.prompt)[len(d.term) :] for d in described}
        assert len(ends) == 1
        assert ends.pop().strip(" ,.")
        counts = {g: sum(d.group == g for d in described) for g in {d.group for d in described}}
        assert set(counts.values()) == {4}
        assert all(isinstance(d.request, States) and d.request.at == "last" for d in described)


def test_scripted_states_have_the_shape_of_a_models() -> None:
    assert ScriptedModel().hidden("a").shape == (LAYERS + 1, WIDTH)


def test_each_attribute_has_as_many_texts() -> None:
    probe = LinearProbe()
    items = probe.items(None)
    for limit in (1, 12, 13):
        drawn = probe.drawn(items, limit, 3)
        counts = [sum(item["axis"] == axis for item in drawn) for axis in AXES]
        assert sum(counts) == limit
        assert max(counts) - min(counts) <= 1
    longer = [item["id"] for item in probe.drawn(items, 20, 3)]
    assert {item["id"] for item in probe.drawn(items, 12, 3)} <= set(longer)
    assert probe.drawn(items, None, 3) == items
