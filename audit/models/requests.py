"""What can be asked of a model, and what comes back.

A request is a small frozen value: equal requests have equal keys, so that the engine can pool the requests of all
probes, compute each one once and find it again in the cache. A response is plain data as well; a request that could
not be answered comes back as a :class:`Failure`, never as a number.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from audit.results import ItemStatus


class Capability(StrEnum):
    """What a model may be able to do; a probe states the ones that it needs."""

    SCORE = "score"  # log-likelihood of a continuation
    GENERATE = "generate"  # text
    CLASSIFY = "classify"  # class probabilities
    EMBED = "embed"  # a vector for a text
    INFILL = "infill"  # log-likelihood of masked tokens given the text on both sides
    ATTENTION = "attention"  # attention weights by layer and head
    CROSS_ATTENTION = "cross_attention"  # attention weights of an encoder, and from its decoder to it
    ATTRIBUTE = "attribute"  # how a stated scalar moves when parts of the input go
    TABULATE = "tabulate"  # a table of cases with true outcomes and sensitive columns
    PREDICT = "predict"  # the class of each of these cases: in the table, or by classifying its texts


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


Prompt = str | tuple[Message, ...]
"""Raw text is scored as it is; a conversation is rendered by the model's chat template, or plainly without one."""


def user(content: str) -> tuple[Message, ...]:
    """A conversation of one question."""
    return (Message("user", content),)


def plain_chat(messages: tuple[Message, ...]) -> str:
    """A conversation as plain text, for models without a chat template: ``Question: …`` and ``Answer:`` lines."""
    names = {"system": "Instructions", "user": "Question", "assistant": "Answer"}
    return "\n".join(f"{names[m.role]}: {m.content}" for m in messages) + "\nAnswer:"


def prompt_text(prompt: Prompt) -> str:
    """A prompt as a person reads it in a record."""
    if isinstance(prompt, str):
        return prompt
    if len(prompt) == 1 and prompt[0].role == "user":
        return prompt[0].content
    return "\n".join(f"{m.role}: {m.content}" for m in prompt)


@dataclass(frozen=True, slots=True)
class Request:
    """Base of all requests; ``needs`` is the capability that answers it."""

    needs: ClassVar[Capability]

    @property
    def key(self) -> str:
        """SHA-256 of kind and content: equal for equal requests, stable between runs."""
        content = json.dumps([type(self).__name__, asdict(self)], sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Score(Request):
    """log p(continuation | prompt), in nats, summed over the continuation's tokens.

    From a masked language model: the pseudo-log-likelihood of the continuation's tokens.
    """

    needs: ClassVar[Capability] = Capability.SCORE
    prompt: Prompt
    continuation: str


@dataclass(frozen=True, slots=True)
class Infill(Request):
    """Pseudo-log-likelihood, in nats, of the tokens of ``text`` that lie within ``spans`` (start and end characters).

    Each token is masked in turn and predicted from all others (Salazar et al. 2020, arXiv:1910.14659). With
    ``whole_words`` the later tokens of its word are masked as well (Kauf & Ivanova 2023, arXiv:2305.10588), so that a
    word of several tokens does not give itself away. Without, it is the rule of CrowS-Pairs (Nangia et al. 2020).
    ``common_to``: of these tokens, only those that two texts share, of which ``text`` is one: the longest matching
    blocks of their tokens, as ``difflib.SequenceMatcher`` finds them in the order given.
    """

    needs: ClassVar[Capability] = Capability.INFILL
    text: str
    spans: tuple[tuple[int, int], ...]
    whole_words: bool = True
    common_to: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Classify(Request):
    """The probability of each class of a sequence classifier for a text.

    ``second``: the other half of a pair, for classifiers of two texts, such as a premise and a hypothesis.
    """

    needs: ClassVar[Capability] = Capability.CLASSIFY
    text: str
    second: str | None = None


@dataclass(frozen=True, slots=True)
class Embed(Request):
    """The vector that stands for a text."""

    needs: ClassVar[Capability] = Capability.EMBED
    text: str


@dataclass(frozen=True, slots=True)
class Choose(Request):
    """Which of some short answers a judge gives to a question; answered with ``Classified``, whose labels they are.

    By the likelihoods of the options where the judge can tell them, otherwise by what it writes. For judges alone: to
    the audited model a probe puts ``Score`` requests, whose likelihoods it may need.
    """

    needs: ClassVar[Capability] = Capability.SCORE
    prompt: Prompt
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judge(Request):
    """A request that another model answers, one that the config names.

    ``judge``: the name of an entry of the config's ``judges``, or a source: a folder, a file, ``package:NAME/…``, or a hub
    id with its commit, ``org/name@commit``. The capability is the judge's, not the audited model's.
    """

    needs: ClassVar[Capability] = Capability.CLASSIFY
    judge: str
    request: Classify | Embed | Choose

    @property
    def key(self) -> str:
        """SHA-256 of the judge and the key of what it is asked."""
        return hashlib.sha256(f"{self.judge}\n{self.request.key}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Tabulate(Request):
    """The table of cases that came with the model; ``whole``: with the columns that have no role in it as well."""

    needs: ClassVar[Capability] = Capability.TABULATE
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Generate(Request):
    """An answer to the prompt. Temperature 0 is greedy; otherwise ``seed`` fixes the sample."""

    needs: ClassVar[Capability] = Capability.GENERATE
    prompt: Prompt
    max_tokens: int
    temperature: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "temperature", float(self.temperature))  # 0 and 0.0 are equal: one key


@dataclass(frozen=True, slots=True)
class Attend(Request):
    """Attention weights of one teacher-forced pass over prompt and continuation.

    ``part`` of an encoder-decoder: ``encoder`` (the prompt to itself), ``cross`` (the continuation to the prompt) or
    ``self`` (the continuation to itself). Other models have ``self`` alone, over both.
    """

    needs: ClassVar[Capability] = Capability.ATTENTION
    prompt: Prompt
    continuation: str
    part: Literal["self", "encoder", "cross"] = "self"


@dataclass(frozen=True, slots=True)
class Decision(Request):
    """Base of requests about one scalar, f(x) = log p(continuation | prompt) - log p(contrast | prompt).

    Without a contrast the scalar is the continuation's log-probability. The prompt's *units* are its words (of a
    conversation: those of the last message), numbered from 0. Removed units are deleted from the token sequence; nothing is
    tokenised again.
    """

    prompt: Prompt
    continuation: str
    contrast: str | None = None


@dataclass(frozen=True, slots=True)
class Attribute(Decision):
    """How much each unit of the prompt carries of the decision's scalar."""

    needs: ClassVar[Capability] = Capability.ATTRIBUTE
    method: Literal["leave_one_out", "shapley_sampling"] = "leave_one_out"
    samples: int = 0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Ablate(Decision):
    """The decision's scalar with only the units of each set kept."""

    needs: ClassVar[Capability] = Capability.ATTRIBUTE
    kept: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Scored:
    """``logprob``: the sum in nats; ``tokens``: how many; ``greedy``: was every token the model's first choice."""

    logprob: float
    tokens: int
    greedy: bool


@dataclass(frozen=True, slots=True)
class Generated:
    """``logprob``: of the generated tokens in nats, the end token included; ``finish``: why the answer ended.

    A server may leave out the end token's log-probability, or all: then ``logprob`` is None.
    """

    text: str
    tokens: int
    logprob: float | None
    finish: Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Attended:
    """``weights``: float32 ``[layers, heads, tokens, tokens]``, rows sum to 1; ``prompt_tokens`` come first.

    Cross-attention is ``[layers, heads, tokens, sources]``; ``sources`` is empty where tokens attend to one another.
    """

    tokens: tuple[str, ...]
    prompt_tokens: int
    causal: bool
    weights: NDArray[np.float32]
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Classified:
    """``probabilities`` of the classes named by ``labels``, in that order; they sum to 1 unless ``independent``.

    ``independent``: a multi-label model, each of whose probabilities stands for itself.
    """

    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    independent: bool = False


@dataclass(frozen=True, slots=True)
class Embedded:
    """``vector``: float32 ``[width]``."""

    vector: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Tabulated:
    """One entry a case in every column.

    ``truth`` and ``predicted`` hold classes as text, None where missing; ``score`` the probability of ``positive``, the
    class that the person concerned wishes for. ``predicted`` and ``score`` are empty where the model has to be asked:
    then ``texts`` holds what to ask of it. ``groups[a]`` is the column of the sensitive attribute ``attributes[a]``.
    ``values[c]`` is the column ``columns[c]`` of those that are none of these, where a whole table was asked for.
    """

    positive: str
    truth: tuple[str | None, ...]
    predicted: tuple[str | None, ...]
    score: tuple[float | None, ...]
    texts: tuple[str, ...]
    attributes: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    values: tuple[tuple[str | None, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Attributed:
    """``scores``: one signed number a unit, in nats; ``full``: f with all units; ``empty``: f with none."""

    units: tuple[str, ...]
    scores: tuple[float, ...]
    full: float
    empty: float


@dataclass(frozen=True, slots=True)
class Ablated:
    """``values``: f for each set of kept units, in the request's order, in nats."""

    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer: ``status`` goes into the coverage, ``reason`` is one sentence."""

    status: ItemStatus
    reason: str


Response = Scored | Generated | Classified | Embedded | Tabulated | Attended | Attributed | Ablated | Failure
Responses = Mapping[Request, Response]
_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (Scored, Generated, Classified, Embedded, Tabulated, Attended, Attributed, Ablated, Failure)
}


_TYPES: dict[str, dict[str, Any]] = {
    "Scored": {"logprob": float | int, "tokens": int, "greedy": bool},
    "Generated": {"text": str, "tokens": int, "logprob": float | int | None, "finish": str},
    "Classified": {"labels": tuple, "probabilities": tuple, "independent": bool},
    "Embedded": {"vector": np.ndarray},
    "Tabulated": {"positive": str, "truth": tuple, "predicted": tuple, "score": tuple, "texts": tuple, "groups": tuple},
    "Attended": {"tokens": tuple, "prompt_tokens": int, "causal": bool, "weights": np.ndarray},
    "Attributed": {"units": tuple, "scores": tuple, "full": float | int, "empty": float | int},
    "Ablated": {"values": tuple},
    "Failure": {"status": str, "reason": str},
}


def encode(response: Response) -> str:
    """A response as JSON text, arrays as base64 of their little-endian float32 bytes."""
    fields = {name: getattr(response, name) for name in response.__slots__}
    for name, value in fields.items():
        if isinstance(value, np.ndarray):
            raw = np.ascontiguousarray(value, dtype="<f4")
            fields[name] = {"shape": list(raw.shape), "float32": base64.b64encode(raw.tobytes()).decode("ascii")}
    return json.dumps([type(response).__name__, fields], allow_nan=False)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a number")


def decode(text: str) -> Response:
    """The response that :func:`encode` wrote.

    Raises:
        ValueError: where the text is not such a response.
    """
    try:
        kind, fields = json.loads(text, parse_constant=_refuse)
        for name, value in fields.items():
            if isinstance(value, dict):
                raw = np.frombuffer(base64.b64decode(value["float32"]), dtype="<f4")
                fields[name] = raw.reshape(value["shape"]).astype(np.float32)
            elif isinstance(value, list):
                fields[name] = tuple(tuple(v) if isinstance(v, list) else v for v in value)
        response: Response = _KINDS[kind](**fields)
        for name, wanted in _TYPES.get(kind, {}).items():
            if not isinstance(getattr(response, name), wanted):
                raise ValueError(f"{name} is not a {wanted}")
    except (AttributeError, TypeError, KeyError, ValueError, RecursionError) as error:
        raise ValueError(f"not a stored response: {error}") from None
    return response
