"""One decision explained: the planted word is found and holds up, a wrong order does not, and every odd case is said."""

from __future__ import annotations

import html
import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import audit
from audit.explaining import ExplainError, Unfinished, attention, explain, explain_record, find_record, open_model
from audit.models import Ablate, Attribute, Attributed, Capability, Failure, Message, user
from audit.models.scripted import ALL, ScriptedModel
from audit.results import ModelFacts, Record, write_records, write_result
from probes.asked import stated
from probes.explainability.one_view import LONGEST
from probes.explainability.single import RankTest, verdict, ways
from tests.audit.support import measurement, result_of

TEXT = "one two three four five six seven eight nine ten"
WEIGHTS = {"three": 4.0, "seven": 2.0, "ten": 1.0, "five": -1.5}


def weighed(prompt: str, answer: str) -> float:
    """log p(yes) is the sum of the words' weights, log p(no) a constant."""
    return -3.0 if answer.strip() == "no" else -2.0 + sum(WEIGHTS.get(w, 0.0) for w in prompt.split())


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FAIRWITNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Scores(ScriptedModel):
    """Gives these scores whatever is the case."""

    def __init__(self, scores: Sequence[float], **options: Any) -> None:
        super().__init__(weighed, **options)
        self._given = tuple(scores)

    def _attributed(self, request: Attribute) -> Attributed:
        return replace(super()._attributed(request), scores=self._given)


# What the numbers are.


def test_the_planted_words_are_found_and_hold_up() -> None:
    found = explain(ScriptedModel(weighed), TEXT, "yes", "no", chat=False)
    assert found.units == tuple(TEXT.split())
    assert dict(zip(found.units, found.scores, strict=True)) == pytest.approx(
        {w: WEIGHTS.get(w, 0) for w in TEXT.split()}
    )
    assert [row.text for row in found.strongest(4)] == ["three", "seven", "five", "ten"]
    assert [row.pushes for row in found.strongest(5)] == ["+ towards", "+ towards", "- away", "+ towards", ""]
    assert found.verdict == "supported"
    assert found.preferred is True
    assert found.warnings == []
    assert found.likelihoods == (3.5, -3.0)
    assert found.f == pytest.approx(6.5)
    assert "hold up" in found.sentence


def test_the_test_is_what_its_words_say() -> None:
    """Ten words: the bins are 2 and 5 of them. Everything by hand, the random mean over all choices."""
    found = explain(ScriptedModel(weighed), TEXT, "yes", "no", chat=False, orders=400)
    test = found.test
    assert test is not None
    full, total = 6.5, sum(WEIGHTS.values())
    # three and seven; then with ten and two words of no weight, five being the last.
    assert test.comprehensiveness == pytest.approx((6.0 + 7.0) / 2)
    assert test.sufficiency == pytest.approx(full - ((1.0 + 6.0) + (1.0 + 7.0)) / 2)
    assert test.random_comprehensiveness == pytest.approx((0.2 + 0.5) / 2 * total, abs=0.25)
    assert test.random_sufficiency == pytest.approx(total - (0.2 + 0.5) / 2 * total, abs=0.25)
    by_halves = (
        test.comprehensiveness - test.random_comprehensiveness + test.random_sufficiency - test.sufficiency
    ) / 2
    assert test.gain == found.gain == pytest.approx(by_halves)
    # An order does as well if its first two are three and seven and its first five have ten and not five.
    as_well = math.comb(6, 2) / (math.comb(10, 2) * math.comb(8, 3))
    assert test.at_least / 400 == pytest.approx(as_well, abs=0.02)
    assert found.p == (1 + test.at_least) / 401


def test_a_wrong_order_does_not_hold_up() -> None:
    words = TEXT.split()
    wrong = explain(Scores([-WEIGHTS.get(w, 0.0) for w in words]), TEXT, "yes", "no", chat=False)
    assert wrong.verdict == "not supported"
    assert wrong.gain is not None
    assert wrong.gain < 0
    assert wrong.sentence.startswith("Do not rely on the marked words: ")


def test_scores_without_meaning_hold_up_no_more_often_than_the_level_says() -> None:
    stream = np.random.default_rng(0)
    held = [
        explain(Scores(stream.normal(size=10)), TEXT, "yes", "no", chat=False, seed=n, orders=40).verdict == "supported"
        for n in range(60)
    ]
    assert sum(held) <= 8  # 3 are expected; more than 8 of 60 come by chance once in 300 times


def test_p_is_never_zero_and_is_one_where_all_do_as_well() -> None:
    none, every = RankTest(1, 0, 0, 0, 1, 0, 200), RankTest(0, 0, 0, 0, 0, 200, 200)
    assert none.p == pytest.approx(1 / 201)
    assert every.p == 1


def test_scores_that_do_not_add_up_hold_up_in_part() -> None:
    found = Attributed(("a",), (1.0,), 1.0, 0.0, error=0.2)
    best = RankTest(1, 0, 0, 0, 1, 0, 200)
    assert verdict(found, best) == "weak"
    assert verdict(replace(found, error=0.01), best) == "supported"


@pytest.mark.parametrize("units", range(1, 9))
def test_ways_are_counted(units: int) -> None:
    first, second = max(1, round(0.2 * units)), max(1, round(0.5 * units))
    every = {(frozenset(order[:first]), frozenset(order[:second])) for order in itertools.permutations(range(units))}
    assert ways(units) == len(every)


def test_the_same_seed_gives_the_same_and_another_one_other_orders() -> None:
    one, same, other = (explain(ScriptedModel(weighed), TEXT, "yes", "no", chat=False, seed=s) for s in (1, 1, 2))
    assert json.dumps(one.data()) == json.dumps(same.data())
    assert one.scores == other.scores
    assert one.gain != other.gain


# What is said where there is less to say.


def test_zero_scores_are_no_explanation() -> None:
    found = explain(ScriptedModel(lambda prompt, answer: -1.0), TEXT, "yes", chat=False)
    assert found.verdict == "not tested"
    assert found.sentence == "No explanation. All scores are zero: no explanation found."
    assert found.test is None
    assert 'class="tokens"' not in found._repr_html_()


def test_an_answer_that_the_model_does_not_prefer_is_explained_with_a_warning() -> None:
    found = explain(ScriptedModel(weighed), "five four three two one and more of that", "no", "yes", chat=False)
    assert found.preferred is False
    assert found.warnings == [
        "The model prefers “yes”: this explains an answer that it would not choose between the two."
    ]
    assert found.f == pytest.approx(-3.5)


def test_an_answer_that_is_no_first_choice_is_warned_of() -> None:
    found = explain(ScriptedModel(weighed), TEXT, "yes", chat=False)
    assert any("is not the model's first choice here" in w for w in found.warnings)


def test_what_is_not_a_number_is_said(tmp_path: Path) -> None:
    found = explain(ScriptedModel(lambda prompt, answer: math.nan), TEXT, "yes", chat=False)
    assert (found.f, found.scores, found.test, found.verdict) == (None, (), None, "not tested")
    assert found.sentence == "No explanation. The script gave no finite number."
    assert found.sentence in found.save(tmp_path / "page.html").read_text(encoding="utf-8")
    assert json.loads(json.dumps(found.data(), allow_nan=False))["log_p"] is None


def test_an_integral_that_does_not_converge_is_neither_tested_nor_drawn() -> None:
    class Missed(ScriptedModel):
        def _attributed(self, request: Attribute) -> Attributed:
            return replace(super()._attributed(request), error=0.5)

    able = Missed(weighed, capabilities=ALL | {Capability.GRADIENT})
    found = explain(able, TEXT, "yes", "no", method="integrated_gradients", chat=False)
    assert (found.verdict, found.test) == ("not tested", None)
    assert found.sentence == (
        "No explanation. Not converged: the scores miss their sum by 50%, where 5% is allowed. Try another method."
    )
    assert 'class="tokens"' not in found._repr_html_()
    other = explain(able, TEXT, "yes", "no", method="input_x_gradient", chat=False)
    assert other.verdict == "weak"
    assert "hold up in part" in other.sentence


def test_too_few_words_are_not_tested() -> None:
    found = explain(ScriptedModel(weighed), "one two three", "yes", "no", chat=False)
    assert found.verdict == "not tested"
    assert found.sentence == (
        "Not tested. The prompt has 3 words. The test needs 8: of fewer a random choice often marks the same ones."
    )
    assert found.strongest(1)[0].text == "three"


def test_a_text_of_which_the_test_would_measure_the_scores_again_is_not_tested() -> None:
    """Of seven words a fifth is one, and the word of most effect is, of all, the one whose removal does most: noise or not."""
    eight = TEXT.split()[:8]
    asked = [explain(ScriptedModel(weighed), " ".join(eight[:n]), "yes", "no", chat=False) for n in (7, 8)]
    assert [found.verdict for found in asked] == ["not tested", "supported"]
    assert asked[0].sentence.endswith("of fewer it would delete a single one, which is what the scores are made of.")
    given = explain(
        Scores([3.0, 1, 2, 0, 0, 0, 0]), " ".join(eight[:7]), "yes", "no", chat=False, method="shapley_sampling"
    )
    assert given.verdict == "not tested"


def test_scores_that_are_all_alike_put_no_word_first() -> None:
    found = explain(Scores([1.0] * 10), TEXT, "yes", "no", chat=False)
    assert found.verdict == "not tested"
    assert found.sentence == "Not tested. All scores are alike: they put no word before another."


# What is asked of the model.


class Kept(ScriptedModel):
    """Keeps what it is asked, and says that its weights are known."""

    def __init__(self, **facts: Any) -> None:
        super().__init__(weighed)
        self.facts = self.facts.model_copy(update={"weights_sha256": "0" * 64, **facts})
        self.asked: list[Any] = []

    def attribute(self, requests: Sequence[Attribute]) -> list[Any]:
        self.asked += requests
        return super().attribute(requests)

    def ablate(self, requests: Sequence[Ablate]) -> list[Any]:
        self.asked += requests
        return super().ablate(requests)


def test_asking_again_asks_the_model_nothing() -> None:
    model = Kept()
    first = explain(model, TEXT, "yes", "no")
    count = len(model.asked)
    again = explain(model, TEXT, "yes", "no")
    assert count > 1
    assert len(model.asked) == count
    assert again.data() == first.data()


def test_without_known_weights_nothing_is_kept(own_cache: Path) -> None:
    explain(ScriptedModel(weighed), TEXT, "yes", "no")
    assert not own_cache.exists()


@pytest.mark.parametrize(
    ("template", "chat", "prompt", "answer"),
    [
        (True, None, user(TEXT), "yes"),
        (False, None, TEXT, " yes"),
        (True, False, TEXT, " yes"),
        (False, True, user(TEXT), "yes"),
    ],
)
def test_a_text_is_a_question_where_the_model_has_a_template(
    template: bool, chat: bool | None, prompt: Any, answer: str
) -> None:
    model = Kept(chat_template=template)
    explain(model, TEXT, "yes", chat=chat)
    assert {(request.prompt, request.continuation) for request in model.asked} == {(prompt, answer)}


@pytest.mark.parametrize(
    ("prompt", "answer", "given"),
    [
        ("The capital is", "Rome", " Rome"),
        ("The capital is ", "Rome", "Rome"),
        ("The capital is", " Rome", " Rome"),
        ("Answer:", "Rome", " Rome"),
        ("The capital is (", "Rome", "Rome"),
        ("This is good", ".", "."),
        ("你好吗", "很好", "很好"),
        ("수도는", "서울", " 서울"),
        ("The price is", "$5", " $5"),
    ],
)
def test_raw_text_and_answer_are_parted_by_a_space(prompt: str, answer: str, given: str) -> None:
    model = Kept()
    explain(model, prompt, answer, chat=False)
    assert model.asked[0].continuation == given


def test_a_conversation_is_asked_as_it_is() -> None:
    model = Kept(chat_template=True)
    turns = (Message("system", "Be brief."), Message("user", TEXT))
    explain(model, turns, "yes")
    assert model.asked[0].prompt == turns


def test_method_unit_and_seed_reach_the_request() -> None:
    model = Kept()
    explain(model, TEXT, "yes", "no", method="shapley_sampling", unit="token", chat=False)
    request = model.asked[0]
    assert (request.method, request.unit, request.samples > 0) == ("shapley_sampling", "token", True)
    assert {r.unit for r in model.asked} == {"token"}


# Mistakes, one sentence each.


def without(*missing: Capability) -> ScriptedModel:
    return ScriptedModel(weighed, capabilities=ALL - set(missing))


@pytest.mark.parametrize(
    ("arguments", "options", "told"),
    [
        (("", "yes"), {}, "The prompt is empty"),
        ((" \n", "yes"), {}, "The prompt is empty"),
        (((), "yes"), {}, "The prompt is empty"),
        ((TEXT, " "), {}, "The answer is empty"),
        ((TEXT, "yes", ""), {}, "The other answer is empty"),
        ((TEXT, "yes", " yes"), {}, "are the same"),
        ((TEXT, "yes"), {"method": "magic"}, "Unknown method magic; choose leave_one_out,"),
        ((TEXT, "yes"), {"unit": "letter"}, "Unknown unit letter; choose word, token or segment."),
        ((TEXT, "yes"), {"orders": 5}, "at least 20 random orders, not 5"),
        ((TEXT, "yes"), {"device": "cpu"}, "An open model stays on its device"),
        ((TEXT, "yes"), {"method": "saliency"}, "saliency needs gradients"),
        ((user(TEXT), "yes"), {"chat": False}, "A conversation is no raw text"),
    ],
)
def test_mistake_is_one_sentence(arguments: Any, options: Mapping[str, Any], told: str) -> None:
    with pytest.raises(ExplainError, match=re.escape(told)):
        explain(ScriptedModel(weighed), *arguments, **options)


def test_a_model_that_cannot_be_asked_so_is_refused() -> None:
    with pytest.raises(ExplainError, match="it cannot be asked again with parts of the text left out"):
        explain(without(Capability.ATTRIBUTE), TEXT, "yes")
    with pytest.raises(ExplainError, match="it shows no attention weights"):
        attention(without(Capability.ATTENTION), TEXT)


def test_a_model_that_fails_is_told_apart_from_a_mistake() -> None:
    class Broken(ScriptedModel):
        def attribute(self, requests: Sequence[Attribute]) -> list[Attributed | Failure]:
            raise RuntimeError("the cable is loose")

    with pytest.raises(Unfinished, match=r"could not be completed: RuntimeError: the cable is loose"):
        explain(Broken(weighed), TEXT, "yes")


# Records of an earlier audit.


@pytest.fixture
def result(tmp_path: Path) -> Path:
    folder = tmp_path / "r"
    write_result(folder, result_of(measurement()), {})
    (probe,) = {run.id for run in result_of(measurement()).probes}
    common = {"probe": probe, "item": "i", "source": "s", "cluster": "c", "input": TEXT}
    records = [
        Record(id="a/b", asked=stated(TEXT, " yes", " no"), **common),
        Record(id="none", **common),
    ]
    write_records(folder, probe, records)
    return folder / probe


def test_a_record_is_explained_as_it_was_asked(result: Path) -> None:
    model = Kept(chat_template=True)
    found = explain_record(model, f"{result}/a/b")
    assert {(r.prompt, r.continuation, r.contrast) for r in model.asked} == {(TEXT, " yes", " no")}
    assert found.verdict == "supported"
    again = explain_record(model, find_record(f"{result}/a/b"))
    assert again.data() == found.data()


def test_the_attention_of_a_record_is_that_of_its_decision(result: Path) -> None:
    seen = attention(ScriptedModel(weighed), find_record(f"{result}/a/b"))
    assert (seen.text, seen.continuation) == (TEXT, " yes")
    with pytest.raises(ExplainError, match="keeps no decision"):
        attention(ScriptedModel(weighed), find_record(f"{result}/none"))


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("{}/none", "keeps no decision that could be explained"),
        ("{}/other", "has no record other"),
        ("{}", "names no record"),
        ("{}x/x", "has no probe tiny.ratex; it has tiny.rate"),
        ("nowhere/p/x", "lies in no result folder"),
    ],
)
def test_a_record_that_cannot_be_explained(result: Path, place: str, told: str) -> None:
    with pytest.raises(ExplainError, match=told):
        explain_record(ScriptedModel(weighed), place.format(result))


# Opening.


def test_models_are_opened_from_a_file_or_by_their_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []
    monkeypatch.setattr("audit.opening.open_model", lambda *given: opened.append(given) or ScriptedModel(weighed))
    (tmp_path / "model.yaml").write_text("model: {source: from-the-file, device: auto}\n")
    for named in (tmp_path / "model.yaml", str(tmp_path / "model.yaml"), "a/source"):
        explain(named, TEXT, "yes", chat=False)
    open_model("a/source", device="cpu")
    assert [given[0] for given in opened] == ["from-the-file", "from-the-file", "a/source", "a/source"]
    assert [given[4].device for given in opened] == ["auto", "auto", "auto", "cpu"]


def test_names_of_the_package() -> None:
    assert audit.explain is explain
    assert audit.attention is attention
    assert audit.explain_record is explain_record


# What a notebook shows.


def srcdoc(cell: str) -> str:
    """The page in a notebook's cell."""
    found = re.fullmatch(r'<iframe srcdoc="([^"]*)" sandbox="([a-z-]*)" style="[^"]*" title="\w+"></iframe>', cell)
    assert found is not None
    return html.unescape(found[1])


def test_the_cell_holds_the_whole_page_and_nothing_runs_in_it() -> None:
    found = explain(ScriptedModel(weighed), TEXT, "yes", "no", chat=False)
    cell = found._repr_html_()
    page = srcdoc(cell)
    assert 'sandbox=""' in cell
    assert "<script" not in page
    assert "script-src 'none'" in page
    assert page.count('class="token plus-') == 3
    assert page.count('class="token minus-') == 1
    assert found.sentence in html.unescape(page)
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!#|data:)""", page)


def test_what_people_and_models_write_is_text() -> None:
    text = "<script>alert(1)</script> \x1b[31m red \u202e <img src=x onerror=alert(2)> & more \"words' here"
    page = srcdoc(explain(ScriptedModel(), text, "</style><b>", "]]>", chat=False)._repr_html_())
    assert "<script>" not in page
    assert "<img" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "</style><b>" not in page


def test_words_of_other_scripts_are_seen_and_stay_as_they_are() -> None:
    text = "저는 어제 도서관에서 오래된 책을 세 권 빌려서 집으로 가져왔어요"
    found = explain(
        ScriptedModel(lambda prompt, answer: -1.0 - ("책을" not in prompt)), text, "네", "아니요", chat=False
    )
    assert found.units == tuple(text.split())
    page = html.unescape(srcdoc(explain(ScriptedModel(weighed), f"{text} three", "네", "no", chat=False)._repr_html_()))
    assert "책을" in page
    assert "네" in page
    assert "도서관에서" in srcdoc(attention(ScriptedModel(), text)._repr_html_())


def test_heads_stand_in_the_order_of_their_effect_and_without_gradients_have_none() -> None:
    seen = attention(ScriptedModel(capabilities=ALL | {Capability.GRADIENT}), TEXT, " yes")
    layers, heads = seen.weights.shape[:2]
    assert list(seen.heads.columns) == ["layer", "head", "effect", "first"]
    assert sorted(zip(seen.heads["layer"], seen.heads["head"], strict=True)) == [
        (layer, head) for layer in range(layers) for head in range(heads)
    ]
    assert seen.heads["effect"].isna().all()  # the script has none
    slopes = np.random.default_rng(0).normal(size=seen.weights.shape).astype(np.float32)
    given = replace(seen, parts=(replace(seen.attended, gradients=slopes, layers=tuple(range(3, 3 + layers))),))
    effects = given.heads["effect"].abs().tolist()
    assert effects == sorted(effects, reverse=True)
    first = given.heads.iloc[0]
    at = int(first["layer"]) - 3, int(first["head"])
    assert first["effect"] == pytest.approx((seen.weights[at] * slopes[at]).sum(), abs=1e-5)
    assert first["first"] == pytest.approx(seen.weights[at][1:, 0].mean())
    alone = replace(seen.attended, tokens=("a",), weights=np.ones((layers, heads, 1, 1), dtype=np.float32))
    assert replace(seen, parts=(alone,)).heads["first"].isna().all()  # it can look at nothing else


def test_plain_words_are_short_whatever_is_in_the_text() -> None:
    assert len(repr(attention(ScriptedModel(), "\u202eword " * 60))) < 300
    none = explain(ScriptedModel(lambda prompt, answer: math.nan), TEXT, "yes", chat=False)
    assert repr(none) == "Why “yes”?\nNo explanation. The script gave no finite number."


def test_the_frame_is_tidy() -> None:
    frame = explain(ScriptedModel(weighed), TEXT, "yes", "no", chat=False).frame
    assert list(frame.columns) == ["unit", "score", "rank"]
    assert frame.index.name == "position"
    assert frame.loc[2, "unit"] == "three"
    assert frame.loc[2, "rank"] == 1
    assert sorted(frame["rank"]) == list(range(1, 11))


def test_attention_of_a_text_that_is_too_long_for_the_viewer() -> None:
    view = attention(ScriptedModel(), "word " * (LONGEST + 5))
    page = srcdoc(view._repr_html_())
    assert f"of which the viewer draws {LONGEST} at most" in page
    assert 'id="attention-viewer"' not in page
    assert view.weights.shape[-1] > LONGEST


def test_facts_of_a_model_reach_the_page(tmp_path: Path) -> None:
    model = ScriptedModel(weighed)
    model.facts = ModelFacts(name="<b>mine</b>", source="x", kind="scripted", pinned=True, weights_sha256="ab" * 32)
    page = explain(model, TEXT, "yes", chat=False).save(tmp_path / "p.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;mine&lt;/b&gt;" in page
    assert "abababababab" in page


def test_a_small_effect_and_answers_that_nobody_gets_are_warned_of() -> None:
    def faint(prompt: str, answer: str) -> float:
        return weighed(prompt, answer) / 100 - 8

    found = explain(ScriptedModel(faint), TEXT, "yes", "no", chat=False)
    assert found.verdict == "supported"
    assert any(w.startswith("The effect is small: ") for w in found.warnings)
    assert any("hardly give either answer" in w for w in found.warnings)


def test_the_answer_may_be_named_target_and_is_said_once() -> None:
    named = explain(ScriptedModel(weighed), TEXT, target="yes", instead="no", chat=False)
    assert named.scores == explain(ScriptedModel(weighed), TEXT, "yes", "no", chat=False).scores
    for answers in ({}, {"answer": "yes", "target": "no"}, {"answer": "", "target": ""}):
        with pytest.raises(ExplainError, match="Say once which answer"):
            explain(ScriptedModel(weighed), TEXT, **answers)
    for empty in ({"answer": ""}, {"target": " "}):
        with pytest.raises(ExplainError, match="The answer is empty"):
            explain(ScriptedModel(weighed), TEXT, **empty)


def test_a_number_for_an_answer_is_refused_in_words() -> None:
    with pytest.raises(ExplainError, match="must be texts"):
        explain(ScriptedModel(weighed), TEXT, 4)  # type: ignore[arg-type]
