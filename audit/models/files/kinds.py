"""What kind of file something is by its first bytes, whatever its name says."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from audit.models.files.pickles import PICKLED
from audit.models.files.tensors import MOST_HEADER

Kind = Literal[
    "safetensors", "GGUF", "pickled", "zip", "NumPy", "JSON", "Python", "program", "compressed", "HDF5", "text", "other"
]
_HEAD = 4096
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"7z\xbc\xaf\x27\x1c", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18")
_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_PROGRAMS = (b"\x7fELF", b"MZ", b"\xfe\xed\xfa", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"#!")
_PROGRAM_ENDINGS = frozenset({".bat", ".cmd", ".dll", ".dylib", ".exe", ".ps1", ".pyc", ".pyd", ".pyo", ".sh", ".so"})
_PYTHON = frozenset({".ipynb", ".py", ".pyw", ".pyx"})
_ENDINGS: dict[str, tuple[Kind, ...]] = {
    ".safetensors": ("safetensors",),
    ".gguf": ("GGUF",),
    ".json": ("JSON",),
    ".skops": ("zip",),
    ".npy": ("NumPy",),
    ".npz": ("zip",),
}
_PLAIN = frozenset({".jinja", ".md", ".txt", ".yaml", ".yml"})


def kind_of(path: Path) -> Kind:
    """The kind of a file.

    Raises:
        OSError: where it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    ending = path.suffix.lower()
    if ending in _PYTHON:
        return "Python"
    if ending in _PROGRAM_ENDINGS or head.startswith(_PROGRAMS):
        return "program"
    if head.startswith(b"GGUF"):
        return "GGUF"
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if len(head) > 1 and head[0] == 0x80 and head[1] <= 5:
        return "pickled"
    if head.startswith(b"\x93NUMPY"):
        return "NumPy"
    if head.startswith(b"\x89HDF"):
        return "HDF5"
    if head.startswith(_COMPRESSED) or (ending in PICKLED and head.startswith(_ZLIB)):
        return "compressed"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= MOST_HEADER:
        return "safetensors"
    if head.lstrip()[:1] in (b"{", b"[") and head.lstrip()[:2] not in (b"{%", b"{{", b"{#"):  # Jinja
        return "JSON"
    if ending in PICKLED:
        return "pickled"  # protocols 0 and 1 have no first bytes of their own
    return "other" if b"\0" in head else "text"


def disguise(path: Path, kind: Kind) -> str | None:
    """What is wrong where the content is not what the name says; None where it is, or where the name says nothing."""
    ending = path.suffix.lower()
    wanted = _ENDINGS.get(ending)
    if ending in _PLAIN and kind in ("pickled", "zip", "safetensors", "GGUF", "compressed", "HDF5"):
        wanted = ("text",)
    if wanted is None or kind in wanted or path.stat().st_size == 0:
        return None
    return f"it is named {ending} and holds {kind}"
