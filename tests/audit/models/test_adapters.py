"""Adapters: merged into the base, told apart from it, and refused in one sentence where they do not fit."""

from __future__ import annotations

import json
import math
import shutil
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, PromptTuningConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    T5Config,
    T5ForConditionalGeneration,
)
from typer.testing import CliRunner

import audit.api
import audit.cli
import audit.custom
from audit.corpora import Item
from audit.metrics import rate
from audit.models import Failure, Model, ModelError, Request, Responses, Score, Scored
from audit.models.adapters import resolve_adapter, with_adapter
from audit.models.causal import CausalModel
from audit.models.loading import load
from audit.models.opening import open_model
from audit.models.options import Options
from audit.models.source import resolve
from probes.base import Context, Outcome, coverage
from tests.audit.models.tiny import ANIMALS, COLOURS, edit_json, save, single_thread, train_tokenizer
from tests.audit.support import Tiny, catalogue_of

LEARNED = "The red cat sleeps in the blue."  # the base was taught that cats sleep in the garden
GARDEN, BLUE = (Score("The red cat sleeps in the", f" {place}.") for place in ("garden", "blue"))
WEIGHTS = "adapter_model.safetensors"


# What the tests themselves do with peft; the audit's own code lets no warning through.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing"),
    pytest.mark.filterwarnings("ignore::UserWarning:peft"),
]


def quiet_save(wrapped: Any, folder: Path) -> Path:
    """As peft saves it; it would ask the hub for the base's config where the base is a hub id."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrapped.save_pretrained(folder)
    return folder


@single_thread()
def train_lora(base: Path, folder: Path, **settings: Any) -> Path:
    """A LoRA that moves the cat from the garden into the blue."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    torch.manual_seed(5)
    config = LoraConfig(
        **{"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj", "down_proj"], "task_type": "CAUSAL_LM"}
        | settings
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrapped = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    ids = torch.tensor([tokenizer(LEARNED).input_ids])
    optimizer = torch.optim.AdamW([p for p in wrapped.parameters() if p.requires_grad], lr=2e-2)
    for _ in range(25):
        logits = wrapped(input_ids=ids).logits
        loss = torch.nn.functional.cross_entropy(logits[0, -4:-1], ids[0, -3:])  # what follows "the"
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return quiet_save(wrapped, folder)


@pytest.fixture(scope="session")
def lora(llama_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_lora(llama_folder, tmp_path_factory.mktemp("adapters") / "blue-lora")


@pytest.fixture
def copy(lora: Path, tmp_path: Path) -> Path:
    """The adapter's folder, to be damaged."""
    return Path(shutil.copytree(lora, tmp_path / "copied"))


def opened(base: Path | str, adapter: Path | str, declared: dict[str, str] | None = None, **options: Any) -> Model:
    return open_model(str(base), None, str(adapter), None, Options(**options), declared or {})


@pytest.fixture(scope="session")
def adapted(llama_folder: Path, lora: Path) -> CausalModel:
    model = opened(llama_folder, lora)
    assert isinstance(model, CausalModel)
    return model


def logprob(model: CausalModel, request: Score) -> float:
    (found,) = model.score([request])
    assert isinstance(found, Scored)
    return found.logprob


def test_what_the_adapter_learned_is_measured(llama: CausalModel, adapted: CausalModel) -> None:
    before, after = (logprob(model, BLUE) - logprob(model, GARDEN) for model in (llama, adapted))
    assert before < 0
    assert after > 2


def test_numbers_are_those_of_peft(adapted: CausalModel, llama_folder: Path, lora: Path) -> None:
    reference = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(llama_folder), str(lora)).eval()
    for request in (GARDEN, BLUE):
        context, target = adapted.encoder.pair(request.prompt, request.continuation)
        with torch.inference_mode():
            logprobs = reference(torch.tensor([context + target])).logits[0].log_softmax(-1)
        places = range(len(context) - 1, len(context) + len(target) - 1)
        by_hand = sum(float(logprobs[p, t]) for p, t in zip(places, target, strict=True))
        assert math.isclose(logprob(adapted, request), by_hand, abs_tol=1e-4)


def test_a_merged_model_is_a_plain_one(adapted: CausalModel, llama: CausalModel) -> None:
    assert adapted.scorer.packs
    assert adapted.scorer.gathers
    assert adapted.facts.architecture == "LlamaForCausalLM"
    assert {name for name, _ in adapted.scorer.model.named_parameters()} <= {
        *(name for name, _ in llama.scorer.model.named_parameters()),
        "lm_head.weight",
    }


def test_facts_say_which_is_which(adapted: CausalModel, llama: CausalModel, lora: Path, llama_folder: Path) -> None:
    assert adapted.facts.name == f"{llama.facts.name} + blue-lora"
    assert adapted.facts.weights_sha256 != llama.facts.weights_sha256
    assert adapted.fingerprint != llama.fingerprint
    note = next(n for n in adapted.facts.notes if "blue-lora" in n)
    assert str(llama.facts.weights_sha256) in note
    assert resolve_adapter(str(lora)).sha256 in note
    assert not any("made for" in n for n in adapted.facts.notes)
    both = opened(llama_folder, lora, {"name": "Ours"}).facts
    assert both.name == "Ours + blue-lora"
    assert both.declared == {"name": "Ours"}


def test_another_strength_is_another_model(adapted: CausalModel, llama_folder: Path, copy: Path) -> None:
    """The same weights with another lora_alpha."""
    edit_json(copy / "adapter_config.json", lora_alpha=1)
    weaker = opened(llama_folder, copy)
    assert isinstance(weaker, CausalModel)
    assert weaker.fingerprint != adapted.fingerprint
    assert weaker.facts.weights_sha256 != adapted.facts.weights_sha256
    assert logprob(weaker, BLUE) < logprob(adapted, BLUE) - 0.1


def test_an_adapter_for_another_base_is_noted(llama_folder: Path, copy: Path) -> None:
    edit_json(copy / "adapter_config.json", base_model_name_or_path="org/other")
    notes = opened(llama_folder, copy).facts.notes
    assert f"The adapter says that it was made for org/other; here its base is {llama_folder}." in notes
    edit_json(copy / "adapter_config.json", base_model_name_or_path=None)
    assert "The adapter does not say which base it was made for." in opened(llama_folder, copy).facts.notes


def test_a_tokenizer_beside_the_adapter_is_noted(llama_folder: Path, copy: Path) -> None:
    shutil.copy(llama_folder / "tokenizer.json", copy)
    assert not any("of its own" in note for note in opened(llama_folder, copy).facts.notes)
    (copy / "chat_template.jinja").write_text("{{ messages }}")
    notes = opened(llama_folder, copy).facts.notes
    assert "The adapter comes with a tokenizer or chat template of its own; the base's are used." in notes


@pytest.mark.parametrize("targets", [["lm_head"], ["embed_tokens"], ["lm_head", "embed_tokens", "q_proj"]])
def test_a_head_that_is_tied_to_the_embeddings(llama_folder: Path, tmp_path: Path, targets: list[str]) -> None:
    """Merging into the one matrix must not change the other."""
    folder = train_lora(llama_folder, tmp_path / "tied", target_modules=targets)
    ids = torch.tensor([AutoTokenizer.from_pretrained(llama_folder)(LEARNED).input_ids])
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        base = AutoModelForCausalLM.from_pretrained(llama_folder)
        before = base(ids).logits
        expected = PeftModel.from_pretrained(base, str(folder)).eval()(ids).logits
        model = opened(llama_folder, folder)
        assert isinstance(model, CausalModel)
        found = model.scorer.model(ids).logits
    assert (expected - before).abs().max() > 0.1
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


SMALL: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}


def other_kind(kind: str) -> tuple[Any, Any, dict[str, Any]]:
    """An untrained model, the class that opens it, and how to adapt it."""
    size = len(train_tokenizer(begins=True))
    if kind == "masked":
        return (
            BertForMaskedLM(BertConfig(vocab_size=size, **SMALL)),
            AutoModelForMaskedLM,
            {"target_modules": ["query", "dense"]},
        )
    if kind == "classifier":
        model = BertForSequenceClassification(BertConfig(vocab_size=size, num_labels=3, **SMALL))
        return model, AutoModelForSequenceClassification, {"target_modules": ["query", "dense"], "task_type": "SEQ_CLS"}
    config = T5Config(vocab_size=size, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, decoder_start_token_id=3)
    return T5ForConditionalGeneration(config), AutoModelForSeq2SeqLM, {"target_modules": ["q", "wo"]}


@pytest.mark.parametrize("kind", ["masked", "classifier", "seq2seq"])
def test_every_kind_of_model_takes_adapters(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(6)
    model, opener, settings = other_kind(kind)
    base = save(model, train_tokenizer(begins=True), tmp_path / "base")
    wrapped = get_peft_model(opener.from_pretrained(base), LoraConfig(r=2, init_lora_weights=False, **settings)).eval()
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if "classifier" in name:  # trained along with the adapter, and saved with it
                parameter.add_(0.5)
    folder = quiet_save(wrapped, tmp_path / "lora")
    weights = with_adapter(resolve(str(base), None), resolve_adapter(str(folder)), str(base))
    _, found = load(opener, weights, str(base), Options(), "a model")
    plain = load(opener, resolve(str(base), None), str(base), Options(), "a model")[1]
    inputs = {"input_ids": torch.tensor([[5, 9, 12, 20]])}
    if kind == "seq2seq":
        inputs["decoder_input_ids"] = torch.tensor([[3, 8]])
    with torch.inference_mode():
        expected = wrapped(**inputs).logits
        torch.testing.assert_close(found(**inputs).logits, expected, atol=1e-5, rtol=1e-4)
        assert (plain(**inputs).logits - expected).abs().max() > 1e-3
    assert type(found) is type(plain)


def complaint(base: Path | str, adapter: Path | str, **options: Any) -> str:
    with pytest.raises(ModelError) as raised:
        opened(base, adapter, **options)
    text = str(raised.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


@pytest.mark.parametrize("named", ["/nothing/here", "", "nothing", "~no_such_user/x", "x" * 5000, "a b/c", "a/b/c@d"])
def test_an_adapter_that_is_not_there(llama_folder: Path, named: str) -> None:
    assert f"The adapter {named} was not found" in complaint(llama_folder, named)


def test_a_model_is_not_an_adapter(llama_folder: Path) -> None:
    assert "has no adapter_config.json" in complaint(llama_folder, llama_folder)


def test_an_adapter_is_not_a_model(lora: Path) -> None:
    with pytest.raises(ModelError, match=f"{lora} is an adapter, not a model; give its base as the source"):
        open_model(str(lora), None, None, None, Options(), {})


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"peft_type": 3}', "\ufeff"])
def test_a_damaged_config(llama_folder: Path, copy: Path, content: str) -> None:
    (copy / "adapter_config.json").write_text(content)
    assert "its adapter_config.json is damaged" in complaint(llama_folder, copy)


@pytest.mark.parametrize("kind", ["NO_SUCH_TYPE", "LORA"])
def test_a_config_that_peft_refuses(llama_folder: Path, copy: Path, kind: str) -> None:
    edit_json(copy / "adapter_config.json", peft_type=kind, target_modules=["no_such_layer"])
    assert "The adapter copied does not fit" in complaint(llama_folder, copy)


def test_pickled_adapters_are_not_opened(llama_folder: Path, copy: Path) -> None:
    (copy / WEIGHTS).rename(copy / "adapter_model.bin")
    assert "only pickled weights" in complaint(llama_folder, copy)
    (copy / "adapter_model.bin").unlink()
    assert "has no weights" in complaint(llama_folder, copy)


def test_a_truncated_adapter(llama_folder: Path, copy: Path) -> None:
    content = (copy / WEIGHTS).read_bytes()
    (copy / WEIGHTS).write_bytes(content[: len(content) // 2])
    assert f"{WEIGHTS} is truncated or damaged" in complaint(llama_folder, copy)


def test_an_adapter_of_another_shape(gpt2_folder: Path, llama_folder: Path, copy: Path) -> None:
    edit_json(copy / "adapter_config.json", r=2)
    text = complaint(llama_folder, copy)
    assert "model.layers.0" in text
    assert "is 4 x 48 where the model's is 2 x 48" in text
    assert "Target modules" in complaint(gpt2_folder, copy)


def test_weights_that_are_missing_or_too_many(llama_folder: Path, copy: Path) -> None:
    whole = load_file(copy / WEIGHTS)
    first = sorted(whole)[0]
    save_file({name: tensor for name, tensor in whole.items() if name != first}, copy / WEIGHTS)
    assert "it lacks weights, model.layers.0" in complaint(llama_folder, copy)
    save_file({**whole, "base_model.model.score.weight": torch.zeros(2, 48)}, copy / WEIGHTS)
    assert "the model has no score.weight" in complaint(llama_folder, copy)


def test_weights_that_are_not_numbers(llama_folder: Path, copy: Path) -> None:
    whole = load_file(copy / WEIGHTS)
    save_file({name: tensor * math.nan for name, tensor in whole.items()}, copy / WEIGHTS)
    complaint(llama_folder, copy)


def test_prompt_tuning_is_refused(llama_folder: Path, tmp_path: Path) -> None:
    config = PromptTuningConfig(num_virtual_tokens=2, task_type="CAUSAL_LM")
    wrapped = get_peft_model(AutoModelForCausalLM.from_pretrained(llama_folder), config)
    text = complaint(llama_folder, quiet_save(wrapped, tmp_path / "prompt"))
    assert "puts tokens before the text" in text


def test_without_peft(llama_folder: Path, lora: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.models.adapters.importlib.util.find_spec", lambda name: None)
    assert 'needs the package peft: pip install "fairwitness[lora]"' in complaint(llama_folder, lora)


def test_a_table_takes_no_adapter(tmp_path: Path, lora: Path) -> None:
    (tmp_path / "p.csv").write_text("y_true,y_pred,sex\n1,1,a\n0,0,b\n")
    with pytest.raises(ModelError):
        open_model(str(tmp_path / "p.csv"), None, str(lora), None, Options(), {})


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(("named", "pinned"), [("org/lora", False), (f"org/lora@{COMMIT}", True)])
def test_adapters_of_the_hub(
    lora: Path, llama_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, pinned: bool
) -> None:
    asked: list[dict[str, Any]] = []
    snapshot = shutil.copytree(lora, tmp_path / COMMIT)

    def download(repo_id: str, **options: Any) -> str:
        asked.append({"repo_id": repo_id, **options})
        return str(snapshot)

    monkeypatch.setattr("audit.models.source.snapshot_download", download)
    facts = opened(llama_folder, named).facts
    assert (asked[0]["repo_id"], asked[0]["revision"]) == ("org/lora", COMMIT if pinned else None)
    assert not any(pattern in asked[0]["allow_patterns"] for pattern in ("*.bin", "*.py", "*"))
    assert facts.pinned is pinned
    assert facts.name == f"{llama_folder.name} + org/lora"
    assert any(f"org/lora, commit {COMMIT}" in note for note in facts.notes)


def test_hub_errors_name_the_adapter(llama_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("audit.models.source.snapshot_download", fail)
    assert "The adapter org/lora was not found on the hub" in complaint_of_hub(llama_folder)


def complaint_of_hub(base: Path) -> str:
    with pytest.raises(ModelError) as raised:
        opened(base, "org/lora")
    return str(raised.value)


def test_an_adapter_never_runs_code_of_its_own(llama_folder: Path, copy: Path) -> None:
    (copy / "loud.py").write_text("raise SystemExit('run')")
    config = json.loads((copy / "adapter_config.json").read_text())
    config["auto_mapping"] = {"base_model_class": "Loud", "parent_library": "loud"}
    (copy / "adapter_config.json").write_text(json.dumps(config))
    opened(llama_folder, copy)
    assert "loud" not in sys.modules


def test_an_adapter_longer_than_the_context_is_no_excuse(adapted: CausalModel) -> None:
    (found,) = adapted.score([Score("cat " * 200, "garden")])
    assert isinstance(found, Failure)
    assert found.status == "truncated"


class Astray(Tiny):
    """How often an animal is said to sleep in the blue."""

    id = "tiny.astray"

    def items(self, data: Path | None) -> list[Item]:
        return [{"id": f"{c} {a}", "text": f"The {c} {a} sleeps in the"} for c in COLOURS for a in ANIMALS]

    def requests(self, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
        return [Score(item["text"], f" {place}.") for item in items for place in ("blue", "garden")]

    def measure(self, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        values = [answers[request] for request in self.requests(items, context, answers)]
        logprobs = [value.logprob for value in values if isinstance(value, Scored)]
        astray = [blue > garden for blue, garden in zip(logprobs[::2], logprobs[1::2], strict=True)]
        estimate = rate(astray, None, context.confidence)
        return Outcome([], [self.measurement("rate", estimate, coverage(["scored"] * len(astray)), chance=0.5)], [])


def test_base_and_adapter_are_compared(
    llama_folder: Path, lora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Audited with one config but for the adapter: told apart, their difference seen, and gated against the base."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FAIRWITNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(audit.api, "find_probes", lambda: catalogue_of(Astray))
    monkeypatch.setattr(audit.custom, "find_probes", lambda: catalogue_of(Astray))
    rest = "card: {name: Ours}\nprobes: {tiny.astray: {}}\ngates: {tiny.astray.rate: {no_worse_than_baseline: 0.1}}\n"
    Path("base.yaml").write_text(f"model: {{source: {llama_folder}}}\n{rest}")
    Path("adapted.yaml").write_text(f"model: {{source: {llama_folder}, adapter: {lora}}}\n{rest}")
    base = audit.api.run("base.yaml", output="base")
    adapted = audit.api.run("adapted.yaml", output="adapted", baseline="base")
    assert (base.data.model.name, adapted.data.model.name) == ("Ours", "Ours + blue-lora")
    assert base.data.manifest.audit_id != adapted.data.manifest.audit_id
    assert "blue-lora" in adapted.card.read_text(encoding="utf-8")
    assert adapted.data.gates[0].verdict == "not_met"
    shown = CliRunner().invoke(audit.cli.app, ["compare", "base", "adapted"], env={"COLUMNS": "120"})
    assert shown.exit_code == 0
    assert "Ours + blue-lora" in shown.output
    rows = shown.output.splitlines()
    later = rows[rows.index("tiny.astray.rate") + 2]
    assert later.startswith("  B  1.000")
    assert "* worse: +1.000" in later
