"""Files are read and never loaded: pickles by their opcodes, templates by their syntax, weights by their headers."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGUFEndian, GGUFReader, GGUFWriter
from safetensors.torch import save_file

from audit.models import Failure, Inspected, decode, encode
from audit.models.files.fault import Report
from audit.models.files.inspection import inspect_files
from audit.models.files.kinds import kind_of
from audit.models.files.pickles import read_pickles
from audit.models.files.templates import LONGEST_RUN, LONGEST_TEXT, read_template
from audit.models.files.tensors import Header, read_gguf, read_safetensors
from tests.audit.models.tiny import TEMPLATE

RAN: list[str] = []


def note(text: str) -> None:
    """What the planted pickles call; no test may find that it ran."""
    RAN.append(text)


class Planted:
    """Its pickle imports and calls a function of this module; it is written and never loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return note, ("ran",)


class Runs:
    """Its pickle would run a command that does nothing."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("true",)


def with_lists(path: Path, order: GGUFEndian) -> Path:
    writer = GGUFWriter(path, "llama", endianess=order)
    writer.add_token_list(["", "ü", *(f"word{i}" for i in range(20))])
    writer.add_token_scores([0.5] * 22)
    writer.add_array("nothing", [0])
    writer.add_string("last", "the end")
    writer.add_tensor("token_embd.weight", np.ones((4, 8), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(autouse=True)
def nothing_ran():  # type: ignore[no-untyped-def]
    yield
    assert RAN == []


def imports(content: bytes) -> tuple[list[str], list[str], bool]:
    found = read_pickles(io.BytesIO(content))
    return found.dangerous, found.unlisted, found.whole


def inspected(folder: Path, unused: frozenset[str] | None = frozenset()) -> Inspected:
    found = inspect_files([("folder", folder)], unused)
    assert isinstance(found, Inspected)
    return found


def faults(folder: Path, unused: frozenset[str] | None = frozenset()) -> dict[str, set[str]]:
    """Checks that found fault, by file."""
    found = inspected(folder, unused)
    told: dict[str, set[str]] = {}
    for at, check, count, which in found.faults:
        assert count > 0
        assert which
        told.setdefault(found.names[at], set()).add(check)
    return told


class TestPickles:
    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_a_command_is_found_in_every_protocol(self, protocol: int) -> None:
        dangerous, unlisted, whole = imports(pickle.dumps({"weights": [1, Runs()]}, protocol))
        assert dangerous == [f"{os.system.__module__}.system"]
        assert (unlisted, whole) == ([], True)

    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_any_other_function_is_unlisted(self, protocol: int) -> None:
        assert imports(pickle.dumps(Planted(), protocol)) == ([], [f"{__name__}.note"], True)

    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_tensors_arrays_and_containers_are_harmless(self, protocol: int) -> None:
        held = OrderedDict(a=np.arange(3.0), b=np.float32(1), c={1, 2}, d=complex(1, 2), e=bytearray(b"x"))
        assert imports(pickle.dumps(held, protocol)) == ([], [], True)

    def test_names_from_the_memo_are_followed(self) -> None:
        """Pushed as data, memoised, fetched and duplicated before they are joined: the last two strings are others."""
        stream = b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94h\x00h\x01\x93\x8c\x04true\x85R."
        assert imports(stream)[0] == ["os.system"]
        decoy = b"\x80\x04\x8c\x02os\x8c\x06system\x8c\x05torch\x94\x8c\x04Size\x94\x30\x30\x93."
        assert imports(decoy)[0] == ["os.system"]

    def test_a_name_that_is_not_in_the_file_is_hidden(self) -> None:
        stream = b"\x80\x04\x8c\x02os\x8c\x01s\x8c\x06system\x86\x93."  # the name is a tuple here
        assert len(imports(stream)[0]) == 1
        assert len(imports(b"\x80\x02\x82\x01.")[0]) == 1  # a number of the extension registry

    def test_an_attribute_of_a_harmless_module_is_not_harmless(self) -> None:
        assert imports(b"\x80\x04\x8c\x05torch\x8c\x09os.system\x93.")[0] == ["torch.os.system"]
        assert imports(b"cbuiltins\neval\n.")[0] == ["builtins.eval"]
        assert imports(b"ctorch.storage\n_load_from_bytes\n.")[0] == ["torch.storage._load_from_bytes"]

    def test_what_stands_before_a_break_is_told(self) -> None:
        broken = pickle.dumps(Runs(), 4)[:-1] + b"\xff\xff"
        dangerous, _, whole = imports(broken)
        assert dangerous
        assert not whole

    def test_pickles_in_a_row_are_all_read(self) -> None:
        found = read_pickles(io.BytesIO(pickle.dumps(1, 2) + pickle.dumps(Runs(), 2)))
        assert found.pickles == 2
        assert found.dangerous

    def test_one_without_first_bytes_behind_another_is_read_as_a_loader_would(self) -> None:
        """torch.load reads several in a row, of any protocol."""
        first = pickle.dumps(1, 2)
        for behind in (pickle.dumps(Runs(), 0), pickle.dumps(Runs(), 1), pickle.dumps(Runs(), 0)[:-1]):
            assert imports(first + behind)[0] == ["posix.system"]
        assert imports(first + pickle.dumps(Runs(), 4)[2:])[0] == ["posix.system"]

    def test_numbers_behind_a_pickle_import_nothing(self) -> None:
        drawn = np.random.default_rng(0)
        for _ in range(200):
            assert imports(pickle.dumps(1, 2) + drawn.bytes(400)) == ([], [], True)
        assert imports(pickle.dumps(1, 2) + b"c\x01\n\x02\n.") == ([], [], True)


class TestWhereTheyHide:
    @pytest.mark.parametrize("name", ["pytorch_model.bin", "notes.md", "model.safetensors", "data"])
    def test_under_any_name(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_bytes(pickle.dumps(Runs(), 4))
        assert "dangerous_import" in faults(tmp_path)[name]

    @pytest.mark.parametrize("name", ["old.bin", "notes.txt", "data"])
    def test_in_the_first_protocol_which_has_no_first_bytes(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_bytes(pickle.dumps(Runs(), 0))
        assert faults(tmp_path) == {name: {"dangerous_import"}}

    def test_words_are_no_pickle(self, tmp_path: Path) -> None:
        """The letter c is the opcode of an import, and the lines after it would be its names."""
        (tmp_path / "vocab.txt").write_text("cos\nsystem\ncat\ndog\n")
        (tmp_path / "README.md").write_text("[A model](x)\n")
        assert faults(tmp_path) == {}

    def test_in_torch_files(self, tmp_path: Path) -> None:
        torch.save({"w": torch.ones(2, dtype=torch.bfloat16), "n": 1}, tmp_path / "clean.bin")
        torch.save({"w": torch.ones(2)}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
        torch.save({"w": Planted()}, tmp_path / "planted.bin")
        torch.save({"w": Runs()}, tmp_path / "runs.ckpt")
        assert faults(tmp_path) == {"planted.bin": {"unlisted_import"}, "runs.ckpt": {"dangerous_import"}}
        kinds = dict(zip(inspected(tmp_path).names, inspected(tmp_path).kinds, strict=True))
        assert (kinds["clean.bin"], kinds["old.pt"]) == ("zip", "pickled")

    def test_in_an_array_of_objects(self, tmp_path: Path) -> None:
        np.save(tmp_path / "objects.npy", np.array([Runs()], dtype=object), allow_pickle=True)
        np.savez(tmp_path / "more.npz", a=np.array([Runs()], dtype=object))
        np.save(tmp_path / "numbers.npy", np.arange(5))
        told = faults(tmp_path)
        assert told == {"objects.npy": {"dangerous_import"}, "more.npz": {"dangerous_import"}}

    def test_what_cannot_be_read_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "packed.bin").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(40))
        whole = io.BytesIO()
        with zipfile.ZipFile(whole, "w") as archive:
            archive.writestr("a/data.pkl", pickle.dumps(1))
        (tmp_path / "cut.pt").write_bytes(whole.getvalue()[:-30])
        (tmp_path / "config.json").write_text('{"a": ')
        told = faults(tmp_path)
        assert all("unread" in told[name] for name in ("packed.bin", "cut.pt", "config.json"))


class TestOtherCode:
    def test_programs_and_settings_that_load_them(self, tmp_path: Path) -> None:
        (tmp_path / "modeling_own.py").write_text("print('not run')\n")
        (tmp_path / "helper").write_bytes(b"\x7fELF" + bytes(20))
        (tmp_path / "config.json").write_text(json.dumps({"auto_map": {"AutoModel": "modeling_own.Own"}}))
        (tmp_path / "inner.json").write_text(json.dumps({"a": [{"trust_remote_code": True}]}))
        (tmp_path / "modules.json").write_text(
            json.dumps([{"type": "sentence_transformers.models.Pooling"}, {"type": "x.Y"}])
        )
        assert faults(tmp_path) == {
            "modeling_own.py": {"python"},
            "helper": {"native_code"},
            "config.json": {"remote_code"},
            "inner.json": {"remote_code"},
            "modules.json": {"remote_code"},
        }

    def test_the_same_settings_switched_off(self, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text(json.dumps({"auto_map": None, "trust_remote_code": False}))
        assert faults(tmp_path) == {}


FAULTY = {
    "{{ ''.__class__ }}": "reaches for __class__",
    "{{ ''['__class__'] }}": "reaches for __class__",
    "{{ '' | attr('x') }}": "filter attr",
    "{{ messages | map(attribute='__class__') | list }}": "names __class__ in a string",
    "{{ lipsum() }}": "calls lipsum()",
    "{{ '{}'.format(messages) }}": "calls .format()",
    "{{ messages[0]['a' ~ 'b']() }}": "(a computed name)",
    "{% include 'other' %}": "takes in another template",
    "{% import 'other' as o %}": "takes in another template",
    "{% extends 'other' %}": "takes in another template",
    "{% if 'invoice' in messages[-1].content %}x{% endif %}": "depends on the words “invoice”",
    "{% if messages[-1]['content'] | lower == 'hello there' %}x{% endif %}": "depends on the words “hello there”",
    "{% set t = messages[-1].content.lower() %}{% if 'invoice' in t %}x{% endif %}": "depends on the words “invoice”",
    "{% set ns = namespace(t='') %}{% set ns.t = messages[0].content %}{% if ns.t.startswith('pay') %}x{% endif %}": "“pay”",
    "{{ messages" : "it is not Jinja",
    "a\u200bb": "U+200B",
    "a\U000e0041b": "U+E0041",
    "word " * (LONGEST_TEXT // 5 + 1): "one text of",
    "{{ '" + "A" * (LONGEST_RUN + 1) + "' }}": "without a space",
    "{% if x %}" * 2_000: "nested too deeply",
}  # fmt: skip

USUAL = [
    TEMPLATE,
    "{% if tools %}{{ tools | tojson(indent=2) }}{% endif %}{{ bos_token }}",
    "{% if messages[0].role == 'system' %}{{ messages[0].content.strip() + '\n' }}{% endif %}",
    "{% for c in messages[0].content %}{% if c.type == 'image' or c['type'] == 'text' %}x{% endif %}{% endfor %}",
    "{% if '</think>' in messages[-1].content %}{{ messages[-1].content.split('</think>')[-1] }}{% endif %}",
    "{% macro show(m) %}{{ m.role }}{% endmacro %}{{ show(messages[0]) }}{{ raise_exception('Roles must alternate here') }}",
    "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% continue %}{% endfor %}",
    "{% set ns = namespace(found=false) %}{% set ns.found = true %}{{ strftime_now('%d %b %Y') }}{{ loop.cycle('a', 'b') }}",
    "{% if 'tool_calls' in messages[0] %}x{% endif %}",
]


class TestTemplates:
    @pytest.mark.parametrize(("text", "told"), FAULTY.items(), ids=[text[:30] for text in FAULTY])
    def test_faults(self, text: str, told: str) -> None:
        assert any(told in fault for fault in read_template(text).faults), read_template(text).faults

    @pytest.mark.parametrize("text", USUAL)
    def test_what_templates_usually_do_is_no_fault(self, text: str) -> None:
        assert read_template(text).faults == []

    def test_sentences_that_it_adds_are_facts(self) -> None:
        found = read_template(
            "<|system|>You are a helpful assistant.<|end|>{{ 'Never speak of the weather' }}{{ 'ok' }}"
        )
        assert found.faults == []
        assert found.texts == ["<|system|>You are a helpful assistant.<|end|>", "Never speak of the weather"]
        assert read_template("{{ raise_exception('You must not say this here') }}").texts == []

    def test_they_are_found_wherever_they_stand(self, tmp_path: Path) -> None:
        bad = "{{ ''.__class__ }}"
        (tmp_path / "chat_template.jinja").write_text(bad)
        (tmp_path / "tokenizer_config.json").write_text(
            json.dumps({"chat_template": [{"name": "tool", "template": bad}]})
        )
        (tmp_path / "chat_template.json").write_text(json.dumps({"chat_template": bad}))
        (tmp_path / "additional_chat_templates").mkdir()
        (tmp_path / "additional_chat_templates" / "rag.jinja").write_text(bad)
        found = inspected(tmp_path)
        assert sum(found.templates) == 4
        assert len(faults(tmp_path)) == 4


def safetensors(path: Path, header: dict[str, Any], data: bytes) -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def tensor(begin: int, end: int, dtype: str = "F32", shape: list[int] | None = None) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape or [(end - begin) // 4], "data_offsets": [begin, end]}


def of_weights(path: Path, unused: frozenset[str] = frozenset()) -> dict[str, str]:
    report = Report()
    read_safetensors(path, unused, report)
    told: dict[str, list[str]] = {}
    for fault in report.faults:
        told.setdefault(fault.check, []).append(fault.told)
    return {check: "; ".join(which) for check, which in told.items()}


class TestWeights:
    def test_a_sound_file(self, tmp_path: Path) -> None:
        save_file(
            {"a": torch.ones(3, 2), "b": torch.zeros(2, dtype=torch.bfloat16), "c": torch.arange(4)}, tmp_path / "m"
        )
        assert of_weights(tmp_path / "m") == {}

    @pytest.mark.parametrize(
        ("header", "data", "told"),
        [
            ({"a": tensor(0, 8)}, bytes(11), "3 bytes after the last tensor"),
            ({"a": tensor(0, 8), "b": tensor(4, 12)}, bytes(12), "1 tensors begin within another"),
            ({"a": tensor(0, 8), "b": tensor(12, 16)}, bytes(16), "4 bytes between tensors"),
            ({"a": tensor(0, 80)}, bytes(8), "lies outside"),
            ({"a": tensor(0, 8, shape=[5])}, bytes(8), "takes 8 bytes and its shape 20"),
        ],
    )
    def test_bytes_that_do_not_add_up(self, tmp_path: Path, header: dict[str, Any], data: bytes, told: str) -> None:
        assert told in of_weights(safetensors(tmp_path / "m", header, data))["layout"]

    def test_metadata_and_formats(self, tmp_path: Path) -> None:
        header = {"__metadata__": {"format": "pt", "note": "x" * 2_000}, "a": tensor(0, 8, "F64", [1])}
        found = of_weights(safetensors(tmp_path / "m", header, bytes(8)))
        assert "note: 2,000 characters" in found["metadata"]
        assert found["number_format"] == "a (F64)"

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float8_e5m2])
    def test_numbers_that_are_none(self, tmp_path: Path, value: float, dtype: torch.dtype) -> None:
        save_file({"sound": torch.ones(9), "bad": torch.tensor([1.0, value]).to(dtype)}, tmp_path / "m")
        assert of_weights(tmp_path / "m")["nonfinite_tensor"] == "bad"

    def test_unused_tensors_are_named(self, tmp_path: Path) -> None:
        save_file({"a": torch.ones(3), "extra": torch.ones(2)}, tmp_path / "m")
        assert of_weights(tmp_path / "m", frozenset({"extra"})) == {"unexpected_tensor": "extra"}

    def test_a_header_that_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", 50) + b"{broken")
        assert faults(tmp_path)["model.safetensors"] == {"unread"}

    def test_gguf(self, tmp_path: Path) -> None:
        path = tmp_path / "m.gguf"
        writer = GGUFWriter(path, "llama")
        writer.add_chat_template("{{ ''.__class__ }}")
        for name in ("token_embd.weight", "blk.0.attn_q.weight", "blk.0.payload.weight"):
            writer.add_tensor(name, np.ones((4, 8), dtype=np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        assert kind_of(path) == "GGUF"
        report = Report()
        read_gguf(path, report)
        told = {fault.check: fault.told for fault in report.faults}
        assert set(told) == {"template", "unexpected_tensor"}
        assert told["unexpected_tensor"] == "blk.0.payload.weight"
        assert (report.tensors, report.templates) == (3, 1)
        path.write_bytes(path.read_bytes() + bytes(100))
        report = Report()
        read_gguf(path, report)
        assert any("100 bytes after" in fault.told for fault in report.faults)

    @pytest.mark.parametrize("order", [GGUFEndian.LITTLE, GGUFEndian.BIG])
    def test_lists_of_a_gguf_are_passed_over_and_what_follows_is_read(self, tmp_path: Path, order: GGUFEndian) -> None:
        path = with_lists(tmp_path / "m.gguf", order)
        ours, theirs = Header(path), GGUFReader(path)
        assert list(ours.fields) == list(theirs.fields)
        assert ours.get_field("last").contents() == "the end"
        assert ours.data_offset == theirs.data_offset
        assert [(t.name, t.data_offset, t.n_bytes) for t in ours.tensors] == [
            (t.name, t.data_offset, t.n_bytes) for t in theirs.tensors
        ]
        assert len(ours.fields["tokenizer.ggml.tokens"].parts) < 10 < len(theirs.fields["tokenizer.ggml.tokens"].parts)

    @pytest.mark.parametrize("count", [10_000, 2**62])
    @pytest.mark.parametrize("name", [b"tokenizer.ggml.tokens", b"tokenizer.ggml.scores"])
    def test_a_list_longer_than_the_file(self, tmp_path: Path, name: bytes, count: int) -> None:
        path = with_lists(tmp_path / "m.gguf", GGUFEndian.LITTLE)
        content = path.read_bytes()
        place = content.index(name) + len(name) + 8  # after the types of the value and of its parts
        path.write_bytes(content[:place] + struct.pack("<Q", count) + content[place + 8 :])
        report = Report()
        read_gguf(path, report)
        assert [fault.check for fault in report.faults] == ["unread"]
        assert "beyond the end of the file" in report.faults[0].told


class TestTheList:
    def test_names_sizes_hashes(self, tmp_path: Path) -> None:
        (tmp_path / "inner").mkdir()
        (tmp_path / "inner" / "b.txt").write_text("abc")
        (tmp_path / "a.txt").write_text("")
        (tmp_path / ".git").mkdir()
        (tmp_path / ".git" / "config").write_text("x")
        found = inspected(tmp_path)
        assert found.names == ("a.txt", "inner/b.txt")
        assert found.sizes == (0, 3)
        # The example of FIPS 180-2, appendix B.1.
        assert found.hashes[1] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    def test_it_comes_back_from_text(self, tmp_path: Path) -> None:
        (tmp_path / "a.py").write_text("1")
        (tmp_path / "c.jinja").write_text("You are a kind old robot.")
        found = inspected(tmp_path)
        assert found.faults
        assert found.facts
        assert decode(encode(found)) == found

    def test_too_many_files(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("audit.models.files.inspection.MOST_FILES", 1)
        for name in "ab":
            (tmp_path / name).write_text(name)
        assert isinstance(inspect_files([("folder", tmp_path)], None), Failure)

    @pytest.mark.parametrize(
        ("name", "content"), [("x.json", b"PK\x03\x04"), ("m.gguf", b"{}"), ("a.npy", b"\x80\x04N.")]
    )
    def test_a_name_that_promises_something_else(self, tmp_path: Path, name: str, content: bytes) -> None:
        (tmp_path / name).write_bytes(content)
        assert "disguised" in faults(tmp_path)[name]
