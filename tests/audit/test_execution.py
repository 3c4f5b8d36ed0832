"""Answering a pool: each request once, whole batches, on disk before the next, and no failure wider than it must be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.cache import ResponseCache
from audit.execution import Answers, attempt
from audit.models import (
    Attend,
    Attended,
    Embedded,
    Failure,
    Generate,
    Request,
    Response,
    Score,
    Scored,
    check_storable,
    encode,
)
from audit.models.scripted import ScriptedModel
from audit.progress import Silent
from tests.audit.support import CountingModel, without_collecting

POOL: list[Request] = [Score(f"prompt {i}", " yes") for i in range(50)]


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[ResponseCache]:
    with ResponseCache(tmp_path / "cache.sqlite", "f") as opened:
        yield opened


def fill(model: ScriptedModel, cache: ResponseCache, pool: Sequence[Request]) -> Answers:
    answers = Answers()
    answers.fill(model, cache, pool, Silent())
    return answers


def test_every_request_is_answered_in_batches(cache: ResponseCache) -> None:
    model = CountingModel()
    answers = fill(model, cache, [*POOL, *POOL[:10]])
    assert set(answers.responses) == set(POOL)
    assert model.sizes == [16, 16, 16, 2]
    assert set(model.asked.values()) == {1}
    assert answers.counts == {"unique": 50, "computed": 50}
    assert set(answers.seconds) == set(POOL)
    assert all(seconds >= 0 for seconds in answers.seconds.values())


def test_what_is_answered_is_not_asked_again(cache: ResponseCache) -> None:
    model = CountingModel()
    answers = fill(model, cache, POOL)
    answers.fill(model, cache, [*POOL, Score("new", " yes")], Silent())
    assert model.asked.total() == 51
    answers.fill(model, cache, [], Silent())
    assert model.asked.total() == 51


def test_full_cache_asks_nothing_and_costs_nothing(cache: ResponseCache) -> None:
    before = fill(ScriptedModel(), cache, POOL)
    model = CountingModel()
    after = fill(model, cache, POOL)
    assert after.responses == before.responses
    assert model.asked.total() == 0
    assert after.seconds == {}
    assert after.counts == {"unique": 50, "from_cache": 50}


def test_full_cache_forms_no_batches(cache: ResponseCache) -> None:
    class Unread(CountingModel):
        """Cannot group, as if reading the texts as tokens were what fails."""

        def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
            raise AssertionError("it was asked to group what is known")

    before = fill(ScriptedModel(), cache, POOL)
    model = Unread()
    backwards = fill(model, cache, POOL[::-1])
    assert backwards.responses == before.responses
    assert list(backwards.responses) == POOL[::-1]  # in the order of the pool, not in that of the file
    assert model.asked.total() == 0


def test_batch_with_a_hole_is_computed_whole_and_others_not_at_all(cache: ResponseCache) -> None:
    model = CountingModel()
    batches = model.batches(POOL)
    known = [request for batch in batches for request in batch if request != batches[1][3]]
    cache.put(list(zip(known, attempt(ScriptedModel(), known), strict=True)))
    answers = fill(model, cache, POOL)
    assert set(model.asked) == set(batches[1])
    assert answers.counts == {"unique": 50, "computed": 16, "from_cache": 34}


def test_finished_batch_is_on_disk_before_the_next(cache: ResponseCache, tmp_path: Path) -> None:
    found: list[int] = []

    class Looking(ScriptedModel):
        def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
            with ResponseCache(tmp_path / "cache.sqlite", "f") as other:
                found.append(len(other.get(POOL)))
            return super().score(requests)

    fill(Looking(), cache, POOL)
    assert found == [0, 16, 32, 48]


def test_kinds_are_answered_apart(cache: ResponseCache) -> None:
    mixed: list[Request] = [
        request for i in range(3) for request in (Score(f"{i}", "a"), Generate(f"{i}", 4), Attend(f"{i}", "a"))
    ]
    model = CountingModel()
    answers = fill(model, cache, mixed)
    assert model.sizes == [3, 3, 3]
    assert {type(r).__name__: type(a).__name__ for r, a in answers.responses.items()} == {
        "Attend": "Attended",
        "Generate": "Generated",
        "Score": "Scored",
    }


def test_stop_from_the_keyboard_is_not_an_answer(cache: ResponseCache) -> None:
    class Stopped(CountingModel):
        def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
            if len(self.sizes) == 2:
                raise KeyboardInterrupt
            return super().score(requests)

    with pytest.raises(KeyboardInterrupt):
        fill(Stopped(), cache, POOL)
    assert len(cache.get(POOL)) == 32


@pytest.mark.parametrize("error", [RuntimeError, TypeError, OSError, StopIteration, AssertionError])
def test_every_kind_of_error_is_one_failure(error: type[Exception]) -> None:
    class Broken(ScriptedModel):
        def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
            raise error

    assert attempt(Broken(), POOL[:1]) == [Failure("failed", f"{error.__name__}: no message")]


def test_model_without_the_method_is_a_failure() -> None:
    class Mute:
        pass

    (response,) = attempt(Mute(), [Score("a", "b")])  # type: ignore[arg-type]
    assert response == Failure("failed", "TypeError: Mute cannot answer Score requests")


@settings(deadline=None, max_examples=60)
@given(st.sets(st.integers(0, 40)), st.integers(1, 41))
def test_halving_leaves_out_the_bad_ones_only(bad: set[int], size: int) -> None:
    class Picky(ScriptedModel):
        calls = 0

        def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
            self.calls += 1
            if bad & {int(str(r.prompt)) for r in requests}:
                raise ValueError("bad")
            return super().score(requests)

    model, batch = Picky(), [Score(f"{i}", "x") for i in range(size)]
    found = attempt(model, batch)
    assert [isinstance(f, Failure) for f in found] == [i in bad for i in range(size)]
    assert [f for i, f in enumerate(found) if i not in bad] == ScriptedModel().score(
        [r for i, r in enumerate(batch) if i not in bad]
    )
    assert model.calls <= 1 + 2 * len(bad & set(range(size))) * size.bit_length()


def test_failures_are_tried_again_by_the_next_run(cache: ResponseCache) -> None:
    class Unlucky(ScriptedModel):
        def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
            raise RuntimeError("out of memory")

    with without_collecting():  # after every batch that does not fit, which is not what is tested here
        first = fill(Unlucky(), cache, POOL)
    assert all(isinstance(r, Failure) for r in first.responses.values())
    second = fill(ScriptedModel(), cache, POOL)
    assert not any(isinstance(r, Failure) for r in second.responses.values())


FINE = np.zeros((2, 2), np.float32)
WORDS: Any = np.array([1.0, "b"], object)  # the fault is not in the first place
NOT_ONE: Any = "no response"
RESPONSES = [
    Scored(-1.5, 2, True),
    Scored(float("nan"), 2, True),
    Attended(("a", "b"), 1, True, np.ones((1, 1, 2, 2), np.float32)),
    Embedded(FINE[0]),
    Embedded(np.array([], np.float32)),
    Embedded(WORDS),
    Embedded(WORDS.astype(str)),
    Embedded(np.array([1, 2])),
    NOT_ONE,
]


@pytest.mark.parametrize("response", RESPONSES)
def test_what_can_be_stored_is_what_can_be_written_down(response: Response) -> None:
    """The check writes out no arrays; it refuses what writing would refuse."""
    found = []
    for way in (encode, check_storable):
        try:
            way(response)
            found.append(None)
        except (AttributeError, TypeError, ValueError) as error:
            found.append(type(error))
    assert found[0] is found[1]
