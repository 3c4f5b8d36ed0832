"""Published sets: what a user is told where the files are not there, or are something else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, Features, LargeList, List, Value

from audit import published
from audit.corpora import ItemsAbsent, ItemsError
from audit.published import PublishedSet

FRUIT = PublishedSet("FruitQA", "fruit", "example.org/fruit", "example/fruit")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def write(folder: Path, content: bytes) -> Path:
    path = folder / "fruit" / "items"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def test_it_says_what_to_put_where(tmp_path: Path) -> None:
    for data, where in ((None, "no data folder was given"), (tmp_path, "does not exist")):
        with pytest.raises(ItemsAbsent, match=where) as told:
            FRUIT.file(data, "items.csv")
        for words in ("FruitQA", "items.csv of example.org/fruit", "folder fruit", "example/fruit as hub_revision"):
            assert words in str(told.value)
    with pytest.raises(ItemsAbsent) as told:
        PublishedSet("NutQA", "nuts", "example.org/nuts").file(None, "a")
    assert "hub" not in str(told.value)
    assert FRUIT.file(write(tmp_path, b"x").parents[1], "items") == tmp_path / "fruit" / "items"


def test_a_table(tmp_path: Path) -> None:
    path = write(tmp_path, '\ufeffname,said\npear,"green, or not"\n'.encode())
    assert FRUIT.table(path, ["name", "said"]) == [{"name": "pear", "said": "green, or not"}]
    path = write(tmp_path, b'name\tsaid\npear\t"green" it is\n')
    assert FRUIT.table(path, ["name"], delimiter="\t")[0]["said"] == '"green" it is'


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html>moved</html>", "is not FruitQA: it has no column name"),
        (b"", "it has no column name"),
        (b"name,said\n", "holds no items"),
        (b"\xff\xfe\x00", "cannot be read as a CSV file"),
    ],
)
def test_what_is_no_table_is_said_in_a_sentence(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(ItemsError, match=words) as told:
        FRUIT.table(write(tmp_path, content), ["name"])
    assert not isinstance(told.value, ItemsAbsent)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"name": "pear"}\n[1]\n', "line 2 has no name"),
        (b'{"name": "pear"}\n\n{"said": "x"}\n', "line 3 has no name"),
        (b'{"name": "pear"}\n{oops\n', r"cannot be read as JSON \(line 2\)"),
        (b'{"name": NaN}\n', "NaN is not a number"),
        (b"\n", "holds no items"),
        (b"\xff\xfe", "cannot be read"),
        (b"[" * 100_000, "cannot be read as JSON"),
    ],
)
def test_what_is_no_json_is_said_in_a_sentence(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(ItemsError, match=words):
        FRUIT.json_lines(write(tmp_path, content), ["name"])


def test_json(tmp_path: Path) -> None:
    assert FRUIT.json(write(tmp_path, b'{"a": [1]}')) == {"a": [1]}
    with pytest.raises(ItemsError, match="cannot be read as JSON: "):
        FRUIT.json(write(tmp_path, b"{"))
    assert FRUIT.json_lines(write(tmp_path, b'{"name": "pear"}\n'), ["name"]) == [{"name": "pear"}]


def test_classes_within_lists_and_objects_get_their_names_too(monkeypatch: pytest.MonkeyPatch) -> None:
    colour = ClassLabel(names=["green", "red"])
    kinds = Features({"skins": List({"colour": colour, "tags": LargeList(colour)}), "core": {"colour": colour}})
    row = {"skins": [{"colour": 1, "tags": [0, 1]}, {"colour": None, "tags": []}], "core": {"colour": 0}}
    monkeypatch.setattr(published, "load_dataset", lambda *a, **o: Dataset.from_list([row], features=kinds))
    assert FRUIT.from_hub(COMMIT, None, "test", ["skins"]) == [
        {
            "skins": [{"colour": "red", "tags": ["green", "red"]}, {"colour": None, "tags": []}],
            "core": {"colour": "green"},
        }
    ]


def test_the_hub_is_asked_at_the_commit_and_classes_get_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    kinds = Features({"name": Value("string"), "colour": ClassLabel(names=["green", "red"])})

    def load(*arguments: Any, **options: Any) -> Dataset:
        asked.append((arguments, options))
        return Dataset.from_dict({"name": ["pear"], "colour": [1]}, features=kinds)

    monkeypatch.setattr(published, "load_dataset", load)
    assert FRUIT.from_hub(COMMIT, "english", "test", ["name"]) == [{"name": "pear", "colour": "red"}]
    assert asked == [(("example/fruit", "english"), {"split": "test", "revision": COMMIT})]
    with pytest.raises(ItemsError, match=f"{COMMIT} is not FruitQA: it has no column said"):
        FRUIT.from_hub(COMMIT, None, "test", ["said"])

    def refuse(*arguments: Any, **options: Any) -> Dataset:
        raise ConnectionError("no network\nand a long story")

    monkeypatch.setattr(published, "load_dataset", refuse)
    with pytest.raises(ItemsError, match=r"could not be loaded from the hub: no network$"):
        FRUIT.from_hub(COMMIT, None, "test", [])
