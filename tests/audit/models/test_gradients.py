"""Gradient attributions of all kinds of models, against finite differences, captum's layers and a model that is linear."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from captum.attr import LayerIntegratedGradients, LLMGradientAttribution, TextTokenInput
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from audit.models import Ablate, Ablated, Attend, Attended, Attribute, Attributed, Failure, Prompt, packing, user
from audit.models.causal import CausalModel
from audit.models.explain import Scalar
from audit.models.forced import Forced
from audit.models.gradients import nodes
from audit.models.inside import Reading
from audit.models.requests import Decision, Method
from audit.models.seq2seq import Seq2SeqModel
from audit.models.text import Units
from audit.models.whitebox import WhiteBox
from tests.audit.models.tiny import TEMPLATE, open_folder, save, train_tokenizer
from tests.audit.models.tiny_classifier import make_bert as make_classifier
from tests.audit.models.tiny_classifier import make_gpt2 as make_decoder
from tests.audit.models.tiny_classifier import open_classifier, reviews
from tests.audit.models.tiny_masked import make_bert, open_masked
from tests.audit.models.tiny_seq2seq import ALIGNMENT, HELD_OUT

PROMPT, ANSWER, OTHER = "The red cat sleeps in the", " garden and sleeps.", " river"
METHODS: tuple[Method, ...] = ("saliency", "input_x_gradient", "integrated_gradients")
NEAR = 1e-3


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> WhiteBox:
    return open_masked(make_bert(tmp_path_factory.mktemp("masked"), steps=60))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> WhiteBox:
    folder = make_classifier(tmp_path_factory.mktemp("classifier"), reviews(), ("bad", "good"), steps=20)
    return open_classifier(folder)


Case = tuple[WhiteBox, str, str, str]
"""A model, a prompt, an answer and a contrast."""


@pytest.fixture(scope="module", params=["llama", "gpt2", "gemma", "t5", "marian", "masked", "classifier"])
def case(request: pytest.FixtureRequest) -> Case:
    """Each kind of model in turn with a decision of its own."""
    model: WhiteBox = request.getfixturevalue(request.param)
    if request.param in ("t5", "marian"):
        return model, HELD_OUT[3][0], HELD_OUT[3][1], HELD_OUT[0][1]
    if request.param == "classifier":
        return model, "We found the lamp gloomy and told everybody so.", "bad", "good"
    return model, PROMPT, ANSWER, OTHER


def attributed(model: WhiteBox, request: Attribute) -> Attributed:
    [found] = model.attribute([request])
    assert isinstance(found, Attributed), found
    return found


def everything(model: WhiteBox, request: Attribute) -> float:
    """f of the whole text as the scorer says."""
    scalar = model.scalar(request)
    return scalar([tuple(range(len(scalar.units.words)))])[0]


def reader(model: WhiteBox) -> Any:
    """The module that gives the vectors of the prompt's tokens."""
    encoder = model.network.get_encoder() if model.network.config.is_encoder_decoder else model.network
    return encoder.get_input_embeddings()


def explained(model: WhiteBox, request: Attribute) -> list[int]:
    """Places of the explained tokens in what the model reads."""
    forced = model.forced(request.prompt, request.continuation)
    return [forced.prompt[p] for members in model.scalar(request).units.members for p in members]


def neutral(model: WhiteBox) -> int:
    """The token that is taken for neutral."""
    known = [getattr(model.tokenizer, f"{name}_token_id") for name in ("mask", "pad", "eos", "unk")]
    return next(i for i in known if i is not None and bool(reader(model).weight[i].any()))


def plainly(model: WhiteBox, request: Attribute, ids: Callable[[Tensor], Tensor] = lambda ids: ids) -> float:
    """f by the network's own forward pass over changed token ids."""
    total = 0.0
    for sign, answer in ((1, request.continuation), (-1, request.contrast)):
        if answer is not None:
            forced = model.forced(request.prompt, answer)
            with torch.no_grad():
                inputs = forced.inputs | {"input_ids": ids(forced.inputs["input_ids"])}
                total += sign * float(forced.read(model.network(**inputs)).sum())
    return total


# Numbers that are known.


@pytest.mark.parametrize("contrast", [False, True])
def test_the_scores_share_out_what_the_text_adds_to_its_baseline(case: Case, contrast: bool) -> None:
    model, prompt, answer, other = case
    request = Attribute(
        prompt, answer, other if contrast else None, method="integrated_gradients", baseline="neutral", samples=512
    )
    found = attributed(model, request)
    assert found.error is not None
    assert found.error < 0.05
    assert sum(found.scores) == pytest.approx(found.full - found.empty, rel=0.05)
    assert found.full == pytest.approx(everything(model, request), abs=NEAR)
    places, token = explained(model, request), neutral(model)

    def hidden(ids: Tensor) -> Tensor:
        ids = ids.clone()
        ids[:, places] = token
        return ids

    # The exchanged vectors went through scaling, positions and norms as those of a token do.
    assert found.empty == pytest.approx(plainly(model, request, hidden), abs=NEAR)


def test_it_is_captums_layer_at_equal_steps(case: Case) -> None:
    model, prompt, answer, other = case
    if len(model.forced(prompt, answer).inputs["input_ids"]) > 1:
        answer, other = " river", " red"  # captum takes a masked model's rows for examples of their own; here is one
    request = Attribute(prompt, answer, other, method="integrated_gradients", baseline="neutral", samples=16)
    found = attributed(model, request)
    places = explained(model, request)
    expected = torch.zeros(len(places))
    for sign, ending in ((1, answer), (-1, other)):
        forced = model.forced(prompt, ending)
        ids = forced.inputs["input_ids"]
        rest = {n: t for n, t in forced.inputs.items() if n != "input_ids"}

        def f(ids: Tensor, forced: Forced = forced, rest: dict[str, Tensor] = rest) -> Tensor:
            rows = len(forced.inputs["input_ids"])
            with torch.enable_grad():
                parts = [model.network(input_ids=part, **rest).logits for part in ids.split(rows)]
            return torch.stack([forced.read(SimpleNamespace(logits=part)).sum() for part in parts])

        start = ids.clone()
        start[:, places] = neutral(model)
        lig = LayerIntegratedGradients(f, reader(model))
        values = lig.attribute(
            ids, baselines=start, n_steps=found.steps, method="riemann_middle", internal_batch_size=1
        )
        expected += sign * values[0, places].sum(-1).detach()
    members = [len(m) for m in model.scalar(request).units.members]
    by_unit = [float(part.sum()) for part in expected.split(members)]
    assert found.scores == pytest.approx(by_unit, abs=NEAR * max(1.0, max(map(abs, by_unit))))


@pytest.mark.parametrize("name", ["llama", "gpt2", "gemma", "t5", "masked", "classifier"])
def test_slopes_are_finite_differences(name: str, request: pytest.FixtureRequest) -> None:
    """Of f by a five-point rule, with the vectors given to the model as its inputs."""
    model: WhiteBox = request.getfixturevalue(name)
    prompt, answer = {"t5": HELD_OUT[3], "classifier": ("A broken lamp!", "bad")}.get(name, (PROMPT, ANSWER))
    asked = Attribute(prompt, answer, method="input_x_gradient", unit="word")
    found = attributed(model, asked)
    exact = copy.deepcopy(model.network).double()
    forced = model.forced(prompt, answer)
    ids = forced.inputs["input_ids"]
    rest = {n: t for n, t in forced.inputs.items() if n != "input_ids"}
    encoder = exact.get_encoder() if exact.config.is_encoder_decoder else exact
    text = encoder.get_input_embeddings()(ids).detach()
    rows, places = [r for r, _ in forced.deciding], [p for _, p in forced.deciding]

    def f(vectors: Tensor) -> float:
        with torch.no_grad():
            logits = exact(inputs_embeds=vectors, **rest).logits
        if not rows:
            return float(logits.log_softmax(-1)[0, forced.targets[0]])
        logprobs = logits[rows, places].log_softmax(-1)
        return float(logprobs.gather(1, torch.tensor(forced.targets)[:, None]).sum())

    step = 0.02  # norms are computed in float32 whatever the model's format, so that small steps drown in rounding
    for score, members in zip(found.scores, model.scalar(asked).units.members, strict=True):
        where = [forced.prompt[p] for p in members]
        at = {}
        for n in (-2, -1, 1, 2):
            moved = text.clone()
            moved[:, where] *= 1 + n * step
            at[n] = f(moved)
        slope = (8 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12 * step)
        assert score == pytest.approx(slope, rel=5e-3, abs=5e-4)


class Planted(nn.Module):
    """Logits that are linear in the vectors: the sum over places of the vector's product with the place's own."""

    def __init__(self, flows: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(20, 5)
        self.by_place = nn.Parameter(torch.randn(4, 5))
        self.flows = flows
        self.config = SimpleNamespace(
            is_encoder_decoder=False, get_text_config=lambda: SimpleNamespace(pad_token_id=0, num_hidden_layers=1)
        )
        self.device, self.dtype = torch.device("cpu"), torch.float32

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embedding

    def forward(self, input_ids: Tensor) -> Any:
        vectors = self.embedding(input_ids)
        found = (vectors * self.by_place).sum((1, 2))
        return SimpleNamespace(logits=found if self.flows else found.detach())


class PlantedModel(WhiteBox):
    """Four tokens: a frame, a word of two and a word of one; the scalar of the contrast is twice another's."""

    def __init__(self, flows: bool = True) -> None:
        self.network = Planted(flows)
        self.encoder = SimpleNamespace(tokenizer=SimpleNamespace(mask_token_id=None, pad_token_id=19))

    def scalar(self, request: Decision) -> Scalar:
        class Fixed:
            units = Units((3, 4, 5, 6), ("two", "one"), ((1, 2), (3,)))

            def __call__(self, kept: Sequence[Sequence[int]]) -> list[float]:
                return [-7.0 for _ in kept]

        return Fixed()

    def forced(self, prompt: Prompt, continuation: str) -> Forced:
        factor = 2.0 if continuation == "twice" else 1.0
        ids = torch.tensor([[3, 4, 5, 6]])
        return Forced({"input_ids": ids}, range(4), (), lambda output: factor * output.logits, (0,))

    def undecidable(self, request: Decision) -> Failure | None:
        return None

    def seen(self, requests: Sequence[Attend]) -> list[Attended | Failure]:
        raise NotImplementedError

    def reading(self, prompt: Prompt) -> Reading:
        raise NotImplementedError


@pytest.mark.parametrize("contrast", [None, "twice"])
def test_of_a_linear_model_every_answer_is_known(contrast: str | None) -> None:
    model = PlantedModel()
    table, slopes = model.network.embedding.weight.detach(), model.network.by_place.detach()
    if contrast:
        slopes = slopes - 2 * slopes

    def expected(per_token: Tensor) -> list[float]:
        return [float(per_token[1] + per_token[2]), float(per_token[3])]

    def found(method: Method, baseline: Any = "mean") -> Attributed:
        asked = Attribute("x", "once", contrast, method=method, baseline=baseline)
        return attributed(model, asked)

    text = table[[3, 4, 5, 6]]
    assert found("saliency").scores == pytest.approx(expected(slopes.norm(dim=1)), abs=1e-5)
    assert found("input_x_gradient").scores == pytest.approx(expected((slopes * text).sum(1)), abs=1e-5)
    assert found("input_x_gradient").empty == -7.0
    for baseline, start in (("mean", table.mean(0)), ("neutral", table[19])):
        one = found("integrated_gradients", baseline)
        assert one.scores == pytest.approx(expected((slopes * (text - start)).sum(1)), abs=1e-5)
        assert one.error == pytest.approx(0.0, abs=1e-4)
        assert one.steps == 32  # a line needs no more than two tries
        changed = torch.stack([text[0], start, start, start])
        assert one.full == pytest.approx(float((slopes * text).sum()), abs=1e-5)
        assert one.empty == pytest.approx(float((slopes * changed).sum()), abs=1e-5)


def test_nothing_to_share_out_has_no_error() -> None:
    model = PlantedModel()
    with torch.no_grad():
        model.network.by_place.zero_()
    found = attributed(model, Attribute("x", "once", method="integrated_gradients", samples=32))
    assert (found.scores, found.error, found.steps) == ((0.0, 0.0), None, 32)


def test_weights_and_places_of_the_rule() -> None:
    for count in (1, 16, 33):
        at, share = nodes(count)
        assert len(at) == count
        assert share.sum() == pytest.approx(1.0)
        assert float((at * share).sum()) == pytest.approx(0.5)
        assert at.min() > 0  # the end points are not sampled
        assert at.max() < 1


# What is asked for.


@pytest.mark.parametrize("method", ["input_x_gradient", "integrated_gradients"])
def test_contrast_is_the_difference_of_two_answers(case: Case, method: Method) -> None:
    model, prompt, answer, other = case

    def asked(*endings: str) -> Attributed:
        # One step count for all three, so that equality holds before the integral has converged.
        return attributed(model, Attribute(prompt, *endings, method=method, samples=16))

    both, one, two = asked(answer, other), asked(answer), asked(other)
    scale = max(map(abs, (*one.scores, *two.scores)))
    expected = [a - b for a, b in zip(one.scores, two.scores, strict=True)]
    assert both.scores == pytest.approx(expected, abs=NEAR * max(1.0, scale))
    assert both.full == pytest.approx(one.full - two.full, abs=NEAR)


def test_answers_of_one_token_share_a_pass(llama: CausalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    inner = llama.network.forward
    monkeypatch.setattr(llama.network, "forward", lambda **inputs: calls.append(1) or inner(**inputs))
    counts = {}
    for other in (" river", " river and"):
        calls.clear()
        attributed(llama, Attribute(PROMPT, " garden", other, method="saliency"))
        counts[other] = len(calls)
    assert counts[" river"] < counts[" river and"]


@pytest.mark.parametrize("method", METHODS)
def test_a_row_for_each_token_of_the_answer(case: Case, method: Method) -> None:
    model, prompt, answer, other = case
    found = attributed(model, Attribute(prompt, answer, method=method, by_token=True, samples=16))
    assert len(found.by_token) == len(found.tokens) == len(model.forced(prompt, answer).targets)
    assert "".join(found.tokens).replace(" ", "") == answer.replace(" ", "")
    plain = attributed(model, Attribute(prompt, answer, method=method, samples=16))
    scale = max(1.0, *(abs(s) for row in found.by_token for s in row))
    assert found.scores == pytest.approx(plain.scores, abs=NEAR * scale)
    if method != "saliency":  # norms do not add up
        assert [sum(column) for column in zip(*found.by_token, strict=True)] == pytest.approx(
            found.scores, abs=NEAR * scale
        )
    against = attributed(model, Attribute(prompt, answer, other, method=method, by_token=True, samples=16))
    assert len(against.by_token) == len(found.by_token)
    assert against.by_token[0] == pytest.approx(found.by_token[0], abs=NEAR * scale)


def test_steps_are_doubled_until_the_sum_is_near(llama: CausalModel) -> None:
    asked = [Attribute(PROMPT, ANSWER, method="integrated_gradients", samples=n) for n in (1, 24, 0)]
    few, some, enough = (attributed(llama, request) for request in asked)
    assert few.steps == 1
    assert few.error is not None
    assert some.steps in (16, 24)
    assert enough.error is not None
    assert enough.error < 0.05 or enough.steps == 256


def test_saliency_has_no_sign(case: Case) -> None:
    model, prompt, answer, other = case
    found = attributed(model, Attribute(prompt, answer, other, method="saliency"))
    turned = attributed(model, Attribute(prompt, other, answer, method="saliency"))
    assert min(found.scores) > 0
    assert turned.scores == pytest.approx(found.scores, rel=1e-3)
    assert turned.full == pytest.approx(-found.full, abs=NEAR)


def test_the_frame_of_a_chat_is_no_variable(llama: CausalModel) -> None:
    found = attributed(llama, Attribute(user("Where is the cat?"), " garden", method="integrated_gradients"))
    assert found.units == ("Where", "is", "the", "cat?")
    assert sum(found.scores) == pytest.approx(found.full - found.empty, rel=0.05)


def test_of_an_encoder_decoder_the_words_that_are_translated(marian: Seq2SeqModel) -> None:
    """Attributions land on the tokens that the encoder reads, and on the right ones."""
    hits = 0
    for source, target in HELD_OUT[:4]:
        found = attributed(marian, Attribute(source, target, method="integrated_gradients", by_token=True))
        assert found.units == tuple(source.split())
        tops = [max(range(len(row)), key=lambda i: row[i]) for row in found.by_token]
        hits += sum(tops[word] == ALIGNMENT[word] for word in (1, 2, 3, 4))
    assert hits >= 14  # of 16; chance is 2.3


def test_the_telling_word_of_a_classifier(classifier: WhiteBox) -> None:
    found = attributed(
        classifier,
        Attribute("We found the lamp gloomy and told everybody so.", "bad", "good", method="integrated_gradients"),
    )
    assert found.units[max(range(len(found.units)), key=lambda i: found.scores[i])] == "gloomy"


@pytest.mark.parametrize("padding", [True, False])
def test_a_classifier_that_cannot_fill_rows(tmp_path: Path, padding: bool) -> None:
    model = open_classifier(make_decoder(tmp_path, reviews(), padding))
    found = attributed(model, Attribute("A broken lamp!", "bad", "good", method="integrated_gradients"))
    assert found.error is not None
    assert found.error < 0.05
    assert found.units[max(range(3), key=lambda i: found.scores[i])] == "broken"


# What may not happen.


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_left_behind(gpt2_folder: Path, method: Method) -> None:
    model = open_folder(gpt2_folder)
    request = Attribute(PROMPT, ANSWER, method=method, samples=16)
    before = everything(model, request)
    wanting = [p.requires_grad for p in model.network.parameters()]
    [first] = model.attribute([request])
    assert all(p.grad is None for p in model.network.parameters())
    assert [p.requires_grad for p in model.network.parameters()] == wanting
    assert everything(model, request) == before
    with torch.inference_mode():
        assert model.attribute([request]) == [first]
    with torch.no_grad():
        assert model.attribute([request]) == [first]
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.network.modules())


def test_half_precision_is_computed_in_float32(gpt2_folder: Path) -> None:
    half, whole = open_folder(gpt2_folder, dtype="bfloat16"), open_folder(gpt2_folder, dtype="float32")
    whole.network.load_state_dict({n: t.bfloat16().float() for n, t in whole.network.state_dict().items()})
    request = Attribute(PROMPT, ANSWER, OTHER, method="integrated_gradients", samples=16)
    stored = {n: t.clone() for n, t in half.network.state_dict().items()}
    assert attributed(half, request).scores == pytest.approx(attributed(whole, request).scores, abs=NEAR)
    assert all(torch.equal(t, stored[n]) and t.dtype == stored[n].dtype for n, t in half.network.state_dict().items())


def test_half_precision_leaves_no_beginnings_of_another_format(
    llama_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "MOST_NODES", 20)  # long conversations keep what comes before the last message
    half = open_folder(llama_folder, dtype="bfloat16")
    chat = (*user("The red cat sleeps in the garden and the old dog sleeps too. " * 3), *user("The cat sleeps"))
    nothing = Ablate(chat, ANSWER, OTHER, kept=((),))
    gradients = Attribute(chat, ANSWER, OTHER, method="saliency")
    alone = attributed(half, gradients)
    assert not half.scorer._trunks
    before = half.ablate([nothing])
    assert half.scorer._trunks  # of half precision
    assert attributed(half, gradients) == alone
    assert half.ablate([nothing]) == before
    assert before[0] == Ablated((pytest.approx(alone.empty, abs=0.2),))


@pytest.mark.parametrize("method", METHODS)
def test_an_answer_is_not_explained_against_itself(llama: CausalModel, method: Method) -> None:
    [found] = llama.attribute([Attribute(PROMPT, OTHER, OTHER, method=method)])
    assert found == Failure("failed", "The answer and the contrast are the same, so that there is nothing to explain.")


@pytest.mark.parametrize("method", METHODS)
def test_scores_of_an_answers_tokens_add_up_but_for_norms(llama: CausalModel, method: Method) -> None:
    found = attributed(llama, Attribute(PROMPT, ANSWER, method=method, by_token=True))
    sums = torch.tensor(found.by_token).sum(0)
    if method == "saliency":
        assert bool((sums > torch.tensor(found.scores) + NEAR).all())  # the triangle inequality
    else:
        assert sums.tolist() == pytest.approx(found.scores, abs=NEAR)


@pytest.mark.parametrize("method", METHODS)
def test_numbers_that_are_not_finite_are_failures(gpt2_folder: Path, method: Method) -> None:
    model = open_folder(gpt2_folder)
    model.network.transformer.ln_f.weight.data.fill_(math.nan)
    [found] = model.attribute([Attribute(PROMPT, ANSWER, method=method)])
    assert isinstance(found, Failure)
    assert found.status == "not_a_number"


def test_layers_without_gradients_are_a_failure() -> None:
    [found] = PlantedModel(flows=False).attribute([Attribute("x", "once", method="saliency")])
    assert found == Failure("failed", "No gradient reaches the prompt's embeddings through this model's layers.")


def test_prompts_without_words_and_answers_without_tokens(llama: CausalModel) -> None:
    [empty] = llama.attribute([Attribute("", ANSWER, method="saliency")])
    [silent] = llama.attribute([Attribute(PROMPT, "", method="saliency")])
    assert empty == Failure("failed", "The prompt has no words to explain.")
    assert isinstance(silent, Failure)


def test_the_zero_vector_is_never_the_baseline(untrained: CausalModel) -> None:
    assert not untrained.network.get_input_embeddings().weight[untrained.tokenizer.pad_token_id].any()
    asked = Attribute(PROMPT, " garden", method="integrated_gradients", baseline="neutral")
    found = attributed(untrained, asked)
    assert found.error is not None
    assert found.error < 0.05  # from the end token, which is the next that could be meant
    with torch.no_grad():
        untrained.network.get_input_embeddings().weight[untrained.tokenizer.eos_token_id] = 0.0
    [failed] = untrained.attribute([asked])
    assert failed == Failure("failed", "The tokenizer has no neutral token with an embedding other than zero.")


# Faults of captum 0.9 that are not ours.


@pytest.fixture
def untrained(tmp_path: Path) -> CausalModel:
    """As transformers makes new models: the padding token's vector is zero."""
    tokenizer = train_tokenizer(begins=False)
    torch.manual_seed(5)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=96,
        tie_word_embeddings=False,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return open_folder(save(LlamaForCausalLM(config), tokenizer, tmp_path))


def test_integrals_from_the_zero_vector_do_not_converge(untrained: CausalModel) -> None:
    """``zeros_like`` and the padding token are what captum's examples begin from."""
    ids = torch.tensor([untrained.encoder.pair(PROMPT, " garden")[0]])
    target = untrained.encoder.pair(PROMPT, " garden")[1][0]

    def f(ids: Tensor) -> Tensor:
        found: Tensor = untrained.network(input_ids=ids).logits[:, -1].log_softmax(-1)[:, target]
        return found

    start = torch.full_like(ids, untrained.tokenizer.pad_token_id)
    lig = LayerIntegratedGradients(f, untrained.network.get_input_embeddings())
    values = lig.attribute(ids, baselines=start, n_steps=64)
    with torch.no_grad():
        whole = float(f(ids) - f(start))
    error = abs(float(values.sum()) - whole) / abs(whole)
    ours = attributed(untrained, Attribute(PROMPT, " garden", method="integrated_gradients", samples=64))
    assert ours.error is not None
    assert ours.error < 0.05
    if error < 0.05:
        pytest.skip("the installed captum and transformers converge from a zero vector")
    assert error > 3 * ours.error


def test_captums_wrapper_tells_no_completeness_error(llama: CausalModel) -> None:
    wrapper = LLMGradientAttribution(
        LayerIntegratedGradients(llama.network, llama.network.get_input_embeddings()), llama.tokenizer
    )
    asked = TextTokenInput(PROMPT, llama.tokenizer)
    try:
        wrapper.attribute(asked, target=" garden", n_steps=4, return_convergence_delta=True)
    except AttributeError:
        told = False
    else:
        told = True
    found = attributed(llama, Attribute(PROMPT, " garden", method="integrated_gradients", samples=4))
    assert found.error is not None
    if told:
        pytest.skip("the installed captum's wrapper returns a convergence delta")


def test_captum_doubles_a_chats_first_token(gpt2_folder: Path) -> None:
    model = open_folder(gpt2_folder)
    model.tokenizer.chat_template = "<s>" + TEMPLATE
    model.encoder.chat = True
    asked = user("Where is the red cat?")
    first = model.tokenizer.bos_token_id
    assert model.encoder.units(asked).ids.count(first) == 1
    assert model.forced(asked, " garden").inputs["input_ids"][0].tolist().count(first) == 1
    theirs = TextTokenInput(model.encoder.text(asked), model.tokenizer)
    if theirs.values[:2] != ["<s>", "<s>"]:
        pytest.skip("the installed captum no longer adds a second first token")
    assert theirs.inp_tensor[0].tolist().count(first) == 2


def test_captum_on_the_models_own_embeddings_misses_the_encoder(t5: Seq2SeqModel) -> None:
    """``get_input_embeddings`` of an encoder-decoder is a module that its encoder does not read through."""
    source, target = HELD_OUT[3]
    forced = t5.forced(source, target)
    ids = forced.inputs["input_ids"]

    def f(ids: Tensor) -> Tensor:
        rest = forced.inputs["decoder_input_ids"].expand(len(ids), -1)
        logits = t5.network(input_ids=ids, decoder_input_ids=rest).logits
        return torch.stack([forced.read(SimpleNamespace(logits=row[None])).sum() for row in logits])

    lig = LayerIntegratedGradients(f, t5.network.get_input_embeddings())
    try:
        theirs = lig.attribute(ids, baselines=torch.zeros_like(ids), n_steps=4)
    except (AssertionError, RuntimeError):
        theirs = None
    ours = attributed(t5, Attribute(source, target, method="integrated_gradients", samples=16))
    assert all(abs(score) > 0 for score in ours.scores)
    if theirs is not None and bool(theirs.any()):
        pytest.skip("the installed transformers read through the model's own embeddings")
