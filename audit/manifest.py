"""What is needed to run an audit again: versions, machine, hashes, and the audit's id."""

from __future__ import annotations

import hashlib
import json
import platform
import resource
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from audit.config import AuditConfig
from audit.models import Model
from audit.planning import Planned

PACKAGE = "fairwitness"
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


def audit_id(model: Model, planned: Sequence[Planned], config: AuditConfig) -> str:
    """Hash of model, items, config and code: two audits with one id asked the same of the same.

    How fast and how long a server is asked makes no difference: an audit whose budget is spent goes on with another.
    Nor does where batches are computed: an audit that was begun here can be finished on a cluster.
    """
    asked = config.model_dump(mode="json", exclude=WHERE)
    asked["model"]["endpoint"] = {k: v for k, v in asked["model"]["endpoint"].items() if k not in _OF_THE_CONNECTION}
    content = [
        model.fingerprint,
        {p.probe.id: [p.items_hash, p.problem] for p in planned},
        asked,
        tool_version(),
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


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
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)
