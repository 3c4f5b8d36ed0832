"""A page as a notebook's cell shows it: in a frame of its own, which stays in the saved notebook and needs no server."""

from __future__ import annotations

import html


def framed(page: str, title: str, height: int, scripts: bool = False) -> str:
    """The whole page inside the cell, so that its styles and those of the notebook stay apart.

    Nothing can run in the frame; with ``scripts`` the page's own scripts can, and reach neither the notebook nor what it
    could store. ``height`` is in pixels.
    """
    source, named = html.escape(page, quote=True), html.escape(title, quote=True)
    allowed = "allow-scripts" if scripts else ""
    style = f"width:100%;height:{height}px;border:0"
    return f'<iframe srcdoc="{source}" sandbox="{allowed}" style="{style}" title="{named}"></iframe>'
