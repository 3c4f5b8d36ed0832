"""Responses on disk: what comes back, what does not, and what a damaged file does."""

from __future__ import annotations

import ast
import hashlib
import random
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.cache import DAY, VERSION, CacheError, ResponseCache
from audit.models import (
    Ablate,
    Ablated,
    Attend,
    Attended,
    Attribute,
    Attributed,
    Failure,
    Generate,
    Generated,
    Message,
    Request,
    Response,
    Score,
    Scored,
    decode,
    encode,
    user,
)
from audit.models.scripted import ScriptedModel
from tests.audit.support import Tiny, audit, stored

ROOT = Path(__file__).parents[2]
SCORE = Score("prompt", " yes")
SCORED = Scored(-1.25, 1, True)
WEIGHTS = np.random.default_rng(0).random((2, 3, 4, 4), dtype=np.float32)

PAIRS: list[tuple[Request, Response]] = [
    (Score("", ""), Scored(-0.1 - 0.2, 3, False)),
    (Score(user("a"), " yes"), Scored(-1e-300, 1, True)),
    (Score((Message("system", "s"), Message("user", "u")), "ü\0\u2028'\"; DROP TABLE responses; --"), SCORED),
    (Generate("x", 5, 0.7, 3), Generated("고양이 \0 🙂 \ud800 \n", 5, -12.5, "length")),
    (Attribute("a b", " yes", " no"), Attributed(("a", "b"), (0.1, -0.2), 1.0, 0.0)),
    (Ablate("a b", " yes", kept=((), (0,), (0, 1))), Ablated((0.0, 1e-17, -3.5))),
    (Score("long", "long"), Failure("truncated", "The input has 9000 tokens.")),
    (Score("nan", "nan"), Failure("not_a_number", "Not finite.")),
]


def put(path: Path, *pairs: tuple[Request, Response], model: str = "f") -> None:
    with ResponseCache(path, model) as cache:
        cache.put(list(pairs))


def get(path: Path, *requests: Request, model: str = "f") -> dict[Request, Response]:
    with ResponseCache(path, model) as cache:
        return cache.get(requests)


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "cache.sqlite"
    put(path, *PAIRS)
    assert get(path, *dict(PAIRS)) == dict(PAIRS)
    assert get(path) == {}


def test_round_trip_of_attention(tmp_path: Path) -> None:
    request, response = Attend("a b", " c"), Attended(("a", " b", " c"), 2, True, WEIGHTS)
    put(tmp_path / "c", (request, response))
    found = get(tmp_path / "c", request)[request]
    assert isinstance(found, Attended)
    assert (found.tokens, found.prompt_tokens, found.causal) == (response.tokens, 2, True)
    assert found.weights.dtype == np.float32
    assert found.weights.tobytes() == WEIGHTS.tobytes()
    assert found.weights.shape == WEIGHTS.shape


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False), st.text(), st.integers(0, 2**40))
def test_any_number_and_text_comes_back_exactly(number: float, text: str, count: int) -> None:
    for response in (Scored(number, count, True), Generated(text, count, number, "stop"), Ablated((number, 0.0))):
        assert decode(encode(response)) == response
        assert type(decode(encode(response))) is type(response)


@settings(deadline=None)
@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_keys_are_equal_for_equal_requests_only(a: str, b: str, c: str) -> None:
    assert Score(a, b).key == Score(a, b).key
    requests = [Score(a, b), Score(a, c), Attend(a, b), Attribute(a, b), Attribute(a, b, c), Score(user(a), b)]
    assert len({r.key for r in requests}) == len(set(requests))


def test_mapping_may_be_put(tmp_path: Path) -> None:
    with ResponseCache(tmp_path / "c", "f") as cache:
        cache.put({SCORE: SCORED})
        cache.put({})
        assert cache.get([SCORE, Score("other", "x")]) == {SCORE: SCORED}


def test_more_requests_than_one_statement_holds(tmp_path: Path) -> None:
    many = [Score(f"{i}", "x") for i in range(2345)]
    put(tmp_path / "c", *((r, Scored(float(i), 1, True)) for i, r in enumerate(many)))
    found = get(tmp_path / "c", *many)
    assert [found[r] for r in many] == [Scored(float(i), 1, True) for i in range(2345)]


def test_new_response_replaces_the_old(tmp_path: Path) -> None:
    put(tmp_path / "c", (SCORE, Scored(-9.0, 1, False)))
    put(tmp_path / "c", (SCORE, SCORED))
    assert get(tmp_path / "c", SCORE) == {SCORE: SCORED}


def test_other_model_sees_nothing(tmp_path: Path) -> None:
    put(tmp_path / "c", (SCORE, SCORED), model="one")
    assert get(tmp_path / "c", SCORE, model="two") == {}
    put(tmp_path / "c", (SCORE, Scored(-2.0, 1, True)), model="two")
    assert get(tmp_path / "c", SCORE, model="one") == {SCORE: SCORED}


def test_failures_that_may_pass_are_not_kept(tmp_path: Path) -> None:
    kept = {Score("t", ""): Failure("truncated", "too long"), Score("n", ""): Failure("not_a_number", "NaN")}
    put(tmp_path / "c", (SCORE, Failure("failed", "out of memory")), *kept.items())
    assert get(tmp_path / "c", SCORE, *kept) == kept


# Damage.


def damage(path: Path, body: Any) -> None:
    put(path, (SCORE, SCORED))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE responses SET body = ?", (body,))
    connection.close()


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "null",
        "5",
        '["Scored"]',
        '["Nothing", {}]',
        '["Scored", {"logprob": 1.0}]',
        '["Scored", {"logprob": 1.0, "tokens": 1, "greedy": true, "more": 1}]',
        '["Attended", {"tokens": [], "prompt_tokens": 0, "causal": true, "weights": {"shape": [3], "float32": "!"}}]',
        b"\xff\xfe\x00",
        '["Scored", null]',
        '["Scored", []]',
        '{"a": 1, "b": 2}',
        "[" * 100_000,
        '["Scored", {"logprob": "x", "tokens": 1, "greedy": true}]',
        '["Scored", {"logprob": NaN, "tokens": 1, "greedy": true}]',
    ],
    ids=lambda body: repr(body)[:40],
)
def test_damaged_row_counts_as_missing(body: Any, tmp_path: Path) -> None:
    damage(tmp_path / "c", body)
    assert get(tmp_path / "c", SCORE) == {}
    put(tmp_path / "c", (SCORE, SCORED))
    assert get(tmp_path / "c", SCORE) == {SCORE: SCORED}


def test_damaged_row_is_computed_again_by_an_audit(tmp_path: Path) -> None:
    audit(tmp_path, [Tiny])
    before = stored(tmp_path / "result")
    with sqlite3.connect(tmp_path / "cache.sqlite") as connection:
        connection.execute("UPDATE responses SET body = '{' WHERE rowid = 5")
    connection.close()
    audit(tmp_path, [Tiny])
    assert stored(tmp_path / "result") == before


@pytest.mark.parametrize("kind", ["text", "folder", "zeros", "parent is a file"])
def test_file_that_is_no_cache_is_one_sentence(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    if kind == "text":
        path.write_text("This is a diary. " * 100)
    elif kind == "folder":
        path.mkdir()
    elif kind == "zeros":
        path.write_bytes(b"SQLite format 3\0" + bytes(5000))
    else:
        path.write_text("x")
        path = path / "cache.sqlite"
    with pytest.raises(CacheError) as error:
        ResponseCache(path, "f")
    said = str(error.value)
    assert said.startswith(f"The cache {path} cannot be used: ")
    assert said.endswith(".")
    assert "\n" not in said


@pytest.mark.parametrize("use", ["get", "put"])
def test_file_damaged_inside_is_one_sentence(use: str, tmp_path: Path) -> None:
    path, many = tmp_path / "c", [Score(f"{i}", "x") for i in range(2000)]
    put(path, *((r, SCORED) for r in many))
    raw = bytearray(path.read_bytes())
    raw[4096:] = random.Random(0).randbytes(len(raw) - 4096)
    path.write_bytes(bytes(raw))
    with pytest.raises(CacheError, match=r"cannot be used: .*\.$"), ResponseCache(path, "f") as cache:
        cache.get(many) if use == "get" else cache.put([(r, SCORED) for r in many])


def test_two_processes_lose_nothing(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from audit.cache import ResponseCache\n"
        "from audit.models import Score, Scored\n"
        "name = sys.argv[2]\n"
        "with ResponseCache(Path(sys.argv[1]), 'f') as cache:\n"
        "    for i in range(60):\n"
        "        own = [(Score(f'{name} {i} {j}', 'x'), Scored(-1.0 * i, j, True)) for j in range(8)]\n"
        "        shared = [(Score(f'shared {i}', 'x'), Scored(-2.0 * i, 1, True))]\n"
        "        cache.put(own + shared)\n"
        "        assert len(cache.get([r for r, _ in own])) == 8\n"
    )
    path = tmp_path / "cache.sqlite"
    workers = [
        subprocess.Popen([sys.executable, "-c", script, str(path), name], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for name in ("a", "b", "c")
    ]
    errors = [worker.communicate(timeout=120)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0], errors
    expected: dict[Request, Response] = {
        Score(f"{name} {i} {j}", "x"): Scored(-1.0 * i, j, True)
        for name in ("a", "b", "c")
        for i in range(60)
        for j in range(8)
    }
    expected |= {Score(f"shared {i}", "x"): Scored(-2.0 * i, 1, True) for i in range(60)}
    assert get(path, *expected) == expected


# When it was used, and files of earlier versions.

OLD_TABLE = "CREATE TABLE responses (key TEXT PRIMARY KEY, model TEXT NOT NULL, body TEXT NOT NULL)"


def old_file(path: Path, *pairs: tuple[Request, Response]) -> None:
    """A file as the first version of the product wrote it."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(OLD_TABLE)
        keys = [hashlib.sha256(f"f:{request.key}".encode()).hexdigest() for request, _ in pairs]
        rows = [(key, "f", encode(response)) for key, (_, response) in zip(keys, pairs, strict=True)]
        connection.executemany("INSERT INTO responses VALUES (?, ?, ?)", rows)


def ask(path: Path, question: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(question).fetchall()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The time, which a test may change."""
    times = [1_000_000_000]
    monkeypatch.setattr("audit.cache.time.time", lambda: times[0] + 0.5)
    return times


def test_old_file_is_brought_up_to_date_without_loss(tmp_path: Path, clock: list[int]) -> None:
    path = tmp_path / "c"
    old_file(path, *PAIRS)
    before = ask(path, "SELECT key, model, body FROM responses ORDER BY key")
    assert get(path, *dict(PAIRS)) == dict(PAIRS)
    assert ask(path, "SELECT key, model, body FROM responses ORDER BY key") == before
    assert {used for (used,) in ask(path, "SELECT used FROM responses")} == {
        clock[0]
    }  # not older than it is known to be
    assert ask(path, "PRAGMA user_version") == [(VERSION,)]
    clock[0] += 5
    put(path, (Score("new", "x"), SCORED))
    assert len(get(path, *dict(PAIRS), Score("new", "x"))) == len(PAIRS) + 1


def test_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "c"
    put(path, (SCORE, SCORED))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    before = path.read_bytes()
    with pytest.raises(CacheError, match=r"cannot be used: a newer version .* upgrade.*\.$"):
        ResponseCache(path, "f")
    assert path.read_bytes() == before


def test_model_is_named_with_its_first_and_last_use(tmp_path: Path, clock: list[int]) -> None:
    path = tmp_path / "c"
    for name in ("old name", "name"):
        with ResponseCache(path, "f", name, "w" * 64) as cache:
            clock[0] += 100
            cache.put([(SCORE, SCORED)])
    start = 1_000_000_000
    assert ask(path, "SELECT * FROM models") == [("f", "name", "w" * 64, start, start + 200)]


def test_use_is_noted_to_the_day(tmp_path: Path, clock: list[int]) -> None:
    path, other = tmp_path / "c", Score("other", "x")
    put(path, (SCORE, SCORED), (other, SCORED))
    start = clock[0]
    clock[0] = start + DAY  # not yet more than a day
    assert get(path, SCORE) == {SCORE: SCORED}
    assert ask(path, "SELECT used FROM responses") == [(start,), (start,)]
    clock[0] = start + DAY + 1
    get(path, SCORE)
    assert sorted(ask(path, "SELECT used FROM responses")) == [(start,), (start + DAY + 1,)]


def test_two_processes_may_open_an_old_file_together(tmp_path: Path) -> None:
    old_file(tmp_path / "c", *((Score(f"{i}", "x"), SCORED) for i in range(3000)))
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from audit.cache import ResponseCache\n"
        "from audit.models import Score, Scored\n"
        "sys.stdin.readline()\n"
        "with ResponseCache(Path(sys.argv[1]), 'f', sys.argv[2]) as cache:\n"
        "    assert len(cache.get([Score(f'{i}', 'x') for i in range(3000)])) == 3000\n"
        "    for i in range(30):\n"
        "        cache.put([(Score(f'{sys.argv[2]} {i}', 'x'), Scored(-1.0, i, True))])\n"
    )
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "c"), name],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("a", "b")
    ]
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
    errors = [worker.communicate(timeout=120)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], errors
    assert ask(tmp_path / "c", "SELECT COUNT(*) FROM responses") == [(3060,)]


def test_an_audit_names_its_model(tmp_path: Path) -> None:
    model = ScriptedModel()
    audit(tmp_path, [Tiny], model)
    found = ask(tmp_path / "cache.sqlite", "SELECT name, weights FROM models")
    assert found == [(model.facts.name, model.facts.weights_sha256)]


# Nothing that runs code when it is read.

FORBIDDEN = re.compile(
    # Its use, by whatever way it is reached, and not the word: messages may say that it is refused.
    r"\b(import|from) +_?(cloud|c)?pickle\b|\b_?(cloud|c)?pickle\.\w|[\"']_?(cloud|c)?pickle[\"']|(allow|read|to)_pickle\b"
    r"|torch\.load\b|(?<![.\w])eval\(|(?<![.\w])exec\(|\bmarshal\b|\bshelve\b|\bjoblib\.load|\bdill\b|yaml\.(unsafe_)?load\("
)


# It names what it looks for in the files of others; that it imports none of it is tested with all other modules.
NAMES_THEM = ROOT / "audit" / "models" / "files" / "pickles.py"


def test_no_pickle_and_no_code_from_data() -> None:
    found = []
    for package in ("audit", "probes", "reports"):
        for path in sorted((ROOT / package).rglob("*")):
            if path.suffix in (".py", ".js", ".j2", ".html") and path != NAMES_THEM:
                lines = path.read_text(encoding="utf-8").splitlines()
                found += [f"{path}:{i}: {line}" for i, line in enumerate(lines, 1) if FORBIDDEN.search(line)]
    assert found == []


def test_the_search_finds_what_it_looks_for() -> None:
    bad = ["import pickle", "np.load(x, allow_pickle=True)", "torch.load(f)", "eval(text)", " exec(text)", "yaml.load("]
    bad += ["from pickle import loads", "x = cloudpickle.loads(y)", 'import_module("pickle")', "pd.read_pickle(x)"]
    assert all(FORBIDDEN.search(line) for line in bad)
    fine = ["model.eval()", "Nothing is pickled", "re.exec(x)", '(".pkl", ".pickle")', "raise refuse_pickle(source)"]
    assert not any(FORBIDDEN.search(line) for line in fine)


def test_no_module_that_unpickles_is_imported() -> None:
    unwanted = {"pickle", "_pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle"}
    for package in ("audit", "probes", "reports"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                assert not unwanted & {name.split(".")[0] for name in names}, path


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from(PAIRS), min_size=1, max_size=8))
def test_order_of_putting_does_not_matter(pairs: list[tuple[Request, Response]]) -> None:
    with ResponseCache(Path(":memory:"), "f") as cache:
        for request, response in pairs:
            cache.put([(request, response)])
        assert cache.get(dict(pairs)) == dict(pairs)
