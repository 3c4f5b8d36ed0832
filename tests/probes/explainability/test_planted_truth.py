"""Attributions of models whose decision hangs on a known word (the idea of Bastings et al. 2022, arXiv:2111.07367)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from scipy.stats import binom

from audit.models import Attribute, Attributed
from audit.models.requests import Method
from audit.models.whitebox import WhiteBox
from tests.audit.models.tiny import single_thread
from tests.probes.explainability.planted import Case, held_out, planted_causal, planted_masked, texts

CASES = held_out()
LEAST = 0.9  # of the cases
METHODS: dict[Method, int] = {"leave_one_out": 0, "shapley_sampling": 4}
Scores = Sequence[Sequence[float]]


@pytest.fixture(scope="module", params=[planted_causal, planted_masked], ids=["causal", "masked"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> WhiteBox:
    made: WhiteBox = request.param(tmp_path_factory.mktemp("planted"))
    return made


@pytest.fixture(scope="module")
def scores(model: WhiteBox) -> dict[Method, list[tuple[float, ...]]]:
    """Of the right answer over the other, for every case."""
    return {method: explained(model, method, samples) for method, samples in METHODS.items()}


def explained(model: WhiteBox, method: Method, samples: int) -> list[tuple[float, ...]]:
    asked = [Attribute(c.prompt, c.answer, c.contrast, method=method, samples=samples) for c in CASES]
    with single_thread():
        found = model.attribute(asked)
    assert all(isinstance(one, Attributed) for one in found)
    return [one.scores for one in found if isinstance(one, Attributed)]


def hits(scores: Scores) -> int:
    """In how many cases the deciding word has the highest score."""
    return sum(int(np.argmax(each)) == case.deciding for each, case in zip(scores, CASES, strict=True))


def at_chance(scores: Scores) -> bool:
    """Whether the hits lie in the 99.9% interval of naming any word as often as another."""
    chance = float(np.mean([1 / len(each) for each in scores]))
    low, high = binom.interval(0.999, len(scores), chance)
    return bool(low <= hits(scores) <= high)


def test_the_cases_are_new_and_their_words_stand_anywhere() -> None:
    assert len(CASES) >= 60
    assert not {case.prompt for case in CASES} & {text.rsplit(" ", 1)[0] for text in texts()}
    assert len({case.deciding for case in CASES}) >= 8
    assert {case.answer for case in CASES} == {" good", " bad"}


def test_the_model_can_do_it(model: WhiteBox) -> None:
    """Otherwise there would be no decision to explain; without the deciding word there is none."""
    scalars = [model.scalar(Attribute(c.prompt, c.answer, c.contrast)) for c in CASES]
    every = [tuple(range(c.words)) for c in CASES]
    right = [scalar([kept])[0] for scalar, kept in zip(scalars, every, strict=True)]
    assert np.mean(np.array(right) > 0) >= 0.95
    gone = [tuple(u for u in kept if u != c.deciding) for kept, c in zip(every, CASES, strict=True)]
    undecided = [scalar([kept])[0] for scalar, kept in zip(scalars, gone, strict=True)]
    assert np.median(np.abs(undecided)) < 0.5 * np.median(right)


@pytest.mark.parametrize("method", METHODS)
def test_the_deciding_word_is_named_first(scores: dict[Method, Scores], method: Method) -> None:
    assert hits(scores[method]) >= LEAST * len(CASES)
    assert not at_chance(scores[method])


def random_scores(scores: Scores) -> Scores:
    stream = np.random.default_rng(0)
    return [stream.normal(size=len(each)).tolist() for each in scores]


def shuffled_scores(scores: Scores) -> Scores:
    stream = np.random.default_rng(1)
    return [stream.permutation(each).tolist() for each in scores]


def another_cases(scores: Scores) -> Scores:
    """Those of another case of as many words."""
    lengths = np.array([len(each) for each in scores])
    found = []
    for place, each in enumerate(scores):
        like = [i for i in np.flatnonzero(lengths == len(each)) if i != place]
        found.append(scores[int(like[place % len(like)])])
    return found


@pytest.mark.parametrize("broken", [random_scores, shuffled_scores, another_cases])
@pytest.mark.parametrize("method", METHODS)
def test_broken_attributions_are_at_chance(
    scores: dict[Method, Scores], method: Method, broken: Callable[[Scores], Scores]
) -> None:
    assert at_chance(broken(scores[method]))


def test_shuffled_weights_forget_the_word(model: WhiteBox) -> None:
    asked = [Attribute(c.prompt, c.answer, c.contrast, randomised=1.0, seed=3) for c in CASES]
    with single_thread():
        found = [one.scores for one in model.attribute(asked) if isinstance(one, Attributed)]
    assert hits(found) < 0.5 * len(CASES)


def test_a_case_knows_its_word() -> None:
    case = Case("the lamp joy it was", " good", " bad", 2)
    assert case.prompt.split()[case.deciding] == "joy"
    assert all(c.prompt.split()[c.deciding] in ("joy", "gift", "smile", "feast") for c in CASES if c.answer == " good")
