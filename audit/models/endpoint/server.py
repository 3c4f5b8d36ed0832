"""One server: its address, the key, and a single try of a single call, with every way it can go wrong named."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import math
import os
import re
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

from audit.extras import absent
from audit.models.base import ModelError

Path = Literal["chat", "completions", "models"]
# The client tells the server its operating system, processor and Python; none of that is named in a config.
_TELLTALE = ("OS", "Arch", "Runtime", "Runtime-Version", "Lang", "Package-Version", "Async")
_OVERLOADED = (408, 409, 425, 429)


class Trouble(Exception):
    """What may pass on another try.

    ``wait``: seconds that the server asks for; ``status``: of HTTP, None where no answer came; ``billed``: whether the
    server may have computed an answer.
    """

    def __init__(
        self, reason: str, *, status: int | None = None, wait: float | None = None, billed: bool = False
    ) -> None:
        super().__init__(reason)
        self.reason, self.status, self.wait, self.billed = reason, status, wait, billed


class Refused(Exception):
    """The server's definite no to one request."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class Denied(Exception):
    """The key is missing or wrong, or the account is empty: no request will be answered."""


@dataclass(frozen=True)
class Address:
    """Where the server is; ``query`` goes along with every call."""

    base: str
    query: tuple[tuple[str, str], ...]
    host: str
    secure: bool

    @property
    def local(self) -> bool:
        """Whether what is sent stays on this machine."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def read_address(source: str) -> Address:
    """The parts of an address.

    Raises:
        ModelError: where it is not one, or names one call instead of all.
    """
    try:
        parts = urlsplit(source)
        host = parts.hostname
        _ = parts.port  # read here, because a port that is no number is found only when it is read
    except ValueError:
        raise ModelError("The address of the endpoint is not well formed; give one such as https://host/v1.") from None
    if not host or parts.username or parts.password or re.search(r"\s", source):
        raise ModelError("The address of the endpoint is not well formed; give one such as https://host/v1.")
    path = parts.path.rstrip("/")
    ending = next((e for e in ("/chat/completions", "/completions", "/models") if path.endswith(e)), None)
    if ending:
        short = f"{parts.scheme}://{parts.netloc}{path.removesuffix(ending)}"
        raise ModelError(f"{source} is the address of one call; give {short}, which all calls begin with.")
    base = f"{parts.scheme}://{parts.netloc}{path}"
    return Address(base, tuple(parse_qsl(parts.query)), host, parts.scheme == "https")


def usual_variable(host: str) -> str | None:
    """The variable that holds a host's key where the config names none: a key is for the company that gave it out."""
    return "OPENAI_API_KEY" if host == "openai.com" or host.endswith(".openai.com") else None


def read_key(variable: str | None) -> str | None:
    """The key in an environment variable, None where it is not set.

    Raises:
        ModelError: where it cannot be a key; the message does not hold it.
    """
    key = os.environ.get(variable, "").strip() if variable else ""
    if key and not re.fullmatch(r"[\x21-\x7e]+", key):
        raise ModelError(f"The environment variable {variable} holds spaces or characters that no key has.")
    return key or None


@dataclass(frozen=True)
class Server:
    """Makes calls, one try each; ``timeout`` in seconds is for the whole of a try."""

    address: Address
    key_variable: str | None
    timeout: float
    key: str | None = field(default=None, repr=False)

    def connect(self) -> Any:
        """A client, to be used as a context manager within one event loop.

        Raises:
            ModelError: where the client's package is not installed.
        """
        try:
            import openai
        except ImportError:
            raise ModelError(absent("A model behind a server", "endpoint")) from None
        unsaid: dict[str, Any] = {f"X-Stainless-{name}": openai.Omit() for name in _TELLTALE}
        if not self.address.host.endswith(".openai.com"):
            unsaid |= {"OpenAI-Organization": openai.Omit(), "OpenAI-Project": openai.Omit()}
        return openai.AsyncOpenAI(
            api_key=self.key or "none",
            base_url=self.address.base,
            default_query=dict(self.address.query),
            default_headers=unsaid,
            max_retries=0,  # retries are ours: they count against the budget
            timeout=self.timeout,
            # A redirect would take the key to another host.
            http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False, timeout=self.timeout),
        )

    async def call(self, client: Any, path: Path, body: dict[str, Any]) -> dict[str, Any]:
        """The JSON object that the server answers with.

        Raises:
            Trouble: no answer, an answer that is not one, or a refusal that may pass.
            Refused: a refusal of this request.
            Denied: a refusal of the key.
        """
        calls: dict[str, Any] = {
            "chat": client.chat.completions.with_raw_response.create,
            "completions": client.completions.with_raw_response.create,
            "models": client.models.with_raw_response.list,
        }
        text = self._clean(await self._tried(calls[path](**body)))
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            raise Trouble("The server's answer is not a JSON object.", status=200, billed=True)
        return content

    async def _tried(self, call: Coroutine[Any, Any, Any]) -> str:
        import openai

        silence = Trouble(f"The server gave no answer within {self.timeout:g} seconds.", billed=True)
        try:
            # The client's own time-out is for each read: a server that sends a byte a minute would never end.
            async with asyncio.timeout(self.timeout):
                return str((await call).text)
        except (TimeoutError, openai.APITimeoutError):
            raise silence from None
        except openai.APIStatusError as error:
            said = _message(self._clean(error.response.text))
            raise self._judged(error.status_code, said, error.response.headers) from None
        except openai.OpenAIError as error:
            cause = type(error.__cause__ or error).__name__
            raise Trouble(f"The connection to the server failed ({cause}).") from None

    def _judged(self, status: int, said: str, headers: Any) -> Exception:
        told = f"The server answered with status {status}{': ' + said.rstrip('.') if said else ''}."
        if status == 401:
            how = "it was refused" if self.key else "it is not set" if self.key_variable else "none was sent"
            where = f"the environment variable {self.key_variable}" if self.key_variable else "an environment variable"
            named = "" if self.key_variable else " and name that under endpoint: key_variable"
            return Denied(f"The server wants a key: {how}; put it in {where}{named}.")
        if status == 429 and "insufficient_quota" in said:
            return Denied("The server says that the account has no quota left.")
        if status in _OVERLOADED or status >= 500:
            return Trouble(told, status=status, wait=asked_wait(headers), billed=status >= 500)
        if status < 400:
            return Refused(status, "The server redirects to another address; put that address into the config.")
        return Refused(status, told)

    def _clean(self, text: str) -> str:
        """Without the key, which a server may repeat."""
        if self.key is None or len(self.key) < 4:
            return text
        return text.replace(self.key, "[key]").replace(json.dumps(self.key)[1:-1], "[key]")


def asked_wait(headers: Any) -> float | None:
    """Seconds that a ``Retry-After`` header asks for (a number or a date, RFC 9110), None where there is none."""
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) * unit
        except ValueError:
            try:
                seconds = parsedate_to_datetime(value).timestamp() - time.time()
            except (TypeError, ValueError, OverflowError):
                continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    return None


def _message(text: str) -> str:
    """What a server says of an error, in one line of at most 300 characters."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    said: Any = "" if text.lstrip().startswith("<") else text  # a page of a proxy says nothing
    if isinstance(content, dict):
        error = content.get("error", content)
        said = error if isinstance(error, str) else content.get("detail", "")
        if isinstance(error, dict):
            parts = [error.get("message") or error.get("detail"), error.get("code")]
            said = " ".join(str(part) for part in parts if isinstance(part, str) and part)
    line = " ".join(str(said).split())
    return line if len(line) <= 300 else line[:299] + "…"
