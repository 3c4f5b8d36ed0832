"""What reads whether one text says what another says: a rule about words, a sentence encoder, an inference model, a chat model.

The last three are judges that the config names. A reading of two texts is one number, higher where the first text says
what the second says; what number is enough is decided on labelled pairs, see :mod:`probes.judges.quality`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PrivateAttr, model_validator

from audit.models import (
    Choose,
    Classified,
    Classify,
    Embed,
    Embedded,
    Failure,
    Judge,
    Request,
    Response,
    Responses,
    user,
)
from audit.results import ItemStatus
from probes.base import ProbeOptions, PublishedOptions
from probes.claims_in_text import sentences_of
from probes.judges.words import share_said

JudgeKind = Literal["nli", "encoder", "model", "classifier"]
ReaderKind = Literal["words", "nli", "encoder", "model", "classifier"]
FloatArray = NDArray[np.float64]
ANSWERS = ("Yes", "No", "Unclear")
QUESTION = (
    "Text: {premise}\n\nStatement: {hypothesis}\n\nDoes the text say or imply the statement? Answer Yes if it does, No if it "
    "says the opposite, Unclear if it does not tell."
)


class JudgedOptions(ProbeOptions):
    """Options of a probe whose answers another model may read; ``kinds`` are those of judges that it can use."""

    kinds: ClassVar[frozenset[JudgeKind]] = frozenset({"nli", "encoder", "model"})
    _source: str | None = PrivateAttr(None)
    judge: str | None = Field(
        None,
        min_length=1,
        description="Another model that reads answers: an entry of the config's judges, a folder, package:NAME/…, or a hub "
        "id with its commit (org/name@commit). Without one a stated rule reads them.",
    )
    judge_kind: JudgeKind = Field(
        "model",
        description="How the judge is asked: nli (a classifier of entailment), encoder (sentence vectors), model (a question "
        "with short answers), or classifier (its classes of a text). An entry of the config's judges says so itself.",
    )

    @model_validator(mode="after")
    def _of_a_kind_that_fits(self) -> Self:
        if self.judge is not None and self.judge_kind not in self.kinds:
            raise ValueError(
                f"this probe cannot use a judge of the kind {self.judge_kind}; {', '.join(sorted(self.kinds))} it can"
            )
        return self

    def read_by(self, judge: str, kind: JudgeKind, source: str) -> Self:
        """These options with the entry ``judge`` of the config's judges, a model from ``source``."""
        made = type(self).model_validate({**self.model_dump(), "judge": judge, "judge_kind": kind})
        made._source = source
        return made

    @property
    def judge_source(self) -> str | None:
        """Where the judge comes from, for a person to read; None without one."""
        return self._source or self.judge


class JudgedPublishedOptions(PublishedOptions, JudgedOptions):
    """Options of a probe of published items whose answers another model may read."""


@dataclass(frozen=True)
class Entailment:
    """How far one text says what another says.

    ``entailed`` is from 0 to 1 (of a sentence encoder a cosine, from -1), None where it was not read; ``contradicted`` the
    probability that it says the opposite, None where the kind of reader cannot tell.
    """

    status: ItemStatus
    entailed: float | None = None
    contradicted: float | None = None
    evidence: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class Reader:
    """What reads texts; ``judge`` is None for the rule about words, ``source`` where the judge comes from."""

    kind: ReaderKind = "words"
    judge: str | None = None
    source: str | None = None

    @classmethod
    def of(cls, options: JudgedOptions) -> Self:
        """The reader that the options name."""
        return cls() if options.judge is None else cls(options.judge_kind, options.judge, options.judge_source)

    @property
    def name(self) -> str:
        """The reader in words, for a sentence or a card."""
        kinds = {
            "words": "a rule about shared words",
            "nli": "the inference model {judge}",
            "encoder": "the sentence encoder {judge}",
            "model": "the model {judge} as judge",
            "classifier": "the classifier {judge}",
        }
        return kinds[self.kind].format(judge=(self.source or self.judge or "").removeprefix("package:"))

    def asks(self, premise: str, hypothesis: str, question: str = "") -> list[Request]:
        """What must be asked to read whether ``premise`` says what ``hypothesis`` says, both as answers to ``question``."""
        if self.judge is None:
            return []
        first, second = (_answering(question, text) for text in (premise, hypothesis))
        if self.kind == "encoder":
            return [Judge(self.judge, Embed(text)) for text in _embedded(first, second, question)]
        if self.kind == "nli":
            return [Judge(self.judge, Classify(first, second))]
        return [Judge(self.judge, Choose(user(QUESTION.format(premise=first, hypothesis=second)), ANSWERS))]

    def reads(self, premise: str, hypothesis: str, answers: Responses, question: str = "") -> Entailment:
        """The reading, from the answers to what was asked; it names the nearest sentence of the premise as evidence."""
        by_words = {sentence: share_said(hypothesis, sentence, question) for sentence in _sentences(premise)}
        if self.judge is None:
            whole = share_said(hypothesis, premise, question)
            # A text that denies something elsewhere says no less what one of its sentences says word for word.
            return Entailment("scored", max(whole, *by_words.values()), None, _highest(by_words))
        found = [answers[request] for request in self.asks(premise, hypothesis, question)]
        failed = next((response for response in found if isinstance(response, Failure)), None)
        if failed is not None:
            return Entailment(failed.status, note=failed.reason)
        if self.kind != "encoder":
            return _of_classes(found[0], _highest(by_words))
        first, second = (_answering(question, text) for text in (premise, hypothesis))
        texts = _embedded(first, second, question)
        return _nearest(dict(zip(texts, found, strict=True)), second, _parts(first, question), question)


def _answering(question: str, text: str) -> str:
    return f"{question} {text}".strip()


def _parts(premise: str, question: str) -> list[str]:
    """A text with its sentences; an answer to a question alone, whose parts are nothing without it."""
    return [premise] if question else list(dict.fromkeys([premise, *_sentences(premise)]))


def _embedded(premise: str, hypothesis: str, question: str) -> list[str]:
    return list(dict.fromkeys([hypothesis, *_parts(premise, question), *([question] if question else [])]))


def _sentences(premise: str) -> list[str]:
    return [span.text for span in sentences_of(premise)] or [premise]


def _highest(scores: dict[str, float]) -> str | None:
    return max(scores, key=lambda text: scores[text]) if len(scores) > 1 else None


def _nearest(found: Mapping[str, Response], hypothesis: str, parts: Sequence[str], question: str) -> Entailment:
    """The largest cosine of the hypothesis with the whole premise, which comes first, or one of its sentences.

    From answers to a question its own vector is taken away: what both hold of it would make any two of them alike.
    """
    vectors = {text: np.asarray(r.vector, dtype=np.float64) for text, r in found.items() if isinstance(r, Embedded)}
    if len(vectors) != len(found):
        return Entailment("failed", note="The judge gave no vectors.")
    units = {text: _unit(vector) for text, vector in vectors.items()}
    if question:
        units = {text: _unit(unit - units[question]) for text, unit in units.items()}
    cosines = {part: float(np.clip(units[hypothesis] @ units[part], -1.0, 1.0)) for part in parts}
    return Entailment("scored", max(cosines.values()), None, _highest({part: cosines[part] for part in parts[1:]}))


def _unit(vector: FloatArray) -> FloatArray:
    """The vector at length 1; one of no length, which points nowhere, stays: its cosine with any other is 0."""
    length = float(np.linalg.norm(vector))
    return vector / length if length > 1e-9 else np.zeros_like(vector)


def _of_classes(response: Response, evidence: str | None) -> Entailment:
    if not isinstance(response, Classified):
        return Entailment("failed", note="The judge gave no classes.")
    shares = dict(zip((label.lower() for label in response.labels), response.probabilities, strict=True))
    entailed = _share(shares, ("entail", "yes"))
    contradicted = _share(shares, ("contra", "no"))
    if entailed is None or contradicted is None:
        named = ", ".join(response.labels)
        return Entailment("unparsed", note=f"The judge's classes ({named}) name no entailment and contradiction.")
    return Entailment("scored", entailed, contradicted, evidence)


def _share(shares: dict[str, float], beginnings: tuple[str, str]) -> float | None:
    """The probability of the class of inference or, of a judge that was asked, of its short answer."""
    long, short = beginnings
    found = [share for label, share in shares.items() if label.startswith(long) or label == short]
    return found[0] if len(found) == 1 else None
