"""Faults of a pair of sentences that can be seen without understanding it: it differs in more than the group.

Blodgett et al. 2021 (doi:10.18653/v1/2021.acl-long.81) read the pairs of CrowS-Pairs and inventory pitfalls in them; a list
of which pairs have which was not found. The rules here are ours and see mechanical faults alone: not whether a stereotype
is one, whether the groups can be compared, or whether a first name stands for a group.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher

_TOKEN = re.compile(r"n['’]t\b|\w+?(?=n['’]t\b)|\w+|[^\w\s]+")
_NEGATIONS = {"not", "n't", "n’t", "never", "no", "none", "nobody", "nothing", "cannot", "without", "neither", "nor"}
# Forms that follow from who the sentence is about; changing them is not a second change.
_FOLLOWING = (
    ("he", "she"),
    ("his", "her"),
    ("his", "hers"),
    ("him", "her"),
    ("himself", "herself"),
    ("husband", "wife"),
    ("boyfriend", "girlfriend"),
    ("mr", "mrs"),
    ("mr", "ms"),
    ("a", "an"),
    ("is", "are"),
    ("was", "were"),
    ("has", "have"),
)
_FOLLOWS = {frozenset(pair) for pair in _FOLLOWING}

Change = tuple[tuple[str, ...], tuple[str, ...]]


def faults(more: str, less: str) -> list[str]:
    """What is wrong with a pair, by name; empty where nothing is seen.

    ``no change``: the same words. ``mention missing``: one sentence lacks what the other has, with nothing in its place.
    ``negation``: one denies more often than the other. ``groups trade places``: what is A here is B there, and the
    reverse, so that two mentions change. ``several changes``: more than one, besides the same one again and the pronouns
    and verb forms that follow from it.
    """
    first, second = _tokens(more), _tokens(less)
    changes = _changes(first, second)
    if not changes:
        return ["no change"]
    distinct = list(dict.fromkeys(change for change in changes if not _follows(change)))
    traded = [(a, b) for a, b in distinct if a and b and (b, a) in distinct]
    found = {
        "mention missing": all(not (a and b) for a, b in changes),
        "negation": _denials(first) != _denials(second),
        "groups trade places": bool(traded),
        "several changes": len(distinct) - len(traded) // 2 > 1,
    }
    return [name for name, seen in found.items() if seen]


def _tokens(text: str) -> list[str]:
    return [match.lower() for match in _TOKEN.findall(text)]


def _changes(first: list[str], second: list[str]) -> list[Change]:
    blocks = SequenceMatcher(None, first, second, autojunk=False).get_opcodes()
    return [(tuple(first[a:b]), tuple(second[c:d])) for kind, a, b, c, d in blocks if kind != "equal"]


def _follows(change: Change) -> bool:
    """Whether every word of a change is another form of the word in its place."""
    a, b = change
    return bool(a) and len(a) == len(b) and all(frozenset(pair) in _FOLLOWS for pair in zip(a, b, strict=True))


def _denials(tokens: list[str]) -> int:
    return sum(token in _NEGATIONS for token in tokens)
