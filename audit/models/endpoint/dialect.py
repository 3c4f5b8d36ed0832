"""What a server can do: found out by asking it, once, when the model is opened."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from audit.models.base import ModelError
from audit.models.endpoint.answers import first_choice, generated, listed, scored
from audit.models.endpoint.sending import Sender
from audit.models.endpoint.server import Path, Refused, Trouble
from audit.models.responses import Scored

SAMPLE, SAMPLE_NEXT = "The capital of France is", " Paris"
_CHECKS = (SAMPLE, "One, two, three,", "Once upon a time, there was a")
_LACKING = (404, 405, 501)  # no such call
_BROKEN = 500  # how some servers refuse a parameter


@dataclass(frozen=True)
class Way:
    """How to make one kind of call: what limits the answer's tokens, and which optional parameters are taken."""

    limit: str
    optional: tuple[str, ...]


@dataclass(frozen=True)
class Dialect:
    """``chat`` and ``completions``: how to make these calls, None where the server lacks them.

    ``scores``: whether completions give the log-probabilities of a text that is sent: ``yes``, ``no``, or ``wrong``
    where they are not those with which the server itself generates.
    """

    chat: Way | None
    completions: Way | None
    scores: Literal["yes", "no", "wrong"]

    @property
    def notes(self) -> list[str]:
        """What a reader of the result should know."""
        found = []
        ways = [way for way in (self.chat, self.completions) if way is not None]
        if self.completions is None:
            found.append("The server has no plain completions: raw text was sent as one message of a user.")
        if self.chat is None:
            found.append("Conversations were sent as plain text (Question: and Answer:), not as chat.")
        if self.scores == "yes":
            found.append(
                "Log-probabilities are the server's. A token that begins in the prompt and ends in the continuation "
                "counts to the continuation. Conversations were scored as plain text (Question: and Answer:), because "
                "the server's chat template is not known."
            )
        if any("temperature" not in way.optional for way in ways):
            found.append("The server does not let the temperature be chosen: answers are sampled as it decides.")
        elif any("seed" not in way.optional for way in ways):
            found.append("The server takes no seed: sampled answers cannot be repeated.")
        return found


async def find_dialect(sender: Sender, client: Any, name: str, chat: bool) -> Dialect:
    """Ask for one token in each way; ``chat``: whether conversations may go to chat completions.

    Raises:
        ModelError: where the server offers neither.
        Stop: where it wants another key, or the budget is spent.
        Trouble: where it gives no answer.
    """
    texts = _Trial(sender, client, "completions", {"model": name, "prompt": SAMPLE + SAMPLE_NEXT})
    completions = await texts.run({"echo": True, "logprobs": 1, "seed": 0, "temperature": 0.0})
    talks = _Trial(sender, client, "chat", {"model": name, "messages": [{"role": "user", "content": "Say yes."}]})
    # Without completions, a wish for no chat template cannot be met.
    chats = await talks.run({"logprobs": True, "seed": 0, "temperature": 0.0}) if chat or not completions else None
    if completions is None and chats is None:
        said = " ".join(dict.fromkeys(told for told in (talks.said, texts.said) if told))
        where = sender.server.address.base
        hint = "" if where.endswith("/v1") else f" If its calls lie below {where}/v1, give that address."
        raise ModelError(f"{where} answers neither chat completions nor completions for the model {name}. {said}{hint}")
    scores: Literal["yes", "no", "wrong"] = "no"
    if completions is not None and texts.scores:
        scores = "yes" if await _consistent(sender, client, name, completions) else "wrong"
    return Dialect(chats, completions, scores)


class _Trial:
    """One kind of call, tried with fewer and fewer optional parameters; ``said``: the server's last refusal."""

    def __init__(self, sender: Sender, client: Any, path: Path, body: dict[str, Any]) -> None:
        self._sender, self._client, self._path, self._body = sender, client, path, body
        self.said = ""
        self.scores = False

    async def run(self, optional: dict[str, Any]) -> Way | None:
        limit, left = "max_tokens", dict(optional)
        while True:
            try:
                # One token, never none: some servers take 0 for no limit.
                body = {**self._body, limit: 1, **left}
                found = await self._sender.send(self._client, self._path, body, _checked)
            except (Refused, Trouble) as error:
                if isinstance(error, Trouble) and error.status != _BROKEN:
                    raise
                self.said = str(error)
                if error.status in _LACKING:
                    return None
                if limit == "max_tokens" and "max_completion_tokens" in self.said:
                    limit = "max_completion_tokens"
                    continue
                if not left:
                    return None
                left.pop(next((name for name in left if name in self.said), next(iter(left))))
                continue
            self.scores = "echo" in left and _gives_scores(found)
            if "logprobs" in left and listed(found["choices"][0]) is None and not self.scores:
                left.pop("logprobs")
            left.pop("echo", None)
            return Way(limit, tuple(left))


async def _consistent(sender: Sender, client: Any, name: str, way: Way) -> bool:
    """Whether the first token that the server writes after a text has, sent along with it, the same log-probability.

    Some servers give each token of a text that is sent the log-probability of another place.
    """
    agree = []
    cold = {"temperature": 0.0} if "temperature" in way.optional else {}
    for sample in _CHECKS:
        body: dict[str, Any] = {"model": name, "logprobs": 1, way.limit: 1, **cold}
        written = first_choice(await sender.send(client, "completions", {**body, "prompt": sample}, _checked))
        alone, text = listed(written), sample + str(written.get("text"))
        if alone is None or len(alone) != 1 or not text[len(sample) :].strip():
            continue
        echoed = await sender.send(client, "completions", {**body, "prompt": text, "echo": True}, _checked)
        try:
            again = scored(echoed, text, len(sample))
        except Trouble:
            return False
        if isinstance(again, Scored) and again.tokens == 1:  # otherwise the token joined with the text before it
            # Half precision and batching move the last digits.
            close = abs(again.logprob - alone[0]) <= 0.1 + 0.05 * abs(alone[0])
            agree.append(close and (again.greedy or not cold))
    return bool(agree) and all(agree)


def _checked(found: dict[str, Any]) -> dict[str, Any]:
    generated(found, 1)
    return found


def _gives_scores(found: dict[str, Any]) -> bool:
    """Whether an answer to the sample text holds its log-probabilities: many servers take ``echo`` and ignore it."""
    text = SAMPLE + SAMPLE_NEXT
    try:
        parts = [scored(found, text, len(SAMPLE)), scored(found, text, len(SAMPLE.split()[0]))]
    except Trouble:
        return False
    sums = [part.logprob if isinstance(part, Scored) else math.nan for part in parts]
    return sums[1] < sums[0] <= 0 and sums[1] < 0
