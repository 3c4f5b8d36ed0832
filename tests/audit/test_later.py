"""A module that is imported when it is first used, and the pace of the garbage collector until then."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.later import SELDOM, USUAL, collect_as_usual, collect_seldom, later


@pytest.fixture
def heavy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "a_heavy_module.py").write_text("VALUE = 1\n\ndef value():\n    return VALUE\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "a_heavy_module", raising=False)
    return "a_heavy_module"


def test_it_is_imported_at_first_use_and_is_then_the_module(heavy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stands_for_it = later(heavy)
    assert heavy not in sys.modules
    assert stands_for_it.value() == 1
    monkeypatch.setattr(sys.modules[heavy], "VALUE", 2)
    assert stands_for_it.VALUE == stands_for_it.value() == 2


def test_what_is_not_there_is_told_as_ever(heavy: str) -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = later(heavy).nothing
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        _ = later("no_such_module").value


def test_who_goes_over_all_modules_imports_nothing(heavy: str) -> None:
    """As ``inspect.getmodule`` does, which torch calls at its import."""
    _ = later(heavy)
    for module in list(sys.modules.values()):
        hasattr(module, "__file__")
    assert heavy not in sys.modules


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
