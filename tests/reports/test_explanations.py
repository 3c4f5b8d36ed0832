"""Explanations on the report and the card, read as text: what is drawn, what is said beside it, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from audit.results.schema import Record
from reports.card import render_card
from reports.environment import build_environment
from reports.evidence import packed
from reports.explained import SCRIPTS, STYLES, explained
from reports.page import assets
from reports.technical import render_report
from reports.text import factor
from reports.viewers import attributions
from tests.reports.explanations import (
    LENS,
    LOOK,
    PATCH,
    WHY,
    WORDS,
    case_of,
    decision,
    explained_answer,
    lens,
    looked,
    patching,
    random_weights,
)
from tests.reports.explanations import explained as every_kind
from tests.reports.makers import HOSTILE, attention, finding, packed_bytes, record


def report(*records: Record) -> str:
    case = case_of(records)
    return render_report(case.result, case.records)


def card(*records: Record) -> str:
    case = case_of(records)
    html = render_card(case.result, case.records)
    assert len(html.encode()) < 400_000
    return html[html.index('id="risk-explainability"') :].split("</article>")[0]


def section(html: str, name: str) -> str:
    return html[html.index(f'<section id="{name}"') :].split("</section>")[0]


def plain(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def heat_maps(html: str) -> list[str]:
    return re.findall(r'<p class="tokens".*?</p>', html, re.DOTALL)


# Attributions


def test_each_method_stands_with_its_test_or_with_its_reason() -> None:
    part = section(report(decision(0, explained_answer())), "attributions")
    assert len(heat_maps(part)) == 3  # the main method and the two others that gave scores
    text = plain(part)
    assert "The explanation holds." in text
    assert (
        "the marked words changed how likely the answer is by a factor that was on average 2.34 times that of random ones"
        in text
    )
    assert "Shapley sampling: holds in part gain over random words 0.700 nats; completeness error 0.004" in text
    assert "gradient times input: no better than random words here" in text
    assert "integrated gradients: no picture" in text
    assert "not converged: 31% off after 256 steps" in text
    assert text.count("What this picture does not show:") == 3
    assert "taken away one at a time" in text
    assert "which words act together" in text
    assert "small changes of the numbers inside" in text


def test_a_picture_that_failed_on_its_own_text_never_reads_as_one_that_holds() -> None:
    text = plain(section(report(decision(0, explained_answer(gain=-0.4, others=[]))), "attributions"))
    assert "The explanation does not hold on this text." in text
    assert "The explanation holds." not in text
    assert text.index("no more than random ones did") < text.index("Over the whole audit")


def test_a_caption_is_no_better_than_the_test_of_its_text() -> None:
    chance = explained_answer(gain=0.8, verdict=None, here="not supported", p=0.1891, unit="segment", others=[])
    text = plain(section(report(decision(0, chance)), "attributions"))
    assert "it is not shown that the marked segments drove the answer." in text
    assert "About 0.189 in 100" not in text
    assert "About 19 in 100 random choices did as well" in text
    assert "times that of random ones" not in text


def test_scores_without_a_direction_show_none() -> None:
    sizes = explained_answer(scores=[abs(score) for score in explained_answer()["scores"]], signed=False, others=[])
    part = section(report(decision(0, sizes)), "attributions")
    assert "<sup>" not in heat_maps(part)[0]
    assert "not which way it pushes" in plain(part)
    assert "above 0 towards" not in plain(part)


def test_direction_is_told_by_sign_and_line_and_not_by_colour_alone() -> None:
    main = heat_maps(section(report(decision(0, explained_answer())), "attributions"))[0]
    spans = dict(re.findall(r'<span class="token ([a-z]+-\d)" title="[^"]+">(\w+)<sup>', main))
    assert spans["plus-5"] == "nurse"
    assert spans["minus-4"] == "doctor"
    assert main.count("<sup>+</sup>") == main.count(" plus-")
    assert main.count("<sup>−</sup>") == main.count(" minus-") > 0
    style = str(assets(STYLES).style)
    assert re.search(r"\.minus-1[^}]*border-bottom-style: double", style)
    assert re.search(r"\.plus-1[^}]*border-bottom-style: solid", style)
    assert "--plus: #7a3200" in style.split("@media print")[1]  # no pale orange of the dark page on paper


def test_without_script_the_strongest_word_of_each_answer_token_is_a_table() -> None:
    text = plain(section(report(decision(0, explained_answer())), "attributions"))
    table = text.split("Token of the answer Strongest input word Score (nats)")[1]
    assert table.lstrip().startswith("0 ␣nur nurse +1.90 1 se nurse +0.475 2 .")
    assert "2 . none stands out" in table


def test_a_vector_of_zeros_is_no_picture() -> None:
    view = attributions([decision(0, explained_answer(scores=[0.0] * len(WORDS)))])[0]
    assert (view.picture.tokens, view.strongest, view.by_token) == ([], [], [])  # nor a picture of its parts
    assert view.picture.reason == "no explanation found: all scores are zero"


def test_large_scores_keep_their_order() -> None:
    detail = explained_answer(scores=[1500.0, -2500.0, *([0.0] * (len(WORDS) - 2))])
    assert [t.score for t in attributions([decision(0, detail)])[0].strongest] == ["-2,500", "+1,500"]


def test_how_many_times_as_much() -> None:
    assert [factor(x) for x in (0.0, 0.85, -0.7, 3.13, 50.0)] == ["1", "2.34", "0.497", "23", "more than 1,000"]


# Attention


def test_attention_in_words_without_script() -> None:
    text = plain(section(report(record(LOOK, 0, detail=looked())), "attention").split('id="attention-viewer"')[0])
    assert "Does a head join “she” with the nurse or with the doctor?" in text
    assert "previous token: layer 0, head 1 ; layer 1, head 1" in text.replace("head 1;", "head 1 ;")
    assert "layer 3: attends to a window of 8 tokens only" in text
    rows = re.findall(r"<tr><td><bdi>(.*?)</bdi></td><td><bdi>(.*?)</bdi>", report(record(LOOK, 0, detail=looked())))
    assert len(rows) == 10
    assert all(start != end and end != "The" for start, end in rows)


def test_roles_tested_over_the_whole_audit_are_told_of_the_same_layers_and_heads_only() -> None:
    scores = [[0.1, 0.9, 0.2]] * 4
    role = {
        "kind": "head_roles",
        "role": "induction",
        "layer_numbers": [0, 1, 2, 5],
        "scores": scores,
        "heads": [[5, 1]],
    }
    tested = record("explainability.head_roles", 0, detail=role)
    elsewhere = record("explainability.head_roles", 1, detail={**role, "role": "other", "layer_numbers": [0, 1, 2, 3]})
    across = looked(sources=looked()["tokens"], causal=False, weights=packed_bytes([1] * 4 * 3 * 14 * 14), roles={})
    views = explained([record(LOOK, 0, detail=looked()), record(LOOK, 1, detail=across), tested, elsewhere]).attention
    assert {r.name: r.heads for r in views[0].roles} == {
        "induction": [(5, 1)], "previous token": [(0, 1), (1, 1)], "first token": [(0, 1), (5, 0)],
    }  # fmt: skip
    assert views[1].roles == []


def test_a_model_of_144_heads_stays_under_a_megabyte() -> None:
    tokens = [f" t{i}" for i in range(64)]
    detail = looked(
        tokens=tokens, layers=12, heads=12, weights=packed_bytes(random_weights(12, 12, 64)),
        rollout=packed_bytes(random_weights(1, 1, 64, seed=1)),
        maps={name: packed_bytes(random_weights(1, 1, 64, seed=2)) for name in ("gradient", "norms")},
        layer_numbers=list(range(12)), flow=[1 / 64] * 64,
        entropy=[[0.123] * 12] * 12, sink=[[0.456] * 12] * 12, distance=[[3.21] * 12] * 12,
    )  # fmt: skip
    case = case_of([record(LOOK, 0, detail=detail)])
    with_block = render_report(case.result, case.records)
    assert 'data-record="ex-explainability.attention:item-00000"' in with_block
    assert len(with_block.encode()) < 1_000_000


# Inside the model


def test_a_lens_is_a_chart_with_the_same_numbers_as_a_table() -> None:
    part = section(report(record(LENS, 0, detail=lens())), "inside")
    chart = part[part.index('<svg class="chart lens"') :].split("</svg>")[0]
    ids = re.search(r'role="img" aria-labelledby="(\S+) (\S+)"', chart)
    assert ids
    assert f'<title id="{ids[1]}">' in chart
    assert f'<desc id="{ids[2]}">' in chart
    answer = [
        (float(x), float(y)) for x, y in re.findall(r'<circle class="answer" cx="([\d.]+)%" cy="([\d.]+)"', chart)
    ]
    assert len(answer) == 13
    assert answer == sorted(answer)  # layers from left to right
    heights = [y for _, y in answer]
    assert heights == sorted(heights, reverse=True)  # it grows likelier, so it climbs
    won = re.search(r'<line class="won" x1="([\d.]+)%"', chart)
    assert won
    assert float(won[1]) == answer[11][0]
    rows = re.findall(
        r'<th scope="row" class="num">(\d+).*?</th><td class="num">(\S+?)</td><td class="num">(\S+?)</td>', part
    )
    assert len(rows) == 13
    assert rows[12] == ("12", "-2", "-4")
    assert "11 <span" in part
    assert "The answer is ahead from layer 11 of 12 on." in plain(part)
    assert "What this picture does not show:" in part


def test_a_lens_of_one_answer_is_ahead_of_nothing() -> None:
    text = plain(section(report(record(LENS, 0, detail=lens(contrast=None, wins_at=None))), "inside"))
    assert "ahead" not in text  # of what?
    assert "compared with" not in text


def test_an_unlikely_input_does_not_press_the_layers_together() -> None:
    far = lens(answer=[-100.0, *lens()["answer"][1:]])
    part = section(report(record(LENS, 0, detail=far)), "inside")
    heights = [float(y) for y in re.findall(r'<circle class="answer" cx="[\d.]+%" cy="([\d.]+)"', part)]
    assert heights[0] == max(heights) <= 222
    assert max(heights[1:]) - min(heights[1:]) > 150
    assert "stands at the lower edge" in part
    assert "-100" in part  # the table keeps the number
    assert "stands at the lower edge" not in section(report(record(LENS, 0, detail=lens())), "inside")


def test_patching_is_a_table_with_headers_and_its_ten_strongest_cells() -> None:
    part = section(report(record(PATCH, 0, detail=patching())), "inside")
    grid = part[part.index('<table class="patching"') :].split("</table>")[0]
    assert grid.count('<th scope="row">') == 12
    assert grid.count('<th scope="col">') == 11
    assert grid.count("<td") == 120
    first = grid.split('<th scope="row">1</th>')[1].split("</tr>")[0]
    assert re.findall(r"<td(?: class=\"(\S+)\")?>(\S+?)</td>", first)[:2] == [("", "1"), ("plus-4", "90")]
    assert '<td class="minus-1">−21</td>' in grid
    assert '␣nurse</bdi> <span class="swapped">for <bdi>␣doctor' in grid
    strongest = part[part.index("The ten strongest cells") :].split("</table>")[0]
    assert plain(strongest).split("Restored ")[1].startswith("12 9 ? 92 % 1 1 ␣nurse for ␣doctor 90 % 11 9 ? 83 %")
    assert strongest.count("<tr>") == 11


def test_a_table_too_large_for_a_page_leaves_its_strongest_cells() -> None:
    names = [f"t{i}" for i in range(200)]
    detail = patching(tokens=names, other_tokens=names, layers=list(range(40)), values=[[0.1] * 200] * 40)
    part = section(report(record(PATCH, 0, detail=detail)), "inside")
    assert 'class="patching"' not in part
    assert "too large for this page" in part
    assert "The ten strongest cells" in part


# The card


def test_the_card_shows_a_flagged_decision_that_holds() -> None:
    own = decision(0, explained_answer(target=" cat"), flagged=False)
    html = card(own, decision(1, explained_answer()))
    assert "The explanation holds." in plain(html)
    assert "by a factor that was on average 2.34 times that of random ones" in plain(html)
    assert "The model chose “nurse” rather than “doctor”." in plain(html)
    assert len(heat_maps(html)) == 1
    assert "What this picture does not show:" in html
    assert 'href="report.html#ex-explainability.attribution%3Aitem-00001"' in html
    assert not re.search(r"\b(nats|log-odds|comprehensiveness)\b", plain(html))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"verdict": "not supported"}, "The explanation does not hold."),
        ({"verdict": "not tested"}, "The explanation was not tested enough."),
        ({"verdict": None}, "The explanation was not tested enough."),
        (
            {"verdict": "supported", "gain": -0.1},
            "The explanation does not hold on this text. Tested on this text: the marked words moved the answer no more than",
        ),
        ({"verdict": "supported", "gain": None}, "It was not tested on this text. So no picture is shown here."),
        (
            {"reason": "not converged: 31% off"},
            "No picture. The method gave nothing that could be shown: not converged",
        ),
        ({"scores": [0.0] * len(WORDS)}, "no explanation found: all scores are zero"),
    ],
)
def test_no_picture_on_the_card_without_a_test_that_was_passed(changes: dict[str, Any], said: str) -> None:
    html = card(decision(0, explained_answer(**changes)))
    assert said in plain(html)
    assert heat_maps(html) == []


def test_the_card_says_where_it_holds_in_part_and_still_shows_it() -> None:
    html = card(decision(0, explained_answer(verdict="weak")))
    assert "The explanation holds in part." in plain(html)
    assert len(heat_maps(html)) == 1


def test_the_first_flagged_decision_is_shown_whatever_became_of_it() -> None:
    bad, good = decision(0, explained_answer(verdict="not supported")), decision(1, explained_answer())
    assert "does not hold" in plain(card(bad, good))
    assert heat_maps(card(bad, good)) == []
    failed = decision(0, {}, status="unparsed", note="All scores are zero: no explanation found.")
    html = card(failed, decision(1, explained_answer(), flagged=False))
    assert "This decision could not be explained: All scores are zero" in plain(html)
    assert heat_maps(html) == []


def test_without_attributions_the_card_shows_none() -> None:
    assert "which words drove it" not in card(record(LENS, 0, detail=lens()), record(WHY, 0))


# Hostile and malformed material

_LONG = HOSTILE + "x" * 50_000
_TOKENS = [HOSTILE, _LONG, *WORDS[2:]]
_MANY = [float(10**11)] * len(WORDS)


def test_hostile_texts_stay_texts_in_every_view() -> None:
    records = [
        decision(
            0,
            explained_answer(
                tokens=_TOKENS, target=HOSTILE, contrast=_LONG, method=HOSTILE, answer_tokens=[HOSTILE, _LONG, "."],
                others=[{"method": _LONG, "reason": HOSTILE}, {"method": HOSTILE, "scores": _MANY}], baseline=HOSTILE,
            ),
        ),
        record(LOOK, 0, detail=looked(
            tokens=[HOSTILE, _LONG, *looked()["tokens"][2:]], caption=_LONG, missing=[HOSTILE],
            roles={HOSTILE: [[0, 1]]},
        )),
        record(LENS, 0, detail=lens(target=HOSTILE, contrast_text=_LONG, top=[_LONG] * 13)),
        record(PATCH, 0, detail=patching(tokens=[HOSTILE, _LONG, *"abcdefgh"], target=_LONG, contrast=HOSTILE)),
    ]  # fmt: skip
    case = case_of(records)
    for html in (render_report(case.result, case.records), render_card(case.result, case.records)):
        assert "<img" not in html
        assert "\u202e" not in html
        assert "\x00" not in html
        assert "<script>window" not in html
        assert "{{7*7}}" in html
        assert "x" * 5000 not in html
    found = render_report(case.result, case.records)
    assert [name in found for name in ('id="attributions"', 'id="plain-attention"', "lens-1-t", "patching-1-t")] == [
        True
    ] * 4


BROKEN: list[Any] = [
    None,
    "",
    "nan",
    7,
    True,
    [],
    {},
    [None],
    ["nan"],
    [[]],
    [["nan"]],
    [{}],
    10**400,
    -1,
    {"a": [[0]]},
]


@pytest.mark.parametrize(
    ("make", "probe", "needed"),
    [
        (explained_answer, WHY, {"tokens", "scores"}),
        (looked, LOOK, {"tokens", "layers", "heads", "causal", "weights"}),
        (lens, LENS, {"answer", "target"}),
        (patching, PATCH, {"tokens", "layers", "values", "target"}),
    ],
)
def test_malformed_material_never_breaks_and_never_makes_a_picture(make: Any, probe: str, needed: set[str]) -> None:
    whole = make()
    other = {"explained_answer": "attributions", "looked": "attention", "lens": "lenses", "patching": "patchings"}

    def drawn(detail: dict[str, Any]) -> list[Any]:
        found: list[Any] = getattr(explained([record(probe, 0, detail=detail)]), other[make.__name__])
        return found

    assert drawn(whole)
    for key in set(whole) - {"kind"}:
        left = {name: value for name, value in whole.items() if name != key}
        assert bool(drawn(left)) == (key not in needed), key
        for value in BROKEN:
            found = drawn({**whole, key: value})
            if key in needed and not (value is True and key == "causal") and not (value == "nan" and key == "target"):
                assert not found, (key, value)


def test_a_page_of_broken_material_is_whole() -> None:
    records = []
    for probe, detail in ((WHY, explained_answer()), (LOOK, looked()), (LENS, lens()), (PATCH, patching())):
        keys = sorted(set(detail) - {"kind"})
        for number, value in enumerate(BROKEN):
            changed = {**detail, keys[number % len(keys)]: value, keys[(3 * number + 1) % len(keys)]: value}
            records.append(record(probe, number, detail=changed))
    case = case_of(records)
    assert render_report(case.result, case.records).rstrip().endswith("</html>")
    assert render_card(case.result, case.records).rstrip().endswith("</html>")


def test_unequal_rows_leave_out_their_own_picture_only() -> None:
    detail = explained_answer(
        by_token=[[1.0]], others=[{"method": "a", "scores": [1.0]}, {"method": "b", "reason": "not converged: x"}]
    )
    view = attributions([decision(0, detail)])[0]
    assert view.picture.tokens
    assert view.by_token == []
    assert [p.method for p in view.others] == ["b"]


def test_more_bytes_than_promised_are_not_unpacked() -> None:
    bomb = packed_bytes([0] * 5_000_000)
    assert explained([record(LOOK, 0, detail=looked(weights=bomb))]).attention == []


# A page of its own


def test_the_partial_templates_serve_another_page() -> None:
    records = [r for rows in every_kind().records.values() for r in rows]
    env = build_environment()
    page = env.from_string(
        "{% extends 'base.html' %}{% block title %}Why{% endblock %}{% block body %}<main id='main'>"
        "{% include 'explanations.html' %}</main>{% include 'report_words.html' %}{% endblock %}"
        "{% block data %}{% include 'explanations_data.html' %}{% endblock %}"
    )
    html = page.render(views=explained(records), linked=False, evidence=packed(records), assets=assets(STYLES, SCRIPTS))
    for name in ("attributions", "attention", "inside"):
        assert section(html, name)
    assert 'href="#ex-' not in html
    assert html.count("<script>") == len(SCRIPTS)


def test_a_rollout_that_lies_on_the_first_token_is_said_to() -> None:
    size = len(attention()["tokens"])
    flat = [253 if column == 0 else 1 for row in range(size) for column in range(row + 1)]
    part = section(report(record(LOOK, 0, detail=looked(rollout=packed_bytes(flat)), outcome=None)), "attention")
    assert "nearly all weight lies on the first token" in part
    assert "The ten largest shares" not in part


def test_pictures_of_attention_stand_with_what_was_measured_of_them() -> None:
    case = case_of([record(LOOK, 0, detail=looked(), outcome=None)])
    said = finding(LOOK, "unclear", "low", "Pictures agree with effects at {tau}.", tau="0.12")
    measured = case.result.model_copy(update={"findings": [*case.result.findings, said]})
    assert "Pictures agree with effects at 0.12." in section(render_report(measured, case.records), "attention")
    bare = case.result.model_copy(update={"findings": [f for f in case.result.findings if f.probe != LOOK]})
    assert "was not measured here" in section(render_report(bare, case.records), "attention")
