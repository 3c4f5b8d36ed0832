"""The headers of weight files, read by hand: what the libraries that load them would pass over is to be seen here."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from gguf import GGUFReader, GGUFValueType
from gguf.constants import MODEL_ARCH_NAMES, MODEL_TENSORS, TENSOR_NAMES
from safetensors import SafetensorError, safe_open

from audit.models.files.fault import Fault, Report, few, shortened
from audit.models.files.templates import read_template

MOST_HEADER = 100_000_000  # bytes; the limit of safetensors itself
_LONGEST_METADATA = 1_000
_BITS = {
    **{"BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6},
    **{"I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32},
    **{"I64": 64, "U64": 64, "F64": 64, "C64": 64},
}
_UNUSUAL = {"F64", "C64"}


def read_safetensors(path: Path, unused: Collection[str], report: Report) -> None:
    """Add what is found in a safetensors file; ``unused``: names of tensors that the network has no place for."""
    try:
        header, start = _header(path)
        metadata = header.pop("__metadata__", {})
        rest = path.stat().st_size - start
        spans = {name: _span(tensor, rest, report, name) for name, tensor in header.items()}
    except (ValueError, TypeError, AttributeError, RecursionError, OSError) as error:
        report.add("unread", f"its header cannot be read: {error}")
        return
    report.tensors = len(header)
    _layout([span for span in spans.values() if span is not None], rest, report)
    _metadata(metadata, report)
    formats = {name: str(tensor.get("dtype")) for name, tensor in header.items()}
    report.add("number_format", [f"{n} ({f})" for n, f in formats.items() if f in _UNUSUAL or f not in _BITS])
    report.add("unexpected_tensor", sorted(set(header) & set(unused)))
    _numbers(path, report)


def _header(path: Path) -> tuple[dict[str, Any], int]:
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > MOST_HEADER:
            raise ValueError("it is said to have more than 100 MB")
        header = json.loads(file.read(size).decode("utf-8"))
    if not isinstance(header, dict):
        raise ValueError("it is no JSON object")
    return header, 8 + size


def _span(tensor: dict[str, Any], rest: int, report: Report, name: str) -> tuple[int, int] | None:
    begin, end = (int(place) for place in tensor["data_offsets"])
    if not 0 <= begin <= end <= rest:
        report.add("layout", f"{name} lies outside of the file")
        return None
    wanted = math.prod(int(n) for n in tensor["shape"]) * _BITS.get(str(tensor["dtype"]), 0)
    if wanted and wanted != 8 * (end - begin):
        report.add("layout", f"{name} takes {end - begin:,} bytes and its shape {wanted // 8:,}")
    return begin, end


def _layout(spans: list[tuple[int, int]], rest: int, report: Report) -> None:
    """Bytes that two tensors share, and such as belong to none."""
    reached = gaps = overlaps = 0
    for begin, end in sorted(spans):
        overlaps += begin < reached
        gaps += max(begin - reached, 0)
        reached = max(reached, end)
    if overlaps:
        report.add("layout", f"{overlaps} tensors begin within another one")
    if gaps:
        report.add("layout", f"{gaps:,} bytes between tensors belong to none")
    if rest > reached:
        report.add("layout", f"{rest - reached:,} bytes after the last tensor belong to none")


def _metadata(metadata: Any, report: Report) -> None:
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        report.add("metadata", "its metadata are not texts by name")
        return
    report.add("metadata", [f"{k}: {len(v):,} characters" for k, v in metadata.items() if len(v) > _LONGEST_METADATA])
    if others := sorted(set(metadata) - {"format"}):
        report.facts.append(f"its header also holds {', '.join(others)}")


def _numbers(path: Path, report: Report) -> None:
    """Tensors with numbers that are none, or infinite."""
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
        report.add("nonfinite_tensor", [name for name in names if not _finite(path, name)])
    except (SafetensorError, OSError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        report.faults.append(Fault("numbers_unread", report.tensors, shortened(str(error) or repr(error))))


def _finite(path: Path, name: str) -> bool:
    with safe_open(
        path, framework="pt"
    ) as file:  # anew for each: what was read of an open file counts as memory in use
        tensor = file.get_tensor(name)
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return True
    try:
        return bool(torch.isfinite(tensor).all())
    except (RuntimeError, NotImplementedError):  # formats of eight bits and fewer
        return bool(torch.isfinite(tensor.to(torch.float32)).all())


class Header(GGUFReader):  # type: ignore[misc]  # the library has no types
    """The library's reader, which passes over lists: a vocabulary word by word takes it seconds, and none is needed here.

    Should the library call the method by another name, its own does the same.
    """

    def _get_field_parts(self, orig_offs: int, raw_type: int) -> tuple[int, list[Any], list[int], list[Any]]:
        """Size, parts, numbers of the parts that are data, and types of a value; of a list it has no data."""
        if raw_type == GGUFValueType.ARRAY:
            kind, count = self._get(orig_offs, np.uint32), self._get(orig_offs + 4, np.uint64)
            start = orig_offs + 12
            end = self._end(start, GGUFValueType(kind[0]), int(count[0]))
            if end is not None:
                return end - orig_offs, [kind, count], [], [GGUFValueType.ARRAY, GGUFValueType(kind[0])]
        found: tuple[int, list[Any], list[int], list[Any]] = super()._get_field_parts(orig_offs, raw_type)
        return found

    def _end(self, start: int, kind: Any, count: int) -> int | None:
        """Where a list ends; None where it is one of lists."""
        place, size = start, len(self.data)
        if kind == GGUFValueType.STRING:
            content, order = memoryview(self.data), _ORDERS[self.byte_order]
            for _ in range(count):
                place += 8 + int.from_bytes(content[place : place + 8], order)
                if place > size:
                    break
        elif kind in self.gguf_scalar_to_np:
            place += count * np.dtype(self.gguf_scalar_to_np[kind]).itemsize
        else:
            return None
        if place > size:
            raise ValueError("a list in it reaches beyond the end of the file")
        return place


_ORDERS: dict[str, Literal["little", "big"]] = {
    "I": sys.byteorder,
    "S": "big" if sys.byteorder == "little" else "little",
}


def read_gguf(path: Path, report: Report) -> None:
    """Add what is found in a GGUF file: its tensors' places and names, and its chat templates.

    Names are compared with those that the format knows of the architecture (the table of the library ``gguf``). Numbers
    are read in the converted copy.
    """
    try:
        reader = Header(path)
        spans = [(int(t.data_offset), int(t.data_offset) + int(t.n_bytes)) for t in reader.tensors]
        names = [str(tensor.name) for tensor in reader.tensors]
        start, texts = int(reader.data_offset), _texts(reader)
    except Exception as error:
        # The library raises whatever numpy raises on bytes that are not there.
        report.add("unread", f"its header cannot be read: {str(error).splitlines()[0] if str(error) else error!r}")
        return
    report.tensors = len(names)
    align = int(getattr(reader, "alignment", 32))
    padded = [(begin, begin + -(-(end - begin) // align) * align) for begin, end in spans]
    size = path.stat().st_size
    _layout([(b - start, min(e, size) - start) for b, e in padded], size - start, report)
    for name, text in texts.items():
        if name.startswith("tokenizer.chat_template"):
            add_template(text, name, report)
    known = _known(texts.get("general.architecture", ""))
    if known is None:
        report.facts.append("its architecture is not known, so the names of its tensors were not compared")
    else:
        report.add("unexpected_tensor", [n for n in names if _pattern(n) not in known])


def _texts(reader: Header) -> dict[str, str]:
    """The metadata that are texts and matter here."""
    wanted = [n for n in reader.fields if n == "general.architecture" or n.startswith("tokenizer.chat_template")]
    found = {name: reader.get_field(name).contents() for name in wanted}
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _known(architecture: str) -> set[str] | None:
    """Names of tensors of an architecture, the number of the block left open."""
    kinds = {name: kind for kind, name in MODEL_ARCH_NAMES.items()}
    if architecture not in kinds:
        return None
    return {TENSOR_NAMES[tensor] for tensor in MODEL_TENSORS[kinds[architecture]]}


def _pattern(name: str) -> str:
    parts = name.split(".")
    open_ = ["{bid}" if i and part.isdigit() and parts[i - 1] == "blk" else part for i, part in enumerate(parts)]
    return ".".join(open_[:-1] if parts[-1] in ("weight", "bias", "scale") else open_)


def add_template(text: str, name: str, report: Report) -> None:
    """Add what is found in a chat template, of which ``name`` says where it stands."""
    found = read_template(text)
    report.templates += 1
    if found.faults:
        report.faults.append(Fault("template", 1, f"{name} {few(found.faults)}"))
    report.facts += [f"{name} adds by itself: “{added}”" for added in found.texts]
