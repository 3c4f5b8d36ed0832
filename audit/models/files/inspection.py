"""The files of a model, listed, hashed and read without loading any."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from audit.models.files.code import (
    read_archive,
    read_array,
    read_as_text,
    read_json,
    read_pickled,
    read_template_file,
)
from audit.models.files.fault import Report
from audit.models.files.kinds import disguise, kind_of
from audit.models.files.tensors import read_gguf, read_safetensors
from audit.models.loading import UNUSED
from audit.models.requests import Inspect
from audit.models.responses import Failure, Inspected
from audit.models.source import Weights, file_hash

MOST_FILES = 5_000
_PASSED_OVER = frozenset({".git", ".cache"})
_OF_THE_AUDIT = "fairwitness.json"


class FromFiles:
    """A model that was opened from a folder or a file of weights.

    Attributes:
        weights: where it was opened from.
        network: what was loaded.
    """

    weights: Weights
    network: Any

    def inspect(self, requests: Sequence[Inspect]) -> list[Inspected | Failure]:
        """What is in its files, read anew in each audit."""
        return [inspect_files(places(self.weights), unused_tensors(self.network)) for _ in requests]


def places(weights: Weights) -> list[tuple[str, Path]]:
    """(origin, file or folder) of all that a model was opened from."""
    found = [("folder" if weights.file is None else "converted", weights.folder)]
    if weights.file is not None:
        found.insert(0, ("file", weights.file))
    if weights.adapter is not None:
        found.append(("adapter", weights.adapter.folder))
    return found


def unused_tensors(network: Any) -> frozenset[str]:
    """Names of tensors in the files that neither the network nor the architecture that its config names has a place for.

    A sentence encoder leaves the head of a masked model unused; that head belongs to the architecture all the same.
    """
    unused = frozenset[str](getattr(network, UNUSED, ()))
    named = getattr(network.config, "architectures", None) or ()
    for name in named if unused else ():
        kind = getattr(transformers, str(name), None)
        if not (isinstance(kind, type) and issubclass(kind, transformers.PreTrainedModel)):
            continue
        try:
            with torch.device("meta"):  # takes no memory
                unused -= set(kind(network.config).state_dict())
        except (TypeError, ValueError, AttributeError, NotImplementedError, RuntimeError):
            continue  # an architecture that cannot be made without its weights
    return unused


def inspect_files(found: Sequence[tuple[str, Path]], unused: Collection[str] | None) -> Inspected | Failure:
    """What is in files and folders.

    Args:
        found: (origin, file or folder).
        unused: names of tensors that the network has no place for; None where that is not known.
    """
    try:
        files = [(origin, place, path) for origin, place in found for path in _below(place)]
        if len(files) > MOST_FILES:
            return Failure("failed", f"The model's folder holds more than {MOST_FILES:,} files; give one of its own.")
        hashes = tuple(file_hash([path]) for _, _, path in files)
        reports = [_read(path, unused or ()) for _, _, path in files]
        _rest(unused or (), reports)
        sizes = tuple(path.stat().st_size for _, _, path in files)
    except OSError as error:
        return Failure("failed", f"A file of the model could not be read: {error}.")
    return Inspected(
        names=tuple(path.name if place == path else path.relative_to(place).as_posix() for _, place, path in files),
        origins=tuple(origin for origin, _, _ in files),
        sizes=sizes,
        hashes=hashes,
        kinds=tuple(report.kind for report in reports),
        tensors=tuple(report.tensors for report in reports),
        templates=tuple(report.templates for report in reports),
        faults=tuple((i, f.check, f.count, f.told) for i, r in enumerate(reports) for f in r.faults),
        facts=tuple((i, fact) for i, report in enumerate(reports) for fact in report.facts),
        compared=unused is not None,
    )


def _rest(unused: Collection[str], reports: Sequence[Report]) -> None:
    """Put unused tensors that go by other names in the file, which the library renames, to the first file of weights."""
    weights = next((report for report in reports if report.kind == "safetensors"), None)
    told = sum(fault.count for r in reports for fault in r.faults if fault.check == "unexpected_tensor")
    if weights is not None and not told:
        weights.add("unexpected_tensor", sorted(unused))


def _below(place: Path) -> Iterator[Path]:
    """The files of a folder in the order of their names, or the file itself; what version control keeps is left out."""
    if place.is_file():
        yield place
        return
    for path in sorted(place.rglob("*")):
        inner = path.relative_to(place).parts
        if path.is_file() and not _PASSED_OVER & set(inner) and inner != (_OF_THE_AUDIT,):
            yield path


def _read(path: Path, unused: Collection[str]) -> Report:
    kind = kind_of(path)
    report = Report(kind)
    if kind == "safetensors":
        read_safetensors(path, unused, report)
    elif kind == "GGUF":
        read_gguf(path, report)
    elif kind == "zip":
        read_archive(path, report)
    elif kind == "pickled":
        read_pickled(path, report)
    elif kind == "NumPy":
        read_array(path, report)
    elif kind == "JSON" and path.suffix.lower() == ".json":
        read_json(path, report)
    elif kind == "Python":
        report.add("python", path.name)
    elif kind == "program":
        report.add("native_code", path.name)
    elif kind == "compressed":
        report.add("unread", "it is compressed, and was not unpacked")
    elif path.suffix.lower() in (".jinja", ".jinja2"):
        read_template_file(path, report)
    else:
        read_as_text(path, report)
    if (told := disguise(path, kind)) is not None:
        report.add("disguised", told)
    return report
