"""Custom probes: a planted fault of each way of scoring is found, its clean twin is not; without a score there is no number."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from audit import published
from audit.corpora import ItemsError
from audit.custom import read_definition, understood
from audit.models import Failure, Score, Scored
from audit.models.scripted import ScriptedModel
from audit.results import observations
from audit.yamlfile import ConfigError
from probes.base import Outcome, Probe, ProbeOptions
from tests.probes.bias.taught import taught
from tests.probes.harness import FailingModel, dumped, finding, interval, number, outlooks, problems, run_probe

GOODS = [
    {"what": f"good{n}", "right": f"{n + 10} days", "wrong": f"{n + 90} days", "size": "ab"[n % 2]} for n in range(40)
]
PROMPTS = {name: f"{name}: {{what}} can be returned within" for name in ("plain", "asked", "policy")}
CHOICE = {"choice": {"options": ["{right}", "{wrong}"], "answer": "{right}"}}
LIKELIHOOD = {"likelihood": {"preferred": "{right}", "other": "{wrong}"}}
REGEX = {"regex": {"right": r"\b{right}\b", "refusal": "cannot say"}}
SAYS = {"judge": {"says": "{right}", "rather_than": "{wrong}"}}
WAYS = {"choice": CHOICE, "likelihood": LIKELIHOOD, "regex": REGEX}


def probe(tmp_path: Path, score: dict[str, Any], **more: Any) -> type[Probe]:
    content = {"name": "goods", "title": "Goods", "purpose": "We ask how long goods may be returned."}
    content |= {"items": {"rows": GOODS, "id": "what"}, "prompts": PROMPTS, "score": score, "problem": {"below": 0.7}}
    content |= more
    file = tmp_path / "goods.yaml"
    file.write_text(json.dumps({k: v for k, v in content.items() if v is not None}), "utf-8")
    return read_definition(file)


def row(prompt: str) -> dict[str, str]:
    return max((r for r in GOODS if r["what"] in prompt), key=lambda r: len(r["what"]))


def model(knows: Callable[[dict[str, str]], bool]) -> ScriptedModel:
    """Knows the rows for which ``knows`` is true and has the others backwards."""

    def score(prompt: str, continuation: str) -> float:
        good = row(prompt)
        return -1.0 if (continuation.strip() == good["right"]) == knows(good) else -5.0

    def write(prompt: str) -> str:
        good = row(prompt)
        return f"It is {good['right' if knows(good) else 'wrong']}."

    return ScriptedModel(score, write)


KEY = model(lambda good: True)
BACKWARDS = model(lambda good: False)
every_way = pytest.mark.parametrize("way", WAYS)


@every_way
class TestControls:
    def test_a_model_that_knows_is_not_flagged(self, way: str, tmp_path: Path) -> None:
        found = run_probe(probe(tmp_path, WAYS[way]), KEY)
        assert found.measurements[0].value == 1.0
        assert outlooks(found) == {"custom.goods.result": "no_problem_found"}

    def test_a_model_that_has_it_backwards_is_flagged(self, way: str, tmp_path: Path) -> None:
        found = run_probe(probe(tmp_path, WAYS[way]), BACKWARDS)
        assert found.measurements[0].value == 0.0
        assert problems(found) == ["result"]
        assert finding(found, "result").text.startswith("In 0% of cases")

    def test_a_key_with_one_in_five_wrong(self, way: str, tmp_path: Path) -> None:
        found = run_probe(probe(tmp_path, WAYS[way]), model(lambda good: int(good["what"][4:]) % 5 != 0))
        main = found.measurements[0]
        assert (main.value, main.n, main.clusters) == (0.8, 120, 40)
        low, high = interval(main)
        assert low < 0.7 < 0.8 < high < 0.91  # three wordings of one question are not three questions
        assert outlooks(found) == {"custom.goods.result": "unclear"}

    @pytest.mark.parametrize("stub", ["agrees", "refuses", "guesses"])
    def test_a_model_that_knows_nothing_is_never_clean(self, way: str, stub: str, tmp_path: Path) -> None:
        said = {"agrees": "Yes, of course.", "refuses": "I cannot say that.", "guesses": "Perhaps 55 days."}[stub]
        scores = ScriptedModel()._score if stub == "guesses" else lambda prompt, continuation: -1.0
        found = run_probe(probe(tmp_path, WAYS[way]), ScriptedModel(scores, lambda prompt: said))
        assert "no_problem_found" not in outlooks(found).values()

    @pytest.mark.parametrize("broken", ["failing", "nan", "empty"])
    def test_what_cannot_be_scored_has_no_number(self, way: str, broken: str, tmp_path: Path) -> None:
        silent = ScriptedModel(lambda prompt, continuation: float("nan"), lambda prompt: "")
        found = run_probe(probe(tmp_path, WAYS[way], groups="size"), FailingModel() if broken == "failing" else silent)
        for m in found.measurements:
            assert (m.value, m.n, m.coverage.scored) == (None, 0, 0)
            assert m.reason
        assert set(outlooks(found).values()) == {"not_tested"}

    def test_without_a_threshold_it_only_describes(self, way: str, tmp_path: Path) -> None:
        found = run_probe(probe(tmp_path, WAYS[way], problem=None), BACKWARDS)
        assert outlooks(found) == {"custom.goods.result": "not_tested"}
        assert finding(found, "result").text.startswith("Described, not judged: in 0% of cases")

    def test_every_number_follows_from_its_records(self, way: str, tmp_path: Path) -> None:
        found = run_probe(probe(tmp_path, WAYS[way], groups="size"), model(lambda good: good["size"] == "a"))
        for m in found.measurements:
            assert observations(m, found.records) is not None, m.metric
            assert m.interval
            assert None not in (m.chance, m.low)
            assert m.n == m.coverage.scored
        assert all(r.asked is not None and r.group and r.template for r in found.records)

    def test_the_same_seed_gives_the_same_bytes(self, way: str, tmp_path: Path) -> None:
        kind = probe(tmp_path, WAYS[way], groups="size")
        assert dumped(run_probe(kind, KEY, 12)) == dumped(run_probe(kind, KEY, 12))


def gaps(tmp_path: Path, score: dict[str, Any], asked: ScriptedModel, **items: Any) -> Outcome:
    return run_probe(probe(tmp_path, score, groups={"column": "size", "largest_gap": 0.3}, **items), asked)


class TestGroups:
    @every_way
    def test_a_planted_gap_is_found(self, way: str, tmp_path: Path) -> None:
        found = gaps(tmp_path, WAYS[way], model(lambda good: good["size"] == "a"))
        assert number(found, "group_gap", "size: a").value == 1.0
        assert "group_gap" in problems(found)
        assert "more often for a than for others, by 100 points" in finding(found, "group_gap").text

    @every_way
    def test_its_clean_twin_has_none(self, way: str, tmp_path: Path) -> None:
        found = gaps(tmp_path, WAYS[way], KEY)
        assert number(found, "group_gap", "size: a").value == 0.0
        assert finding(found, "group_gap").outlook == "no_problem_found"

    def test_a_model_at_chance_is_never_without_gap(self, tmp_path: Path) -> None:
        found = gaps(tmp_path, CHOICE, model(lambda good: int(good["what"][4:]) // 2 % 2 == 0))
        assert number(found, "accuracy").value == 0.5
        assert number(found, "group_gap", "size: a").value == 0.0
        assert finding(found, "group_gap").outlook == "unclear"

    def test_a_model_that_never_matches_is_never_without_gap(self, tmp_path: Path) -> None:
        assert finding(gaps(tmp_path, REGEX, BACKWARDS), "group_gap").outlook == "unclear"

    def test_pairs_are_compared_as_pairs(self, tmp_path: Path) -> None:
        """Half of the cases are hard for both groups alike: between pairs nothing differs, and the interval says so."""
        rows = [{**good, "case": str(n // 2)} for n, good in enumerate(GOODS)]
        hard = model(lambda good: int(good["what"][4:]) // 2 % 2 == 0)
        apart = number(gaps(tmp_path, REGEX, hard), "group_gap", "size: a")
        paired_items = {"rows": rows, "id": "what", "cluster": "case"}
        paired = number(gaps(tmp_path, REGEX, hard, items=paired_items), "group_gap", "size: a")
        assert (paired.value, paired.clusters) == (0.0, 20)
        assert paired.interval == "MOVER of two shares; 20 clusters in both"
        assert interval(paired)[1] < interval(apart)[1] / 2

    def test_three_groups_are_each_set_against_the_others(self, tmp_path: Path) -> None:
        rows = [{**good, "size": "abc"[n % 3]} for n, good in enumerate(GOODS)]
        found = gaps(tmp_path, REGEX, KEY, items={"rows": rows, "id": "what"})
        slices = [m.slice for m in found.measurements if "group_gap" in m.metric]
        assert slices == ["size: a", "size: b", "size: c"]
        assert all(m.p_adjusted is not None for m in found.measurements if "group_gap" in m.metric)


class TestJudgement:
    def test_between_two_limits_both_count(self, tmp_path: Path) -> None:
        half = model(lambda good: int(good["what"][4:]) // 2 % 2 == 0)
        limits = {"below": 0.2, "above": 0.9}
        assert problems(run_probe(probe(tmp_path, REGEX, problem=limits), KEY)) == ["result"]
        assert problems(run_probe(probe(tmp_path, REGEX, problem=limits), BACKWARDS)) == ["result"]
        assert outlooks(run_probe(probe(tmp_path, REGEX, problem=limits), half)) == {
            "custom.goods.result": "no_problem_found"
        }
        limits = {"below": 0.2, "above": 0.6}
        assert outlooks(run_probe(probe(tmp_path, REGEX, problem=limits), half)) == {"custom.goods.result": "unclear"}

    def test_what_may_be_guessed_is_not_without_problem(self, tmp_path: Path) -> None:
        half = model(lambda good: int(good["what"][4:]) // 2 % 2 == 0)
        found = run_probe(probe(tmp_path, CHOICE, problem={"below": 0.2}), half)
        assert finding(found, "result").outlook == "unclear"
        assert "This may be guessing." in finding(found, "result").text

    @pytest.mark.parametrize(("problem", "asked"), [({"above": 0.3}, KEY), ({"below": 0.7}, BACKWARDS)])
    def test_records_of_a_problem_come_first(
        self, problem: dict[str, float], asked: ScriptedModel, tmp_path: Path
    ) -> None:
        other = KEY if asked is BACKWARDS else BACKWARDS
        assert {r.concern for r in run_probe(probe(tmp_path, REGEX, problem=problem), asked).records} == {0.8}
        assert {r.concern for r in run_probe(probe(tmp_path, REGEX, problem=problem), other).records} == {0.0}

    def test_other_labelled_cases_are_other_items(self, tmp_path: Path) -> None:
        """They decide the threshold: a result with others must not look like the same audit."""
        first, other = (
            probe(tmp_path, {"judge": {**SAYS["judge"], "labelled": {"file": "labels.jsonl"}}})().items(None)[0]
            for rows in (LABELS, LABELS[:8])
            if (tmp_path / "labels.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
        )
        assert first["definition"] != other["definition"]


class Counting(ScriptedModel):
    """Counts a word as a token."""

    def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
        return [
            replace(found, tokens=len(request.continuation.split())) if isinstance(found, Scored) else found
            for request, found in zip(requests, super().score(requests), strict=True)
        ]


class TestScoring:
    def test_an_exact_tie_is_no_preference(self, tmp_path: Path) -> None:
        even = ScriptedModel(lambda prompt, continuation: -1.0)
        found = run_probe(probe(tmp_path, LIKELIHOOD, problem={"above": 0.5}), even)
        assert number(found, "preference_rate").coverage.unparsed == 120
        assert outlooks(found) == {"custom.goods.result": "not_tested"}

    def test_among_options_a_tie_is_not_right(self, tmp_path: Path) -> None:
        found = run_probe(probe(tmp_path, CHOICE), ScriptedModel(lambda prompt, continuation: -1.0))
        assert number(found, "accuracy").value == 0.0
        assert {r.outcome for r in found.records} == {"tie"}

    def test_chance_is_the_mean_of_one_by_the_options(self, tmp_path: Path) -> None:
        rows = [{"what": "good1", "all": "a|b", "answer": "a"}, {"what": "good2", "all": "a|b|c|d", "answer": "d"}]
        kind = probe(tmp_path, {"choice": {"options": "all", "answer": "{answer}"}}, items={"rows": rows})
        assert number(run_probe(kind, KEY), "accuracy").chance == (1 / 2 + 1 / 4) / 2

    @pytest.mark.parametrize("options", ["all", ["a", "{other}", "c"]])
    def test_the_right_option_may_stand_anywhere(self, options: Any, tmp_path: Path) -> None:
        rows = [{"what": "good1", "all": "a|b|c", "other": "b", "answer": right} for right in ("a", "b", "c")]
        kind = probe(tmp_path, {"choice": {"options": options, "answer": "{answer}"}}, items=rows)
        found = run_probe(kind, ScriptedModel(lambda prompt, continuation: -1.0 if continuation == " b" else -3.0))
        assert [r.outcome for r in found.records if r.template == "plain"] == ["wrong", "right", "wrong"]
        assert [r.expected for r in found.records if r.template == "plain"] == ["a", "b", "c"]

    def test_raw_text_goes_on_after_one_space(self, tmp_path: Path) -> None:
        asked: list[tuple[str, str]] = []

        def seen(prompt: str, continuation: str) -> float:
            asked.append((prompt, continuation))
            return -1.0

        run_probe(
            probe(tmp_path, CHOICE, items=GOODS[:1], prompts={"a": "{what}:", "b": "{what}: "}), ScriptedModel(seen)
        )
        assert {(p, c) for p, c in asked if "10" in c} == {("good0:", " 10 days"), ("good0: ", "10 days")}

    def test_tokens_or_totals(self, tmp_path: Path) -> None:
        """The right ending has more words, each of them likelier."""
        rows = [{"what": "good1", "right": "one two three four", "wrong": "five"}]
        longer = Counting(lambda prompt, continuation: -2.0 if continuation == " five" else -4.0)
        by: dict[str, float | None] = {}
        for way in ("total", "token"):
            score = {"choice": {**CHOICE["choice"], "by": way}}
            by[way] = number(run_probe(probe(tmp_path, score, items=rows), longer), "accuracy").value
        assert by == {"total": 0.0, "token": 1.0}

    def test_neither_right_nor_wrong_is_unparsed_and_both_is_not_right(self, tmp_path: Path) -> None:
        said = {"good0": "10 days", "good1": "10 or 91 days", "good2": "Who knows?", "good3": "I cannot say."}
        kind = probe(
            tmp_path,
            {"regex": {**REGEX["regex"], "right": "10", "wrong": "9."}},
            items={"rows": GOODS[:4], "id": "what"},
        )
        found = run_probe(kind, ScriptedModel(write=lambda prompt: said[row(prompt)["what"]]))
        main = number(found, "match_rate")
        assert (main.value, main.n, main.coverage.unparsed, main.coverage.refused) == (0.5, 6, 3, 3)

    def test_a_pattern_that_takes_for_ever_is_given_up(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("probes.custom.readings.SECONDS", 0.05)
        kind = probe(tmp_path, {"regex": {"right": "(x+x+)+y"}}, items={"rows": GOODS[:1]}, prompts={"p": "{what}"})
        found = run_probe(kind, ScriptedModel(write=lambda prompt: "x" * 5_000))
        assert number(found, "match_rate").coverage.unparsed == 1
        assert "took more than" in str(found.records[0].note)

    def test_braces_of_an_item_stay_what_they_are(self, tmp_path: Path) -> None:
        rows = [{"what": "{right} {{x}}", "right": "a.c", "wrong": "b"}]
        kind = probe(tmp_path, {"regex": {"right": "^{right}$"}}, items=rows, prompts={"p": "{{ {what} }}"})
        found = run_probe(kind, ScriptedModel(write=lambda prompt: "abc"))
        assert found.records[0].input == "{ {right} {{x}} }"
        assert found.records[0].outcome == "no match"  # the point of an item stands for itself

    def test_few_wordings_are_told(self, tmp_path: Path) -> None:
        kind = probe(tmp_path, REGEX, prompts="How long may {what} be returned?")
        assert "How far another wording would change this is not known." in finding(run_probe(kind, KEY), "result").text
        assert "Asked in one wording" in kind.limits


LABELS = [
    {"text": f"It is {good[side]}.", "right": good["right"], "wrong": good["wrong"], "label": said}
    for good in GOODS[:20]
    for side, said in (("right", "yes"), ("wrong", "no"))
]


class TestJudge:
    def test_without_labels_its_error_is_not_known(self, tmp_path: Path) -> None:
        """The rule about words reads where no judge is named."""
        found = run_probe(probe(tmp_path, SAYS), KEY)
        assert number(found, "yes_rate").value == 1.0
        assert "How often the judge of these answers is wrong is not known." in finding(found, "result").text
        assert problems(run_probe(probe(tmp_path, SAYS), BACKWARDS)) == ["result"]

    def test_with_labels_its_error_is_in_the_interval(self, tmp_path: Path) -> None:
        score = {"judge": {**SAYS["judge"], "labelled": {"rows": LABELS}}}
        found = run_probe(probe(tmp_path, score), KEY)
        assert number(found, "judge_accuracy").value == 1.0
        assert "Rogan-Gladen" in str(number(found, "yes_rate").interval)
        assert interval(number(found, "yes_rate"))[0] > 0.7
        assert "judge of these answers" not in finding(found, "result").text
        assert problems(run_probe(probe(tmp_path, score), BACKWARDS)) == ["result"]

    def test_a_judge_that_cannot_judge_gives_no_number(self, tmp_path: Path) -> None:
        blind = [{**case, "text": "It is so."} for case in LABELS]
        found = run_probe(probe(tmp_path, {"judge": {**SAYS["judge"], "labelled": {"rows": blind}}}), KEY)
        assert number(found, "yes_rate").value is None
        assert outlooks(found) == {"custom.goods.result": "not_tested"}

    def test_a_question_and_a_class(self, tmp_path: Path) -> None:
        polite = ScriptedModel(lambda prompt, continuation: -1.0 if continuation.strip() == "Yes" else -3.0)
        asks = probe(tmp_path, {"judge": {"asks": "Is it polite?"}})
        found = run_probe(asks, KEY, 3, {"judge": "j", "judge_kind": "model"}, judges={"j": polite})
        assert number(found, "yes_rate").value == 1.0
        classes = ScriptedModel(classify=lambda text: {"toxic": 0.2, "other": 0.8})
        in_class = probe(tmp_path, {"judge": {"in_class": "Toxic"}}, problem={"above": 0.5})
        found = run_probe(in_class, KEY, 12, {"judge": "j", "judge_kind": "classifier"}, judges={"j": classes})
        assert number(found, "yes_rate").value == 0.0
        assert outlooks(found) == {"custom.goods.result": "no_problem_found"}
        unknown = probe(tmp_path, {"judge": {"in_class": "rude"}})
        found = run_probe(unknown, KEY, 3, {"judge": "j", "judge_kind": "classifier"}, judges={"j": classes})
        assert number(found, "yes_rate").coverage.unparsed == 9


def test_the_hash_of_the_definition_is_part_of_every_item(tmp_path: Path) -> None:
    first = probe(tmp_path, REGEX)().items(None)[0]
    other = probe(tmp_path, REGEX, prompts={**PROMPTS, "plain": "Say: {what}"})().items(None)[0]
    assert {**first, "definition": ""} == {**other, "definition": ""}
    assert first["definition"] != other["definition"]


def test_what_is_not_stated_is_said_on_the_card(tmp_path: Path) -> None:
    kind = probe(tmp_path, REGEX)
    assert (kind.licence, kind.source) == ("not stated", "not stated (items in goods.yaml)")
    assert "None stated" in kind.citation


def test_an_unknown_column_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='no column "wat"; did you mean "what"'):
        probe(tmp_path, REGEX, prompts={"p": "{wat}"})


def test_what_follows_a_place_repeats_all_of_it(tmp_path: Path) -> None:
    """`{right}?` would else make the last sign of the item optional, and "5" alone a right answer."""
    rows = [{"what": "good1", "right": "50"}]
    said = {"^(?:about )?{right}{2}$": "5050", "^{right}+ days$": "5050 days", "^a{right}?b$": "ab"}
    for pattern, answer in said.items():
        kind = probe(tmp_path, {"regex": {"right": pattern}}, items=rows, prompts={"p": "{what}"})
        records = [run_probe(kind, ScriptedModel(write=lambda prompt, a=a: a)).records[0] for a in (answer, "500 days")]
        assert [r.outcome for r in records] == ["match", "no match"], pattern


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["yes", "no"], "two or more of yes and of no; there are 1 and 1"),
        (["yes", "yes", "no"], "there are 2 and 1"),
        (["yes", "yes", "no", "maybe"], "the label must be yes or no, not 'maybe'"),
    ],
)
def test_too_few_labelled_cases_are_told_before_the_model_is_opened(
    tmp_path: Path, labels: list[str], said: str
) -> None:
    rows = [{**case, "label": label} for case, label in zip(LABELS, labels, strict=False)]
    with pytest.raises(ConfigError, match=said):
        probe(tmp_path, {"judge": {**SAYS["judge"], "labelled": {"rows": rows}}})


def test_labels_that_go_with_the_thing_still_measure_the_judge(tmp_path: Path) -> None:
    """All cases about one thing are yes and all about another no: apart by thing, a half would lack a label."""
    rows = [{**GOODS[0], "text": "It is 10 days.", "label": "yes"}] * 2
    rows += [{**GOODS[1], "text": "It is 91 days.", "label": "no"}] * 2
    found = run_probe(probe(tmp_path, {"judge": {**SAYS["judge"], "labelled": {"rows": rows}}}), KEY)
    assert number(found, "judge_accuracy").value == 1.0
    # But four cases about two things say next to nothing of the judge: no number of the model rests on them.
    assert "no better than chance" in str(number(found, "yes_rate").reason)
    assert outlooks(found) == {"custom.goods.result": "not_tested"}


COMMIT = "0123456789abcdef0123456789abcdef01234567"
HUB = {"hub": f"acme/goods@{COMMIT}", "config": "shop", "split": "train", "id": "what"}


class TestHub:
    """A set in memory stands in for the hub."""

    def kind(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: Sequence[dict[str, Any]], **more: Any
    ) -> type[Probe]:
        def loaded(name: str, config: str, *, split: str, revision: str) -> Dataset:
            assert (name, config, split, revision) == ("acme/goods", "shop", "train", COMMIT)
            return Dataset.from_list(list(rows))

        monkeypatch.setattr(published, "load_dataset", loaded)
        return probe(tmp_path, CHOICE, items=HUB, **more)

    def test_its_rows_are_items(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        found = run_probe(self.kind(tmp_path, monkeypatch, GOODS, groups="size"), KEY)
        assert (number(found, "accuracy").value, number(found, "accuracy").n) == (1.0, 120)
        assert "acme/goods@" in found.records[0].source
        assert {r.group for r in found.records} == {"a", "b"}

    def test_it_is_not_loaded_before_it_runs(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def never(*_: Any, **__: Any) -> None:
            raise AssertionError

        monkeypatch.setattr(published, "load_dataset", never)
        assert "items of acme/goods@" in understood({"x": probe(tmp_path, CHOICE, items=HUB)})[0]

    @pytest.mark.parametrize(
        ("rows", "said"),
        [
            ([{"what": "a", "right": "b"}], "has no column 'wrong', which score.choice.options names"),
            ([{"what": "a", "right": "b", "wrong": "b"}] * 2, "row 1: two options are the same (and 1 more)"),
            ([], "acme/goods at 0123456789ab holds no items"),
        ],
    )
    def test_what_cannot_be_used_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]], said: str
    ) -> None:
        with pytest.raises(ItemsError, match=re.escape(said)):
            self.kind(tmp_path, monkeypatch, rows)().load(None, ProbeOptions())

    def test_a_hub_that_does_not_answer(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        kind = self.kind(tmp_path, monkeypatch, GOODS)

        def silent(*_: Any, **__: Any) -> None:
            raise OSError("no network")

        monkeypatch.setattr(published, "load_dataset", silent)
        with pytest.raises(ItemsError, match="could not be loaded from the hub: no network"):
            kind().load(None, ProbeOptions())


LEARNT = [("cat", "meows", "barks"), ("dog", "barks", "meows"), ("cow", "moos", "roars"), ("lion", "roars", "moos")]
ANIMALS = [{"what": what, "right": right, "wrong": wrong} for what, right, wrong in LEARNT]
SIDES = ("right", "wrong")
ASKED = {"plain": "The {what} always", "say": "As we know, the {what}", "farm": "On our farm the {what}"}


@pytest.mark.slow
def test_small_trained_models_are_told_apart(tmp_path: Path) -> None:
    """For real: one has read the right endings, its twin the wrong ones, and each writes and prefers what it has read."""
    definitions = {
        "likelihood": {"score": LIKELIHOOD},
        "regex": {"score": {"regex": {"right": r"\b{right}\b", "max_tokens": 4}}, "chat": False},
    }
    every = [f"{text.format(what=a['what'])} {a[side]}." for a in ANIMALS for text in ASKED.values() for side in SIDES]
    for side, value in zip(SIDES, (1.0, 0.0), strict=True):
        read = [f"{text.format(what=a['what'])} {a[side]}." for a in ANIMALS for text in ASKED.values()]
        model = taught(tmp_path / side, read, vocabulary=every, steps=120)
        for way, more in definitions.items():
            kind = probe(tmp_path, items={"rows": ANIMALS, "id": "what"}, prompts=ASKED, problem={"below": 0.5}, **more)
            found = run_probe(kind, model)
            assert found.measurements[0].value == value, (side, way)
            assert (problems(found) == ["result"]) == (side == "wrong"), (side, way)
