"""Addresses in a text: of e-mail, of machines on the internet, of streets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address, ip_network

Found = Iterator[tuple[int, int, str]]
"""Start, end, and the address in the form in which it is compared."""

# As it is typed, and as it stands in addresses of pages, in HTML and in JSON.
_SIGN = re.compile(r"@|%40|&#64;|&#x40;|&commat;|\\u0040", re.IGNORECASE)
_EMAIL = re.compile(
    rf"(?<![\w.+%-])[\w.+%-][\w.+%'-]{{0,63}}(?:{_SIGN.pattern})"
    r"((?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,5}(?!\d)[^\W_]{2,24})(?![^\W_])",
    re.IGNORECASE,
)
_LARGER = re.compile(r"\dx\.")  # of a picture: logo@2x.min.png
_AT = re.compile(r"[\[({] ?at ?[\])}]", re.IGNORECASE)
_SPELT = re.compile(
    r"(?<![\w.+-])[\w+][\w.+-]{0,63} ?[\[({] ?at ?[\])}] ?"
    r"[\w-]{1,63}(?:(?:\.| ?[\[({] ?dot ?[\])}] ?| dot )[\w-]{2,63}){1,4}",
    re.IGNORECASE,
)
_FILES = frozenset({"png", "jpg", "jpeg", "gif", "svg", "webp", "ico", "js", "ts", "css", "py", "html", "json", "txt"})

_V4 = re.compile(r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)")
_V6 = re.compile(r"(?<![\w:.])[23][0-9a-fA-F]{3}:[0-9a-fA-F:]{2,34}[0-9a-fA-F](?![\w:])")
_VERSION = re.compile(
    r"(?:\bv|version|release|build|firmware|section|clause|chapter|article|paragraph|§|rfc|oid|figure|table|update(?:d to)?)"
    r"[\s:#.v=]{0,4}$",
    re.IGNORECASE,
)
_EXAMPLES = tuple(ip_network(n) for n in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"))

_WAYS = (
    "Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Place|Pl|Terrace|Crescent|Close|Way|Square|Sq"
    "|Parkway|Pkwy|Highway|Hwy|Gardens|Grove|Mews|Row|Walk|Rise|Circle|Cir|Trail|Alley|Quay"
)
_NAME = r"(?:[A-Z][\w'’]{1,24}|\d{1,3}(?:st|nd|rd|th))\.?"
_STREET = re.compile(
    rf"(?<![\w.,/$£€#-])(\d{{1,5}})[A-Za-z]? (?:(?:[NSEW]{{1,2}}\.?|North|South|East|West|Old|Upper|Lower) )?"
    rf"(?:{_NAME} ){{1,3}}?(?:{_WAYS})\b\.?(?:,? (?:Apt|Apartment|Unit|Flat|Suite|Ste)\.? ?\w{{1,5}}\b)?"
    r"(?:,? ?(?:[A-Z][a-z]{1,20} ?){1,3},? (?:[A-Z]{2} \d{5}(?:-\d{4})?|[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2})\b)?"
)
_WAY = re.compile(rf" (?:{_WAYS})\b")
_NOT_BEFORE = re.compile(
    r"(?:\b(?:in|since|of|by|until|from|during|the|for|about|over|some|nearly|after|before|top|chapter|page|route)|[~%])\s$",
    re.IGNORECASE,
)
_NOT_A_NAME = re.compile(
    r"\b(?:The|Most|Best|In|On|At|And|Or|Of|For|To|How|A|An|No|Million|Billion|Percent|People|Years)\b"
)
_BOX = re.compile(r"\bP\.? ?O\.? Box \d{1,6}\b", re.IGNORECASE)


def emails(text: str) -> Found:
    """Addresses of e-mail, also spelt out as in ``name (at) host (dot) org``."""
    if _SIGN.search(text):
        for match in _EMAIL.finditer(text):
            remote = match[0].startswith("git@") and text[match.end() : match.end() + 1] == ":"
            host, _, last = match[1].rpartition(".")
            file = last.lower() in _FILES
            if remote or (file and ("." not in host or _LARGER.match(host))):
                continue
            end = (
                match.end() - len(last) - 1 if file else match.end()
            )  # jo@mail.org.txt is a file named like jo@mail.org
            yield match.start(), end, _SIGN.sub("@", text[match.start() : end]).lstrip(".-").casefold()
    if _AT.search(text):
        for match in _SPELT.finditer(text):
            plain = re.sub(r" ?[\[({] ?dot ?[\])}] ?| dot ", ".", _AT.sub("@", match[0]), flags=re.IGNORECASE)
            yield match.start(), match.end(), plain.replace(" ", "").casefold()


def hosts(text: str) -> Found:
    """Addresses of machines that lie on the internet, or in the ranges set aside for examples; not those of a home network."""
    for pattern in (_V4, _V6):
        for match in pattern.finditer(text):
            try:
                address = ip_address(match[0])
            except ValueError:
                continue
            shown = any(address in network for network in _EXAMPLES)
            if (address.is_global or shown) and not _VERSION.search(text, max(0, match.start() - 24), match.start()):
                yield match.start(), match.end(), address.compressed


def streets(text: str) -> Found:
    """Addresses in English: a number, a name and a word for a way, with the place and postcode after it; post-office boxes."""
    if not any(c.isdigit() for c in text):
        return
    if _WAY.search(text):
        for match in _STREET.finditer(text):
            year = len(match[1]) == 4 and match[1].startswith(("19", "20"))
            before = _NOT_BEFORE.search(text, max(0, match.start() - 12), match.start())
            if not _NOT_A_NAME.search(match[0]) and not (
                before and (year or before[0].strip().lower() not in ("of", "by", "from"))
            ):
                yield match.start(), match.end(), " ".join(match[0].replace(",", " ").rstrip(".").casefold().split())
    if "ox" in text or "OX" in text:
        for match in _BOX.finditer(text):
            yield match.start(), match.end(), re.sub(r"\W", "", match[0]).casefold()
