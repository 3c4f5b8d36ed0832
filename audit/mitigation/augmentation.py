"""Counterfactual data augmentation: one text about every group, instead of about one (Lu et al. 2018, arXiv:1807.11714)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from audit.corpora import Item


def learning_templates(items: Iterable[Item], seed: int) -> frozenset[str]:
    """Half of the templates, those with the lower hashes: what remedies may learn from; the rest is held out."""
    names = sorted({str(item["template"]) for item in items})
    ranked = sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).hexdigest())
    return frozenset(ranked[: len(ranked) // 2])


def texts_of(items: Sequence[Item], templates: frozenset[str], every_group: bool) -> list[str]:
    """Sentences about people, each with both of its endings.

    Args:
        items: of ``bias.counterfactual``; its sentences, not its questions, are used.
        templates: those that may be learnt from.
        every_group: whether each text stands there for every group in turn, or about the reference groups alone. Both
            hold as many texts, so that a run on the second shows what learning without augmentation does.
    """
    found: list[str] = []
    for item in items:
        if item["kind"] != "sentence" or str(item["template"]) not in templates:
            continue
        groups = list(item["groups"])
        reference = [group for group in groups if group["reference"]]
        for place, group in enumerate(groups):
            source = group if every_group else reference[place % len(reference)]
            found += _endings(item, source, place)
    return found


def _endings(item: Item, group: dict[str, Any], place: int) -> list[str]:
    term = group["terms"][place % len(group["terms"])]
    text = str(item["text"]).replace("{person}", term)
    text = text[:1].upper() + text[1:]
    return [f"{text}{item[side]}." for side in ("favourable", "unfavourable")]
