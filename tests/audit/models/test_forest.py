"""Masks of packed trees: the two kinds say the same, and what they say is the tree."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch.nn.attention.flex_attention import flex_attention

from audit.models import forest
from audit.models.causal import CausalModel
from audit.models.forest import attention, blocks, dense, layout, runs
from audit.models.packing import MOST_NODES, Pack, batches, plant
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
    nodes = torch.arange(len(pack.tokens))
    mask = dense(torch.tensor(pack.ends()), nodes, len(nodes), shared, torch.float32)
    for node in range(len(pack.tokens)):
        seen = {i - shared for i in (mask[node] == 0).nonzero()[:, 0].tolist()}
        assert seen == {*range(-shared, 0), *ancestors(pack, node)}


def tensors(heads: int, kept: int, nodes: int, shared: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    query = torch.randn((1, heads, nodes, 16), generator=generator)
    key, value = (torch.randn((1, kept, shared + nodes, 16), generator=generator) for _ in range(2))
    return query, key, value


def by_hand(packs: list[Pack], shared: int, heads: int, kept: int, cap: float | None) -> torch.Tensor:
    """``[nodes, heads, 16]`` from nothing but who is whose ancestor."""
    nodes = sum(len(pack.tokens) for pack in packs)
    query, key, value = tensors(heads, kept, nodes, shared)
    found = torch.zeros((nodes, heads, 16))
    start = 0
    for pack in packs:
        for node in range(len(pack.tokens)):
            seen = [*range(shared), *sorted(shared + start + a for a in ancestors(pack, node))]
            for head in range(heads):
                of = head * kept // heads
                scores = key[0, of, seen] @ query[0, head, start + node] / 4
                scores = scores if cap is None else cap * (scores / cap).tanh()
                found[start + node, head] = scores.softmax(0) @ value[0, of, seen]
        start += len(pack.tokens)
    return found


@pytest.mark.parametrize("shared", [0, 5])
@pytest.mark.parametrize(("heads", "kept"), [(4, 4), (6, 2)])
@pytest.mark.parametrize("cap", [None, 0.5])
@pytest.mark.parametrize("together", [1, 2, 3, 96])
def test_attention_within_packs_is_that_of_the_tree(
    shared: int, heads: int, kept: int, cap: float | None, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forest, "SPAN_NODES", together)
    packs = packs_of(ROWS, ROWS[:3])
    expected = by_hand(packs, shared, heads, kept, cap)
    spans = layout(packs, shared, heads // kept, torch.float32, torch.device("cpu"))
    found, _ = attention(None, *tensors(heads, kept, len(expected), shared), None, None, cap, spans)
    assert torch.allclose(found[0], expected, atol=1e-5)


@pytest.mark.parametrize("shared", [0, 5])
def test_the_blocks_of_a_gpu_say_the_same(shared: int) -> None:
    packs = packs_of(ROWS, ROWS[:3])
    expected = by_hand(packs, shared, 4, 4, None)
    query, key, value = tensors(4, 4, len(expected), shared)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "flex_attention called without torch.compile")
        found = flex_attention(query, key, value, block_mask=blocks(runs(packs), shared))
    assert torch.allclose(found[0].transpose(0, 1), expected, atol=1e-5)


def test_attention_that_it_does_not_know_is_refused() -> None:
    packs = packs_of(ROWS)
    given = tensors(2, 2, len(packs[0].tokens), 0)
    spans = layout(packs, 0, 1, torch.float32, torch.device("cpu"))
    for extra in ({"forest": None}, {"forest": spans, "s_aux": given[0]}, {"forest": spans, "position_bias": given[0]}):
        with pytest.raises(NotImplementedError):
            attention(None, *given, None, **extra)


def test_a_group_that_fits_one_pack_has_no_trunk_of_its_own() -> None:
    stem = tuple(range(20))
    few = [(*stem, 100 + i) for i in range(4)]
    (trunk,) = plant(few, [20] * 4)
    assert trunk.beginning == ()
    assert len(trunk.packs) == 1
    many = [(*stem, 100 + i) for i in range(2 * MOST_NODES)]
    (trunk,) = plant(many, [20] * len(many))
    assert trunk.beginning == stem
    assert trunk.nodes == 20 + len(many)


def test_only_what_some_node_of_a_span_sees_is_looked_at() -> None:
    stem = tuple(range(20))
    rows = [(*stem, 100 + i, *range(200, 230)) for i in range(10)]
    packs = packs_of(rows)
    spans = layout(packs, 7, 1, torch.float32, torch.device("cpu")).spans
    assert [span.end - span.start for span in spans] == [96, 96, 96, 20 + 310 - 3 * 96]
    for span in spans[1:]:
        path = sorted(ancestors(packs[0], span.start) - {span.start})
        expected = [*range(7), *(7 + node for node in path), *(7 + node for node in range(span.start, span.end))]
        assert span.keys.tolist() == expected
        assert len(path) <= 20 + 30


def test_packs_end_where_they_are_full_and_repeat_a_path() -> None:
    items = [[(i, *range(100, 130), 200 + j) for j in range(3)] for i in range(20)]
    rows = [row for item in items for row in item]
    (trunk,) = plant(rows, [len(row) for row in rows])
    assert [len(pack.tokens) for pack in trunk.packs] == [20 * (31 + 3)]
    (trunk,) = plant(rows, [len(row) for row in rows], 100)
    # Two items take 68 nodes and a third one's first row 32; its second row begins the next pack with its 31 tokens again.
    assert [len(pack.tokens) for pack in trunk.packs[:2]] == [100, 100]


def test_a_row_that_is_longer_than_a_pack_may_be_is_one() -> None:
    (trunk,) = plant([tuple(range(50)), (7, 8)], [0, 0], 20)
    assert [len(pack.tokens) for pack in trunk.packs] == [50, 2]


@pytest.mark.parametrize(("sizes", "passes"), [([10] * 10, [5, 5]), ([60], [1]), ([30, 30, 30], [1, 1, 1]), ([], [])])
def test_passes_are_of_about_equal_size(sizes: list[int], passes: list[int]) -> None:
    packs = [Pack(tokens=[0] * size) for size in sizes]
    groups = batches(packs, 50)
    assert [len(group) for group in groups] == passes
    assert [i for group in groups for i in group] == list(range(len(sizes)))


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
