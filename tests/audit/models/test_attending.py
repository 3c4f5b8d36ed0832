"""Attention with gradients and with the lengths of what it weighs: against nudged weights and against products by hand."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    GptOssConfig,
    GptOssForCausalLM,
    Lfm2Config,
    Lfm2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    T5GemmaConfig,
    T5GemmaForConditionalGeneration,
)

from audit.metrics import gradient_weighted, gradient_weighted_across, norm_rollout
from audit.models import Attend, Attended, Failure
from audit.models.attending import Look, Text
from audit.models.causal import CausalModel
from audit.models.implementation import implementation
from audit.models.seq2seq import Seq2SeqModel
from audit.models.whitebox import WhiteBox
from tests.audit.models.tiny import LONGEST, open_folder, save, train_tokenizer
from tests.audit.models.tiny_classifier import GOOD, open_classifier, reviews
from tests.audit.models.tiny_classifier import make_bert as make_classifier
from tests.audit.models.tiny_masked import make_bert, make_distilbert, make_modernbert, open_masked
from tests.audit.models.tiny_seq2seq import ALIGNMENT, HELD_OUT

SOURCE, TARGET = HELD_OUT[3][0], HELD_OUT[8][1]  # a translation that is sure of itself has hardly any gradients
TEXT = ("The red cat sleeps in the", " garden and the river")
REVIEW = (f"The soup was {GOOD[0]} .", " good")


@pytest.fixture(scope="module")
def models(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A model by its name, each made once."""
    made: dict[str, WhiteBox] = {}

    def make(name: str) -> WhiteBox:
        folder = tmp_path_factory.mktemp(name)
        if name == "bert":
            return open_masked(make_bert(folder, steps=20))
        if name == "distilbert":
            return open_masked(make_distilbert(folder))
        if name == "modernbert":
            return open_masked(make_modernbert(folder))
        if name == "classifier":
            return open_classifier(make_classifier(folder, reviews(), ("bad", "good"), steps=12))
        found: WhiteBox = request.getfixturevalue(name)
        return found

    def find(name: str) -> WhiteBox:
        if name not in made:
            made[name] = make(name)
        return made[name]

    return find


ASKED = {
    "llama": TEXT,
    "gpt2": TEXT,
    "gemma": ("The red", " cat"),
    "bert": ("The red cat sleeps in the", " garden."),
    "distilbert": ("The red cat sleeps in the", " garden."),
    "modernbert": ("The red cat", " sleeps"),
    "classifier": REVIEW,
    "t5": (SOURCE, TARGET),
    "marian": (SOURCE, TARGET),
}


def attended(model: WhiteBox, prompt: str, answer: str, part: Any = "self", weighted: bool = True) -> Attended:
    [found] = model.attend([Attend(prompt, answer, part, weighted)])
    assert isinstance(found, Attended), found
    return found


@contextmanager
def nudged(network: Any, name: str, change: torch.Tensor) -> Iterator[None]:
    """One layer's weights changed after the softmax, in all rows of a pass."""
    target = network.get_submodule(name)
    code: Any = sys.modules[type(target).__module__]
    original = code.eager_attention_forward

    def forward(module: Any, query: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        output, weights = original(module, query, key, value, *args, **kwargs)
        if module is target:
            spread = value.repeat_interleave(len(change) // value.shape[1], dim=1)
            added = change[:, : weights.shape[2], : weights.shape[3]] @ spread
            output = output + added.transpose(1, 2)
        return output, weights

    code.eager_attention_forward = forward
    try:
        yield
    finally:
        code.eager_attention_forward = original


def logprob(model: WhiteBox, prompt: str, answer: str) -> float:
    forced = model.forced(prompt, answer)
    with implementation(model.network, "eager"), torch.inference_mode():
        return float(forced.read(model.network(**forced.inputs)).double().sum())


@pytest.mark.parametrize(
    ("name", "part", "layer", "module"),
    [
        ("llama", "self", 0, "model.layers.0.self_attn"),
        ("llama", "self", 1, "model.layers.1.self_attn"),
        ("gpt2", "self", 1, "transformer.h.1.attn"),
        ("bert", "self", 0, "bert.encoder.layer.0.attention.self"),
        ("classifier", "self", 1, "bert.encoder.layer.1.attention.self"),
        ("t5", "encoder", 1, "encoder.block.1.layer.0.SelfAttention"),
        ("t5", "self", 0, "decoder.block.0.layer.0.SelfAttention"),
        ("t5", "cross", 1, "decoder.block.1.layer.1.EncDecAttention"),
        ("marian", "encoder", 0, "model.encoder.layers.0.self_attn"),
        ("marian", "cross", 0, "model.decoder.layers.0.encoder_attn"),
    ],
)
def test_gradients_are_what_a_nudge_of_the_weights_does(
    models: Any, name: str, part: str, layer: int, module: str
) -> None:
    model, (prompt, answer) = models(name), ASKED[name]
    found = attended(model, prompt, answer, part)
    assert found.gradients is not None
    assert found.gradients.shape == found.weights.shape
    direction = np.random.default_rng(0).normal(size=found.weights.shape[1:])
    direction = np.tril(direction) if found.causal else direction
    direction /= np.linalg.norm(direction)
    step = 5e-3
    ends = []
    for sign in (1, -1):
        with nudged(model.network, module, torch.tensor(sign * step * direction, dtype=torch.float32)):
            ends.append(logprob(model, prompt, answer))
    slope, size = float((found.gradients[layer] * direction).sum()), float(np.linalg.norm(found.gradients[layer]))
    assert size > 1e-4
    assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(slope, abs=0.02 * size + 1e-5)


def test_nothing_depends_on_the_last_row(models: Any) -> None:
    """What is written last predicts nothing that was asked for."""
    for name in ("llama", "gpt2"):
        found = attended(models(name), *TEXT)
        assert found.gradients is not None
        assert not found.gradients[:, :, -1].any()
        assert found.gradients[:, :, found.prompt_tokens - 1].any()
        assert not np.triu(found.gradients, 1).any()  # nothing looks ahead, and nothing could gain by it


def listening(network: Any) -> int:
    """How many hooks there are; the library has its own."""
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in network.modules())


@pytest.mark.parametrize("name", list(ASKED))
def test_weights_are_those_without_gradients(models: Any, name: str) -> None:
    model, (prompt, answer) = models(name), ASKED[name]
    before = logprob(model, prompt, answer)
    attended(model, prompt, answer, "encoder" if name in ("t5", "marian") else "self", weighted=False)
    hooks = listening(model.network)
    for part in ("encoder", "self", "cross") if name in ("t5", "marian") else ("self",):
        plain, found = attended(model, prompt, answer, part, weighted=False), attended(model, prompt, answer, part)
        assert plain.gradients is plain.norms is None
        assert (found.tokens, found.sources, found.prompt_tokens) == (plain.tokens, plain.sources, plain.prompt_tokens)
        assert found.weights.shape == plain.weights.shape
        if name not in ("bert", "distilbert", "modernbert"):  # there the answer is hidden
            assert found.weights == pytest.approx(plain.weights, abs=1e-5)
        assert found.weights.sum(-1) == pytest.approx(1, abs=1e-5)
        assert found.norms is not None
        assert found.norms.shape == (*found.weights.shape[:2], found.weights.shape[3])
    assert all(p.grad is None for p in model.network.parameters())
    assert all(p.requires_grad for p in model.network.parameters() if p.is_floating_point())
    assert listening(model.network) == hooks
    assert logprob(model, prompt, answer) == before


def test_hidden_words_are_passes_of_their_own(models: Any) -> None:
    """Weights and norms of a masked model are means over the passes that its score is made of."""
    model, (prompt, answer) = models("bert"), ASKED["bert"]
    found = attended(model, prompt, answer)
    encoded, places = model.encoder.joined(prompt, answer)
    assert len(places) > 1
    passes = []
    for blank in model.encoder.blanks(encoded.ids, encoded.words, places, whole_words=True):
        assert model.encoder.mask in blank.row
        with implementation(model.network, "eager"), torch.inference_mode():
            out = model.network(input_ids=torch.tensor([blank.row]), output_attentions=True)
        passes.append(torch.stack(out.attentions)[:, 0].numpy())
    assert found.weights == pytest.approx(np.mean(passes, axis=0), abs=1e-5)


# Name, part, layer, the projection that makes values and that which uses them, and where values begin in the first.
PROJECTED = [
    ("llama", "self", 1, "model.layers.1.self_attn.v_proj", "model.layers.1.self_attn.o_proj", 0),
    ("gemma", "self", 0, "model.layers.0.self_attn.v_proj", "model.layers.0.self_attn.o_proj", 0),
    ("gpt2", "self", 1, "transformer.h.1.attn.c_attn", "transformer.h.1.attn.c_proj", 64),
    ("bert", "self", 0, "bert.encoder.layer.0.attention.self.value", "bert.encoder.layer.0.attention.output.dense", 0),
    ("distilbert", "self", 1, "distilbert.transformer.layer.1.attention.v_lin",
     "distilbert.transformer.layer.1.attention.out_lin", 0),
    ("modernbert", "self", 0, "model.layers.0.attn.Wqkv", "model.layers.0.attn.Wo", 64),
    ("t5", "encoder", 1, "encoder.block.1.layer.0.SelfAttention.v", "encoder.block.1.layer.0.SelfAttention.o", 0),
    ("t5", "self", 1, "decoder.block.1.layer.0.SelfAttention.v", "decoder.block.1.layer.0.SelfAttention.o", 0),
    ("t5", "cross", 0, "decoder.block.0.layer.1.EncDecAttention.v", "decoder.block.0.layer.1.EncDecAttention.o", 0),
    ("marian", "cross", 1, "model.decoder.layers.1.encoder_attn.v_proj",
     "model.decoder.layers.1.encoder_attn.out_proj", 0),
]  # fmt: skip


@pytest.mark.parametrize(("name", "part", "layer", "makes", "uses", "begin"), PROJECTED)
def test_norms_are_of_vectors_that_add_up_to_what_attention_gives(
    models: Any, name: str, part: str, layer: int, makes: str, uses: str, begin: int
) -> None:
    model, (prompt, answer) = models(name), ASKED[name]
    first, second = model.network.get_submodule(makes), model.network.get_submodule(uses)
    kept: dict[str, torch.Tensor] = {}
    hooks = [
        first.register_forward_pre_hook(lambda m, given: kept.update(read=given[0].detach())),
        second.register_forward_hook(lambda m, given, output: kept.update(given=output.detach())),
    ]
    found = attended(model, prompt, answer, part)
    for hook in hooks:
        hook.remove()
    rows, heads = kept["read"].shape[0], found.weights.shape[1]
    matrices = [m.weight.detach() if type(m).__name__ == "Conv1D" else m.weight.detach().T for m in (first, second)]
    biases = [torch.zeros(1) if m.bias is None else m.bias.detach() for m in (first, second)]
    value, out = (m.double() for m in matrices)
    size = len(out) // heads
    lengths, given = [], torch.zeros(kept["given"].shape, dtype=torch.float64)
    with torch.inference_mode():
        values = (kept["read"].double() @ value + biases[0])[..., begin:]
        shared = heads * size // values.shape[-1]
        for head in range(heads):
            group = head // shared
            added = values[..., group * size : (group + 1) * size] @ out[head * size : (head + 1) * size]
            lengths.append(added.norm(dim=-1).mean(0))
            if rows == 1 and part != "cross":
                given += torch.tensor(found.weights[layer, head]).double() @ added
    assert found.norms is not None
    assert found.norms[layer] == pytest.approx(torch.stack(lengths).numpy(), rel=1e-4)
    if rows == 1 and part != "cross":
        assert (given + biases[1]).numpy() == pytest.approx(kept["given"].numpy(), abs=1e-4 * float(given.abs().max()))


def test_the_telling_word_is_what_the_class_gains_by(models: Any) -> None:
    model, (prompt, answer) = models("classifier"), ASKED["classifier"]
    found = attended(model, prompt, answer)
    assert found.gradients is not None
    relevancy = gradient_weighted(found.weights, found.gradients)
    assert relevancy is not None
    place = found.tokens.index(GOOD[0])
    assert int(relevancy[0].argmax()) == place  # the class is read at the first token
    assert norm_rollout(found.weights, found.norms, causal=False) is not None  # type: ignore[arg-type]


def test_the_other_class_is_another_question(models: Any) -> None:
    good, bad = (attended(models("classifier"), REVIEW[0], answer) for answer in (" good", " bad"))
    assert good.gradients is not None
    assert bad.gradients is not None
    assert float((good.gradients * bad.gradients).sum()) < 0
    [strange] = models("classifier").attend([Attend(REVIEW[0], " nice", weighted=True)])
    assert isinstance(strange, Failure)
    assert "nice" in strange.reason


def test_relevancy_finds_what_is_translated(translator: Seq2SeqModel) -> None:
    """Word by word of a translation, the word that it translates; of eight tokens chance finds one."""
    hits = []
    for source, target in HELD_OUT[:12]:
        requests = [Attend(source, target, part, True) for part in ("encoder", "self", "cross")]  # type: ignore[arg-type]
        encoder, own, cross = translator.attend(requests)
        pairs = []
        for found in (encoder, own, cross):
            assert isinstance(found, Attended)
            assert found.gradients is not None
            pairs.append((found.weights, found.gradients))
        assert isinstance(own, Attended)
        relevancy = gradient_weighted_across(pairs[0], pairs[1], pairs[2], own.prompt_tokens - 1)
        assert relevancy is not None
        hits += [int(relevancy[row].argmax()) == column for row, column in ALIGNMENT.items() if row]
    assert np.mean(hits) > 0.4


def test_an_answer_of_no_tokens_has_no_gradients(models: Any) -> None:
    for name in ("llama", "bert", "t5"):
        plain, weighted = models(name).attend([Attend("The red cat", "", weighted=w) for w in (False, True)])
        assert isinstance(weighted, Failure)
        assert weighted.status == "failed"
        assert isinstance(plain, Attended) == (name == "llama")


def test_requests_of_both_kinds_keep_their_order(models: Any) -> None:
    requests = [Attend("The", " dog", weighted=True), Attend("The", " dog"), Attend(*TEXT, weighted=True)]
    found = models("llama").attend(requests)
    assert [isinstance(f, Attended) and f.gradients is not None for f in found] == [True, False, True]
    assert isinstance(found[2], Attended)
    assert len(found[2].tokens) > len(found[0].tokens)


def test_a_window_hides_what_lies_beyond_it(gemma: CausalModel) -> None:
    """Every other layer of the tiny Gemma sees 16 tokens."""
    short, long = (attended(gemma, "The red", " cat" * n, weighted=True) for n in (2, 20))
    assert len(short.tokens) <= 16 < len(long.tokens)
    assert (short.layers, short.missing, len(short.weights)) == ((), (), 2)
    assert (long.layers, long.missing) == ((1,), ("layer 0: sees only a window of 16 tokens",))
    assert long.gradients is not None
    assert long.norms is not None
    assert len(long.weights) == len(long.gradients) == len(long.norms) == 1
    assert np.tril(long.weights[0, 0] > 0).sum() == len(long.tokens) * (len(long.tokens) + 1) / 2


def test_layers_without_attention_are_named(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(begins=True)
    torch.manual_seed(5)
    config = Lfm2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        block_auto_adjust_ff_dim=False,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        layer_types=["conv", "full_attention", "conv", "full_attention"],
        max_position_embeddings=LONGEST,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = open_folder(save(Lfm2ForCausalLM(config), tokenizer, tmp_path))
    for weighted in (False, True):
        found = attended(model, *TEXT, weighted=weighted)
        assert found.layers == (1, 3)
        assert found.missing == ("layer 0: no attention matrix", "layer 2: no attention matrix")
        assert len(found.weights) == 2
        assert (found.norms is not None) == (found.gradients is not None) == weighted


SMALL: dict[str, Any] = {
    "vocab_size": 32, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "max_position_embeddings": 32, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip


def looked(network: Any, change: Any = None) -> Attended | Failure:
    network.set_attn_implementation("eager")
    inputs = {"input_ids": torch.arange(3, 11)[None], "use_cache": False}
    look = Look(network.eval(), inputs, lambda out: out.logits[0, [5], [4]].log_softmax(-1))
    if change is not None:
        look._output.attentions = change(look._output.attentions)
    return look.attended("attentions", Text(("a",) * 8, 6, True))


def test_weights_that_leave_some_for_nothing_are_no_whole_attention() -> None:
    config = GptOssConfig(
        **SMALL, head_dim=8, num_local_experts=2, num_experts_per_tok=1, layer_types=["full_attention"] * 2
    )
    network = GptOssForCausalLM(config)
    found = looked(network)
    assert isinstance(found, Failure)
    assert found.reason == "No layer gives whole attention weights: layer 0: weights that do not sum to 1."


def test_odd_layers_are_named() -> None:
    network = LlamaForCausalLM(LlamaConfig(**SMALL))
    assert isinstance(looked(network), Attended)
    for change, missing in [
        (lambda a: (None, a[1]), "layer 0: no attention matrix"),
        (lambda a: (a[0][..., :4], a[1]), "layer 0: no weights from every token to every token"),
        (lambda a: (a[1],), "1 of 2 layers: no attention matrix"),
    ]:
        found = looked(network, change)
        assert isinstance(found, Attended)
        assert found.missing == (missing,)
        assert len(found.weights) == 1
    for change in (lambda a: (), lambda a: None):
        found = looked(network, change)
        assert isinstance(found, Failure)
        assert found.reason == "This architecture gives no attention weights."


def test_values_that_are_changed_before_use_have_no_norms() -> None:
    """Where what is weighed is not what the projection gave, its lengths would be wrong."""
    network = LlamaForCausalLM(LlamaConfig(**SMALL))
    hook = network.model.layers[1].self_attn.o_proj.register_forward_pre_hook(lambda m, given: (given[0] * 1.5,))
    found = looked(network)
    assert isinstance(found, Attended)
    assert found.norms is None
    assert found.gradients is not None
    hook.remove()
    found = looked(network)
    assert isinstance(found, Attended)
    assert found.norms is not None


def test_an_encoder_that_looks_to_each_side_and_a_decoder_that_looks_back() -> None:
    """In each half the first layer has a window, of 4 tokens back, in the encoder also of 4 ahead."""
    torch.manual_seed(6)
    half = {**SMALL, "head_dim": 8, "sliding_window": 4, "layer_types": ["sliding_attention", "full_attention"]}
    network = T5GemmaForConditionalGeneration(T5GemmaConfig(encoder=half, decoder=half, vocab_size=32)).eval()
    network.set_attn_implementation("eager")
    inputs = {
        "input_ids": torch.arange(3, 15)[None],
        "decoder_input_ids": torch.arange(3, 11)[None],
        "use_cache": False,
    }
    look = Look(network, inputs, lambda out: out.logits[0, [5], [4]].log_softmax(-1))
    prompt, answer = ("p",) * 12, ("a",) * 8
    found = {
        "encoder": look.attended("encoder_attentions", Text(prompt, 12, False)),
        "decoder": look.attended("decoder_attentions", Text(answer, 1, True)),
        "cross": look.attended("cross_attentions", Text(answer, 0, False, prompt)),
    }
    missing = {}
    for part, seen in found.items():
        assert isinstance(seen, Attended)
        assert seen.norms is not None
        missing[part] = seen.missing
    assert missing == {
        "encoder": ("layer 0: sees only a window of 9 tokens",),
        "decoder": ("layer 0: sees only a window of 4 tokens",),
        "cross": (),
    }
