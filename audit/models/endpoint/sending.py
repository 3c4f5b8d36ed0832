"""Many calls at once: retries, the budget, giving up on a server that is gone, and an event loop of their own."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future
from typing import Any, TypeVar

from audit.models.endpoint.server import Denied, Path, Refused, Server, Trouble
from audit.models.options import EndpointOptions

T = TypeVar("T")
FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0  # seconds between tries, doubled each time
LONGEST_WAIT = 120.0  # seconds; a server that asks for more is not waited for
MISSES = 3  # requests in a row that stay unanswered after all tries: the server is gone
_OF_ONE_REQUEST = (400, 413, 422)  # refusals that say nothing of the next request


class Stop(Exception):
    """Nothing more can be answered; ``at_once``: what is under way is hopeless as well."""

    def __init__(self, reason: str, at_once: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.at_once = reason, at_once


class Sender:
    """Sends calls within the budget of one command, retries what may pass, and stops when nothing comes back."""

    def __init__(self, server: Server, options: EndpointOptions) -> None:
        self.server = server
        self.retries = options.retries
        self._options = options
        self._requests = 0
        self._tokens = 0
        self._misses = 0
        self._proof: tuple[Path, dict[str, Any]] | None = None  # the last call that was answered

    async def send(self, client: Any, path: Path, body: dict[str, Any], read: Callable[[dict[str, Any]], T]) -> T:
        """What ``read`` makes of the answer to one call; an answer that it cannot read is asked for again.

        Raises:
            Refused: a refusal of this request.
            Trouble: no usable answer after all tries.
            Stop: the budget is spent, the key refused, or the server gone.
        """
        for attempt in range(self.retries + 1):
            self._spend()
            try:
                found = await self.server.call(client, path, body)
                self._tokens += used(found, body)
                response = read(found)
            except Denied as error:
                raise Stop(str(error), at_once=True) from None
            except Refused as error:
                if error.status not in _OF_ONE_REQUEST:
                    await self._missed(client, str(error))
                else:
                    self._misses = 0
                raise
            except Trouble as error:
                self._tokens += tokens_of(body) if error.billed else 0
                if (error.wait or 0.0) > LONGEST_WAIT:
                    told = (
                        f"The server asks for {error.wait:.0f} seconds of waiting, which is longer than an audit waits."
                    )
                    raise Stop(told) from None
                if attempt == self.retries:
                    await self._missed(client, error.reason)
                    raise
                await asyncio.sleep(delay(attempt, error.wait))
            else:
                self._misses, self._proof = 0, (path, body)
                return response
        raise AssertionError("every try returns, raises or is followed by another")

    def _spend(self) -> None:
        """One request of the budget."""
        most, tokens = self._options.max_requests, self._options.max_tokens
        if most is not None and self._requests >= most:
            raise Stop(f"The budget of {most} request{'' if most == 1 else 's'} is spent.")
        if tokens is not None and self._tokens >= tokens:
            raise Stop(f"The budget of {tokens} token{'' if tokens == 1 else 's'} is spent.")
        self._requests += 1

    async def _missed(self, client: Any, reason: str) -> None:
        self._misses += 1
        if self._misses >= MISSES:
            self._misses = 0
            if await self._alive(client):
                return  # it was these requests: of a resumed run the first ones are those that failed before
            raise Stop(f"The server left {MISSES} requests in a row without a usable answer. {reason}", at_once=True)

    async def _alive(self, client: Any) -> bool:
        """Whether the server still answers what it answered last."""
        if self._proof is None:
            return False
        self._spend()
        path, body = self._proof
        try:
            self._tokens += used(await self.server.call(client, path, body), body)
        except (Denied, Refused, Trouble):
            return False
        return True


def delay(attempt: int, wait: float | None) -> float:
    """Seconds before the next try: what the server asks for, or twice as long each time, less up to a quarter."""
    if wait is not None:
        return wait
    return float(min(LONGEST_DELAY, FIRST_DELAY * 2**attempt) * (1 - 0.25 * random.random()))


def tokens_of(body: dict[str, Any]) -> int:
    """About how many tokens a call's prompt has: one in four characters."""
    messages = body.get("messages") or ({"content": body.get("prompt", "")},)
    return sum(len(str(message["content"])) for message in messages) // 4 + 1


def used(found: dict[str, Any], body: dict[str, Any]) -> int:
    """Tokens of prompt and answer as the server counts them, or an estimate where it does not."""
    usage = found.get("usage")
    total = usage.get("total_tokens") if isinstance(usage, dict) else None
    if isinstance(total, int) and total >= 0:
        return total
    return tokens_of(body) + len(str(found.get("choices", ""))) // 4


async def each(jobs: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do all jobs; after a :class:`Stop`, those under way are finished unless they are hopeless.

    Raises:
        Stop: the first of the jobs'.
    """
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        errors = [task.exception() for task in tasks if task.done()]
        if not any(isinstance(error, Stop) and error.at_once for error in errors):
            await asyncio.wait(tasks)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    stops = [error for error in ended if isinstance(error, Exception)]
    if stops:
        raise stops[0]


def apart(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run ``work`` in a thread with an event loop of its own, because the caller may be inside one (a notebook).

    An interrupt of the caller cancels the work.
    """
    begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any] | None]] = Future()
    done: Future[T] = Future()

    async def noted() -> T:
        begun.set_result((asyncio.get_running_loop(), asyncio.current_task()))
        return await work()

    def main() -> None:
        try:
            done.set_result(asyncio.run(noted()))
        except BaseException as error:
            done.set_exception(error)

    thread = threading.Thread(target=main, name="endpoint", daemon=True)
    thread.start()
    try:
        return done.result()
    except BaseException:
        if not done.done():
            loop, task = begun.result()
            if task is not None:
                loop.call_soon_threadsafe(task.cancel)
        raise
    finally:
        thread.join()
