"""From a server's JSON to a response: nothing in it is taken on trust."""

from __future__ import annotations

import math
from typing import Any

from audit.models.endpoint.server import Refused, Trouble
from audit.models.responses import Failure, Generated, Scored

_TOO_LONG = ("context length", "context_length", "context window", "maximum context", "too long", "too many tokens")
_FILTERED = ("content_filter", "content filter", "content management policy", "content_policy", "content policy")
_UNCLEAN = ("�", "bytes:")  # how servers write a token that is part of a character


def generated(found: dict[str, Any], max_tokens: int) -> Generated | Failure:
    """The text of a chat completion or of a completion.

    ``logprob`` is the sum over the tokens that the server lists, None where it lists none.

    Raises:
        Trouble: where there is no text.
    """
    choice = first_choice(found)
    finish = choice.get("finish_reason")
    if finish == "content_filter":
        return Failure("refused", "The server's content filter stopped the answer.")
    message = choice.get("message")
    text = message.get("content") if isinstance(message, dict) else choice.get("text")
    if text is None and isinstance(message, dict):
        # A refusal in words is an answer; a model that thinks until its tokens end has answered nothing.
        text = message.get("refusal") or ("" if finish == "length" else None)
    if not isinstance(text, str):
        raise Trouble("The server's answer holds no text.", status=200)
    logprobs = listed(choice)
    tokens = _count(found, "completion_tokens")
    tokens = tokens if tokens is not None else len(logprobs or ()) or len(text) // 4
    logprob = math.fsum(logprobs) if logprobs else None
    ended = finish != "length" and not (finish is None and tokens >= max_tokens)
    return Generated(text.strip(), tokens, logprob, "stop" if ended else "length")


def listed(choice: dict[str, Any]) -> list[float] | None:
    """Log-probabilities of the generated tokens, None where any is missing."""
    held = choice.get("logprobs")
    if not isinstance(held, dict):
        return None
    content = held.get("content")
    values = [t.get("logprob") for t in content if isinstance(t, dict)] if isinstance(content, list) else None
    values = held.get("token_logprobs") if values is None else values
    if not isinstance(values, list) or not values or not all(_is_logprob(v) for v in values):
        return None
    return [float(v) for v in values]


def scored(found: dict[str, Any], text: str, start: int) -> Scored | Failure:
    """The score of ``text[start:]`` from a completion that repeats ``text`` with log-probabilities.

    A token that begins before ``start`` and ends after it counts whole.

    Raises:
        Trouble: where the answer holds no such log-probabilities.
    """
    choice = first_choice(found)
    held = choice.get("logprobs")
    names = ("tokens", "token_logprobs", "top_logprobs")
    tokens, values, tops = [held.get(n) if isinstance(held, dict) else None for n in names]
    if not (isinstance(tokens, list) and isinstance(values, list) and isinstance(tops, list)):
        raise Trouble("The server's answer holds no log-probabilities.", status=200)
    if not len(tokens) == len(values) == len(tops) or not all(isinstance(t, str) for t in tokens):
        raise Trouble("The server's tokens and log-probabilities do not belong together.", status=200)
    made = _count(found, "completion_tokens")
    offsets = held.get("text_offset") if isinstance(held, dict) else None
    span = place(tokens, offsets, text, start, 1 if made is None else made)
    if span is None:
        return Failure("failed", "The server's tokens cannot be placed in the text.")
    begin, end = span
    if begin + 1 < end and not tokens[begin] and values[begin] is None:
        begin += 1  # a beginning token that has no text
    if begin == end:
        return Failure("failed", "The continuation has no tokens.")
    if begin == 0 and values[0] is None:
        return Failure("failed", "The server gives no log-probability to the first token of a text.")
    if not all(_is_logprob(v) for v in values[begin:end]):
        return Failure("not_a_number", "The server's log-probability is missing or not finite.")
    if not all(isinstance(top, dict) and top and all(map(_is_number, top.values())) for top in tops[begin:end]):
        raise Trouble("The server does not say which token it ranks first.", status=200)
    # By value: two tokens may have the same text. Servers round to float32.
    greedy = all(v >= max(top.values()) - 1e-6 for v, top in zip(values[begin:end], tops[begin:end], strict=True))
    return Scored(math.fsum(values[begin:end]), end - begin, greedy)


def place(tokens: list[str], offsets: Any, text: str, start: int, made: int) -> tuple[int, int] | None:
    """Which tokens make up ``text[start:]``: first and one past the last.

    Servers put what they like before the text (a beginning token, with or without its length in the offsets) and after
    it (``made`` generated tokens, listed or not), so tokens are matched with the text from its end. Where a token is a
    part of a character, the offsets decide, if they agree with all tokens that are whole.
    """
    partial: tuple[int, int] | None = None
    for cut in dict.fromkeys((made, 1, 0)):
        end = len(tokens) - cut
        begin, rest = _walk(tokens[: max(end, 0)], text, start)
        if begin is not None:
            if rest == 0:
                return begin, end
            partial = partial or (begin, end)
    return partial or _by_offsets(tokens, offsets, text, start)


def _walk(tokens: list[str], text: str, start: int) -> tuple[int | None, int]:
    """Index of the first token that ends after ``start``, None if not found; and where the walk back came to."""
    position, begin = len(text), None
    for i in range(len(tokens) - 1, -1, -1):
        token = tokens[i]
        if (position == 0 and token) or not text.endswith(token, 0, position):
            break
        # Without text: the beginning of a character whose last token holds it whole.
        if position > start or (not token and begin == i + 1):
            begin = i
        position -= len(token)
    return (begin if position <= start else None), position


def _by_offsets(tokens: list[str], offsets: Any, text: str, start: int) -> tuple[int, int] | None:
    if not isinstance(offsets, list) or len(offsets) != len(tokens) or not tokens:
        return None
    if not all(isinstance(o, int) for o in offsets) or sorted(offsets) != offsets:
        return None
    for shift in (0, len(tokens[0])):
        places = [o - shift for o in offsets]
        ends = [*places[1:], len(text)]
        inside = [i for i, p in enumerate(places) if 0 <= p < len(text)]
        clean = [i for i in inside if tokens[i] and not any(mark in tokens[i] for mark in _UNCLEAN)]
        if clean and all(text.startswith(tokens[i], places[i]) for i in clean):
            mine = [i for i in inside if places[i] >= start or ends[i] > start]
            return (mine[0], mine[-1] + 1) if mine else None
    return None


def refusal(error: Refused) -> Failure:
    """What a definite no says of one request."""
    said = error.message.lower()
    if any(words in said for words in _TOO_LONG):
        return Failure("truncated", error.message)
    if any(words in said for words in _FILTERED):
        return Failure("refused", error.message)
    return Failure("failed", error.message)


def first_choice(found: dict[str, Any]) -> dict[str, Any]:
    """The first of the answers.

    Raises:
        Trouble: where there is none.
    """
    choices = found.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise Trouble("The server's answer holds no choices.", status=200)
    choice: dict[str, Any] = choices[0]
    return choice


def _count(found: dict[str, Any], name: str) -> int | None:
    usage = found.get("usage")
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_logprob(value: Any) -> bool:
    return _is_number(value) and value <= 1e-3  # rounding lifts some a little above 0
