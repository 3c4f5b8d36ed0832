"""Passages with further samples on the same subject, and how well the samples bear each sentence out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from audit.corpora import Item
from audit.metrics import unigram_surprisals
from audit.models import Generate, Generated, Request, Responses, Score
from audit.results import ItemStatus
from probes.answers import admits_not_knowing, is_refusal, mentions, normalised
from probes.base import derived_seed
from probes.choices import asked as scores_of
from probes.choices import chosen
from probes.claims_in_text import Span, claims_of
from probes.hallucination.consistency_items import asked, strange_words, stranger, supported_prompt
from probes.hallucination.fact_answers import written
from probes.judges import SUPPORTED, Case, Quality, Reader, Reading

VERDICTS = ("Yes", "No")


@dataclass(frozen=True)
class Asking:
    """How passages are asked for: ``samples`` beside the passage itself, and whether the model can be asked for likelihoods."""

    samples: int
    temperature: float
    tokens: int
    seed: int
    likelihoods: bool

    def own(self, item: Item) -> Generate:
        """The passage that is judged, greedy."""
        return Generate(asked(item), self.tokens)

    def sampled(self, item: Item) -> list[Generate]:
        """Passages drawn at random, which it is judged by."""
        seeds = [derived_seed(self.seed, f"{item['id']} sample {i}") for i in range(self.samples)]
        return [Generate(asked(item), self.tokens, self.temperature, seed) for seed in seeds]


@dataclass(frozen=True)
class Passage:
    """What the model wrote; ``outcome`` is written, declined or off the subject, None where it was not read."""

    item: Item
    status: ItemStatus
    text: str | None = None
    outcome: str | None = None
    sentences: tuple[Span, ...] = ()
    samples: tuple[str, ...] = ()
    note: str | None = None


@dataclass(frozen=True)
class Verdict:
    """What was said of one sentence by one way of looking: ``inconsistency`` is higher where the samples bear it out less.

    ``strange`` is the same against texts on something else; both are None unless ``status`` is ``scored``.
    """

    status: ItemStatus
    inconsistency: float | None = None
    strange: float | None = None


@dataclass(frozen=True)
class Sentence:
    """One sentence of a passage with all that was said of it.

    ``readings`` has one a sample. ``controls``: whether the audited model rightly said that the passage itself supports the
    sentence, and that a text on something else does not; None where it was not asked or gave no number.
    """

    span: Span
    verdicts: dict[str, Verdict]
    readings: tuple[Reading, ...]
    controls: tuple[bool | None, ...] = field(default=())


def passage_of(item: Item, asking: Asking, answers: Responses) -> Passage:
    """The passage of an item and its samples, once they are there."""
    own = answers.get(asking.own(item))
    status, note = written(own)
    text = own.text if isinstance(own, Generated) else None
    if not isinstance(own, Generated) or status != "scored":
        return Passage(item, status, text, note=note)
    found = [answers.get(request) for request in asking.sampled(item)]
    samples = tuple(f.text.strip() for f in found if isinstance(f, Generated))
    failed = next((w for w in map(written, found) if w[0] != "scored"), None)
    if failed is not None:
        return Passage(item, failed[0], text, samples=samples, note=failed[1])
    if is_refusal(own.text) or (admits_not_knowing(own.text) and not mentions(own.text, item["names"])):
        return Passage(item, "scored", text, "declined", samples=samples)
    sentences = _whole(own)
    if not sentences or not mentions(own.text, item["names"]):
        return Passage(item, "scored", text, "off the subject", samples=samples)
    return Passage(item, "scored", text, "written", sentences, samples)


def later_requests(passage: Passage, asking: Asking, reader: Reader) -> list[Request]:
    """What is asked about the sentences of a passage that could be read."""
    if passage.outcome != "written":
        return []
    stated: list[Request] = []
    for span in passage.sentences:
        for text in (*passage.samples, stranger(passage.item)):
            stated += SUPPORTED.asks(reader, Case(text, (span.text,)))
        if asking.likelihoods:
            for text in (*passage.samples, *_control_texts(passage)):
                stated += _supported(passage.item, text, span.text)
    return stated


def sentences_of(passage: Passage, asking: Asking, reader: Reader, answers: Responses) -> list[Sentence]:
    """The sentences of a passage, each against the samples and against a text on something else."""
    if passage.outcome != "written":
        return []
    return [_sentence(passage, span, asking, reader, answers) for span in passage.sentences]


def supported_by(quality: Quality, readings: Sequence[Reading]) -> bool | None:
    """Whether at least half of the samples support a sentence; None where none could be read."""
    decided = [d for r in readings if (d := quality.decide(r.score)) is not None]
    return 2 * sum(decided) >= len(decided) if decided else None


def _whole(answer: Generated) -> tuple[Span, ...]:
    """The sentences that say something, without a last one that was cut off."""
    spans = claims_of(answer.text)
    cut = answer.finish == "length" and spans and spans[-1].end == len(answer.text.rstrip())
    return tuple(spans[:-1] if cut and not spans[-1].text.endswith((".", "!")) else spans)


def _sentence(passage: Passage, span: Span, asking: Asking, reader: Reader, answers: Responses) -> Sentence:
    item = passage.item
    readings = tuple(SUPPORTED.read(reader, Case(text, (span.text,)), answers) for text in passage.samples)
    apart = SUPPORTED.read(reader, Case(stranger(item), (span.text,)), answers)
    verdicts = _unigram(passage, span)
    if reader.kind == "encoder":
        verdicts["embedding"] = _averaged(readings, apart, _distance)
    elif reader.kind != "words":
        verdicts["nli"] = _averaged(readings, apart, _contradiction)
    controls: tuple[bool | None, ...] = ()
    if asking.likelihoods:
        said = [_says_no(item, text, span.text, answers) for text in passage.samples]
        itself, other = (_says_no(item, text, span.text, answers) for text in _control_texts(passage))
        verdicts["prompted"] = _prompted(said, other)
        # A half is a tie, which is never right.
        controls = (
            None if itself[1] is None else itself[1] == 0.0,
            None if other[1] is None else other[1] == 1.0,
        )
    return Sentence(span, verdicts, readings, controls)


def _unigram(passage: Passage, span: Span) -> dict[str, Verdict]:
    own, words = normalised(passage.text or "").split(), normalised(span.text).split()
    samples = [normalised(text).split() for text in passage.samples]
    apart = strange_words(passage.item, sum(len(sample) for sample in samples))
    if not words or not set(words) <= set(own):
        return {name: Verdict("unparsed") for name in ("unigram_mean", "unigram_max")}
    near, far = unigram_surprisals(words, [own, *samples]), unigram_surprisals(words, [own, apart])
    return {
        "unigram_mean": Verdict("scored", float(near.mean()), float(far.mean())),
        "unigram_max": Verdict("scored", float(near.max()), float(far.max())),
    }


def _distance(reading: Reading) -> float | None:
    return None if reading.score is None else 1 - reading.score


def _contradiction(reading: Reading) -> float | None:
    """P(contradicted) over P(contradicted) + P(entailed)."""
    if reading.score is None or reading.contradicted is None:
        return None
    both = reading.contradicted + reading.score
    return reading.contradicted / both if both > 0 else None


def _averaged(readings: Sequence[Reading], apart: Reading, how: Callable[[Reading], float | None]) -> Verdict:
    values, strange = [value for r in readings if (value := how(r)) is not None], how(apart)
    if len(values) < len(readings) or strange is None:
        missing = next(r for r in (*readings, apart) if how(r) is None)
        return Verdict("failed" if missing.status == "scored" else missing.status)
    return Verdict("scored", sum(values) / len(values), strange)


def _prompted(said: Sequence[tuple[ItemStatus, float | None]], other: tuple[ItemStatus, float | None]) -> Verdict:
    missing = next((status for status, value in (*said, other) if value is None), None)
    if missing is not None:
        return Verdict(missing)
    return Verdict("scored", sum(value or 0.0 for _, value in said) / len(said), other[1])


def _says_no(item: Item, text: str, sentence: str, answers: Responses) -> tuple[ItemStatus, float | None]:
    """1 where the model finds No likelier than Yes, 0 where Yes, a half for a tie."""
    choice = chosen(_supported(item, text, sentence), answers)
    if choice.status != "scored":
        return choice.status, None
    return "scored", 0.5 if choice.best is None else float(choice.best)


def _supported(item: Item, text: str, sentence: str) -> list[Score]:
    return scores_of(supported_prompt(item, text, sentence), VERDICTS)


def _control_texts(passage: Passage) -> tuple[str, str]:
    """One that says the sentence word for word, and one that has nothing to do with it."""
    return (passage.text or "").strip(), stranger(passage.item)
