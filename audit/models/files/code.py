"""Files that hold code or name some: pickles alone and in archives, programs, and settings that have code loaded."""

from __future__ import annotations

import importlib
import io
import json
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

from audit.models.files.fault import Report
from audit.models.files.pickles import PICKLED, Pickled, read_pickles, runs
from audit.models.files.tensors import add_template

_MOST_UNPACKED = 1 << 28  # bytes of one member of an archive that are held in memory
_MOST_JSON = 1 << 28
_BROKEN = "a pickle in it is broken or holds other bytes, and what stands before that place would be run"
_KNOWN_MODULES = "sentence_transformers."


def read_pickled(path: Path, report: Report) -> None:
    """Add what a file of pickles would import."""
    with path.open("rb") as file:
        _add(read_pickles(file), report)


def read_as_text(path: Path, report: Report) -> None:
    """Add what a text would import if it were a pickle of the first protocols, where it is one to its end."""
    with path.open("rb") as file:
        found = read_pickles(file)
    if found.whole and (found.imports or found.hidden):
        report.kind = "pickled"
        _add(found, report)


def read_array(path: Path, report: Report) -> None:
    """Add what the pickle behind the header of a NumPy file of objects would import."""
    with path.open("rb") as file:
        _array(file, report)


def _array(file: IO[bytes], report: Report) -> None:
    version = file.read(8)[6]
    length = int.from_bytes(file.read(2 if version == 1 else 4), "little")
    if b"|O" in file.read(length):
        report.facts.append("it holds an array of objects, which is a pickle")
        _add(read_pickles(file), report)


def _add(found: Pickled, report: Report) -> None:
    report.add("dangerous_import", found.dangerous)
    report.add("unlisted_import", found.unlisted)
    if not found.whole:
        report.add("unread", _BROKEN)
    harmless = len(found.imports) - len(found.unlisted) - len(found.dangerous) + bool(found.hidden)
    report.facts.append(f"its pickles import {harmless} names that rebuild tensors and containers")


def read_archive(path: Path, report: Report) -> None:
    """Add what the pickles in a zip file would import, and what a file of skops would."""
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                _member(archive, member, report)
    except (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, NotImplementedError, EOFError, ValueError) as error:
        report.add("unread", f"the archive cannot be read to its end: {error}")
    if path.suffix.lower() == ".skops":
        _skops(path, report)


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, report: Report) -> None:
    ending = Path(member.filename).suffix.lower()
    if ending in (".py", ".pyc", ".so", ".dll") and "/code/" not in f"/{member.filename}":  # TorchScript has its own
        report.add("python", f"{member.filename} in the archive")
    with archive.open(member) as file:
        head = file.read(8)
    pickled = ending in PICKLED
    looks = len(head) > 1 and head[0] == 0x80 and 2 <= head[1] <= 5
    if not (pickled or looks or head.startswith(b"\x93NUMPY")):
        return
    if member.file_size > _MOST_UNPACKED:
        if pickled:
            report.add("unread", f"{member.filename} has {member.file_size:,} bytes")
        return
    with archive.open(member) as file:
        content = io.BytesIO(file.read(_MOST_UNPACKED))
    if head.startswith(b"\x93NUMPY"):
        _array(content, report)
        return
    found = read_pickles(content)
    if pickled or (found.whole and found.imports):  # numbers may begin as a pickle does
        _add(found, report)


def _skops(path: Path, report: Report) -> None:
    """Types in a file of skops that the library does not vouch for; asking it builds nothing."""
    try:
        skops = importlib.import_module("skops.io")
        names = [str(name) for name in skops.get_untrusted_types(file=path)]
    except Exception as error:
        # A damaged archive raises many kinds of errors; the library may be absent.
        report.add("unread", f"the types in it are not known: {error}")
        return
    dangerous = [name for name in names if runs(*name.rpartition(".")[::2])]
    report.add("dangerous_import", dangerous)
    report.add("unlisted_import", [name for name in names if name not in dangerous])


def read_json(path: Path, report: Report) -> None:
    """Add settings that have code loaded, and chat templates."""
    if path.stat().st_size > _MOST_JSON:
        report.add("unread", f"it has more than {_MOST_JSON:,} bytes")
        return
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        report.add("unread", f"it is no whole JSON: {error}")
        return
    report.add("remote_code", _settings(content))
    if path.name == "modules.json" and isinstance(content, list):
        types = [str(module.get("type")) for module in content if isinstance(module, dict)]
        report.add("remote_code", [f"type: {kind}" for kind in types if not kind.startswith(_KNOWN_MODULES)])
    if isinstance(content, dict):
        for name, text in _templates(content.get("chat_template")).items():
            add_template(text, name, report)


def _templates(held: Any) -> dict[str, str]:
    """The templates under a key ``chat_template``: one text, several by name, or a list of both."""
    if isinstance(held, str):
        return {"chat_template": held}
    pairs: list[tuple[Any, Any]] = list(held.items()) if isinstance(held, dict) else []
    if isinstance(held, list):
        pairs = [(entry.get("name"), entry.get("template")) for entry in held if isinstance(entry, dict)]
    return {f"chat_template {name}": text for name, text in pairs if isinstance(text, str)}


def _settings(content: Any) -> list[str]:
    """``auto_map`` and the like, wherever they stand."""
    found, waiting = [], [content]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting.extend(p for p in part if isinstance(p, dict | list))
        if not isinstance(part, dict):
            continue
        for key, value in part.items():
            if key in ("auto_map", "custom_pipelines") and value:
                found.append(f"{key}: {json.dumps(value)}")
            elif key == "trust_remote_code" and value is True:
                found.append("trust_remote_code: true")
            elif isinstance(value, dict | list):
                waiting.append(value)
    return found


def read_template_file(path: Path, report: Report) -> None:
    """Add what a file that is a chat template does."""
    add_template(path.read_text(encoding="utf-8", errors="replace"), path.name, report)
