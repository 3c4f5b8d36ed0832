"""A model behind a server: what it is asked, what it answers, and every way in which a server can go wrong."""

from __future__ import annotations

import asyncio
import builtins
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from audit.models import (
    Capability,
    Failure,
    Generate,
    Generated,
    ModelError,
    Score,
    Scored,
    Unavailable,
    decode,
    encode,
    user,
)
from audit.models.endpoint import sending
from audit.models.endpoint.model import EndpointModel
from audit.models.endpoint.server import asked_wait, read_address, read_key, usual_variable
from audit.models.options import EndpointOptions, Options
from audit.models.requests import Message
from tests.audit.models.tiny import open_source
from tests.servers import NAME, Call, Loopback, Reply, error, logprob, split, words, write

KEY = "sk-very-secret-0123456789"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "FIRST_DELAY", 0.005)
    # Reading all certificates takes longer than a test; nothing here is encrypted.
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *_, **__: None)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def opened(server: Loopback, chat_template: bool | None = None, **options: Any) -> EndpointModel:
    model = open_source(
        server.url,
        Options(chat_template=chat_template, endpoint=EndpointOptions(**{"timeout": 5.0, "retries": 2, **options})),
    )
    assert isinstance(model, EndpointModel)
    return model


def after_opening(server: Loopback, **options: Any) -> EndpointModel:
    """A model whose server forgets what it was asked to be opened."""
    model = opened(server, **options)
    server.asked.clear()
    return model


ASKED = [Generate(f"Item {i}:", 6) for i in range(12)]


def expected(request: Generate) -> str:
    return "".join(write(str(request.prompt), request.max_tokens)).strip()


def test_facts() -> None:
    with Loopback() as server:
        model = opened(server)
    facts = model.facts
    assert (facts.name, facts.source, facts.kind, facts.pinned) == (NAME, server.url, "endpoint", False)
    assert facts.weights_sha256 is None
    assert facts.capabilities == ["generate", "score"]
    assert "can change without notice" in facts.notes[0]
    assert any("Conversations were scored as plain text" in note for note in facts.notes)
    assert model.answers_apart


def test_text_and_conversations_go_to_their_own_calls() -> None:
    talk = (Message("system", "Be brief."), Message("user", "Hi."))
    with Loopback() as server:
        model = after_opening(server)
        raw, spoken = model.generate([Generate("Once", 5, 0.7, 9), Generate(talk, 4)])
    by_path = {call.path: call.body for call in server.asked}
    assert by_path["/completions"] == {
        "model": NAME, "prompt": "Once", "max_tokens": 5, "temperature": 0.7, "seed": 9, "logprobs": 1,
    }  # fmt: skip
    assert by_path["/chat/completions"]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi."},
    ]
    assert by_path["/chat/completions"]["temperature"] == 0.0
    assert isinstance(raw, Generated)
    made = write("Once", 5)
    assert raw.text == "".join(made).strip()
    assert raw.tokens == len(made)
    assert raw.logprob == pytest.approx(sum(logprob("Once" + "".join(made[:i]), t) for i, t in enumerate(made)))
    assert isinstance(spoken, Generated)
    assert spoken.logprob is not None


def test_answer_without_logprobs_has_none_and_can_be_stored() -> None:
    def plain(call: Call) -> Reply:
        reply = words(call, echo=False)
        reply.body["choices"][0].pop("logprobs", None)
        return reply

    with Loopback(plain) as server:
        model = after_opening(server)
        [found] = model.generate([Generate("Once", 5)])
        assert "logprobs" not in server.asked[0].body, "what the server does not give is not asked for"
    assert isinstance(found, Generated)
    assert found.logprob is None
    assert decode(encode(found)) == found


@pytest.mark.parametrize("begin", [None, "<s>", ""])
def test_scores_are_those_of_the_continuations_tokens(begin: str | None) -> None:
    with Loopback(lambda call: words(call, begin=begin)) as server:
        model = opened(server)
        one, two, spaced, joined, talk = model.score(
            [
                Score("A b", " Paris"),
                Score("A b", " Paris no"),
                Score("A b ", "Paris"),
                Score("A b", "c"),
                Score(user("Who?"), "me"),
            ]
        )
    assert one == spaced == Scored(pytest.approx(logprob("A b", " Paris")), 1, False)
    assert two == Scored(pytest.approx(logprob("A b", " Paris") + logprob("A b Paris", " no")), 2, False)
    # The token " bc" spans the boundary and counts whole.
    assert joined == Scored(pytest.approx(logprob("A", " bc")), 1, False)
    assert talk == Scored(pytest.approx(logprob("Question: Who?\nAnswer:", " me")), 1, False)


def test_greedy_is_the_servers_first_choice() -> None:
    best = write("A b", 1)[0]
    with Loopback() as server:
        [first, other] = opened(server).score([Score("A b", best), Score("A b", " zebra")])
    assert isinstance(first, Scored)
    assert isinstance(other, Scored)
    assert first.greedy
    assert not other.greedy
    assert first.logprob > other.logprob


def test_the_first_token_of_a_text_has_a_score_only_after_a_beginning_token() -> None:
    with Loopback() as server:
        [without] = opened(server).score([Score("", "Paris yes")])
    with Loopback(lambda call: words(call, begin="<s>")) as server:
        [found] = opened(server).score([Score("", "Paris yes")])
    assert without == Failure("failed", "The server gives no log-probability to the first token of a text.")
    assert found == Scored(pytest.approx(logprob("", "Paris") + logprob("Paris", " yes")), 2, False)


@pytest.mark.parametrize(
    ("behave", "why"),
    [
        (lambda call: words(call, echo=False), "gives no log-probabilities"),
        (lambda call: words(call, late=True), "are not those with which it writes"),
        (lambda call: error(400, "Only no echo is supported") if call.body.get("echo") else None, "gives no"),
        (lambda call: error(500, "boom") if call.body.get("echo") else None, "gives no"),
    ],
)
def test_scores_that_a_server_does_not_give_or_gives_wrongly_are_not_asked_for(
    behave: Callable[[Call], Reply | None], why: str
) -> None:
    with Loopback(behave) as server:
        model = opened(server)
        assert model.capabilities == {Capability.GENERATE}
        assert why in model.lacks[Capability.SCORE]
        assert [f.text for f in model.generate(ASKED[:1]) if isinstance(f, Generated)] == [expected(ASKED[0])]
    with Loopback() as sound:
        assert Capability.SCORE in opened(sound).capabilities


def test_server_without_completions_gets_text_as_a_message() -> None:
    with Loopback(lambda call: error(404) if call.path == "/completions" else None) as server:
        model = after_opening(server)
        model.generate([Generate("Once", 3)])
        assert server.asked[0].body["messages"] == [{"role": "user", "content": "Once"}]
    assert any("raw text was sent as one message" in note for note in model.facts.notes)


@pytest.mark.parametrize("chat_template", [None, False])
def test_server_without_chat_or_a_wish_for_none_gets_plain_text(chat_template: bool | None) -> None:
    def behave(call: Call) -> Reply | None:
        return error(404) if call.path != "/completions" and chat_template is None else None

    with Loopback(behave) as server:
        model = opened(server, chat_template=chat_template)
        server.asked.clear()
        model.generate([Generate(user("Who?"), 3)])
        assert server.asked[0].body["prompt"] == "Question: Who?\nAnswer:"
    assert any("sent as plain text" in note for note in model.facts.notes)
    assert not model.facts.chat_template


@pytest.mark.parametrize(
    ("refused", "note"),
    [("seed", "takes no seed"), ("temperature", "does not let the temperature be chosen"), ("logprobs", None)],
)
def test_parameters_that_a_server_refuses_are_left_out(refused: str, note: str | None) -> None:
    with Loopback(lambda c: error(400, f"Unsupported parameter: '{refused}'") if refused in c.body else None) as server:
        model = after_opening(server)
        [found] = model.generate(ASKED[:1])
        assert isinstance(found, Generated)
        assert refused not in server.asked[0].body
    assert note is None or any(note in said for said in model.facts.notes)


def test_newer_name_of_the_limit() -> None:
    told = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."

    def behave(call: Call) -> Reply | None:
        return error(400, told) if call.path == "/chat/completions" and "max_tokens" in call.body else None

    with Loopback(behave) as server:
        model = after_opening(server)
        model.generate([Generate(user("Who?"), 3)])
        assert server.asked[0].body["max_completion_tokens"] == 3


def test_answers_do_not_depend_on_the_order_of_completion() -> None:
    def slow(call: Call) -> None:
        time.sleep(0.03 * (sum(map(ord, call.text)) % 3))

    with Loopback(slow) as server:
        model = after_opening(server, concurrency=4)
        found = model.generate(ASKED)
        assert 2 <= server.most_at_once <= 4
    assert [f.text for f in found if isinstance(f, Generated)] == [expected(r) for r in ASKED]
    assert [len(b) for b in model.batches([Generate(f"{i}", 1) for i in range(70)])] == [32, 32, 6]


def test_within_a_running_event_loop() -> None:
    async def notebook(server: Loopback) -> Any:
        return opened(server).generate(ASKED[:2])

    with Loopback() as server:
        assert len(asyncio.run(notebook(server))) == 2


# What may pass is tried again.

TROUBLE: dict[str, Reply] = {
    "too many": error(429, "slow down"),
    "broken": error(500, "boom"),
    "a proxy's page": Reply(b"<html>Bad gateway</html>", 502),
    "garbage": Reply(b"{{{ not json"),
    "a list": Reply([1, 2]),
    "half a body": Reply({"choices": [{"text": "half"}]}, half=True),
    "no choices": Reply({"choices": []}),
    "no text": Reply({"choices": [{"text": None, "message": {"content": None}, "finish_reason": "stop"}]}),
    "a number": Reply({"choices": [{"text": 3, "message": {"content": 3}}]}),
    "hung up": Reply(drop=True),
}


@pytest.mark.parametrize("kind", TROUBLE)
def test_trouble_that_passes_is_not_seen(kind: str) -> None:
    with Loopback() as server:
        model = after_opening(server)
        server.behave = lambda call: TROUBLE[kind] if call.again < 2 else None
        found = model.generate(ASKED[:3])
        assert [f.text for f in found if isinstance(f, Generated)] == [expected(r) for r in ASKED[:3]]
        assert len(server.asked) == 9


@pytest.mark.parametrize("kind", TROUBLE)
def test_trouble_with_one_request_is_its_failure(kind: str) -> None:
    with Loopback() as server:
        model = after_opening(server)
        server.behave = lambda call: TROUBLE[kind] if "Item 5" in call.text else None
        found = model.generate(ASKED)
        assert [isinstance(f, Failure) for f in found] == [i == 5 for i in range(12)]
        assert len(server.asked) == 11 + 3, "two more tries"
    failure = found[5]
    assert isinstance(failure, Failure)
    assert failure.status == "failed"


def test_silence_ends_with_the_time_out() -> None:
    with Loopback() as server:
        model = after_opening(server, timeout=0.3, retries=1)
        server.behave = lambda call: Reply(silent=True) if "Item 5" in call.text else None
        found = model.generate(ASKED)
        assert [i for i, f in enumerate(found) if isinstance(f, Failure)] == [5]
        assert found[5] == Failure("failed", "The server gave no answer within 0.3 seconds.")


def test_server_that_drips_is_silent() -> None:
    """Each byte comes within the time-out; the whole does not."""
    with Loopback() as server:
        model = after_opening(server, timeout=0.4, retries=0)
        handler = server._http.RequestHandlerClass

        def drip(self: Any, body: dict[str, Any]) -> None:
            self.close_connection = True
            try:
                self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
                for _ in range(30):
                    self.wfile.write(b" ")
                    self.wfile.flush()
                    time.sleep(0.1)
            except OSError:
                pass

        handler.answer = drip  # type: ignore[attr-defined]
        start = time.perf_counter()
        [found] = model.generate(ASKED[:1])
        assert time.perf_counter() - start < 2
    assert isinstance(found, Failure)


def test_retry_after_is_respected() -> None:
    with Loopback() as server:
        model = after_opening(server)
        server.behave = lambda call: error(429, retry_after="0.4") if call.again == 0 else None
        start = time.perf_counter()
        model.generate(ASKED[:1])
        assert 0.4 <= time.perf_counter() - start < 3
        server.behave = lambda call: error(429, retry_after="3600")
        with pytest.raises(Unavailable, match="asks for 3600 seconds of waiting"):
            model.generate(ASKED[1:2])


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
)
def test_asked_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert asked_wait(headers) == seconds


def test_delays_double_and_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "FIRST_DELAY", 0.5)
    for attempt, full in enumerate([0.5, 1, 2, 4, 8, 16, 30, 30]):
        assert 0.75 * full <= sending.delay(attempt, None) <= full
    assert sending.delay(3, 0.0) == 0.0


# What will not pass is not tried again.


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (error(400, "This model's maximum context length is 8 tokens", "context_length_exceeded"), "truncated"),
        (error(400, "Filtered by the content management policy", "content_filter"), "refused"),
        (error(400, "what?"), "failed"),
        (error(422, "what?"), "failed"),
        (Reply({"choices": [{"text": "", "finish_reason": "content_filter"}]}), "refused"),
    ],
)
def test_refusals_are_of_one_request(reply: Reply, status: str) -> None:
    with Loopback() as server:
        model = after_opening(server)
        server.behave = lambda call: reply if "Item 1" in call.text else None
        found = model.generate(ASKED)
        assert [f.status for f in found if isinstance(f, Failure)] == [status] * 3
        assert len(server.asked) == 12
        server.behave = lambda call: reply
        assert all(isinstance(f, Failure) for f in model.generate(ASKED)), "many in a row do not stop an audit"


def test_a_refused_key_stops_and_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    with Loopback() as server:
        model = after_opening(server, key_variable="MY_KEY", concurrency=1)
        assert server.paths  # opened with the key
        server.behave = lambda call: error(401, f"Incorrect API key provided: {KEY}") if "Item 3" in call.text else None
        with pytest.raises(Unavailable, match="put it in the environment variable MY_KEY") as stop:
            model.generate(ASKED)
        assert len(stop.value.found) == 3
        assert KEY not in stop.value.reason
        assert len(server.asked) == 4
    with Loopback(lambda call: error(401)) as server, pytest.raises(ModelError, match=r"not set; put it in .* NO_KEY"):
        opened(server, key_variable="NO_KEY")


@pytest.mark.parametrize("reply", [error(503), Reply(drop=True), error(404, "model unloaded"), error(403)])
def test_a_server_that_is_gone_is_given_up(reply: Reply) -> None:
    with Loopback() as server:
        model = after_opening(server, concurrency=1, retries=1)
        server.behave = lambda call: reply if len(server.asked) > 4 else None
        with pytest.raises(Unavailable, match="3 requests in a row") as stop:
            model.generate(ASKED)
        assert [r for r in ASKED if isinstance(stop.value.found.get(r), Generated)] == ASKED[:4]
        assert len(server.asked) <= 4 + 3 * 2 + 1, "and once more what it answered last"


def test_a_server_that_goes_away() -> None:
    with Loopback() as server:
        model = after_opening(server, retries=1)

        def behave(call: Call) -> None:
            if len(server.asked) == 5:
                server.go_away()

        server.behave = behave
        start = time.perf_counter()
        with pytest.raises(Unavailable, match="connection to the server failed") as stop:
            model.generate(ASKED)
        assert time.perf_counter() - start < 8
        assert sum(isinstance(f, Generated) for f in stop.value.found.values()) >= 3


def test_budget_of_requests_counts_every_try() -> None:
    with Loopback() as server:
        spent = len((opened(server), server.asked)[1]) + 1  # and the list of models
        server.asked.clear()
        model = opened(server, max_requests=spent + 6, concurrency=2)
        server.asked.clear()
        server._seen.clear()
        server.behave = lambda call: error(429) if call.again == 0 else None
        with pytest.raises(Unavailable, match=rf"The budget of {spent + 6} requests is spent\.") as stop:
            model.generate(ASKED)
        assert len(server.asked) == 6
        done = {r: f for r, f in stop.value.found.items() if isinstance(f, Generated)}
        assert 2 <= len(done) <= 3
        assert all(f.text == expected(r) for r, f in done.items() if isinstance(r, Generate))
        with pytest.raises(Unavailable, match="is spent"):
            model.generate(ASKED)
        assert len(server.asked) == 6
    with Loopback() as server, pytest.raises(ModelError, match="The budget of 1 request is spent"):
        opened(server, max_requests=1)


@pytest.mark.parametrize("counted", [True, False])
def test_budget_of_tokens(counted: bool) -> None:
    def behave(call: Call) -> Reply:
        reply = words(call)
        if not counted:
            del reply.body["usage"]
        return reply

    with Loopback(behave) as server:
        model = after_opening(server, max_tokens=3000, concurrency=1)
        long = [Generate(f"{i} " + "word " * 400, 3) for i in range(20)]
        with pytest.raises(Unavailable, match=r"The budget of 3000 tokens is spent\."):
            model.generate(long)
        assert 4 <= len(server.asked) <= 9, "about 400 tokens each"


def test_a_bug_with_one_answer_does_not_ask_the_others_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with Loopback() as server:
        model = after_opening(server)

        def broken(*_: Any) -> Any:
            raise ZeroDivisionError("oh")

        monkeypatch.setattr("audit.models.endpoint.model.generated", broken)
        assert model.generate(ASKED[:2]) == [Failure("failed", "ZeroDivisionError: oh")] * 2
        assert len(server.asked) == 2


def test_an_interrupt_cancels_what_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    with Loopback() as server:
        model = after_opening(server, timeout=20.0)
        server.behave = lambda call: Reply(silent=True)
        threads = threading.active_count()

        class Interrupted(BaseException):
            pass

        result = sending.Future.result

        def interrupted(self: Any, timeout: float | None = None) -> Any:
            if threading.current_thread() is threading.main_thread() and not self.done() and not server_waits.is_set():
                server_waits.set()
                time.sleep(0.3)
                raise Interrupted
            return result(self, timeout)

        server_waits = threading.Event()
        monkeypatch.setattr(sending.Future, "result", interrupted)
        start = time.perf_counter()
        with pytest.raises(Interrupted):
            model.generate(ASKED[:3])
        assert time.perf_counter() - start < 5
        assert not any(t.name == "endpoint" for t in threading.enumerate())
        assert threads <= threading.active_count()


# Opening.


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("http:///v1", "not well formed"),
        ("http://host:port/v1", "not well formed"),
        ("https://name:secret@host/v1", "not well formed"),
        ("https://host/v1/chat/completions", "give https://host/v1,"),
        ("https://host/v1/completions/", "give https://host/v1,"),
    ],
)
def test_addresses_that_are_none(source: str, said: str) -> None:
    with pytest.raises(ModelError, match=said) as told:
        open_source(source)
    assert "secret" not in str(told.value)


def test_address() -> None:
    found = read_address("https://Host:8443/a/v1/?api-version=2")
    assert (found.base, found.host, found.query, found.secure) == (
        "https://Host:8443/a/v1", "host", (("api-version", "2"),), True,
    )  # fmt: skip
    assert [read_address(f"http://{h}/v1").local for h in ("localhost", "127.0.0.1", "[::1]", "10.0.0.1", "a.b")] == [
        True, True, True, False, False,
    ]  # fmt: skip


def test_nobody_at_the_address() -> None:
    with Loopback() as server:
        url = server.url
    with pytest.raises(ModelError, match=f"{url} gives no answer; check the address, and that the server runs"):
        open_source(url, Options(endpoint=EndpointOptions(retries=0)))


@pytest.mark.parametrize(
    ("models", "said"),
    [(["b", "a"], "several models; name one as model.endpoint.model: b, a"), ([], "lists no model")],
)
def test_model_must_be_named(models: list[str], said: str) -> None:
    with Loopback(models=models) as server:
        with pytest.raises(ModelError, match=said):
            opened(server)
        assert opened(server, model="a").facts.name == "a"
        assert {call.body["model"] for call in server.asked} == {"a"}


def test_server_that_can_do_nothing() -> None:
    told = r"neither chat completions nor completions for the model x\. .*not exist"
    with Loopback(lambda call: error(404, "The `x` does not exist.")) as server, pytest.raises(ModelError, match=told):
        opened(server, model="x")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [({"revision": "main"}, "no revision"), ({"adapter": "a/b"}, "no adapter"), ({"task": "masked-lm"}, "masked-lm")],
)
def test_what_cannot_be_chosen_of_an_endpoint(arguments: dict[str, str], said: str) -> None:
    from audit.models.opening import open_model

    given: dict[str, Any] = {"revision": None, "adapter": None, "task": None, **arguments}
    with pytest.raises(ModelError, match=said):
        open_model("http://localhost:1/v1", options=Options(), declared={}, **given)


def test_without_the_client_the_pip_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: Any) -> Any:
        if name == "openai":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ModelError, match=r'pip install "fairwitness\[endpoint\]"'):
        open_source("http://127.0.0.1:1/v1")


def test_fingerprint_knows_address_name_and_way_but_not_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with Loopback() as server:
        plain = opened(server)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        assert opened(server, key_variable="OPENAI_API_KEY", timeout=9.0).fingerprint == plain.fingerprint
        others = [opened(server, model="other"), opened(server, chat_template=False)]
    with Loopback() as server:
        others.append(opened(server))
    assert len({m.fingerprint for m in [plain, *others]}) == 4


# The key, and what else leaves the machine.


def test_key_goes_to_the_server_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def parrot(call: Call) -> Reply:
        reply = words(call)
        part = reply.body["choices"][0]
        if "text" in part and not call.body.get("echo"):
            part["text"] = call.headers["authorization"]
        return reply

    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-mine")
    with Loopback(parrot) as server:
        model = after_opening(server, key_variable="OPENAI_API_KEY")
        found = model.generate(ASKED[:1])
        headers = server.asked[0].headers
        server.behave = lambda call: error(400, f"bad key {KEY}")
        found += model.generate(ASKED[1:2])
    assert headers["authorization"] == f"Bearer {KEY}"
    assert "org-mine" not in str(headers)
    assert not any(name.lower().startswith("x-stainless-o") for name in headers), "the operating system is not told"
    assert "[key]" in str(found)
    everything = [found, model.facts, model.fingerprint, model.__dict__, model._server]
    assert KEY not in repr(everything)


def test_key_does_not_follow_a_redirect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Loopback() as other, Loopback() as server:
        model = after_opening(server, key_variable="OPENAI_API_KEY")
        server.behave = lambda call: Reply(status=307, headers={"Location": f"{other.url}/completions"})
        [found] = model.generate(ASKED[:1])
        assert other.paths == []
    assert found == Failure("failed", "The server redirects to another address; put that address into the config.")


def test_a_key_that_the_config_does_not_name_goes_to_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Loopback() as server:
        after_opening(server).generate(ASKED[:1])
        assert KEY not in str(server.asked[0].headers)
        server.behave = lambda call: error(401)
        with pytest.raises(ModelError, match="name that under endpoint: key_variable"):
            opened(server)
    assert usual_variable("api.openai.com") == "OPENAI_API_KEY"
    assert usual_variable("api.notopenai.com") is None


def test_key_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAD", "two words")
    with pytest.raises(ModelError, match="BAD holds spaces") as told:
        read_key("BAD")
    assert "two" not in str(told.value)
    monkeypatch.setenv("BAD", "  ")
    assert read_key("BAD") is None
    with Loopback() as server:
        assert opened(server, key_variable="BAD").facts.name == NAME


def test_split_is_what_the_test_server_makes_of_a_text() -> None:
    assert split("A b  c") == ["A", " b", "  c"]
