"""Keys added to a file that a person wrote."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from audit.yamladd import Entries, added, lines

NEW: Entries = {"card": {"copyright": 'Ours: "all" # yes', "impact": {"duration": "- years", "rights": "none"}}}


def quiet(_: tuple[str, ...]) -> None:
    return None


Q, D, R = r'"Ours: \"all\" # yes"', '"- years"', '"none"'
ALL = f"  copyright: {Q}\n  impact:\n    duration: {D}\n    rights: {R}\n"
DEEPER = f"    copyright: {Q}\n    impact:\n      duration: {D}\n      rights: {R}\n"
HEALTH = "    health: |\n      fine\n\n      so\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("model: {source: x} # mine\n", f"model: {{source: x}} # mine\ncard:\n{ALL}"),
        ("model: x", f"model: x\ncard:\n{ALL}"),
        ("card: # why\n\nmodel: x\n", f"card: # why\n{ALL}\nmodel: x\n"),
        ("card: ~\nmodel: x\n", f"card: \n{ALL}model: x\n"),
        (
            "card:\n    owner: me # c\n    # end\nmodel: x\n",
            f"card:\n    owner: me # c\n{DEEPER}    # end\nmodel: x\n",
        ),
        (
            "card:\n  copyright:   # c\n  impact: # i\n\nmodel: x\n",
            f"card:\n  copyright: {Q}   # c\n  impact: # i\n    duration: {D}\n    rights: {R}\n\nmodel: x\n",
        ),
        (
            f"card:\n  impact:\n    duration: null # d\n{HEALTH}model: x\n",
            f"card:\n  impact:\n    duration: {D} # d\n{HEALTH}    rights: {R}\n  copyright: {Q}\nmodel: x\n",
        ),
        ("card:\n  impact:\n", f"card:\n  impact:\n    duration: {D}\n    rights: {R}\n  copyright: {Q}\n"),
        (
            "card:\r\n  owner: é\U0001f600\r\nmodel: x\r\n",
            "card:\r\n  owner: é\U0001f600\r\n" + ALL.replace("\n", "\r\n") + "model: x\r\n",
        ),
    ],
)
def test_everything_else_stays_as_it_is(before: str, after: str) -> None:
    assert added(before, NEW, quiet) == after


@pytest.mark.parametrize(
    "before",
    [
        "card: {owner: me}\n",
        "{model: x}\n",
        "card:\n  copyright: mine\n",
        "card:\n  copyright: {text: mine}\n",
        "card:\n  impact: {health: fine}\n",
        "card:\n  impact: [a]\n",
        "a: &x\n  owner: me\ncard: *x\n",
        "- a\n",
    ],
)
def test_what_would_have_to_be_rewritten_is_left_alone(before: str) -> None:
    assert added(before, NEW, quiet) is None


def test_new_keys_carry_their_comments() -> None:
    text = added("model: x\n", {"card": {"copyright": "c"}}, lambda place: " ".join(place) if place[1:] else None)
    assert text == 'model: x\ncard:\n  # card copyright\n  copyright: "c"\n'


@given(st.text())
def test_any_text_comes_back(text: str) -> None:
    entries = {"card": {"copyright": text}}
    assert yaml.safe_load("\n".join(lines(entries, quiet))) == entries
    whole = added("card:\n  owner: me\n", entries, quiet)
    assert whole is not None
    assert yaml.safe_load(whole)["card"] == {"owner": "me", "copyright": text}
