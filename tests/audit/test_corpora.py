"""Items: what is loaded, what is refused in one sentence, and how a sample is drawn."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.corpora import Item, ItemsError, draw, items_hash, load_items

seeds = st.integers(0, 2**32 - 1)


@st.composite
def sources(draw_from: st.DrawFn) -> list[Item]:
    """Items in one to six strata, mixed in any order."""
    sizes = draw_from(st.lists(st.integers(1, 40), min_size=1, max_size=6))
    names = [f"kind {stratum}" for stratum, size in enumerate(sizes) for _ in range(size)]
    return [{"id": f"item-{n}", "kind": kind} for n, kind in enumerate(draw_from(st.permutations(names)))]


def places(items: Sequence[Item]) -> list[int]:
    return [int(str(item["id"]).removeprefix("item-")) for item in items]


@settings(max_examples=60, deadline=None)
@given(sources(), seeds, st.data())
def test_a_larger_sample_holds_the_smaller_one(items: list[Item], seed: int, data: st.DataObject) -> None:
    small = data.draw(st.integers(1, len(items)))
    large = data.draw(st.integers(small, len(items)))
    first, second = (draw(items, limit, seed, "kind") for limit in (small, large))
    assert set(places(first)) <= set(places(second))
    assert (len(first), len(second)) == (small, large)


@settings(max_examples=60, deadline=None)
@given(sources(), seeds, st.data())
def test_a_sample_is_in_proportion(items: list[Item], seed: int, data: st.DataObject) -> None:
    """Turns are shared out evenly, so a stratum misses its share by one item, and by its part of the others' misses."""
    limit = data.draw(st.integers(1, len(items)))
    whole = Counter(str(i["kind"]) for i in items)
    drawn = Counter(str(i["kind"]) for i in draw(items, limit, seed, "kind"))
    for kind, size in whole.items():
        share = size / len(items)
        assert abs(drawn[kind] - limit * share) <= 1 + len(whole) * share + 1e-9


@settings(max_examples=40, deadline=None)
@given(sources(), seeds, st.sampled_from(["kind", None]), st.data())
def test_a_sample_depends_on_items_limit_and_seed_alone(
    items: list[Item], seed: int, stratum: str | None, data: st.DataObject
) -> None:
    limit = data.draw(st.integers(1, len(items) + 3))
    first, second = (draw(items, limit, seed, stratum) for _ in range(2))
    assert first == second
    assert places(first) == sorted(set(places(first))), "the source's order, and no item twice"
    assert draw(tuple(items), limit, seed, stratum) == first


@pytest.mark.parametrize("limit", [None, 50, 51])
def test_all_items_where_there_are_no_more(limit: int | None) -> None:
    items: list[Item] = [{"id": f"item-{n}", "kind": "a"} for n in range(50)]
    assert draw(items, limit, 0, "kind") == items


def test_seeds_give_different_samples_and_every_item_its_turn() -> None:
    items: list[Item] = [{"id": f"item-{n}", "kind": "ab"[n % 2]} for n in range(20)]
    samples = [tuple(places(draw(items, 5, seed, "kind"))) for seed in range(400)]
    assert len(set(samples)) > 300
    turns = Counter(place for sample in samples for place in sample)
    assert min(turns.values()) > 60  # 100 expected each; 60 is 4.6 standard deviations below
    assert max(turns.values()) < 140


def test_more_items_in_one_stratum_do_not_reorder_another() -> None:
    """Streams are drawn stratum by stratum in the order of names, so a later stratum may change, an earlier may not."""
    few: list[Item] = [{"id": f"item-{n}", "kind": "a"} for n in range(30)]
    more = [*few, *({"id": f"item-{n}", "kind": "b"} for n in range(30, 60))]
    alone = places(draw(few, 10, 3, "kind"))
    beside = [p for p in places(draw(more, 20, 3, "kind")) if p < 30]
    assert set(alone) <= set(beside) or set(beside) <= set(alone)


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.integers() | st.none(), max_size=3)))
def test_the_hash_is_of_content_and_order(items: list[dict[str, Any]]) -> None:
    again = [dict(reversed(list(item.items()))) for item in items]
    assert items_hash(items) == items_hash(again)
    assert len(items_hash(items)) == 64
    if len(items) > 1 and items[0] != items[-1]:
        assert items_hash(items) != items_hash([items[-1], *items[1:-1], items[0]])


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "items.jsonl"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_rows_are_loaded_in_order_with_their_types(tmp_path: Path) -> None:
    rows = [
        {"id": "b", "text": "één – 서울 🙂", "answers": ["x", "y"], "exists": True, "size": 2, "none": None},
        {"id": "a", "text": "", "answers": [], "exists": False, "size": 3, "none": None},
    ]
    found = load_items(write(tmp_path, "\n".join(json.dumps(r, ensure_ascii=False) for r in rows)))
    assert [dict(item) for item in found] == rows


MISTAKES = {
    "not JSON": "hello\n",
    "half a line": '{"id": "a"}\n{"id": \n',
    "only blank lines": "\n\n",
    "numbers": "1\n2\n",
    "without an id": '{"text": "a"}\n',
    "an id missing": '{"id": "a"}\n{"text": "b"}\n',
    "an id twice": '{"id": "a"}\n{"id": "a"}\n',
    "another encoding": '{"id": "é"}\n'.encode("latin-1"),
    "zeros": b"\x00\x01\x02",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told_in_one_sentence(tmp_path: Path, mistake: str) -> None:
    path = write(tmp_path, MISTAKES[mistake])
    with pytest.raises(ItemsError) as caught:
        load_items(path)
    told = str(caught.value)
    assert "\n" not in told
    assert str(path) in told
    assert len(told) < len(str(path)) + 200
    assert "Traceback" not in told


@pytest.mark.parametrize("path", ["missing.jsonl", "."])
def test_what_is_no_file_is_told(tmp_path: Path, path: str) -> None:
    with pytest.raises(ItemsError, match=r"^The item file .* does not exist\.$"):
        load_items(tmp_path / path)


@pytest.mark.parametrize("content", ["", '{"id": ["a"]}\n'])
def test_an_empty_file_and_ids_that_are_no_text_are_told(tmp_path: Path, content: str) -> None:
    with pytest.raises(ItemsError):
        load_items(write(tmp_path, content))


@pytest.mark.parametrize("content", ["hello\n", '{"id": "a"}\n{"id": \n'])
def test_the_cause_is_told(tmp_path: Path, content: str) -> None:
    with pytest.raises(ItemsError, match=r"(?i)invalid|parse|line \d|row \d"):
        load_items(write(tmp_path, content))


def test_text_that_looks_like_a_date_stays_text(tmp_path: Path) -> None:
    items = load_items(write(tmp_path, '{"id": "a", "answer": "1969-07-20"}\n{"id": "b", "answer": "1989-11-09"}\n'))
    assert [i["answer"] for i in items] == ["1969-07-20", "1989-11-09"]
    items_hash(items)


def test_ids_are_text(tmp_path: Path) -> None:
    with pytest.raises(ItemsError):
        load_items(write(tmp_path, '{"id": 1}\n{"id": 2}\n'))
