"""Vectors of language models: the mean of the text's own last states, whatever they are asked with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel

from audit.models import Capability, Embed, Embedded, Failure, Request
from audit.models.causal import CausalModel
from audit.models.masked import MaskedModel
from audit.models.states import SAVE_TOKENS, by_length, passes, text_vectors
from tests.audit.models.tiny import LONGEST, single_thread
from tests.audit.models.tiny_masked import make_bert, open_masked

TEXTS = [
    "The red cat sleeps in the garden.",
    "cat",
    "The dog",
    "The bird sleeps in the river and the horse.",
    "고양이는",
]


@pytest.fixture(scope="module")
def bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def bert(bert_folder: Path) -> MaskedModel:
    return open_masked(bert_folder)


def vectors(model: Any, texts: list[str]) -> list[np.ndarray]:
    found = model.embed([Embed(text) for text in texts])
    assert all(isinstance(f, Embedded) for f in found), found
    return [f.vector for f in found]


@torch.inference_mode()
def by_hand(model: CausalModel, text: str) -> np.ndarray:
    """One plain pass over the prefix token and the text; every state but that of the prefix token."""
    tokenizer = model.encoder.tokenizer
    first = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    ids = [first, *tokenizer(text, add_special_tokens=False).input_ids]
    states = model.network(torch.tensor([ids]), output_hidden_states=True).hidden_states[-1][0]
    return np.asarray(states[1:].mean(0).float())


def test_a_left_to_right_model_gives_the_mean_over_the_text(model: CausalModel) -> None:
    assert Capability.EMBED in model.capabilities
    with single_thread():
        for text, found in zip(TEXTS, vectors(model, TEXTS), strict=True):
            assert found.dtype == np.float32
            assert found == pytest.approx(by_hand(model, text), abs=1e-4)


def test_a_masked_model_gives_the_mean_without_its_special_tokens(bert: MaskedModel, bert_folder: Path) -> None:
    body = AutoModel.from_pretrained(bert_folder, add_pooling_layer=False).eval()
    for text, found in zip(TEXTS[:4], vectors(bert, TEXTS[:4]), strict=True):
        with torch.inference_mode():
            states = body(**bert.encoder.tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        assert found == pytest.approx(states[1:-1].mean(0).numpy(), abs=1e-5)
        assert found != pytest.approx(states.mean(0).numpy(), abs=1e-3)


def test_what_it_is_asked_with_does_not_matter(llama: CausalModel, bert: MaskedModel) -> None:
    """Rows of other lengths in one pass fill it up on the right."""
    for model in (llama, bert):
        together = vectors(model, TEXTS)
        alone = [vectors(model, [text])[0] for text in TEXTS]
        for one, other in zip(together, alone, strict=True):
            assert one == pytest.approx(other, abs=1e-5)
        again = vectors(model, [TEXTS[0], TEXTS[0]])
        assert (again[0] == again[1]).all()


def test_texts_without_tokens_or_with_too_many_have_a_reason(llama: CausalModel, bert: MaskedModel) -> None:
    for model in (llama, bert):
        empty, whole, long = model.embed([Embed(""), Embed("The cat"), Embed("The cat " * LONGEST)])
        assert isinstance(empty, Failure)
        assert (empty.status, empty.reason) == ("failed", "The text has no tokens.")
        assert isinstance(whole, Embedded)
        assert isinstance(long, Failure)
        assert long.status == "truncated"


def test_numbers_that_are_none_are_said() -> None:
    class Broken:
        device = torch.device("cpu")

        @property
        def base_model(self) -> Any:
            return self

        def __call__(self, input_ids: torch.Tensor, **_: Any) -> Any:
            states = torch.where(input_ids[..., None] == 7, torch.nan, 1.0).expand(-1, -1, 3)
            return type("Output", (), {"hidden_states": (states * 0, states)})

    broken, sound = text_vectors(Broken(), [((5, 7), range(2)), ((7, 5, 5), range(1, 3))], 0, None)
    assert isinstance(broken, Failure)
    assert broken.status == "not_a_number"
    assert isinstance(sound, Embedded)
    assert sound.vector.tolist() == [1.0, 1.0, 1.0]


def test_batches_hold_each_request_once_and_do_not_depend_on_order(llama: CausalModel, bert: MaskedModel) -> None:
    asked: list[Request] = [Embed(text) for text in TEXTS]
    for model in (llama, bert):
        groups = model.batches(asked)
        assert {r for group in groups for r in group} == set(asked)
        assert model.batches(asked[::-1]) == groups


def test_groups_and_passes_are_no_larger_than_they_may_be() -> None:
    requests = [(SAVE_TOKENS // 2, Embed(str(i))) for i in range(5)]
    assert [len(group) for group in by_length(requests)] == [2, 2, 1]
    rows = [(1,) * n for n in (5, 1, 3, 3, 2)]
    for group in passes(rows, 6):
        assert len(group) == 1 or len(group) * max(map(len, group)) <= 6
    assert sorted(row for group in passes(rows, 6) for row in group) == sorted(set(rows))
