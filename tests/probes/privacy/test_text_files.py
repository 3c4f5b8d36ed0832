"""Reading the user's texts."""

from pathlib import Path

import pytest

from audit.corpora import ItemsError
from probes.privacy.text_files import read_texts


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


class TestTexts:
    def test_blank_lines_stand_between_texts(self, tmp_path: Path) -> None:
        path = written(tmp_path, "notes.txt", "\ufeff\nFirst line,\r\nsecond line.\r\n  \r\n\r\n  Another.  \n\n")
        assert [(i["id"], i["text"]) for i in read_texts(path, "The file")] == [
            ("notes/1", "First line,\nsecond line."),
            ("notes/2", "Another."),
        ]

    def test_json_lines_keep_separators_within_a_text(self, tmp_path: Path) -> None:
        path = written(
            tmp_path, "a.jsonl", '{"text": "one\\u2028two\u2028three", "source": 7}\n\n{"text": " b ", "n": 1}\n'
        )
        found = [(i["id"], i["text"], i["source"]) for i in read_texts(path, "The file")]
        assert found == [("a/1", "one\u2028two\u2028three", "7"), ("a/2", "b", "")]

    def test_a_table_has_texts_of_several_lines(self, tmp_path: Path) -> None:
        path = written(tmp_path, "A.CSV", 'source,text\nbook,"one, two\nthree"\npaper,a\u2028b\n')
        found = [(i["id"], i["text"], i["source"]) for i in read_texts(path, "The file")]
        assert found == [("A/1", "one, two\nthree", "book"), ("A/2", "a\u2028b", "paper")]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", " \n\n ", "holds no texts"),
        ("a.txt", b"\xff\xfe\x00", "not UTF-8"),
        ("a.pdf", "x", "give a .txt file with blank lines"),
        ("a.jsonl", '{"text": "a"}\n{"text": \n', "is not JSON Lines: line 2"),
        ("a.jsonl", "[1]\n", "line 1 is none"),
        ("a.jsonl", '{"text": "a"}\n{"texts": "a"}\n', "line 2 has no text."),
        ("a.jsonl", '{"text": "\\ud800"}\n', "line 1 holds half of a character"),
        ("a.csv", "texts,source\na,b\n", "has no column named text"),
        ("a.csv", "text,source\na,b\n ,c\n", "row 2 has no text."),
        ("a.csv", 'text\n"a" b\n', "cannot be read as CSV"),
        ("a.csv", "", "no column named text"),
    ],
)
def test_a_mistake_is_one_sentence_with_the_file_in_it(
    name: str, content: str | bytes, said: str, tmp_path: Path
) -> None:
    path = written(tmp_path, name, content)
    with pytest.raises(ItemsError) as caught:
        read_texts(path, "The file of members")
    message = str(caught.value)
    assert said in message
    assert str(path) in message
    assert message.startswith("The file of members")
    assert message.endswith(".")
    assert "\n" not in message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ItemsError, match="there is no file"):
        read_texts(tmp_path / "none.txt", "The file of members")
    with pytest.raises(ItemsError, match="there is no file"):
        read_texts(tmp_path, "The file of members")
