"""What can be asked of a model; :mod:`audit.models.responses` holds what comes back.

A request is a small frozen value: equal requests have equal keys, so that the engine can pool the requests of all
probes, compute each one once and find it again in the cache.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import ClassVar, Literal


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
    GRADIENT = "gradient"  # how a stated scalar moves with its input's embeddings, and with other weights
    STATES = "states"  # hidden states of every layer, and a stated scalar with some of them exchanged
    TABULATE = "tabulate"  # a table of cases with true outcomes and sensitive columns
    PREDICT = "predict"  # the class of each of these cases: in the table, or by classifying its texts
    FILES = "files"  # what is in the files that it was opened from
    DISTRIBUTION = "distribution"  # how likely each token of a text is, and how all tokens are spread at its place
    TIME = "time"  # how long its passes take on the machine that it runs on, and what they use


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
class ScoreTokens(Request):
    """log p of each token of raw ``text``, and mean and standard deviation of log p over the vocabulary at its place.

    ``prompt``: what stands before it and is not scored; by default nothing but the token with which texts begin.
    """

    needs: ClassVar[Capability] = Capability.DISTRIBUTION
    text: str
    prompt: str = ""


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
class Inspect(Request):
    """What is in the files that the model was opened from, read without loading or running any of it."""

    needs: ClassVar[Capability] = Capability.FILES


@dataclass(frozen=True, slots=True)
class Time(Request):
    """How long one reading of ``prompt_tokens`` made-up tokens takes, and the writing of ``new_tokens`` after them.

    ``machine`` is part of the key, so that another machine's times are never taken for this one's; ``repeat`` tells runs
    apart. ``metered``: with the energy, over passes that last a while. Each is asked alone.
    """

    needs: ClassVar[Capability] = Capability.TIME
    prompt_tokens: int
    new_tokens: int
    repeat: int
    machine: str
    metered: bool = False


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


Way = Literal["first", "same", "alone", "reversed"]
"""In which company a request is asked again."""


@dataclass(frozen=True, slots=True)
class Again(Request):
    """A request asked anew, in stated company, whatever was answered to it before; answered as the request itself.

    ``way``: ``first`` in the groups that the model makes of all requests asked ``first``; ``same`` once more just so;
    ``alone`` in a group of one; ``reversed`` in the same groups from the back, with other requests among them.
    ``needs`` and the grouping are those of the request within; see ``audit.models.base``.
    """

    request: Score | Generate
    way: Way

    @property
    def needs(self) -> Capability:  # type: ignore[override]
        """What the request within needs."""
        return self.request.needs

    @property
    def key(self) -> str:
        """SHA-256 of the way and the key of what is asked: never that of the request itself."""
        return hashlib.sha256(f"again {self.way}\n{self.request.key}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Attend(Request):
    """Attention weights of one teacher-forced pass over prompt and continuation.

    ``part`` of an encoder-decoder: ``encoder`` (the prompt to itself), ``cross`` (the continuation to the prompt) or
    ``self`` (the continuation to itself). Other models have ``self`` alone, over both.
    ``weighted``: also the gradients of log p(continuation | prompt) by the weights, and the norms of what they weigh; of a
    classifier the continuation names the class.
    """

    needs: ClassVar[Capability] = Capability.ATTENTION
    prompt: Prompt
    continuation: str
    part: Literal["self", "encoder", "cross"] = "self"
    weighted: bool = False


Unit = Literal["word", "token", "segment"]
"""What an explanation takes apart: words (what stands between spaces), tokens, or segments (sentences and lines)."""

Method = Literal[
    "leave_one_out",
    "shapley_sampling",
    "kernel_shap",
    "lime",
    "saliency",
    "input_x_gradient",
    "integrated_gradients",
]
GRADIENT_METHODS: frozenset[Method] = frozenset({"saliency", "input_x_gradient", "integrated_gradients"})
"""Methods that need gradients; the others need log-likelihoods alone."""


@dataclass(frozen=True, slots=True)
class Decision(Request):
    """Base of requests about one scalar, f(x) = log p(continuation | prompt) - log p(contrast | prompt).

    Without a contrast the scalar is the continuation's log-probability. Of a classifier the endings are two of its classes;
    of a masked model log p is the pseudo-log-likelihood, its targets hidden. The prompt's *units* (of a conversation: those
    of the last message) are numbered from 0. Removed units are deleted from the token sequence; nothing is tokenised again.
    """

    prompt: Prompt
    continuation: str
    contrast: str | None = None
    unit: Unit = "word"

    @property
    def endings(self) -> tuple[str, ...]:
        """The continuation, and the contrast where there is one."""
        return (self.continuation,) if self.contrast is None else (self.continuation, self.contrast)


@dataclass(frozen=True, slots=True)
class Attribute(Decision):
    """How much each unit of the prompt carries of the decision's scalar.

    ``samples``: orders of Shapley sampling, perturbed texts of KernelSHAP and LIME, the most steps of integrated gradients.
    ``by_token``: also one row of scores for each token of the continuation (and none for the contrast).
    ``baseline`` of integrated gradients: the ``mean`` of all embeddings, or the embedding of a ``neutral`` token.
    ``randomised``: the share of the model's blocks, counted from the output down, whose weights are shuffled before, for
    the check of Adebayo et al. 2018 (arXiv:1810.03292); ``seed`` also fixes the shuffling.
    """

    needs: ClassVar[Capability] = Capability.ATTRIBUTE
    method: Method = "leave_one_out"
    samples: int = 0
    seed: int = 0
    by_token: bool = False
    baseline: Literal["mean", "neutral"] = "mean"
    randomised: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "randomised", float(self.randomised))  # 1 and 1.0 are equal: one key


@dataclass(frozen=True, slots=True)
class Ablate(Decision):
    """The decision's scalar with only the units of each set kept."""

    needs: ClassVar[Capability] = Capability.ATTRIBUTE
    kept: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Substitute(Request):
    """Words of the vocabulary that would move answers most in the place of ``word``, to first order.

    What is moved are the log odds of each answer's first token, or class, summed over ``cases``: prompts, in each of which the
    word stands first and last, with their answers. ``raised``: whether they are to become likelier. ``count``: words, at most.
    ``starts``: gradients are also taken with so many other tokens, drawn by ``seed``, in the word's place.
    """

    needs: ClassVar[Capability] = Capability.GRADIENT
    cases: tuple[tuple[Prompt, str], ...]
    word: str
    raised: bool
    count: int
    starts: int = 0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class States(Request):
    """The hidden states of a text at every layer: the mean over its own tokens, or of the last of these.

    Own tokens are those of the prompt's text, of a conversation those of its last message; special tokens are left out. Of
    an encoder-decoder the encoder's states are taken.
    """

    needs: ClassVar[Capability] = Capability.STATES
    prompt: Prompt
    at: Literal["mean", "last"] = "mean"


@dataclass(frozen=True, slots=True)
class Lens(Request):
    """What each layer would answer: the logit lens (nostalgebraist 2020) at the place that decides the first token.

    softmax(W_U norm(h_l)) with the model's own final norm and head, whatever stands between; of an encoder-decoder the
    decoder's states, of a masked model the first hidden target's.
    """

    needs: ClassVar[Capability] = Capability.STATES
    prompt: Prompt
    continuation: str
    contrast: str | None = None


@dataclass(frozen=True, slots=True)
class Patch(Request):
    """How much of f(clean) - f(corrupt) single states of the clean prompt restore in the corrupt one, by layer and token.

    f is the scalar of a ``Decision``. The prompts must have the same number of tokens. ``layers``: this many of the layers
    above the embeddings, evenly spaced, the last among them; None for all, and the embeddings as layer 0.
    """

    needs: ClassVar[Capability] = Capability.STATES
    clean: Prompt
    corrupt: Prompt
    continuation: str
    contrast: str | None = None
    layers: int | None = None
