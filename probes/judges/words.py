"""Whether a text says what another says, read off the words that they share: a rule that needs no other model."""

from __future__ import annotations

import re
from functools import cache

from probes.answers import normalised

_EMPTY = frozenset(
    """
    a an and are as at be been but by can could did do does for from had has have he her his i if in into is it its may more
    most not of on or our she so some such than that the their them then there these they this those to up was we were what
    when where which who whom whose why will with would you your also about after before during between over under out only
    just very
    """.split()  # noqa: SIM905  (a list of quoted words would hide the words)
)
_NEGATION = re.compile(r"\b(?:no|not|never|none|nobody|nothing|neither|nor|without|cannot)\b|n['’]t\b", re.IGNORECASE)
_NUMBERS = {
    word: str(value)
    for value, word in enumerate(
        """
        zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
        eighteen nineteen twenty
        """.split()  # noqa: SIM905
    )
}
_ENDINGS = ("ing", "edly", "ed", "es", "s", "ly")


def share_said(hypothesis: str, premise: str, question: str = "") -> float:
    """Share of the words of ``hypothesis`` that carry meaning and stand in ``premise``, from 0 (none) to 1 (all).

    Words are compared without case, accents and common endings; numbers in words are the same as in digits. The words of the
    ``question`` that both texts answer are left out, unless nothing else is left. Where one of the texts denies something and
    the other does not, or the hypothesis holds a number that the premise lacks, the share is halved: such texts have most
    words in common and say different things. 0 where no word carries meaning.
    """
    known, asked = _content(premise), _content(question)
    wanted = _content(hypothesis) - asked or _content(hypothesis)
    if not wanted:
        return float(normalised(hypothesis) == normalised(premise) != "")
    share = len(wanted & known) / len(wanted)
    numbers = {word for word in wanted if word[0].isdigit()}
    denies = bool(_NEGATION.search(hypothesis)) != bool(_NEGATION.search(premise))
    return share / 2 if denies or not numbers <= known else share


@cache
def _content(text: str) -> frozenset[str]:
    words = (word for word in normalised(text).split() if word not in _EMPTY)
    return frozenset(_NUMBERS.get(word) or _stem(word) for word in words)


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word
