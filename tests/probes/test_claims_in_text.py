"""Answers split into claims: whole sentences with their places, and nothing that cannot be true or false."""

from __future__ import annotations

import time

import pytest

from probes.claims_in_text import claims_of, sentences_of


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("One thing. Another thing!", ["One thing.", "Another thing!"]),
        ("Dr. Hollis met Mr. Tarn. They spoke.", ["Dr. Hollis met Mr. Tarn.", "They spoke."]),
        ("It weighs 3.5 kg. It is 2.0 m long.", ["It weighs 3.5 kg.", "It is 2.0 m long."]),
        ("J. R. Tolvan wrote it. She was born in Lusk.", ["J. R. Tolvan wrote it.", "She was born in Lusk."]),
        ("He said “Stop.” Then he left.", ["He said “Stop.”", "Then he left."]),
        ("- first point here\n- second point here", ["first point here", "second point here"]),
        ("1. The van is small.\n2) It is fast.", ["The van is small.", "It is fast."]),
        ("Fruits, e.g. apples, are sweet. So are pears.", ["Fruits, e.g. apples, are sweet.", "So are pears."]),
        ("No full stop at the end", ["No full stop at the end"]),
        ("Wait... what is it?  Yes.", ["Wait... what is it?", "Yes."]),
        ("", []),
        (" \n ", []),
        ("He came at 5 p.m. on Monday. She left.", ["He came at 5 p.m. on Monday.", "She left."]),
    ],
)
def test_sentences(text: str, wanted: list[str]) -> None:
    found = sentences_of(text)
    assert [span.text for span in found] == wanted
    assert all(text[span.start : span.end] == span.text for span in found)


@pytest.mark.parametrize(
    "text",
    ["Is it so?", "Here is a summary:", "Sure!", "Yes.", "The main points are:", "I hope this helps.", "Very good"],
)
def test_what_claims_nothing_is_left_out(text: str) -> None:
    assert claims_of(text) == []


def test_claims_keep_their_places_among_the_rest() -> None:
    text = "Sure, here it is:\n\n* The ferry leaves at 7.30. Does it run daily?\n* Bicycles travel free."
    found = claims_of(text)
    assert [span.text for span in found] == ["The ferry leaves at 7.30.", "Bicycles travel free."]
    assert all(text[span.start : span.end] == span.text for span in found)


def test_it_is_quick_on_hostile_text() -> None:
    begun = time.perf_counter()
    runs = ("!?" * 20_000 + "x", ".)" * 20_000 + "x")  # a run of marks that ends no sentence
    for text in ("." * 20_000, "a." * 10_000, "1. " * 10_000, " " * 50_000, "Here is " * 5_000, *runs):
        assert len(sentences_of(text)) <= 20_001
        claims_of(text)
    assert time.perf_counter() - begun < 10  # it takes a tenth of that; where the time grows with the square, minutes
