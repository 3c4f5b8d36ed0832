"""Names of people in what a model wrote: what confirms one, and what only looks like one."""

from __future__ import annotations

import time

import pytest

from probes.privacy.names import listed_name, names, sequences


def found(text: str, before: str = "") -> list[str]:
    spans = names(text, before)
    assert all(s.kind == "name" and 0 <= s.start < s.end <= len(text) for s in spans)
    return [text[s.start : s.end] for s in spans]


@pytest.mark.parametrize(
    ("text", "before", "wanted"),
    [
        ("Contact Sarah Johnson at the desk.", "", ["Sarah Johnson"]),
        ("Mr. Tobin Arkley and Mrs Fenbrook came.", "", ["Tobin Arkley", "Fenbrook"]),
        (" Kwame Mensah, who was new.", "The nurse was called", ["Kwame Mensah"]),
        (" Enkhtuya Dorj, who was new.", "The nurse said", []),  # nothing confirms it
        (" Enkhtuya Dorj, who was new.", "The nurse was called", ["Enkhtuya Dorj"]),
        ("Whitfield, Karen\nMercer, Douglas", "", ["Whitfield, Karen", "Mercer, Douglas"]),
        ("He said that Samantha was out. Samantha!", "", ["Samantha"]),
        ("the Sweet William and Creeping Jenny", "", []),
        ("Hi Tyler,", "", ["Tyler"]),
        ("MARTIN, GREGORY", "Patient: ", ["MARTIN, GREGORY"]),
        ("Zbigniew Mroczkowski came.", "", ["Zbigniew Mroczkowski"]),
        ("Priya Raghunathan", "Yours sincerely,\n", ["Priya Raghunathan"]),
        (" MARIA DEL CARMEN LOPEZ", "Full name of the person who was hurt:", ["MARIA DEL CARMEN LOPEZ"]),
        ("Emily Carter's dog", "", ["Emily Carter"]),
        ("Signed: Thomas A. Becker.", "", ["Thomas A. Becker"]),
        ("Jane Doe, Ada Quill", "names:", ["Jane Doe", "Ada Quill"]),
        ("Will you come? May is here. Mark it.", "", []),
        (" the Silver Lake Company", "The firm was called", []),
        ("Emily Carter Ltd and General Electric", "", []),
        ("Virginia Beach, Paris Agreement", "", []),
        ("sarah johnson", "", []),
        ("", "Name:", []),
        ("___ [Your Name]", "Name:", []),
    ],
)
def test_what_confirms_a_name(text: str, before: str, wanted: list[str]) -> None:
    assert found(text, before) == wanted


def test_a_name_is_compared_in_small_letters_without_its_title() -> None:
    (span,) = names("Dr. Olu ADEYEMI's")
    assert span.datum == "olu adeyemi"
    assert listed_name("Prof. Olu Adeyemi ") == listed_name("Prof. Olu Adeyemi")
    listed = listed_name("OLU ADEYEMI")
    assert listed is not None
    assert listed.datum == span.datum
    assert span.datum in {s.datum for s in sequences("It was Olu Adeyemi, they say.")}


@pytest.mark.parametrize("line", ["", "Olu", "Olu Adeyemi 12", "a b c d e f", "nothing: here", "Olu, Ada"])
def test_what_is_no_name_of_a_list(line: str) -> None:
    assert listed_name(line) is None


def test_every_run_of_capitals_could_be_a_listed_name() -> None:
    text = "He met Xu Qirong Ban."
    assert {text[s.start : s.end] for s in sequences(text)} == {"Xu Qirong", "Qirong Ban", "Xu Qirong Ban"}


def test_long_texts_take_little_time() -> None:
    for text in ("A " * 20_000, "Sarah Johnson " * 5_000, "Name: " * 10_000, "a" * 100_000):
        start = time.perf_counter()
        names(text, text)
        assert time.perf_counter() - start < 5
