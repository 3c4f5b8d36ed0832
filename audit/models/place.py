"""Where this machine keeps converted models and answers."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """The user's cache: ``FAIRWITNESS_CACHE`` where set, otherwise the platform's place for caches."""
    return Path(os.environ.get("FAIRWITNESS_CACHE") or platformdirs.user_cache_dir("fairwitness"))
