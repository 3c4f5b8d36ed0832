"""Items: loaded through the ``datasets`` library, drawn as a seeded, stratified sample, and hashed."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from datasets.exceptions import DatasetsError

Item = Mapping[str, Any]
"""One row of a source. Every item has a text ``id`` that is unique in its source."""


class ItemsError(Exception):
    """Items that cannot be loaded; the message is one sentence for the user."""


class ItemsAbsent(ItemsError):
    """Published items that do not come with the package and are not on this machine."""


def load_items(path: Path) -> list[Item]:
    """The rows of a JSON Lines file, in order.

    Raises:
        ItemsError: where the file is missing or not JSON Lines, or where ids are missing or not unique.
    """
    if not path.is_file():
        raise ItemsError(f"The item file {path} does not exist.")
    try:
        # Parsed here, because the library's own reader turns text that looks like a date into one.
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        items: list[Item] = list(Dataset.from_list(rows)) if rows else []
    except (ValueError, TypeError, AttributeError, OSError, DatasetsError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ItemsError(f"{path} cannot be read as JSON Lines: {reason[0]}") from None
    if not items:
        raise ItemsError(f"{path} holds no items.")
    ids = [item.get("id") for item in items]
    if not all(isinstance(i, str) for i in ids) or len(set(map(str, ids))) != len(ids):
        raise ItemsError(f"{path}: every line needs a text id of its own.")
    return items


def draw(items: Sequence[Item], limit: int | None, seed: int, stratum: str | None) -> list[Item]:
    """At most ``limit`` items, spread over the values of ``stratum`` in proportion, in their source's order.

    The draw depends on the items, the limit and the seed alone. A larger limit with the same seed keeps what a
    smaller one drew within each stratum, so that a longer audit extends a shorter one.
    """
    if limit is None or limit >= len(items):
        return list(items)
    stream = np.random.default_rng(seed)
    strata: dict[str, list[int]] = defaultdict(list)
    for place, item in enumerate(items):
        strata[str(item[stratum]) if stratum else ""].append(place)
    # Each item's turn is its rank in its stratum over the stratum's size: the lowest turns are in proportion.
    turns: list[tuple[float, float, int]] = []
    for name in sorted(strata):
        order = stream.permutation(len(strata[name]))
        jitter = stream.random()
        turns += [((rank + jitter) / len(order), jitter, strata[name][i]) for rank, i in enumerate(order)]
    chosen = sorted(place for _, _, place in sorted(turns)[:limit])
    return [items[place] for place in chosen]


def items_hash(items: Sequence[Item]) -> str:
    """SHA-256 over the content of the items, in order."""
    content = json.dumps([dict(item) for item in items], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(content.encode()).hexdigest()
