"""Rows of tokens as prefix trees, packed so that every shared beginning is computed once.

Rows are sorted, so that those with the same beginning are neighbours. Each distinct prefix is one node; the nodes of
many rows lie in one sequence of the model, where a node sees its own ancestors and nothing else, at the position that
it has in its row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

MOST_NODES = 1024  # of a pack; a new one repeats the path that the next row shares with the last one
SHORTEST_TRUNK = 12  # tokens; shorter common beginnings cost more to keep than to repeat
FEWEST_ROWS = 3  # for fewer a trunk of its own saves nothing over a pack


@dataclass
class Pack:
    """A forest of rows in one sequence; ``parents[i]`` is -1 for a first token, ``positions`` count from 0."""

    tokens: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)

    def add(self, token: int, parent: int, position: int) -> int:
        """Append a node and return its number."""
        self.tokens.append(token)
        self.parents.append(parent)
        self.positions.append(position)
        return len(self.tokens) - 1

    def path(self, node: int) -> list[int]:
        """The ancestors of a node, the oldest first."""
        found: list[int] = []
        while (node := self.parents[node]) >= 0:
            found.append(node)
        return found[::-1]

    def ends(self) -> list[int]:
        """The last node of each node's subtree; nodes are added depth first, so that a subtree is a run of nodes."""
        ends = list(range(len(self.tokens)))
        for node in reversed(range(len(self.tokens))):
            parent = self.parents[node]
            if parent >= 0:
                ends[parent] = max(ends[parent], ends[node])
        return ends


@dataclass(frozen=True)
class Trunk:
    """Rows that begin alike: the beginning, which is computed once, and the packs of what follows it.

    ``places[row]`` is (pack, node of each token after the beginning) for the rows in ``rows``.
    """

    beginning: tuple[int, ...]
    rows: tuple[tuple[int, ...], ...]
    packs: tuple[Pack, ...]
    places: dict[tuple[int, ...], tuple[int, tuple[int, ...]]]

    @property
    def nodes(self) -> int:
        """Tokens that the model computes for these rows."""
        return len(self.beginning) + sum(len(pack.tokens) for pack in self.packs)


def plant(rows: Sequence[tuple[int, ...]], needed: Sequence[int], most: int | None = None) -> list[Trunk]:
    """Group distinct rows under their common beginnings and pack what follows.

    Args:
        rows: distinct, not empty.
        needed: for each row the number of leading tokens whose states are not asked for; a beginning is never longer.
        most: nodes of a pack, ``MOST_NODES`` at the most; a longer row is a pack of its own.

    Returns:
        Trunks that hold each row once. The same rows in any order give the same trunks.
    """
    most = min(most or MOST_NODES, MOST_NODES)
    free = dict(zip(rows, needed, strict=True))
    groups: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    for row in sorted(rows):
        groups.setdefault(row[:SHORTEST_TRUNK], []).append(row)
    trunks, loose = [], []
    for members in groups.values():
        length = common_length(members[0], members[-1])  # the first and last in order differ first where any two do
        length = min(length, *(free[row] for row in members))
        # A group that fits one pack shares its beginning there; a trunk of its own would be a pass over few tokens.
        if length >= SHORTEST_TRUNK and _nodes(members) > most:
            trunks.append(_trunk(members, length, most))
        else:
            loose += members
    return [*trunks, _trunk(loose, 0, most)] if loose else trunks


def _nodes(rows: Sequence[tuple[int, ...]]) -> int:
    """Distinct prefixes of sorted rows."""
    return len(rows[0]) + sum(len(b) - common_length(a, b) for a, b in pairwise(rows))


def common_length(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    """How many leading tokens two rows share."""
    for i, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return i
    return min(len(a), len(b))


def _trunk(rows: Sequence[tuple[int, ...]], length: int, most: int) -> Trunk:
    """Pack sorted rows; a pack that is full leaves its last path, and the next row begins a pack from the trunk."""
    packs: list[Pack] = []
    places: dict[tuple[int, ...], tuple[int, tuple[int, ...]]] = {}
    path: list[int] = []  # nodes of the row before, in the current pack
    before: tuple[int, ...] = ()
    for row in rows:
        shared = max(0, common_length(before, row) - length) if packs else 0
        size = len(packs[-1].tokens) if packs else 0
        if not packs or size + len(row) - length - shared > most:
            packs.append(Pack())
            shared = 0
        path = path[:shared]
        for position in range(length + shared, len(row)):
            path.append(packs[-1].add(row[position], path[-1] if path else -1, position))
        places[row] = (len(packs) - 1, tuple(path))
        before = row
    return Trunk(tuple(rows[0][:length]), tuple(rows), tuple(packs), places)


def batches(packs: Sequence[Pack], budget: int) -> list[list[int]]:
    """Numbers of packs to compute together, in order, at most ``budget`` tokens at a time and of about equal size.

    A pass over the few tokens that are left over would read all weights for them.
    """
    total = sum(len(pack.tokens) for pack in packs)
    share = total / max(1, math.ceil(total / budget))
    groups: list[list[int]] = []
    size = 0
    for i, pack in enumerate(packs):
        if not groups or size >= share or size + len(pack.tokens) > budget:
            groups.append([])
            size = 0
        groups[-1].append(i)
        size += len(pack.tokens)
    return groups


def reach(config: Any) -> float:
    """The longest row of which every token sees all before it."""
    text = config.get_text_config()
    windows = [getattr(text, name, None) for name in ("sliding_window", "attention_chunk_size")]
    return min((w for w in windows if isinstance(w, int) and w > 0), default=math.inf)


def groups_of(config: Any) -> int:
    """How many query heads share each head of keys and values."""
    text = config.get_text_config()
    heads = getattr(text, "num_attention_heads", None) or 1
    return int(heads // (getattr(text, "num_key_value_heads", None) or heads))
