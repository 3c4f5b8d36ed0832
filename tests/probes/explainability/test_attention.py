"""Controls of ``explainability.attention``: attention that goes where the effects are, and attention that does not."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from audit.metrics import Estimate
from audit.models import Attend, Attended, Attribute, Attributed, Capability, Failure, prompt_text
from audit.models.scripted import ALL, ScriptedModel, noise
from audit.results import Coverage
from probes.base import Outcome
from probes.bias.counterfactual import Counterfactual
from probes.explainability.attention import Attention
from probes.explainability.attention_findings import usefulness_finding
from probes.explainability.attention_measures import GRADIENT, NORMS, POSITION, RAW, even_distance
from probes.explainability.attention_viewer import viewer_block
from probes.explainability.gallery import SENTENCE
from probes.explainability.head_roles import HeadRoles
from tests.probes.explainability.test_head_roles import Heads
from tests.probes.harness import finding, interval, number, run_probe, value

Weights = NDArray[np.float64]
LAYERS, HEADS = 1, 2
PLAIN = ALL - {Capability.GRADIENT}


def by_words(prompt: str, continuation: str) -> float:
    """Every word pulls with its own weight, later ones alike, so that every word has an effect of its own."""
    return -20.0 + sum(noise(f"{word}|{i % 7}|{continuation}") for i, word in enumerate(prompt.split()))


class Looking(ScriptedModel):
    """Gives attention that ``look`` makes from the number of words and the size of their effects.

    The tokens are words with a space before, as in most tokenizers. ``slope`` and ``length`` make the gradients and the
    lengths of what is weighed from the effects, where these are asked for.
    """

    def __init__(
        self,
        look: Callable[[int, Weights], Weights],
        score: Callable[[str, str], float] = by_words,
        slope: Callable[[Weights], Weights] | None = None,
        length: Callable[[Weights], Weights] | None = None,
        missing: tuple[str, ...] = (),
    ) -> None:
        weighted = slope is not None or length is not None
        super().__init__(score, capabilities=ALL | {Capability.GRADIENT} if weighted else ALL - {Capability.GRADIENT})
        self._look, self._slope, self._length, self._missing = look, slope, length, missing

    def attend(self, requests: Sequence[Attend]) -> list[Attended | Failure]:
        return [self._seen(r) for r in requests]

    def effects(self, request: Attend) -> Weights:
        """Sizes of the words' effects on the decision; of a text that is no decision, noise."""
        text = prompt_text(request.prompt)
        other = contrasts().get(text, {}).get(request.continuation)
        if other is None:
            return np.array([noise(word) for word in text.split()])
        found = self.attribute([Attribute(request.prompt, request.continuation, other)])[0]
        assert isinstance(found, Attributed)
        return np.abs(found.scores)

    def _seen(self, request: Attend) -> Attended:
        words = prompt_text(request.prompt).split()
        pieces = (words[0], *(f" {w}" for w in words[1:]), request.continuation)
        effects = self.effects(request)
        weights = np.eye(len(pieces))
        for row in range(1, len(pieces)):
            seen = self._look(row, effects[: row + 1])
            weights[row] = 0
            weights[row, : len(seen)] = seen / seen.sum()
        whole = np.broadcast_to(weights, (LAYERS, HEADS, *weights.shape)).astype(np.float32)
        found = Attended(pieces, len(words), True, whole)
        if self._missing:
            found = replace(found, layers=(0,), missing=self._missing)
        return self._weighted(found, np.append(effects, 0.0)) if request.weighted else found

    def _weighted(self, found: Attended, effects: Weights) -> Attended:
        slopes = np.zeros_like(effects) if self._slope is None else self._slope(effects)
        lengths = np.ones_like(effects) if self._length is None else self._length(effects)
        return replace(
            found,
            gradients=np.broadcast_to(slopes, found.weights.shape).astype(np.float32),
            norms=np.broadcast_to(lengths, (LAYERS, HEADS, len(effects))).astype(np.float32),
        )


@cache
def contrasts() -> dict[str, dict[str, str]]:
    return {i["prompt"]: {i["answer"]: i["contrast"], i["contrast"]: i["answer"]} for i in Attention().items(None)}


def on_effects(row: int, effects: Weights) -> Weights:
    return effects + 1e-6


def even(row: int, effects: Weights) -> Weights:
    return np.ones(row + 1)


def away(row: int, effects: Weights) -> Weights:
    """Most on what matters least."""
    return effects.max() - effects + 1e-6


def first(row: int, effects: Weights) -> Weights:
    return np.array([1.0])


@cache
def looked(look: Callable[[int, Weights], Weights]) -> Outcome:
    return run_probe(Attention, Looking(look))


def test_attention_on_the_effects_is_useful() -> None:
    found = number(looked(on_effects), "usefulness")
    assert value(found) > 0.7
    assert interval(found)[0] > 0.5
    assert found.coverage.scored == found.coverage.planned == found.n
    assert finding(looked(on_effects), "usefulness").outlook == "no_problem_found"


@pytest.mark.parametrize(("beyond", "outlook"), [((0.1, 0.05, 0.2), "no_problem_found"), ((0.0, -0.1, 0.1), "unclear")])
def test_attention_that_says_no_more_than_the_place_of_words_is_not_called_useful(
    beyond: tuple[float, float, float], outlook: str
) -> None:
    found = [
        Attention.measurement(
            name, Estimate(*numbers, 40, None, 0.95, "given"), Coverage(planned=40, scored=40), part=part, chance=0.0
        )
        for name, part, numbers in (
            ("usefulness", None, (0.7, 0.6, 0.8)),
            ("usefulness", POSITION, (0.7, 0.6, 0.8)),
            ("beyond_position", None, beyond),
        )
    ]
    assert usefulness_finding(*found, (), (), Attention.finding).outlook == outlook


def test_effects_that_could_not_be_measured_have_failed_and_are_not_unparsed() -> None:
    class Unexplained(Looking):
        def attribute(self, requests: Sequence[Attribute]) -> list[Attributed | Failure]:
            return [Failure("not_a_number", "No number.") for _ in requests]

        def effects(self, request: Attend) -> Weights:
            return np.array([noise(word) for word in prompt_text(request.prompt).split()])

    outcome = run_probe(Attention, Unexplained(on_effects), 10)
    assert number(outcome, "usefulness").coverage.not_a_number == 10
    assert number(outcome, "entropy").coverage.scored == number(outcome, "entropy").n == 10


@pytest.mark.parametrize("look", [even, away])
def test_attention_elsewhere_is_not(look: Callable[[int, Weights], Weights]) -> None:
    found = number(looked(look), "usefulness")
    assert interval(found)[1] < 0.5
    assert finding(looked(look), "usefulness").outlook == "problem_found"


def test_attention_away_from_the_effects_agrees_less_than_even_attention() -> None:
    values = [value(number(looked(look), "usefulness")) for look in (away, even, on_effects)]
    assert values == sorted(values)


def test_even_attention_has_full_entropy_and_its_share_on_the_first_token() -> None:
    outcome = looked(even)
    assert value(number(outcome, "entropy")) == pytest.approx(1, abs=1e-5)
    sink = number(outcome, "sink_mass")
    assert value(sink) == pytest.approx(sink.chance, abs=1e-5)


def test_attention_on_the_first_token_is_all_sink() -> None:
    outcome = looked(first)
    assert value(number(outcome, "entropy")) == pytest.approx(0, abs=1e-6)
    assert value(number(outcome, "sink_mass")) == pytest.approx(1)
    assert finding(outcome, "usefulness").outlook != "no_problem_found"


def test_a_model_whose_words_have_no_effect_is_not_judged() -> None:
    outcome = run_probe(
        Attention, ScriptedModel(lambda prompt, continuation: -float(len(continuation)), capabilities=PLAIN)
    )
    assert number(outcome, "usefulness").value is None
    assert finding(outcome, "usefulness").outlook == "not_tested"


def test_few_decisions_are_not_judged() -> None:
    outcome = run_probe(Attention, Looking(on_effects), 7)
    assert finding(outcome, "usefulness").outlook == "not_tested"


def test_shown_records_hold_what_the_viewer_draws() -> None:
    records = [r for r in looked(on_effects).records if r.detail]
    assert len(records) == 1 + Attention.options().shown  # type: ignore[attr-defined]
    assert records[0].axis == "gallery"
    for record in records:
        block = record.detail
        tokens = len(block["tokens"])
        raw = zlib.decompress(base64.b64decode(block["weights"]), -15)
        assert len(raw) == block["layers"] * block["heads"] * tokens * (tokens + 1) // 2
        assert len(zlib.decompress(base64.b64decode(block["rollout"]), -15)) == tokens * (tokens + 1) // 2
        assert np.shape(block["entropy"]) == np.shape(block["sink"]) == np.shape(block["distance"]) == (LAYERS, HEADS)
        if record.axis != "gallery":
            assert len(block["flow"]) == tokens
            assert sum(block["flow"]) == pytest.approx(1, abs=0.01)
        json.dumps(block, allow_nan=False)


def test_flagged_decisions_come_first() -> None:
    biased = run_probe(Counterfactual, ScriptedModel(), 60)
    outcome = run_probe(Attention, ScriptedModel(by_words), 8, earlier={Counterfactual.id: biased})
    own = [r for r in outcome.records if r.axis != "gallery"]
    assert [r.axis == "flagged" for r in own] == [True] * 2 + [False] * 8


def test_intervals_stay_in_their_range() -> None:
    found = [interval(number(run_probe(Attention, ScriptedModel(), 2, seed=s), "sink_mass")) for s in range(6)]
    assert all(0 <= low <= high <= 1 for low, high in found)


# Other ways to follow attention, and the place of a word


def on_all(effects: Weights) -> Weights:
    return effects


def weighted(slope: Callable[[Weights], Weights], length: Callable[[Weights], Weights]) -> Outcome:
    return run_probe(Attention, Looking(even, slope=slope, length=length), 24)


@pytest.mark.parametrize("name", [GRADIENT, NORMS])
def test_what_even_attention_hides_is_found_by_what_is_weighed(name: str) -> None:
    """All weights are even; the effects stand in the gradients, or in the lengths of what is weighed, alone."""
    flat, steep = (lambda effects: np.ones_like(effects)), on_all
    planted = weighted(*((steep, flat) if name == GRADIENT else (flat, steep)))
    clean = weighted(flat, flat)
    found = number(planted, "usefulness", name)
    assert value(found) > 0.7
    assert interval(found)[0] > 0.5
    assert interval(number(planted, "beyond_position", name))[0] > 0
    assert interval(number(clean, "usefulness", name))[1] < 0.5
    assert number(planted, "usefulness", RAW).value is None  # even weight has no order
    blocks = [r.detail for r in planted.records if r.detail and r.axis != "gallery"]
    assert all(set(block["maps"]) == {"gradient", "norms"} for block in blocks)


def test_gradients_of_the_wrong_sign_say_nothing() -> None:
    found = number(weighted(lambda effects: -effects, on_all), "usefulness", GRADIENT)
    assert found.value is None  # nothing raises the answer: there is no order of words
    assert found.coverage.unparsed == found.coverage.planned


def test_attention_that_only_follows_the_place_says_no_more_than_it() -> None:
    """The last words have the largest effects and the most attention; so would any picture that is dark at its end."""

    def late(row: int, effects: Weights) -> Weights:
        return np.arange(1.0, row + 2.0)

    def last_matter(prompt: str, continuation: str) -> float:
        return sum(noise(f"{word}{continuation}") * 1.5**i for i, word in enumerate(prompt.split()))

    outcome = run_probe(Attention, Looking(late, last_matter), 30)
    assert value(number(outcome, "usefulness", RAW)) == pytest.approx(
        value(number(outcome, "usefulness", POSITION)), abs=0.02
    )
    low, high = interval(number(outcome, "beyond_position", RAW))
    assert low <= 0 < high < 0.3
    assert interval(number(looked(on_effects), "beyond_position"))[0] > 0.2
    assert "said more than that." in finding(looked(on_effects), "usefulness").text


def test_the_place_is_a_baseline_and_no_test() -> None:
    outcome = looked(on_effects)
    assert number(outcome, "usefulness", POSITION).p_adjusted is None
    ways = [
        m for m in outcome.measurements if m.metric.startswith(f"{Attention.id}.usefulness") and m.slice != POSITION
    ]
    assert {m.slice for m in ways} == {None, "flow", RAW}
    tested = [m for m in ways if m.p_value is not None]
    assert tested
    assert all(m.p_adjusted is not None and m.p_adjusted >= m.p_value for m in tested)  # type: ignore[operator]


def test_layers_without_a_full_matrix_are_named() -> None:
    outcome = run_probe(Attention, Looking(even, missing=("layer 1: linear attention",)), 10)
    assert "layer 1: linear attention" in finding(outcome, "usefulness").text
    for record in outcome.records:
        assert "layer 1: linear attention" in (record.note or "")
        if record.detail:
            assert record.detail["missing"] == ["layer 1: linear attention"]
            assert record.detail["layer_numbers"] == [0]


@pytest.mark.parametrize("causal", [True, False])
def test_even_attention_reaches_as_far_as_it_must(causal: bool) -> None:
    places = np.arange(9)
    apart = np.abs(places[:, None] - places)
    rows = [apart[i, : i + 1].mean() for i in range(1, 9)] if causal else [row.mean() for row in apart]
    assert even_distance(9, causal) == pytest.approx(np.mean(rows))
    assert even_distance(1, causal) is None


def test_even_attention_has_its_distance() -> None:
    found = number(looked(even), "mean_distance")
    assert value(found) == pytest.approx(found.chance, rel=1e-5)


def test_a_block_of_a_usual_encoder_is_small() -> None:
    """Twelve layers of twelve heads over 64 tokens, every weight of another size."""
    weights = np.random.default_rng(0).dirichlet(np.full(64, 0.5), size=(12, 12, 64)).astype(np.float32)
    maps = {name: weights[0, 0].astype(np.float64) for name in ("rollout", "gradient", "norms")}
    block = viewer_block(Attended(("token",) * 64, 60, False, weights), np.ones((12, 12)), np.ones((12, 12)), maps)
    assert len(json.dumps(block)) < 800_000


def test_heads_with_a_role_are_marked() -> None:
    roles = {"induction": [(1, 0), (7, 1)], "previous token": [(4, 1)]}
    weights = np.full((2, 2, 3, 3), 1 / 3, dtype=np.float32)
    attended = Attended(("a", "b", "c"), 2, False, weights, layers=(4, 7))
    block = viewer_block(attended, None, None, roles=roles)
    assert block["roles"] == {"induction": [[7, 1]], "previous token": [[4, 1]]}
    assert "roles" not in viewer_block(replace(attended, sources=("x", "y", "z")), None, None, roles=roles)
    heads = run_probe(HeadRoles, Heads(("previous", "even")), 24)
    shown = run_probe(Attention, Looking(even), 8, earlier={HeadRoles.id: heads})
    assert all(r.detail["roles"]["previous token"] == [[0, 0]] for r in shown.records if r.detail)


# The gallery


class Completing(Looking):
    """Its head 1 looks from "difficult" to "making"."""

    def _seen(self, request: Attend) -> Attended:
        found = super()._seen(request)
        if request.prompt + request.continuation == SENTENCE:  # type: ignore[operator]
            row, column = len(found.tokens) - 1, found.tokens.index(" making")
            weights = found.weights.copy()
            weights[:, 1, row] *= 0.1
            weights[:, 1, row, column] += 0.9
            found = replace(found, weights=weights)
        return found


def test_the_gallery_counts_heads_that_look_back() -> None:
    planted, clean = (run_probe(Attention, kind(even), 8).records[0] for kind in (Completing, Looking))
    assert planted.scores["heads_above"] == 1
    assert planted.scores["strongest"] == pytest.approx(0.9, abs=0.01)
    assert planted.note is not None
    assert "layer 0, head 1" in planted.note
    marks = planted.detail["marks"]
    tokens = planted.detail["tokens"]
    assert [tokens[i].strip() for i in (*marks["from"], *marks["to"])] == ["difficult.", "making"]
    assert "reads from left to right" in planted.detail["caption"]
    assert clean.scores["heads_above"] == 0
    assert clean.scores["strongest"] == pytest.approx(clean.scores["even_share"])


class BothWays(ScriptedModel):
    """A masked model: every token looks at the last two words of the text alone."""

    def attend(self, requests: Sequence[Attend]) -> list[Attended | Failure]:
        return [self._both(r) for r in requests]

    def _both(self, request: Attend) -> Attended:
        pieces = ("[CLS]", *f"{prompt_text(request.prompt)}{request.continuation}".split(), "[SEP]")
        size = len(pieces)
        weights = np.zeros((1, 2, size, size), dtype=np.float32)
        weights[:, 0, :, size - 3 : size - 1] = 0.5
        weights[:, 1] = 1 / size
        return Attended(pieces, size - 2, False, weights)


def test_a_model_that_reads_both_ways_is_asked_the_other_way_round() -> None:
    record = run_probe(Attention, BothWays(by_words, capabilities=PLAIN), 8).records[0]
    tokens, marks = record.detail["tokens"], record.detail["marks"]
    assert [tokens[i] for i in marks["from"]] == ["making"]
    assert [tokens[i] for i in marks["to"]] == ["more", "difficult."]
    assert record.scores["heads_above"] == 1
    assert record.scores["strongest"] == pytest.approx(1)


def test_the_gallery_is_not_counted() -> None:
    outcome = looked(on_effects)
    assert number(outcome, "usefulness").coverage.planned == len(outcome.records) - 1


def test_a_classifier_needs_no_likelihoods() -> None:
    assert Attention.needs(Attention.options()) == {Capability.ATTENTION, Capability.ATTRIBUTE}
    model = BothWays(capabilities=frozenset({Capability.CLASSIFY, Capability.ATTENTION, Capability.ATTRIBUTE}))
    record = run_probe(Attention, model, 8).records[0]
    assert record.status == "scored"
