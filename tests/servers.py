"""A server on loopback that speaks as OpenAI's does, counts what it is asked, and misbehaves on command."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

NAME = "wordy"
VOCABULARY = (" yes", " no", " maybe", " Paris", " four", " once", " the", " red")


@dataclass(frozen=True)
class Call:
    """What the server was asked; ``again``: how often it was asked just this before."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str]
    again: int

    @property
    def text(self) -> str:
        """The prompt or the last message."""
        return str(self.body["prompt"] if "prompt" in self.body else self.body["messages"][-1]["content"])


@dataclass(frozen=True)
class Reply:
    """``half``: only half of the body is sent; ``silent``: nothing is; ``drop``: the connection is closed instead."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    half: bool = False
    silent: bool = False
    drop: bool = False


Behaviour = Callable[[Call], Reply | None]


class Loopback:
    """``behave`` answers a call, or leaves it with None to the model of words below; ``models`` is what is listed.

    ``asked`` holds every call for text, in order.
    """

    def __init__(self, behave: Behaviour | None = None, models: Sequence[str] = (NAME,)) -> None:
        self.behave: Behaviour = behave or (lambda call: None)
        self.models = list(models)
        self.asked: list[Call] = []
        self.paths: list[str] = []
        self.most_at_once = 0
        self._at_once = 0
        self._seen: dict[str, int] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = False
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def texts(self) -> list[str]:
        """Every prompt that came, in order."""
        return [call.text for call in self.asked]

    def __enter__(self) -> Loopback:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """No more connections are taken."""
        if not self._closing.is_set():
            self._closing.set()
            self._http.shutdown()
            self._thread.join()
            self._http.server_close()

    def go_away(self) -> None:
        """As ``close``, from within a call."""
        threading.Thread(target=self.close).start()
        self._closing.wait(5)

    def _reply(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> Reply:
        with self._lock:
            self.paths.append(path)
            if path.endswith("/models"):
                return Reply({"object": "list", "data": [{"id": name} for name in self.models]})
            mark = json.dumps([path, body], sort_keys=True)
            call = Call(path.removeprefix("/v1"), body, headers, self._seen.get(mark, 0))
            self._seen[mark] = call.again + 1
            self.asked.append(call)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            return self.behave(call) or words(call)
        finally:
            with self._lock:
                self._at_once -= 1

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                self.answer({})

            def do_POST(self) -> None:
                self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def answer(self, body: dict[str, Any]) -> None:
                reply = outer._reply(self.path, body, {n.lower(): v for n, v in self.headers.items()})
                self.close_connection = True
                if reply.silent:
                    outer._closing.wait(20)
                if reply.silent or reply.drop:
                    return
                raw = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                try:
                    self.send_response(reply.status)
                    for name, value in {
                        "Content-Length": str(len(raw)),
                        "Connection": "close",
                        **reply.headers,
                    }.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(raw[: len(raw) // 2] if reply.half else raw)
                except OSError:
                    pass  # the client gave up waiting

        return Handler


# A model of words: each is a token, and what comes next depends on all that came before.


def noise(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


def likeliest(before: str) -> str:
    return VOCABULARY[int(noise(f"next|{before}") * len(VOCABULARY))]


def logprob(before: str, token: str) -> float:
    if token == likeliest(before):
        return -0.05 - noise(f"how likely|{before}")
    return -2.0 - 3 * noise(f"{before}|{token}")


def split(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+$", text)


def write(before: str, most: int) -> list[str]:
    """Up to ``most`` words; every text ends somewhere."""
    found: list[str] = []
    while len(found) < most and (not found or noise(f"end|{before}{''.join(found)}") < 0.8):
        found.append(likeliest(before + "".join(found)))
    return found


def words(call: Call, *, echo: bool = True, late: bool = False, begin: str | None = None) -> Reply:
    """The answer of a server that does all; ``echo`` off, it takes the parameter and ignores it.

    ``late``: a repeated token has the log-probability of coming once more after itself; ``begin``: a token that the
    server puts before a text.
    """
    chat = call.path == "/chat/completions"
    before = json.dumps(call.body["messages"]) if chat else call.text
    limit = call.body.get("max_tokens", call.body.get("max_completion_tokens"))
    made = write(before, int(limit))
    repeated = [] if chat or not echo or not call.body.get("echo") else split(call.text)
    tokens = repeated + made
    starts = ["".join(tokens[:i]) for i in range(len(tokens))]
    befores = [(start if repeated else before + start) for start in starts]
    if late:
        befores = [b + t if i < len(repeated) else b for i, (b, t) in enumerate(zip(befores, tokens, strict=True))]
    values: list[float | None] = [logprob(b, t) for b, t in zip(befores, tokens, strict=True)]
    tops: list[Any] = [
        {t: v, likeliest(b): logprob(b, likeliest(b))} for b, t, v in zip(befores, tokens, values, strict=True)
    ]
    if repeated and begin is not None:
        tokens, starts = [begin, *tokens], ["", *(begin + s for s in starts)]
        values, tops = [None, *values], [None, *tops]
    elif repeated:
        values[0], tops[0] = None, None
    text = ("".join(repeated) if not chat else "") + "".join(made)
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop" if len(made) < int(limit) else "length"}
    choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    if call.body.get("logprobs") and chat:
        choice["logprobs"] = {"content": [{"token": t, "logprob": v} for t, v in zip(tokens, values, strict=True)]}
    elif call.body.get("logprobs"):
        offsets = [len(s) for s in starts]
        choice["logprobs"] = {
            "tokens": tokens,
            "token_logprobs": values,
            "top_logprobs": tops,
            "text_offset": offsets,
        }
    used = len(split(before))
    usage = {"prompt_tokens": used, "completion_tokens": len(made), "total_tokens": used + len(made)}
    return Reply({"id": "1", "model": call.body["model"], "choices": [choice], "usage": usage})


def error(status: int, message: str = "no", code: str | None = None, **headers: str) -> Reply:
    """A refusal as OpenAI's server writes it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply({"error": {"message": message, "type": "error", "code": code}}, status, named)
