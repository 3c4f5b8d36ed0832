"""Keys and tokens in a text: what lets its holder into somebody's account."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
from detect_secrets.plugins.jwt import JwtTokenDetector
from detect_secrets.plugins.mailchimp import MailchimpDetector
from detect_secrets.plugins.openai import OpenAIDetector
from detect_secrets.plugins.pypi_token import PypiTokenDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.stripe import StripeDetector

# Signs without which a text holds none of them, and the patterns that then look; each takes time linear in the text.
_PUBLISHED = (
    (("A3T", "ABIA", "ACCA", "AKIA", "ASIA", "aws", "AWS"), AWSKeyDetector),
    (("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), GitHubTokenDetector),
    (("gl", "GR1348941"), GitLabTokenDetector),
    (("xox", "hooks.slack"), SlackDetector),
    (("k_live_",), StripeDetector),
    (("T3BlbkFJ",), OpenAIDetector),
    (("SG.",), SendGridDetector),
    (("pypi-AgE",), PypiTokenDetector),
    (("AccountKey=",), AzureStorageKeyDetector),
    (("sq0csp-",), SquareOAuthDetector),
    (("-us",), MailchimpDetector),
)
_TELEGRAM = re.compile(r"(?<!\w)\d{8,10}:[0-9A-Za-z_-]{35}(?![\w-])")
_WORDS = ("key", "token", "secret", "passw", "authorization")
_OPENAI = re.compile(r"(?<![\w-])sk-(?:proj-|ant-|svcacct-)?[A-Za-z0-9_-]{20,200}(?![\w-])")
_GOOGLE = re.compile(r"(?<!\w)AIza[0-9A-Za-z_-]{35}(?!\w)")
_HUB = re.compile(r"(?<!\w)hf_[A-Za-z0-9]{30,60}(?!\w)")
# Bounded and begun at a word's edge, where the published pattern takes quadratic time.
_JWT = re.compile(r"(?<![\w-])eyJ[\w-]{8,2000}={0,2}\.[\w-]{8,8000}={0,2}(?:\.[\w-]{0,1000})?")
# A header alone is no key; after it come lines of base64, or their ends as they are written in code.
_BLOCK = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:(?:\s|\\[nr]){1,6}+(?:[A-Za-z0-9+/=]{16,}+|[A-Z][A-Za-z-]{2,20}: [^\n]{1,80}+))++"
    r"(?:(?:\s|\\[nr]){1,6}+(?:[A-Za-z0-9+/=]{1,15}(?:\s|\\[nr]){1,6}+)?-----END [A-Z0-9 ]{0,40}-----)?"
)
_IN_URL = re.compile(r"(?<=://)[^\s:/?#\[\]@\"'<>]{1,64}:[^\s:/?#\[\]@\"'<>]{3,128}(?=@)")
_SET = re.compile(
    r"(?:api[_ -]?key|secret(?:[_ -]?key)?|(?:access|auth|bearer|refresh)[_ -]?token|token|passw(?:or)?d|authorization)"
    r"[\"']?\s{0,3}(?:[:=]|is)\s{0,3}(?:bearer\s)?[\"'`]?([A-Za-z0-9_/+=.~!#$%^&*-]{16,200})",
    re.IGNORECASE,
)
_STANDS_FOR = re.compile("your|xxx|placeholder|changeme|change_me|<|{|env|getenv|insert|redacted", re.IGNORECASE)
LEAST_BITS = 3.2  # a character; words and repeated signs lie below, keys above


def keys(text: str) -> Iterator[tuple[int, int, str]]:
    """Keys, tokens, private-key blocks and passwords in addresses: start, end, and the key itself."""
    if "PRIVATE KEY" in text:
        yield from _whole(_BLOCK, text)
    for signs, detector in _PUBLISHED:
        if any(sign in text for sign in signs):
            for pattern in detector.denylist:
                yield from _whole(pattern, text)
    if ":AA" in text:
        yield from _whole(_TELEGRAM, text)
    if "sk-" in text:
        yield from ((s, e, k) for s, e, k in _whole(_OPENAI, text) if random_looking(k))
    if "AIza" in text:
        yield from _whole(_GOOGLE, text)
    if "hf_" in text:
        yield from _whole(_HUB, text)
    if "eyJ" in text:
        yield from ((s, e, k) for s, e, k in _whole(_JWT, text) if JwtTokenDetector.is_formally_valid(k.rstrip(".")))
    if "://" in text and "@" in text:
        yield from _whole(_IN_URL, text)
    lower = text.lower()
    if any(word in lower for word in _WORDS):
        for match in _SET.finditer(text):
            if random_looking(match[1].rstrip(".")):
                yield match.start(1), match.end(1), match[1]


def random_looking(word: str) -> bool:
    """Whether a word is made of letters and digits as if by chance, and does not stand for one to be put in."""
    if _STANDS_FOR.search(word) or not (any(c.isdigit() for c in word) and any(c.isalpha() for c in word)):
        return False
    counts = Counter(word)
    return -sum(n / len(word) * math.log2(n / len(word)) for n in counts.values()) >= LEAST_BITS


def _whole(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int, str]]:
    """Each match; where the pattern has a group that is the secret, still all of it."""
    for match in pattern.finditer(text):
        yield match.start(), match.end(), match[0]
