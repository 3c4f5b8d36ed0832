"""The generated parts of the documentation are those that the code would write now."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from audit.models.causal import CausalModel
from audit.models.endpoint.model import abilities
from audit.models.table import TableModel
from probes.registry import find_probes

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """A script of the documentation as a module, to be checked by its ``main``."""
    monkeypatch.syspath_prepend(str(DOCS))

    def opened(name: str) -> ModuleType:
        monkeypatch.setattr("sys.argv", [name, "--check"])
        return importlib.import_module(name)

    return opened


@pytest.mark.parametrize("name", ["probe_pages", "kinds_table"])
def test_pages_are_up_to_date(
    script: Callable[[str], ModuleType], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = script(name).main()
    assert (status, capsys.readouterr().err) == (0, "")


def test_a_stale_table_is_told(
    script: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kinds, page = script("kinds_table"), tmp_path / "models.md"
    page.write_text((DOCS / "models.md").read_text("utf-8").replace("| runs |", "| – |", 1), "utf-8")
    monkeypatch.setattr(kinds, "PAGE", page)
    assert kinds.main() == 1
    assert "models.md is out of date" in capsys.readouterr().err


def test_the_table_says_which_probes_run() -> None:
    page = (DOCS / "models.md").read_text("utf-8")
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line[:1] == "|"]
    head = next(line for line in lines if line[0] == "Probe")
    rows = {re.sub(r"\[`(.+)`\].*", r"\1", line[0]): dict(zip(head, line, strict=False)) for line in lines}
    kinds = {
        "causal": CausalModel.capabilities,
        "server": abilities(scores=False),
        "predictions": TableModel.capabilities,
    }
    for name, probe in find_probes().items():
        for kind, capabilities in kinds.items():
            assert rows[name][kind].startswith("runs") is (not probe.lacking(probe.options(), capabilities)), (
                name,
                kind,
            )
