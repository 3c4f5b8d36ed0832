"""The verdict rule of ``explainability.attribution``, its checks, and which decisions and methods it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from pydantic import ValidationError

from audit.models import Ablate, Ablated, Attribute, Attributed, Capability, Failure, Method
from audit.models.scripted import ALL, ScriptedModel, noise
from audit.results import Asked, Finding, Measurement, Record
from probes.base import Outcome
from probes.explainability import attribution_measures as measures
from probes.explainability.attribution import Attribution, AttributionOptions
from probes.explainability.attribution_findings import Judged, Verdict, faithfulness_finding, judged, methods_finding
from probes.explainability.attribution_measures import Explained, aligned
from probes.explainability.attribution_requests import Rule, diverged, kept_sets, plan_of, random_orders, unit_of
from probes.explainability.decisions import Decision
from tests.probes.explainability.test_attribution import OPEN, by_evidence, evidence
from tests.probes.harness import context_of, finding, interval, number, run_probe, value

ALL_METHODS = ["shapley_sampling", "kernel_shap", "lime", "saliency", "input_x_gradient", "integrated_gradients"]


@cache
def compared() -> Outcome:
    options = {"methods": ALL_METHODS, "checked": 10, "compared": 40}
    return run_probe(Attribution, ScriptedModel(by_evidence, capabilities=OPEN), 40, options, suite="standard")


def verdicts(outcome: Outcome) -> set[str]:
    return {r.detail["verdict"] for r in outcome.records if r.detail}


def test_a_faithful_model_is_supported_and_told_with_its_ratio() -> None:
    outcome = compared()
    assert verdicts(outcome) == {"supported"}
    told = finding(outcome, "faithfulness")
    assert told.outlook == "no_problem_found"
    assert "times as much as hiding the same number of random words" in told.text
    assert float(told.values["lo"]) > 1
    assert float(told.values["lo"]) <= float(told.values["ratio"]) <= float(told.values["hi"])
    assert float(told.values["smallest"]) < value(number(outcome, "gain_over_random"))


def test_every_method_is_measured_in_its_slice() -> None:
    outcome = compared()
    each = finding(outcome, "methods").values["each"]
    for method in ALL_METHODS:
        gain = number(outcome, "gain_over_random", method)
        assert gain.n == 40
        assert gain.adjustment == "holm"
        assert gain.p_adjusted is not None
        assert gain.p_value is not None
        assert gain.p_adjusted >= gain.p_value
        assert interval(gain)[0] > 0
        assert value(number(outcome, "agreement", method)) > 0
    assert each.count("supported") == 7
    names = {m.metric.removeprefix(f"{m.probe}.") for m in outcome.measurements}
    assert {n for n in names if n.startswith("completeness_error")} == {
        f"completeness_error[{m}]" for m in ("shapley_sampling", "kernel_shap", "integrated_gradients")
    }
    # Norms of gradients have no sign, so that signs and sums say nothing of them.
    assert not names & {"infidelity[saliency]", "polarity_violations[saliency]", "polarity_violations"}


def test_checks_of_a_faithful_model() -> None:
    outcome = compared()
    drop = number(outcome, "randomisation_drop")
    assert drop.n == 10
    assert value(drop) > 0.6
    assert drop.chance == pytest.approx(1.0, abs=0.3)
    assert value(number(outcome, "normalised_comprehensiveness")) > 0.9
    errors = number(outcome, "infidelity")
    assert errors.chance is not None
    assert value(errors) < 0.1 * errors.chance
    assert value(number(outcome, "completeness_error", "shapley_sampling")) < 1e-9
    assert value(number(outcome, "polarity_violations", "shapley_sampling")) < 0.25
    swap = number(outcome, "target_swap")
    assert value(swap) < 0.5
    for name in ("auprc", "f1", "iou"):
        found = number(outcome, f"evidence_{name}")
        assert found.chance is not None
        assert interval(found)[0] > found.chance + 0.2


class Stubborn(ScriptedModel):
    """Sound in what it deletes, but its explanations are those of the trained model whatever is shuffled."""

    def __init__(self) -> None:
        super().__init__(by_evidence, capabilities=OPEN)

    def attribute(self, requests: Sequence[Attribute]) -> list[Attributed | Failure]:
        return super().attribute([replace(r, randomised=0.0) for r in requests])


def test_an_explanation_that_does_not_depend_on_the_weights_is_weak() -> None:
    outcome = run_probe(Attribution, Stubborn(), 40)
    assert value(number(outcome, "randomisation_drop")) == pytest.approx(0.0)
    assert verdicts(outcome) == {"weak"}
    told = finding(outcome, "faithfulness")
    assert told.outlook == "unclear"
    assert "shuffled" in told.text
    free = run_probe(Attribution, Stubborn(), 40, {"rule": {"randomisation": False}})
    assert verdicts(free) == {"supported"}


def test_the_chance_of_sampling_is_no_sign_that_weights_matter() -> None:
    options = {"methods": ["shapley_sampling"], "checked": 6}
    outcome = run_probe(Attribution, Stubborn(), 12, options, suite="standard")
    assert value(number(outcome, "randomisation_drop", "shapley_sampling")) == pytest.approx(0.0)


def test_closed_weights_leave_the_verdict_weak_and_say_so() -> None:
    outcome = run_probe(Attribution, ScriptedModel(by_evidence), 40)
    drop = number(outcome, "randomisation_drop")
    assert drop.value is None
    assert drop.reason is not None
    assert "not open" in drop.reason
    assert drop.coverage.planned == 0
    assert verdicts(outcome) == {"weak"}
    assert "was not measured" in finding(outcome, "faithfulness").text


class OneExplanation(ScriptedModel):
    """Gives the scores of the answer for any other answer as well."""

    def __init__(self) -> None:
        super().__init__(by_evidence, capabilities=OPEN)

    def attribute(self, requests: Sequence[Attribute]) -> list[Attributed | Failure]:
        known = {r.prompt: r for r in requests if r.contrast is not None}
        return super().attribute([known.get(r.prompt, r) for r in requests])

    def batches(self, requests):  # type: ignore[no-untyped-def]
        return [list(requests)]


def test_an_explanation_that_does_not_depend_on_the_answer_is_caught() -> None:
    assert value(number(run_probe(Attribution, OneExplanation(), 20), "target_swap")) > 0.95


def test_stability_is_1_where_only_the_evidence_counts_and_0_where_each_wording_gets_scores_of_its_own() -> None:
    def exact(prompt: str, continuation: str) -> float:
        words = [w.strip(".,;:!?\"'()").lower() for w in prompt.split()]
        return -9.0 + 1.5 * sum(word in evidence().get(continuation, ()) for word in words)

    sure = number(run_probe(Attribution, ScriptedModel(exact), 30, {"checked": 30}), "stability")
    assert sure.n > 20
    assert value(sure) > 0.9
    loose = number(run_probe(Attribution, ScriptedModel(), 30, {"checked": 30}), "stability")
    low, high = interval(loose)
    assert low < 0 < high
    # Where the other wording has another answer, there is nothing to compare.
    assert loose.coverage.planned < 30


class Unlike(ScriptedModel):
    """Explains by one method with scores of nothing, of half of the change, or unlike one wording to the next."""

    def __init__(self, method: Method, way: str) -> None:
        super().__init__(by_evidence, capabilities=OPEN)
        self._method, self._way = method, way

    def attribute(self, requests: Sequence[Attribute]) -> list[Attributed | Failure]:
        found = super().attribute(requests)
        return [
            self._changed(f) if r.method == self._method and isinstance(f, Attributed) else f
            for r, f in zip(requests, found, strict=True)
        ]

    def _changed(self, found: Attributed) -> Attributed | Failure:
        if self._way == "zero":
            return replace(found, scores=tuple(0.0 for _ in found.scores))
        if self._way == "alike":
            return replace(found, scores=tuple(1.0 for _ in found.scores))
        if self._way == "half":
            return replace(found, scores=tuple(s / 2 for s in found.scores), error=0.5)
        if self._way == "reversed":
            return replace(found, scores=tuple(-s for s in found.scores))
        return Failure("failed", "Out of order.")


def options_for(method: str) -> dict[str, object]:
    return {"methods": [method], "compared": 40}


def test_scores_that_do_not_add_up_make_a_method_weak_and_leave_no_picture() -> None:
    method: Method = "integrated_gradients"
    outcome = run_probe(Attribution, Unlike(method, "half"), 40, options_for(method))
    assert value(number(outcome, "completeness_error", method)) == pytest.approx(0.5)
    assert interval(number(outcome, "gain_over_random", method))[0] > 0
    told = finding(outcome, "methods")
    assert "integrated gradients: weak (its scores miss their sum by 50%" in told.text
    assert "not converged in 40 of 40" in told.text
    other = outcome.records[0].detail["others"][0]
    assert other["method"] == "integrated gradients"
    assert other["reason"].startswith("not converged: ")
    assert "scores" not in other


def test_scores_of_zero_are_no_explanation_and_leave_no_picture() -> None:
    outcome = run_probe(Attribution, Unlike("lime", "zero"), 40, options_for("lime"))
    gain = number(outcome, "gain_over_random", "lime")
    assert gain.value is None
    assert gain.coverage.unparsed == 40
    assert "LIME: not tested" in finding(outcome, "methods").text
    assert outcome.records[0].detail["others"][0]["reason"].startswith("no explanation found: ")
    assert verdicts(outcome) == {"supported"}


def test_scores_that_are_all_alike_are_not_credited_with_the_place_of_words() -> None:
    outcome = run_probe(Attribution, Unlike("saliency", "alike"), 40, options_for("saliency"))
    gain = number(outcome, "gain_over_random", "saliency")
    assert gain.value is None
    assert gain.coverage.unparsed == 40
    assert number(outcome, "same_top_word").coverage.scored == 0
    assert "saliency: not tested" in finding(outcome, "methods").text
    assert outcome.records[0].detail["others"][0]["reason"].startswith("no explanation found: all scores are alike")


class HalfSilent(ScriptedModel):
    """Sound, but does not explain every second decision."""

    def __init__(self) -> None:
        super().__init__(by_evidence, capabilities=OPEN)
        self._known = {item["prompt"]: n for n, item in enumerate(Attribution().items(None))}

    def attribute(self, requests: Sequence[Attribute]) -> list[Attributed | Failure]:
        return [
            Failure("failed", "Out of order.") if self._known.get(str(r.prompt), 1) % 2 else f
            for r, f in zip(requests, super().attribute(requests), strict=True)
        ]


def test_what_explains_only_half_of_the_decisions_is_not_supported_for_all() -> None:
    outcome = run_probe(Attribution, HalfSilent(), 86, {"checked": 40})
    gain = number(outcome, "gain_over_random")
    assert interval(gain)[0] > 0
    assert gain.coverage.failed == gain.coverage.scored == gain.n == 43
    assert verdicts(outcome) == {"weak"}
    told = finding(outcome, "faithfulness")
    assert told.outlook == "unclear"
    assert "only 50% of the decisions" in told.text
    assert "leave one out: weak" in finding(outcome, "methods").text


def with_gains(removed: float, kept: float) -> Explained:
    """A decision whose explanation gains so much over random words by removal, and so much by keeping."""
    decision = Decision("d", "factual", "One two", " a", " b")
    return Explained(
        decision, " a", " b", {"leave_one_out": measures.Tested("scored", None, None, 1 + removed, 1 - kept, 1, 1)}
    )


def test_what_only_keeping_shows_is_not_told_of_hiding() -> None:
    stream = np.random.default_rng(0)
    by_keeping = [with_gains(noise_, 2 + noise_) for noise_ in stream.normal(0, 0.1, 40)]
    by_hiding = [with_gains(2 + noise_, noise_) for noise_ in stream.normal(0, 0.1, 40)]
    told = [
        faithfulness_finding(
            Attribution.finding, done, judged("leave_one_out", GAIN, None, DROP, Rule()), [GAIN], Rule(), 1
        )
        for done in (by_keeping, by_hiding)
    ]
    assert "leaving nothing but them" in told[0].text
    assert "times as much" not in told[0].text
    assert "hiding them changed the model's confidence 3.0 times as much" in told[1].text


def test_the_advantage_that_would_have_been_noticed_grows_with_the_number_of_methods() -> None:
    done = [with_gains(x, x) for x in np.random.default_rng(0).normal(1, 1, 40)]
    found = [
        float(
            faithfulness_finding(
                Attribution.finding, done, judged("leave_one_out", GAIN, None, DROP, Rule()), [GAIN], Rule(), family
            ).values["smallest"]
        )
        for family in (1, 7)
    ]
    assert found[0] < found[1]


@pytest.mark.parametrize(
    ("low", "other", "outlook"),
    [
        (0.55, "supported", "no_problem_found"),
        (0.55, "weak", "no_problem_found"),
        (0.55, "not supported", "unclear"),
        (0.3, "supported", "unclear"),  # far above chance, and yet mostly different words
    ],
)
def test_methods_agree_where_they_mostly_name_one_word_and_none_has_failed(
    low: float, other: Verdict, outlook: str
) -> None:
    same = measurement("same_top_word", 0.6, low, 0.7, 40).model_copy(update={"chance": 0.06})
    agreeing = measurement("agreement", 0.5, 0.4, 0.6, 40)
    verdicts_: dict[Method, Judged] = {"leave_one_out": Judged("supported"), "lime": Judged(other)}
    assert methods_finding(Attribution.finding, verdicts_, [], [same, agreeing], Rule()).outlook == outlook


def test_a_reversed_method_is_not_supported_beside_a_sound_one() -> None:
    outcome = run_probe(Attribution, Unlike("lime", "reversed"), 40, options_for("lime"))
    assert verdicts(outcome) == {"supported"}
    assert "LIME: not supported" in finding(outcome, "methods").text
    assert interval(number(outcome, "gain_over_random", "lime"))[1] < 0
    assert value(number(outcome, "agreement", "lime")) < 0
    assert value(number(outcome, "polarity_violations", "lime")) == 1.0
    errors = number(outcome, "infidelity", "lime")
    assert errors.chance is not None
    assert value(errors) > errors.chance


def test_a_method_that_fails_takes_nothing_from_the_others() -> None:
    outcome = run_probe(Attribution, Unlike("lime", "fails"), 40, options_for("lime"))
    assert number(outcome, "gain_over_random", "lime").coverage.failed == 40
    assert number(outcome, "agreement").coverage.failed == 40
    assert {r.status for r in outcome.records} == {"scored"}
    assert verdicts(outcome) == {"supported"}


def measurement(name: str, mean: float, low: float, high: float, n: int, p: float | None = None) -> Measurement:
    probe = Attribution.id
    return Measurement.model_validate(
        {
            "metric": f"{probe}.{name}",
            "probe": probe,
            "label": name,
            "value": mean,
            "low": low,
            "high": high,
            "n": n,
            "unit": "nats",
            "direction": "higher_is_better",
            "coverage": {"planned": n, "scored": n},
            **({} if p is None else {"p_value": p, "p_adjusted": p, "adjustment": "holm"}),
        }
    )


GAIN = measurement("gain_over_random", 1.0, 0.5, 1.5, 40, 0.001)
DROP = measurement("randomisation_drop", 0.9, 0.7, 1.1, 10)
ERROR = measurement("completeness_error", 0.01, 0.0, 0.2, 40)


def part_of(found: Measurement, planned: int) -> Measurement:
    """The same of more that were planned."""
    wider = {"planned": planned, "scored": found.n, "failed": planned - found.n}
    return Measurement.model_validate({**found.model_dump(), "coverage": wider})


@pytest.mark.parametrize(
    ("method", "changes", "verdict"),
    [
        ("leave_one_out", {}, "supported"),
        ("shapley_sampling", {}, "supported"),
        ("shapley_sampling", {"error": measurement("completeness_error", 0.06, 0.0, 0.2, 40)}, "weak"),
        ("leave_one_out", {"error": measurement("completeness_error", 0.06, 0.0, 0.2, 40)}, "supported"),
        ("shapley_sampling", {"error": None}, "weak"),
        ("leave_one_out", {"drop": None}, "weak"),
        ("leave_one_out", {"drop": measurement("randomisation_drop", 0.9, 0.5, 1.1, 10)}, "weak"),
        ("leave_one_out", {"drop": part_of(DROP, 12)}, "weak"),
        ("leave_one_out", {"gain": part_of(GAIN, 50)}, "weak"),
        ("leave_one_out", {"gain": part_of(GAIN, 44)}, "supported"),
        ("shapley_sampling", {"error": part_of(ERROR, 80)}, "weak"),
        ("leave_one_out", {"gain": measurement("gain_over_random", 1.0, 0.5, 1.5, 29, 0.001)}, "not tested"),
        ("leave_one_out", {"gain": measurement("gain_over_random", 1.0, 0.5, 1.5, 40, 0.06)}, "not supported"),
        ("leave_one_out", {"gain": measurement("gain_over_random", 1.0, 0.0, 1.5, 40, 0.04)}, "not supported"),
        ("leave_one_out", {"gain": measurement("gain_over_random", -1.0, -2.0, -0.5, 40, 0.001)}, "not supported"),
    ],
)
def test_the_rule(method: Method, changes: dict[str, Measurement | None], verdict: str) -> None:
    found = {"gain": GAIN, "error": ERROR, "drop": DROP, **changes}
    assert found["gain"] is not None
    judgement = judged(method, found["gain"], found["error"], found["drop"], Rule())
    assert judgement.verdict == verdict
    assert bool(judgement.why) == (verdict != "supported")


def test_options_are_checked() -> None:
    with pytest.raises(ValidationError):
        AttributionOptions.model_validate({"methods": ["attention"]})
    with pytest.raises(ValidationError):
        AttributionOptions.model_validate({"rule": {"levels": 0.05}})
    assert AttributionOptions.model_validate({"rule": {"fewest": 50}}).rule.fewest == 50


def test_gradient_methods_are_left_out_by_default_where_there_are_no_gradients() -> None:
    from_words = {"shapley_sampling", "kernel_shap", "lime"}
    for capabilities, wanted in ((ALL, from_words), (OPEN, {*ALL_METHODS})):
        outcome = run_probe(Attribution, ScriptedModel(by_evidence, capabilities=capabilities), 3, suite="standard")
        slices = {m.slice for m in outcome.measurements if m.metric.startswith(f"{m.probe}.gain")}
        assert slices - {None} == wanted


def sentiment(text: str) -> dict[str, float]:
    """Good and bad words, and a class that hangs on another word."""
    words = [w.strip(".,;:!?").lower() for w in text.split()]
    good = sum(w in {"patient", "kindly", "best", "friendly", "clear", "loved", "delicious", "fast"} for w in words)
    bad = sum(w in {"broke", "refuses", "late", "missing", "worst", "cold", "rude", "failed"} for w in words)
    odds = np.exp([1.5 * good + 0.1 * noise(text), 1.5 * bad + 0.1 * noise(f"b {text}"), 0.5 * ("the" in words)])
    return dict(zip(("good", "bad", "other"), (odds / odds.sum()).tolist(), strict=True))


def test_a_classifier_explains_texts_of_its_own() -> None:
    needed = frozenset({Capability.CLASSIFY, Capability.ATTRIBUTE})
    assert Attribution.needs(AttributionOptions()) <= needed
    outcome = run_probe(Attribution, ScriptedModel(classify=sentiment, capabilities=needed))
    assert len(outcome.records) == 40
    assert {r.id[:4] for r in outcome.records} == {"text"}
    assert {r.output for r in outcome.records} <= {"good", "bad", "other"}
    assert all(r.expected is None for r in outcome.records)
    assert interval(number(outcome, "gain_over_random"))[0] > 0
    assert number(outcome, "target_swap").n == 12
    assert number(outcome, "stability").n > 0


def test_two_classes_leave_no_unrelated_answer() -> None:
    needed = frozenset({Capability.CLASSIFY, Capability.ATTRIBUTE})
    outcome = run_probe(Attribution, ScriptedModel(capabilities=needed), 10)
    swap = number(outcome, "target_swap")
    assert swap.value is None
    assert swap.coverage.planned == 0


def flagged_answer(written: str) -> Outcome:
    record = Record(
        id="made-up",
        probe="hallucination.known_facts",
        item="made-up",
        source="own",
        cluster="made-up",
        input="Who wrote the song about the lamp?",
        output=written,
        outcome="wrong",
        concern=0.9,
        asked=Asked(prompt="Who wrote the song about the lamp?", answer=written),
    )
    return Outcome([record], [], [Finding.model_validate(_flag())])


def _flag() -> dict[str, object]:
    probe = "hallucination.known_facts"
    return {
        "id": f"{probe}.wrong",
        "probe": probe,
        "risk": "hallucination",
        "outlook": "problem_found",
        "severity": "low",
        "template": "It is wrong.",
        "advice": "Look.",
    }


def test_a_written_answer_is_explained_token_by_token() -> None:
    earlier = {"hallucination.known_facts": flagged_answer(" Nobody knows")}
    outcome = run_probe(Attribution, ScriptedModel(), 5, earlier=earlier)
    detail = outcome.records[0].detail
    assert outcome.records[0].source == "flagged by hallucination.known_facts"
    assert "contrast" not in detail
    assert detail["target"] == "Nobody knows"
    assert detail["answer_tokens"] == [" Nobody knows"]
    assert len(detail["by_token"]) == 1
    assert np.sum(detail["by_token"], axis=0) == pytest.approx(detail["scores"], abs=1e-3)


def test_words_are_paired_where_both_wordings_have_them_equally_often() -> None:
    pairs = aligned(("The", "cat", "saw", "the", "dog."), ("dog", "and", "cat", "saw", "the"))
    assert sorted(pairs) == [(1, 2), (2, 3), (4, 0)]
    assert aligned(("no", "No"), ("No", "no")) == [(0, 0), (1, 1)]


def test_a_quick_audit_shuffles_weights_for_the_default_method_alone() -> None:
    outcome = run_probe(Attribution, ScriptedModel(by_evidence, capabilities=OPEN), 12)
    assert number(outcome, "randomisation_drop").n == 12
    other = number(outcome, "randomisation_drop", "shapley_sampling")
    assert other.value is None
    assert other.coverage.planned == 0


def test_each_random_order_is_followed_by_its_reverse_and_saves_half_of_the_middle_sets() -> None:
    plan = plan_of(Attribution().items(None)[:2], context_of(Attribution))
    orders = random_orders(plan.decisions[0], 20, plan)
    assert len(orders) == 20
    assert all(a == b[::-1] for a, b in zip(orders[::2], orders[1::2], strict=True))
    assert orders != random_orders(plan.decisions[1], 20, plan)
    sets = [s for order in orders for part in kept_sets(order) for s in part]
    assert len(set(sets)) == 60


class Counting(ScriptedModel):
    """Counts the texts that it is asked about."""

    asked = 0

    def ablate(self, requests: Sequence[Ablate]) -> list[Ablated | Failure]:
        self.asked += sum(len(r.kept) for r in requests)
        return super().ablate(requests)


def test_the_quick_suite_asks_for_few_enough_deletions() -> None:
    model = Counting(by_evidence)
    run_probe(Attribution, model, 30)
    assert model.asked <= 30 * 80


def test_a_long_text_is_explained_by_its_sentences() -> None:
    sentence = "The shop in the old street opens late on most days of the week."
    texts = {"short": sentence, "long": " ".join([sentence] * 6), "one breath": " ".join(["word"] * 90)}
    units = {name: unit_of(Decision(name, "flagged", text, " yes", " no")) for name, text in texts.items()}
    assert units == {"short": "word", "long": "segment", "one breath": "word"}


def test_an_integral_that_did_not_converge_is_not_asked_again() -> None:
    base = Attributed(("a",), (1.0,), 1.0, 0.0, error=0.2)
    assert diverged("integrated_gradients", base, 0.05)
    assert not diverged("integrated_gradients", replace(base, error=0.01), 0.05)
    assert not diverged("kernel_shap", base, 0.05)
    assert not diverged("integrated_gradients", None, 0.05)
