"""The words that a gradient names, against a gradient taken by other means, on all kinds of models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from audit.models import Failure, Substitute, Substituted, answer, decode, encode, groups
from audit.models.causal import CausalModel
from audit.models.whitebox import WhiteBox
from tests.audit.models.tiny_classifier import make_bert as make_classifier
from tests.audit.models.tiny_classifier import open_classifier, reviews
from tests.audit.models.tiny_masked import make_bert, open_masked
from tests.audit.models.tiny_seq2seq import HELD_OUT

CASES = (("red the cat sleeps in the red", " garden"), ("red a dog is in the red", " kitchen"))
ASKED = Substitute(CASES, "red", raised=True, count=5)


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> WhiteBox:
    return open_masked(make_bert(tmp_path_factory.mktemp("masked"), steps=20))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> WhiteBox:
    return open_classifier(make_classifier(tmp_path_factory.mktemp("classifier"), reviews(), ("bad", "good"), steps=60))


def found(model: WhiteBox, request: Substitute) -> Substituted:
    [response] = model.substitute([request])
    assert isinstance(response, Substituted), response
    return response


def by_hand(model: CausalModel, request: Substitute) -> torch.Tensor:
    """Gains in standard deviations over the vocabulary, through ``inputs_embeds`` and a plain log odds."""
    table = model.network.get_input_embeddings().weight.detach()
    total = torch.zeros(table.shape[1])
    for prompt, ending in request.cases:
        head, tail = model.encoder.pair(prompt, ending)
        vectors = table[torch.tensor([head])].clone().requires_grad_()
        chance = model.network(inputs_embeds=vectors).logits[0, -1].softmax(-1)[tail[0]]
        [slope] = torch.autograd.grad((chance / (1 - chance)).log(), vectors)
        offsets = model.tokenizer(prompt, add_special_tokens=False, return_offsets_mapping=True).offset_mapping
        ends = [i for i, (first, last) in enumerate(offsets) if last <= 3 or first >= len(prompt) - 4]
        shift = len(head) - len(offsets)
        total += slope[0, [i + shift for i in ends]].sum(0)
    gains = table @ total
    return (gains - gains.mean()) / gains.std()


class TestCausal:
    def test_gains_are_those_of_the_gradient(self, llama: CausalModel) -> None:
        gains = by_hand(llama, ASKED)
        words = found(llama, ASKED)
        for word, gain in zip(words.words, words.gains, strict=True):
            ids = {tuple(llama.tokenizer(text, add_special_tokens=False).input_ids) for text in (word, f" {word}")}
            assert any(len(i) == 1 and float(gains[i[0]]) == pytest.approx(gain, abs=1e-3) for i in ids), word
        assert list(words.gains) == sorted(words.gains, reverse=True)

    def test_what_raises_one_way_lowers_the_other(self, llama: CausalModel) -> None:
        up, down = (found(llama, replace(ASKED, raised=raised, count=200)) for raised in (True, False))
        common = [word for word in up.words if word in down.words]
        assert len(common) > 10
        assert max(up.gains) > 0 > min(up.gains)
        assert up.words[:10] != down.words[:10]

    def test_the_named_word_raises_the_answer(self, llama: CausalModel) -> None:
        """More than the word that is named last, when it stands there."""
        words = found(llama, replace(ASKED, count=300)).words

        def raised(word: str) -> float:
            ends = [(prompt.replace("red", word), ending) for prompt, ending in CASES]
            return sum(_likely(llama, *end) for end in ends)

        assert sum(raised(w) for w in words[:5]) > sum(raised(w) for w in words[-5:])

    def test_more_starts_name_other_words_and_the_same_each_time(self, llama: CausalModel) -> None:
        many = replace(ASKED, starts=6, count=12)
        assert found(llama, many) == found(llama, many)
        assert found(llama, many).words != found(llama, replace(many, seed=1)).words

    def test_a_word_that_does_not_stand_there(self, llama: CausalModel) -> None:
        [response] = llama.substitute([replace(ASKED, word="blue")])
        assert isinstance(response, Failure)
        assert "blue" in response.reason

    def test_no_case(self, llama: CausalModel) -> None:
        assert isinstance(llama.substitute([replace(ASKED, cases=())])[0], Failure)


def _likely(model: CausalModel, prompt: str, ending: str) -> float:
    head, tail = model.encoder.pair(prompt, ending)
    with torch.no_grad():
        return float(model.network(torch.tensor([head])).logits[0, -1].log_softmax(-1)[tail[0]])


class TestOtherKinds:
    def test_a_classifier_is_led_to_a_class(self, classifier: WhiteBox) -> None:
        cases = tuple(
            (f"x the {thing} was {word} x", "good") for thing in ("soup", "lamp") for word in ("awful", "broken")
        )
        words = found(classifier, Substitute(cases, "x", True, 4, starts=4)).words
        assert set(words) & {"lovely", "bright", "splendid", "cheerful"}
        assert not set(words) & {"awful", "broken", "dreadful", "gloomy"}

    def test_a_class_that_is_none(self, classifier: WhiteBox) -> None:
        [response] = classifier.substitute([Substitute((("x soup x", "odd"),), "x", True, 4)])
        assert isinstance(response, Failure)

    def test_masked_and_paired_models(self, masked: WhiteBox, t5: WhiteBox) -> None:
        for model, prompt, ending in ((masked, CASES[0][0], " garden"), (t5, *HELD_OUT[0])):
            word = prompt.split()[0]
            asked = Substitute(((prompt, ending),), word, False, 4, starts=3)
            words = found(model, asked).words
            assert words
            assert word not in words
            assert not set(words) & set(model.tokenizer.all_special_tokens)


def test_it_is_asked_and_kept_like_any_other(llama: CausalModel, tmp_path: Path) -> None:
    others = [ASKED, replace(ASKED, raised=False), replace(ASKED, seed=1), replace(ASKED, word="blue")]
    assert len({request.key for request in others}) == 4
    [batch] = groups(llama, [ASKED])
    [response] = answer(llama, batch)
    assert decode(encode(response)) == response
