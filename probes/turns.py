"""Which wording an item is asked in, where asking each item in all of them would cost more than it tells."""

from __future__ import annotations

from collections.abc import Iterable

from probes.base import derived_seed


def wordings_of(item: str, names: Iterable[str], seed: int, every: bool = False) -> list[str]:
    """The one wording whose turn it is with the item of that id, or ``every`` one.

    It depends on the id and the seed alone, so that an item keeps its wording in a longer audit. Every wording gets about
    as many items as the others.
    """
    known = list(names)
    return known if every else [known[derived_seed(seed, f"wording of {item}") % len(known)]]
