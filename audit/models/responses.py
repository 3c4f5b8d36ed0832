"""What a model answers: plain data, one kind a kind of request.

A request that could not be answered comes back as a :class:`Failure`, never as a number.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from audit.models.requests import Request
from audit.results import ItemStatus


@dataclass(frozen=True, slots=True)
class Scored:
    """``logprob``: the sum in nats; ``tokens``: how many; ``greedy``: was every token the model's first choice."""

    logprob: float
    tokens: int
    greedy: bool


@dataclass(frozen=True, slots=True)
class TokensScored:
    """One entry a token of the text, in nats: ``logprobs``, and the mean and standard deviation of log p under p there.

    ``means[t]`` = sum over the vocabulary of p log p, the entropy with its sign turned; ``deviations[t]`` is 0 where one
    token has all probability.
    """

    logprobs: tuple[float, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]


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
    ``layers``: the number of the model's layer behind each of the weights', empty where that is all of them;
    ``missing``: the layers without a full matrix, each as a person reads it ("layer 3: no attention matrix").
    Where asked for, ``gradients``, of the weights' shape, are those of log p(continuation) in nats, 0 where a row cannot see,
    and ``norms`` ``[layers, heads, tokens or sources]`` the lengths of the vectors that the weights weigh, after the output
    projection and without its bias; None where an architecture's are not found. A masked model is then read with each token
    of the continuation hidden in turn: weights and norms are means over these passes, gradients their sum.
    """

    tokens: tuple[str, ...]
    prompt_tokens: int
    causal: bool
    weights: NDArray[np.float32]
    sources: tuple[str, ...] = ()
    layers: tuple[int, ...] = ()
    missing: tuple[str, ...] = ()
    gradients: NDArray[np.float32] | None = None
    norms: NDArray[np.float32] | None = None


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
class Inspected:
    """One entry a file in every column but the last two.

    ``names`` within their folder; ``origins``: ``folder`` (the model's own), ``file`` (a single file that is the model),
    ``converted`` (the copy that the audit made of it) or ``adapter``; ``sizes`` in bytes; ``hashes``: SHA-256; ``kinds`` by
    the first bytes; ``tensors`` and ``templates``: how many it holds.
    ``faults``: (number of the file, check, count, which), the checks being those of ``audit.models.files.fault``;
    ``facts``: (number of the file, what else is to be known). ``compared``: whether the names of tensors could be
    compared with those that the network has.
    """

    names: tuple[str, ...]
    origins: tuple[str, ...]
    sizes: tuple[int, ...]
    hashes: tuple[str, ...]
    kinds: tuple[str, ...]
    tensors: tuple[int, ...]
    templates: tuple[int, ...]
    faults: tuple[tuple[int, str, int, str], ...] = ()
    facts: tuple[tuple[int, str], ...] = ()
    compared: bool = True


@dataclass(frozen=True, slots=True)
class Timed:
    """``prefill_seconds``: from the tokens of a text to the first token after it; ``decode_seconds``: for ``tokens`` more.

    ``decode_seconds`` is None of models that write nothing token by token. ``weight_bytes`` of all ``parameters`` and buffers;
    ``kept_bytes``: keys and values after the text, ``peak_bytes``: the most memory in use meanwhile, both None where not
    known. ``load``: work waiting for each of the machine's processors just before, 1 being all busy. Where energy was asked
    for, ``prefill_joules`` of one reading and ``decode_joules`` of all ``tokens``, by part of the machine, and ``sources``:
    (part, how it is known).
    """

    prefill_seconds: float
    decode_seconds: float | None
    tokens: int
    parameters: int
    weight_bytes: int
    kept_bytes: int | None = None
    peak_bytes: int | None = None
    load: float | None = None
    prefill_joules: tuple[tuple[str, float], ...] = ()
    decode_joules: tuple[tuple[str, float], ...] = ()
    sources: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Attributed:
    """``scores``: one number a unit, in nats, with a sign but for saliency.

    ``full``: f with all units; ``empty``: f of the method's baseline, which is the text without any unit, of integrated
    gradients the text with the baseline's embeddings.
    ``error``: abs(sum of scores - (full - empty)) / abs(full - empty), of methods that claim to share out the whole; None
    of the others, and where nothing is to be shared out. ``steps``: of the integral.
    ``tokens`` of the continuation and ``by_token[t]``, the scores of its token t, where asked for. Where there is no contrast
    they sum over tokens to ``scores``, but not those of saliency: the norm of a sum of gradients is not the sum of norms.
    """

    units: tuple[str, ...]
    scores: tuple[float, ...]
    full: float
    empty: float
    error: float | None = None
    steps: int | None = None
    tokens: tuple[str, ...] = ()
    by_token: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Ablated:
    """``values``: f for each set of kept units, in the request's order, in nats."""

    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Substituted:
    """``words`` with the largest first-order ``gains``, in standard deviations over the vocabulary; the largest first."""

    words: tuple[str, ...]
    gains: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Hidden:
    """``vectors``: float32 ``[layers + 1, width]``, from the embeddings to what the head or the decoder is given."""

    vectors: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Lensed:
    """log p of the answer's first token, and of the contrast's, by each layer from 0, the embeddings, in nats.

    Both are the same numbers where answer and contrast begin with one token after one text; the lens cannot tell them apart.
    ``top``: the text of each layer's likeliest token; ``target`` and ``contrast_text``: those of the first tokens.
    """

    answer: tuple[float, ...]
    contrast: tuple[float, ...]
    top: tuple[str, ...]
    target: str
    contrast_text: str = ""


@dataclass(frozen=True, slots=True)
class Patched:
    """``values``: float32 ``[layers, tokens]``, the restored share; 0: nothing, 1: all of ``clean`` - ``corrupt``.

    ``clean`` and ``corrupt``: f of both prompts, in nats. ``layers``: the number of each row's layer. ``tokens`` of the
    clean prompt and ``other_tokens`` of the corrupt one; of a masked model the answer's hidden place comes last.
    """

    clean: float
    corrupt: float
    values: NDArray[np.float32]
    layers: tuple[int, ...]
    tokens: tuple[str, ...]
    other_tokens: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer: ``status`` goes into the coverage, ``reason`` is one sentence."""

    status: ItemStatus
    reason: str


Looked = Hidden | Lensed | Patched | Substituted
Read = Tabulated | Inspected | Timed
Told = Scored | TokensScored | Generated
Response = Told | Classified | Embedded | Read | Attended | Attributed | Ablated | Looked | Failure
Responses = Mapping[Request, Response]
_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        *(Scored, TokensScored, Generated, Classified, Embedded, Tabulated, Inspected, Attended, Attributed, Ablated),
        *(Hidden, Lensed, Patched, Substituted, Timed, Failure),
    )
}


_TYPES: dict[str, dict[str, Any]] = {
    "Scored": {"logprob": float | int, "tokens": int, "greedy": bool},
    "TokensScored": {"logprobs": tuple, "means": tuple, "deviations": tuple},
    "Generated": {"text": str, "tokens": int, "logprob": float | int | None, "finish": str},
    "Classified": {"labels": tuple, "probabilities": tuple, "independent": bool},
    "Embedded": {"vector": np.ndarray},
    "Tabulated": {"positive": str, "truth": tuple, "predicted": tuple, "score": tuple, "texts": tuple, "groups": tuple},
    "Inspected": {"names": tuple, "origins": tuple, "sizes": tuple, "hashes": tuple, "faults": tuple, "facts": tuple},
    "Attended": {"tokens": tuple, "prompt_tokens": int, "causal": bool, "weights": np.ndarray},
    "Attributed": {"units": tuple, "scores": tuple, "full": float | int, "empty": float | int},
    "Ablated": {"values": tuple},
    "Hidden": {"vectors": np.ndarray},
    "Lensed": {"answer": tuple, "contrast": tuple, "top": tuple, "target": str},
    "Patched": {"clean": float | int, "corrupt": float | int, "values": np.ndarray, "layers": tuple, "tokens": tuple},
    "Substituted": {"words": tuple, "gains": tuple},
    "Timed": {"prefill_seconds": float | int, "tokens": int, "prefill_joules": tuple, "sources": tuple},
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


def check_storable(response: Response) -> None:
    """Raise what :func:`encode` would raise, without writing out arrays, which can take hundreds of megabytes."""
    fields = {name: getattr(response, name) for name in response.__slots__}
    for name, value in fields.items():
        if isinstance(value, np.ndarray):
            numbers = value.dtype.kind in "biuf"  # of other kinds, such as words, each one may differ
            np.asarray(value[:0] if numbers else value, dtype="<f4")
            fields[name] = None
    json.dumps([type(response).__name__, fields], allow_nan=False)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a number")


_DECODER = json.JSONDecoder(parse_constant=_refuse)  # made once: json.loads would make one for every answer


def decode(text: str) -> Response:
    """The response that :func:`encode` wrote.

    Raises:
        ValueError: where the text is not such a response.
    """
    try:
        kind, fields = _DECODER.decode(text)
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
