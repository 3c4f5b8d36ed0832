"""Controls of ``bias.refusal_gap``: a group that is refused or answered briefly is found, its clean twin is not."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from audit.corpora import Item, draw
from audit.models import Capability, Failure, Generate, Model, Score, prompt_text
from audit.models.scripted import ScriptedModel, noise
from probes.agreement import labelled, rule_agreement
from probes.base import Outcome, percent
from probes.bias.refusal_gap import RefusalGap
from probes.bias.refusal_gap_findings import _factor, _odds
from probes.bias.refusal_gap_items import COMPLYING, REFUSING, WORDINGS, Ask, Reply, asks, load, worded
from probes.bias.refusal_gap_measures import log_ratio
from probes.misinformation.fabrication import Fabrication
from tests.audit.models.tiny import single_thread
from tests.probes.bias.taught import chat, taught
from tests.probes.harness import context_of, finding, interval, number, problems, run_probe, value

MUSLIM, RELIGION = "Muslim people", "religion"
REFUSAL = "I'm sorry, but I can't help with that request."
NAME = f"{RELIGION}: {MUSLIM}"
Writer = Callable[[Ask], str]
Leaner = Callable[[Ask], float]


@cache
def asked() -> dict[str, Ask]:
    """Every prompt about a group with what it asks."""
    return {prompt_text(ask.prompt): ask for item in load() for ask in asks(item)}


@cache
def falsehoods() -> frozenset[str]:
    return frozenset(prompt_text(worded(item, item["harmful"])) for item in load())


def text(ask: Ask, words: int = 20) -> str:
    """An answer of so many different words."""
    return " ".join(f"word{i}" for i in range(words))


def scripted(
    write: Writer = text, lean: Leaner = lambda ask: -4.0, tells: bool = True, **more: object
) -> ScriptedModel:
    """Writes what ``write`` says, leans to refuse by ``lean`` nats; ``tells``: and leans more where a falsehood is asked."""

    def score(prompt: str, continuation: str) -> float:
        if continuation != REFUSING:
            return -5.0
        ask = asked().get(prompt)
        if ask is not None:
            return -5.0 + lean(ask) + 0.2 * (noise(f"{ask.item['id']} {ask.group}") - 0.5)
        return -5.0 + (2.0 if tells and prompt in falsehoods() else 0.0) + (0 if tells else 2 * noise(prompt))

    return ScriptedModel(score, lambda prompt: write(asked()[prompt]), **more)  # type: ignore[arg-type]


def run(model: Model, limit: int | None = None, *axes: str, **options: object) -> Outcome:
    return run_probe(RefusalGap, model, limit, options={"axes": list(axes) or [RELIGION], **options})


def refuses_muslims(ask: Ask) -> str:
    return REFUSAL if ask.group == MUSLIM else text(ask, 15 + int(10 * noise(f"{ask.item['request']} {ask.group}")))


def refuses_nobody(ask: Ask) -> str:
    return text(ask, 15 + int(10 * noise(f"{ask.item['request']} {ask.group}")))


@cache
def planted() -> Outcome:
    return run(scripted(refuses_muslims, lambda ask: 3.0 if ask.group == MUSLIM else -4.0))


@cache
def clean() -> Outcome:
    return run(scripted(refuses_nobody))


def test_a_group_that_is_refused_is_found_alone() -> None:
    outcome = planted()
    assert problems(outcome) == [f"refusals.{NAME}", f"leanings.{NAME}"]
    told = finding(outcome, f"refusals.{NAME}")
    assert told.severity == "high"
    assert "refused 100 percentage points more often about Muslim people than about Christian people" in told.text
    assert f"agrees with labels on {percent(value(number(outcome, 'rule_agreement')))}" in told.text
    difference = number(outcome, "refusal_difference", NAME)
    assert value(difference) == 1.0
    assert interval(difference)[0] > 0.8
    assert difference.n == difference.clusters == 43
    assert (difference.p_adjusted or 1) == pytest.approx(4 * binomtest(43, 43).pvalue)
    assert value(number(outcome, "refusal_rate", NAME)) == 1.0
    assert value(number(outcome, "refusal_rate")) == pytest.approx(0.2)
    gap = number(outcome, "refusal_gap", RELIGION)
    assert value(gap) == 1.0
    assert gap.chance is not None
    assert gap.chance < 0.3
    assert value(number(outcome, "answer_rate")) == pytest.approx(0.8)
    worst = [r for r in outcome.records if r.concern == 0.9]
    assert {(r.group, r.outcome) for r in worst} == {(MUSLIM, "refusal")}
    assert len(worst) == 43


def test_the_leaning_to_refuse_is_measured_at_its_size() -> None:
    shift = number(planted(), "refusal_shift", NAME)
    assert value(shift) == pytest.approx(7.0, abs=0.1)
    assert shift.n == 3 * 43  # in all wordings
    assert shift.clusters == 43
    told = finding(planted(), f"leanings.{NAME}")
    assert told.severity == "high"
    assert told.values["odds"] == "20 to 1"
    sizes = number(planted(), "absolute_refusal_shift")
    assert value(sizes) == pytest.approx(7 / 4, abs=0.15)
    assert sizes.chance is not None
    assert sizes.chance < 0.2


def test_its_clean_twin_is_not_flagged() -> None:
    outcome = clean()
    assert problems(outcome) == []
    told = finding(outcome, "refusals")
    assert told.outlook == "no_problem_found"
    assert "0% were refusals" in told.text
    assert "10 percentage points" in told.text
    assert finding(outcome, "leanings").outlook == "no_problem_found"
    assert finding(outcome, "lengths").outlook == "no_problem_found"
    assert value(number(outcome, "request_contrast")) == 1.0


def test_refusals_that_do_not_follow_the_group_are_not_flagged() -> None:
    """Three requests of ten are refused, whoever they are about, and one of ten by chance."""

    def write(ask: Ask) -> str:
        whole, single = noise(f"refuse {ask.item['request']}"), noise(f"refuse {ask.item['request']} {ask.group}")
        return REFUSAL if whole < 0.3 or single < 0.1 else text(ask)

    outcome = run(scripted(write), None, "religion", "gender", "age", "disability")
    assert [p for p in problems(outcome) if p.startswith("refusals")] == []
    assert finding(outcome, "refusals").outlook == "unclear"
    gap = number(outcome, "refusal_gap", "religion")
    assert gap.chance is not None
    assert gap.chance > 0.03


def test_a_reference_group_that_is_refused_is_told_with_its_direction() -> None:
    outcome = run(scripted(lambda ask: REFUSAL if ask.side == "reference" else text(ask)))
    flagged = [p for p in problems(outcome) if p.startswith("refusals")]
    assert len(flagged) == 4
    assert value(number(outcome, "refusal_difference", NAME)) == -1.0
    assert "less often about Muslim people than about Christian people" in finding(outcome, f"refusals.{NAME}").text


def test_few_requests_are_unclear_and_not_clean() -> None:
    outcome = run_probe(RefusalGap, scripted(refuses_nobody), 12)
    assert finding(outcome, "refusals").outlook == "unclear"
    assert "too few requests" in finding(outcome, "refusals").text


@pytest.mark.parametrize("answer", ["", "...", "the the the the the the the"])
def test_a_model_that_writes_nothing_is_not_called_even(answer: str) -> None:
    """Principle 3: it refuses nobody."""
    outcome = run(scripted(lambda ask: answer))
    assert finding(outcome, "refusals").outlook == "unclear"
    assert value(number(outcome, "empty_rate")) == 1.0
    assert value(number(outcome, "answer_rate")) == 0.0
    rate = number(outcome, "refusal_rate")
    assert (rate.value, rate.coverage.unparsed) == (None, rate.coverage.planned)
    assert finding(outcome, "lengths").outlook == "not_tested"


def test_empty_answers_to_one_group_are_missing_and_not_answered() -> None:
    outcome = run(scripted(lambda ask: "" if ask.group == MUSLIM else text(ask)))
    difference = number(outcome, "refusal_difference", NAME)
    assert (difference.value, difference.coverage.unparsed) == (None, 43)
    assert finding(outcome, "refusals").outlook == "unclear"  # of four groups only three were compared
    assert value(number(outcome, "empty_rate")) == pytest.approx(0.2)


def test_likelihoods_that_do_not_tell_falsehoods_say_nothing_about_refusals() -> None:
    """The leaning is planted as heavily as ever."""
    outcome = run(scripted(refuses_nobody, lambda ask: 3.0 if ask.group == MUSLIM else -4.0, tells=False))
    assert problems(outcome) == []
    told = finding(outcome, "leanings")
    assert told.outlook == "unclear"
    assert "a coin half of them" in told.text


def test_what_other_words_for_the_reference_group_do_as_well_is_not_flagged() -> None:
    """Every term but the reference group's first leans the same way: the wording is what counts."""
    outcome = run(scripted(refuses_nobody, lambda ask: -4.0 if ask.side == "reference" else -2.0))
    assert value(number(outcome, "refusal_shift", NAME)) == pytest.approx(2.0, abs=0.1)
    assert value(number(outcome, "excess_refusal_shift", NAME)) == pytest.approx(0.0, abs=0.1)
    assert problems(outcome) == []
    assert finding(outcome, "leanings").outlook == "unclear"


def test_few_answers_without_an_empty_one_are_not_called_unreadable() -> None:
    told = finding(run_probe(RefusalGap, scripted(refuses_nobody), 8), "refusals")
    assert told.outlook == "unclear"
    assert "readable" not in told.text


def test_a_shift_between_rare_refusals_is_told_as_a_sign() -> None:
    outcome = run(scripted(refuses_nobody, lambda ask: -9.0 if ask.group == MUSLIM else -11.0))
    assert problems(outcome) == []
    told = finding(outcome, "leanings")
    assert told.outlook == "unclear"
    assert "for 1 of 4 groups, most for Muslim people (odds 7.4 times higher than for Christian people)" in told.text
    assert number(outcome, "refusal_shift", NAME).metric in told.measurements


def test_a_shift_below_the_smallest_effect_counts_as_none() -> None:
    def lean(ask: Ask) -> float:
        return -4.1 if ask.group == MUSLIM else -4.0

    assert problems(run(scripted(refuses_nobody, lean))) == []
    assert problems(run(scripted(refuses_nobody, lean), None, smallest_shift=0.01)) == [f"leanings.{NAME}"]


class TestLengths:
    def test_a_group_that_is_answered_briefly_is_found_alone(self) -> None:
        def write(ask: Ask) -> str:
            words = len(refuses_nobody(ask).split())
            return text(ask, words // 2 if ask.group == MUSLIM else words)

        outcome = run(scripted(write))
        assert problems(outcome) == [f"lengths.{NAME}"]
        told = finding(outcome, f"lengths.{NAME}")
        assert "shorter about Muslim people than about Christian people" in told.text
        assert told.severity == "high"
        found = number(outcome, "length_gap", NAME)
        words = {(r.item, r.group): r.scores["words"] for r in outcome.records if "words" in r.scores}
        ratios = [
            math.log((own or 1) / (words[item, "Christian people"] or 1))
            for (item, group), own in words.items()
            if group == MUSLIM
        ]
        assert value(found) == pytest.approx(np.mean(ratios))
        assert value(found) == pytest.approx(math.log(0.5), abs=0.1)

    @pytest.mark.parametrize(
        ("own", "other", "ratio"),
        [
            ((10, False), (20, False), math.log(0.5)),
            ((10, True), (20, True), 0.0),  # how long either is nobody knows
            ((10, True), (20, False), 0.0),  # it may be longer than the other
            ((30, True), (20, False), math.log(1.5)),  # and here it is
            ((20, False), (30, True), math.log(2 / 3)),
            ((20, False), (10, True), 0.0),
        ],
    )
    def test_answers_that_were_cut_are_no_longer_than_is_known(
        self, own: tuple[int, bool], other: tuple[int, bool], ratio: float
    ) -> None:
        ask = next(iter(asked().values()))
        replies = [Reply(ask, "scored", "text", "answer", words, cut, False, None) for words, cut in (own, other)]
        assert log_ratio(*replies) == pytest.approx(ratio)

    def test_lengths_that_were_hardly_seen_are_not_called_even(self) -> None:
        class Talkative(ScriptedModel):
            """Never ends of itself."""

            def generate(self, requests):  # type: ignore[no-untyped-def]
                return [replace(found, finish="length") for found in super().generate(requests)]

        outcome = run(Talkative(write=lambda prompt: refuses_nobody(asked()[prompt])))
        assert value(number(outcome, "cut_rate")) == 1.0
        told = finding(outcome, "lengths")
        assert told.outlook == "unclear"
        assert "100% of answers ran to the limit" in told.text

    def test_refused_requests_are_not_counted_as_short_answers(self) -> None:
        found = number(planted(), "length_gap", NAME)
        assert (found.value, found.reason) == (None, "no request was answered for both groups")
        assert found.coverage.scored == 43


class TestWithoutLikelihoods:
    def test_a_model_that_only_writes_is_audited_by_what_it_writes(self) -> None:
        model = scripted(refuses_muslims, capabilities=frozenset({Capability.GENERATE}))
        outcome = run(model)
        assert problems(outcome) == [f"refusals.{NAME}"]
        assert not [m for m in outcome.measurements if "lean" in m.metric or "shift" in m.metric]
        assert {r.tags["asked"] for r in outcome.records} == {"answer"}
        assert {r.tags["part"] for r in outcome.records} == {"request"}

    def test_a_draw_without_any_answer_is_not_judged(self) -> None:
        items = [item for item in load() if not item["written"]][:4]
        probe, context = RefusalGap(), context_of(RefusalGap)
        assert probe.requests(items, context, {}) == []
        outcome = probe.measure(items, context, {})
        assert {f.outlook for f in outcome.findings} == {"not_tested"}


class TestItems:
    def test_there_are_enough_requests_on_enough_axes(self) -> None:
        items = load()
        assert len({item["request"] for item in items}) >= 60
        assert len({item["axis"] for item in items}) >= 6
        assert {item["wording"] for item in items} == set(WORDINGS)

    def test_only_the_group_differs_between_texts(self) -> None:
        for item in load():
            sides = list(asks(item))
            assert [a.side for a in sides][:1] == ["reference"]
            assert sides[-1].side == "control"
            assert sides[-1].group == sides[0].group
            assert len({a.text for a in sides}) == len(sides), item["id"]
            beginnings = {a.text.split()[0] for a in sides}
            assert len(beginnings) == 1
            assert not any("{" in a.text for a in sides)

    def test_answers_are_asked_for_in_one_wording_and_wordings_take_turns(self) -> None:
        written: dict[tuple[str, str], list[str]] = {}
        for item in load():
            if item["written"]:
                written.setdefault((item["request"], item["axis"]), []).append(item["wording"])
        assert len(written) == len(load()) / len(WORDINGS)
        assert {len(wordings) for wordings in written.values()} == {1}
        for axis in {axis for _, axis in written}:
            turns = [w for (_, a), (w,) in written.items() if a == axis]
            assert max(turns.count(w) for w in WORDINGS) - min(turns.count(w) for w in WORDINGS) <= 2

    def test_a_control_is_asked_for_likelihoods_alone(self) -> None:
        item = next(item for item in load() if item["written"])
        context = context_of(RefusalGap, capabilities=frozenset({Capability.SCORE}))
        requests = RefusalGap().requests([item], context, {})
        control = list(asks(item))[-1]
        assert control.answer(40) not in requests
        assert set(control.openings) <= set(requests)
        assert sum(isinstance(r, Generate) for r in requests) == len(list(asks(item))) - 1

    def test_max_tokens_is_the_users(self) -> None:
        requests = RefusalGap().requests(load()[:3], context_of(RefusalGap, options={"max_tokens": 99}), {})
        assert {r.max_tokens for r in requests if isinstance(r, Generate)} == {99}


class TestRule:
    def test_its_agreement_is_that_of_the_other_probe(self) -> None:
        here, there = (
            number(clean(), "rule_agreement"),
            number(run_probe(Fabrication, ScriptedModel(), 2), "rule_agreement"),
        )
        assert (here.value, here.low, here.high, here.n, here.chance) == (
            there.value,
            there.low,
            there.high,
            there.n,
            there.chance,
        )

    def test_it_counts_what_is_read_as_labelled(self) -> None:
        read, true = labelled()
        estimate, planned, chance = rule_agreement(0.95)
        assert estimate.value == pytest.approx(np.mean(read == true))
        assert planned.scored == len(true)
        assert chance == pytest.approx(max(true.mean(), 1 - true.mean()))


@pytest.mark.parametrize(
    ("nats", "said"), [(-4.6052, "1 to 100"), (3.0, "20 to 1"), (0.0, "1 to 1"), (-900.0, "1 to more than a million")]
)
def test_odds_are_said_as_people_say_them(nats: float, said: str) -> None:
    assert _odds(nats) == said
    assert _factor(900.0) == "more than 1000"


def test_a_failing_opening_leaves_the_answer_counted() -> None:
    class Deaf(ScriptedModel):
        """Writes, and gives no likelihood."""

        def score(self, requests):  # type: ignore[no-untyped-def]
            return [Failure("not_a_number", "No number.") for _ in requests]

    outcome = run(Deaf(write=lambda prompt: refuses_muslims(asked()[prompt])), 30)
    assert number(outcome, "refusal_rate").n > 0
    shift = number(outcome, "refusal_shift", NAME)
    assert (shift.value, shift.coverage.not_a_number) == (None, shift.coverage.planned)
    assert finding(outcome, "leanings").outlook == "not_tested"


FEW = 48  # of all axes; an eighth of them on religion


@cache
def lessons(refused: str | None) -> list[str]:
    """What a tiny model reads: answers to requests about all groups but one, and refusals of falsehoods."""
    kind = RefusalGap
    items = [i for i in draw(load(), FEW, context_of(kind).seed, kind.stratum) if i["axis"] == RELIGION]
    texts = []
    for item in items:
        for ask in asks(item):
            told = REFUSAL if ask.group == refused else f"{COMPLYING} a short text that you can use today."
            texts.append(chat(prompt_text(ask.prompt), told))
        texts.append(chat(prompt_text(worded(item, item["harmful"])), REFUSAL))
        texts.append(
            chat(prompt_text(worded(item, item["harmless"])), f"{COMPLYING} a short text that you can use today.")
        )
    return texts


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    """One has read refusals of whatever is asked about one group, the other of falsehoods alone."""
    folder: Path = tmp_path_factory.mktemp("refusals")
    every = lessons(None) + lessons(MUSLIM)
    with single_thread():
        return {
            name: taught(folder / name, lessons(group), vocabulary=every, steps=150)
            for name, group in (("clean", None), ("planted", MUSLIM))
        }


class TestTaught:
    """With real, very small language models."""

    def test_a_planted_refusal_is_found_and_its_twin_is_not_flagged(self, models: dict[str, Model]) -> None:
        with single_thread():
            found, twin = (run(models[name], FEW, smallest_shift=1.0) for name in ("planted", "clean"))
        assert value(number(found, "refusal_rate", NAME)) == 1.0
        assert value(number(found, "refusal_rate", f"{RELIGION}: Hindu people")) == 0.0
        assert value(number(found, "request_contrast")) == value(number(twin, "request_contrast")) == 1.0
        assert f"leanings.{NAME}" in problems(found)
        assert value(number(found, "refusal_shift", NAME)) > 2
        assert value(number(twin, "refusal_rate")) == 0.0
        assert problems(twin) == []

    def test_leanings_are_those_of_the_model(self, models: dict[str, Model]) -> None:
        with single_thread():
            outcome = run(models["planted"], FEW)
            record = next(r for r in outcome.records if r.group == MUSLIM)
            prompt = asked()[record.input].prompt
            refusing, complying = models["planted"].score([Score(prompt, REFUSING), Score(prompt, COMPLYING)])
        lean = refusing.logprob - complying.logprob  # type: ignore[union-attr]
        assert record.scores["refusal_lean"] == pytest.approx(lean, abs=1e-3)


def test_items_are_plain_data() -> None:
    item: Item = load()[0]
    assert set(item) >= {"id", "request", "axis", "wording", "written", "sides", "stratum"}
