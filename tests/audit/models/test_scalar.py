"""The scalar that explanations take apart equals a loop over tokens, one pass each, for every kind of model and any removal."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from audit.models import Attribute, Prompt, user
from audit.models.causal import CausalModel
from audit.models.masked import MaskedModel
from audit.models.seq2seq import Seq2SeqModel
from audit.models.whitebox import WhiteBox
from tests.audit.models.tiny_classifier import make_bert as make_classifier
from tests.audit.models.tiny_classifier import open_classifier, reviews
from tests.audit.models.tiny_masked import make_bert, open_masked
from tests.audit.models.tiny_seq2seq import HELD_OUT

NEAR = 1e-4  # nats
Loop = Callable[[list[int], str], list[float]]
"""Kept token ids of the prompt, and the answer, to log p of each of the answer's tokens."""


def left(model: WhiteBox, request: Attribute, kept: Sequence[int]) -> list[int]:
    """The prompt's tokens without those of the units that are gone."""
    units = model.scalar(request).units
    gone = {p for n, members in enumerate(units.members) if n not in kept for p in members}
    return [token for p, token in enumerate(units.ids) if p not in gone]


def check(model: WhiteBox, loop: Loop, prompt: Prompt, answer: str, contrast: str) -> None:
    for unit in ("word", "token", "segment"):
        request = Attribute(prompt, answer, contrast, unit=unit, by_token=True)  # type: ignore[arg-type]
        count = len(model.scalar(request).units.words)
        assert count
        kept = [tuple(range(count)), tuple(range(0, count, 2)), tuple(range(1, count, 3)), (count - 1,), ()]
        rows = [left(model, request, k) for k in kept]
        expected = [(loop(row, answer), loop(row, contrast)) for row in rows]
        assert model.scalar(request)(kept) == pytest.approx([sum(a) - sum(b) for a, b in expected], abs=NEAR)
        [found] = model.attribute([request])  # of leave-one-out, the last unit's scores of each token
        whole, rest = expected[0][0], loop(left(model, request, range(count - 1)), answer)
        assert [row[-1] for row in found.by_token] == pytest.approx(  # type: ignore[union-attr]
            [a - b for a, b in zip(whole, rest, strict=True)], abs=NEAR
        )


@torch.inference_mode()
def test_of_a_causal_model(model: CausalModel) -> None:
    exact = copy.deepcopy(model.network).double()

    for prompt in ("The red cat sleeps. Where is the", user("Where is the red cat? 고양이는")):

        def loop(context: list[int], answer: str, prompt: Prompt = prompt) -> list[float]:
            ids, found = context or model.encoder.prefix(), []
            for token in model.encoder.pair(prompt, answer)[1]:
                found.append(float(exact(input_ids=torch.tensor([ids])).logits[0, -1].log_softmax(-1)[token]))
                ids = [*ids, token]
            return found

        check(model, loop, prompt, " garden and sleeps.", " river")


@torch.inference_mode()
def test_of_an_encoder_decoder(translator: Seq2SeqModel) -> None:
    exact = copy.deepcopy(translator.network).double()

    def loop(context: list[int], answer: str) -> list[float]:
        written, found = list(translator.scorer.start), []
        for token in translator.encoder.target_ids(answer):
            logits = exact(input_ids=torch.tensor([context]), decoder_input_ids=torch.tensor([written])).logits[0, -1]
            found.append(float(logits.log_softmax(-1)[token]))
            written.append(token)
        return found

    (source, target), (_, other) = HELD_OUT[3], HELD_OUT[5]
    check(translator, loop, source, target, other)


def test_of_a_masked_model(tmp_path: Path) -> None:
    model: MaskedModel = open_masked(make_bert(tmp_path, steps=20))
    exact = copy.deepcopy(model.network).double()
    mask, prompt = model.encoder.mask, "The red cat sleeps. Where is the"

    @torch.inference_mode()
    def loop(context: list[int], answer: str) -> list[float]:
        """Each token hidden in turn with the later tokens of its word, which stand next to it."""
        encoded, places = model.encoder.joined(prompt, answer)
        first, last = encoded.ids[0], encoded.ids[-1]
        target = [(encoded.ids[i], encoded.words[i]) for i in places]
        found = []
        for i, (token, word) in enumerate(target):
            hidden = [mask if j >= i and w == word else t for j, (t, w) in enumerate(target)]
            row = torch.tensor([[first, *context, *hidden, last]])
            found.append(float(exact(input_ids=row).logits[0, 1 + len(context) + i].log_softmax(-1)[token]))
        return found

    check(model, loop, prompt, " unhappy garden.", " river")


def test_of_a_classifier(tmp_path: Path) -> None:
    model = open_classifier(make_classifier(tmp_path, reviews(), ["bad", "good"], steps=10))
    exact = copy.deepcopy(model.network).double()

    @torch.inference_mode()
    def loop(context: list[int], answer: str) -> list[float]:
        logits = exact(input_ids=torch.tensor([context])).logits[0]
        return [float(logits.log_softmax(-1)[["bad", "good"].index(answer.strip())])]

    check(model, loop, "The lamp was awful. We found the song lovely.", " bad", " good")
