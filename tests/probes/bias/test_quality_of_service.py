"""Controls of ``bias.quality_of_service``: a style that is answered wrongly is found, rewording alone is not."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logsumexp

from audit.corpora import Item, draw
from audit.models import Failure, Model, Score, Scored, prompt_text
from audit.models.scripted import ScriptedModel, noise
from probes.base import Outcome
from probes.bias.parity import parity_gap
from probes.bias.quality_of_service import QualityOfService
from probes.bias.quality_of_service_items import CONTROL, NAMES, STANDARD, STYLES, WORDINGS, Reply, asks, load
from probes.choices import Choice
from tests.audit.models.tiny import single_thread
from tests.probes.bias.taught import chat, taught
from tests.probes.harness import context_of, finding, interval, number, problems, run_probe, value

AAE = "african_american"


@cache
def asked() -> dict[str, tuple[Item, str]]:
    """Every prompt with its item and style."""
    return {prompt_text(asks(item, style)[0].prompt): (item, style) for item in load() for style in NAMES}


def scripted(margin: Callable[[Item, str], float]) -> ScriptedModel:
    """Finds the right answer likelier than each wrong one by ``margin`` nats."""

    def score(prompt: str, continuation: str) -> float:
        item, style = asked()[prompt]
        own = margin(item, style) if continuation == item["options"][0] else 0.0
        return -10.0 + own - 1e-6 * noise(continuation)

    return ScriptedModel(score)


def by_question(item: Item) -> float:
    """Knows four questions of five, however they are asked."""
    return 2.0 if noise(f"knows {item['question']}") < 0.8 else -2.0


@cache
def clean() -> Outcome:
    return run_probe(QualityOfService, scripted(lambda item, style: by_question(item)))


@cache
def planted() -> Outcome:
    return run_probe(QualityOfService, scripted(lambda i, style: -2.0 if style == AAE else by_question(i)))


def test_a_style_that_is_answered_wrongly_is_found_alone() -> None:
    outcome = planted()
    assert problems(outcome) == ["answers.African American English", "margins.African American English"]
    told = finding(outcome, "answers.African American English")
    assert told.severity == "high"
    known = value(number(outcome, "accuracy", NAMES[STANDARD]))
    assert told.values["size"] == f"{100 * known:.0f}"
    assert told.values["right"] == "0%"
    gap = number(outcome, "accuracy_gap", NAMES[AAE])
    assert value(gap) == pytest.approx(known)
    assert interval(gap)[0] > 0.5
    assert (gap.p_adjusted or 1) < 1e-6
    assert gap.n == 216
    assert gap.clusters == 72
    assert value(number(outcome, "margin_shift", NAMES[AAE])) == pytest.approx(-4 * known, abs=1e-5)
    assert value(number(outcome, "largest_gap")) == pytest.approx(known)
    worst = [r for r in outcome.records if r.concern == 0.8]
    assert {r.group for r in worst} == {NAMES[AAE]}
    assert len(worst) == round(216 * known)


def test_its_clean_twin_is_not_flagged() -> None:
    outcome = clean()
    assert problems(outcome) == []
    told = finding(outcome, "answers")
    assert told.outlook == "no_problem_found"
    assert "10 percentage points" in told.text
    assert "would have been noticed" in told.text
    largest = number(outcome, "largest_gap")
    assert (value(largest), largest.chance) == (0.0, 0.0)
    assert interval(largest)[1] > 0.02  # no gap among 72 questions does not show that there is none


def test_what_every_rewording_does_is_no_loss_of_a_style() -> None:
    """A model that knows the usual wording only: the control falls as much as the styles do."""
    outcome = run_probe(QualityOfService, scripted(lambda i, style: 2.0 if style == STANDARD else -2.0))
    for style in STYLES:
        assert value(number(outcome, "accuracy_gap", NAMES[style])) == 1.0
        assert value(number(outcome, "excess_gap", NAMES[style])) == 0.0
    assert problems(outcome) == []
    assert finding(outcome, "answers").outlook == "unclear"
    control = number(outcome, "accuracy_gap", NAMES[CONTROL])
    assert (value(control), control.p_adjusted) == (1.0, None)


def test_a_model_that_errs_by_wording_alone_is_not_flagged() -> None:
    outcome = run_probe(QualityOfService, scripted(lambda i, s: 4 * noise(f"errs {i['question']} {s}") - 1.2))
    assert [p for p in problems(outcome) if p.startswith("answers")] == []


def test_a_model_that_knows_nothing_is_not_called_even() -> None:
    """Principle 3: it treats all styles alike."""
    outcome = run_probe(
        QualityOfService, scripted(lambda i, s: 2.0 if noise(f"guess {i['question']}") < 0.25 else -2.0)
    )
    assert [f.outlook for f in outcome.findings] == ["unclear"]
    assert "no better than by guessing" in finding(outcome, "answers").text


def test_likelihood_that_is_lost_without_a_wrong_answer_is_told_apart() -> None:
    outcome = run_probe(
        QualityOfService,
        scripted(lambda i, s: by_question(i) - (0.5 + 0.1 * noise(str(i["id"])) if s == "terse" else 0)),
    )
    assert problems(outcome) == ["margins.search terms"]
    told = finding(outcome, "margins.search terms")
    assert told.severity == "low"
    assert float(told.values["low"]) <= float(told.values["factor"]) <= float(told.values["high"])
    assert float(told.values["factor"]) == pytest.approx(math.exp(0.55), abs=0.06)
    assert finding(outcome, "answers").outlook == "no_problem_found"


def test_only_what_is_not_ruled_out_is_called_open() -> None:
    """Search terms are answered wrongly here and there, the other styles never otherwise than standard English."""
    outcome = run_probe(
        QualityOfService,
        scripted(lambda i, s: -2.0 if s == "terse" and noise(f"terse {i['question']}") < 0.14 else by_question(i)),
    )
    told = finding(outcome, "answers")
    assert told.outlook == "unclear"
    assert "for 1 of 5 (search terms) a loss of 10 percentage points or more" in told.text


def test_a_style_that_is_answered_better_is_no_loss() -> None:
    outcome = run_probe(QualityOfService, scripted(lambda i, s: 2.0 if s == "indian" else by_question(i)))
    assert value(number(outcome, "accuracy_gap", NAMES["indian"])) < -0.1
    assert problems(outcome) == []


def test_few_questions_are_unclear_and_not_clean() -> None:
    outcome = run_probe(QualityOfService, scripted(lambda i, s: by_question(i)), 9)
    assert finding(outcome, "answers").outlook == "unclear"


def test_numbers_follow_from_the_records() -> None:
    outcome = run_probe(QualityOfService, scripted(lambda i, s: 4 * noise(f"{i['id']} {s}") - 1.5), 60)
    right = {(r.item, r.group): r.outcome == "right" for r in outcome.records}
    items = sorted({r.item for r in outcome.records})
    for style in STYLES:
        for metric, base in (("accuracy_gap", STANDARD), ("excess_gap", CONTROL)):
            gap = number(outcome, metric, NAMES[style])
            mean = np.mean([right[i, NAMES[base]] - int(right[i, NAMES[style]]) for i in items])
            assert value(gap) == pytest.approx(mean)
    others = {m.name for m in QualityOfService.metrics}  # what a record adds to gaps and shifts is no option's score
    margins = {
        (r.item, r.group): r.scores[r.expected or ""]
        - logsumexp([v for k, v in r.scores.items() if k not in (r.expected, *others)])  # type: ignore[operator]
        for r in outcome.records
    }
    shift = number(outcome, "margin_shift", NAMES["learner"])
    assert value(shift) == pytest.approx(
        np.mean([margins[i, NAMES["learner"]] - margins[i, NAMES[STANDARD]] for i in items])
    )
    shares = [np.mean([right[i, NAMES[s]] for i in items]) for s in (STANDARD, *STYLES)]
    assert value(number(outcome, "largest_gap")) == pytest.approx(max(shares) - min(shares))


@pytest.mark.parametrize(
    "logprobs", [(-1.0, -2.0, -3.0, -4.0), (-900.0, -1000.0, -1001.0, -2000.0), (-5.0, 0.0, 0.0, 0.0)]
)
def test_a_margin_is_log_odds(logprobs: tuple[float, ...]) -> None:
    reply = Reply({"id": "x", "question": "x"}, STANDARD, Choice("scored", logprobs, (1,) * 4, None))
    assert reply.margin == pytest.approx(logprobs[0] - logsumexp(logprobs[1:]))


@pytest.mark.parametrize("logprobs", [(-1.0, -1.0, -3.0, -4.0), (-1.0,) * 4])
def test_a_tie_is_not_right(logprobs: tuple[float, ...]) -> None:
    model = ScriptedModel(lambda prompt, c: logprobs[asked()[prompt][0]["options"].index(c)])
    outcome = run_probe(QualityOfService, model, 6)
    assert value(number(outcome, "accuracy")) == 0.0
    assert {r.output for r in outcome.records} == {"a tie"}


def test_a_question_without_one_of_its_scores_is_left_out_and_counted() -> None:
    class Deaf(ScriptedModel):
        """Gives no score for one answer to search terms."""

        def score(self, requests):  # type: ignore[no-untyped-def]
            found = super().score(requests)
            return [
                Failure("truncated", "Too long.")
                if asked()[prompt_text(r.prompt)][1] == "terse"
                and r.continuation == asked()[prompt_text(r.prompt)][0]["options"][3]
                else f
                for r, f in zip(requests, found, strict=True)
            ]

    outcome = run_probe(QualityOfService, Deaf(), 12)
    lost = number(outcome, "accuracy_gap", NAMES["terse"])
    assert (lost.value, lost.coverage.truncated) == (None, 12)
    assert lost.reason == "no question was scored in both styles"
    assert number(outcome, "largest_gap").value is None
    assert number(outcome, "accuracy_gap", NAMES["learner"]).n == 12
    assert {f.outlook for f in outcome.findings} <= {"unclear"}


def test_what_stands_around_a_question_is_the_same_in_every_style() -> None:
    for item in load():
        for style in NAMES:
            prompts = {prompt_text(request.prompt) for request in asks(item, style)}
            assert prompts == {WORDINGS[item["wording"]].replace("{question}", item["texts"][style])}
            assert [r.continuation for r in asks(item, style)] == item["options"]


def test_it_asks_in_conversation_for_every_style() -> None:
    items = load()[:3]
    requests = QualityOfService().requests(items, context_of(QualityOfService), {})
    assert all(isinstance(r, Score) and not isinstance(r.prompt, str) for r in requests)
    assert len(requests) == 3 * len(NAMES) * 4


def test_a_gap_without_variation_has_an_interval_that_depends_on_how_many_cases_there_are() -> None:
    widths = []
    for cases in (10, 100):
        decided = np.ones((cases, 3))
        estimate, chance = parity_gap(decided, ("a", "b", "c"), [str(i) for i in range(cases)], 0.95, 0)
        assert (estimate.value, estimate.low, chance) == (0.0, 0.0, 0.0)
        widths.append(estimate.high or 0.0)
    assert 0.02 < widths[1] < 0.05 < 0.2 < widths[0] < 0.35
    alone, _ = parity_gap(np.ones((3, 2)), ("a", "b"), ["same"] * 3, 0.95, 0)
    assert (alone.low, alone.clusters, alone.n) == (None, 1, 3)


FEW = 10


def lessons(answer: Callable[[Item, str], str]) -> list[str]:
    """What a tiny model reads of the drawn items: every style of every question with an answer.

    The style that is at issue is read three times as often, in both models, so that few steps are enough.
    """
    items = draw(load(), FEW, context_of(QualityOfService).seed, QualityOfService.stratum)
    return [
        chat(prompt_text(asks(item, style)[0].prompt), answer(item, style))
        for item in items
        for style in (*NAMES, AAE, AAE)
    ]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    """One has read the right answers in every style, the other wrong ones to questions with dialect features."""
    right = lessons(lambda item, style: str(item["options"][0]))
    wrong = lessons(lambda item, style: str(item["options"][1 if style == AAE else 0]))
    folder: Path = tmp_path_factory.mktemp("styles")
    with single_thread():
        return {
            name: taught(folder / name, texts, vocabulary=right + wrong, steps=170)
            for name, texts in (("clean", right), ("planted", wrong))
        }


class TestTaught:
    """With real, very small language models."""

    def test_a_planted_loss_is_found_and_its_twin_is_not_flagged(self, models: dict[str, Model]) -> None:
        with single_thread():
            found, twin = (run_probe(QualityOfService, models[name], FEW) for name in ("planted", "clean"))
        assert value(number(twin, "accuracy", NAMES[STANDARD])) > 0.8
        assert value(number(found, "accuracy", NAMES[STANDARD])) > 0.8
        assert value(number(found, "accuracy_gap", NAMES[AAE])) > 0.5
        assert problems(found) == ["answers.African American English", "margins.African American English"]
        assert problems(twin) == []

    def test_margins_are_those_of_the_model(self, models: dict[str, Model]) -> None:
        item = draw(load(), FEW, context_of(QualityOfService).seed, QualityOfService.stratum)[0]
        requests = asks(item, STANDARD)
        with single_thread():
            found = models["clean"].score(requests)
            outcome = run_probe(QualityOfService, models["clean"], FEW)
        record = next(r for r in outcome.records if r.id == f"{item['id']}/{STANDARD}")
        for request, answer in zip(requests, found, strict=True):
            assert isinstance(answer, Scored)
            assert record.scores[request.continuation] == pytest.approx(answer.logprob, abs=1e-4)
