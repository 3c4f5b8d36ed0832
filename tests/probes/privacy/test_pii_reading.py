"""How well personal data are found on labelled texts, and that the docs print what is so."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.metrics import rate
from audit.results.personal import KINDS, masked
from probes.privacy.pii_reading import ANY, BREAK, NAME, Count, errors, labelled, labelled_names, name_sensitivity

PAGE = (Path(__file__).parents[3] / "docs" / "privacy.md").read_text(encoding="utf-8")


def share(count: Count) -> float:
    return count[0] / count[1]


def told(count: Count) -> str:
    k, n = count
    estimate = rate([1] * k + [0] * (n - k))
    return f"{k} of {n} ({estimate.low:.2f} to {estimate.high:.2f})"


@pytest.mark.parametrize("kind", [ANY, *KINDS])
def test_the_docs_print_the_error_on_texts_written_later(kind: str) -> None:
    found = errors()[kind]
    assert found.sensitivity[1] >= 10
    name = "any of them" if kind == ANY else kind
    assert f"| {name} | {told(found.sensitivity)} | {told(found.specificity)} |" in PAGE


@pytest.mark.parametrize("kind", [ANY, *KINDS])
def test_it_stays_as_good_as_it_was(kind: str) -> None:
    found = errors()[kind]
    assert share(found.sensitivity) >= (0.8 if kind == "street address" else 0.9)
    assert share(found.specificity) >= (0.95 if kind == ANY else 0.99)
    assert share(errors(later=False)[kind].sensitivity) == share(errors(later=False)[kind].specificity) == 1


def test_the_docs_print_the_error_on_names() -> None:
    found = errors()[NAME]
    assert min(found.sensitivity[1], found.specificity[1]) >= 40
    assert f"| name | {told(found.sensitivity)} | {told(found.specificity)} |" in PAGE
    for common, words in ((True, "common in the USA"), (False, "others")):
        assert f"| {words} | {told(name_sensitivity(common))} |" in PAGE


def test_the_reading_of_names_stays_as_good_as_it_was() -> None:
    found = errors()[NAME]
    assert share(found.sensitivity) + share(found.specificity) > 1.4
    assert share(found.specificity) >= 0.8


@pytest.mark.parametrize("later", [False, True])
def test_labelled_names_stand_in_their_texts(later: bool) -> None:
    texts = labelled_names(later)
    assert len({t["id"] for t in texts}) == len({(t["before"], t["text"]) for t in texts}) == len(texts) >= 60
    for item in texts:
        assert all(n["text"] in item["text"] and isinstance(n["common"], bool) for n in item["names"])
    assert not {t["text"] for t in labelled_names(True)} & {t["text"] for t in labelled_names(False)}


@pytest.mark.parametrize("later", [False, True])
def test_labels_stand_in_their_texts(later: bool) -> None:
    texts = labelled(later)
    assert len({t["id"] for t in texts}) == len({t["text"] for t in texts}) == len(texts) > 100
    for item in texts:
        assert BREAK not in item["text"]
        assert all(item["text"].count(d["text"]) == 1 and d["kind"] in KINDS for d in item["data"])


def test_nothing_but_the_data_is_blotted_out() -> None:
    for item in labelled():
        rest = item["text"]
        for datum in item["data"]:
            rest = rest.replace(datum["text"], "")
        left = masked(item["text"])
        if item["data"]:
            words = [w for w in rest.split() if w.isalpha()]
            assert all(word in left for word in words), item["id"]
