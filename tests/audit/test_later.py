"""A module that is imported when it is first used."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from audit.later import later


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
