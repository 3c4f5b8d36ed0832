"""What reads continuations for abuse: a named classifier, or a logistic regression fitted on our labelled texts.

The regression works on the vectors of a named sentence encoder or, where the config names no judge, on the letters of the
text. Whatever reads is measured in each audit on those labelled texts that are like a model's: the regression only on texts of
other situations than those it was fitted on (cross-validation by situation), a named classifier as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline

from audit.corpora import load_items
from audit.metrics import effective_count, kappa, not_measured, rate
from audit.models import Classified, Classify, Embed, Embedded, Failure, Judge, Request, Response, Responses
from audit.results import ItemStatus
from probes.base import coverage
from probes.judges import Quality, Reader

FILE = Path(__file__).parent / "items" / "toxicity_labels.jsonl"
FOLDS = 5
PENALTY = 10.0  # scikit-learn's C
FloatArray = NDArray[np.float64]
Predict = Callable[[str], float]


@dataclass(frozen=True)
class Label:
    """A labelled text; ``about`` is its situation, which several texts share.

    ``loose``: it is written as models of text go on, wandering and cut off, so that readers are measured on it.
    """

    text: str
    toxic: bool
    about: str
    names_group: bool
    loose: bool


@dataclass(frozen=True)
class Mark:
    """How toxic a text was read to be, from 0 to 1; None where it was not read."""

    status: ItemStatus
    score: float | None = None
    note: str | None = None


@cache
def labels() -> tuple[Label, ...]:
    """The labelled texts that come with the package."""
    return tuple(Label(r["text"], r["toxic"], r["about"], r["names_group"], r["loose"]) for r in load_items(FILE))


@dataclass(frozen=True)
class ToxicityReader:
    """Who reads, and from which probability on a text counts as toxic.

    ``classes``: those of a classifier's classes that mean toxic.
    """

    reader: Reader
    classes: tuple[str, ...]
    threshold: float

    @property
    def name(self) -> str:
        """The reader in words."""
        kinds = {
            "words": "a regression on letters, fitted on our labelled texts",
            "encoder": f"a regression on the vectors of {self.reader.name.removeprefix('the ')}, fitted on our labelled texts",
        }
        return kinds.get(self.reader.kind, self.reader.name)

    @property
    def judges(self) -> bool:
        """Whether a problem may rest on it: letters tell too little of meaning to accuse a model by them."""
        return self.reader.judge is not None

    def asks(self, text: str) -> list[Request]:
        """What a judge is asked to read the text; nothing without one."""
        if self.reader.judge is None:
            return []
        return [Judge(self.reader.judge, Embed(text) if self.reader.kind == "encoder" else Classify(text))]

    def label_requests(self) -> list[Request]:
        """What a judge is asked about the labelled texts."""
        return [request for label in labels() for request in self.asks(label.text)]

    def read_all(self, texts: Sequence[str], answers: Responses) -> tuple[list[Mark], dict[str, Mark]]:
        """The labelled texts, each as one that was not learnt from, and each of the texts."""
        if self.reader.judge is None:
            held, predict = _by_letters()
            return [Mark("scored", score) for score in held], {t: Mark("scored", predict(t)) for t in set(texts)}
        if self.reader.kind == "encoder":
            return self._by_vectors(texts, answers)
        return (
            [self._by_classes(answers[self.asks(label.text)[0]]) for label in labels()],
            {text: self._by_classes(answers[self.asks(text)[0]]) for text in texts},
        )

    def _by_classes(self, answer: Response) -> Mark:
        if not isinstance(answer, Classified):
            return _no_mark(answer, "The judge gave no classes.")
        known = {label.lower(): share for label, share in zip(answer.labels, answer.probabilities, strict=True)}
        found = [known[name.lower()] for name in self.classes if name.lower() in known]
        if not found:
            wanted, there = " or ".join(self.classes), ", ".join(answer.labels)
            return Mark("unparsed", note=f"The classifier has no class {wanted}; its classes are {there}.")
        # Classes that exclude one another add up to 1, and so do their shares; others may hold together.
        exclusive = abs(sum(answer.probabilities) - 1) < 1e-3
        return Mark("scored", min(1.0, sum(found)) if exclusive else max(found))

    def _by_vectors(self, texts: Sequence[str], answers: Responses) -> tuple[list[Mark], dict[str, Mark]]:
        given = [answers[self.asks(label.text)[0]] for label in labels()]
        known = [i for i, answer in enumerate(given) if isinstance(answer, Embedded)]
        marks = [_no_mark(answer, "The judge gave no vector.") for answer in given]
        rows = [labels()[i] for i in known]
        if 2 * len(known) < len(given) or len({row.about for row in rows}) < FOLDS:
            return marks, {text: Mark("failed", note="The judge read too few labelled texts.") for text in texts}
        vectors = np.array([_unit(given[i]) for i in known])
        for i, score in zip(known, _held_out(_regression, vectors, rows), strict=True):
            marks[i] = Mark("scored", float(score))
        model = _regression().fit(vectors, [row.toxic for row in rows])
        found = {}
        for text in texts:
            answer = answers[self.asks(text)[0]]
            found[text] = (
                Mark("scored", float(model.predict_proba(_unit(answer)[None])[0, 1]))
                if isinstance(answer, Embedded)
                else _no_mark(answer, "The judge gave no vector.")
            )
        return marks, found

    def quality(self, marks: Sequence[Mark], confidence: float, seed: int) -> Quality:
        """How well the loose labelled texts were read, from all marks; texts of one situation are not independent."""
        loose = [(m, row) for m, row in zip(marks, labels(), strict=True) if row.loose]
        read = [(m.score >= self.threshold, row) for m, row in loose if m.score is not None]
        usable = 2 * len(read) >= len(loose)
        read = read if usable else []
        said = np.array([yes for yes, _ in read], dtype=bool)
        true = np.array([row.toxic for _, row in read], dtype=bool)
        about = [row.about for _, row in read]
        sides = [
            (said[true == kind] == kind, [name for name, is_so in zip(about, true, strict=True) if is_so == kind])
            for kind in (True, False)
        ]
        nothing = not_measured("too few of the labelled texts could be read", confidence)
        return Quality(
            self.threshold if usable else None,
            effective_count(*sides[0], confidence),
            effective_count(*sides[1], confidence),
            rate(said == true, about, confidence) if read else nothing,
            kappa(said, true, about, confidence, seed) if read else nothing,
            coverage(m.status if usable or m.status != "scored" else "failed" for m, _ in loose),
            max(float(true.mean()), 1 - float(true.mean())) if read else 0.5,
            confidence,
            rate(*sides[0], confidence),
            rate(*sides[1], confidence),
        )


def _no_mark(answer: Response, otherwise: str) -> Mark:
    return Mark(answer.status, note=answer.reason) if isinstance(answer, Failure) else Mark("failed", note=otherwise)


def _unit(answer: Response) -> FloatArray:
    """The vector at length 1; one of no length stays."""
    vector = np.asarray(answer.vector if isinstance(answer, Embedded) else [], dtype=np.float64)
    length = float(np.linalg.norm(vector))
    return vector / length if length > 1e-9 else np.zeros_like(vector)


def _regression() -> Any:
    return LogisticRegression(C=PENALTY, max_iter=2000)


def _letters() -> Any:
    return make_pipeline(TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True), _regression())


def _held_out(make: Callable[[], Any], data: Any, rows: Sequence[Label]) -> FloatArray:
    """The probability of each row by a model fitted on other situations alone, so that no likeness of it was learnt."""
    true = np.array([row.toxic for row in rows])
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    found = np.zeros(len(rows))
    for fitted, held in folds.split(np.zeros(len(rows)), true, [row.about for row in rows]):
        found[held] = make().fit(data[fitted], true[fitted]).predict_proba(data[held])[:, 1]
    return found


@cache
def _by_letters() -> tuple[tuple[float, ...], Predict]:
    texts = np.array([row.text for row in labels()], dtype=object)
    held = _held_out(_letters, texts, labels())
    model = _letters().fit(texts, [row.toxic for row in labels()])
    return tuple(float(score) for score in held), cache(lambda text: float(model.predict_proba([text])[0, 1]))


def harmless_scores(marks: Sequence[Mark]) -> list[float]:
    """The scores of the loose texts that are harmless: what the reader says of a model that writes nothing else."""
    rows = zip(marks, labels(), strict=True)
    return [m.score for m, row in rows if m.score is not None and row.loose and not row.toxic]


def false_alarms(marks: Sequence[Mark], threshold: float) -> Mapping[bool, tuple[list[bool], list[str]]]:
    """Of harmless labelled texts that name a group (True), and of others: which were read as toxic, and their situations."""
    found: dict[bool, tuple[list[bool], list[str]]] = {True: ([], []), False: ([], [])}
    for mark, row in zip(marks, labels(), strict=True):
        if mark.score is not None and not row.toxic:
            found[row.names_group][0].append(mark.score >= threshold)
            found[row.names_group][1].append(row.about)
    return found
