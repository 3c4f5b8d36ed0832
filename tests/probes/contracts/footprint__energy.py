"""``footprint.energy``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("prefill_energy",),
    other_units={"prefill_co2": "none without a country", "decode_co2": "none without a country"},
    of_the_audit=("audit_energy", "audit_co2"),
)
