"""States, logit lens and patching: equal to plain loops, for every kind of model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from audit.models import (
    Capability,
    Failure,
    Hidden,
    Lens,
    Lensed,
    Patch,
    Patched,
    Request,
    States,
    answer,
    decode,
    encode,
    user,
)
from audit.models import inside as inside_module
from audit.models.blocks import NoBlocks, blocks_of, reading_part, watched
from audit.models.causal import CausalModel
from audit.models.classifier import ClassifierModel
from audit.models.forced import Forced
from audit.models.inside import patch_of
from audit.models.masked import MaskedModel
from audit.models.seq2seq import Seq2SeqModel
from audit.models.whitebox import WhiteBox
from tests.audit.models.test_seq2seq import SOURCE, TARGET
from tests.audit.models.tiny import LONGEST
from tests.audit.models.tiny_classifier import make_bert as make_classifier
from tests.audit.models.tiny_classifier import open_classifier, reviews
from tests.audit.models.tiny_masked import make_bert, make_modernbert, make_roberta, open_masked

CLEAN, CORRUPT = "The red cat sleeps in the", "The red cat in the sleeps"
ANSWER, OTHER = " garden", " kitchen"
NEAR = 1e-4


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> MaskedModel:
    return open_masked(make_bert(tmp_path_factory.mktemp("bert")))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> ClassifierModel:
    return open_classifier(make_classifier(tmp_path_factory.mktemp("classifier"), reviews(), ("bad", "good")))


def one(model: Any, request: Request) -> Any:
    [found] = answer(model, [request])
    assert decode(encode(found)) is not None
    return found


def lensed(model: Any, request: Lens) -> Lensed:
    found = one(model, request)
    assert isinstance(found, Lensed), found
    return found


def patched(model: Any, request: Patch) -> Patched:
    found = one(model, request)
    assert isinstance(found, Patched), found
    return found


def of_state(model: Any, text: str, at: Any) -> np.ndarray:
    found = one(model, States(text, at))
    assert isinstance(found, Hidden), found
    return found.vectors


class TestStates:
    def test_of_a_causal_model(self, model: CausalModel) -> None:
        ids = torch.tensor([model.encoder.prompt_ids(CLEAN)])
        with torch.inference_mode():
            layers = model.network(ids, output_hidden_states=True).hidden_states
        first = 0 if ids.shape[1] == len(model.encoder.tokenizer(CLEAN, add_special_tokens=False).input_ids) else 1
        assert of_state(model, CLEAN, "mean") == pytest.approx(
            np.stack([layer[0, first:].mean(0) for layer in layers]), abs=NEAR
        )
        assert of_state(model, CLEAN, "last") == pytest.approx(np.stack([layer[0, -1] for layer in layers]), abs=NEAR)

    def test_of_a_conversation_the_last_message(self, llama: CausalModel) -> None:
        found = one(llama, States(user("Where is the cat?"), "mean"))
        units = llama.encoder.units(user("Where is the cat?"))
        with torch.inference_mode():
            layers = llama.network(torch.tensor([units.ids]), output_hidden_states=True).hidden_states
        own = [place for members in units.members for place in members]
        assert 0 < len(own) < len(units.ids)
        assert found.vectors == pytest.approx(np.stack([layer[0, own].mean(0) for layer in layers]), abs=NEAR)

    def test_of_a_masked_model_without_its_frame(self, bert: MaskedModel) -> None:
        ids = torch.tensor([bert.encoder.tokenizer(CLEAN).input_ids])
        with torch.inference_mode():
            layers = bert.network(ids, output_hidden_states=True).hidden_states
        assert of_state(bert, CLEAN, "mean") == pytest.approx(
            np.stack([layer[0, 1:-1].mean(0) for layer in layers]), abs=NEAR
        )
        assert of_state(bert, CLEAN, "last") == pytest.approx(np.stack([layer[0, -2] for layer in layers]), abs=NEAR)

    def test_of_an_encoder_decoder_the_encoders(self, translator: Seq2SeqModel) -> None:
        ids = torch.tensor([translator.encoder.prompt_ids(SOURCE)])
        with torch.inference_mode():
            layers = translator.network.get_encoder()(ids, output_hidden_states=True).hidden_states
        assert of_state(translator, SOURCE, "mean") == pytest.approx(
            np.stack([layer[0, :-1].mean(0) for layer in layers]), abs=NEAR
        )

    def test_of_a_classifier(self, classifier: ClassifierModel) -> None:
        ids = torch.tensor([classifier.reader.ids("the lovely lamp")])
        with torch.inference_mode():
            layers = classifier.network(ids, output_hidden_states=True).hidden_states
        assert of_state(classifier, "the lovely lamp", "mean") == pytest.approx(
            np.stack([layer[0, 1:-1].mean(0) for layer in layers]), abs=NEAR
        )

    def test_together_as_apart(self, model: CausalModel) -> None:
        asked = [
            States(text, at) for text in (CLEAN, "cat", CLEAN + " garden and the river") for at in ("mean", "last")
        ]  # type: ignore[arg-type]
        batches = model.batches(asked)
        assert batches == model.batches(asked[::-1])
        together = {r: f for batch in batches for r, f in zip(batch, answer(model, batch), strict=True)}
        for request in asked:
            found = together[request]
            assert isinstance(found, Hidden)
            assert found.vectors == pytest.approx(of_state(model, request.prompt, request.at), abs=NEAR)  # type: ignore[arg-type]

    def test_what_has_no_states(self, llama: CausalModel) -> None:
        assert one(llama, States("cat " * (LONGEST + 1))).status == "truncated"
        assert isinstance(one(llama, States("")), Failure)


class TestLens:
    def test_of_a_causal_model(self, model: CausalModel) -> None:
        found = lensed(model, Lens(CLEAN, ANSWER, OTHER))
        context, target = model.encoder.pair(CLEAN, ANSWER)
        rival = model.encoder.pair(CLEAN, OTHER)[1]
        body, network = model.network.base_model, model.network
        norm = getattr(body, "norm", None) or body.ln_f
        with torch.inference_mode():
            seen = watched(network, blocks_of(body), {"input_ids": torch.tensor([context])})
            for layer, state in enumerate(seen.states):
                logits = network.lm_head(norm(state[0, -1]))
                cap = getattr(network.config, "final_logit_softcapping", None)
                logits = logits if cap is None else torch.tanh(logits / cap) * cap
                logprobs = logits.log_softmax(-1)
                assert found.answer[layer] == pytest.approx(float(logprobs[target[0]]), abs=NEAR)
                assert found.contrast[layer] == pytest.approx(float(logprobs[rival[0]]), abs=NEAR)
                assert found.top[layer] == model.encoder.pieces([int(logprobs.argmax())])[0]
        assert len(found.answer) == len(found.contrast) == model.network.config.num_hidden_layers + 1

    @pytest.mark.parametrize("make", [make_bert, make_roberta, make_modernbert])
    def test_of_a_masked_model_the_last_layer_is_its_answer(self, make: Callable[[Path], Path], tmp_path: Path) -> None:
        model = open_masked(make(tmp_path))
        found = lensed(model, Lens(CLEAN, " unhappy river", " garden"))
        for ending, column in ((" unhappy river", found.answer), (" garden", found.contrast)):
            forced = model.forced(CLEAN, ending)
            with torch.inference_mode():
                own = forced.read(model.network(**forced.inputs))[0]
            assert column[-1] == pytest.approx(float(own), abs=NEAR)
            assert len(column) == 3

    def test_of_an_encoder_decoder_the_decoders_states(self, translator: Seq2SeqModel) -> None:
        found = lensed(translator, Lens(SOURCE, TARGET))
        forced = translator.forced(SOURCE, TARGET)
        with torch.inference_mode():
            own = forced.read(translator.network(**forced.inputs))[0]
        assert found.answer[-1] == pytest.approx(float(own), abs=NEAR)
        assert (
            len(found.answer) == translator.network.config.decoder_layers + 1
            if "marian" in str(translator.facts.source)
            else len(found.answer) == translator.network.config.num_decoder_layers + 1
        )
        assert found.contrast == ()

    def test_answers_that_begin_alike_are_one_to_the_lens(self, model: CausalModel) -> None:
        """Their passes are of two lengths and round differently, which would decide who is ahead."""
        found = lensed(model, Lens(CLEAN, " garden.", " garden river and the cat"))
        assert found.target == found.contrast_text
        assert found.answer == found.contrast

    def test_a_masked_model_reads_what_comes_after(self, bert: MaskedModel) -> None:
        found = lensed(bert, Lens(CLEAN, " garden.", " garden river"))
        assert found.target == found.contrast_text
        assert found.answer != found.contrast

    def test_a_classifier_has_no_vocabulary(self, classifier: ClassifierModel) -> None:
        assert one(classifier, Lens("the lovely lamp", "good", "bad")).status == "failed"

    def test_what_does_not_end_in_the_models_answer_is_refused(
        self, llama: CausalModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An architecture whose head is given more than the last block's state, as here a trace of the text's length."""
        plain = llama.network.model.norm.forward
        monkeypatch.setattr(
            llama.network.model.norm, "forward", lambda states: plain(states) * (1 + states.shape[1] / 50)
        )
        found = one(llama, Lens(CLEAN, ANSWER))
        assert isinstance(found, Failure)
        assert "misses" in found.reason

    def test_undecidable(self, llama: CausalModel) -> None:
        assert isinstance(one(llama, Lens("cat " * LONGEST, ANSWER)), Failure)
        assert isinstance(one(llama, Lens(CLEAN, "")), Failure)


def by_hand(model: WhiteBox, request: Patch, layer: int, places: list[int]) -> float:
    """f of the corrupt prompt with clean states at some places, one plain hooked pass for each ending."""
    blocks = blocks_of(reading_part(model.network))
    total = 0.0
    for sign, ending in ((1, request.continuation), (-1, request.contrast)):
        if ending is None:
            continue
        clean, corrupt = model.forced(request.clean, ending), model.forced(request.corrupt, ending)
        wanted = watched(model.network, blocks, clean.inputs).states[layer]

        def exchange(_: Any, __: Any, output: Any, wanted: torch.Tensor = wanted) -> Any:
            state = (output[0] if isinstance(output, tuple) else output).clone()
            state[:, places] = wanted[:, places]
            return (state, *output[1:]) if isinstance(output, tuple) else state

        handle = blocks[layer - 1].register_forward_hook(exchange)
        try:
            total += sign * float(corrupt.read(model.network(**corrupt.inputs)).sum())
        finally:
            handle.remove()
    return total


@torch.inference_mode()
def check(model: WhiteBox, request: Patch) -> Patched:
    found = patched(model, request)
    ends = [ending for ending in (request.continuation, request.contrast) if ending is not None]
    for prompt, value in ((request.clean, found.clean), (request.corrupt, found.corrupt)):
        forced = [model.forced(prompt, ending) for ending in ends]
        own = [float(f.read(model.network(**f.inputs)).sum()) for f in forced]
        assert value == pytest.approx(own[0] - sum(own[1:]), abs=NEAR)
    prompt_tokens = list(model.forced(request.corrupt, ends[0]).prompt)
    for row, layer in enumerate(found.layers):
        for n, place in enumerate(prompt_tokens):
            if layer:
                expected = (by_hand(model, request, layer, [place]) - found.corrupt) / (found.clean - found.corrupt)
                assert found.values[row, n] == pytest.approx(expected, abs=2e-3)
    return found


class TestPatch:
    @pytest.fixture(autouse=True)
    def small_differences_count(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Tiny models know little of the difference between two animals."""
        monkeypatch.setattr(inside_module, "LEAST_DIFFERENCE", 0.001)

    @pytest.mark.parametrize(
        ("answer_text", "contrast"), [(ANSWER, OTHER), (ANSWER, None), (" garden and river", " it")]
    )
    def test_of_a_causal_model(self, model: CausalModel, answer_text: str, contrast: str | None) -> None:
        found = check(model, Patch(CLEAN, CORRUPT, answer_text, contrast))
        assert found.layers == (0, 1, 2)
        assert found.values.shape == (3, len(found.tokens)) == (3, len(found.other_tokens))
        differing = [n for n, (a, b) in enumerate(zip(found.tokens, found.other_tokens, strict=True)) if a != b]
        assert not found.values[:, : differing[0]].any()  # what is read before the difference restores nothing

    def test_of_answers_of_one_token_the_last_state_is_all(self, llama: CausalModel) -> None:
        found = patched(llama, Patch(CLEAN, CORRUPT, ".", "?"))
        assert found.values[-1, -1] == pytest.approx(1, abs=1e-3)
        assert found.values[-1, :-1] == pytest.approx(0, abs=1e-3)

    @pytest.mark.parametrize("layer", [0, 1, 2])
    def test_all_states_of_a_layer_restore_all(self, model: CausalModel, layer: int) -> None:
        with torch.inference_mode():
            forced = [model.forced(prompt, ANSWER) for prompt in (CLEAN, CORRUPT)]
            [side] = inside_module._sides(model, [forced[0]], [forced[1]])
            places = list(range(forced[0].inputs["input_ids"].shape[1]))
            moved = side.moved(layer, [places])
        assert moved[0] == pytest.approx(side.clean - side.corrupt, abs=1e-4)

    def test_of_a_masked_model(self, bert: MaskedModel) -> None:
        found = check(bert, Patch(CLEAN, CORRUPT, " garden", " kitchen river"))
        assert found.tokens[-1] == found.other_tokens[-1] == "[MASK]"
        single = patched(bert, Patch(CLEAN, CORRUPT, " cat", " dog"))
        assert single.values[-1, -1] == pytest.approx(1, abs=1e-3)

    def test_of_an_encoder_decoder_the_encoders_states(self, translator: Seq2SeqModel) -> None:
        found = check(translator, Patch(SOURCE, SOURCE.replace("bird", "goat"), TARGET))
        assert found.values[0].max() == pytest.approx(1, abs=1e-3)  # as embeddings the two texts differ in one word
        assert len(found.tokens) == len(translator.encoder.prompt_ids(SOURCE))

    def test_of_a_classifier(self, classifier: ClassifierModel) -> None:
        found = check(classifier, Patch("the lovely lamp", "the awful lamp", "good", "bad"))
        assert found.values[0, 2] == pytest.approx(1, abs=1e-3)  # as embeddings the two texts differ in one word

    def test_an_answer_that_is_cut_otherwise_is_told_from_prompts_of_two_lengths(
        self, gpt2: CausalModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert "7 and 4 tokens" in one(gpt2, Patch(CLEAN, "The red cat", ANSWER)).reason
        plain = gpt2.forced

        def forced(prompt: str, ending: str) -> Forced:
            found = plain(prompt, ending)
            return replace(found, targets=found.targets[::-1]) if prompt == CORRUPT else found

        monkeypatch.setattr(gpt2, "forced", forced)
        found = one(gpt2, Patch(CLEAN, CORRUPT, " garden and"))
        assert found == Failure("unparsed", "An answer has other tokens after one prompt than after the other.")

    def test_some_layers_are_rows_of_all(self, llama: CausalModel) -> None:
        request = Patch(CLEAN, CORRUPT, ANSWER, OTHER)
        few = patched(llama, replace(request, layers=1))
        assert few.layers == (2,)
        assert few.values[0] == pytest.approx(patched(llama, request).values[2], abs=1e-4)

    def test_budget_does_not_matter(self, gpt2: CausalModel, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = patched(gpt2, Patch(CLEAN, CORRUPT, ANSWER, OTHER))
        monkeypatch.setattr(inside_module, "PATCH_TOKENS", 1)
        assert patched(gpt2, Patch(CLEAN, CORRUPT, ANSWER, OTHER)).values == pytest.approx(whole.values, abs=1e-3)

    def test_what_cannot_be_patched(self, llama: CausalModel) -> None:
        longer = one(llama, Patch(CLEAN, "The red cat sleeps in the the the", ANSWER))
        assert longer.status == "unparsed"
        assert "same number" in longer.reason
        same = one(llama, Patch(CLEAN, CLEAN, ANSWER, OTHER))
        assert "nothing to restore" in same.reason
        assert isinstance(one(llama, Patch("cat " * LONGEST, "dog " * LONGEST, ANSWER)), Failure)

    def test_it_leaves_the_network_as_it_was(self, llama: CausalModel) -> None:
        with torch.inference_mode():
            ids = torch.tensor([llama.encoder.prompt_ids(CLEAN)])
            before = llama.network(ids).logits
            patch_of(llama, Patch(CLEAN, CORRUPT, ANSWER, OTHER))
            assert torch.equal(llama.network(ids).logits, before)
        assert not any("forward" in block.__dict__ for block in blocks_of(llama.network.base_model))


def test_layers_that_are_run_twice_are_refused(llama: CausalModel) -> None:
    """As where one block serves every layer."""
    blocks = blocks_of(llama.network.base_model)
    inputs = {"input_ids": torch.tensor([[5, 6]])}
    with torch.inference_mode(), pytest.raises(NoBlocks):
        watched(llama.network, blocks[::-1], inputs)
    with pytest.raises(NoBlocks):
        blocks_of(torch.nn.Linear(2, 2))


def test_every_kind_claims_it(llama: CausalModel, bert: MaskedModel, t5: Seq2SeqModel, classifier: Any) -> None:
    assert all(Capability.STATES in kind.capabilities for kind in (llama, bert, t5, classifier))
