"""The formulas of ``privacy.memorization`` against computations of another kind."""

from __future__ import annotations

import math
from difflib import SequenceMatcher
from functools import cache

import numpy as np
import pytest
from scipy import stats

from probes.privacy.memorization_canaries import canary, candidates, chance, exposure, space
from probes.privacy.memorization_similarity import bleu, edit_similarity, first_words, last_words, longest_run


def drawn(seed: int) -> tuple[list[str], list[str]]:
    stream = np.random.default_rng(seed)
    return tuple(list(stream.choice(list("abcd"), size=int(stream.integers(1, 12)))) for _ in range(2))  # type: ignore[return-value]


class TestSimilarity:
    def test_bleu_of_a_worked_example(self) -> None:
        """Six of seven words, four of six pairs, two of five threes, one of four fours; a word shorter than the other."""
        true = ["the", "cat", "sat", "on", "the", "mat", "by", "night", "now"]
        written = ["the", "cat", "sat", "on", "a", "mat", "by", "night"]
        shares = 7 / 8 * (5 / 7) * (3 / 6) * (1 / 5)
        assert bleu(written, true) == pytest.approx(math.exp(1 - 9 / 8) * shares**0.25)

    def test_bleu_clips_repetition_and_knows_its_ends(self) -> None:
        assert bleu(["a", "b", "c", "d", "e"], ["a", "b", "c", "d", "e"]) == 1
        assert bleu(["a", "a", "a", "a", "a", "a"], ["a", "b", "c", "d", "e", "f"]) == 0
        assert bleu([], ["a"]) == bleu(["a"], []) == 0
        assert bleu(["a", "b"], ["a", "b"]) == 1  # orders that the reference cannot have are left out

    @pytest.mark.parametrize("seed", range(12))
    def test_edit_similarity_is_that_of_the_recursion(self, seed: int) -> None:
        one, other = drawn(seed)

        @cache
        def distance(i: int, j: int) -> int:
            if not i or not j:
                return i + j
            same = distance(i - 1, j - 1) + (one[i - 1] != other[j - 1])
            return min(same, distance(i - 1, j) + 1, distance(i, j - 1) + 1)

        expected = 1 - distance(len(one), len(other)) / max(len(one), len(other))
        assert edit_similarity(one, other) == pytest.approx(expected)

    @pytest.mark.parametrize("seed", range(12))
    def test_the_longest_run_is_the_standard_librarys(self, seed: int) -> None:
        one, other = drawn(seed)
        assert longest_run(one, other) == SequenceMatcher(None, one, other, autojunk=False).find_longest_match().size

    def test_cuts_keep_white_space(self) -> None:
        text = "One  two\nthree four"
        assert first_words(text, 2) == ("One  two", "\nthree four")
        assert last_words(text, 2) == "three four"
        assert last_words(text, 9) == text


class TestExposure:
    def test_all_of_a_small_format_are_ranked(self) -> None:
        found = exposure(-1.0, [-0.5, -2.0, -3.0, -4.0, -5.0, -6.0, -7.0], 8, 0.95)
        assert (found.value, found.low, found.high) == (2, 2, 2)  # log2 8 - log2 2

    def test_of_a_sample_the_interval_is_that_of_the_share_in_front(self) -> None:
        others = [0.0] * 5 + [-9.0] * 95
        found = exposure(-1.0, others, 10**8, 0.95)
        assert found.value == pytest.approx(math.log2(101 / 6))
        assert found.p_value == pytest.approx(6 / 101)
        assert found.high == pytest.approx(-math.log2(stats.beta.ppf(0.025, 5, 96)))
        assert found.low == pytest.approx(-math.log2(stats.beta.ppf(0.975, 6, 95)))

    def test_in_front_of_all_that_were_drawn_it_may_be_anything_up_to_the_whole_format(self) -> None:
        found = exposure(0.0, [-1.0] * 255, 10**8, 0.95)
        assert found.value == 8
        assert found.high == pytest.approx(8 * math.log2(10))
        assert found.low is not None
        assert 6 < found.low < 8

    def test_ties_count_against_it(self) -> None:
        assert exposure(-1.0, [-1.0] * 15, 16, 0.95).value == 0

    def test_chance_is_the_mean_over_all_ranks(self) -> None:
        for others in (1, 7, 255):
            total = others + 1
            assert chance(others) == pytest.approx(np.mean([math.log2(total / rank) for rank in range(1, total + 1)]))
        assert chance(10**6) == pytest.approx(1 / math.log(2), abs=1e-4)


class TestCandidates:
    def test_digits_are_drawn_and_the_rest_stays(self) -> None:
        item = canary({"template": "The code is {}.", "secret": "A-4821 9937", "alphabet": "digits"}, 1, "c.jsonl")
        found = candidates(item, 300, 5)
        assert len(set(found)) == 300
        assert item["secret"] not in found
        assert all(t[:2] == "A-" and t[6] == " " and len(t) == 11 for t in found)
        assert space(item) == 10**8
        assert found == candidates(item, 300, 5) != candidates(item, 300, 6)
        assert found[:50] == candidates(item, 50, 5)
        assert stats.chisquare(np.bincount([int(t[2]) for t in found], minlength=10)).pvalue > 0.001

    def test_a_small_format_is_taken_whole(self) -> None:
        item = canary({"template": "Pass {}", "secret": "red sky", "words": ["red", "sky", "sea"]}, 1, "c.jsonl")
        assert space(item) == 9
        assert sorted(candidates(item, 255, 0)) == sorted(
            f"{a} {b}" for a in ("red", "sky", "sea") for b in ("red", "sky", "sea") if (a, b) != ("red", "sky")
        )
