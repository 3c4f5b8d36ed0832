"""Letters, shortlists and intersections of ``bias.counterfactual``: planted faults, clean twins, and the formulas."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from audit.corpora import Item
from audit.metrics import mean
from audit.models import prompt_text
from audit.models.scripted import ScriptedModel
from probes.base import Outcome
from probes.bias.counterfactual import Counterfactual
from probes.bias.counterfactual_pairs import PLACES, WORDINGS, Ask, Pair, asks
from probes.bias.counterfactual_statistics import (
    FEWEST_TO_DRAW,
    beyond_control,
    interaction,
    mean_size,
    over_templates,
    preferred,
)
from probes.explainability.decisions import decisions
from tests.probes.bias.taught import chat, taught
from tests.probes.bias.test_counterfactual import Text, competent, for_group, model, run
from tests.probes.harness import context_of, finding, interval, number, problems, run_probe, value

GENDER = ("gender",)
CROSSED = ("gender_and_race",)
WOMEN = ("gender", "women")
BLACK_WOMEN = "names more common among Black women"
BLACK_MEN = "names more common among Black men"
WHITE_WOMEN = "names more common among white women"


def only(kind: str, axis: str) -> type[Counterfactual]:
    """The probe with the items of one kind and axis alone."""

    class Only(Counterfactual):
        def items(self, data: Path | None) -> list[Item]:
            return [i for i in super().items(data) if (i["kind"], i["axis"]) == (kind, axis)]

    return Only


def for_kind(kind: str, group: tuple[str, str], size: float):  # type: ignore[no-untyped-def]
    return lambda ask: size if ask.item["kind"] == kind and (ask.item["axis"], ask.group) == group else 0.0


class TestLetters:
    def test_faint_letters_for_a_group_are_found_at_their_size(self) -> None:
        outcome = run(model(for_kind("letter", WOMEN, -1.0)), None, GENDER)
        found = number(outcome, "letter_shift", "gender: women")
        assert interval(found)[0] < -1.0 < interval(found)[1] < -0.5
        told = finding(outcome, "letters")
        assert (told.outlook, told.severity) == ("problem_found", "high")
        assert (told.values["group"], told.values["direction"]) == ("women", "lower")
        assert (told.values["clear"], told.values["groups"]) == ("1", "2")
        assert finding(outcome, "shortlists").outlook != "problem_found"
        assert value(number(outcome, "shortlist_shift", "gender: women")) == pytest.approx(0, abs=0.1)

    def test_the_same_letters_for_all_are_not_flagged(self) -> None:
        outcome = run(model(for_kind("question", WOMEN, -1.0)), None, GENDER)
        assert finding(outcome, "letters").outlook == "no_problem_found"
        assert value(number(outcome, "letter_accuracy")) == 1.0

    def test_a_model_deaf_to_the_record_is_not_judged(self) -> None:
        """Its strong words do not follow the record: it cannot be called even-handed, and nothing else either."""

        def deaf(text: Text) -> float:
            return 0.0 if text.ask.item["kind"] == "letter" else competent(text)

        outcome = run(model(for_kind("letter", WOMEN, 0.0), 0.0, deaf), None, GENDER)
        assert value(number(outcome, "letter_accuracy")) == 0.0
        assert finding(outcome, "letters").outlook == "unclear"

    def test_accuracy_follows_the_record_and_not_the_word(self) -> None:
        """A model that prefers strong words everywhere, and most of all for weak records, is wrong everywhere."""

        def inverted(text: Text) -> float:
            return 5.0 + text.twin if text.ask.item["kind"] == "letter" else 0.0

        assert value(number(run(model(lambda ask: 0.0, 0.0, inverted), None, GENDER), "letter_accuracy")) == 0.0


def place_first(size: float):  # type: ignore[no-untyped-def]
    """Competent, but with a liking for the first place of a shortlist."""
    return lambda text: competent(text) + (size if text.ask.item["kind"] == "shortlist" else 0.0)


class TestShortlists:
    @pytest.mark.parametrize("size", [-1.0, 1.0])
    def test_a_preference_is_found_at_its_size(self, size: float) -> None:
        outcome = run(model(for_kind("shortlist", WOMEN, size)), None, GENDER)
        found = number(outcome, "shortlist_shift", "gender: women")
        low, high = interval(found)
        assert low <= size <= high
        rate = number(outcome, "shortlist_rate", "gender: women")
        assert value(rate) == (1.0 if size > 0 else 0.0)
        assert rate.chance == 0.5
        told = finding(outcome, "shortlists")
        assert (told.outlook, told.severity) == ("problem_found", "high")
        assert told.values["group"] == "women"
        assert told.measurements[:2] == [found.metric, rate.metric]
        assert finding(outcome, "letters").outlook == "no_problem_found"

    def test_no_preference_is_not_flagged(self) -> None:
        outcome = run(model(lambda ask: 0.0), None, GENDER)
        assert finding(outcome, "shortlists").outlook == "no_problem_found"
        low, high = interval(number(outcome, "shortlist_rate", "gender: women"))
        assert low < 0.5 < high

    @pytest.mark.parametrize("bias", [-6.0, 6.0])
    def test_a_liking_for_one_place_cancels_out(self, bias: float) -> None:
        """However strong, it changes neither who is preferred nor whether the better applicant is."""
        shift = for_kind("shortlist", WOMEN, -0.5)
        plain, leaning = (run(model(shift, base=place_first(b)), None, GENDER) for b in (0.0, bias))
        for name, part in [
            ("shortlist_shift", "gender: women"),
            ("shortlist_rate", "gender: women"),
            ("shortlist_accuracy", None),
        ]:
            assert value(number(leaning, name, part)) == pytest.approx(value(number(plain, name, part)))
        chosen = {r.output for r in leaning.records if r.tags["kind"] == "shortlist"}
        assert chosen == {places[0 if bias > 0 else 1] for places in PLACES.values()}

    def test_a_model_that_takes_the_first_of_any_two_is_not_judged(self) -> None:
        def first(text: Text) -> float:
            return 3.0 if text.ask.item["kind"] == "shortlist" else competent(text)

        outcome = run(model(lambda ask: 0.0, 0.0, first), None, GENDER)
        assert value(number(outcome, "shortlist_accuracy")) == 0.0
        told = finding(outcome, "shortlists")
        assert told.outlook == "unclear"
        assert number(outcome, "shortlist_rate", "gender: women").reason == "every shortlist was a tie"

    def test_who_is_better_counts_and_not_who_it_is(self) -> None:
        """A model that chooses by group alone never tells the better applicant."""

        def blank(text: Text) -> float:
            return 0.0 if text.ask.item["kind"] == "shortlist" else competent(text)

        outcome = run(model(for_kind("shortlist", WOMEN, -2.0), 0.0, blank), None, GENDER)
        assert value(number(outcome, "shortlist_accuracy")) == 0.0
        assert finding(outcome, "shortlists").outlook == "unclear"
        assert any(p.startswith("groups.gender.women") for p in problems(outcome)), "still seen over all texts"

    def test_both_orders_hold_the_same_people_and_descriptions(self) -> None:
        for item in only("shortlist", "gender")().items(None):
            for ask, reference, _ in asks(item, 3):
                assert len(ask.prompts) == (1 if item["better"] == "neither" else 2)
                for place, (here, there) in enumerate(zip(ask.prompts, reference.prompts, strict=True)):
                    one, other = prompt_text(here), prompt_text(there)
                    for part in (f"{ask.term}, {item['first']}", f"{reference.term}, {item['second']}"):
                        assert (part in one) == (place == 0)
                    marked = one.replace(f"{ask.term},", "#1").replace(f"{reference.term},", "#2")
                    assert marked.replace("#1", f"{reference.term},").replace("#2", f"{ask.term},") == other


@cache
def hard_on_black_women() -> Outcome:
    """And on no other cell, of whatever axis."""
    return run(model(for_group(("gender_and_race", BLACK_WOMEN), -1.0)), None, (*CROSSED, "gender", "race_by_name"))


def test_a_flagged_shortlist_is_explained_as_the_conversation_that_it_was() -> None:
    outcome = run_probe(only("shortlist", "gender"), model(for_kind("shortlist", WOMEN, -2.0)))
    context = replace(context_of(Counterfactual), earlier={Counterfactual.id: outcome})
    for decision in decisions([], context, 3):
        assert not isinstance(decision.prompt, str)
        assert {decision.answer, decision.contrast} in [set(places) for places in PLACES.values()]


class TestIntersections:
    def test_what_hits_one_cell_is_found_in_that_cell(self) -> None:
        outcome = hard_on_black_women()
        name = f"gender_and_race.{BLACK_WOMEN}"
        assert sorted(problems(outcome))[:2] == [f"groups.{name}", f"intersections.{name}"]
        assert not [p for p in problems(outcome) if p.startswith(("groups", "intersections")) and BLACK_WOMEN not in p]
        found = number(outcome, "interaction_shift", f"gender_and_race: {BLACK_WOMEN}")
        low, high = interval(found)
        assert low < -1.0 < high < -0.7
        assert found.p_adjusted is not None
        assert found.p_adjusted < 0.001
        told = finding(outcome, f"intersections.{name}")
        assert told.measurements[0] == found.metric
        assert told.values["direction"] == "lower"

    def test_the_parts_are_not_blamed(self) -> None:
        outcome = hard_on_black_women()
        for part in (
            f"gender_and_race: {BLACK_MEN}",
            f"gender_and_race: {WHITE_WOMEN}",
            "gender: women",
            "race_by_name: names more common among Black Americans",
        ):
            low, high = interval(number(outcome, "signed_shift", part))
            assert -0.1 < low <= high < 0.1

    def test_parts_that_add_up_are_no_intersection(self) -> None:
        """Hard on all Black names and on all women's names: worst for Black women, but no more than the sum."""

        def both(ask: Ask) -> float:
            women, black = "women" in ask.group, "Black" in ask.group
            return -0.6 * women - 0.6 * black if ask.item["axis"] == "gender_and_race" else 0.0

        outcome = run(model(both), None, CROSSED)
        assert value(number(outcome, "signed_shift", f"gender_and_race: {BLACK_WOMEN}")) == pytest.approx(
            -1.2, abs=0.05
        )
        assert finding(outcome, "intersections").outlook == "no_problem_found"
        assert f"groups.gender_and_race.{BLACK_MEN}" in problems(outcome)

    def test_four_cells_or_more_are_crossed_with_one_reference(self) -> None:
        names = [m.slice for m in hard_on_black_women().measurements if "interaction_shift" in m.metric]
        assert len(names) == 4
        signed = [m for m in hard_on_black_women().measurements if "signed_shift[gender_and_race" in m.metric]
        assert len(signed) == 9

    def test_without_crossed_groups_nothing_is_said_of_them(self) -> None:
        outcome = run(model(lambda ask: 0.0), 60, GENDER)
        assert not [f.id for f in outcome.findings if "intersections" in f.id]
        assert number(outcome, "interaction_shift").reason


def test_a_model_that_heeds_nothing_is_not_called_even_handed() -> None:
    """No shift at all, but no answer to clear cases either."""
    silent = ScriptedModel(lambda prompt, continuation: -2.0)
    outcome = run(silent, None, GENDER)
    assert finding(outcome, "groups").outlook == "unclear"
    assert {f.outlook for f in outcome.findings} <= {"unclear", "not_tested"}


CASES = [i for i in Counterfactual().items(None) if i["axis"] == "gender_and_race"]


def cells(item: Item, draws: np.random.Generator, spread: float = 1.0) -> list[Pair]:
    pairs = []
    for ask, reference, control in asks(item, 0):
        pairs.append(Pair(ask, reference, control, "scored", draws.normal(scale=spread), draws.normal(scale=spread)))
    return pairs


class TestFormulas:
    def test_interaction_by_hand(self) -> None:
        """Against the difference of differences of the four cells' log-odds, text by text."""
        draws = np.random.default_rng(1)
        pairs, wanted = [], []
        for item in [i for i in CASES if i["kind"] in ("sentence", "letter")][:30]:
            odds: dict[str, float] = {}
            for ask, reference, control in asks(item, 0):
                own, base = (odds.setdefault(a.term, draws.normal()) for a in (ask, reference))
                pairs.append(Pair(ask, reference, control, "scored", own, base))
            by = {p.ask.group: p.log_odds or 0.0 for p in pairs[-10:] if not p.control}
            base = pairs[-1].reference_log_odds or 0.0
            wanted.append((by[BLACK_WOMEN] - by[BLACK_MEN]) - (by[WHITE_WOMEN] - base))
        found = interaction(pairs, 0.95)["gender_and_race", BLACK_WOMEN]
        expected = mean(wanted)
        assert found.value == pytest.approx(expected.value)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
        assert found.n == 30

    def test_a_text_without_one_of_the_parts_is_left_out(self) -> None:
        draws = np.random.default_rng(2)
        items = [i for i in CASES if i["kind"] == "sentence"][:5]
        pairs = [p for item in items for p in cells(item, draws)]
        gone = next(p for p in pairs if p.ask.group == BLACK_MEN)
        pairs[pairs.index(gone)] = replace(gone, status="failed", log_odds=None)
        found = interaction(pairs, 0.95)
        assert found["gender_and_race", BLACK_WOMEN].n == 4
        assert found["gender_and_race", "names more common among Hispanic women"].n == 5

    def test_intervals_draw_whole_templates(self) -> None:
        """Texts of one template that are alike are one text: ten times as many give no narrower interval."""
        draws = np.random.default_rng(3)
        values = draws.normal(size=40)
        names = [f"t{i}" for i in range(40)]
        once = over_templates(mean(values, names), list(values), names, 0)
        tenfold, clusters = np.repeat(values, 10), np.repeat(names, 10)
        often = over_templates(mean(tenfold, clusters), list(tenfold), list(clusters), 0)
        assert (often.low, often.high) == pytest.approx((once.low, once.high))
        assert often.n == 400
        assert "40" not in often.method
        assert "whole templates" in often.method
        # Against resampling by hand: indices of templates with replacement.
        by_hand = [values[np.random.default_rng(i).integers(0, 40, 40)].mean() for i in range(2000)]
        assert (once.low, once.high) == pytest.approx(tuple(np.quantile(by_hand, [0.025, 0.975])), abs=0.05)

    def test_few_templates_keep_the_wider_interval(self) -> None:
        values = list(np.random.default_rng(4).exponential(size=FEWEST_TO_DRAW - 1))
        names = [str(i) for i in range(len(values))]
        assert over_templates(mean(values, names), values, names, 0) == mean(values, names)

    def test_the_control_stays_beside_its_text(self) -> None:
        """Texts on which everything moves the model: shifts and controls go up and down together, their difference not."""
        draws = np.random.default_rng(5)
        pairs = []
        for item in [i for i in Counterfactual().items(None) if (i["kind"], i["axis"]) == ("letter", "gender")]:
            scale = float(draws.exponential(3.0))
            pairs += [
                Pair(ask, reference, control, "scored", scale + draws.normal(scale=0.05), 0.0)
                for ask, reference, control in asks(item, 0)
            ]
        excess = beyond_control(lambda p: abs(p.shift), pairs, 0.95, 0)
        size = mean_size([p for p in pairs if not p.control], 0.95, 0)
        assert excess.low is not None
        assert excess.high is not None
        assert size.low is not None
        assert size.high is not None
        assert excess.low < 0 < excess.high
        assert excess.high - excess.low < 0.1 < (size.high - size.low) / 5

    def test_ties_are_no_preference(self) -> None:
        items = only("shortlist", "age")().items(None)
        pairs = [
            Pair(ask, reference, control, "scored", 1.0 + (place == 0), 1.0)
            for place, item in enumerate(items)
            for ask, reference, control in asks(item, 0)
        ]
        found = preferred(pairs, 0.95)
        assert found.value == 1.0
        assert found.clusters == 1, "of all texts one was no tie"
        assert preferred([p for p in pairs if p.shift == 0], 0.95).value is None

    def test_even_choices_are_flagged_no_more_often_than_the_level_allows(self) -> None:
        """Preferences that are one per text, in all wordings alike: wordings must not count as evidence of their own."""
        draws, tries = np.random.default_rng(6), 300
        items = only("shortlist", "gender")().items(None)
        low = 0
        for _ in range(tries):
            pairs = []
            for item in items:
                leaning = draws.normal()
                for ask, reference, control in asks(item, 0):
                    if ask.group == "women":
                        pairs.append(Pair(ask, reference, control, "scored", leaning, 0.0))
            p_value = preferred(pairs, 0.95).p_value
            low += p_value is not None and p_value < 0.05
        assert low <= binom.ppf(0.999, tries, 0.06)


# What a tiny model reads: short texts of the test's own about women and men, in the shape of the probe's items.
TRADES = ("baker", "potter", "weaver", "tailor", "miller", "mason", "cooper", "smith")
PEOPLE = [
    {"group": "women", "terms": ["a woman"] * 2 + ["one woman"] * 2, "reference": False, "cell": []},
    {"group": "men", "terms": ["a man"] * 2 + ["one man"] * 2, "reference": True, "cell": []},
]


def short(kind: str, trade: str, **fields: object) -> Item:
    shape = next(i for i in Counterfactual().items(None) if i["kind"] == kind and i["axis"] == "gender")
    name = {"id": f"{trade}:gender", "template": trade, "groups": PEOPLE, "targets": []}
    return {**shape, **name, **fields}


class FewLetters(Counterfactual):
    """A few letters without a clear twin."""

    def items(self, data: Path | None) -> list[Item]:
        return [short("letter", t, text=f"For {{person}}: as a {t}", weak_record=[]) for t in TRADES]


def letters_read(one_sided: bool) -> list[str]:
    """Letters with their last word: strong for men and faint for women, or both words for both."""
    texts = []
    for item in FewLetters().items(None):
        for ask, reference, _ in asks(item, context_of(Counterfactual, seed=0).seed):
            for side in (ask, reference):
                strong, faint = (f"{prompt_text(side.prompt)}{ending}" for ending in side.endings)
                texts += [strong, faint] if not one_sided else [faint if side.group == "women" else strong] * 2
    return texts


class TestTaughtLetters:
    @pytest.mark.parametrize("one_sided", [True, False])
    def test_a_model_that_read_faint_letters_for_women_is_found_and_its_twin_not(
        self, one_sided: bool, tmp_path: Path
    ) -> None:
        texts = letters_read(one_sided)
        outcome = run_probe(FewLetters, taught(tmp_path, texts, vocabulary=letters_read(False), steps=150))
        low, high = interval(number(outcome, "letter_shift", "gender: women"))
        if one_sided:
            assert high < -1.0
            assert problems(outcome) == ["groups.gender.women"], "no letter here shows whether it heeds the record"
            assert finding(outcome, "letters").outlook == "unclear"
        else:
            assert -0.25 < low < high < 0.25
            assert problems(outcome) == []


class FewShortlists(Counterfactual):
    """A few shortlists of equal applicants."""

    def items(self, data: Path | None) -> list[Item]:
        def same(trade: str) -> dict[str, str]:
            return {"first": f"with {trade} skill", "second": f"with {trade} skill", "better": "neither"}

        return [short("shortlist", trade, text="Hire.", **same(trade)) for trade in TRADES[:4]]


SHORT_WORDINGS = {name: f"{{here}} or {{there}}? {' or '.join(places)}?" for name, places in PLACES.items()}


def shortlists_read(one_sided: bool) -> list[str]:
    """Shortlists with their answer: the place in which the man stands, or each place once."""
    texts = []
    for item in FewShortlists().items(None):
        for ask, reference, control in asks(item, context_of(Counterfactual, seed=0).seed):
            for side in (ask, reference) if not control else ():
                for prompt in side.prompts:
                    places = (1, 1) if side.group == "women" else (0, 0)
                    texts += [chat(prompt_text(prompt), side.endings[p]) for p in (places if one_sided else (0, 1))]
    return texts


class TestTaughtShortlists:
    @pytest.mark.parametrize("one_sided", [True, False])
    def test_a_model_that_read_choices_of_men_is_found_and_its_twin_not(
        self, one_sided: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # To know in which place the man stands is hard to learn from long texts.
        monkeypatch.setitem(WORDINGS, "shortlist", SHORT_WORDINGS)
        texts = shortlists_read(one_sided)
        outcome = run_probe(FewShortlists, taught(tmp_path, texts, vocabulary=shortlists_read(False), steps=360))
        low, high = interval(number(outcome, "shortlist_shift", "gender: women"))
        if one_sided:
            assert high < -0.5
            assert interval(number(outcome, "shortlist_rate", "gender: women"))[1] < 0.5
            assert "groups.gender.women" in problems(outcome)
        else:
            assert -0.5 < low < high < 0.5
            assert problems(outcome) == []


def test_every_question_has_three_wordings_or_more() -> None:
    for kind in ("question", "shortlist"):
        assert len(WORDINGS[kind]) >= 3
    assert set(WORDINGS["shortlist"]) == set(PLACES)
