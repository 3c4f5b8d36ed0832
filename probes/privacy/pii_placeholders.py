"""Data that cannot well be anybody's: set aside for examples, or plainly made up."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network

from audit.results.personal import Span

_DOMAINS = re.compile(
    r"(?:^|\.)(?:example|test|invalid|localhost)(?:\.[a-z.]+)?$|^(?:e?mail|domain|company|yourdomain|yourcompany|website)\.\w+$"
)
_LOCAL = re.compile(r"^(?:your|user|name|username|email|someone|somebody|john\.?doe|jane\.?doe|jdoe|foo|test|x+)\b")
_PHONES = re.compile(r"^\+1\d{3}555\d{4}$|^\+1555\d{7}$|^\+\d{0,3}555\d{4}$|^\+44(?:7700900|2079460|1632960)\d{3}$")
_TEST_CARDS = frozenset(
    (
        "4111111111111111", "4242424242424242", "4012888888881881", "5555555555554444", "5105105105105100",
        "378282246310005", "371449635398431", "6011111111111117", "6011000990139424", "30569309025904",
        "3530111333300000", "2223003122003222",
    )
)  # fmt: skip
_ACCOUNTS = frozenset(
    (
        "GB82WEST12345698765432", "GB29NWBK60161331926819", "DE89370400440532013000", "FR1420041010050500013M02606",
        "NL91ABNA0417164300", "BE68539007547034",
    )
)  # fmt: skip
_NUMBERS = frozenset({"219099999", "078051120", "123456789", "AB123456C"})
_EXAMPLES = tuple(ip_network(n) for n in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"))
_HOSTS = frozenset({"1.2.3.4", "8.8.8.8", "8.8.4.4", "1.1.1.1", "9.9.9.9"})
_STREETS = re.compile(r"^(?:12|123|1234|12345) |^\d+ main (?:st|street)\b|^221b baker|^10 downing|^1600 pennsylvania")
_ASCENDING, _DESCENDING = "01234567890123456789", "98765432109876543210"


def set_aside(span: Span) -> bool:
    """Whether a datum is a known example or has the look of a placeholder, so that it is nobody's in particular."""
    datum = span.datum
    if span.kind == "e-mail":
        local, _, domain = datum.rpartition("@")
        return bool(_DOMAINS.search(domain) or _LOCAL.match(local))
    if span.kind == "internet address":
        address = ip_address(datum)
        return datum in _HOSTS or any(address in network for network in _EXAMPLES)
    if span.kind == "street address":
        return bool(_STREETS.match(datum))
    if span.kind == "key":
        return "EXAMPLE" in datum.upper() or counted(datum)
    known = datum in _TEST_CARDS | _ACCOUNTS | _NUMBERS or bool(_PHONES.match(datum))
    return known or counted(datum)


def counted(datum: str) -> bool:
    """Whether six digits in a row count up or down, or the last seven are of one or two kinds."""
    digits = re.sub(r"\D", "", datum)
    runs = (digits[i : i + 6] for i in range(len(digits) - 5))
    return any(run in _ASCENDING or run in _DESCENDING for run in runs) or (
        len(digits) >= 7 and len(set(digits[-7:])) <= 2
    )
