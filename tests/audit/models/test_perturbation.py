"""The perturbation methods on scalars whose right scores are known, and what they say of each token of an answer."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pytest
import torch

from audit.models import Ablate, Ablated, Attribute, Attributed, Failure, Score, Scored
from audit.models.causal import CausalModel
from audit.models.explain import Worth, ablate_all, attribute_all, together, values_of
from audit.models.requests import Method
from audit.models.text import Units
from tests.audit.models.test_attribute import ANSWER, OTHER, PROMPT, attributed

WEIGHTS = (2.0, -0.5, 0.0, 1.25, 3e-4, -1.0)
METHODS: dict[Method, int] = {"leave_one_out": 0, "shapley_sampling": 2, "kernel_shap": 40, "lime": 40}
PROMPTS = ("The red cat sleeps in the", "The dog", "Where is the white horse?")


class Counting:
    """A scorer of sets themselves, that notes how often it is asked."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def score(self, asked: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
        self.calls.append(len(asked))
        return list(asked)


class Planted:
    """A scalar that is a function of the kept units, and its two tokens, which have one and two thirds of it."""

    def __init__(self, value: Callable[[tuple[int, ...]], float], units: int, scorer: Counting | None = None) -> None:
        self.units = Units(tuple(range(units)), tuple(f"w{i}" for i in range(units)), tuple((i,) for i in range(units)))
        self.scorer = scorer or Counting()
        self._value = value

    def pieces(self) -> tuple[str, ...]:
        return "one", "two"

    def asked(self, kept: Iterable[int]) -> list[tuple[int, ...]]:
        return [tuple(kept)]

    def read(self, found: Sequence[tuple[int, ...]]) -> Worth | None:
        value = self._value(found[0])
        return Worth(value, (value / 3, 2 * value / 3)) if math.isfinite(value) else None

    def __call__(self, kept: Sequence[Sequence[int]]) -> list[float]:
        return values_of(self, kept)


def linear(kept: Iterable[int]) -> float:
    return -20.0 + sum(WEIGHTS[i] for i in kept)


def asking(method: Method, samples: int, by_token: bool = False, seed: int = 0) -> Attribute:
    return Attribute("six words", " x", method=method, samples=samples, by_token=by_token, seed=seed)


def explained(scalar: Planted, request: Attribute) -> Attributed:
    [found] = attribute_all([request], [scalar])
    assert isinstance(found, Attributed), found
    return found


@pytest.mark.parametrize("method", METHODS)
def test_the_weights_of_a_sum_are_recovered(method: Method) -> None:
    """The least of them too, which a penalty would set to nothing."""
    found = explained(Planted(linear, 6), asking(method, METHODS[method]))
    assert found.scores == pytest.approx(WEIGHTS, abs=2e-6)
    assert found.full - found.empty == pytest.approx(sum(WEIGHTS))
    if method in ("shapley_sampling", "kernel_shap"):
        assert found.error == pytest.approx(0, abs=1e-5)
    else:
        assert found.error is None


@pytest.mark.parametrize("method", METHODS)
def test_tokens_share_what_their_answer_has(method: Method) -> None:
    def both(kept: tuple[int, ...]) -> float:
        return math.sin(sum(kept)) + len(kept) ** 2

    found = explained(Planted(both, 5), asking(method, 30, by_token=True))
    assert found.tokens == ("one", "two")
    assert [len(row) for row in found.by_token] == [5, 5]
    assert np.sum(found.by_token, axis=0) == pytest.approx(found.scores, abs=1e-5)
    assert found.by_token[1] == pytest.approx([2 * score for score in found.by_token[0]], abs=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_explained_by_zeros(method: Method) -> None:
    found = explained(Planted(lambda kept: -3.0, 4), asking(method, 30))
    assert found.scores == pytest.approx([0.0] * 4, abs=1e-9)
    assert not any(round(score, 9) for score in found.scores)
    assert found.error is None


@pytest.mark.parametrize("method", METHODS)
def test_one_unit_has_the_whole(method: Method) -> None:
    found = explained(Planted(lambda kept: 2.0 * len(kept), 1), asking(method, 8))
    assert found.scores == pytest.approx([2.0], abs=1e-6)


def test_kernel_shap_approaches_exact_shapley_values(llama: CausalModel) -> None:
    subsets = [s for size in range(7) for s in itertools.combinations(range(6), size)]
    [values] = llama.ablate([Ablate(PROMPT, ANSWER, kept=tuple(subsets))])
    assert isinstance(values, Ablated)
    f = dict(zip(subsets, values.values, strict=True))
    exact = [0.0] * 6
    for kept in subsets[:-1]:
        weight = math.factorial(len(kept)) * math.factorial(5 - len(kept)) / math.factorial(6)
        for unit in set(range(6)) - set(kept):
            exact[unit] += weight * (f[tuple(sorted((*kept, unit)))] - f[kept])
    assert sum(exact) == pytest.approx(f[tuple(range(6))] - f[()], abs=1e-4)
    far = {}
    for samples in (16, 4000):
        found = attributed(llama, Attribute(PROMPT, ANSWER, method="kernel_shap", samples=samples))
        assert found.error is not None
        assert found.error < 1e-3
        far[samples] = max(abs(a - b) for a, b in zip(found.scores, exact, strict=True))
    spread = max(exact) - min(exact)
    assert far[4000] < 0.05 * spread
    assert far[4000] < far[16]


def test_lime_weighs_what_is_near_the_text() -> None:
    """An effect of the whole text alone counts for more than one of a text without anything."""
    near = explained(Planted(lambda kept: float(len(kept) == 6), 6), asking("lime", 600))
    far = explained(Planted(lambda kept: float(len(kept) == 0), 6), asking("lime", 600))
    assert min(near.scores) > 0
    assert max(far.scores) < 0
    assert abs(sum(far.scores)) < 0.2


@pytest.mark.parametrize("method", ["kernel_shap", "lime"])
@pytest.mark.parametrize("samples", [0, 3, 6])
def test_too_few_texts_are_not_enough(method: Method, samples: int) -> None:
    scorer = Counting()
    [found] = attribute_all([asking(method, samples)], [Planted(linear, 6, scorer)])
    assert isinstance(found, Failure)
    assert found.reason == f"{samples} perturbed texts cannot tell 6 words apart; it takes more samples."
    assert sum(scorer.calls) == 0


@pytest.mark.parametrize("method", METHODS)
def test_one_seed_one_answer_and_the_global_stream_as_it_was(method: Method) -> None:
    def curved(kept: tuple[int, ...]) -> float:
        return math.sin(sum(kept)) + len(kept) ** 2

    before = torch.get_rng_state()
    found = [explained(Planted(curved, 6), asking(method, 12, seed=seed)).scores for seed in (3, 3, 4)]
    assert torch.equal(before, torch.get_rng_state())
    assert found[0] == found[1]
    assert (found[0] == found[2]) == (method == "leave_one_out")


def test_the_scorer_is_asked_once_for_all_and_nothing_twice() -> None:
    scorer = Counting()
    requests = [asking(method, samples) for method, samples in METHODS.items()]
    found = attribute_all(requests, [Planted(linear, 6, scorer) for _ in requests])
    assert all(isinstance(one, Attributed) for one in found)
    assert len(scorer.calls) == 1
    scorer.calls.clear()
    explained(Planted(linear, 6, scorer), asking("leave_one_out", 0))
    assert scorer.calls == [8]  # all, none, and each of six left out


def test_a_failure_is_its_own() -> None:
    """A request that cannot be answered leaves the others their answers."""
    scorer = Counting()
    requests = [asking("leave_one_out", 0), asking("saliency", 0), asking("leave_one_out", 0), asking("lime", 2)]
    scalars = [Planted(lambda _: math.nan, 6, scorer), *(Planted(linear, 6, scorer) for _ in range(3))]
    found = attribute_all(requests, scalars)
    assert [type(one).__name__ for one in found] == ["Failure", "Failure", "Attributed", "Failure"]
    assert isinstance(found[0], Failure)
    assert found[0].status == "not_a_number"
    kept = [Ablate("six words", " x", kept=((0,), ())), Ablate("six words", " x", kept=((9,),))]
    answers = ablate_all(kept, [Planted(linear, 6, scorer) for _ in kept])
    assert answers[0] == Ablated((-18.0, -20.0))
    assert isinstance(answers[1], Failure)


@pytest.mark.parametrize("method", ["leave_one_out", "shapley_sampling"])
def test_tokens_of_an_answer_one_by_one(llama: CausalModel, method: Method) -> None:
    """A token's scores are those of the token alone, after the prompt and the tokens before it."""
    found = attributed(llama, Attribute(PROMPT, ANSWER, OTHER, method=method, samples=3, seed=5, by_token=True))
    assert "".join(found.tokens) == ANSWER
    assert len(found.by_token) == len(found.tokens) > 2
    plain = attributed(llama, Attribute(PROMPT, ANSWER, method=method, samples=3, seed=5))
    assert np.sum(found.by_token, axis=0) == pytest.approx(plain.scores, abs=1e-4)
    if method == "shapley_sampling":
        return
    for t, row in enumerate(found.by_token):
        upto, before = "".join(found.tokens[: t + 1]), "".join(found.tokens[:t])
        longer = attributed(llama, Attribute(PROMPT, upto)).scores
        shorter = attributed(llama, Attribute(PROMPT, before)).scores if before else [0.0] * len(row)
        assert row == pytest.approx([a - b for a, b in zip(longer, shorter, strict=True)], abs=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_an_answer_is_not_explained_against_itself(llama: CausalModel, method: Method) -> None:
    [found] = llama.attribute([Attribute(PROMPT, ANSWER, ANSWER, method=method, samples=40)])
    assert found == Failure("failed", "The answer and the contrast are the same, so that there is nothing to explain.")


@pytest.mark.parametrize("unit", ["token", "segment"])
def test_other_units(llama: CausalModel, unit: str) -> None:
    text = "The red cat sleeps. Where is the"
    found = attributed(llama, Attribute(text, " cat", unit=unit))  # type: ignore[arg-type]
    if unit == "segment":
        assert found.units == ("The red cat sleeps.", "Where is the")
        [alone] = llama.score([Score("The red cat sleeps.", " cat")])
        assert isinstance(alone, Scored)
        assert found.scores[1] == pytest.approx(found.full - alone.logprob, abs=1e-4)
    else:
        assert found.units == ("The", "red", "cat", "sleeps", ".", "Where", "is", "the")
    kept = (tuple(range(len(found.units))), ())
    [left] = llama.ablate([Ablate(text, " cat", unit=unit, kept=kept)])  # type: ignore[arg-type]
    assert isinstance(left, Ablated)
    assert left.values == pytest.approx([found.full, found.empty], abs=1e-4)


def test_groups_do_not_depend_on_the_order_of_requests(llama: CausalModel) -> None:
    requests = [
        Attribute(prompt, answer, method=method, samples=3, randomised=share)
        for prompt in PROMPTS
        for answer in (ANSWER, OTHER)
        for method in METHODS
        for share in (0.0, 0.5)
    ]
    groups = together(requests, 500)
    assert groups == together(requests[::-1], 500)
    assert groups != together(requests, 5000)
    assert sorted(r.key for group in groups for r in group) == sorted(r.key for r in requests)
    for group in groups:
        assert len({r.randomised for r in group if isinstance(r, Attribute)}) == 1
    assert [len(g) for g in llama.batches(requests)] == [24, 24]
    kept = [Ablate(prompt, ANSWER, kept=((0,), ())) for prompt in PROMPTS]
    assert [len(g) for g in llama.batches(kept)] == [3]
