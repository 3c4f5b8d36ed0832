"""One self-contained page: styles and scripts inlined, and a policy that lets nothing else run."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Assets:
    """The style and the scripts of a page, and the Content-Security-Policy that allows exactly these."""

    style: Markup
    scripts: list[Markup]
    policy: Markup


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def _read(name: str) -> str:
    text = (TEMPLATES / name).read_text(encoding="utf-8")
    if "</s" in text.lower():
        raise ValueError(f"{name} would end its own element")
    return text


def assets(styles: Sequence[str], scripts: Sequence[str] = (), rules: str = "") -> Assets:
    """Read our own files for inlining. They are the only markup that is trusted; no data ever passes here.

    ``rules``: further style of our own.
    """
    style = "\n".join(_read(name) for name in styles) + rules
    codes = [_read(name) for name in scripts]
    allowed = " ".join(_hash(code) for code in codes) or "'none'"
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {allowed}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return Assets(Markup(style), [Markup(code) for code in codes], Markup(policy))


def json_block(value: Any) -> Markup:
    """JSON for a ``<script type="application/json">`` element; no character in it can end the element."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)
