"""The pace of the garbage collector: a process of our own starts fast, and anybody else's is left alone."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from audit.later import SELDOM, USUAL, collect_as_usual, collect_seldom


@pytest.fixture(autouse=True)
def own_pace() -> Iterator[None]:
    """The pace of the test run, put back."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_the_usual_pace_comes_back() -> None:
    collect_seldom()
    assert gc.get_threshold()[0] == SELDOM[0]
    collect_as_usual()
    assert gc.get_threshold()[0] == USUAL[0]
    assert gc.get_freeze_count() > 0


def test_the_pace_of_another_process_is_left_alone() -> None:
    gc.set_threshold(1234, 5, 6)
    frozen = gc.get_freeze_count()
    collect_as_usual()
    assert gc.get_threshold()[:2] == (1234, 5)
    assert gc.get_freeze_count() == frozen
