"""Probes of other packages: found where they are sound, named in one sentence where they are not."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.models.scripted import ScriptedModel
from probes.registry import GROUP, ProbeError, find_probes
from tests.probes.harness import run_probe

TINY = '''
from audit.corpora import Item
from audit.metrics import rate
from audit.models import Capability, Score, Scored
from audit.results import Finding, Record
from probes.base import Metric, Outcome, Probe, coverage


class Tiny(Probe):
    """Is the first letter likelier than the last?"""

    id = "demo.tiny"
    title = "Letters"
    risk = "demo"
    purpose = method = citation = limits = "A probe of its own for a test of the registry."
    capabilities = frozenset({Capability.SCORE})
    metrics = (Metric("first_rate", "First letter likelier", "rate", "descriptive", "Share of prompts."),)
    sizes = {"quick": 2, "standard": None, "full": None}

    def items(self, data):
        return [{"id": str(n), "text": f"Number {n}:"} for n in range(4)]

    def requests(self, items, context, answers):
        return [Score(item["text"], end) for item in items for end in (" A", " Z")]

    def measure(self, items, context, answers):
        hits = []
        for item in items:
            a, z = (answers[Score(item["text"], end)] for end in (" A", " Z"))
            hits.append(a.logprob > z.logprob)
        found = self.measurement("first_rate", rate(hits), coverage("scored" for _ in hits), chance=0.5)
        return Outcome([], [found], [])


class Other(Tiny):
    """Another class with the same id."""


not_a_probe = 3
'''

Installer = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installer:
    """Puts a package with entry points on the path, as an installer would."""

    def put(name: str, entries: dict[str, str], code: str = TINY) -> None:
        place = tmp_path / name
        info = place / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = "\n".join(f"{key} = {value}" for key, value in entries.items())
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}\n")
        (place / f"{name}_module.py").write_text(textwrap.dedent(code))
        monkeypatch.delitem(sys.modules, f"{name}_module", raising=False)
        monkeypatch.syspath_prepend(str(place))

    return put


def test_a_probe_of_an_installed_package_is_found_and_runs(install: Installer) -> None:
    before = find_probes()
    assert "demo.tiny" not in before
    install("demo_a", {"demo.tiny": "demo_a_module:Tiny"})
    after = find_probes()
    assert list(after) == sorted([*before, "demo.tiny"])
    assert {name: after[name] for name in before} == before
    outcome = run_probe(after["demo.tiny"], ScriptedModel())
    assert outcome.measurements[0].metric == "demo.tiny.first_rate"
    assert outcome.measurements[0].n == 4


def told(match: str) -> str:
    with pytest.raises(ProbeError, match=match) as caught:
        find_probes()
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("demo_b_missing:Tiny", TINY),
        ("demo_b_module:NoSuchThing", TINY),
        ("demo_b_module:Tiny", "raise RuntimeError('out of order')"),
        ("demo_b_module:Tiny", "raise SystemExit(0)"),
        ("demo_b_module:Tiny", "def ("),
        ("demo_b_module:Tiny", "import a_library_that_nobody_has"),
    ],
)
def test_a_broken_one_is_named(install: Installer, value: str, code: str) -> None:
    install("demo_b", {"demo.broken": value}, code)
    assert value in told(r"^The probe demo\.broken \(.*\) cannot be imported: ")


@pytest.mark.parametrize("value", ["demo_c_module:not_a_probe", "demo_c_module:Item", "demo_c_module"])
def test_what_is_not_a_probe_is_named(install: Installer, value: str) -> None:
    install("demo_c", {"demo.wrong": value})
    assert value in told(r"^The entry point demo\.wrong \(.*\) is not a probe class\.$")


def test_two_with_one_id_are_told(install: Installer) -> None:
    install("demo_d", {"demo.tiny": "demo_d_module:Tiny", "demo.other": "demo_d_module:Other"})
    told(r"^Two installed packages register a probe with the id demo\.tiny\.$")


def test_an_id_of_ours_cannot_be_taken(install: Installer) -> None:
    code = TINY.replace("demo.tiny", "bias.counterfactual")
    install("demo_e", {"bias.counterfactual": "demo_e_module:Tiny"}, code)
    told(r"^Two installed packages register a probe with the id bias\.counterfactual\.$")


def test_the_same_class_twice_is_one_probe(install: Installer) -> None:
    install("demo_f", {"demo.tiny": "demo_f_module:Tiny", "demo.alias": "demo_f_module:Tiny"})
    assert "demo.tiny" in find_probes()
    assert "demo.alias" not in find_probes()


def test_a_probe_without_an_id_is_told(install: Installer) -> None:
    install("demo_g", {"demo.base": "probes.base:Probe"})
    told(r"demo\.base")
