"""Numbers of people in a text: accounts, payment cards, identity papers, telephones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import phonenumbers
from stdnum import iban, isbn, luhn
from stdnum.br import cpf
from stdnum.cn import ric
from stdnum.es import dni, nie
from stdnum.fi import hetu
from stdnum.fr import nir
from stdnum.gb import nhs
from stdnum.in_ import aadhaar
from stdnum.it import codicefiscale
from stdnum.kr import rrn
from stdnum.pl import pesel
from stdnum.se import personnummer

Found = Iterator[tuple[int, int, str]]
"""Start, end, and the number in the form in which it is compared."""

# Without one of these a text holds no such number; looking for them is quick.
_SEVEN_DIGITS = re.compile(r"\d(?:[ .\-/()+A]{0,2}\d){6}")
_OTHER_PAPERS = re.compile(r"[A-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]|[A-Z]{6}\d{2}[A-Z]\d{2}")
_ACCOUNT = re.compile(r"[A-Z]{2}\d{2} ?[A-Z0-9]")
_IBAN = re.compile(r"(?<![\w-])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![\w-])")
_CARD = re.compile(
    r"(?<![\w.,/-])(?:\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?|\d{4}([ -])\d{6}\2\d{4,5}|\d{13,19})(?![\w-]|[.,]\d)"
)
_ISSUERS = re.compile(r"4|5[0-8]|2[2-7]|3[0-9]|6[0-9]|8[1-2]|9792")


def _any(_: str) -> bool:
    """Papers of the USA and the United Kingdom have no check digits; their shape alone tells them."""
    return True


# Shape in a text, and what its check digits must say.
_PAPERS: tuple[tuple[re.Pattern[str], Callable[[str], bool]], ...] = tuple(
    (re.compile(shape), valid)
    for shape, valid in (
        (r"(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}", _any),
        (r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]", _any),
        (r"\d{3} \d{3} \d{4}", nhs.is_valid),
        (r"\d{8}-?[A-HJ-NP-TV-Z]", dni.is_valid),
        (r"[XYZ]-?\d{7}-?[A-HJ-NP-TV-Z]", nie.is_valid),
        (r"[A-Z]{6}\d{2}[A-Z]\d{2}[A-Z]\d{3}[A-Z]", codicefiscale.is_valid),
        (r"[12] ?\d{2} ?\d{2} ?\d[\dAB] ?\d{3} ?\d{3} ?\d{2}", nir.is_valid),
        (r"\d{3}\.\d{3}\.\d{3}-\d{2}", cpf.is_valid),
        (r"\d{6}-\d{7}", rrn.is_valid),
        (r"\d{11}", pesel.is_valid),
        (r"[2-9]\d{3}[ -]\d{4}[ -]\d{4}", aadhaar.is_valid),
        (r"(?:\d{2})?\d{6}[-+]\d{4}", personnummer.is_valid),
        (r"\d{6}[-+A]\d{3}[0-9A-Y]", hetu.is_valid),
        (r"\d{17}[\dX]", ric.is_valid),
    )
)
_PAPER = re.compile(rf"(?=[\dA-Z])(?<![\w.,/-])(?:{'|'.join(shape.pattern for shape, _ in _PAPERS)})(?![\w-]|[.,]\d)")
# After a sign that also stands before other numbers, such as in tel=, the form has to tell more.
_PHONE = re.compile(
    r"(?=[\d+(%])(?:(?<![\w.,/+#=-])|(?<=[=/#-])(?=(?:\+|%2B)[1-9]\d{9})|(?<==)(?=\d{3}-\d{3}-\d{4}))"
    r"(?:\+ ?|%2B|00)?\(?\d(?:[ .\-/()]{0,2}\d){6,15}(?![\w]|[.,-]\d)"
)
_AMERICAN = re.compile(r"(?:\+?1[-. ]?)?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[-. ])[2-9]\d{2}[-. ]\d{4}")
_FRENCH = re.compile(r"0\d(?:[ .-]\d{2}){4}")
_AREA = re.compile(r"\(?0\d{1,5}\)?[ \-/]")
_INVENTED = re.compile(r"555[-. )]{1,2}(?:\d{3}[-. ]\d{4}|01\d{2})")  # numbers that examples use, and nobody has
_DATE = re.compile(r"(?<!\d)(?:\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./]\d{4})(?!\d)")
_SAID = re.compile(
    r"(?:\b(?:tele)?phone|\btel\b|\bmobile|\bcell(?:phone)?\b|\bfax|\bwhats ?app|\bhotline|\bcall(?: \w{1,10}){0,3}|\bdial"
    r"|\bring(?: \w{1,10}){0,3}|\btext(?: \w{1,10}){0,2})(?:[^\d\n]{0,24})$",
    re.IGNORECASE,
)
_BEFORE = 48  # characters in front of a number that may say what it is
# Where numbers are read as national ones: with an area code before them, and where the text says that they are phones.
_REGIONS = ("GB", "DE", "FR", "KR", "JP", "AU", "NL", "BE", "CH", "AT", "IE", "NZ", "ZA")
_SAID_REGIONS = ("US", *_REGIONS, "ES", "IT", "IN", "PL", "SE", "BR", "MX", "CN")


def accounts(text: str) -> Found:
    """Bank accounts by their international number (IBAN), whose check digits hold."""
    if not _ACCOUNT.search(text):
        return
    for match in _IBAN.finditer(text):
        # The words after a number in capitals look like more of it.
        for end in _ends(match, r"[A-Z0-9]+"):
            if iban.is_valid(text[match.start() : end], check_country=False):
                yield match.start(), end, iban.compact(text[match.start() : end])
                break


def cards(text: str) -> Found:
    """Numbers of payment cards: a length and beginning that cards have, and Luhn's check digit."""
    if not _SEVEN_DIGITS.search(text):
        return
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        if _ISSUERS.match(digits) and len(set(digits)) > 1 and luhn.is_valid(digits):
            yield match.start(), match.end(), digits


def identity_numbers(text: str) -> Found:
    """Numbers of identity papers and national registers of fourteen kinds; see ``docs/privacy.md``."""
    if not (_SEVEN_DIGITS.search(text) or _OTHER_PAPERS.search(text)):
        return
    for match in _PAPER.finditer(text):
        if any(shape.fullmatch(match[0]) and valid(match[0]) for shape, valid in _PAPERS):
            yield match.start(), match.end(), re.sub(r"[\W_]", "", match[0]).upper()


def phones(text: str) -> Found:
    """Numbers of telephones, in the international form or in a national one that cannot well be anything else.

    Numbers of a shape that is also that of others are taken where the words before them say that they are phones.
    """
    if not _SEVEN_DIGITS.search(text):
        return
    for match in _PHONE.finditer(text):
        said = bool(_SAID.search(text, max(0, match.start() - _BEFORE), match.start()))
        for end in _ends(match, r"\d+"):
            number = _phone(text[match.start() : end].replace("%2B", "+"), said)
            if number is not None:
                yield match.start(), end, number
                break


def _ends(match: re.Match[str], part: str) -> Iterator[int]:
    """Where a match may end: after each of its parts, the last first."""
    ends = [match.start() + piece.end() for piece in re.finditer(part, match[0])]
    yield from reversed(ends)


def _phone(written: str, said: bool) -> str | None:
    """The number in the international form where it is that of a telephone."""
    digits = sum(c.isdigit() for c in written)
    if not 7 <= digits <= 15 or _DATE.search(written):
        return None
    if written.startswith("+"):
        return _read(written, (None,))
    if written.startswith("00") and digits >= 11:
        return _read("+" + written[2:], (None,))
    if _AMERICAN.fullmatch(written):
        return _read(written, ("US",)) or (_plus(written, "1") if _INVENTED.search(written) else None)
    if _INVENTED.fullmatch(written):
        return _plus(written, "")
    if digits >= 9 and (_FRENCH.fullmatch(written) or (_AREA.match(written) and not isbn.is_valid(written))):
        return _read(written, _REGIONS)
    return _read(written, _SAID_REGIONS) if said else None


def _read(written: str, regions: tuple[str | None, ...]) -> str | None:
    for region in regions:
        try:
            number = phonenumbers.parse(written, region)
        except phonenumbers.NumberParseException:
            continue
        # Numbers set aside for films and examples are of the right length, and no more.
        if phonenumbers.is_valid_number(number) or (
            written.startswith("+") and phonenumbers.is_possible_number(number)
        ):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return None


def _plus(written: str, code: str) -> str:
    digits = re.sub(r"\D", "", written)
    return f"+{digits if digits.startswith(code) and len(digits) > 10 else code + digits}"
