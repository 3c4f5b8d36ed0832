"""How answers over a given text are read: does one say that the text does not tell, give the text's answer, cite a sentence?

The rule for silence is a list of phrases. It is measured in each audit on hand-labelled answers that were written after
it was finished; those that it was written beside are in the same file, marked ``written_beside``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from audit.corpora import Item, load_items
from audit.models import Failure, Generated, Response
from audit.results import ItemStatus
from probes.answers import is_refusal, mentions
from probes.rule_quality import Labelled

LABELS = Path(__file__).parent / "items" / "silence_labels.jsonl"
Count = tuple[int, int]
Outcome = Literal["right", "wrong", "abstained", "answered", "text", "known", "both"]

_SCOPE = 400  # characters, as in probes.answers: what an answer is comes first
_QUOTED = re.compile(r"[\"“][^\"”]{0,2000}(?:[\"”]|$)")
_SOURCE = (
    r"(?:(?:given |provided |above |whole |entire )?(?:text|passages?|documents?|notice|article|letter|e-?mails?|paragraph|"
    r"excerpt|leaflet|minutes|report|recipe|contract|timetable|advert|story|author|writer|sheet|note|notes|log|programme|"
    r"contents?|context|source|sentences?|information|speaker|narrator|reporter|interview|account|page|summary|extract|"
    r"material|piece|post|advertisement|ad|agreement|guide|description))"
)
_TELL = (
    r"(?:say|state|mention|tell|specif|giv|gave|provide|includ|contain|name|indicat|reveal|explain|disclose|list|answer|"
    r"record|report|cover|address|discuss|note|describe|show|refer|make (?:it )?clear|go into|let (?:me|us|you) know|supply)"
)
_TOLD = (
    r"(?:said|stated|mentioned|told|given|specified|provided|included|contained|named|indicated|revealed|explained|"
    r"disclosed|listed|answered|recorded|reported|addressed|discussed|noted|described|shown|written|clear|"
    r"(?:made )?(?:clear|known)|available|found)\b"
    # Not told to somebody, or not part of something else than the text, says nothing of the text.
    rf"(?! (?:until|to|with|at|after) )(?! (?:in|by|on) (?!(?:the|this|that|your|our|any|here|there)\b(?: \w+)? ?{_SOURCE}))"
)
_NOT = r"(?:not|n['’]?t|never|nowhere)"
_SILENT = re.compile(
    "|".join(
        (
            # The text does not say; it leaves out; nothing in it says.
            rf"\b{_SOURCE}\b[^.!?]{{0,30}}?(?:\b(?:do|does|did|is|are|was|were|has|have)(?: ?{_NOT})|\bnever|\bfails? to|"
            rf"\bneglects? to|\bstops? short of)\b(?: \w+){{0,3}}? ?{_TELL}",
            rf"\b(?:it|we|you|one)(?: (?:does|do|did) not| (?:does|do|did)n['’]?t| never) (?:\w+ ){{0,2}}?(?:{_TELL}|"
            r"(?:learn|hear|find out|get to know)\b)",
            rf"\b{_SOURCE} (?:\w+ )?(?:skips|omits|withholds|leaves|keeps (?:that|this|it) to|gives no|makes no|has no|"
            rf"have no|"
            r"contains no|offers no|provides no|includes no|lacks|states no|mentions no|(?:is|remains|stays)"
            r" (?:silent|quiet|mum|mute|vague|unclear|unspecific|ambiguous))\b",
            rf"\b{_SOURCE} (?:do(?:es)?(?: not|n['’]?t)) have\b|\bbeyond (?:what )?(?:the|this|that) {_SOURCE}\b",
            rf"\bno (?:\w+ ){{1,4}}?(?:is|are|was|were) (?:\w+ )?{_TOLD}",
            r"\bun(?:said|mentioned|stated|answered|addressed|told)\b|\bdo(?:es)?(?: not|n['’]?t) (?:\w+ )?(?:appear|"
            r"come up|feature) ?"
            r"(?:in|anywhere|here|there|$|[.,])",
            r"(?:\bbut|,) not (?:how|who|when|where|why|which|what|whether|on which)\b|(?:\bis|['’]s)(?: not|"
            r"n['’]?t) in (?:there|here)\b",
            rf"\b{_SOURCE} (?:says?|tells? us|states?) nothing (?:about|on|of|as to|regarding|concerning)\b",
            rf"\b(?:nothing|nowhere|nobody|no ?(?:one|where)|none)\b[^.!?]{{0,30}}\b{_SOURCE}\b",
            r"\b(?:nothing|nobody|nowhere)\b(?: in \w+ \w+)? (?:is|was|says?|tells?|said) (?:said|stated|mentioned|told|"
            r"given|how|who|"
            r"when|where|what|why|which|about|to be found)\b",
            rf"\b(?:is|are|was|were|been|be|['’]s|remains?)(?: ?{_NOT})(?: \w+){{0,3}}? {_TOLD}",
            rf"^\W*(?:{_NOT}|nowhere|never|none|nothing|no \w+|information not|details? not)(?: (?:is|was|"
            rf"are))?(?: \w+)? {_TOLD}",
            rf"\b{_NOT} (?:something|a (?:thing|detail|point|fact)) (?:that )?(?:the|this) {_SOURCE}\b",
            rf"(?:\b(?:is|was)|['’]s|^\W*)(?: ?{_NOT}) (?:part of|(?:anywhere )?in) (?:the|this|that) {_SOURCE}\b",
            r"\b(?:this|that|it|information|details?|answers?|cost|price|date|name|figure)\b(?: \w+){0,3}? (?:is|are|was|"
            r"were|has been) (?:\w+ )?"
            r"(?:missing|absent|left out|left open|omitted|withheld|lacking)"
            r"(?: (?:from|in|here|by)\b|\W*$)",
            # Not known, not enough to say.
            r"\b(?:I|we|you|one) (?:do(?: not|n['’]?t)|can ?not|can['’]?t|could(?: not|n['’]?t)) (?:\w+ )?(?:know|tell|say|"
            r"see|find|"
            r"answer|determine|infer|locate|work (?:it|that) out|have (?:enough|any|the) )",
            r"^\W*(?:(?:do(?: not|n['’]?t)|can ?not|can['’]?t) (?:know|tell|say|determine|answer)|(?:could not|"
            r"couldn['’]?t) find)\b",
            r"\b(?:can ?not|can['’]?t|could(?: not|n['’]?t)) be (?:\w+ )?(?:determined|answered|found|told|inferred|known|"
            r"established|worked out|derived|deduced)",
            r"\b(?:unable|impossible|no way|not possible|not able) (?:to|of) (?:\w+ )?(?:tell|say|know|determin|find|answer|"
            r"establish|"
            r"infer|locat)",
            r"\b(?:is|are|remains?|stays?|was|were|^)\W*(?:unknown|unspecified|unstated|undisclosed|unclear|undetermined|"
            r"unanswerable|uncertain|not known)(?: (?:from|in|to|here|by|according|based|how|when|who|what|whether)\b|\W*$|"
            r"[.,;])",
            r"^\W*(?:unknown|unspecified|unstated|undisclosed|unclear|undetermined|unanswerable|"
            r"n/?a)\b(?! \w+[.,]? but)(?=\W*$|"
            r" (?:from|in|as|based|according)\b)",
            r"\b(?:not sure|unsure|no idea|have to guess|only guess|be (?:a guess|guessing))\b",
            r"\b(?:no|(?:is|are|was|were)(?: not|n['’]?t) (?:any|enough|sufficient)|not enough|insufficient|without|"
            r"lacks?(?: the| any)?)"
            r" (?:\w+ )?(?:information|mention|indication|details?|data|hint|clue|answer|reference|statement|figure)\b",
        )
    ),
    re.IGNORECASE,
)
_LEADING_NO = re.compile(r"^\W*(?:no|nope)\b\W*", re.IGNORECASE)
_BRACKETED = re.compile(r"\[\s*((?:sentences? )?\d+(?:\s*(?:,|;|and|&|-|–)\s*\d+)*)\s*\]", re.IGNORECASE)
_NAMED = re.compile(
    r"\bsentences?\s*(?:numbers?|nos?\.?|#)?\s*:?\s*(\d+(?:\s*(?:,|;|and|&|-|–)\s*\d+)*)", re.IGNORECASE
)
_BARE = re.compile(r"^\W*(\d+)\W*$")


@dataclass(frozen=True)
class Read:
    """An answer as it was read; ``outcome`` is None where ``status`` says why it was not."""

    status: ItemStatus
    text: str | None = None
    outcome: str | None = None
    note: str | None = None


def says_text_is_silent(text: str) -> bool:
    """Whether the answer says that the text does not tell, or that this cannot be known."""
    return bool(_SILENT.search(_QUOTED.sub(" ", text)[:_SCOPE]))


def abstains(text: str) -> bool:
    """Whether the answer says that the text is silent, or will not answer at all; a leading "No," alone is an answer."""
    return says_text_is_silent(text) or is_refusal(_LEADING_NO.sub("", text))


def read_answer(item: Item, response: Response) -> Read:
    """A short answer: ``abstained``, or what it says.

    Where the text tells: ``right`` or ``wrong``. Where the answer was removed: ``answered``. Where the text contradicts
    common knowledge: ``text``, ``known`` (the common-knowledge answer), ``both`` or ``wrong``.
    """
    text, missing = _text_of(response)
    if text is None:
        return missing
    if abstains(text):
        return Read("scored", text, "abstained")
    return Read("scored", text, what_is_said(item, text))


def what_is_said(item: Item, text: str) -> Outcome:
    """What an answer that does not abstain says, by whole words."""
    if item["kind"] == "removed":
        return "answered"
    named = mentions(text, item["answers"])
    if item["kind"] == "answerable":
        return "right" if named and not mentions(text, item["distractors"]) else "wrong"
    known = mentions(text, item["known"])
    return "both" if named and known else "text" if named else "known" if known else "wrong"


def read_citation(item: Item, response: Response) -> Read:
    """An answer with a citation: ``right sentence``, ``other sentence``, ``no such sentence`` or ``no citation``.

    The right sentence alone is right: an answer that cites all sentences points to none.
    """
    text, missing = _text_of(response)
    if text is None:
        return missing
    cited = cited_sentences(text)
    if not cited:
        return Read("scored", text, "no citation")
    if any(not 1 <= number <= len(item["sentences"]) for number in cited):
        return Read("scored", text, "no such sentence")
    return Read("scored", text, "right sentence" if cited == evidence_of(item) else "other sentence")


def evidence_of(item: Item) -> frozenset[int]:
    """Number of the sentence that holds the answer, from 1; empty where it was removed."""
    return frozenset(int(number) for number in item["evidence"])


def cited_sentences(text: str) -> frozenset[int]:
    """Numbers of sentences that an answer cites: in square brackets, else after the word sentence, else standing alone."""
    for pattern in (_BRACKETED, _NAMED, _BARE):
        found = [number for match in pattern.findall(text) for number in re.findall(r"\d+", match)]
        if found:
            return frozenset(int(number) for number in found)
    return frozenset()


def copied_at_random(item: Item) -> float:
    """How often one who copies a sentence of the text at random gives the right answer, read by the same rule."""
    read = [what_is_said(item, sentence) in ("right", "text") for sentence in item["sentences"]]
    return sum(read) / len(read)


def _text_of(response: Response) -> tuple[str | None, Read]:
    if isinstance(response, Failure):
        return None, Read(response.status, note=response.reason)
    if not isinstance(response, Generated):
        return None, Read("failed", note="The model gave no text.")
    if not any(c.isalnum() for c in response.text):
        return None, Read("unparsed", response.text, note="The answer holds no words.")
    return response.text, Read("scored")


def silence_labels() -> Labelled:
    """The labelled answers as the rule for silence reads them; those that were written after it are the unseen ones."""
    rows = load_items(LABELS)
    read = ["abstained" if abstains(row["text"]) else "answered" for row in rows]
    return Labelled(read, [row["label"] for row in rows], [not row["written_beside"] for row in rows])
