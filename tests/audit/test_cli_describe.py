"""``audit describe``: what a name stands for, and that nothing is said which is not declared or does not hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

import audit.commands.describe
from audit.config import GateConfig
from audit.describing import GOOD, UNITS, compared, describe, find
from audit.results import Average, read_result
from probes.base import Probe
from probes.registry import find_probes
from tests.audit.shell import Command, entry_point
from tests.audit.support import catalogue_of, tiny

GOLDEN = Path(__file__).parents[1] / "reports" / "golden"
FLIPS = "bias.counterfactual.flip_rate"


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    return entry_point(monkeypatch, capfd, "describe")


def test_a_metric_in_plain_words(command: Command) -> None:
    done = command(FLIPS)
    assert (done.status, done.err) == (0, "")
    said = " ".join(done.out.split())
    metric = find_probes()["bias.counterfactual"].metric("flip_rate")
    for part in (
        metric.label,
        metric.meaning,
        "It lies between 0 and 1.",
        "Lower is better.",
        "docs/probes/bias.counter",
    ):
        assert part in said
    assert find_probes()["bias.counterfactual"].limits in said
    assert f"{FLIPS}: {{at_most: NUMBER}}" in done.out


@pytest.mark.parametrize("name", [f"{FLIPS}[gender: a woman]", f"{FLIPS}[]", f"  {FLIPS} ", f"{FLIPS}."])
def test_a_slice_is_left_out_of_account(name: str, command: Command) -> None:
    assert command(name).out == command(FLIPS).out


def test_a_probe_lists_its_metrics(command: Command) -> None:
    done = command("bias.counterfactual")
    for metric in find_probes()["bias.counterfactual"].metrics:
        assert f"  bias.counterfactual.{metric.name}  {metric.label}\n" in done.out
    told = json.loads(command("bias.counterfactual", "--json").out)
    assert [p["id"] for p in told["probes"]] == ["bias.counterfactual"]
    assert [m["metric"] for m in told["metrics"]] == [
        f"bias.counterfactual.{m.name}" for m in find_probes()["bias.counterfactual"].metrics
    ]


def test_a_beginning_lists_what_begins_so(command: Command) -> None:
    names = [line.split("  ")[0] for line in command("bias.b").out.splitlines()]
    assert {"bias.bbq", "bias.bold", "bias.bbq.ambiguous_bias"} <= set(names)
    assert all(name.startswith("bias.b") for name in names)
    assert json.loads(command("bias.b", "--json").out)["probes"]


def test_the_last_part_of_a_name_is_enough() -> None:
    assert find("stereotype_shift", find_probes()).metric == "bias.counterfactual.stereotype_shift"
    assert FLIPS in find("flip_rate", find_probes()).among
    assert find(FLIPS[:-3], find_probes()).metric == FLIPS


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("bias.counterfactual.flip_rtae", f"did you mean {FLIPS}"),
        ("bias.counterfactul", "did you mean bias.counterfactual"),
        ("", "`audit probes` lists what there is."),
        (".", "`audit probes` lists what there is."),
        ("[x]", "`audit probes` lists what there is."),
        ("\x1b[31m", "\\x1b"),
        ("Flüsse\nund", "\\n"),
        ("x" * 5000, "…"),
    ],
)
def test_a_name_of_nothing_is_one_sentence(name: str, told: str, command: Command) -> None:
    done = command(name)
    assert (done.status, done.out) == (2, "")
    (line,) = done.told
    assert told in line
    assert len(line) < 400
    assert "\x1b" not in line


def test_every_metric_can_be_described() -> None:
    probes = find_probes()
    for probe in probes.values():
        for metric in probe.metrics:
            found = describe(f"{probe.id}.{metric.name}", probes)
            gates = yaml.safe_load(found.gate.replace("NUMBER", "0.1"))["gates"]
            GateConfig.model_validate(gates[found.metric])
            assert found.good == GOOD[metric.direction]
            assert (Path(__file__).parents[2] / str(found.page)).is_file()


def test_only_a_declared_average_is_told() -> None:
    assert "by their intervals" in compared(None)
    rate = compared(Average(outcomes=["flipped", "moved"], among={"axis": "gender"}))
    assert rate == (
        "Two results that share records are compared record by record: the number is the share of outcomes flipped or moved "
        "where axis is gender."
    )
    assert "the mean of the score shift, less the same where template is a" in compared(
        Average(score="shift", less={"template": "a"})
    )
    assert "less the same over all" in compared(Average(score="shift", less={}))


def test_a_probe_of_another_package_has_no_page_here(monkeypatch: pytest.MonkeyPatch, command: Command) -> None:
    def elsewhere() -> dict[str, type[Probe]]:
        probe = tiny("acme.rate")
        probe.__module__ = "acme_probes.rate"
        return catalogue_of(probe)

    monkeypatch.setattr(audit.commands.describe, "find_probes", elsewhere)
    assert "docs/probes" not in command("acme.rate.rate").out


def test_no_value_lies_outside_of_what_its_unit_allows() -> None:
    """The committed result has values of most units; a range that one of them leaves is wrong."""
    checked = set()
    for m in read_result(GOLDEN).measurements:
        unit = UNITS.get(m.unit)
        if unit is not None and unit.low is not None and unit.high is not None and m.value is not None:
            checked.add(m.unit)
            for number in (m.value, m.low, m.high):
                assert number is None or unit.low <= number <= unit.high, m.metric
    assert {"rate", "rate difference"} <= checked


def test_a_custom_probe_is_told_by_its_file_and_nothing_unlike_it_is_proposed() -> None:
    with pytest.raises(LookupError, match="declared in YAML") as told:
        find("custom.sums.accuracy[easy]", find_probes())
    assert "did you mean" not in str(told.value)
