"""Controls of ``reproducibility.rerun``: a model whose answers depend on company is caught, its twin that does not is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from audit.models import Again, Capability, Failure, Generate, Generated, Request, Response, Score, Scored, prompt_text
from audit.models.rounding import tolerance
from audit.models.scripted import ScriptedModel, noise
from probes.base import Outcome
from probes.reproducibility.rerun import Rerun
from probes.reproducibility.rerun_answers import WAYS
from probes.reproducibility.rerun_measures import unnoticed
from tests.audit.support import CountingModel, audit, reasons, statuses, stored, with_known_weights
from tests.probes.harness import ask, context_of, finding, interval, number, outlooks, problems, run_probe, value

STRICT = {"tolerance": 1e-3}
Company = Sequence[Score] | Sequence[Generate]


def written(prompt: str) -> str:
    return f"An answer, number {noise(prompt):.6f}."


class Swayed(ScriptedModel):
    """Moves every likelihood by what ``move`` says of the batch, and writes what ``says`` says of it."""

    def __init__(
        self, move: Callable[[Company, int], float] | None = None, says: Callable[[Company, int], str] | None = None
    ) -> None:
        super().__init__(write=written)
        self._move, self._says = move or (lambda batch, call: 0.0), says or (lambda batch, call: "")
        self.calls = 0

    def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
        self.calls += 1
        by = self._move(requests, self.calls)
        found = super().score(requests)
        return [replace(f, logprob=f.logprob + by) if isinstance(f, Scored) else f for f in found]

    def generate(self, requests: Sequence[Generate]) -> list[Generated | Failure]:
        self.calls += 1
        more = self._says(requests, self.calls)
        found = super().generate(requests)
        return [replace(f, text=f.text + more) if isinstance(f, Generated) else f for f in found]


def outcome_of(model: ScriptedModel, **options: Any) -> Outcome:
    return run_probe(Rerun, model, options=STRICT | options)


def by_way(outcome: Outcome, name: str) -> dict[str, float]:
    return {way: value(number(outcome, name, way)) for way in WAYS}


class TestPlanted:
    def test_the_clean_twin_is_not_caught(self) -> None:
        found = outcome_of(Swayed())
        assert outlooks(found) == dict.fromkeys(
            ("reproducibility.rerun.texts", "reproducibility.rerun.likelihoods"), "no_problem_found"
        )
        for name in ("greedy_identical", "sampled_identical", "likelihood_within"):
            measured = number(found, name)
            assert (measured.value, measured.high) == (1.0, 1.0)
            assert 0.5 < interval(measured)[0] < 1
        assert value(number(found, "largest_difference")) == 0
        firsts = {
            (r.item, r.id.split("/")[1]): float(r.scores["log_likelihood"] or 0) for r in found.records if r.scores
        }
        apart = [abs(a - b) for a, b in combinations(firsts.values(), 2)]
        assert number(found, "largest_difference").chance == pytest.approx(median(apart))
        standard = run_probe(Rerun, Swayed(), Rerun.sizes["standard"], STRICT)
        assert finding(standard, "texts").outlook == "no_problem_found"  # enough prompts among its items
        assert "on 60 different texts" in finding(found, "likelihoods").text
        assert "more than 5% of such texts" in finding(found, "likelihoods").text  # 1 - 0.05 ** (1 / 60)

    def test_likelihoods_that_depend_on_the_size_of_the_batch(self) -> None:
        found = outcome_of(Swayed(lambda batch, call: 0.02 * len(batch)))
        assert problems(found) == ["likelihoods"]
        assert by_way(found, "likelihood_within") == {"same": 1.0, "alone": 0.0, "reversed": 0.0}
        # Of sixteen one is left: fifteen times 0.02 nats; six others among them move it by 0.12.
        assert by_way(found, "largest_difference") == pytest.approx({"same": 0.0, "alone": 0.3, "reversed": 0.12})
        told = finding(found, "likelihoods")
        assert "240 of 360" in told.text
        assert "120 when asked alone; 120 when asked in another order" in told.text
        assert "0.3 nats" in told.text
        assert told.severity == "medium"
        assert set(told.records) <= {r.id for r in found.records if r.outcome == "moved"}

    def test_texts_that_depend_on_the_size_of_the_batch(self) -> None:
        found = outcome_of(Swayed(says=lambda batch, call: " Really." if len(batch) == 1 else ""))
        assert problems(found) == ["texts"]
        for name in ("greedy_identical", "sampled_identical"):
            assert by_way(found, name) == {"same": 1.0, "alone": 0.0, "reversed": 1.0}
            assert value(number(found, name)) == pytest.approx(2 / 3)

    def test_an_answer_that_depends_on_how_often_it_was_asked(self) -> None:
        found = outcome_of(Swayed(lambda batch, call: 0.01 * call, lambda batch, call: f" ({call})"))
        assert problems(found) == ["texts", "likelihoods"]
        assert by_way(found, "greedy_identical")["same"] == by_way(found, "likelihood_within")["same"] == 0.0

    def test_an_answer_that_depends_on_the_order_alone(self) -> None:
        asked = {item["prompt"] for item in Rerun().items(None)}

        def place(batch: Company, call: int) -> float:
            own = [r for r in batch if r.prompt in asked]
            return 1.0 if len(own) > 1 and own[0].key > own[-1].key else 0.0

        found = outcome_of(Swayed(place))
        assert by_way(found, "likelihood_within") == {"same": 1.0, "alone": 1.0, "reversed": 0.0}

    def test_one_answer_that_moved_is_a_problem_and_is_named(self) -> None:
        first = Rerun().items(None)[0]

        class Once(Swayed):
            def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
                found = super().score(requests)
                chosen = len(requests) == 1 and requests[0].prompt == first["prompt"]
                return [replace(f, logprob=-9.0) if chosen and isinstance(f, Scored) else f for f in found]

        found = outcome_of(Once())
        told = finding(found, "likelihoods")
        assert (told.outlook, told.severity) == ("problem_found", "low")
        assert set(told.records) == {f"{first['id']}/ending-{n}/alone" for n in (1, 2)}
        [record, _] = [r for r in found.records if r.outcome == "moved"]
        assert record.scores["again"] == -9.0
        assert record.concern > 0.5


class TestWhatCannotBeTold:
    def test_a_model_that_always_says_the_same_is_not_called_repeatable(self) -> None:
        found = outcome_of(ScriptedModel(lambda prompt, ending: -1.0, lambda prompt: "Yes."))
        assert set(outlooks(found).values()) == {"unclear"}
        assert number(found, "greedy_identical").chance == number(found, "likelihood_within").chance == 1.0
        assert "different texts the same" in finding(found, "texts").text

    def test_one_text_is_too_few(self) -> None:
        found = run_probe(Rerun, Swayed(), 1, STRICT)
        assert "no_problem_found" not in outlooks(found).values()

    def test_nothing_is_called_the_same_where_a_third_could_go_unnoticed(self) -> None:
        found = run_probe(Rerun, Swayed(), 12, STRICT)  # ten texts to score, two to go on from
        assert finding(found, "likelihoods").outlook == "no_problem_found"
        assert finding(found, "texts").outlook == "unclear"
        assert "only 2 different texts" in finding(found, "texts").text

    @pytest.mark.parametrize(
        ("able", "tested", "left"),
        [(Capability.SCORE, "likelihoods", "texts"), (Capability.GENERATE, "texts", "likelihoods")],
    )
    def test_a_model_that_can_do_one_of_both(self, able: Capability, tested: str, left: str) -> None:
        model = ScriptedModel(write=written, capabilities=frozenset({able}))
        found = outcome_of(model)
        assert finding(found, tested).outlook == "no_problem_found"
        assert finding(found, left).outlook == "not_tested"
        names = ("likelihood_within", "largest_difference") if left == "likelihoods" else ("greedy_identical",)
        for name in names:
            missing = number(found, name)
            assert (missing.value, missing.coverage.planned) == (None, 0)
            assert missing.reason

    def test_answers_that_fail_the_second_time_are_missing_and_not_the_same(self) -> None:
        class Tired(ScriptedModel):
            def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
                if len(requests) == 1:
                    return [Failure("failed", "Too tired.")]
                return super().score(requests)

        found = outcome_of(Tired(write=written))
        alone = number(found, "likelihood_within", "alone")
        assert (alone.value, alone.coverage.failed) == (None, alone.coverage.planned)
        assert finding(found, "likelihoods").outlook == "unclear"  # a third of the answers is missing


class TestTolerance:
    @pytest.mark.parametrize(
        ("number_format", "moved", "flagged"),
        [("float32", 0.2, True), ("bfloat16", 0.2, False), ("bfloat16", 0.7, True), (None, 0.2, False)],
    )
    def test_it_is_wider_for_half_precision(self, number_format: str | None, moved: float, flagged: bool) -> None:
        probe = Rerun()
        context = replace(context_of(Rerun), number_format=number_format)
        items = probe.items(None)[:12]
        answers: dict[Request, Response] = {}
        ask(Swayed(lambda batch, call: moved * (len(batch) == 1)), probe.requests(items, context, {}), answers)
        found = probe.measure(items, context, answers)
        assert (finding(found, "likelihoods").outlook == "problem_found") is flagged
        assert value(number(found, "largest_difference")) == pytest.approx(moved)

    def test_of_long_texts_it_grows_with_their_likelihood(self) -> None:
        assert tolerance("float32", -1000.0) == pytest.approx(1e-3 + 0.03)
        assert tolerance("4bit (bitsandbytes), rest float32", 0.0) == 0.5
        assert tolerance("float32", 0.0, 0.25) == 0.25


class TestNumbers:
    def test_the_rule_of_three(self) -> None:
        for texts in (5, 60, 1000):
            assert (1 - unnoticed(texts, 0.95)) ** texts == pytest.approx(0.05)
        assert unnoticed(300, 0.95) == pytest.approx(3 / 300, rel=0.01)
        assert unnoticed(0, 0.95) == 1.0

    def test_the_chance_level_is_that_of_answers_to_other_texts(self) -> None:
        words = ("red", "green", "blue")
        model = ScriptedModel(
            lambda prompt, ending: -float(len(prompt) % 5), lambda prompt: words[int(3 * noise(prompt))]
        )
        found = outcome_of(model)
        items = Rerun().items(None)
        said = [model._write(i["prompt"]) for i in items if i["kind"] == "prompt"]
        pairs = list(combinations(said, 2))
        assert number(found, "greedy_identical").chance == pytest.approx(sum(a == b for a, b in pairs) / len(pairs))
        # Both endings of an item have one likelihood here: four pairs of endings for each pair of items.
        rests = [len(i["prompt"]) % 5 for i in items if i["kind"] == "endings"]
        both = list(combinations(rests, 2))
        assert number(found, "likelihood_within").chance == pytest.approx(sum(a == b for a, b in both) / len(both))

    def test_each_request_is_asked_in_four_ways_and_samples_have_a_seed_each(self) -> None:
        asked = Rerun().requests(Rerun().items(None), context_of(Rerun), {})
        assert all(isinstance(r, Again) for r in asked)
        inner = {r.request for r in asked if isinstance(r, Again)}
        assert len(asked) == 4 * len(inner)
        sampled = [r for r in inner if isinstance(r, Generate) and r.temperature]
        assert len({r.seed for r in sampled}) == len(sampled) == 12
        assert len({prompt_text(r.prompt) for r in sampled}) == 12


class TestInAnAudit:
    def test_kept_answers_are_those_of_then_and_an_empty_cache_asks_anew(self, tmp_path: Path) -> None:
        def made(folder: Path, model: CountingModel) -> Mapping[str, Any]:
            audit(folder, [Rerun], with_known_weights(model), settings={"limit": 6}, cache=tmp_path / "cache")
            return stored(folder / "result")

        first, second = CountingModel(), CountingModel()
        assert made(tmp_path / "1", first) == made(tmp_path / "2", second)
        assert sum(first.asked.values()) > 0
        assert sum(second.asked.values()) == 0

    def test_a_classifier_and_a_table_are_not_asked(self, tmp_path: Path) -> None:
        model = ScriptedModel(capabilities=frozenset({Capability.CLASSIFY, Capability.TABULATE}))
        result = audit(tmp_path, [Rerun], model)
        assert statuses(result) == {Rerun.id: "not_applicable"}
        assert "write text or say how likely a text is" in str(reasons(result)[Rerun.id])
