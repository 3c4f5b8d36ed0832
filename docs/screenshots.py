"""Draws the pictures of the documentation: card, report and a figure of one result folder, as a browser shows them.

``python docs/screenshots.py audits/<result>`` writes ``card.png``, ``report.png`` and ``plot.png`` into ``docs/images``. It
needs chromium on the machine and playwright, which the extra ``dev`` brings.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

import audit

IMAGES = Path(__file__).parent / "images"
SIZE = {"width": 1280, "height": 900}
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def _page(browser: Browser, path: Path) -> Page:
    page = browser.new_page(viewport=SIZE, color_scheme="light", reduced_motion="reduce")  # type: ignore[arg-type]
    page.goto(path.resolve().as_uri())
    return page


def _card(page: Page) -> None:
    """The first screen: the model, the verdict and the risks."""


def _report(page: Page) -> None:
    """The attention viewer on its first example; without one, the first chart."""
    page.wait_for_selector("#record-tools:not([hidden])")
    place = ".banner" if page.locator("#attention").count() else ".chart"
    if place == ".banner":
        page.wait_for_function("document.getElementById('at-status').textContent !== ''")
    page.locator(place).first.evaluate("part => part.scrollIntoView({ block: 'start', behavior: 'instant' })")


def _figure(page: Page) -> None:
    """The whole figure."""
    page.set_viewport_size({"width": 820, "height": 400})
    page.set_viewport_size({"width": 820, "height": page.locator("main").evaluate("part => part.offsetHeight")})


def draw(result: Path, images: Path = IMAGES) -> list[Path]:
    """The pictures of ``result``; the paths that were written."""
    images.mkdir(parents=True, exist_ok=True)
    written = []
    with sync_playwright() as play, tempfile.TemporaryDirectory() as folder:
        places = [(result / "card.html", _card), (result / "report.html", _report)]
        found = audit.load(result)
        if "religion" in set(found.measurements.query("name == 'signed_shift'")["axis"]):
            figure = found.plot("bias.counterfactual.signed_shift", axis="religion")
            places.append((figure.save(Path(folder) / "plot.html"), _figure))
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)
        for place, prepare in places:
            page = _page(browser, place)
            prepare(page)
            written.append(images / f"{place.stem}.png")
            page.screenshot(path=written[-1])
        browser.close()
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Write card.png, report.png and plot.png into docs/images.")
    parser.add_argument("result", type=Path, help="a result folder with card.html and report.html")
    result = parser.parse_args(arguments).result
    missing = [name for name in ("card.html", "report.html") if not (result / name).is_file()]
    if missing:
        print(f"{result} has no {' and no '.join(missing)}; `audit run` writes them.", file=sys.stderr)
        return 2
    for path in draw(result):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
