"""The YAML reader: plain values, lines, and one sentence per mistake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.yamlfile import MAX_BYTES, MAX_DEPTH, ConfigError, Document, Problem, read_yaml


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("yaml")


def read(folder: Path, content: str | bytes) -> Document:
    path = folder / "file.yaml"
    path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
    return read_yaml(path)


def problems(folder: Path, content: str | bytes) -> list[tuple[int | None, str]]:
    with pytest.raises(ConfigError) as caught:
        read(folder, content)
    return [(problem.line, problem.message) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("content", "data"),
    [
        ("no: 1\non: off\n2024: x\ntrue: ~\n", {"no": 1, "on": "off", "2024": "x", "true": None}),
        ("a: yes\nb: True\nc: 'true'\nd: FALSE", {"a": "yes", "b": True, "c": "true", "d": False}),
        ("a: 010\nb: 0o10\nc: 0x1F\nd: -3\ne: +3", {"a": 10, "b": 8, "c": 31, "d": -3, "e": 3}),
        ("a: 1e-3\nb: .5\nc: 1.\nd: -1.5E+2", {"a": 0.001, "b": 0.5, "c": 1.0, "d": -150.0}),
        ("a: 1_000\nb: 12:30\nc: 2024-01-31\nd: 1.2.3", {"a": "1_000", "b": "12:30", "c": "2024-01-31", "d": "1.2.3"}),
        ("a:\nb: null\nc: ''\nd: 'null'", {"a": None, "b": None, "c": "", "d": "null"}),
        ("a: |\n  1\nb: >-\n  2\n  3", {"a": "1\n", "b": "2 3"}),
        ("a: &x {b: [1]}\nc: *x\n<<: *x", {"a": {"b": [1]}, "c": {"b": [1]}, "<<": {"b": [1]}}),
        ("\ufeffa: é # comment\r\nb: 2\r\n", {"a": "é", "b": 2}),
        ("---\na: []\nb: {}\n...\n", {"a": [], "b": {}}),
        ("{}", {}),
    ],
)
def test_values(folder: Path, content: str, data: dict[str, Any]) -> None:
    got = read(folder, content).data
    assert got == data
    assert [type(v) for v in got.values()] == [type(v) for v in data.values()]


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("", 1, "the file is empty"),
        (" \n\n", 1, "the file is empty"),
        ("# nothing\n", 1, "holds only comments"),
        ("# x\n- a\n", 2, "holds a list"),
        ("just text\n", 1, "holds a single value"),
        ("a:\n\tb: 1\n", 2, "a tab is used for indentation"),
        ("a: 1\n \tb: 1\n", 2, "a tab is used for indentation"),
        ("a:\n  b: 1\n c: 2\n", 3, "check its indentation"),
        ("a:\n  b: 1\n   c: 2\n", 3, "check the indentation"),
        (" a: 1\nb: 2\n", 2, "check its indentation"),
        ("a: 1\nb: x: y\n", 2, 'unexpected ":"'),
        ("a: - b\n", 1, 'unexpected "-"'),
        ("a: 1\nb: 'x\nc: 2\n", 2, "the quote that opens on this line is never closed"),
        ("a: [1, 2\nb: 3\n", 2, 'the closing "]" is missing'),
        ("a: {b: 1\nc: 3\n", 2, 'the closing "}" is missing'),
        ("a: 1\nb: }\n", 2, 'unexpected "}"'),
        ("a: 1\nb\n", 2, 'a ":" is missing'),
        ("a: @x\n", 1, 'text that begins with "@" must be in quotes'),
        ("a: *x\n", 1, 'no anchor has the name "x"'),
        ("a: *\n", 1, "must be in quotes"),
        ("a: &x 1\nb: &x 2\n", 2, "an anchor of this name was given above"),
        ('a: "\\q"\n', 1, '"\\q" means nothing in double quotes'),
        ('a: 1\nb: "\\UFFFFFFFF"\n', 2, "names a character that does not exist"),
        ('a: 1\nb: "\\ud800"\n', 2, "names half a character"),
        ("a: 1\n---\nb: 2\n", 2, "a second document begins here"),
        ("a: 1\nb: !!python/object/apply:os.system [x]\n", 2, "tags are not supported"),
        ("a: !!int '5'\n", 1, "tags are not supported"),
        ("a: 1\nb: \x07\n", 2, "the character U+0007 is not allowed"),
        ("a: 1\na: 2\n", 2, 'the key "a" is given twice, first on line 1'),
        ("b:\n  - a: 1\n    c: 2\n    a: 3\n", 4, 'the key "a" is given twice, first on line 2'),
        ("a: 1\n? [b]\n: c\n", 2, "a key must be text"),
        ("a: {{ x }}\n", 1, "a key must be text"),
        ("a: 1\nb: .inf\n", 2, ".inf is not a number that can be used"),
        ("a: .NaN\n", 1, "put it in quotes if it is text"),
        ("a: 1e999\n", 1, "1e999 is not a number"),
        ("a: " + "9" * 5000, 1, "is not a number that can be used"),
        ("a: &x [1, *x]\n", 1, "an alias stands inside its own anchor"),
        ("a: " + "[" * 100_000, 1, "nested more than 50 levels"),
        ("a: 1\nb: " + "[" * MAX_DEPTH + "]" * MAX_DEPTH, 2, "nested more than 50 levels"),
        (b"a: 1\nb: \xff\n", 2, "not UTF-8"),
        ("a: 1".encode("utf-16"), 1, "not UTF-8"),
        ("a: >9x\n", 1, "this is not YAML"),
        ("%YAML 9.0\n---\na: 1", 1, "this is not YAML"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_line(folder: Path, content: str | bytes, line: int, words: str) -> None:
    [(where, message)] = problems(folder, content)
    assert words in message
    assert where == line
    assert "\n" not in message
    assert not message.endswith(".")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a: 1")
    cases = {
        tmp_path: "this is a folder, not a file",
        tmp_path / "absent.yaml": "there is no such file",
        tmp_path / "file" / "x": "the file cannot be read: Not a directory",
        Path("a\0b"): "the file cannot be read: embedded null byte",
    }
    for path, message in cases.items():
        with pytest.raises(ConfigError) as caught:
            read_yaml(path)
        assert caught.value.problems == [Problem(message)]


def test_a_bomb_of_aliases_is_refused(folder: Path) -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    [(_, message)] = problems(folder, "\n".join(rows))
    assert "more than 100,000 values" in message


def test_deep_nesting_by_aliases_is_refused(folder: Path) -> None:
    rows = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 80)]
    [(_, message)] = problems(folder, "\n".join(rows))
    assert "nested more than 50 levels" in message


def test_a_large_file_is_refused(folder: Path) -> None:
    assert problems(folder, b"a" * (MAX_BYTES + 1)) == [(None, "the file is larger than 1,000,000 bytes")]


def test_mistakes_within_readable_yaml_are_reported_together(folder: Path) -> None:
    found = problems(folder, "a: .inf\nb: 1\nc: {d: 1, d: 2}\nb: 3\nb: 4\n")
    assert [line for line, _ in found] == [1, 3, 4, 5]


def test_a_caller_can_collect_problems(folder: Path) -> None:
    path = folder / "file.yaml"
    path.write_text("a: 1\na: 2\n")
    collected: list[Problem] = []
    document = read_yaml(path, collected)
    assert document.data == {"a": 1}
    assert document.line(("a",)) == 1
    assert [(p.line, p.location) for p in collected] == [(2, ("a",))]


def test_an_error_says_file_line_and_sentence() -> None:
    error = ConfigError("model.yaml", [Problem("second", 12), Problem("first", 3), Problem("whole")])
    assert str(error) == "model.yaml: whole\nmodel.yaml:3: first\nmodel.yaml:12: second"


def test_hostile_text_cannot_write_to_the_terminal(folder: Path) -> None:
    [(_, message)] = problems(folder, '"a\\e[31m\\n": 1\n"a\\e[31m\\n": 2\n')
    assert message.isprintable()


def test_lines(folder: Path) -> None:
    document = read(folder, "# first\na:\n  b: 1\n  c:\n    - x\n    - d: 2\n      e: 3\nf: &f\n  g: 4\nh: *f\n")
    lines = {
        (): 2,
        ("a",): 2,
        ("a", "b"): 3,
        ("a", "c"): 4,
        ("a", "c", 0): 5,
        ("a", "c", 1): 6,
        ("a", "c", 1, "e"): 7,
        ("f", "g"): 9,
        ("h",): 10,
        ("h", "g"): 9,
        # What is not there has the line of its nearest parent.
        ("z",): 2,
        ("a", "z"): 2,
        ("a", "c", 7, "e"): 4,
        ("a", "c", 1, "z"): 6,
        ("a", "b", "z", 0): 3,
    }
    assert {location: document.line(location) for location in lines} == lines


# What YAML allows as it is within double quotes.
plain_text = st.text(st.characters(exclude_categories=("Cc", "Cn", "Cs", "Zl", "Zp")))
scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
nested = st.recursive(
    scalars | plain_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(plain_text, inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(st.dictionaries(plain_text, nested, max_size=5))
def test_json_is_read_as_json(folder: Path, data: dict[str, Any]) -> None:
    assert read(folder, json.dumps(data, ensure_ascii=False)).data == data


@settings(deadline=None)
@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%@?, \n\t\\\x85\u20281.e~", max_size=60) | st.text() | st.binary(max_size=60))
def test_anything_gives_data_or_a_clear_error(folder: Path, content: str | bytes) -> None:
    got = problems_or_data(folder, content)
    if isinstance(got, list):
        assert got
        for problem in got:
            assert problem.message.isprintable()
            assert problem.line is None or problem.line >= 1


def problems_or_data(folder: Path, content: str | bytes) -> dict[str, Any] | list[Problem]:
    try:
        return read(folder, content).data
    except ConfigError as error:
        return error.problems
