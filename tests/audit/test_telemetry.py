"""Nothing leaves the machine: an import, an audit and its reports open no connection, and nobody's telemetry is on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SEALED = """
import socket, sys

def closed(*given, **named):
    raise SystemExit(f"a connection was asked for: {given!r}")

class Closed(socket.socket):
    connect = connect_ex = sendto = closed

socket.socket = Closed
socket.create_connection = socket.getaddrinfo = socket.gethostbyname = closed
"""
"""No part of Python reaches anything; a library that swallows errors cannot swallow this one's end."""


def sealed(script: str, folder: Path, **variables: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "DO_NOT_TRACK"))}
    environment = {**clean, "PYTHONPATH": str(ROOT), "FAIRWITNESS_CACHE": str(folder / "cache"), **variables}
    command = [sys.executable, "-c", SEALED + script]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_seal_holds(tmp_path: Path) -> None:
    script = "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:9')"
    with pytest.raises(AssertionError, match="a connection was asked for"):
        sealed(script, tmp_path)


def test_an_audit_of_a_model_and_its_reports_reach_nothing(tmp_path: Path) -> None:
    """A causal model from a folder, with a probe of every way of asking that it has; card, report and exports are drawn."""
    script = """
import audit
from pathlib import Path
from tests.audit.tiny_gpt2 import gpt2
gpt2(Path("m"))
Path("model.yaml").write_text("model: {source: m}\\n")
probes = ["hallucination.known_facts", "poisoning.weights_file", "footprint.cost"]
result = audit.run("model.yaml", probes=probes, limit=2, output="out")
print(sorted({p.status for p in result.data.probes}), result.card.is_file())
import huggingface_hub.constants as hub
print(hub.HF_HUB_DISABLE_TELEMETRY)
"""
    statuses, telemetry = sealed(script, tmp_path).strip().splitlines()[-2:]
    assert statuses.endswith("True")
    assert "done" in statuses
    assert telemetry == "True"


def test_what_a_user_sets_is_kept(tmp_path: Path) -> None:
    script = "import os, audit\nprint(os.environ['HF_HUB_DISABLE_TELEMETRY'])"
    assert sealed(script, tmp_path) == "1\n"
    assert sealed(script, tmp_path, HF_HUB_DISABLE_TELEMETRY="0") == "0\n"
