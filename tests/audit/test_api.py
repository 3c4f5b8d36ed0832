"""An audit from Python: what ``run`` and ``load`` give, and the frames that a notebook shows."""

from __future__ import annotations

import shlex
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

import audit
import audit.api
import audit.custom
import audit.opening
from audit.api import Result, command_line, draw, load, override, run
from audit.config import ConfigError
from audit.models import Model, ModelError
from audit.models.opening import open_model
from audit.models.scripted import ScriptedModel
from audit.notebook.frames import MEASUREMENT_COLUMNS
from audit.results import Finding, Measurement, Record, ResultError, write_records, write_result
from reports.render import CARD_FILE, REPORT_FILE
from tests.audit.support import (
    Tiny,
    catalogue_of,
    config,
    measurement,
    record,
    result_of,
    tiny,
)

FILES = {
    "audit.sarif",
    "card.html",
    "code-quality.json",
    "gpai-annex.md",
    "junit.xml",
    "manifest.json",
    "model_card.json",
    "modelcard.md",
    "records",
    "report.html",
    "result.json",
    "run.json",
    "summary.md",
    "test-report.md",
}
OTHER = tiny("other.rate")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with two tiny probes, a scripted model and a config."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FAIRWITNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(audit.api, "find_probes", lambda: catalogue_of(OTHER, Tiny))
    monkeypatch.setattr(audit.custom, "find_probes", lambda: catalogue_of(OTHER, Tiny))
    monkeypatch.setattr(audit.opening, "open_model", lambda *_: ScriptedModel())
    (tmp_path / "model.yaml").write_text(
        "model: {source: script}\n"
        "probes: {tiny.rate: {successes: 20}}\n"
        "gates: {tiny.rate.rate: {at_most: 0.5}, other.rate.rate: {at_most: 0.5}}\n"
    )
    return tmp_path


def made(folder: Path, *measurements: Measurement, **changes: Any) -> Result:
    """A result on disk, with its reports."""
    result = result_of(*measurements, **changes)
    write_result(folder, result, {})
    draw(folder, result)
    return load(folder)


# Running.


def test_run_writes_the_whole_folder(place: Path) -> None:
    result = run("model.yaml", output="out")
    assert isinstance(result, Result)
    assert {p.name for p in (place / "out").iterdir()} == FILES
    assert {p.name for p in (place / "out" / "records").iterdir()} == {"tiny.rate.parquet", "other.rate.parquet"}
    assert result.verdict.status == "met"
    assert result.card == Path("out") / CARD_FILE
    assert result.report == Path("out") / REPORT_FILE
    assert result.data.manifest.command == "audit run model.yaml"
    assert result.data.manifest.timings["open_model"] >= 0
    assert (place / "cache" / "responses.sqlite").is_file()


def test_run_from_the_package(place: Path) -> None:
    assert audit.run is run
    assert audit.load is load
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        audit.nothing  # noqa: B018


def test_options_override_the_file(place: Path) -> None:
    result = run(place / "model.yaml", probes=["tiny.rate"], suite="quick", limit=7, seed=3, device="cpu")
    manifest = result.data.manifest
    assert [p.id for p in result.data.probes] == ["tiny.rate"]
    assert [g.metric for g in result.data.gates] == ["tiny.rate.rate"]
    assert result.data.probes[0].items == 7
    assert (manifest.seed, manifest.suite, manifest.config["model"]["device"]) == (3, "quick", "cpu")
    assert manifest.config["probes"] == {"tiny.rate": {"successes": 20}}
    assert manifest.command == "audit run model.yaml --probe tiny.rate --suite quick --limit 7 --seed 3 --device cpu"


def test_no_option_changes_nothing() -> None:
    before = config(probes={"tiny.rate": {"successes": 1}}, gates={"tiny.rate.rate": {"at_least": 0.1}}, suite="full")
    assert override(before, [], None, None, None) == before


def test_seed_zero_is_an_option() -> None:
    assert override(config(run={"seed": 5}), [], None, 0, None).run.seed == 0


def test_baseline_is_read(place: Path) -> None:
    (place / "model.yaml").write_text(
        "model: {source: script}\nprobes: {tiny.rate: {successes: 20}}\n"
        "gates: {tiny.rate.rate: {no_worse_than_baseline: 0.3}}\n"
    )
    assert run("model.yaml", output="first").data.gates[0].verdict == "not_established"
    assert run("model.yaml", output="second", baseline="first").data.gates[0].verdict == "met"


def test_model_is_told_what_the_config_says(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []

    def opened(*arguments: Any) -> Model:
        told.extend(arguments)
        return ScriptedModel()

    monkeypatch.setattr(audit.opening, "open_model", opened)
    (place / "model.yaml").write_text(
        "model: {source: a/b, revision: abc, task: causal-lm, device: cpu, dtype: float16, chat_template: false}\n"
        "card: {name: N, licence: L}\nrun: {batch_tokens: 99}\nprobes: {tiny.rate: {limit: 2}}\n"
    )
    run("model.yaml", output="out")
    source, revision, adapter, task, options, declared = told
    assert (source, revision, adapter, task) == ("a/b", "abc", None, "causal-lm")
    assert (options.device, options.dtype, options.chat_template, options.batch_tokens) == ("cpu", "float16", False, 99)
    assert options.trust_remote_code is False
    assert declared == {"name": "N", "licence": "L"}


def test_adapter_is_passed_on(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Ignored, it would make the audit one of another model.
    monkeypatch.setattr(audit.opening, "open_model", open_model)
    (place / "base").mkdir()
    (place / "base" / "config.json").write_text("{}")
    save_file({"weight": torch.zeros(1)}, place / "base" / "model.safetensors")
    (place / "model.yaml").write_text("model: {source: ./base, adapter: ./mine}\nprobes: {tiny.rate: {limit: 2}}\n")
    with pytest.raises(ModelError, match=r"The adapter \./mine was not found: there is no such folder"):
        run("model.yaml", output="out")


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"probes": ["tiny.rat"]}, id="probe"),
        pytest.param({"suite": "huge"}, id="suite"),
        pytest.param({"device": "gpu"}, id="device"),
        pytest.param({"seed": -1}, id="seed"),
        pytest.param({"limit": 0}, id="limit"),
        pytest.param({"data": "nowhere"}, id="data"),
        pytest.param({"budget": "soon"}, id="budget"),
    ],
)
def test_wrong_option_is_a_config_error(options: dict[str, Any], place: Path) -> None:
    with pytest.raises(ConfigError):
        run("model.yaml", output="out", **options)


def test_wrong_file_and_wrong_baseline(place: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        run("missing.yaml")
    with pytest.raises(ResultError, match="is not a result folder"):
        run("model.yaml", baseline="nowhere")
    assert not (place / "audits").exists()


def test_command_is_the_one_that_was_given() -> None:
    line = command_line(Path("/home/me/secret/my.yaml"), ["a.b", "c.d"], "full", 5, 0, "cuda:1", "data", "old")
    assert line.startswith("audit run my.yaml --probe a.b --probe c.d --suite full --limit 5 --seed 0 ")
    assert line.endswith(" --device cuda:1 --data data --baseline old")
    assert command_line(Path("m.yaml"), [], None, None, None, None, None, None) == "audit run m.yaml"
    assert (
        command_line(Path("m.yaml"), [], None, None, None, None, None, None, "10m") == "audit run m.yaml --budget 10m"
    )


def test_a_time_overrides_the_files(place: Path) -> None:
    before = config(run={"budget": "1h"})
    assert override(before, [], None, None, None).run.budget == "1h"
    assert override(before, [], None, None, None, 90).run.budget == 90
    manifest = run("model.yaml", output="out", suite="quick", budget="10m").data.manifest
    assert manifest.budget is not None
    assert (manifest.budget.seconds, manifest.config["run"]["budget"]) == (600, "10m")
    assert "Fitted to 10 min" in (place / "out" / "summary.md").read_text(encoding="utf-8")


def test_command_can_be_pasted() -> None:
    line = command_line(Path("my model.yaml"), [], None, None, None, None, "my data; rm -rf x", None)
    assert shlex.split(line) == ["audit", "run", "my model.yaml", "--data", "my data; rm -rf x"]


def test_config_file_is_told_as_it_was_named(place: Path) -> None:
    for named, told in (("model.yaml", "model.yaml"), (place / "model.yaml", "model.yaml"), ("./a/b.yaml", "a/b.yaml")):
        (place / "a").mkdir(exist_ok=True)
        (place / "a" / "b.yaml").write_bytes((place / "model.yaml").read_bytes())
        result = run(named, output="out", limit=2)
        assert result.data.manifest.config_file == told
        assert str(place) not in (place / "out" / "audit.sarif").read_text()


def test_command_names_the_baseline(place: Path) -> None:
    run("model.yaml", output="first")
    assert "--baseline" in run("model.yaml", output="second", baseline="first").data.manifest.command


# Opening.


def test_load_takes_the_folder_or_the_file(place: Path) -> None:
    ran = run("model.yaml", output="out")
    for opened in (load("out"), load(Path("out")), load("out/result.json")):
        assert opened.folder == Path("out")
        assert opened.data == ran.data
        assert opened.verdict == ran.verdict
        assert len(opened.records("tiny.rate")) == 100


def test_load_of_what_is_no_result(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="is not a result folder"):
        load(tmp_path)


# Frames.


def test_measurements_are_one_row_each(place: Path) -> None:
    result = run("model.yaml", output="out")
    frame = result.measurements
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.index) == ["other.rate.rate", "tiny.rate.rate"]
    assert frame.index.name == "metric"
    assert list(frame.columns) == list(MEASUREMENT_COLUMNS)
    row = frame.loc["tiny.rate.rate"]
    assert (row["value"], row["n"], row["unit"], row["probe"]) == (0.2, 100, "rate", "tiny.rate")
    assert row["low"] < row["value"] < row["high"]


def test_missing_values_are_missing_in_the_frame(tmp_path: Path) -> None:
    nothing = measurement("p.a", value=None, low=None, high=None, n=0, reason="None.")
    frame = made(tmp_path, nothing, measurement("p.b")).measurements
    assert frame["value"].isna().tolist() == [True, False]
    assert frame["reason"].tolist()[0] == "None."


def test_findings_are_one_row_each(place: Path) -> None:
    frame = run("model.yaml", output="out").findings
    assert list(frame["id"]) == ["other.rate.rate", "tiny.rate.rate"]
    assert set(frame.columns) == {*Finding.model_fields, "text"}
    assert frame["text"].tolist() == ["The rate was 0.0.", "The rate was 0.2."]


def test_frames_of_an_empty_audit_have_their_columns(tmp_path: Path) -> None:
    result = made(tmp_path)
    assert "value" in result.measurements.columns
    assert "text" in result.findings.columns


def test_records_are_one_row_each_with_tags_and_scores_as_columns(tmp_path: Path) -> None:
    records = [
        record("1", tags={"side": "x"}, scores={"margin": 0.5}, output="ü\0"),
        record("2", tags={"harm": "high"}, scores={"margin": None, "odds": -1.0}),
    ]
    write_records(tmp_path, "tiny.rate", records)
    frame = made(tmp_path).records("tiny.rate")
    plain = [name for name in Record.model_fields if name not in ("tags", "scores", "detail")]
    assert set(frame.columns) == {*plain, "side", "harm", "score.margin", "score.odds"}
    assert frame["id"].tolist() == ["1", "2"]
    assert frame["side"].isna().tolist() == [False, True]
    assert frame["score.margin"].isna().tolist() == [False, True]
    assert frame["output"].tolist()[0] == "ü\0"


def test_tag_does_not_hide_a_field(tmp_path: Path) -> None:
    write_records(tmp_path, "tiny.rate", [record(tags={"input": "tag", "status": "tag"})])
    row = made(tmp_path).records("tiny.rate").iloc[0]
    assert (row["input"], row["status"]) == ("Text.", "scored")


def test_records_of_a_probe_without_any_and_of_none(tmp_path: Path) -> None:
    result = made(tmp_path)
    assert result.records("tiny.rate").empty
    with pytest.raises(KeyError, match=r"no\.probe was not part of this audit: tiny\.rate"):
        result.records("no.probe")


# In a notebook.


class Frames(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.loose: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.loose.append(data)


def test_card_in_a_notebook_cannot_break_out(tmp_path: Path) -> None:
    hostile = "\"'></iframe><script>alert(1)</script>&quot;&amp;"
    result = made(tmp_path, name=hostile)
    shown = Frames(result._repr_html_())
    ((tag, attributes),) = shown.tags
    assert tag == "iframe"
    assert attributes["srcdoc"] == result.card.read_text(encoding="utf-8")
    assert attributes["sandbox"] == ""
    assert not "".join(shown.loose).strip()
    assert "<script>alert(1)" not in result.card.read_text(encoding="utf-8")
