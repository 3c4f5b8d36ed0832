"""What is needed to run an audit again: versions, machine, hashes, and the audit's id."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from audit.config import AuditConfig
from audit.models import Model
from audit.models.memory import highest
from audit.planning import Planned

PACKAGE = "fairwitness"
UNKNOWN = "unknown"
WHERE = {"run": {"executor", "workers", "address"}}
"""What of a config says where it is computed: it changes no answer, and an address is nobody's business."""
_OF_THE_CONNECTION = {"key_variable", "max_requests", "max_tokens", "concurrency", "timeout", "retries"}
_PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "datasets",
    "captum",
    "peft",
    "bitsandbytes",
    "numpy",
    "scipy",
    "statsmodels",
    "pandas",
    "fairlearn",
    "scikit-learn",
    "skops",
)


def tool_version() -> str:
    """The installed version of this package."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return "unknown"


def package_versions() -> dict[str, str]:
    """Versions of the packages that can change a number."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def identity(model: Model, planned: Sequence[Planned], config: AuditConfig) -> dict[str, str]:
    """What an audit is the audit of, each part as a hash or ``unknown``.

    ``weights``, ``tokenizer`` and ``template`` are the model's, as far as they are known; ``model`` is its whole
    fingerprint, which holds them, the number format, the kind of device and the version of the code that asks. ``items`` are
    the drawn ones of every probe, or why it has none. ``config`` is what the user asked for: how fast and how long a server
    is asked makes no difference to it (an audit whose budget is spent goes on with another), nor does where batches are
    computed (what was begun here can be finished on a cluster), nor the time that it was fitted to: what was drawn says it.
    ``code`` is this package's.
    """
    asked = config.model_dump(mode="json", exclude=WHERE)
    del asked["run"]["budget"]
    asked["model"]["endpoint"] = {k: v for k, v in asked["model"]["endpoint"].items() if k not in _OF_THE_CONNECTION}
    facts = model.facts
    return {
        "weights": facts.weights_sha256 or UNKNOWN,
        "tokenizer": facts.tokenizer_sha256 or UNKNOWN,
        "template": facts.chat_template_sha256 or UNKNOWN,
        "model": model.fingerprint,
        "items": _hash({p.probe.id: [p.items_hash, p.problem] for p in planned}),
        "config": _hash(asked),
        "code": code_identity(),
    }


def audit_id(parts: Mapping[str, str]) -> str:
    """Hash of all parts of an ``identity``: two audits with one id asked the same of the same."""
    return _hash(dict(parts))


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@cache
def code_identity() -> str:
    """Hash of this package's version and of the source of what can change a number: ``audit`` and ``probes``."""
    root = Path(__file__).parents[1]
    paths = sorted(path for package in ("audit", "probes") for path in (root / package).rglob("*.py"))
    source = {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    return _hash([tool_version(), source])


def now() -> str:
    """UTC to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def machine() -> str:
    """Operating system and processor kind, without the machine's name."""
    return f"{platform.system()} {platform.machine()}"


def python_version() -> str:
    """Version of the interpreter."""
    return platform.python_version()


def peak_memory() -> int:
    """Highest resident memory of this process so far, in bytes."""
    return highest()
