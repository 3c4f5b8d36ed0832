"""Masks of packed trees: the two kinds say the same, and what they say is the tree."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch.nn.attention.flex_attention import flex_attention
from torch.nn.functional import scaled_dot_product_attention

from audit.models.causal import CausalModel
from audit.models.forest import NOBODY, blocks, dense, runs
from audit.models.packing import PACK_NODES, Pack, plant
from audit.models.scorer import Continuation, Scorer

ROWS = [(1, 2, 3), (1, 2, 4, 5), (1, 2, 4, 6), (7,), (7, 8, 9), (10, 2, 3)]


def packs_of(*groups: list[tuple[int, ...]]) -> list[Pack]:
    return [plant(rows, [len(row) for row in rows])[0].packs[0] for rows in groups]


def ancestors(pack: Pack, node: int) -> set[int]:
    found = {node}
    while (node := pack.parents[node]) >= 0:
        found.add(node)
    return found


@pytest.mark.parametrize("shared", [0, 3])
def test_a_node_sees_the_beginning_its_ancestors_and_itself(shared: int) -> None:
    (pack,) = packs_of(ROWS)
    mask = dense(runs([pack]), shared, torch.float32)[0, 0]
    for node in range(len(pack.tokens)):
        seen = {i - shared for i in (mask[node] == 0).nonzero()[:, 0].tolist()}
        assert seen == {*range(-shared, 0), *ancestors(pack, node)}


def test_nothing_sees_padding_and_padding_sees_itself() -> None:
    packs = packs_of(ROWS, [(1, 2)])
    ends = runs(packs)
    assert ends[1].tolist()[2:] == [NOBODY] * (len(packs[0].tokens) - 2)
    mask = dense(ends, 0, torch.float32)[1, 0]
    assert bool((mask[:2, 2:] < 0).all())
    assert bool((mask.diagonal() == 0).all())


@pytest.mark.parametrize("shared", [0, 5])
def test_both_kinds_of_mask_give_the_same_attention(shared: int) -> None:
    ends = runs(packs_of(ROWS, ROWS[:3]))
    nodes = ends.shape[1]
    generator = torch.Generator().manual_seed(0)
    query = torch.randn((2, 4, nodes, 16), generator=generator)
    key, value = (torch.randn((2, 4, shared + nodes, 16), generator=generator) for _ in range(2))
    by_mask = scaled_dot_product_attention(query, key, value, attn_mask=dense(ends, shared, torch.float32))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "flex_attention called without torch.compile")
        by_blocks = flex_attention(query, key, value, block_mask=blocks(ends, shared))
    assert torch.allclose(by_mask, by_blocks, atol=1e-5)


def test_a_group_that_fits_one_pack_has_no_trunk_of_its_own() -> None:
    stem = tuple(range(20))
    few = [(*stem, 100 + i) for i in range(4)]
    (trunk,) = plant(few, [20] * 4)
    assert trunk.beginning == ()
    assert len(trunk.packs) == 1
    many = [(*stem, 100 + i) for i in range(2 * PACK_NODES)]
    (trunk,) = plant(many, [20] * len(many))
    assert trunk.beginning == stem
    assert trunk.nodes == 20 + len(many)


def test_the_way_of_a_gpu_gives_the_same_scores(llama: CausalModel) -> None:
    stem = tuple(range(20, 40))
    asked = [Continuation((*stem, 50 + i), (60 + i, 61, 62)) for i in range(40)]
    expected = llama.scorer.score(asked)
    scorer = Scorer(copy.deepcopy(llama.scorer.model), 512)
    scorer._flex = True
    with torch.compiler.set_stance("force_eager"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's compiler, loaded here, uses what PyTorch has deprecated
        found = scorer.score(asked)
    assert scorer.model.config._attn_implementation != "flex_attention"
    for one, two in zip(found, expected, strict=True):
        assert one is not None
        assert two is not None
        assert one.logprob == pytest.approx(two.logprob, abs=1e-4)
        assert one.greedy == two.greedy
