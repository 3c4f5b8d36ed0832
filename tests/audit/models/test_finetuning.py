"""A short LoRA run: it changes what it should, its adapter opens, and what cannot be done is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from audit.models import ModelError, Score
from audit.models import finetuning as module
from audit.models.adapters import resolve_adapter, with_adapter
from audit.models.causal import CausalModel
from audit.models.finetuning import LoraRun, padded, train_lora
from audit.models.options import Options
from audit.models.source import resolve
from tests.audit.models.tiny import make_llama, open_source, single_thread

SENTENCE = "Market red the sleeps bird green river."
RUN = LoraRun(steps=30, batch=4, rank=4, rate=1e-2)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_llama(tmp_path_factory.mktemp("base"))


def likelihood(folder: Path, adapter: Path | None = None) -> float:
    weights = resolve(str(folder), None)
    if adapter is not None:
        weights = with_adapter(weights, resolve_adapter(str(adapter)), str(folder))
    [found] = CausalModel(weights, str(folder), Options(), {}).score([Score("", SENTENCE)])
    return found.logprob  # type: ignore[union-attr]


def test_what_is_learnt_becomes_likelier_and_the_base_stays_as_it_was(base: Path, tmp_path: Path) -> None:
    before = likelihood(base)
    with single_thread():
        learnt = train_lora(resolve(str(base), None), [SENTENCE], tmp_path / "adapter", RUN)
    assert learnt.last_loss < learnt.first_loss - 1
    assert likelihood(base, learnt.folder) > before + 10
    assert likelihood(base) == before
    assert (learnt.folder / "adapter_model.safetensors").is_file()
    assert not list(learnt.folder.glob("*.bin"))


def test_the_same_seed_learns_the_same(base: Path, tmp_path: Path) -> None:
    runs = [replace(RUN, steps=5, seed=seed) for seed in (3, 3, 4)]
    with single_thread():
        learnt = [
            train_lora(resolve(str(base), None), [SENTENCE, "A dog."], tmp_path / str(i), run)
            for i, run in enumerate(runs)
        ]
    files = [(found.folder / "adapter_model.safetensors").read_bytes() for found in learnt]
    assert files[0] == files[1] != files[2]


def test_padding_is_not_learnt_from() -> None:
    ids, mask = padded([[5, 6, 7], [8]], pad=0)
    assert ids.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert ids.dtype == torch.int64


def test_what_cannot_be_done_is_said(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = resolve(str(base), None)
    with pytest.raises(ValueError, match="no texts"):
        train_lora(weights, [], tmp_path / "none", RUN)
    with single_thread():
        learnt = train_lora(weights, [SENTENCE], tmp_path / "first", replace(RUN, steps=2))
    adapted = with_adapter(weights, resolve_adapter(str(learnt.folder)), str(base))
    with pytest.raises(ModelError, match="has an adapter already"):
        train_lora(adapted, [SENTENCE], tmp_path / "second", RUN)
    with pytest.raises(ModelError, match="the loss became"):
        train_lora(weights, [SENTENCE], tmp_path / "wild", replace(RUN, rate=float("inf")))
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r'needs the package peft: pip install "fairwitness\[lora\]"'):
        train_lora(weights, [SENTENCE], tmp_path / "absent", RUN)


def test_a_folder_that_is_no_causal_model_is_refused(tmp_path: Path, base: Path) -> None:
    weights = resolve(str(base), None)
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in weights.folder.iterdir():
        if path.name != "model.safetensors":
            (broken / path.name).write_bytes(path.read_bytes())
    (broken / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ModelError, match="could not be taught"):
        train_lora(replace(weights, folder=broken), [SENTENCE], tmp_path / "adapter", RUN)
    assert open_source(str(base)).facts.kind == "causal-lm"
