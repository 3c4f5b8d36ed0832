"""The benchmark of explanations on a tiny model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import attribution
from probes.registry import find_probes
from tests.audit.models import tiny
from tests.audit.models.tiny import single_thread


@pytest.fixture(scope="module")
def contenders(tmp_path_factory: pytest.TempPathFactory) -> attribution.Contenders:
    with single_thread():
        return attribution.Contenders(str(tiny.make_llama(tmp_path_factory.mktemp("explained") / "llama")))


PROMPT, ANSWER = "The red cat sleeps in the", " garden and the river."


@single_thread()
def test_captums_safe_settings_give_our_numbers(contenders: attribution.Contenders) -> None:
    everyone = {"ours": contenders.ours()}
    everyone |= {name: contenders.ablation(**how) for name, how in attribution.SETTINGS.items()}
    rows = attribution.contest(everyone, [PROMPT, PROMPT], ANSWER)
    assert set(rows) == {"ours", *attribution.SETTINGS}
    assert rows["ours"]["ratio"] == 1.0
    assert all(row["largest_difference"] < attribution.WITHIN and len(row["rounds"]) == 2 for row in rows.values())


@single_thread()
def test_integrated_gradients_at_equal_steps(contenders: attribution.Contenders) -> None:
    everyone = {
        "ours": contenders.ours(method="integrated_gradients", baseline="neutral", samples=8, unit="token"),
        "theirs": contenders.gradients(),
    }
    contenders.steps = 8
    prompt = "The cat in the garden"
    if len(contenders.model.encoder.units(prompt).ids) != len(everyone["ours"](prompt, ANSWER)):
        pytest.skip("units are words here, and captum's are tokens")
    assert attribution.contest(everyone, [prompt], ANSWER)["theirs"]["largest_difference"] < attribution.WITHIN


def test_other_numbers_are_no_contest() -> None:
    everyone = {"ours": lambda p, a: [1.0, 2.0], "theirs": lambda p, a: [1.0, 2.01]}
    with pytest.raises(attribution.Differs, match="theirs"):
        attribution.contest(everyone, ["a b"], "c")
    with pytest.raises(attribution.Differs, match="theirs"):
        attribution.contest(everyone | {"theirs": lambda p, a: [1.0, float("nan")]}, ["a b"], "c")


def test_each_round_has_a_prompt_of_thirty_words(contenders: attribution.Contenders) -> None:
    prompts = attribution.prompts_of(contenders, 3)
    assert len(set(prompts)) == 3
    assert {len(prompt.split()) for prompt in prompts} == {30}


def test_the_probe_is_asked_all_it_asks(contenders: attribution.Contenders, monkeypatch: pytest.MonkeyPatch) -> None:
    """More decisions than it has of its own are made up by flagged ones."""
    kind = find_probes()[attribution.PROBE]
    inner: Any = kind.items
    monkeypatch.setattr(kind, "items", lambda self, data: inner(self, data)[:2])
    with single_thread():
        found = attribution.probe_on_decisions(contenders.model, 3)
    assert found["decisions"] == 3
    assert found["measurements"] > 0
    assert found["requests"] > 6


@pytest.mark.parametrize("words", [["--rounds", "0"], ["--steps", "17"], ["--parts", "nothing"]])
def test_wrong_options_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        attribution.parse(words)
    assert stop.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_it_prints_a_table_and_writes_json(
    contenders: attribution.Contenders,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(attribution, "Contenders", lambda source, steps: contenders)
    monkeypatch.setattr(attribution, "ANSWERS", {"1 token": " garden"})
    monkeypatch.setattr(attribution, "prompts_of", lambda contenders, rounds: [PROMPT] * rounds)
    with single_thread():
        attribution.main(["--rounds", "2", "--parts", "ablation", "--json", str(tmp_path / "found.json")])
    assert "one pass a text" in capsys.readouterr().out
    row = json.loads((tmp_path / "found.json").read_text())["ablation"]["1 token"]["ours"]
    assert len(row["rounds"]) == 2
    assert row["seconds"] == min(row["rounds"])
