"""A model behind an OpenAI-compatible server."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal, TypeVar

from audit.models.base import ModelError, Unavailable, chunks
from audit.models.endpoint.answers import generated, refusal, scored
from audit.models.endpoint.dialect import Dialect, Way, find_dialect
from audit.models.endpoint.sending import Sender, Stop, apart, each
from audit.models.endpoint.server import Path, Refused, Server, Trouble, read_address, read_key, usual_variable
from audit.models.options import Options
from audit.models.requests import Capability, Generate, Message, Prompt, Request, Score, plain_chat
from audit.models.responses import Failure, Generated, Response, Scored
from audit.results import ModelFacts

CODE_VERSION = "1"  # part of the fingerprint; raise it when the same request would get another response
BATCHES_EACH = 8  # requests of a batch for each that is under way at once: finished work is on disk soon
OPENING_RETRIES = 2

R = TypeVar("R", bound=Request)


def is_endpoint(source: str) -> bool:
    """Whether a source string is the address of a server."""
    return source.lower().startswith(("http://", "https://"))


class EndpointModel:
    """Generates through chat completions and completions, and scores where the server gives log-probabilities.

    Raises:
        ModelError: where the address is not one, the client is not installed, or the server cannot be used.
    """

    answers_apart: Literal[True] = True

    def __init__(self, source: str, options: Options, declared: dict[str, str]) -> None:
        chosen = options.endpoint
        self._address = read_address(source)
        variable = chosen.key_variable or usual_variable(self._address.host)
        self._server = Server(self._address, variable, chosen.timeout, read_key(variable))
        self._sender = Sender(self._server, chosen)
        self._concurrency = chosen.concurrency
        self._name, self._dialect = apart(lambda: self._opened(chosen.model, options.chat_template is not False))
        self.capabilities = abilities(self._dialect.scores == "yes")
        self.facts = self._described(source, declared)

    async def _opened(self, name: str | None, chat: bool) -> tuple[str, Dialect]:
        patient, self._sender.retries = self._sender.retries, min(self._sender.retries, OPENING_RETRIES)
        where = self._address.base
        try:
            async with self._server.connect() as client:
                named = name or await self._only_model(client)
                return named, await find_dialect(self._sender, client, named, chat)
        except Stop as stop:
            raise ModelError(f"{where} cannot be audited: {stop.reason}") from None
        except (Trouble, Refused) as error:
            raise ModelError(f"{where} gives no answer; check the address, and that the server runs: {error}") from None
        finally:
            self._sender.retries = patient

    async def _only_model(self, client: Any) -> str:
        where = self._address.base
        try:
            found: list[str] = await self._sender.send(client, "models", {}, _model_names)
        except (Refused, Trouble) as error:
            if error.status is None:
                raise
            hint = "" if where.endswith("/v1") else f" If its calls lie below {where}/v1, give that address."
            told = f"{where} does not list its models; name one as model.endpoint.model. {error}{hint}"
            raise ModelError(told) from None
        if len(found) == 1:
            return found[0]
        if not found:
            raise ModelError(f"{where} lists no model; name one as model.endpoint.model.")
        shown = ", ".join(found[:20]) + (f" and {len(found) - 20} more" if len(found) > 20 else "")
        raise ModelError(f"{where} serves several models; name one as model.endpoint.model: {shown}.")

    def _described(self, source: str, declared: dict[str, str]) -> ModelFacts:
        notes = ["Opened through a server: what serves its address can change without notice, and is not pinned."]
        if not self._address.secure and not self._address.local:
            what = "All texts" if self._server.key is None else "The key and all texts"
            notes.append(f"{what} were sent unencrypted, because the address begins with http.")
        return ModelFacts(
            name=declared.get("name") or self._name,
            source=source,
            kind="endpoint",
            pinned=False,
            chat_template=self._dialect.chat is not None,
            capabilities=sorted(self.capabilities),
            declared=declared,
            notes=[*notes, f"The model's name on the server is {self._name}.", *self._dialect.notes],
        )

    @property
    def lacks(self) -> Mapping[Capability, str]:
        """Why the server cannot be asked for what it cannot be asked for."""
        unscored = "this endpoint gives no log-probabilities of a text that is sent (completions with echo)"
        if self._dialect.scores == "wrong":
            unscored = "the log-probabilities that this endpoint gives of a text are not those with which it writes"
        why = {
            Capability.SCORE: unscored,
            **dict.fromkeys(
                (Capability.ATTENTION, Capability.CROSS_ATTENTION), "an endpoint does not show the model's inside"
            ),
            Capability.ATTRIBUTE: "an endpoint takes text, not tokens of which some are left out",
            Capability.DISTRIBUTION: "an endpoint gives the probabilities of a few tokens, not of the whole vocabulary",
            Capability.FILES: "an endpoint has no files that can be read from here",
            Capability.TIME: "an endpoint's times hold those of the network and of other users",
        }
        return {name: reason for name, reason in why.items() if name not in self.capabilities}

    @property
    def fingerprint(self) -> str:
        """Hash of address, model name, way of asking and the code's version; what serves the address is not known."""
        address = [self._address.base, self._address.query]
        parts = [address, self._name, asdict(self._dialect), CODE_VERSION]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        """Groups that keep the server busy; a response does not depend on its group."""
        ordered = sorted(requests, key=lambda r: r.key)
        return chunks(ordered, BATCHES_EACH * self._concurrency)

    def generate(self, requests: Sequence[Generate]) -> list[Generated | Failure]:
        """Answers; raises :class:`Unavailable` where the server is gone or the budget spent."""
        return self._all(requests, self._generate)

    def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
        """Log-likelihoods in nats; raises :class:`Unavailable` where the server is gone or the budget spent."""
        return self._all(requests, self._score)

    def _all(self, requests: Sequence[R], one: Callable[[Any, R], Awaitable[Any]]) -> list[Any]:
        found: dict[Request, Response] = {}

        async def work() -> None:
            turn = asyncio.Semaphore(self._concurrency)

            async def job(client: Any, request: R) -> None:
                async with turn:
                    found[request] = await _or_failure(one(client, request))

            async with self._server.connect() as client:
                await each(job(client, request) for request in requests)

        try:
            apart(work)
        except Stop as stop:
            raise Unavailable(stop.reason, found) from None
        return [found[request] for request in requests]

    async def _generate(self, client: Any, request: Generate) -> Generated | Failure:
        prompt, dialect = request.prompt, self._dialect
        talk = dialect.chat is not None and (dialect.completions is None or not isinstance(prompt, str))
        way = dialect.chat if talk else dialect.completions
        path: Path = "chat" if talk else "completions"
        assert way is not None  # a server that has neither is not opened
        asked: dict[str, Any] = {"messages": _turns(prompt)} if talk else {"prompt": _text(prompt)}
        body = {"model": self._name, **asked, **_settings(way, request, path)}
        return await self._sender.send(client, path, body, lambda found: generated(found, request.max_tokens))

    async def _score(self, client: Any, request: Score) -> Scored | Failure:
        # As with a model opened from its weights: plain dialogue ends in "Answer:", after which an answer begins with
        # a space, and the spaces at the end of a prompt go with the continuation.
        text = _text(request.prompt) + ("" if isinstance(request.prompt, str) else " ")
        start = len(text.rstrip(" "))
        text += request.continuation
        if start == len(text):
            return Failure("failed", "The continuation has no tokens.")
        way = self._dialect.completions
        assert way is not None  # otherwise the model does not say that it can score
        cold = {"temperature": 0.0} if "temperature" in way.optional else {}
        # One token, never none: some servers take 0 for no limit.
        body = {"model": self._name, "prompt": text, "logprobs": 1, "echo": True, way.limit: 1, **cold}
        return await self._sender.send(client, "completions", body, lambda found: scored(found, text, start))


def abilities(scores: bool) -> frozenset[Capability]:
    """What a server can be asked; ``scores``: whether it gives log-probabilities that can be believed."""
    return frozenset({Capability.GENERATE, Capability.SCORE} if scores else {Capability.GENERATE})


def _settings(way: Way, request: Generate, path: Path) -> dict[str, Any]:
    values = {"temperature": request.temperature, "seed": request.seed, "logprobs": True if path == "chat" else 1}
    return {way.limit: request.max_tokens, **{name: values[name] for name in way.optional}}


def _text(prompt: Prompt) -> str:
    return prompt if isinstance(prompt, str) else plain_chat(prompt)


def _turns(prompt: Prompt) -> list[dict[str, str]]:
    messages = (Message("user", prompt),) if isinstance(prompt, str) else prompt
    return [{"role": m.role, "content": m.content} for m in messages]


def _model_names(found: dict[str, Any]) -> list[str]:
    listed = found.get("data")
    if not isinstance(listed, list):
        raise Trouble("The server's list of models is not a list.", status=200)
    names = [entry.get("id") for entry in listed if isinstance(entry, dict)]
    return list(dict.fromkeys(name for name in names if isinstance(name, str) and name))


async def _or_failure(answer: Awaitable[Generated | Scored | Failure]) -> Response:
    """What can go wrong with one request is that request's failure; :class:`Stop` is of all."""
    try:
        return await answer
    except Refused as error:
        return refusal(error)
    except Trouble as error:
        return Failure("failed", error.reason)
    except Stop:
        raise
    except Exception as error:
        # Left to the engine, a batch that fails is asked again in halves, and every request costs.
        return Failure("failed", f"{type(error).__name__}: {error}")
