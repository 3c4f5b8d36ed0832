"""Controls of ``explainability.head_roles``: heads that do a thing, heads that only seem to, and heads that do nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from audit.models import Attend, Attended, Capability, Failure, prompt_text
from audit.models.scripted import ALL, ScriptedModel, noise
from probes.base import Outcome
from probes.explainability.head_roles import HeadRoles
from probes.explainability.head_roles_items import load_roles, sentences, texts_of
from probes.explainability.head_roles_measures import _strongest
from tests.probes.harness import finding, interval, number, run_probe, value

Weights = NDArray[np.float64]
ROLES = ("previous_token", "induction", "antecedent")
ITEMS = load_roles()
SENTENCES = {s.text: s for item in ITEMS if item["kind"] == "pronoun" for s in sentences(item)}


class Heads(ScriptedModel):
    """Layers of named heads; tokens are words with the space before them.

    ``strength``: the weight that a head puts where its name says, in the mean; the rest is even.
    """

    def __init__(self, *layers: Sequence[str], strength: float = 0.8, causal: bool = True) -> None:
        super().__init__(capabilities=ALL)
        self._layers, self._strength, self._causal = layers, strength, causal

    def attend(self, requests: Sequence[Attend]) -> list[Attended | Failure]:
        return [self._seen(prompt_text(r.prompt) + r.continuation) for r in requests]

    def _seen(self, text: str) -> Attended:
        words = text.split()
        size = len(words)
        even = np.tril(np.ones((size, size))) if self._causal else np.ones((size, size))
        even /= even.sum(axis=1, keepdims=True)
        weights = np.stack([[self._head(name, text, words, even) for name in layer] for layer in self._layers])
        pieces = (words[0], *(f" {word}" for word in words[1:]))
        return Attended(pieces, size - 1, self._causal, weights.astype(np.float32))

    def _head(self, name: str, text: str, words: Sequence[str], even: Weights) -> Weights:
        found = even.copy()
        for row, column in enumerate(self._targets(name, text, words)):
            if column is not None:
                share = self._strength * (0.8 + 0.4 * noise(f"{text}{row}"))
                found[row] *= 1 - share
                found[row, column] += share
        if name == "random":
            found = even * np.random.default_rng(len(text)).gamma(0.5, size=even.shape)
            found /= found.sum(axis=1, keepdims=True)
        return found

    def _targets(self, name: str, text: str, words: Sequence[str]) -> list[int | None]:
        places: list[int | None] = [None] * len(words)
        if name == "previous":
            return [None, *range(len(words) - 1)]
        if name == "first":
            return [0] * len(words)
        if name == "eleven back":  # in a list of twelve words that is said twice, what followed the last time
            return [place - 11 if place >= 11 else None for place in range(len(words))]
        if name == "same":
            return [words.index(word) for word in words]
        if name == "induction":
            before = [words.index(word) for word in words]
            return [b + 1 if b < place else None for place, b in enumerate(before)]
        sentence = SENTENCES.get(text)
        if sentence is None or name not in ("antecedent", "first noun", "nearest noun"):
            return places
        nouns = [len(text[:start].split()) for start, _ in (sentence.antecedent, sentence.distractor)]
        wanted = {"antecedent": nouns[0], "first noun": min(nouns), "nearest noun": max(nouns)}[name]
        places[len(text[: sentence.pronoun[0]].split())] = wanted
        return places


@cache
def found(*heads: str, causal: bool = True) -> Outcome:
    plain = ("even", "random", "even", "random")[: len(heads)]
    return run_probe(HeadRoles, Heads(plain, heads, causal=causal), 40)


def heads_of(outcome: Outcome, role: str) -> list[list[int]]:
    record = next(r for r in outcome.records if r.id == f"role/{role}")
    heads: list[list[int]] = record.detail["heads"]
    return heads


def test_each_head_is_found_by_what_it_does() -> None:
    outcome = found("antecedent", "induction", "previous")
    assert heads_of(outcome, "previous-token") == [[1, 2]]
    assert heads_of(outcome, "induction") == [[1, 1]]
    assert heads_of(outcome, "pronoun-to-antecedent") == [[1, 0]]
    for role in ROLES:
        heads = number(outcome, f"{role}_heads")
        assert value(heads) == pytest.approx(1 / 6)
        assert interval(heads) == (pytest.approx(1 / 6), pytest.approx(1 / 6))
        strongest = number(outcome, f"{role}_strongest")
        assert interval(strongest)[0] > 0.6
        assert strongest.chance is not None
        assert interval(strongest)[0] > strongest.chance + 0.3


def test_heads_without_a_role_are_not_given_one() -> None:
    """Looking at the first token, at the same token, or at one of the nouns whichever it is."""
    outcome = found("first", "same", "first noun", "nearest noun")
    for role in ROLES:
        assert value(number(outcome, f"{role}_heads")) == 0
    low, high = interval(number(outcome, "antecedent_strongest"))
    assert low <= 0 <= high or high < 0.1
    text = finding(outcome, "roles").text
    assert text.count("no head") == 3


def test_a_head_that_looks_back_by_a_fixed_distance_does_not_find_what_followed() -> None:
    outcome = run_probe(HeadRoles, Heads(("even", "eleven back")))
    assert value(number(outcome, "induction_heads")) == 0
    assert value(number(outcome, "induction_strongest")) < 0.3


def test_random_heads_have_no_role_and_the_strongest_is_not_flattered() -> None:
    """The best of many heads on the items that it was picked on would be above chance."""
    outcome = run_probe(HeadRoles, Heads(*[("random",) * 4] * 4), 40)
    for role in ROLES:
        assert value(number(outcome, f"{role}_heads")) == 0
    low, high = interval(number(outcome, "antecedent_strongest"))
    assert low <= 0 <= high


def test_the_best_of_many_heads_is_scored_on_other_items_than_it_was_picked_on() -> None:
    """Of 200 heads without any preference the best has one of 0.08 on the twelve items that it is picked on."""
    stream = np.random.default_rng(0)
    values = [_strongest(stream.normal(0, 0.1, (12, 10, 20)), 0.95, (-1.0, 1.0)).value or 0.0 for _ in range(50)]
    assert abs(float(np.mean(values))) < 0.02


def test_a_weak_head_is_above_chance_and_has_no_role() -> None:
    outcome = run_probe(HeadRoles, Heads(("previous", "antecedent", "induction"), strength=0.05), 40)
    roles = {r.id: r for r in outcome.records if r.axis == "role"}
    assert min(map(min, roles["role/previous-token"].detail["p_adjusted"])) < 0.05
    assert [value(number(outcome, f"{role}_heads")) for role in ROLES] == [0, 0, 0]


def test_what_followed_is_a_question_for_models_that_read_forwards() -> None:
    outcome = found("previous", "antecedent", causal=False)
    assert heads_of(outcome, "previous-token") == [[1, 0]]
    assert heads_of(outcome, "pronoun-to-antecedent") == [[1, 1]]
    induction = number(outcome, "induction_heads")
    assert induction.value is None
    assert induction.coverage.unparsed == induction.coverage.planned > 0
    assert "what followed" not in finding(outcome, "roles").text


def test_it_judges_nothing() -> None:
    for outcome in (found("antecedent", "induction", "previous"), found("first", "same", "first noun", "nearest noun")):
        assert finding(outcome, "roles").outlook == "not_tested"
        assert finding(outcome, "roles").text.startswith("Described, not judged: ")


def test_few_texts_say_nothing() -> None:
    outcome = run_probe(HeadRoles, Heads(("previous", "even")), 6)
    assert finding(outcome, "roles").outlook == "not_tested"


def test_layers_keep_their_numbers() -> None:
    class Hybrid(Heads):
        def _seen(self, text: str) -> Attended:
            return replace(super()._seen(text), layers=(3, 7), missing=("layer 0: linear attention",))

    outcome = run_probe(HeadRoles, Hybrid(("even",), ("previous",)), 24)
    assert heads_of(outcome, "previous-token") == [[7, 0]]
    assert "layer 7 head 0" in finding(outcome, "roles").text
    assert "layer 0: linear attention" in finding(outcome, "roles").text


def test_a_layer_that_is_whole_in_short_texts_alone_is_left_out() -> None:
    """As one that sees a window of tokens: its matrix is whole where the text is no longer than that."""

    class Windowed(Heads):
        def _seen(self, text: str) -> Attended:
            found = super()._seen(text)
            if len(found.tokens) <= 14:
                return found
            return replace(found, weights=found.weights[1:], layers=(1, 2), missing=("layer 0: sees only a window",))

    outcome = run_probe(HeadRoles, Windowed(("previous", "even"), ("even", "previous"), ("antecedent", "even")), 40)
    assert heads_of(outcome, "previous-token") == [[1, 1]]
    assert heads_of(outcome, "pronoun-to-antecedent") == [[2, 0]]
    assert len({len(r.input.split()) // 2 > 14 for r in outcome.records if r.axis == "pronoun"}) == 2


def test_an_encoder_is_read_as_a_whole() -> None:
    asked: list[Attend] = []

    class Encoder(Heads):
        def attend(self, requests: Sequence[Attend]) -> list[Attended | Failure]:
            asked.extend(requests)
            return [self._seen(prompt_text(r.prompt)) for r in requests]

    model = Encoder(("previous", "even"), causal=False)
    model.capabilities = ALL | {Capability.CROSS_ATTENTION}
    assert heads_of(run_probe(HeadRoles, model, 24), "previous-token") == [[0, 0]]
    assert {r.part for r in asked} == {"encoder"}
    model.capabilities = frozenset({Capability.CLASSIFY, Capability.ATTENTION})
    asked.clear()
    assert heads_of(run_probe(HeadRoles, model, 24), "previous-token") == [[0, 0]]
    assert {r.continuation for r in asked} == {""}


# Items


def test_the_antecedent_is_first_as_often_as_second_and_words_are_there_once() -> None:
    both = [sentences(item) for item in ITEMS if item["kind"] == "pronoun"]
    assert len(both) >= 30
    for first, second in both:
        assert first.antecedent < first.distractor < first.pronoun
        assert second.distractor < second.antecedent < second.pronoun


def test_one_noun_fits_the_pronoun() -> None:
    """By gender or by number, each half the time for either value."""
    rows = [item for item in ITEMS if item["kind"] == "pronoun"]
    pronouns = Counter((row["settled_by"], row["pronoun"]) for row in rows)
    assert pronouns["gender", "she"] == pronouns["gender", "he"]
    assert pronouns["number", "it"] == sum(
        n for (kind, word), n in pronouns.items() if kind == "number" and word != "it"
    )
    for row in rows:
        plural = [bool(re.search(r"s$", row[noun])) for noun in ("antecedent", "distractor")]
        if row["settled_by"] == "number":
            assert plural[0] == (row["pronoun"] != "it") != plural[1], row["id"]


def test_lists_are_said_twice_and_are_the_same_in_every_audit() -> None:
    lists = [item for item in ITEMS if item["kind"] == "repeated"]
    for item in lists:
        (text,) = texts_of(item)
        words = text.split()
        assert words[: len(words) // 2] == words[len(words) // 2 :]
        assert len(set(words)) == len(words) // 2
    assert len({tuple(item["words"]) for item in lists}) == len(lists)
    assert max(Counter(len(item["words"]) for item in lists).values()) <= 3
    assert [item["words"] for item in load_roles()] == [item["words"] for item in ITEMS]
