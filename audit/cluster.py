"""A Ray cluster: found, or started here for as long as it is needed. Ray is optional; its telemetry is off."""

from __future__ import annotations

import importlib
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from audit.extras import absent
from audit.models import ModelError

REACH_SECONDS = 5.0


def library() -> Any:
    """Ray, with its settings made before it reads them.

    Raises:
        ModelError: where it is not installed.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise ModelError(absent("executor: ray", "ray")) from None


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """Ray, connected to the cluster at ``address``; without one to the cluster that Ray finds, or one started here.

    A connection that the program has already is used and left as it is.

    Raises:
        ModelError: where Ray is not installed, or there is no such cluster.
    """
    ray = library()
    if ray.is_initialized():
        yield ray
        return
    _check(address or os.environ.get("RAY_ADDRESS"))
    try:
        ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (Exception, SystemExit) as error:
        # Ray ends the process where a cluster does not answer in time.
        reason = str(error).strip().splitlines()[0] if isinstance(error, Exception) and str(error).strip() else ""
        raise ModelError(
            f"Ray could not be reached at {address or 'this machine'} ({reason or 'no answer'}); see that the cluster is "
            "up, runs the same version of Ray, and that this machine has its token where it asks for one."
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _check(address: str | None) -> None:
    """Whether anything listens at an address; Ray itself would try for two minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return  # "auto", "local", or a name that Ray knows better
    try:
        socket.create_connection((host, int(port)), timeout=REACH_SECONDS).close()
    except (OSError, OverflowError):
        raise ModelError(f"No Ray cluster answers at {address}; `ray status` on its head tells its address.") from None


def share_of_gpus(ray: Any, workers: int, wants: bool, spread: bool) -> int:
    """GPUs for each of ``workers``: none where none are wanted or there are none; one; or, to spread over, its part."""
    total = int(ray.cluster_resources().get("GPU", 0)) if wants else 0
    if not total:
        return 0
    return max(1, total // workers) if spread else 1
