"""What the shell offers for a value: names alone, read without importing a probe where that can be."""

from __future__ import annotations

from importlib.metadata import entry_points

from probes.registry import GROUP

SUITES = ("quick", "standard", "full")
DEVICES = ("auto", "cpu", "cuda", "mps")


def probe_ids(incomplete: str) -> list[str]:
    """The registered probes whose id begins so, by the names of their entry points."""
    return sorted({entry.name for entry in entry_points(group=GROUP) if entry.name.startswith(incomplete)})


def suites(incomplete: str) -> list[str]:
    """The suites whose name begins so."""
    return [suite for suite in SUITES if suite.startswith(incomplete)]


def devices(incomplete: str) -> list[str]:
    """The kinds of device whose name begins so."""
    return [device for device in DEVICES if device.startswith(incomplete)]


def metric_names(incomplete: str) -> list[str]:
    """Probes while no single one is named, then its metrics; only that probe is imported, and none where that fails."""
    named = [entry for entry in entry_points(group=GROUP) if incomplete.startswith(f"{entry.name}.")]
    if not named:
        return probe_ids(incomplete)
    probe = max(named, key=lambda entry: len(entry.name))
    try:
        metrics = [f"{probe.name}.{metric.name}" for metric in probe.load().metrics]
    except Exception:  # completion has nowhere to say what is wrong; the command does
        return []
    return [metric for metric in metrics if metric.startswith(incomplete)]
