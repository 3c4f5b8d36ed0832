"""What went wrong, in one sentence: the errors of the libraries that load models and compute with them."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from audit.models.base import ModelError

LESS_MEMORY = "dtype: bfloat16, quantization: 4bit or device_map: auto takes less of it"
# What the allocators of torch say where they raise a plain RuntimeError.
_MEMORY = re.compile(
    r"out of memory|can't allocate memory|cannot allocate memory|not enough memory|CUBLAS_STATUS_ALLOC", re.I
)


def first_line(error: BaseException) -> str:
    """What an error says, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if isinstance(error, KeyError) and lines:
        return f"{lines[0]} is missing or not known"
    return lines[0] if lines else type(error).__name__


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory was too small, on whichever device."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and _MEMORY.search(str(error)) is not None


def free_memory(everything: bool = True) -> None:
    """Give back what nothing holds any more; call it when the error's traceback, which holds tensors, is gone.

    Args:
        everything: whether old objects are looked through as well, which takes half a second where torch is loaded;
            once is enough for a batch whose parts are tried one after another.
    """
    gc.collect(2 if everything else 1)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


@contextmanager
def explained(beginning: str, folder: Path | None = None) -> Iterator[None]:
    """Turn whatever a library raises into a ``ModelError`` of one sentence.

    Args:
        beginning: the sentence up to its colon.
        folder: where the weights lie; a damaged file of it is named.
    """
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        # transformers, tokenizers, safetensors and peft raise many kinds of errors on damaged or foreign files.
        raise ModelError(f"{beginning}: {_reason(error, folder).rstrip('.:')}.") from None


def _reason(error: Exception, folder: Path | None) -> str:
    text = str(error)
    if out_of_memory(error):
        return f"it does not fit into the memory; {LESS_MEMORY}."
    if "trust_remote_code" in text:
        return "it needs Python code of its own, which runs only with trust_remote_code: true in model.yaml."
    if "does not recognize this architecture" in text:
        kind = re.search(r"model type `([^`]*)`", text)
        named = f"the model type {kind[1]}" if kind else "its model type"
        return f"this version of transformers does not know {named}; a newer one may (pip install -U transformers)."
    if isinstance(error, SafetensorError) and folder is not None:
        damaged = damaged_file(folder)
        if damaged:
            return f"{damaged} is truncated or damaged; copy or download it again ({first_line(error)})."
    return first_line(error)


def damaged_file(folder: Path) -> str | None:
    """The name of the first safetensors file whose header does not fit its content."""
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt"):
                pass
        except (SafetensorError, OSError):
            return path.name
    return None
