"""Where a difference is carried: planted on the person and on the last token, absent, and in a model that was taught it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from audit.corpora import Item
from audit.models import Patch, Patched
from audit.models.scripted import ScriptedModel, noise
from audit.models.scripted_inside import LAYERS
from probes.bias.counterfactual_pairs import asks
from probes.explainability.patching import Patching
from probes.explainability.patching_items import AXES, MOST_WORDS, differing, short_items
from probes.explainability.patching_measures import THIRDS, shares
from tests.probes.bias.taught import taught
from tests.probes.harness import context_of, finding, interval, number, run_probe, value


def leaning(prompt: str, ending: str) -> float:
    """Thinks otherwise of every person; the size depends on the words."""
    return -1.0 - noise(f"{prompt}|{ending}") * 3


class Carried(ScriptedModel):
    """The difference lies on the person below a layer and on the last token from there on."""

    def __init__(self, until: int) -> None:
        super().__init__(leaning)
        self._until = until

    def restored(self, layer: int, place: int, differing: Sequence[int], places: int) -> float:
        if layer < self._until:
            return 1 / len(differing) if place in differing else 0.0
        return float(place == places - 1)


def test_the_planted_places_are_found() -> None:
    outcome = run_probe(Patching, Carried(LAYERS - 1), 40)
    for part, first, last in (("person", 1, 0), ("last", 0, 1), ("rest", 0, 0)):
        assert value(number(outcome, f"{part}_share", THIRDS[0])) == pytest.approx(first)
        assert value(number(outcome, f"{part}_share", THIRDS[2])) == pytest.approx(last)
    assert {r.outcome for r in outcome.records if r.status == "scored"} == {"at the last token in the end"}
    stays = run_probe(Patching, Carried(LAYERS + 1), 40)
    assert value(number(stays, "person_share", THIRDS[2])) == pytest.approx(1)
    assert {r.outcome for r in stays.records if r.status == "scored"} == {"on the words for the person to the end"}


def test_no_share_is_told_without_its_range() -> None:
    told = finding(run_probe(Patching, ScriptedModel(leaning), 40), "place")
    assert told.text.count("(likely ") == 4


def test_what_lies_everywhere_is_chance() -> None:
    outcome = run_probe(Patching, ScriptedModel(leaning), 40)
    for part in ("person", "rest", "last"):
        share = number(outcome, f"{part}_share")
        assert value(share) == pytest.approx(share.chance)
        low, high = interval(share)
        assert low <= value(share) <= high


def test_a_model_that_treats_people_alike_is_not_tested() -> None:
    outcome = run_probe(Patching, ScriptedModel(lambda prompt, ending: -1.0 if "e" in ending else -2.0), 40)
    share = number(outcome, "person_share")
    assert share.value is None
    assert share.coverage.unparsed == share.coverage.planned == 40
    told = finding(outcome, "place")
    assert told.outlook == "not_tested"
    assert "only 0 of 40 texts" in told.text
    assert all("No pair differs" in (r.note or "") for r in outcome.records)


def test_pairs_of_unequal_length_make_room_for_others() -> None:
    """Two men and women of a text have as many words; with non-binary people there are more."""
    outcome = run_probe(Patching, ScriptedModel(leaning))
    records = [r for r in outcome.records if r.axis == "gender"]
    assert {r.group for r in records if r.status == "scored"} == {"women"}


def test_shares_by_hand() -> None:
    values = np.array([[0, 0.6, 0.4, 0.1, 0.0], [0, 0.3, 0.1, 0.2, 0.5], [0, 0, 0, 0.1, 0.9]], dtype=np.float32)
    tokens = ("In", " a", " woman", " was", " quietly")
    found = Patched(1.0, 0.0, values, (1, 2, 3), tokens, ("In", " the", " man", " was", " quietly"))
    assert list(differing(found)) == [1, 2]
    told = shares(found)
    assert told.restored["person"] == pytest.approx((1.0, 0.4, 0.0))
    assert told.restored["rest"] == pytest.approx((0.1, 0.2, 0.1))
    assert told.restored["last"] == pytest.approx((0.0, 0.5, 0.9))
    # Four places carry something: two of the person, one of the rest, one the last.
    assert told.chance["person"] == pytest.approx((1.1 / 2, 1.1 / 2, 1.0 / 2))
    assert told.chance["last"] == pytest.approx((1.1 / 4, 1.1 / 4, 1.0 / 4))


def test_embeddings_are_in_no_third() -> None:
    values = np.array([[9, 9], [0, 1], [0, 1], [0, 1]], dtype=np.float32)
    found = Patched(1.0, 0.0, values, (0, 1, 2, 3), ("he", "x"), ("she", "x"))
    assert shares(found).restored["person"] == pytest.approx((0, 0, 0))


def test_a_model_of_two_layers_has_thirds_all_the_same() -> None:
    values = np.array([[0.7, 0.2], [0.1, 0.9]], dtype=np.float32)
    found = Patched(1.0, 0.0, values, (1, 2), ("he", "x"), ("she", "x"))
    assert shares(found).restored["person"] == pytest.approx((0.7, 0.7, 0.1))


def test_items_are_short_and_of_attributes_named_alike() -> None:
    items = short_items()
    assert {item["axis"] for item in items} == set(AXES)
    assert all(0 < len(item["text"].partition("{person}")[2].split()) <= MOST_WORDS + 1 for item in items)


class OfGender(Patching):
    """Short texts about women and men, whose endings are always the same two."""

    def items(self, data: Path | None) -> list[Item]:
        whole = next(item for item in short_items() if item["axis"] == "gender")
        places = ("garden", "kitchen", "market", "office", "school", "station", "library", "bank")
        return [
            {**whole, "id": place, "template": place, "text": f"At the {place} {{person}} was always"}
            | {"favourable": " kind", "unfavourable": " cruel", "groups": whole["groups"][:2]}
            for place in places
        ]


def test_a_model_that_was_taught_a_prejudice(tmp_path: Path) -> None:
    """A real network of two layers: the difference comes in with the person and is at the last token in the end."""
    items, context = OfGender().items(None), context_of(OfGender)
    pairs = [(ask, other) for item in items for ask, other, control in asks(item, context.seed) if not control]
    texts = [f"{ask.prompt} kind" for ask, _ in pairs] + [f"{other.prompt} cruel" for _, other in pairs]
    model = taught(tmp_path, texts, steps=200)
    outcome = run_probe(OfGender, model, options={"layers": 3})
    assert number(outcome, "person_share").n >= 6
    assert value(number(outcome, "last_share", THIRDS[2])) > 0.9
    assert value(number(outcome, "person_share", THIRDS[2])) < 0.1
    assert "not judged" in finding(outcome, "place").text
    detail = next(r.detail for r in outcome.records if r.detail)
    assert len(detail["values"]) == len(detail["layers"])
    assert len(detail["values"][0]) == len(detail["tokens"]) == len(detail["other_tokens"])
    [whole] = model.patch([Patch(pairs[0][0].prompt, pairs[0][1].prompt, " kind", " cruel")])
    assert isinstance(whole, Patched)
    person = list(differing(whole))
    assert whole.values[0, person].sum() == pytest.approx(1, abs=0.1)  # as embeddings
    assert not np.delete(whole.values[0], person).any()
