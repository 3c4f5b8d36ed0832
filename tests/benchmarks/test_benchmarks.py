"""The pure parts of the benchmarks, and our own half of the likelihood benchmark on a tiny model."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig

from audit.models import Score, Scored
from audit.models.causal import CausalModel
from benchmarks import _items, _shared, _work, generation, judges, likelihood, load, scaling
from probes.judges import RIGHT_ANSWER, SAME_MEANING, SUPPORTED, Reader
from tests.audit.models import tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_llama(tmp_path_factory.mktemp("benchmark") / "llama")


@pytest.fixture(scope="module")
def model(folder: Path) -> CausalModel:
    return tiny.open_folder(folder)


# Numbers.


def test_ratio_is_the_median_over_rounds() -> None:
    assert _shared.median_ratio([10.0, 9.0, 80.0], [1.0, 3.0, 2.0]) == 10.0  # of 10, 3 and 40, not of the medians
    with pytest.raises(ValueError, match="no round"):
        _shared.median_ratio([], [])
    with pytest.raises(ValueError, match="zip"):
        _shared.median_ratio([1.0], [1.0, 2.0])


def test_geometric_mean() -> None:
    assert _shared.geometric_mean([2.0, 8.0]) == pytest.approx(4.0)
    assert _shared.geometric_mean([]) is None


def test_line_fit() -> None:
    slope, start, r2 = _shared.line_fit([1.0, 2.0, 4.0], [5.0, 7.0, 11.0])
    assert (slope, start, r2) == (pytest.approx(2.0), pytest.approx(3.0), pytest.approx(1.0))
    _, _, bent = _shared.line_fit([1.0, 2.0, 3.0, 4.0], [1.0, 4.0, 9.0, 16.0])
    assert bent is not None
    assert 0.9 < bent < 0.99
    assert _shared.line_fit([1.0, 2.0], [1.0, 5.0])[2] is None  # two points lie on a line whatever they are
    with pytest.raises(ValueError, match="equal"):
        _shared.line_fit([2.0, 2.0], [1.0, 3.0])


def test_sample_is_seeded_and_keeps_the_order() -> None:
    rows = list(range(100))
    drawn = _shared.sample(rows, 10)
    assert drawn == sorted(set(drawn)) == _shared.sample(rows, 10)
    assert len(drawn) == 10
    assert drawn != _shared.sample(rows, 10, seed=1)
    assert _shared.sample(rows, None) == _shared.sample(rows, 1000) == rows


# Work.


def test_work_counts_each_prefix_once() -> None:
    found = _work.work_of([([1, 2, 3], [4, 5]), ([1, 2, 3], [4, 6]), ([1, 2, 3], [7])])
    assert found.tokens == 4 + 4 + 3
    assert found.unique == 4  # 1, 12, 123, 1234
    assert found.heads == 2  # after 123 and after 1234
    assert _work.work_of([]) == _work.Work(0, 0, 0)


def test_equal_tokens_after_other_beginnings_are_other_prefixes() -> None:
    assert _work.work_of([([1, 2], [3]), ([2, 2], [3])]).unique == 4


def test_cost_is_that_of_the_weights(tmp_path: Path) -> None:
    hidden, inner, layers, vocabulary = 16, 40, 3, 50
    for tied in (True, False):
        config = LlamaConfig(
            hidden_size=hidden,
            intermediate_size=inner,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=2,
            vocab_size=vocabulary,
            tie_word_embeddings=tied,
        )
        config.save_pretrained(tmp_path)
        cost = _work.cost_of(tmp_path)
        attention = 2 * hidden * hidden + 2 * hidden * hidden // 2  # query and output; key and value of half the heads
        assert cost.body == 2 * layers * (attention + 3 * hidden * inner)
        assert cost.head == 2 * hidden * vocabulary
    done = _work.Work(tokens=100, unique=10, heads=4)
    assert cost.of(done) == 10 * cost.body + 4 * cost.head
    assert cost.naive(done) == 100 * (cost.body + cost.head)


def test_rates_are_of_this_machine(folder: Path) -> None:
    rates = _work.gemm_rates(folder, torch.float32, seconds=0.01)
    assert "default" in rates
    assert all(1e7 < rate < 1e15 for rate in rates.values())


def test_speed() -> None:
    found = likelihood.speed(2.0, _work.Work(50, 10, 5), _work.Cost(body=3.0, head=2.0), rate=40.0)
    assert (found["floor_seconds"], found["utilisation"]) == (1.0, 0.5)
    assert (found["tokens"], found["unique_tokens"], found["scored_rows"]) == (50, 10, 5)


# Agreement.


def test_agreement() -> None:
    same = likelihood.agreement([(-80.0, True), (-1.0, False)], [(-80.003, True), (-1.0, False)])
    assert same == {"max_difference": pytest.approx(0.003), "within_tolerance": True, "equal_greedy": True}
    assert not likelihood.agreement([(-1.0, True)], [(-1.002, True)])["within_tolerance"]
    assert not likelihood.agreement([(-1.0, True)], [(-1.0, False)])["equal_greedy"]


def test_equal_scores() -> None:
    assert likelihood.equal_scores({"a": 4.60501}, {"a": 4.60499})
    assert not likelihood.equal_scores({"a": 100 / 1508}, {"a": 101 / 1508})
    assert not likelihood.equal_scores({"a": 1.0}, {"b": 1.0})


# Items.


def write_items(data: Path) -> Path:
    """Invented items in the layout of the published files."""
    for name in ("crows_pairs", "truthfulqa", "bbq", "bold"):
        (data / name).mkdir(parents=True)
    with (data / "crows_pairs" / "crows_pairs_anonymized.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["", "sent_more", "sent_less", "stereo_antistereo", "bias_type"])
        writer.writerows([i, f"The red cat, {i}", f"The blue cat, {i}", "stereo", "colour"] for i in range(20))
    with (data / "truthfulqa" / "TruthfulQA.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Question", "Best Answer", "Correct Answers", "Incorrect Answers"])
        writer.writerow(["Where is the cat? ", "In the garden", "In the garden; Outside", "At sea; Nowhere; "])
    items = [
        {"context": f"Two cats, {i}.", "question": "Which?", "ans0": "a", "ans1": "b", "ans2": "Unknown", "label": 2}
        for i in range(30)
    ]
    (data / "bbq" / "Age.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    (data / "bold" / "gender_prompt.json").write_text(json.dumps({"cats": {"Tom": ["Tom is a ", "Tom was "]}}))
    return data


def test_items_in_the_columns_of_the_tasks(tmp_path: Path) -> None:
    data = write_items(tmp_path / "data")
    assert _items.crows_pairs(data, 5)[0].keys() == {"sent_more", "sent_less", "bias_type"}
    (question,) = _items.truthfulqa(data, None)
    assert question["question"] == "Where is the cat?"
    assert question["mc1_targets"] == {"choices": ["In the garden", "At sea", "Nowhere"], "labels": [1, 0, 0]}
    assert question["mc2_targets"]["labels"] == [1, 1, 0, 0]
    assert [row["context"] for row in _items.bbq(data, 3, consecutive=True)] == [f"Two cats, {i}." for i in range(3)]
    drawn = [row["context"] for row in _items.bbq(data, 3, consecutive=False)]
    assert drawn != [f"Two cats, {i}." for i in range(3)]
    assert generation.prompts_of(data, 3) == ["Tom is a", "Tom was", "Q: Where is the cat?\nA:"]
    assert [len(likelihood.rows_of(plan, data, 4)) for plan in likelihood.TASKS.values()] == [4, 1, 1, 4, 4]


def test_missing_data_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"Age.jsonl is missing: --data names a folder"):
        _items.bbq(tmp_path, 3, consecutive=True)


# Our half of the likelihood benchmark.


class FakeTask:
    """A task as lm_eval's builder gives it: two choices an item, the first is right."""

    name = "invented"
    pairs = (
        ("The red cat sleeps in the", " garden"),
        ("The red cat sleeps in the", " river"),
        ("The blue dog sleeps in the", " kitchen"),
        ("The blue dog sleeps in the", " market"),
    )

    def scores(self, results: list[tuple[float, bool]]) -> dict[str, float]:
        right = [results[i][0] > results[i + 1][0] for i in range(0, len(results), 2)]
        return {"acc": sum(right) / len(right)}


def test_our_scores_are_the_models_own(model: CausalModel) -> None:
    exact = tiny.ByHand(model)
    for (prompt, continuation), (logprob, greedy) in zip(
        FakeTask.pairs, likelihood.ours(model, FakeTask.pairs), strict=True
    ):
        expected = exact.score(Score(prompt, continuation))
        assert logprob == pytest.approx(expected.logprob, abs=1e-3)
        assert greedy == expected.greedy


def test_unscored_request_is_no_time(model: CausalModel) -> None:
    with pytest.raises(SystemExit, match="not scored"):
        likelihood.ours(model, [("The cat", "")])


def test_equal_requests_are_asked_once(model: CausalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Score] = []
    inner = model.score

    def score(requests: Any) -> Any:
        asked.extend(requests)
        return inner(requests)

    monkeypatch.setattr(model, "score", score)
    found = _shared.ask(model, [Score("The cat", " is")] * 3)
    assert len(asked) == 1
    assert all(isinstance(response, Scored) for response in found.values())


def test_a_row_without_lm_eval(folder: Path, model: CausalModel, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = likelihood.parse(["--data", "x", "--model", str(folder), "--rounds", "2", "--ours-only"])
    contest = likelihood.Contest(arguments, folder)
    row = contest.run([FakeTask()], batch=1)
    exact = tiny.ByHand(model)
    expected = [exact.score(Score(*pair)) for pair in FakeTask.pairs]
    assert row["scores"] == {"invented.acc": FakeTask().scores([(e.logprob, e.greedy) for e in expected])["acc"]}
    assert {k for k in row if "lm_eval" in k or k == "ratio"} == set()
    assert row["requests"] == 4
    assert row["unique_tokens"] < row["tokens"]
    assert row["seconds_ours"] > 0
    assert math.isfinite(row["utilisation"])
    likelihood.tell({"invented": row})
    assert "invented.acc" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--rounds", "0"], ["--limit", "-1"], ["--tasks", "nothing"], []])
def test_wrong_options_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        likelihood.parse([*(["--data", "x"] if words else []), *words])
    assert stop.value.code == 2
    assert "usage" in capsys.readouterr().err


# The other benchmarks.


def test_generation_counts_tokens_and_equal_texts(model: CausalModel) -> None:
    tokenizer = model.encoder.tokenizer
    rows = generation.contest(
        {"lm_eval": lambda: ["The cat", " sleeps "], "ours": lambda: ["The cat", "runs"]}, 2, tokenizer, "lm_eval"
    )
    assert rows["lm_eval"]["ratio"] == 1.0
    assert (rows["lm_eval"]["same_as_ours"], rows["lm_eval"]["texts"]) == (1, 2)
    assert rows["ours"]["tokens"] == sum(len(tokenizer(text).input_ids) for text in ("The cat", "runs"))
    assert len(rows["ours"]["rounds"]) == 2


def test_generation_of_plain_transformers_equals_ours(model: CausalModel, folder: Path) -> None:
    prompts = ["The red cat", "The blue dog sleeps", "The"]
    plain = generation.Plain(folder, "float32", batch=2).generate(prompts, 8)
    mine = generation.ours(model, [generation.Generate(prompt, 8) for prompt in prompts])
    assert [text.strip() for text in plain] == mine
    assert len(generation.Plain(folder, "float32", batch=2).generate(prompts, 4, samples=3)) == 9


def test_stages_of_loading_sum_to_the_whole() -> None:
    found = load.stages(100.0, [100.5, 102.0, 103.0, 104.0, 107.0, 107.5], {"resolve": 0.5, "load": 1.0})
    assert list(found) == list(load.STAGES)
    assert sum(found.values()) == pytest.approx(7.5)
    assert found["check and prepare the model"] == pytest.approx(1.5)


@pytest.mark.slow
def test_loading_is_measured_in_a_process_of_its_own(folder: Path) -> None:
    found = load.run(str(folder))
    assert all(seconds >= 0 for seconds in found.values())
    assert found["load weights and tokenizer"] > 0


def test_points_of_scaling_share_choices_only() -> None:
    pairs = scaling.pairs_of(items=3, context=5, choices=2)
    assert len(pairs) == 6
    assert len({prompt for prompt, _ in pairs}) == 3
    assert pairs == scaling.pairs_of(3, 5, 2)


def test_scaling_fits_lines() -> None:
    rows = [
        {"varies": name, "unique_tokens": n, "seconds": 0.5 + n / 1000, "opened_mb": 100.0, "peak_mb": 100 + n / 10}
        for name in ("items", "context")
        for n in (100, 200, 400)
    ]
    found = scaling.fits(rows)
    assert set(found) == {"items", "context", "all"}
    assert found["items"]["milliseconds_per_token"] == pytest.approx(1.0)
    assert found["all"]["r2"] == pytest.approx(1.0)
    assert found["all"]["kilobytes_per_token"] == pytest.approx(102.4)


def test_scaling_measures_a_point(folder: Path) -> None:
    found = scaling.measure(str(folder), {"items": 2, "context": 6, "choices": 2}, rounds=1)
    assert found["requests"] == 4
    assert 0 < found["unique_tokens"] < 200
    assert found["peak_mb"] >= found["opened_mb"] > 0


def test_json_names_the_machine(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    _shared.write_json(path, {"tasks": {"a": {"ratio": 2.0}}, "geometric_mean": None})
    found = json.loads(path.read_text())
    assert found["tasks"] == {"a": {"ratio": 2.0}}
    assert found["machine"]["threads"] >= 1
    with pytest.raises(ValueError, match="JSON"):
        _shared.write_json(path, {"ratio": math.nan})
    _shared.write_json(None, {})


def test_readers_are_measured_as_an_audit_measures_them(capsys: pytest.CaptureFixture[str]) -> None:
    judges.main(["words"])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| a rule about shared words")]
    found = {row.split("|")[2].strip(): float(row.split("|")[4]) for row in rows}
    wanted = {c.name: c.quality(Reader(), {}, 0.95).accuracy.value for c in (SAME_MEANING, RIGHT_ANSWER, SUPPORTED)}
    assert found == {name: pytest.approx(value, abs=0.005) for name, value in wanted.items()}
