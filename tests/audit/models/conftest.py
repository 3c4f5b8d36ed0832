"""Tiny models, made once a session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.models.causal import CausalModel
from audit.models.seq2seq import Seq2SeqModel
from tests.audit.models import tiny_seq2seq
from tests.audit.models.tiny import ByHand, make_gemma, make_gpt2, make_llama, open_folder, single_thread


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """For every test here."""
    with single_thread():
        yield


@pytest.fixture(scope="session")
def llama_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="session")
def gpt2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_gpt2(tmp_path_factory.mktemp("gpt2"))


@pytest.fixture(scope="session")
def gemma_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_gemma(tmp_path_factory.mktemp("gemma"))


@pytest.fixture(scope="session")
def llama(llama_folder: Path) -> CausalModel:
    return open_folder(llama_folder)


@pytest.fixture(scope="session")
def gpt2(gpt2_folder: Path) -> CausalModel:
    return open_folder(gpt2_folder)


@pytest.fixture(scope="session")
def gemma(gemma_folder: Path) -> CausalModel:
    return open_folder(gemma_folder)


@pytest.fixture(scope="session", params=["llama", "gpt2", "gemma"])
def model(request: pytest.FixtureRequest) -> CausalModel:
    """Each of the tiny models in turn."""
    found: CausalModel = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def by_hand(model: CausalModel) -> ByHand:
    """The slow loops for the model in turn."""
    return ByHand(model)


@pytest.fixture(scope="session")
def t5_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_seq2seq.make_t5(tmp_path_factory.mktemp("t5"))


@pytest.fixture(scope="session")
def marian_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_seq2seq.make_marian(tmp_path_factory.mktemp("marian"))


@pytest.fixture(scope="session")
def t5(t5_folder: Path) -> Seq2SeqModel:
    return tiny_seq2seq.open_folder(t5_folder)


@pytest.fixture(scope="session")
def marian(marian_folder: Path) -> Seq2SeqModel:
    return tiny_seq2seq.open_folder(marian_folder)


@pytest.fixture(scope="session", params=["t5", "marian"])
def translator(request: pytest.FixtureRequest) -> Seq2SeqModel:
    """Each of the tiny encoder-decoders in turn."""
    found: Seq2SeqModel = request.getfixturevalue(request.param)
    return found
