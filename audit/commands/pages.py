"""What the commands share that write a page of several results."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from audit.api import languages
from audit.commands.ends import USAGE, stop


def chosen_languages(lang: str) -> list[str]:
    """The languages that ``--lang`` names; ends with a sentence where there is no text in one."""
    chosen = list(dict.fromkeys(name.strip() for name in lang.split(",") if name.strip()))
    unknown = [name for name in chosen if name not in languages()]
    if not chosen:
        stop(f"Name a language after --lang; there is {', '.join(languages())}.", USAGE)
    if unknown:
        stop(f"There is no text in {', '.join(unknown)}; there is {', '.join(languages())}.", USAGE)
    return chosen


def page_path(output: Path | None, kind: str) -> Path:
    """Where a page is written: as the user says, else a new file beside the audits."""
    if output is None:
        return Path("audits") / f"{kind}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.html"
    if output.is_dir():
        stop(f"The output {output} is a folder; name a file, such as {output / f'{kind}.html'}.", USAGE)
    if output.suffix.lower() not in (".html", ".htm"):
        stop(f"{output} is no name for a web page; name a file that ends in .html.", USAGE)
    return output


def link(page: Path, target: Path) -> str | None:
    """A relative link from a page to a file, None where there is no such file or no way to it."""
    if not target.is_file():
        return None
    try:
        path = os.path.relpath(target.resolve(), page.resolve().parent)
    except ValueError:  # another drive
        return None
    return "./" + quote(Path(path).as_posix())


def printable(text: str) -> str:
    """A text on one line without what a terminal would obey; names and reasons come from files of others."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
