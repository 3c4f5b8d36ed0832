"""The generated parts of the documentation are those that the code would write now."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import audit
from audit.extras import EXTRAS
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


@pytest.mark.parametrize("name", ["probe_pages", "kinds_table", "commands_page"])
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


def test_what_the_api_page_names_exists() -> None:
    """Without building the site: names that are gone, and public names that are not told of."""
    page = (DOCS / "api.md").read_text("utf-8")
    named = re.findall(r"^::: (\S+)$", page, re.MULTILINE)
    assert len(named) > 20
    for name in named:
        assert pkgutil.resolve_name(name) is not None
    assert {f"audit.{name}" for name in audit.__all__} <= set(re.findall(r"`(audit\.\w+)`", page))
    assert {name.rpartition(".")[2] for name in named} >= set(audit.__all__)


def test_every_page_is_in_the_navigation() -> None:
    told = (DOCS.parent / "mkdocs.yml").read_text("utf-8").partition("\nnav:")[2]
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert set(re.findall(r"[\w./-]+\.md", told)) == pages


def test_every_extra_is_told() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|", (DOCS / "commands.md").read_text("utf-8"), re.MULTILINE)
    assert {name: adds for name, adds in rows if name in EXTRAS} == {e.name: e.adds for e in EXTRAS.values()}
