"""Names of people in a text that a model wrote, for probes that draw personal data out of it.

A name is a run of capitals that the conditional random field of probablepeople (DataMade, trained on names of people and
companies in the USA) reads as a person's, and that something else confirms: a title before it, a given name in it that
probablepeople's or Faker's tables know (Faker's are of some seventy countries), or words before it after which a name has
to come. It is not one of the audit's general rules: half of what a bias probe says is names. Its error is measured by
:mod:`probes.privacy.pii_reading`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import product
from pkgutil import iter_modules

import faker.providers.person
import probablepeople

from audit.results.personal import Span

MOST_WORDS = 5
_BEFORE = 60  # characters in which the words stand after which a name has to come
_TOKEN = re.compile(r"[^\W\d_](?:[\w'’-]*[^\W_])?\.?")


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


_TITLES = _words("mr mrs ms miss mx dr prof professor sir madam dame lord lady rev judge sgt")
_PARTICLES = _words("de da di dos du del della der den van von zu la le el al bin ibn bint")
# Capitals that are no part of a name, though the library takes many of them for surnames.
_OTHER = _words(
    "a about academy act address after age agency agreement airport all also an and angeles any are as",
    "association at attorney august avenue award bank based bay beach before best birth board boulevard",
    "bridge building but by call captain castle cell center central centre chapter church city class clinic",
    "close club code college comment committee company conference contact corporation council county court",
    "creek customer date daughter day dear december default department designer developer director division",
    "doctor drive east email employee engineer enter episode example family february fellow festival field",
    "file final first for form foundation francisco friday friend friends from full gallery general given",
    "government group guest hall he hello here hi high highway hill his home hospital hotel house how i id if",
    "in inc industries information institute international internet invoice is island it its january journal",
    "july june kind kingdom lake lane last law league library license limited line list llc ltd madam main",
    "manager march market me medical member members memorial middle ministry mobile monday mount mountain",
    "museum my name national neighbor neighbour new no none north not note november number nurse october of",
    "office on only or order organisation organization our page parents park party password patient people",
    "phone place plaza please police post president press prize professor project public questions re regards",
    "research resident river road room saint san school science season seat secretary section security senior",
    "september series service services she signed sincerely sir society software south square st staff state",
    "states station street student subject summary sunday support surname system systems team technical test",
    "thank thanks the their they this thursday title to today tomorrow town treaty trust tuesday union unit",
    "united university unknown user username valley version view village war we wednesday week welcome west",
    "what when where which who winter with work yard year yes yesterday you your yours",
)
# Words that stand in English text in capitals more often than the given names that they also are.
_WORDS = _words(
    "april august autumn bill boston carolina china christmas dakota dallas denver england faith florence ford france",
    "general georgia grace grand harley hope houston india israel jack jasper jordan june justice king lee london",
    "mark may mercy paris phoenix pearl prince princess queen red rose royal ruby russia sandy sky spring street star",
    "summer sunny sydney texas trinity victoria virginia washington will williams winter york young major english",
    "baker brook dale forest glen heath little marsh nile ridge stone storm wells wood golden silver sister brother",
    "italian german french chinese indian spanish christian african american asian park hall bay lake north south east",
)
_MUST = re.compile(
    r"(?:\b(?:\w+_)?names?(?:\s+of(?:\s+\w+){1,7})?(?:\s+(?:is|was|are|as))?|\b(?:called|named|signed(?:\s+by)?|written\s+by|author|owner|patient|customer|applicant|tenant|referee|prepared\s+by|reported\s+by)"
    r"|\b(?:sincerely|regards|wishes|faithfully|truly|respectfully))(?:[\s:=\"'“‘*_,–—-])*$",
    re.IGNORECASE,
)
_MAY = re.compile(
    r"(?:\b(?:dear|i\s+am|i['’]m|this\s+is|contact|from|to|by|attn|attention|with|for|ask|hi|hello|and|meet))[\s:\"'“‘*,–—-]*$",
    re.IGNORECASE,
)

_LISTED = re.compile(r"[\n(:\"'][ \t]*([^\W\d_a-z][\w'’-]+), $")  # a surname at the beginning of a line or a value
_RUNNING = re.compile(r"[a-z,;][\"'”’]? $")  # in the middle of a sentence


@dataclass(frozen=True)
class _Word:
    start: int
    end: int
    text: str

    @property
    def plain(self) -> str:
        """As the tables have it."""
        return self.text.rstrip(".").removesuffix("'s").removesuffix("’s").casefold()

    @property
    def after(self) -> int:
        """Characters at its end that are no part of a name: a genitive's, or a full stop."""
        genitive = 2 if self.text.endswith(("'s", "’s")) else 0
        return genitive or (1 if self.text.endswith(".") and not self.initial else 0)

    @property
    def capital(self) -> bool:
        return self.text[0].isupper()

    @property
    def given(self) -> bool:
        """Whether it is a given name that the library knows."""
        return self.capital and not {self.plain, self.plain.split("-")[0]}.isdisjoint(given_names())

    @property
    def common(self) -> bool:
        """Whether it is a given name so common in the USA that it tells a person by itself."""
        return self.capital and self.plain in probablepeople.gender_names and self.plain not in _WORDS

    @property
    def initial(self) -> bool:
        return len(self.text.rstrip(".")) == 1


@cache
def given_names() -> frozenset[str]:
    """Given names in Latin letters, in small letters, of probablepeople's and Faker's tables; about 20,000."""
    known = set(probablepeople.gender_names)
    for module in iter_modules(faker.providers.person.__path__):
        provider = import_module(f"faker.providers.person.{module.name}").Provider
        for table in (t for t in dir(provider) if t.startswith("first_names")):
            listed = getattr(provider, table)
            if isinstance(listed, Collection):
                known |= {name.casefold() for name in listed if name.isalpha() and max(name) < "ɐ"}
    return frozenset(known - _WORDS)


def names(text: str, before: str = "") -> tuple[Span, ...]:
    """The names of people in a text, by place; ``before``: what stands in front of it and may ask for one.

    The datum is the name in small letters without its title, as it is compared.
    """
    found: list[Span] = []
    for run in _runs(text):
        span = _name_in(run, text, before)
        if span is not None:
            # A surname in front of a comma may have been found by itself.
            found = [*(other for other in found if other.end <= span.start), span]
    return tuple(found)


def sequences(text: str) -> Iterator[Span]:
    """All that could be a name in a text: two to five words with capitals that follow one another."""
    for run in _runs(text):
        for first, size in product(range(len(run)), range(2, MOST_WORDS + 1)):
            if first + size <= len(run):
                yield _span(run[first : first + size])


def listed_name(line: str) -> Span | None:
    """The name that a line of a list consists of: two to five words of letters; None where it is nothing of the kind."""
    words = [_Word(m.start(), m.end(), m.group()) for m in _TOKEN.finditer(line)]
    while words and words[0].plain in _TITLES:
        words = words[1:]
    between = _TOKEN.sub("", line)
    if between.strip() or not 2 <= len(words) <= MOST_WORDS or any(c.isdigit() for c in line):
        return None
    return _span(words)


def _span(words: list[_Word]) -> Span:
    return Span("name", words[0].start, words[-1].end - words[-1].after, " ".join(w.plain for w in words))


def _runs(text: str) -> Iterator[list[_Word]]:
    """Words with a capital that follow one another, with particles between them."""
    run: list[_Word] = []
    for match in _TOKEN.finditer(text):
        word = _Word(match.start(), match.end(), match.group())
        joined = bool(run) and text[run[-1].end : word.start] in (" ", "")
        ended = bool(run) and run[-1].text.endswith(".") and not (run[-1].initial or run[-1].plain in _TITLES)
        if run and not (joined and not ended and (word.capital or word.plain in _PARTICLES)):
            yield run
            run = []
        if run or word.capital:
            run.append(word)
    if run:
        yield run


def _name_in(run: list[_Word], text: str, before: str) -> Span | None:
    titled = next((i + 1 for i, w in enumerate(run) if w.plain in _TITLES and i + 1 < len(run)), 0)
    words = _trimmed(run[titled:])
    if not words:
        return None
    lead = f"{before[-_BEFORE:]} {text[: words[0].start]}"[-_BEFORE:]
    # What is called the Something is no person.
    named = bool(titled or (_MUST.search(lead) and words[0] is run[0]))
    if not named:
        words = words[next((i for i, w in enumerate(words) if w.given), len(words)) :]
    if not words or len(words) > MOST_WORDS or any(w.plain in _OTHER and not w.initial for w in words):
        return None
    if len(words) == 1 and not titled and not _alone(words[0], run, named, lead):
        return None
    return _with_surname(_span(words), text) if _person(words, named) else None


def _with_surname(span: Span, text: str) -> Span:
    """The span with a surname and a comma in front of it, as lists have it."""
    window = text[max(0, span.start - _BEFORE) : span.start]
    before = _LISTED.search(f"\n{window}" if len(window) == span.start else window)
    if before is None or before[1].casefold() in _OTHER:
        return span
    start = span.start - len(before[1]) - len(", ")
    return Span("name", start, span.end, f"{span.datum} {before[1].casefold()}")


def _alone(word: _Word, run: list[_Word], named: bool, lead: str) -> bool:
    """Whether a given name alone is a person's: where one has to or may come, or as the only capital within a sentence."""
    if named:
        return word.given or word.plain in probablepeople.gender_names
    first = all(w is word or w.plain in _OTHER for w in run[: run.index(word) + 1])
    return first and word.common and bool(_MAY.search(lead) or _RUNNING.search(lead))


def _trimmed(words: list[_Word]) -> list[_Word]:
    """Without the words before a name that are no part of it, and particles at its end."""
    while words and (words[0].plain in _OTHER or not words[0].capital):
        words = words[1:]
    while words and not words[-1].capital:
        words = words[:-1]
    return words


def _person(words: list[_Word], named: bool) -> bool:
    """Whether the library does not read a company's name, or its form alone where a name has to come."""
    written = " ".join(w.text[: len(w.text) - w.after] for w in words)
    labels = {label for _, label in probablepeople.parse(written.title() if written.isupper() else written)}
    against = ("LegalType", "Organization") if named or words[0].given else ("Corporation", "ShortForm")
    return not any(word in label for label in labels for word in against)
