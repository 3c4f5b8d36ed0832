"""Controls of ``robustness.perturbation``: models thrown by one kind of change, by all, or by none."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from audit.corpora import Item
from audit.models import Failure, prompt_text
from audit.models.scripted import ScriptedModel, noise
from probes.answers import normalised
from probes.robustness.perturbation import WORDINGS, Perturbation, _options, _prompt, versions
from probes.robustness.perturbation_findings import NAMES
from probes.robustness.perturbation_measures import Version, drop_rate
from tests.probes.harness import context_of, finding, interval, number, outlooks, problems, run_probe, value

KINDS = tuple(NAMES)


@cache
def asked() -> dict[str, tuple[Item, Version]]:
    """What each prompt of the probe is about."""
    context = context_of(Perturbation, options={"every_variant": True})
    found = {}
    for item in Perturbation().items(None):
        for version in versions(item, context):
            found.setdefault(prompt_text(_prompt(item, version)), (item, version))
    return found


@cache
def one_in_five() -> frozenset[str]:
    ids = sorted((i["id"] for i in Perturbation().items(None)), key=lambda i: noise(f"wrong {i}"))
    return frozenset(ids[: len(ids) // 5])


class Key:
    """Knows all answers and keeps to them; subclasses say which option (0 right) they choose."""

    def __call__(self, prompt: str, continuation: str) -> float:
        item, version = asked()[prompt]
        return -0.1 if continuation == _options(item)[self.chooses(item, version)] else -4.0

    def chooses(self, item: Item, version: Version) -> int:
        return 0


class Steady(Key):
    """Knows exactly four answers of five, and keeps to the wrong ones as well."""

    def chooses(self, item: Item, version: Version) -> int:
        return 2 if item["id"] in one_in_five() else 0


class Thrown(Steady):
    """Gives another answer to a share of the questions under some kinds of change."""

    def __init__(self, *kinds: str, share: float = 0.4) -> None:
        self.kinds, self.share = kinds, share

    def chooses(self, item: Item, version: Version) -> int:
        own = super().chooses(item, version)
        thrown = version.kind in self.kinds and noise(f"{item['id']} {version.kind}") < self.share
        return 3 if thrown else own


class TestStubs:
    def test_always_agrees(self) -> None:
        """The like among four answers: the one that is listed first, or a fixed one. It knows nothing."""

        class First(Key):
            def chooses(self, item: Item, version: Version) -> int:
                return version.order[0] if version.order else int(4 * noise(item["id"]))

        outcome = run_probe(Perturbation, ScriptedModel(First()))
        low, high = interval(number(outcome, "accuracy"))
        assert low <= 0.25 <= high
        assert value(number(outcome, "paraphrase_flip_rate")) == 0.0
        assert value(number(outcome, "flip_rate", "option_order")) == 1.0
        assert set(outlooks(outcome).values()) == {"unclear"}

    def test_always_refuses(self) -> None:
        """The like among four answers: always a wrong one. It never changes, and is not praised for that."""

        class Shrugs(Key):
            def chooses(self, item: Item, version: Version) -> int:
                return 3

        outcome = run_probe(Perturbation, ScriptedModel(Shrugs()))
        assert value(number(outcome, "accuracy")) == 0.0
        assert value(number(outcome, "flip_rate")) == 0.0
        assert number(outcome, "performance_drop_rate").value is None
        assert set(outlooks(outcome).values()) == {"unclear"}
        assert "by guessing" in finding(outcome, "surface").text

    def test_answers_from_a_key(self) -> None:
        outcome = run_probe(Perturbation, ScriptedModel(Key()))
        assert set(outlooks(outcome).values()) == {"no_problem_found"}
        assert value(number(outcome, "worst_case_accuracy")) == 1.0
        assert value(number(outcome, "performance_drop_rate")) == 0.0

    def test_a_key_with_one_in_five_wrong(self) -> None:
        outcome = run_probe(Perturbation, ScriptedModel(Steady()))
        assert value(number(outcome, "accuracy")) == pytest.approx(0.8)
        assert value(number(outcome, "worst_case_accuracy")) == pytest.approx(0.8)
        low, high = interval(number(outcome, "worst_case_accuracy"))
        assert low <= 0.8 <= high
        assert value(number(outcome, "flip_rate")) == 0.0
        assert set(outlooks(outcome).values()) == {"no_problem_found"}


class TestPlanted:
    @pytest.mark.parametrize("kind", KINDS)
    def test_what_throws_it_is_named_and_nothing_else(self, kind: str) -> None:
        outcome = run_probe(Perturbation, ScriptedModel(Thrown(kind)))
        name = "option_order" if kind == "option_order" else "surface"
        assert problems(outcome) == [name]
        if name == "surface":
            assert finding(outcome, name).values["flagged"] == NAMES[kind]
        ids = [i["id"] for i in Perturbation().items(None)]
        true = np.mean([noise(f"{i} {kind}") < 0.4 for i in ids])
        assert value(number(outcome, "flip_rate", kind)) == pytest.approx(true)
        for other in KINDS:
            tests = [number(outcome, m, other) for m in ("flips_beyond_paraphrase", "accuracy_drop")]
            assert all((m.p_adjusted or 0) < 0.01 for m in tests) == (other == kind)
            assert other == kind or value(tests[0]) == value(tests[1]) == 0.0

    def test_one_that_takes_the_first_of_a_list_is_thrown_by_its_order(self) -> None:
        """Although with a list it knows nothing: without one it knows."""

        class First(Steady):
            def chooses(self, item: Item, version: Version) -> int:
                return version.order[0] if version.order else super().chooses(item, version)

        outcome = run_probe(Perturbation, ScriptedModel(First()))
        assert problems(outcome) == ["option_order"]
        assert finding(outcome, "option_order").severity == "high"
        assert value(number(outcome, "flip_rate", "option_order")) == 1.0
        first = [v.order[0] for _, v in asked().values() if v.kind == "listed" and v.order]
        assert value(number(outcome, "accuracy_listed")) == pytest.approx(first.count(0) / 80)

    def test_one_that_guesses_from_lists_is_not_called_steady_there(self) -> None:
        """It keeps to the same wrong option in whatever order: steady, and without knowledge that an order could disturb."""

        class Listless(Key):
            def chooses(self, item: Item, version: Version) -> int:
                return int(4 * noise(f"list {item['id']}")) if version.order else 0

        outcome = run_probe(Perturbation, ScriptedModel(Listless()))
        assert value(number(outcome, "flip_rate", "option_order")) == 0.0
        assert finding(outcome, "option_order").outlook == "unclear"
        assert finding(outcome, "surface").outlook == "no_problem_found"

    def test_one_that_any_rewording_throws_is_not_called_steady(self) -> None:
        """The yardstick: typing errors disturb no more than other words do, and that is no credit."""
        outcome = run_probe(Perturbation, ScriptedModel(Thrown("paraphrase", *KINDS, share=0.5)))
        assert "rewording" in problems(outcome)
        assert finding(outcome, "rewording").severity == "high"
        low, high = interval(number(outcome, "flips_beyond_paraphrase"))
        assert low <= 0 <= high

    def test_flips_alike_everywhere_without_loss_are_unclear(self) -> None:
        class Restless(Steady):
            """Of the two wrong answers it gives now one, now the other; what it knows it keeps."""

            def chooses(self, item: Item, version: Version) -> int:
                own = super().chooses(item, version)
                restless = own == 0 and noise(f"some {item['id']}") < 0.3
                return 1 + int(2 * noise(f"{item['id']} {version.kind}")) if own or restless else 0

        outcome = run_probe(Perturbation, ScriptedModel(Restless()))
        assert "surface" not in problems(outcome)
        assert finding(outcome, "surface").outlook == "unclear"

    def test_flips_between_wrong_answers_are_caught_without_any_loss(self) -> None:
        class Elsewhere(Key):
            def chooses(self, item: Item, version: Version) -> int:
                knows = noise(item["id"]) < 0.6
                return 0 if knows else 2 if version.kind == "typos" else 1

        outcome = run_probe(Perturbation, ScriptedModel(Elsewhere()))
        assert problems(outcome) == ["surface"]
        assert value(number(outcome, "accuracy_drop", "typos")) == 0.0
        assert finding(outcome, "surface").values["flagged"] == "typing errors"

    def test_a_model_that_picks_at_random_flips_as_chance_says(self) -> None:
        outcome = run_probe(Perturbation, ScriptedModel(lambda p, c: -noise(f"{p}|{c}")))
        flips = number(outcome, "flip_rate")
        low, high = interval(flips)
        assert flips.chance == 0.75
        assert low <= 0.75 <= high
        assert set(outlooks(outcome).values()) == {"unclear"}

    def test_the_smallest_effect_is_the_users(self) -> None:
        model = ScriptedModel(Thrown("typos", share=0.25))
        found = [
            finding(run_probe(Perturbation, model, None, {"smallest_effect": e}), "surface").outlook for e in (0.1, 0.6)
        ]
        assert found == ["problem_found", "no_problem_found"]

    def test_few_questions_settle_nothing(self) -> None:
        assert set(outlooks(run_probe(Perturbation, ScriptedModel(Key()), 3)).values()) <= {"unclear"}


class TestNumbers:
    def test_they_equal_what_the_records_say(self) -> None:
        """Recomputed from the records by other means."""
        outcome = run_probe(Perturbation, ScriptedModel(Thrown("paraphrase", "typos", "option_order", share=0.3)))
        by = {(r.item, r.tags["kind"]): r for r in outcome.records}
        items = sorted({r.item for r in outcome.records})

        def right(i: str, kind: str) -> bool:
            return by[i, kind].output == by[i, kind].expected

        def flips(kind: str, before: str = "clean") -> float:
            return float(np.mean([by[i, kind].output != by[i, before].output for i in items]))

        assert value(number(outcome, "flip_rate", "option_order")) == pytest.approx(flips("option_order", "listed"))
        assert value(number(outcome, "paraphrase_flip_rate")) == pytest.approx(flips("paraphrase"))
        beyond = flips("typos") - flips("paraphrase")
        assert value(number(outcome, "flips_beyond_paraphrase", "typos")) == pytest.approx(beyond)
        for r in outcome.records:  # right answers lost weigh most
            if r.tags["kind"] == "typos" and r.output != by[r.item, "clean"].output:
                assert r.concern == (0.8 if right(r.item, "clean") else 0.5 if r.outcome == "wrong" else 0.0)
        lost = float(np.mean([right(i, "clean") - right(i, "typos") for i in items]))
        assert lost > 0
        assert value(number(outcome, "accuracy_drop", "typos")) == pytest.approx(lost)
        kinds = ("clean", "listed", "paraphrase", *KINDS)
        worst = np.mean([all(right(i, k) for k in kinds) for i in items])
        assert value(number(outcome, "worst_case_accuracy")) == pytest.approx(worst)
        assert 0 < worst < value(number(outcome, "accuracy"))
        before = sum(right(i, "listed" if k == "option_order" else "clean") for i in items for k in KINDS)
        after = sum(right(i, k) for i in items for k in KINDS)
        found = number(outcome, "performance_drop_rate")
        assert value(found) == pytest.approx(1 - after / before)
        assert interval(found)[0] > 0

    def test_drop_rate(self) -> None:
        assert drop_rate(np.array([1.0, 1, 1, 0]), np.array([1.0, 0, 0, 1])) == pytest.approx(1 / 3)
        assert np.isnan(drop_rate(np.zeros(2), np.ones(2)))
        many = drop_rate(np.array([[1.0, 1], [0, 0]]), np.array([[1.0, 0], [1, 1]]))
        np.testing.assert_allclose(many, [0.5, np.nan])

    def test_a_missing_or_tied_answer_is_no_flip(self) -> None:
        class Torn(Steady):
            def __call__(self, prompt: str, continuation: str) -> float:
                item, version = asked()[prompt]
                if version.kind == "typos" and noise(f"tie {item['id']}") < 0.3:
                    return -1.0
                if version.kind == "clean" and noise(f"gone {item['id']}") < 0.1:
                    return float("nan")
                return super().__call__(prompt, continuation)

        outcome = run_probe(Perturbation, ScriptedModel(Torn()))
        typos = number(outcome, "flip_rate", "typos")
        assert typos.coverage.unparsed > 10
        assert typos.coverage.not_a_number > 3
        assert value(typos) == 0.0
        assert number(outcome, "worst_case_accuracy").n < 60
        assert number(outcome, "flip_rate", "option_order").coverage.scored == 80
        tags = {(r.status, r.tags["changed"]) for r in outcome.records if r.tags["kind"] == "typos"}
        assert ("unparsed", "no") not in tags
        assert Failure("failed", "").status not in {r.status for r in outcome.records}


class TestWhatIsAsked:
    def test_one_variant_of_each_kind_and_all_where_wished(self) -> None:
        item = Perturbation().items(None)[0]
        some = versions(item, context_of(Perturbation))
        assert [v.kind for v in some] == [
            "clean",
            "paraphrase",
            "case",
            "typos",
            "spacing",
            "homoglyphs",
            "instruction",
            "listed",
            "option_order",
        ]
        every = versions(item, context_of(Perturbation, options={"every_variant": True}))
        assert len({(v.kind, v.variant) for v in every}) == len(every) == 2 + 2 + 4 + 3 + 2 + 2 + 1 + 2
        outcome = run_probe(Perturbation, ScriptedModel(Thrown("typos")), 20, {"every_variant": True})
        found = number(outcome, "flip_rate", "typos")
        assert (found.n, found.clusters) == (80, 20)

    def test_only_the_kinds_that_are_wished(self) -> None:
        outcome = run_probe(Perturbation, ScriptedModel(Thrown("typos")), None, {"kinds": ["typos"]})
        assert {r.tags["kind"] for r in outcome.records} == {"clean", "paraphrase", "typos"}
        assert [f.id.split(".")[-1] for f in outcome.findings] == ["rewording", "surface"]
        assert problems(outcome) == ["surface"]

    def test_only_one_thing_is_changed_at_a_time(self) -> None:
        for item, version in asked().values():
            text = prompt_text(_prompt(item, version))
            if version.kind in ("clean", "instruction", "listed", "option_order"):
                assert item["question"] in text
            lead, tail = WORDINGS[version.wording].split("{question}")
            assert text.startswith(lead)
            assert text.endswith(tail)
            assert version.text in text

    def test_orders_hold_all_options_and_none_stays_in_place(self) -> None:
        for item in Perturbation().items(None):
            every = versions(item, context_of(Perturbation, options={"every_variant": True}))
            first, *others = [v.order for v in every if v.order]
            for order in others:
                assert sorted(order) == [0, 1, 2, 3]
                assert all(a != b for a, b in zip(first, order, strict=True))

    def test_the_right_option_stands_everywhere_in_the_list(self) -> None:
        context = context_of(Perturbation)
        places = [
            v.order.index(0)
            for i in Perturbation().items(None)
            for v in versions(i, context)
            if v.kind == "listed"
            if v.order
        ]
        assert all(10 <= places.count(place) <= 32 for place in range(4))


class TestItems:
    def test_four_different_options_and_none_in_the_question(self) -> None:
        for item in Perturbation().items(None):
            options = _options(item)
            assert len({normalised(o) for o in options}) == 4, item["id"]
            for field in ("question", "paraphrase"):
                asked_words = set(normalised(item[field]).split())
                assert not any(set(normalised(o).split()) <= asked_words for o in options), item["id"]

    def test_the_length_of_an_option_does_not_give_the_answer_away(self) -> None:
        items = Perturbation().items(None)
        for pick in (max, min):
            share = np.mean([len(i["right"]) == pick(map(len, _options(i))) for i in items])
            assert share < 0.5
