"""What counts as personal data, what does not, and that no text makes the rules slow."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.results.personal import KINDS, MASK, masked, personal


def kinds(text: str) -> list[str]:
    return [span.kind for span in personal(text)]


def data(text: str) -> list[str]:
    return [span.datum for span in personal(text)]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Mail jo@example.org.", "Mail ••@•••••••.•••."),
        ("call +44 20 7946 0958, or", "call +•• •• •••• ••••, or"),
        ("4242 4242 4242 4242 exp 09/29", "•••• •••• •••• •••• exp 09/29"),
        ("IBAN GB82 WEST 1234 5698 7654 32 THEN", "IBAN •••• •••• •••• •••• •••• •• THEN"),
        ("SSN 219-09-9999", "SSN •••-••-••••"),
        ("from 203.0.113.7 at", "from •••.•.•••.• at"),
        ("at 17 Larkspur Lane with", "at •• •••••••• •••• with"),
        ("https://jo:hunter22@host.org/x", "https://••:••••••••@host.org/x"),
        ("Müller müller@example.de", "Müller ••••••@•••••••.••"),
    ],
)
def test_letters_and_digits_become_dots_and_the_rest_stays(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "＋４４ ２０ ７９４６ ０９５８",
        "+44\u00a020\u00a07946\u00a00958",
        "+44 20 7946\u20110958",
        "+44 20 79\u200b46 0958",
    ],
)
def test_other_signs_for_the_same_hide_nothing(text: str) -> None:
    assert data(text) == ["+442079460958"]
    assert not any(c.isdigit() for c in masked(text))
    assert len(masked(text)) == len(text)


@pytest.mark.parametrize(
    ("text", "datum"),
    [
        ("?to=jo.quill%40example.org&x=1", "jo.quill@example.org"),
        ("jo.quill&#64;example.org", "jo.quill@example.org"),
        (r'{"to": "jo.quill\u0040example.org"}', "jo.quill@example.org"),
        (".jo.quill@example.org", "jo.quill@example.org"),
        ("-jo.quill@example.org-", "jo.quill@example.org"),
        ("jo.quill@example.org_", "jo.quill@example.org"),
        ("jo.quill@example.org.txt", "jo.quill@example.org"),
        ("tel=+442079460958", "+442079460958"),
        ("tel=%2B442079460958&x=1", "+442079460958"),
        ("wa.me/+442079460958", "+442079460958"),
        ("phone=415-555-0134", "+14155550134"),
    ],
)
def test_signs_of_addresses_and_files_hide_nothing(text: str, datum: str) -> None:
    assert data(text) == [datum]
    assert not any(part in masked(text) for part in ("quill", "example", "2079460958", "0134"))


def test_pictures_and_remotes_are_no_addresses() -> None:
    assert not data("logo@2x.png and logo@2x.min.js, git@host.example: and x=1+12345678901")


def test_signs_of_two_characters_move_no_place() -> None:
    text = "ﬁve e\u0301tages ½ jo@example.org"  # a ligature, a letter with its accent apart, a fraction
    assert [text[s.start : s.end] for s in personal(text)] == ["jo@example.org"]


@pytest.mark.parametrize(
    ("text", "kind", "wrong"),
    [
        ("4242 4242 4242 4242", "card", "4242 4242 4242 4241"),
        ("GB29NWBK60161331926819", "account", "GB29NWBK60161331926818"),
        ("12345678Z", "identity number", "12345678A"),
        ("971013-9019902", "identity number", "971013-9019903"),
        ("44051401359", "identity number", "44051401358"),
    ],
)
def test_a_check_digit_decides(text: str, kind: str, wrong: str) -> None:
    assert kinds(f"It is {text}, she said.") == [kind]
    assert kinds(f"It is {wrong}, she said.") == []


def test_the_words_before_a_number_decide() -> None:
    assert kinds("My mobile is 98765 43210.") == ["phone"]
    assert kinds("There were 98765 43210 of them.") == []
    assert kinds("from 12.4.0.2") == ["internet address"]
    assert kinds("version 12.4.0.2") == []


def test_one_place_is_of_one_kind() -> None:
    token = "ghp_" + "a1B2" * 9
    assert kinds(f"https://bot:{token}@github.com") == ["key"]
    spans = personal(f"{token} jo@example.org 219-09-9999")
    assert [s.kind for s in spans] == ["key", "e-mail", "identity number"]
    assert all(a.end <= b.start for a, b in itertools.pairwise(spans))


def test_what_is_blotted_out_is_found_no_more() -> None:
    text = "jo@example.org, +44 20 7946 0958, 17 Larkspur Lane, 203.0.113.7, 4242 4242 4242 4242"
    assert len(personal(text)) == 5
    assert personal(masked(text)) == ()


def test_a_span_does_not_tell_its_datum() -> None:
    assert "jo@" not in repr(personal("jo@example.org"))


@given(st.text(max_size=200))
def test_any_text_keeps_its_length_and_is_only_dotted(text: str) -> None:
    after = masked(text)
    assert len(after) == len(text)
    assert all(b in (a, MASK) for a, b in zip(text, after, strict=True))
    assert all(s.kind in KINDS and 0 <= s.start < s.end <= len(text) for s in personal(text))


HOSTILE = {
    "letters": "a" * 50_000,
    "digits": "1" * 50_000,
    "spaced digits": "1 " * 25_000,
    "at signs": "a@" * 25_000,
    "one address without an end": "a@" + "a." * 25_000,
    "spelt": "a(at)b" + " dot aa" * 7_000,
    "tokens": "eyJ" * 16_000,
    "addresses": "://a:" * 10_000 + "@",
    "key heads": "-----BEGIN PRIVATE KEY-----" * 1_900,
    "a key without an end": "-----BEGIN PRIVATE KEY-----\n" + ("A" * 64 + "\n") * 700,
    "accounts": "GB82" + " WEST" * 10_000,
    "brackets": "(" * 50_000 + "1234567",
    "slack": "xoxb-1-1-" * 5_500,
    "set": "token=" * 8_000,
    "aws": "aws key " * 6_000,
    "versions": "1.1.1." * 8_000,
    "capitals": "12 Abc " * 7_000 + "Road",
    "colons": "2001:" * 10_000,
    "other letters": "é1 " * 16_000,
    "calls": "call aa " * 6_000 + "1234567",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_is_slow(name: str) -> None:
    start = time.perf_counter()
    personal(HOSTILE[name])
    assert time.perf_counter() - start < 2  # the slowest takes 0.2 seconds on an idle machine
