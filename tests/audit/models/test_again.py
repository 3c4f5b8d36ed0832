"""Requests asked again: never confused with the first asking, in the company that was stated, on every kind of model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import pytest

from audit.cache import ResponseCache
from audit.execution import Answers
from audit.models import (
    Again,
    Failure,
    Generate,
    Generated,
    Model,
    Request,
    Score,
    Scored,
    Unavailable,
    Way,
    answer,
    groups,
)
from audit.models.base import in_company
from audit.models.causal import CausalModel
from audit.models.scripted import ScriptedModel
from audit.models.seq2seq import Seq2SeqModel
from audit.progress import Silent

WAYS: tuple[Way, ...] = get_args(Way)
SCORES = [
    Score(f"The {c} cat", f" sleeps in the {p}.") for c in ("red", "blue") for p in ("garden", "kitchen", "river")
]
WRITTEN = [Generate(f"The {c} cat", 4) for c in ("red", "green", "blue")]
SAMPLED = [Generate(f"The {c} cat", 4, 0.9, seed) for seed, c in enumerate(("red", "green", "blue"))]
POOL: list[Score | Generate] = [*SCORES, *WRITTEN, *SAMPLED]


def in_every_way(pool: Sequence[Score | Generate]) -> list[Request]:
    return [Again(request, way) for request in pool for way in WAYS]


def test_keys_are_of_way_and_request() -> None:
    keys = {r.key for r in (*in_every_way(POOL), *POOL)}
    assert len(keys) == 5 * len(POOL)
    assert Again(SCORES[0], "same").key == Again(Score("The red cat", " sleeps in the garden."), "same").key
    assert Again(SCORES[0], "same").needs == SCORES[0].needs


class Listening(ScriptedModel):
    """Remembers the batches that it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[list[Request]] = []

    def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
        self.heard.append(list(requests))
        return super().score(requests)


def test_the_company_is_as_stated() -> None:
    model = Listening()
    own = model.batches(SCORES)
    heard = {}
    for way in WAYS:
        model.heard.clear()
        asked: list[Request] = [Again(r, way) for r in SCORES]
        for batch in groups(model, asked):
            answer(model, batch)
        heard[way] = list(model.heard)
    assert heard["first"] == heard["same"] == own
    assert heard["alone"] == [[r] for group in own for r in group]
    [backwards] = heard["reversed"]
    assert [r for r in backwards if r in SCORES] == own[0][::-1]
    assert len(backwards) == len(SCORES) + 3
    assert len({r.key for r in backwards}) == len(backwards)


def test_others_are_like_what_is_asked() -> None:
    asked = in_company([Again(r, "reversed") for r in SAMPLED])
    others = [r for r in asked if r not in SAMPLED]
    assert len(others) == 2
    assert all(isinstance(r, Generate) and (r.max_tokens, r.temperature) == (4, 0.9) for r in others)


def test_groups_of_other_requests_are_the_models_own() -> None:
    model = ScriptedModel()
    assert groups(model, SCORES) == model.batches(SCORES)


def test_a_model_that_stops_keeps_what_it_had_answered() -> None:
    class Spent(ScriptedModel):
        def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
            found = super().score(requests)
            raise Unavailable("The budget is spent.", dict(zip(requests[:2], found[:2], strict=True)))

    batch = [Again(r, "same") for r in SCORES]
    with pytest.raises(Unavailable) as stop:
        answer(Spent(), batch)
    assert set(stop.value.found) == set(batch[:2])


@pytest.mark.parametrize("kind", ["llama", "t5", "scripted", "apart"])
def test_every_kind_gives_the_same_whatever_the_company(kind: str, request: pytest.FixtureRequest, tmp_path) -> None:  # type: ignore[no-untyped-def]
    class Apart(ScriptedModel):
        answers_apart = True

    own: dict[str, Model] = {"scripted": ScriptedModel(), "apart": Apart()}
    model: CausalModel | Seq2SeqModel | Model = own[kind] if kind in own else request.getfixturevalue(kind)
    answers = Answers()
    with ResponseCache(tmp_path / "cache", model.fingerprint) as cache:
        answers.fill(model, cache, [*POOL, *in_every_way(POOL)], Silent())
    assert answers.counts["computed"] == 5 * len(POOL)
    for asked in POOL:
        first = answers.responses[asked]
        for way in WAYS:
            found = answers.responses[Again(asked, way)]
            assert type(found) is type(first)
            if isinstance(first, Scored) and isinstance(found, Scored):
                assert found.logprob == pytest.approx(first.logprob, abs=1e-3)
            elif isinstance(first, Generated) and isinstance(found, Generated):
                assert found.text == first.text


def test_the_first_answer_is_never_taken_for_the_second(tmp_path) -> None:  # type: ignore[no-untyped-def]
    model = Listening()
    with ResponseCache(tmp_path / "cache", model.fingerprint) as cache:
        Answers().fill(model, cache, SCORES, Silent())
        before = len(model.heard)
        Answers().fill(model, cache, [Again(r, "same") for r in SCORES], Silent())
        assert len(model.heard) == before + 1
        Answers().fill(model, cache, [Again(r, "same") for r in SCORES], Silent())  # kept like any other answer
        assert len(model.heard) == before + 1


def test_askings_that_are_compared_are_of_one_run(tmp_path) -> None:  # type: ignore[no-untyped-def]
    class Apart(Listening):
        answers_apart = True

    for model, anew in ((Listening(), 24), (Apart(), 20)):  # what a server answered was paid for
        with ResponseCache(tmp_path / type(model).__name__, model.fingerprint) as cache:
            Answers().fill(model, cache, in_every_way(SCORES[:1]), Silent())
            more = Answers()
            more.fill(model, cache, in_every_way(SCORES), Silent())
        assert (more.counts["computed"], more.counts["from_cache"]) == (anew, 24 - anew)
