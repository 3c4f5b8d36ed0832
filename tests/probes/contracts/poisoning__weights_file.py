"""``poisoning.weights_file``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(partition=("dangerous_files",), aggregate=True)
