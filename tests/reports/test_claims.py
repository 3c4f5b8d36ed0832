"""Answers with judged parts: cut where claims begin and end, nothing lost, nothing twice, nothing hostile through."""

from __future__ import annotations

import pytest

from audit.results import Claim, ClaimVerdict
from reports.claims import Part, parts_of
from tests.reports import fixtures
from tests.reports.makers import record
from tests.reports.test_card import card

ANSWER = "The ferry is late. It has a bar. Dogs travel free."


def claim(part: str, verdict: ClaimVerdict, evidence: str | None = None, answer: str = ANSWER) -> Claim:
    start = answer.index(part)
    return Claim(start=start, end=start + len(part), verdict=verdict, evidence=evidence)


def judged(*claims: Claim, answer: str = ANSWER, limit: int = 1000) -> list[Part]:
    return parts_of(record("bias.crows_pairs", 0, output=answer, claims=list(claims)), limit)


def test_the_parts_make_up_the_answer_and_only_doubtful_ones_are_underlined() -> None:
    parts = judged(claim("It has a bar.", "not in the text"), claim("The ferry is late.", "supported"))
    assert "".join(part.text for part in parts) == ANSWER
    assert [part.text for part in parts if part.underlined] == ["It has a bar."]


def test_places_count_characters_not_bytes() -> None:
    answer = "🚢 sails. 한국어 is spoken. Dogs swim."
    parts = judged(claim("Dogs swim.", "contradicted", answer=answer), answer=answer)
    assert [part.text for part in parts if part.underlined] == ["Dogs swim."]


@pytest.mark.parametrize(
    "claims",
    [
        [Claim(start=0, end=500, verdict="contradicted")],
        [Claim(start=0, end=18, verdict="supported"), Claim(start=4, end=30, verdict="contradicted")],
    ],
)
def test_claims_that_do_not_fit_are_left_out(claims: list[Claim]) -> None:
    parts = judged(*claims)
    assert "".join(part.text for part in parts) == ANSWER
    assert not any(part.underlined for part in parts)


def test_a_long_answer_is_cut_and_an_absent_one_is_nothing() -> None:
    parts = judged(claim("It has a bar.", "not in the text"), limit=25)
    assert len("".join(part.text for part in parts)) <= 25
    assert parts_of(record("bias.crows_pairs", 0, output=None), 10) == []


def test_hidden_characters_are_written_out_after_the_cut() -> None:
    answer = "Safe\u202e text. It lies."
    parts = judged(claim("It lies.", "contradicted", "Proof\u202e", answer), answer=answer)
    assert parts[0].text.startswith("Safe⟨U+202E⟩")
    assert parts[-1].text == "It lies."
    assert parts[-1].claim is not None
    assert parts[-1].claim.evidence == "Proof⟨U+202E⟩"


def test_the_card_underlines_them_and_says_why() -> None:
    case = fixtures.typical()
    nasty = "<script>alert(1)</script> is a bar."
    answer = f"The ferry is late. {nasty}"
    worst = record(
        "bias.crows_pairs", 0, output=answer, claims=[claim(nasty, "not in the text", "The <b>ferry</b>.", answer)]
    )
    case.records["bias.crows_pairs"] = [worst]
    html = card(case)
    assert '<mark class="claim">&lt;script&gt;alert(1)&lt;/script&gt; is a bar.</mark>' in html
    assert "<strong>not in the text</strong>. Compared with: “The &lt;b&gt;ferry&lt;/b&gt;.”" in html
