"""A deterministic model made of plain functions: for controls with a planted fault, and for trying a probe out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from audit.models.base import chunks
from audit.models.requests import (
    GRADIENT_METHODS,
    Ablate,
    Attend,
    Attribute,
    Capability,
    Classify,
    Decision,
    Embed,
    Generate,
    Inspect,
    Request,
    Score,
    ScoreTokens,
    Tabulate,
    Time,
    prompt_text,
)
from audit.models.responses import (
    Ablated,
    Attended,
    Attributed,
    Classified,
    Embedded,
    Failure,
    Generated,
    Inspected,
    Scored,
    Tabulated,
    Timed,
    TokensScored,
)
from audit.models.scripted_attribution import attributed
from audit.models.scripted_inside import ScriptedInside, noise
from audit.results import ModelFacts

ALL = frozenset(
    {
        Capability.SCORE,
        Capability.GENERATE,
        Capability.ATTENTION,
        Capability.ATTRIBUTE,
        Capability.CLASSIFY,
        Capability.TABULATE,
        Capability.PREDICT,
        Capability.EMBED,
        Capability.STATES,
        Capability.FILES,
        Capability.DISTRIBUTION,
        Capability.TIME,
    }
)


PAIR = "=>"
"""What stands between the two texts of a pair, as a script's ``classify`` gets them."""

_GROUPS = (("green", "blue"), ("small", "large"))


def _direction(text: str) -> list[float]:
    return [2 * noise(f"{text} {place}") - 1 for place in range(16)]


def even_table(cases: int = 240) -> Tabulated:
    """Cases of which four in five are predicted rightly, whatever their group; nothing tells the groups apart."""
    truth = [noise(f"truth {i}") < 0.5 for i in range(cases)]
    predicted = [t == (noise(f"right {i}") < 0.8) for i, t in enumerate(truth)]
    return Tabulated(
        positive="1",
        truth=tuple(str(int(t)) for t in truth),
        predicted=tuple(str(int(p)) for p in predicted),
        score=tuple(0.8 if p else 0.2 for p in predicted),
        texts=(),
        attributes=("colour", "size"),
        groups=tuple(tuple(a if noise(f"{a} {i}") < 0.5 else b for i in range(cases)) for a, b in _GROUPS),
        columns=("weight", "shape"),
        values=(
            tuple(f"{noise(f'weight {i}'):.3f}" if noise(f"weighed {i}") < 0.9 else None for i in range(cases)),
            tuple("round" if noise(f"shape {i}") < 0.5 else "flat" for i in range(cases)),
        ),
    )


def plain_files() -> Inspected:
    """Weights, settings and a template with nothing to remark on."""
    names = ("chat_template.jinja", "config.json", "model.safetensors")
    return Inspected(
        names=names,
        origins=("folder",) * 3,
        sizes=(300, 500, 40_000),
        hashes=tuple(hashlib.sha256(name.encode()).hexdigest() for name in names),
        kinds=("text", "JSON", "safetensors"),
        tensors=(0, 0, 12),
        templates=(1, 0, 0),
    )


def steady_times(request: Time) -> Timed:
    """Times of a small model whose attention is full: a part for each token, one for each pair, and a little noise."""
    size, writes = request.prompt_tokens, request.new_tokens
    unsteady = 1 + 0.02 * noise(f"{size} {request.repeat}")
    seconds, written = (0.001 * size + 1e-7 * size**2) * unsteady, 0.02 * writes * unsteady
    return Timed(
        prefill_seconds=seconds,
        decode_seconds=written,
        tokens=writes,
        parameters=1_000_000,
        weight_bytes=4_000_000,
        kept_bytes=1_000 * size,
        peak_bytes=20_000_000 + 2_000 * size,
        load=0.0,
        prefill_joules=(("processor", 30 * seconds), ("memory", 6 * seconds)) if request.metered else (),
        decode_joules=(("processor", 30 * written), ("memory", 6 * written)) if request.metered else (),
        sources=(("processor", "measured (RAPL)"), ("memory", "estimated")) if request.metered else (),
    )


class ScriptedModel(ScriptedInside):
    """Answers from functions of the prompt's text.

    Args:
        score: (prompt, continuation) to log-probability in nats; by default small noise without any pattern.
        write: prompt to text; by default a fixed refusal to say anything.
        capabilities: what it claims to do; without ``SCORE`` its decisions are between classes, and ``GRADIENT`` makes it
            answer what needs open weights.
        classify: text to the probability of each class; by default two classes and noise. A pair comes as one text,
            with ``PAIR`` between its parts.
        embed: text to its vector; by default a direction that depends on the text alone, without any pattern.
        table: what it gives as its table of cases; by default predictions that have nothing to do with groups.
        files: what it tells of its files; by default three with nothing to remark on.
        time: a request to how long it takes and what it uses; by default ``steady_times``.
        name: goes into the fingerprint, so that two scripts never share a cache.
    """

    def __init__(
        self,
        score: Callable[[str, str], float] | None = None,
        write: Callable[[str], str] | None = None,
        capabilities: frozenset[Capability] = ALL,
        name: str = "scripted",
        classify: Callable[[str], Mapping[str, float]] | None = None,
        table: Tabulated | None = None,
        embed: Callable[[str], Sequence[float]] | None = None,
        files: Inspected | None = None,
        time: Callable[[Time], Timed] = steady_times,
    ) -> None:
        self._time = time
        self._files = files
        self._embed = embed or _direction
        self._table = table
        self._score = score or (lambda prompt, continuation: -1.0 - noise(f"{prompt}|{continuation}"))
        self._classify = classify or (lambda text: {"no": 1.0 - noise(text), "yes": noise(text)})
        self._write = write or (lambda prompt: "I do not know.")
        self.capabilities = capabilities
        self.facts = ModelFacts(
            name=name, source="script", kind="scripted", pinned=True, capabilities=sorted(capabilities)
        )

    @property
    def fingerprint(self) -> str:
        """Hash of the name; scripts of one name are taken to be the same."""
        return hashlib.sha256(f"scripted:{self.facts.name}".encode()).hexdigest()

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        """Groups of sixteen in the order of their keys."""
        return chunks(sorted(requests, key=lambda r: r.key), 16)

    def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
        """One token a continuation, for a script has no tokens; not-a-number is passed on as a failure."""
        return [self._scored(r) for r in requests]

    def _scored(self, request: Score) -> Scored | Failure:
        value = self._score(prompt_text(request.prompt), request.continuation)
        if not np.isfinite(value):
            return Failure("not_a_number", "The script gave no finite number.")
        return Scored(float(value), 1, False)

    def score_tokens(self, requests: Sequence[ScoreTokens]) -> list[TokensScored | Failure]:
        """Each word a token, scored after those before it, in a vocabulary that is spread alike everywhere."""
        return [self._tokens_scored(r) for r in requests]

    def _tokens_scored(self, request: ScoreTokens) -> TokensScored | Failure:
        words, before = request.text.split(), request.prompt.split()
        values = [self._score(" ".join([*before, *words[:i]]), f" {word}") for i, word in enumerate(words)]
        if not words:
            return Failure("failed", "The text has no words.")
        if not np.isfinite(values).all():
            return Failure("not_a_number", "The script gave no finite number.")
        return TokensScored(tuple(map(float, values)), (-1.5,) * len(words), (0.3,) * len(words))

    def generate(self, requests: Sequence[Generate]) -> list[Generated | Failure]:
        """The script's text."""
        texts = [self._write(prompt_text(r.prompt)) for r in requests]
        return [Generated(text, len(text.split()), -float(len(text.split())), "stop") for text in texts]

    def classify(self, requests: Sequence[Classify]) -> list[Classified | Failure]:
        """The script's classes; not-a-number is passed on as a failure."""
        given = [self._classify(r.text if r.second is None else f"{r.text} {PAIR} {r.second}") for r in requests]
        return [
            Classified(tuple(classes), tuple(map(float, classes.values())))
            if np.isfinite(list(classes.values())).all()
            else Failure("not_a_number", "The script gave no finite number.")
            for classes in given
        ]

    def embed(self, requests: Sequence[Embed]) -> list[Embedded | Failure]:
        """The script's vectors; not-a-number is passed on as a failure."""
        given = [np.asarray(self._embed(r.text), dtype=np.float32) for r in requests]
        return [
            Embedded(vector)
            if np.isfinite(vector).all()
            else Failure("not_a_number", "The script gave no finite vector.")
            for vector in given
        ]

    def tabulate(self, requests: Sequence[Tabulate]) -> list[Tabulated | Failure]:
        """The script's table."""
        return [self._table or even_table() for _ in requests]

    def inspect(self, requests: Sequence[Inspect]) -> list[Inspected | Failure]:
        """The script's files."""
        return [self._files or plain_files() for _ in requests]

    def time(self, requests: Sequence[Time]) -> list[Timed | Failure]:
        """The script's times."""
        return [self._time(r) for r in requests]

    def attend(self, requests: Sequence[Attend]) -> list[Attended | Failure]:
        """Even attention over all earlier words, two layers of two heads."""
        return [self._attended(r) for r in requests]

    def _attended(self, request: Attend) -> Attended:
        pieces = [f"{w} " for w in prompt_text(request.prompt).split()] + [request.continuation]
        size = len(pieces)
        even = np.tril(np.ones((size, size), dtype=np.float32))
        even /= even.sum(1, keepdims=True)
        return Attended(tuple(pieces), size - 1, True, np.broadcast_to(even, (2, 2, size, size)).copy())

    def _scalar(self, request: Decision, kept: Sequence[int], shuffled: int | None = None) -> float:
        words = prompt_text(request.prompt).split()
        text = " ".join(words[i] for i in kept)
        answers = list(request.endings)
        if shuffled is not None:
            found = [-5 * noise(f"{shuffled}|{text}|{answer}") for answer in answers]
        elif Capability.SCORE in self.capabilities:
            found = [self._score(text, answer) for answer in answers]
        else:
            classes = self._classify(text)
            found = [float(np.log(classes[answer])) for answer in answers]
        return found[0] - sum(found[1:])

    def attribute(self, requests: Sequence[Attribute]) -> list[Attributed | Failure]:
        """Word scores by the method asked for; with shuffled weights, of noise that depends on the seed."""
        return [self._attributed(r) for r in requests]

    def _attributed(self, request: Attribute) -> Attributed | Failure:
        if Capability.GRADIENT not in self.capabilities and (request.randomised or request.method in GRADIENT_METHODS):
            return Failure("failed", "The script has no weights.")
        words = prompt_text(request.prompt).split()
        shuffled = request.seed if request.randomised else None
        return attributed(request, words, lambda kept: self._scalar(request, kept, shuffled))

    def ablate(self, requests: Sequence[Ablate]) -> list[Ablated | Failure]:
        """The scalar for each set of kept words."""
        return [Ablated(tuple(self._scalar(r, kept) for kept in r.kept)) for r in requests]
