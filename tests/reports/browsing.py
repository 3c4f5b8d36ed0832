"""A real browser for the tests of pages: how it is started, and a page that notes what it should not do."""

from __future__ import annotations

import shutil
from typing import Any

CHROMIUM = shutil.which("chromium")
QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
WIDTH = "document.documentElement.scrollWidth"


class Watched:
    """A page that notes its requests, its errors and its dialogs."""

    def __init__(self, browser: Any, address: str, **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda r: self.requests.append(r.url) if not r.url.startswith("data:") else None)
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda e: self.errors.append(str(e)))
        self.page.on("dialog", lambda d: self.errors.append(d.message))
        self.page.goto(address)
        if options.get("java_script_enabled", True) and "-report" in address:
            self.page.wait_for_selector("#record-tools:not([hidden])")

    def __enter__(self) -> Any:
        return self.page

    def __exit__(self, *_: object) -> None:
        address = self.page.url.split("#")[0]
        self.context.close()
        assert self.errors == []
        assert [r for r in self.requests if r.split("#")[0] != address] == []
