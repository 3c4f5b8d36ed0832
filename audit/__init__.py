"""fairwitness: audits of models, with evidence and uncertainty.

``audit.run("model.yaml")`` runs an audit and ``audit.load(folder)`` opens an old one; both give a
:class:`audit.notebook.Result`. ``audit.explain("model.yaml", prompt, answer)`` explains one answer and
``audit.attention("model.yaml", text)`` shows where the model looks.
"""

from __future__ import annotations

import os
import warnings
from importlib import import_module
from typing import Any

# Nothing leaves the machine but what the config names; set before huggingface_hub reads it at its import.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
# Threads that wait for one another spin for a moment, as between two steps, and then sleep; libgomp, which PyTorch computes
# with on Linux, reads that when torch is loaded: 4,000 rounds, tens to hundreds of microseconds by the processor. Spinning on
# takes the processor from the very thread that is waited for where another program runs beside.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ.setdefault("GOMP_SPINCOUNT", "4000")
# oneDNN keeps the code that it writes for each size of matrices, of the last 1,024 sizes unless told otherwise, which takes
# hundreds of megabytes; an audit comes back to few of them.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")

_OF_MODELS = ("attention", "explain", "explain_record", "open_model")
__all__ = ["attention", "explain", "explain_record", "load", "open_model", "run"]


def __getattr__(name: str) -> Any:
    # Found when asked for (PEP 562): reading a result must not cost the import of torch.
    with warnings.catch_warnings():
        # In a notebook without ipywidgets tqdm, which libraries import for bars that an audit never shows, asks for them.
        warnings.filterwarnings("ignore", "IProgress not found")
        return _found(name)


def _found(name: str) -> Any:
    if name == "load":
        return getattr(import_module("audit.notebook"), name)
    if name == "run":
        return getattr(import_module("audit.api"), name)
    if name in _OF_MODELS:
        return getattr(import_module("audit.explaining"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
