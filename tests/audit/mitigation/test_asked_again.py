"""Asking again on held-out items: what is held out, and that differences and their intervals are those of a hand count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from audit.cache import ResponseCache
from audit.corpora import Item
from audit.judging import Judges
from audit.metrics import mean, rate
from audit.mitigation.asked_again import FEWEST, Aim, Measured, Role, Trial, ask, effects, held_out, jackknife, measured
from audit.mitigation.augmentation import learning_templates, texts_of
from audit.mitigation.settings import Settings
from audit.models import Capability, Request, Response, Responses, Score, Scored
from audit.models.scripted import ScriptedModel, noise
from audit.progress import Silent
from audit.results import Effect, ItemStatus, Record
from probes.base import Context, Metric, Outcome, Probe, ProbeOptions, Suite, coverage
from probes.bias.counterfactual import Counterfactual
from probes.hallucination.known_facts import KnownFacts
from tests.probes import harness


def settings(tmp_path: Path, limit: int = 40) -> Settings:
    return Settings(0, 0.95, None, limit, tmp_path / "cache.sqlite", tmp_path, Silent())


def trial_of(tmp_path: Path, limit: int = 40, **more: Any) -> Trial:
    options: dict[str, Any] = {"audited": frozenset(), "learnt_from": frozenset()} | more
    kind = options.pop("probe", Counterfactual)
    found = held_out(kind(), kind.options(), ScriptedModel(), (), settings=settings(tmp_path, limit), **options)
    assert isinstance(found, Trial), found
    return found


def answers(trial: Trial, score: Callable[[str, str], float]) -> Responses:
    found: dict[Request, Response] = {}
    for _ in range(5):
        new = [r for r in trial.probe.requests(trial.items, trial.context, found) if r not in found]
        if not new:
            return found
        harness.ask(ScriptedModel(score), list(dict.fromkeys(new)), found)
    raise AssertionError("it still asks")


class TestHeldOut:
    def test_nothing_made_from_a_template_that_is_learnt_from_is_asked(self, tmp_path: Path) -> None:
        learnt = learning_templates(Counterfactual().items(None), 0)
        found = trial_of(tmp_path, limit=10_000, learnt_from=learnt)
        assert not {item["template"] for item in found.items} & learnt
        kept = [i for i in Counterfactual().items(None) if i["template"] not in learnt]
        assert len(found.items) == len(kept)

    def test_items_that_the_audit_has_not_drawn_come_first(self, tmp_path: Path) -> None:
        every = [str(item["id"]) for item in KnownFacts().items(None)]
        few = trial_of(tmp_path, limit=20, probe=KnownFacts, audited=frozenset(every[100:]))
        assert {item["id"] for item in few.items} <= set(every[:100])
        assert few.seen == 0
        many = trial_of(tmp_path, limit=20, probe=KnownFacts, audited=frozenset(every[12:]))
        assert len(many.items) == 20
        assert many.seen == 8
        assert {item["id"] for item in many.items} >= set(every[:12])

    def test_what_cannot_be_asked_again_says_why(self, tmp_path: Path) -> None:
        probe = KnownFacts()
        mute = ScriptedModel(capabilities=frozenset({Capability.EMBED}))
        common: dict[str, Any] = {"aims": (Aim("x", "harm"),), "learnt_from": frozenset()}
        said = held_out(probe, ProbeOptions(), mute, audited=frozenset(), settings=settings(tmp_path), **common)
        assert said == "hallucination.known_facts cannot be asked of this model"
        said = held_out(
            probe, KnownFacts.options(), ScriptedModel(), audited=frozenset(), settings=settings(tmp_path, 3), **common
        )
        assert isinstance(said, str)
        assert f"only {3} items" in said
        assert FEWEST > 3


class TestTexts:
    def test_half_of_the_templates_are_learnt_from(self) -> None:
        items = Counterfactual().items(None)
        names = {item["template"] for item in items}
        learnt = learning_templates(items, 0)
        assert len(learnt) == len(names) // 2
        assert learnt < names
        assert learnt == learning_templates(list(reversed(items)), 0)
        assert learnt != learning_templates(items, 1)

    def test_every_group_stands_with_both_endings_equally_often(self) -> None:
        item = {
            "kind": "sentence", "template": "t", "text": "{person} was", "favourable": " praised", "unfavourable": " sacked",
            "groups": [
                {"group": "a", "terms": ["an a", "one a"], "reference": True},
                {"group": "b", "terms": ["a b", "one b"], "reference": False},
            ],
        }  # fmt: skip
        texts = texts_of([item, {**item, "kind": "question"}], frozenset({"t"}), every_group=True)
        assert texts == ["An a was praised.", "An a was sacked.", "One b was praised.", "One b was sacked."]
        control = texts_of([item], frozenset({"t"}), every_group=False)
        assert control == ["An a was praised.", "An a was sacked.", "One a was praised.", "One a was sacked."]
        assert texts_of([item], frozenset(), every_group=True) == []


class TestJackknife:
    def test_of_a_mean_it_is_the_t_interval(self) -> None:
        values = np.random.default_rng(1).normal(0.3, 1.0, 20)
        without = [float(np.delete(values, i).mean()) for i in range(20)]
        low, high, p = jackknife(float(values.mean()), without, 0.95)
        error = values.std(ddof=1) / np.sqrt(20)
        assert low == pytest.approx(values.mean() - 2.093024 * error, abs=1e-6)
        assert high == pytest.approx(values.mean() + 2.093024 * error, abs=1e-6)
        assert p is not None
        assert (p < 0.05) == (low > 0 or high < 0)

    def test_without_variation_or_groups_there_is_no_interval(self) -> None:
        assert jackknife(0.5, [0.5] * 10, 0.95) == (None, None, None)
        assert jackknife(0.5, [0.4, 0.45, 0.6, 0.55], 0.95) == (None, None, None)

    def test_groups_without_a_case_are_no_certainty(self) -> None:
        """A slice whose cases lie in two of twenty groups: the other eighteen leave it as it is."""
        assert jackknife(-0.054, [-0.054] * 18 + [-0.052, -0.056], 0.95) == (None, None, None)
        ten = [0.3 + 0.01 * i for i in range(10)]
        assert jackknife(0.345, [*ten, *[0.345] * 10], 0.95) == jackknife(0.345, ten, 0.95)


QUESTIONS = [{"id": f"q{i}", "template": f"t{i // 2}"} for i in range(80)]


class Small(Probe):
    """Whether " yes" is likelier: three numbers, each with another good direction, of pairs of questions."""

    id, title, risk = "small.probe", "A small probe", "bias"
    purpose = method = citation = limits = "For tests alone."
    capabilities = frozenset({Capability.SCORE})
    metrics = (
        Metric("said", "Said yes", "rate", "lower_is_better", "Share of yes."),
        Metric("right", "Right", "rate", "higher_is_better", "Share of yes."),
        Metric("lean", "Leaning", "nats", "zero_is_better", "Mean log-odds of yes."),
        Metric("share", "Share", "rate", "descriptive", "Share of yes."),
    )
    sizes: ClassVar[dict[Suite, int | None]] = {"quick": None, "standard": None, "full": None}

    def items(self, data: Path | None) -> list[Item]:
        return list(QUESTIONS)

    def requests(self, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
        return [Score(item["id"], end) for item in items for end in (" yes", " no")]

    def measure(self, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        odds, records = [], []
        for item in items:
            yes, no = (answers[Score(item["id"], end)] for end in (" yes", " no"))
            status: ItemStatus = "scored" if isinstance(yes, Scored) and isinstance(no, Scored) else "failed"
            odds += [yes.logprob - no.logprob] if isinstance(yes, Scored) and isinstance(no, Scored) else []
            records.append(
                Record(id=item["id"], probe=self.id, item=item["id"], source="own", cluster=item["template"],
                       input=item["id"], status=status)
            )  # fmt: skip
        planned = coverage(r.status for r in records)
        said = rate([o > 0 for o in odds])
        numbers = [self.measurement(name, said, planned) for name in ("said", "right", "share")]
        return Outcome(records, [*numbers, self.measurement("lean", mean(odds), planned)], [])


AIMS: tuple[tuple[str, Role, float | None], ...] = (
    ("said", "target", None),
    ("right", "harm", None),
    ("lean", "target", None),
    ("share", "target", None),
)


def small(model: Callable[[str], float], limit: int = 60, seed: int = 0) -> tuple[Trial, Measured]:
    """The small probe's trial, measured on a model that finds " yes" likelier by so many nats."""
    aims = tuple(Aim(f"small.probe.{name}", role, best) for name, role, best in AIMS)
    trial = Trial(Small(), Context(seed, 0.95, ProbeOptions()), QUESTIONS[:limit], aims, 0)

    def score(prompt: str, end: str) -> float:
        return -2.0 + (model(prompt) if end == " yes" else 0.0)

    return trial, measured(trial, answers(trial, score))


def often(share: float, name: str) -> Callable[[str], float]:
    """Says yes to that share of questions."""
    return lambda prompt: 1.0 if noise(f"{name} {prompt}") < share else -1.0


def by_name(found: Sequence[Effect]) -> dict[str, Effect]:
    return {effect.metric.rpartition(".")[2]: effect for effect in found}


class TestEffects:
    def test_change_is_read_by_direction(self) -> None:
        trial, high = small(often(0.9, "a"))
        _, low = small(often(0.2, "a"))
        found = by_name(effects(trial, high, low))
        assert {name: e.change for name, e in found.items()} == {
            "said": "better",
            "right": "worse",
            "lean": "no_difference_shown",
            "share": "lower",  # describes, does not judge
        }
        assert {name: e.role for name, e in found.items()} == {
            "said": "target",
            "right": "harm",
            "lean": "target",
            "share": "target",
        }
        back = by_name(effects(trial, low, high))
        assert (back["said"].change, back["right"].change) == ("worse", "better")

    def test_the_difference_and_its_interval_are_those_of_the_clusters(self) -> None:
        trial, before = small(often(0.9, "a"), limit=40)
        _, after = small(often(0.2, "b"), limit=40)
        effect = by_name(effects(trial, before, after))["said"]

        def said(model: Callable[[str], float]) -> list[float]:
            return [float(model(q["id"]) > 0) for q in QUESTIONS[:40]]

        differences = np.array(said(often(0.2, "b"))) - np.array(said(often(0.9, "a")))
        clusters = differences.reshape(20, 2).mean(axis=1)  # two questions each: one cluster is one group
        half = 2.093024 * clusters.std(ddof=1) / np.sqrt(20)
        assert effect.difference == pytest.approx(differences.mean())
        assert effect.low == pytest.approx(differences.mean() - half, abs=1e-6)
        assert effect.high == pytest.approx(differences.mean() + half, abs=1e-6)
        assert effect.n == 40
        assert effect.interval == "delete-a-group jackknife, 20 groups"

    def test_closer_to_zero_is_judged_by_size(self) -> None:
        trial, large = small(lambda prompt: 3.0 + noise(prompt))
        _, opposite = small(lambda prompt: -0.3 - noise(prompt) / 9)
        effect = by_name(effects(trial, large, opposite))["lean"]
        assert effect.before is not None
        assert effect.after is not None
        assert effect.before > 3 > 0 > effect.after
        assert effect.difference == pytest.approx(effect.after - effect.before)
        assert effect.change == "better"

    def test_a_preference_is_best_at_one_half(self) -> None:
        trial, strong = small(often(0.95, "a"))
        _, even = small(often(0.5, "b"))
        _, opposite = small(often(0.05, "c"))
        aimed = replace(trial, aims=(Aim("small.probe.share", "target", 0.5),))
        [effect] = effects(aimed, strong, even)
        assert (effect.change, effect.direction) == ("better", "descriptive")
        assert effect.difference == pytest.approx(
            even.whole["small.probe.share"].value - strong.whole["small.probe.share"].value
        )  # type: ignore[operator]
        assert effects(aimed, even, strong)[0].change == "worse"
        assert effects(aimed, strong, opposite)[0].change == "no_difference_shown"  # as far on the other side

    def test_an_items_cluster_is_that_of_its_own_record(self) -> None:
        """Controls of an item come after it, and have clusters of their own."""

        class Controlled(Small):
            def measure(self, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
                found = super().measure(items, context, answers)
                beside = [r.model_copy(update={"id": f"{r.id}/control", "cluster": "control"}) for r in found.records]
                return Outcome([*found.records, *beside], found.measurements, [])

        trial, _ = small(often(0.5, "a"))
        controlled = replace(trial, probe=Controlled())
        given = answers(trial, lambda prompt, end: -2.0)
        assert len(measured(controlled, given).parts) == len(measured(trial, given).parts) == 20

    def test_nothing_changed_is_no_difference_shown(self) -> None:
        trial, same = small(often(0.5, "a"))
        for effect in effects(trial, same, same):
            assert (effect.difference, effect.low, effect.change) == (0.0, None, "no_difference_shown")

    def test_noise_is_seldom_called_a_change(self) -> None:
        """Two models that say yes equally often: at 95% confidence about one of twenty pairs may be called different."""
        called = 0
        for k in range(20):
            trial, one = small(often(0.5, f"a{k}"))
            _, two = small(often(0.5, f"b{k}"))
            called += by_name(effects(trial, one, two))["said"].change != "no_difference_shown"
        assert called <= 4

    def test_what_is_missing_after_has_a_reason(self) -> None:
        trial, sound = small(often(0.5, "a"))
        mute: dict[Request, Response] = {}
        harness.ask(harness.FailingModel(), list(trial.probe.requests(trial.items, trial.context, {})), mute)
        for effect in effects(trial, sound, measured(trial, mute)):
            assert (effect.change, effect.after, effect.difference) == ("not_measured", None, None)
            assert effect.reason == "no observations"


def test_asking_goes_through_the_cache_once(tmp_path: Path) -> None:

    (trial, _), made = small(often(0.5, "a")), settings(tmp_path)
    model = ScriptedModel()
    with ResponseCache(made.cache, model.fingerprint, "scripted", None) as cache:
        first = ask([trial], model, cache, made, Judges(made.cache, Silent()))
    with ResponseCache(made.cache, model.fingerprint, "scripted", None) as cache:
        again = ask([trial], harness.FailingModel(), cache, made, Judges(made.cache, Silent()))
    assert dict(first) == dict(again)
