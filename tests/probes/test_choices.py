"""The likeliest of several continuations: ties, failures and order."""

from __future__ import annotations

import pytest

from audit.models import Failure, Generated, Response, Score, Scored
from probes.choices import Choice, asked, chosen

ASKED = asked("Is it?", [" yes", " no", " maybe"])


def choice(*values: float | Failure) -> Choice:
    answers: dict[Score, Response] = {
        request: value if isinstance(value, Failure) else Scored(value, 1, False)
        for request, value in zip(ASKED, values, strict=True)
    }
    return chosen(ASKED, answers)


@pytest.mark.parametrize("place", range(3))
def test_the_likeliest_is_chosen(place: int) -> None:
    found = choice(*(-1.0 if i == place else -2.0 - i for i in range(3)))
    assert found.best == place
    assert not found.tied
    assert found.tokens == (1, 1, 1)


def test_a_tie_has_no_best_wherever_it_stands() -> None:
    for values in ((-1.0, -1.0, -2.0), (-2.0, -1.0, -1.0), (-1.0, -1.0, -1.0)):
        found = choice(*values)
        assert found.tied
        assert found.best is None
    assert choice(-1.0, -2.0, -2.0).best == 0


@pytest.mark.parametrize("status", ["truncated", "not_a_number", "failed"])
def test_one_missing_answer_leaves_no_choice(status: str) -> None:
    found = choice(-1.0, Failure(status, "For a reason."), -2.0)  # type: ignore[arg-type]
    assert found == Choice(status)  # type: ignore[arg-type]
    assert not found.tied


def test_an_answer_of_another_kind_is_a_failure_and_none_at_all_too() -> None:
    answers: dict[Score, Response] = dict.fromkeys(ASKED, Generated("yes", 1, -1.0, "stop"))
    assert chosen(ASKED, answers).status == "failed"
    assert chosen([], {}).status == "failed"
    with pytest.raises(KeyError):
        chosen(ASKED, {})
