"""An audit of a model behind a server that fails on the way: it ends, keeps what it has, and goes on from there."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from audit.cli import main
from audit.corpora import Item
from audit.engine import RunSettings, run_audit
from audit.metrics import rate
from audit.models import Capability, Failure, Generate, Generated, Request, Responses
from audit.models.endpoint import sending
from audit.models.options import EndpointOptions, Options
from audit.progress import Silent
from audit.results import RESULT_FILE, AuditResult, Record
from probes.base import Context, Outcome, coverage
from tests.audit.models.tiny import open_source
from tests.audit.support import Tiny, catalogue_of, config, reasons, statuses, stored, within
from tests.servers import Call, Loopback, Reply, error, words

KEY = "sk-very-secret-0123456789"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "FIRST_DELAY", 0.005)
    # Reading all certificates takes longer than a test; nothing here is encrypted.
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *_, **__: None)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


class Writes(Tiny):
    """Asks for one answer an item, and for a second where the first is not yes."""

    id = "tiny.writes"
    capabilities = frozenset({Capability.GENERATE})

    def requests(self, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
        first = [Generate(item["text"], 3) for item in items]
        again = [Generate(f"Sure? {r.prompt}", 3) for r in first if isinstance(answers.get(r), Generated)]
        return [*first, *again]

    def measure(self, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        found = [answers[Generate(item["text"], 3)] for item in items]
        states = [f.status if isinstance(f, Failure) else "scored" for f in found]
        texts = [f.text if isinstance(f, Generated) else None for f in found]
        estimate = rate([int("yes" in t) for t in texts if t is not None], None, context.confidence)
        measured = self.measurement("rate", estimate, coverage(states), chance=0.5)
        records = [
            Record(
                id=item["id"], probe=self.id, item=item["id"], source=self.source, cluster=item["id"],
                input=item["text"], output=text, status=state,
            )
            for item, text, state in zip(items, texts, states, strict=True)
        ]  # fmt: skip
        return Outcome(records, [measured], [self.finding(measured)])


def run(folder: Path, server: Loopback, resume: bool = False, probes: Any = (Writes,), **options: Any) -> AuditResult:
    chosen = {"timeout": 5.0, "retries": 1, "concurrency": 2, **options}
    checked = config(model={"source": server.url, "endpoint": chosen})
    settings = RunSettings(folder / "cache.sqlite", folder / "result", limit=40, resume=resume)
    with within(60):
        chosen.pop("keep_answers", None)
        model = open_source(server.url, Options(endpoint=EndpointOptions(**chosen)))
        return run_audit(checked, model, catalogue_of(*probes), settings, Silent())[1]


def items_asked(server: Loopback) -> list[str]:
    return [text for text in server.texts() if "Text number" in text]


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Equal but for what was resumed with another budget or pace."""
    for content in (one, other):
        content["result"]["manifest"]["config"]["model"].pop("endpoint")
    return one == other


PASSING: dict[str, Reply] = {
    "slow down": error(429, "slow down", retry_after="0.01"),
    "broken": error(500),
    "garbage": Reply(b"\x00\xff{{"),
    "half a body": Reply({"choices": [{"text": "half a body"}]}, half=True),
    "hung up": Reply(drop=True),
}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Loopback], dict[str, Any]]:
    def of(server: Loopback) -> dict[str, Any]:
        folder = tmp_path_factory.mktemp("unbroken")
        server.behave = lambda call: None
        run(folder, server)
        return stored(folder / "result")

    return of


@pytest.mark.parametrize("kind", PASSING)
def test_trouble_on_the_way_changes_nothing(
    kind: str, tmp_path: Path, unbroken: Callable[[Loopback], dict[str, Any]]
) -> None:
    def behave(call: Call) -> Reply | None:
        return PASSING[kind] if "Text number" in call.text and call.again == 0 else None

    with Loopback(behave) as server:
        assert statuses(run(tmp_path, server)) == {"tiny.writes": "done"}
        assert len(items_asked(server)) == 2 * 80
        assert stored(tmp_path / "result") == unbroken(server)


@pytest.mark.parametrize("reply", [error(500), Reply(b"?"), Reply(silent=True), Reply({"choices": []})])
def test_one_bad_request_is_one_failed_item(reply: Reply, tmp_path: Path) -> None:
    with Loopback() as server:
        server.behave = lambda call: reply if [call.text] == items_asked(server)[:1] else None
        result = run(tmp_path, server, retries=0, timeout=0.5 if reply.silent else 5.0)
    [measured] = result.measurements
    assert statuses(result) == {"tiny.writes": "done"}
    assert (measured.coverage.planned, measured.coverage.failed, measured.n) == (40, 1, 39)


GONE: dict[str, Callable[[Loopback, Call], Reply | None]] = {
    "always 500": lambda server, call: error(500),
    "silent": lambda server, call: Reply(silent=True),
    "gone": lambda server, call: server.go_away(),
    "hangs up": lambda server, call: Reply(drop=True),
    "wrong key": lambda server, call: error(401),
}


@pytest.mark.parametrize("kind", GONE)
def test_server_that_does_not_come_back_ends_the_audit(kind: str, tmp_path: Path) -> None:
    with Loopback() as server:
        server.behave = lambda call: GONE[kind](server, call) if len(items_asked(server)) > 20 else None
        result = run(tmp_path, server, timeout=0.3 if kind == "silent" else 5.0)
    assert (result.verdict.status, result.verdict.exit_status) == ("incomplete", 3)
    reason = reasons(result)["tiny.writes"] or ""
    assert "requests were answered. They are kept; --resume asks for the rest." in reason
    assert json.loads((tmp_path / "result" / "run.json").read_text())["complete"] is False
    assert result.measurements == []


def test_resumed_audit_asks_only_for_what_is_missing_and_ends_as_an_unbroken_one(
    tmp_path: Path, unbroken: Callable[[Loopback], dict[str, Any]]
) -> None:
    with Loopback() as server:
        server.behave = lambda call: error(503) if len(items_asked(server)) > 50 else None
        first = run(tmp_path, server)
        assert first.verdict.exit_status == 3
        answered = set(items_asked(server)[:50])
        server.asked.clear()
        server.behave = lambda call: None
        second = run(tmp_path, server, resume=True)
        assert statuses(second) == {"tiny.writes": "done"}
        again = items_asked(server)
        assert len(again) == len(set(again)) == 80 - 50
        assert not answered & set(again)
        cost = json.loads((tmp_path / "result" / "manifest.json").read_text())["cost"]
        assert (cost["from_cache"], cost["computed"]) == (50, 30)
        assert stored(tmp_path / "result") == unbroken(server)


def test_budget_ends_the_audit_and_another_budget_goes_on(
    tmp_path: Path, unbroken: Callable[[Loopback], dict[str, Any]]
) -> None:
    with Loopback() as server:
        result = run(tmp_path, server, max_requests=40)
        total = len(server.asked) + 1  # the list of models
        assert total == 40
        done = items_asked(server)
        assert reasons(result)["tiny.writes"] == (
            f"The budget of 40 requests is spent. {len(done)} of its {40 + len(done)} requests were answered. "
            "They are kept; --resume asks for the rest."
        )
        server.asked.clear()
        result = run(tmp_path, server, resume=True, max_requests=1000, concurrency=5)
        assert statuses(result) == {"tiny.writes": "done"}
        assert sorted(items_asked(server) + done) == sorted(set(items_asked(server) + done))
        assert len(items_asked(server) + done) == 80
        assert same(stored(tmp_path / "result"), unbroken(server))


def test_answers_of_another_audit_are_not_used_unless_the_config_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter(f"2026-01-01T00:00:0{i}Z" for i in range(9))
    monkeypatch.setattr("audit.runfolder.now", lambda: next(times))
    with Loopback() as server:
        counts = []
        for keep in (False, False, True, True):
            server.asked.clear()
            run(tmp_path, server, keep_answers=keep)
            counts.append(len(items_asked(server)))
    assert counts == [80, 80, 80, 0]


def test_what_an_endpoint_lacks_is_said(tmp_path: Path) -> None:
    with Loopback(lambda call: words(call, echo=False)) as server:
        result = run(tmp_path, server, probes=(Writes, Tiny))
        assert statuses(result) == {"tiny.writes": "done", "tiny.rate": "not_applicable"}
        assert reasons(result)["tiny.rate"] == (
            "It needs a model that can say how likely a text is; this endpoint gives no log-probabilities of a text "
            "that is sent (completions with echo)."
        )
        assert result.verdict.exit_status == 0
    with Loopback() as server:
        assert statuses(run(tmp_path / "two", server, probes=(Writes, Tiny)))["tiny.rate"] == "done"


def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[Any, str]:
    monkeypatch.setattr("sys.argv", ["audit", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    told = capsys.readouterr()
    return stop.value.code, told.out + told.err


def test_the_command_ends_with_3_and_the_key_is_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Against a server that repeats the key in answers and in errors, with all reports drawn."""
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.setenv("FAIRWITNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def parrot(call: Call) -> Reply:
        if len(server.asked) > 20:
            return error(401, f"Incorrect API key provided: {call.headers['authorization']}")
        if len(server.asked) % 3 == 0:
            return error(400, f"{KEY} is not nice")
        reply = words(call, echo=False)
        part = reply.body["choices"][0]
        part.get("message", part)["content" if "message" in part else "text"] = f"Yes. {call.headers['authorization']}"
        return reply

    with Loopback() as server:
        (tmp_path / "model.yaml").write_text(
            f"model:\n  source: {server.url}\n  endpoint: {{key_variable: MY_KEY, retries: 0, concurrency: 1}}\n"
            "probes: {misinformation.fabrication: {}}\n"
        )
        server.behave = parrot
        status, said = command(monkeypatch, capsys, "run", "model.yaml", "--output", "result", "--limit", "12")
    assert status == 3, said
    assert "environment variable MY_KEY" in said
    assert KEY not in said
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {RESULT_FILE, "card.html", "report.html", "responses.sqlite"} <= {path.name for path in files}
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []
    assert any(b"[key]" in path.read_bytes() for path in files), "what the server repeated was seen and taken out"


def test_the_command_ends_with_2_where_nobody_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with Loopback() as server:
        url = server.url
    (tmp_path / "model.yaml").write_text(f"model: {{source: '{url}', endpoint: {{retries: 0}}}}\n")
    status, said = command(monkeypatch, capsys, "run", "model.yaml", "--quiet")
    assert status == 2
    assert said.startswith(f"{url} gives no answer; check the address")
