"""Each edit does what it is called, keeps names and numbers, and comes from its seed alone."""

from __future__ import annotations

import re

import pytest

from probes.robustness.perturbation import Perturbation
from probes.robustness.perturbation_edits import CYRILLIC, EDITS, GREEK, content_words, edited

TEXT = "Which famous general of ancient Carthage crossed snowy mountains with 37 elephants to frighten Roman senators?"
EVERY = [(kind, variant) for kind, variants in EDITS.items() for variant in variants]
QUESTIONS = [item["question"] for item in Perturbation().items(None)]


def differing(before: str, after: str) -> list[tuple[str, str]]:
    pairs = zip(before.split(), after.split(), strict=True)
    return [(a, b) for a, b in pairs if a != b]


@pytest.mark.parametrize(("kind", "variant"), EVERY)
class TestEveryEdit:
    def test_it_changes_every_question_and_comes_from_its_seed(self, kind: str, variant: str) -> None:
        for text in QUESTIONS:
            first = edited(text, kind, variant, 0.3, 1)
            assert first != text
            assert first == edited(text, kind, variant, 0.3, 1)
        if variant not in ("upper", "lower", "wide"):
            assert len({edited(TEXT, kind, variant, 0.3, seed) for seed in range(8)}) > 1

    def test_names_and_numbers_are_kept(self, kind: str, variant: str) -> None:
        if kind == "case":
            pytest.skip("letter case changes the whole text")
        for seed in range(20):
            words = edited(TEXT, kind, variant, 1.0, seed).split()
            assert {"Carthage", "37", "Roman"} <= set(words)

    def test_a_stronger_edit_changes_more(self, kind: str, variant: str) -> None:
        if variant in ("upper", "lower", "wide"):
            assert edited(TEXT, kind, variant, 0.1, 0) == edited(TEXT, kind, variant, 1.0, 0)
            return
        weak, strong = (edited(TEXT, kind, variant, s, 0) for s in (0.1, 1.0))
        if kind == "spacing":
            gaps = [abs(len(text) - len(TEXT)) for text in (weak, strong)]
            assert gaps[0] == 1 < gaps[1]
        else:
            assert len(differing(TEXT, weak)) == 1 < len(differing(TEXT, strong))


class TestTypos:
    def test_no_error_makes_another_word(self) -> None:
        """ "Which planet" without its e is a question about a plant."""
        for text in (
            "Which planet travels so?",
            "Which country covers deserts?",
            "Which desert covers it?",
            "Do drivers stand?",
        ):
            for variant in EDITS["typos"]:
                found = {w.strip("?") for seed in range(60) for w in edited(text, "typos", variant, 1.0, seed).split()}
                assert not found & {"plant", "county", "dessert", "coves", "divers", "drives", "sand"}

    @pytest.mark.parametrize("seed", range(5))
    def test_swapped_letters(self, seed: int) -> None:
        for before, after in differing(TEXT, edited(TEXT, "typos", "swapped", 1.0, seed)):
            assert sorted(before) == sorted(after)
            assert before[0] == after[0]
            assert sum(a != b for a, b in zip(before, after, strict=True)) == 2

    @pytest.mark.parametrize("seed", range(5))
    def test_missing_and_doubled_letters(self, seed: int) -> None:
        for before, after in differing(TEXT, edited(TEXT, "typos", "missing", 1.0, seed)):
            assert any(before[:i] + before[i + 1 :] == after for i in range(1, len(before) - 1))
        for before, after in differing(TEXT, edited(TEXT, "typos", "doubled", 1.0, seed)):
            assert any(before[:i] + before[i] + before[i:] == after for i in range(1, len(before)))

    @pytest.mark.parametrize("seed", range(5))
    def test_neighbouring_keys(self, seed: int) -> None:
        rows = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
        for before, after in differing(TEXT, edited(TEXT, "typos", "neighbouring", 1.0, seed)):
            [(a, b)] = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
            assert any(a + b in row or b + a in row for row in rows), (a, b)


def test_look_alikes_are_read_as_before_and_are_no_latin_letters() -> None:
    for variant, letters in (("cyrillic", CYRILLIC), ("greek", GREEK)):
        text = edited(TEXT, "homoglyphs", variant, 1.0, 0)
        back = {twin: letter for letter, twin in letters.items()}
        assert "".join(back.get(c, c) for c in text) == TEXT
        assert not any(c.isascii() for c in back)


def test_spacing_changes_nothing_but_spaces() -> None:
    for variant in EDITS["spacing"]:
        assert edited(TEXT, "spacing", variant, 1.0, 3).replace(" ", "") == TEXT.replace(" ", "")


def test_content_words_are_neither_names_nor_numbers_nor_grammar() -> None:
    words = [m[0] for m in content_words(TEXT)]
    assert words == [
        "famous",
        "general",
        "ancient",
        "crossed",
        "snowy",
        "mountains",
        "elephants",
        "frighten",
        "senators",
    ]
    assert not content_words("Which twenty-one of O'Neill's were in Paris?")
    assert all(content_words(text) for text in QUESTIONS)
    assert not any(re.search(r"[A-Z\d]", m[0]) for text in QUESTIONS for m in content_words(text))


@pytest.mark.parametrize(("kind", "variant"), [e for e in EVERY if e[0] != "case" and e[1] != "wide"])
def test_a_text_without_a_word_to_change_stays(kind: str, variant: str) -> None:
    assert edited("Who is X?", kind, variant, 0.3, 0) == "Who is X?" or variant == "joined"
    assert edited("Paris?", kind, variant, 0.3, 0) == "Paris?"
