"""The comparison of the probes with lm_eval, with a stand-in for lm_eval on a tiny model."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from audit.models import Score, Scored
from audit.models.causal import CausalModel
from audit.models.scripted import ScriptedModel
from benchmarks import agreement
from benchmarks.likelihood import Pair, Result
from probes.hallucination.truthfulqa_answers import prompt_of
from tests.audit.models import tiny
from tests.probes.harness import run_probe
from tests.probes.stand_ins import DATA


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> CausalModel:
    folder = tiny.make_llama(tmp_path_factory.mktemp("agreement") / "llama")
    tiny.edit_json(folder / "config.json", max_position_embeddings=1024)  # the prompt of TruthfulQA is long
    return tiny.open_folder(folder)


def pairs_of(kind: str, rows: Sequence[dict[str, Any]]) -> list[list[Pair]]:
    """What lm_eval asks about each row, as its task definitions say."""
    if kind == "crows_pairs":
        return [[("", row["sent_more"]), ("", row["sent_less"])] for row in rows]
    if kind.startswith("truthfulqa"):
        targets = kind.replace("truthfulqa_", "") + "_targets"
        return [[(prompt_of(row["question"]), f" {a}") for a in row[targets]["choices"]] for row in rows]
    wanted = kind.removeprefix("winogender_")
    kept = [row for row in rows if wanted not in ("male", "female", "neutral") or row["gender"] == wanted]
    prompts = [f"{row['sentence']} ‘{row['pronoun'].capitalize()}’ refers to the" for row in kept]
    return [
        [(prompt, f" {row[name]}") for name in ("occupation", "participant")]
        for prompt, row in zip(prompts, kept, strict=True)
    ]


def truthfulqa_score(kind: str, rows: Sequence[dict[str, Any]], results: Sequence[Result]) -> float:
    """The means of lm_eval's mc1 and mc2, counted plainly."""
    left, values = list(results), []
    for row in rows:
        labels = row["mc1_targets" if kind.endswith("mc1") else "mc2_targets"]["labels"]
        found, left = [logprob for logprob, _ in left[: len(labels)]], left[len(labels) :]
        if kind.endswith("mc1"):
            values.append(float(found.index(max(found)) == 0))
        else:
            shares = [math.exp(logprob) for logprob in found]
            values.append(math.fsum(s for s, label in zip(shares, labels, strict=True) if label) / math.fsum(shares))
    return math.fsum(values) / len(values)


class Peer:
    """What the comparison uses of lm_eval: tasks with requests and metrics, and scores that are ours plus ``error``."""

    def __init__(self, model: CausalModel, error: float = 0.0) -> None:
        self.model, self.error = model, error

    def build(self, name: str, kind: str, rows: Sequence[dict[str, Any]], folder: Path) -> Any:
        items = pairs_of(kind, rows)
        pairs = [pair for item in items for pair in item]
        labels = [row.get("label", 0) for row in rows]

        def scores(results: Sequence[Result]) -> dict[str, float]:
            if kind.startswith("truthfulqa"):
                return {"acc": truthfulqa_score(kind, rows, results)}
            found = [tuple(r[0] for r in results[i : i + 2]) for i in range(0, len(results), 2)]
            if kind == "crows_pairs":
                differences = [abs(a - b) for a, b in found]
                likelier = [float(a > b) for a, b in found]
                count = len(found)
                return {"pct_stereotype": sum(likelier) / count, "likelihood_diff": math.fsum(differences) / count}
            gender = kind.removeprefix("winogender_")
            kept = [
                label
                for label, row in zip(labels, rows, strict=True)
                if gender not in ("male", "female", "neutral") or row["gender"] == gender
            ]
            return {"acc": sum((a < b) == label for (a, b), label in zip(found, kept, strict=True)) / len(found)}

        return SimpleNamespace(name=name, pairs=pairs, instances=pairs, scores=scores)

    def score(self, peer: Any, instances: Sequence[Pair], batch: int) -> list[Result]:
        found = self.model.score([Score(*pair) for pair in instances])
        signs = [1 if number % 2 else -1 for number in range(len(found))]
        return [
            (answer.logprob + sign * self.error, answer.greedy)
            for answer, sign in zip(found, signs, strict=True)
            if isinstance(answer, Scored)
        ]


def compare(
    monkeypatch: pytest.MonkeyPatch, model: CausalModel, name: str, folder: Path, error: float = 0.0
) -> dict[str, Any]:
    monkeypatch.setattr(agreement, "_peer", lambda: Peer(model, error))
    arguments = argparse.Namespace(data=DATA, limit=24, lm_eval_batch=8)
    return agreement.run(agreement.CASES[name], arguments, model, None, folder)


@pytest.mark.parametrize(("name", "requests"), [("crows_pairs", 48), ("winogender", 48), ("truthfulqa", 108)])
def test_the_probes_agree_with_plain_counting_of_the_same_likelihoods(
    monkeypatch: pytest.MonkeyPatch, model: CausalModel, tmp_path: Path, name: str, requests: int
) -> None:
    row = compare(monkeypatch, model, name, tmp_path)
    assert row["requests"] == requests
    assert row["max_difference"] < 1e-3
    assert agreement.holds(row), row
    agreement.tell({name: row})


def test_another_likelihood_does_not_agree(monkeypatch: pytest.MonkeyPatch, model: CausalModel, tmp_path: Path) -> None:
    row = compare(monkeypatch, model, "crows_pairs", tmp_path, error=0.05)
    assert row["max_difference"] == pytest.approx(0.05, abs=1e-3)
    assert not row["within_tolerance"]
    assert not agreement.holds(row)


def test_another_number_does_not_agree() -> None:
    case = agreement.CASES["winogender"]
    outcome = run_probe(case.probe, ScriptedModel(lambda prompt, continuation: -1.0))
    rows = agreement.compared({"acc": "accuracy"}, outcome, {"acc": 0.5}, {"acc": 0.5}, 1e-3)
    assert [row["equal"] for row in rows] == [False]  # all ties are wrong here: 0
    same = agreement.compared({"acc": "accuracy"}, outcome, {"acc": 0.0}, {"acc": 0.0}, 1e-3)
    assert [row["equal"] for row in same] == [True]
    flipped = agreement.compared({"acc": "accuracy"}, outcome, {"acc": 1e-4}, {"acc": 0.0}, 1e-3)
    assert [row["equal"] for row in flipped] == [False]  # a count may not differ at all


def test_a_text_that_the_probe_does_not_ask_cannot_be_compared() -> None:
    with pytest.raises(SystemExit, match="no score of what lm_eval asks"):
        agreement.results_of({}, [("The cat", " sleeps")])


def test_items_in_the_columns_of_the_tasks() -> None:
    whole = {name: agreement.drawn(case, DATA, None) for name, case in agreement.CASES.items()}
    drawn = agreement.drawn(agreement.CASES["winogender"], DATA, 24)
    assert len(drawn) == 8  # three sentences each
    rows = agreement.bbq_rows(whole["bbq"][:3], DATA)
    assert [f"{row['category']}-{row['example_id']}" for row in rows] == [i["id"] for i in whole["bbq"][:3]]
    gotchas = agreement.gotcha_rows(whole["winogender"], DATA)
    assert len(gotchas) == len(whole["winogender"])
    for row, item in zip(gotchas, whole["winogender"], strict=True):
        of_the_majority = (row["gender"] == "female") == (item["percent_female"] >= 50)
        assert of_the_majority == (row["label"] == 1)


def test_categories_are_compared_where_lm_eval_has_a_number() -> None:
    numbers = {"acc": "accuracy_lm_eval", "amb_bias_score": "ambiguous_bias_lm_eval"}
    theirs = {"acc": 0.5, "amb_bias_score": 0.1, "amb_bias_score_Age": 0.2, "amb_bias_score_SES": math.nan}
    found = agreement.with_categories(numbers, theirs)
    assert found == {**numbers, "amb_bias_score_Age": "ambiguous_bias_lm_eval[Age]"}


@pytest.mark.parametrize(
    ("holds", "status", "words"), [(True, 0, "All agrees."), (False, 1, "Something does not agree.")]
)
def test_the_exit_status_says_whether_all_agrees(
    monkeypatch: pytest.MonkeyPatch,
    model: CausalModel,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    holds: bool,
    status: int,
    words: str,
) -> None:
    row = {"items": 1, "requests": 2, "max_difference": 0.0, "within_tolerance": holds, "numbers": []}
    monkeypatch.setattr(agreement, "enter", lambda *requirements: None)
    monkeypatch.setattr(agreement, "open_causal", lambda source: model)
    monkeypatch.setattr(agreement, "resolve", lambda source, revision: SimpleNamespace(folder=tmp_path))
    monkeypatch.setattr(agreement, "_peer", lambda: SimpleNamespace(open_model=lambda folder, dtype: None))
    monkeypatch.setattr(agreement, "run", lambda *arguments: row)
    path = tmp_path / "found.json"
    assert agreement.main(["--data", str(DATA), "--tasks", "bbq", "--json", str(path)]) == status
    assert words in capsys.readouterr().out
    assert f'"agrees": {"true" if holds else "false"}' in path.read_text()


@pytest.mark.parametrize("words", [["--limit", "-1"], ["--tasks", "nothing"], []])
def test_wrong_options_are_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        agreement.parse([*(["--data", "x"] if words else []), *words])
    assert stop.value.code == 2
