"""The shape of the code: which unit may import which, no cycle, nothing too long."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("audit", "probes", "reports")
MOST_LINES = 400
MOST_FUNCTION_LINES = 60

# Unit (the longest of these that a module's name begins with) to the units it may import. A new edge is a decision.
ALLOWED: dict[str, set[str]] = {
    # Imports a heavy module of ours when it is first used; its users name it at the top all the same.
    "audit.later": set(),
    "audit.extras": set(),
    "audit.results": set(),
    "audit.metrics": set(),
    "audit.corpora": set(),
    "audit.published": {"audit.corpora"},
    "audit.yamlfile": set(),
    "audit.yamladd": {"audit.yamlfile"},
    "audit.progress": set(),
    "audit.complaints": {"audit.yamlfile"},
    "audit.blocks": set(),
    "audit.durations": set(),
    "audit.declared": {"audit.blocks", "audit.complaints", "audit.results", "audit.yamlfile"},
    "audit.config": {"audit.blocks", "audit.complaints", "audit.declared", "audit.durations", "audit.yamlfile"},
    "audit.models": {"audit.extras", "audit.results"},
    "audit.cache": {"audit.models"},
    "audit.upkeep": {"audit.cache"},
    "audit.execution": {"audit.cache", "audit.models", "audit.progress"},
    "probes": {"audit.corpora", "audit.later", "audit.metrics", "audit.models", "audit.published", "audit.results"},
    "audit.coverage": {"audit.results"},
    "audit.planning": {"audit.config", "audit.corpora", "audit.coverage", "audit.models", "audit.results", "probes"},
    # The one place that reads the files of custom probes and adds them to those that are installed.
    "audit.custom": {"audit.complaints", "audit.config", "audit.corpora", "audit.planning", "audit.yamlfile", "probes"},
    "audit.manifest": {"audit.config", "audit.models", "audit.planning"},
    "audit.runfolder": {"audit.manifest", "audit.results"},
    "audit.gates": {
        "audit.baselines",
        "audit.config",
        "audit.coverage",
        "audit.metrics",
        "audit.pairing",
        "audit.results",
    },
    "audit.pairing": {"audit.metrics", "audit.results"},
    "audit.baselines": {"audit.pairing", "audit.results"},
    "audit.comparison": {"audit.metrics", "audit.pairing", "audit.results"},
    "audit.trends": {"audit.comparison", "audit.results"},
    "audit.judging": {"audit.cache", "audit.execution", "audit.models", "audit.progress"},
    # One round of questions after another, for the engine and for what finds out how much a time allows to draw.
    "audit.rounds": {
        "audit.cache",
        "audit.execution",
        "audit.judging",
        "audit.models",
        "audit.planning",
        "audit.progress",
        "probes",
    },
    "audit.timeboxing": {
        "audit.rounds",
        "audit.corpora",
        "audit.models",
        "audit.planning",
        "audit.results",
    },
    "audit.engine": {
        "audit.rounds",
        "audit.baselines",
        "audit.cache",
        "audit.config",
        "audit.declared",
        "audit.durations",
        "audit.execution",
        "audit.gates",
        "audit.judging",
        "audit.manifest",
        "audit.models",
        "audit.planning",
        "audit.progress",
        "audit.results",
        "audit.runfolder",
        "audit.timeboxing",
        "probes",
    },
    # Workers open models and compute batches as the driver would; only the driver's side knows Ray.
    "audit.replica": {"audit.execution", "audit.manifest", "audit.models"},
    "audit.cluster": {"audit.extras", "audit.models"},
    "audit.ray_executor": {"audit.cluster", "audit.execution", "audit.models", "audit.replica", "audit.results"},
    "audit.opening": {
        "audit.config",
        "audit.declared",
        "audit.judging",
        "audit.later",
        "audit.models",
        "audit.replica",
    },
    "reports": {"audit.results"},
    # What can be asked about a record again; without a model, so that reading a result need not import torch.
    "audit.asking": {"audit.results"},
    # What a result is in Python. What opens a model it finds through the package itself, which imports it when asked for.
    "audit.notebook": {"audit", "audit.asking", "audit.explained", "audit.models", "audit.results", "reports"},
    # The one place that knows both the engine and the reports.
    "audit.api": {
        "audit.baselines",
        "audit.config",
        "audit.durations",
        "audit.custom",
        "audit.engine",
        "audit.execution",
        "audit.later",
        "audit.models",
        "audit.notebook",
        "audit.opening",
        "audit.progress",
        "audit.ray_executor",
        "audit.results",
        "probes",
        "reports",
    },
    # One decision: the probes' requests for it, answered through the cache, and its page. It is no audit: no engine.
    "audit.explaining": {
        "audit.asking",
        "audit.cache",
        "audit.config",
        "audit.custom",
        "audit.execution",
        "audit.explained",
        "audit.models",
        "audit.opening",
        "audit.progress",
        "audit.results",
        "probes",
    },
    # As the notebook they know the reports: what a notebook shows is a page of theirs.
    "audit.attention_view": {"audit.metrics", "audit.models", "audit.results", "probes", "reports"},
    "audit.explained": {"audit.attention_view", "audit.models", "audit.results", "probes", "reports"},
    "audit.sweep": {
        "audit.api",
        "audit.cluster",
        "audit.config",
        "audit.models",
        "audit.progress",
        "audit.replica",
        "audit.results",
        "probes",
    },
    "audit.mitigation": {
        "audit.cache",
        "audit.config",
        "audit.custom",
        "audit.corpora",
        "audit.execution",
        "audit.judging",
        "audit.manifest",
        "audit.metrics",
        "audit.models",
        "audit.opening",
        "audit.planning",
        "audit.progress",
        "audit.results",
        "probes",
    },
    # An old result computed again in part: no audit either, and nothing of the cache on disk.
    "audit.verifying": {
        "audit.cache",
        "audit.execution",
        "audit.manifest",
        "audit.models",
        "audit.progress",
        "audit.results",
        "probes",
    },
    # What is declared of a metric, and what there is on this machine.
    "audit.describing": {"audit.later", "audit.results", "audit.yamlfile", "probes"},
    "audit.checkup": {
        "audit.cache",
        "audit.extras",
        "audit.later",
        "audit.models",
        "audit.upkeep",
        "audit.yamlfile",
        "probes",
    },
    # It knows the reports as well: what a finished audit tells a CI system is drawn like its files.
    "audit.commands": {
        "audit.api",
        "audit.baselines",
        "audit.checkup",
        "audit.comparison",
        "audit.declared",
        "audit.describing",
        "audit.explained",
        "audit.explaining",
        "audit.later",
        "audit.mitigation",
        "audit.models",
        "audit.progress",
        "audit.results",
        "audit.trends",
        "audit.upkeep",
        "audit.verifying",
        "audit.yamladd",
        "audit.yamlfile",
        "reports",
        "probes",
    },
    "audit.cli": {
        "audit.api",
        "audit.cache",
        "audit.commands",
        "audit.config",
        "audit.custom",
        "audit.declared",
        "audit.later",
        "audit.models",
        "audit.planning",
        "audit.progress",
        "audit.results",
        "audit.sweep",
        "probes",
    },
    "audit.__main__": {"audit.cli"},  # python -m audit
    "audit": set(),  # audit/__init__.py finds audit.api, audit.explaining and audit.notebook when asked for them
}
LAZY = {("audit", "_found")}
METRICS_MAY_IMPORT = {
    "__future__", "collections", "dataclasses", "functools", "inspect", "itertools", "math", "typing", "warnings",
    "numpy", "scipy", "sklearn", "statsmodels", "threadpoolctl",
}  # fmt: skip
# Nobody but these opens a model, a data set or a network.
HEAVY = {
    "torch",
    "transformers",
    "captum",
    "huggingface_hub",
    "gguf",
    "safetensors",
    "accelerate",
    "peft",
    "bitsandbytes",
}


@cache
def modules() -> dict[str, Path]:
    """Every module of ours by its name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def nodes(name: str) -> tuple[ast.AST, ...]:
    """Everything in a module."""
    return tuple(ast.walk(ast.parse(modules()[name].read_text(encoding="utf-8"))))


def is_ours(name: str) -> bool:
    return name.split(".")[0] in PACKAGES


def imported(name: str, node: ast.AST) -> Iterator[str]:
    """The modules, ours by their full names, that an import statement in module ``name`` brings in."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            package = name if modules()[name].name == "__init__.py" else name.rpartition(".")[0]
            parts = package.split(".")
            base = ".".join([*parts[: len(parts) - node.level + 1], *([base] if base else [])])
        for alias in node.names:
            inner = f"{base}.{alias.name}"
            yield inner if inner in modules() else base


@cache
def imports_of(name: str) -> set[str]:
    return {target for node in nodes(name) for target in imported(name, node)}


def unit(name: str) -> str:
    return max((u for u in ALLOWED if name == u or name.startswith(f"{u}.")), key=len)


def functions(name: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda]:
    for node in nodes(name):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node


def test_modules_are_found() -> None:
    assert {"audit", "audit.cli", "audit.models.causal", "probes.base", "reports.render"} <= set(modules())
    assert len(modules()) > 50


def test_each_unit_and_edge_of_the_table_is_real() -> None:
    used = {(unit(name), unit(target)) for name in modules() for target in imports_of(name) if is_ours(target)}
    assert {unit(name) for name in modules()} == set(ALLOWED)
    stale = [(u, t) for u, targets in ALLOWED.items() for t in sorted(targets) if (u, t) not in used]
    assert stale == [], "edges that nobody uses any more"


@pytest.mark.parametrize("name", ALLOWED)
def test_unit_imports_only_what_the_table_allows(name: str) -> None:
    wrong = [
        f"{module} imports {target}"
        for module in modules()
        if unit(module) == name
        for target in sorted(imports_of(module))
        if is_ours(target) and unit(target) != name and unit(target) not in ALLOWED[name]
    ]
    assert wrong == []


def test_the_table_follows_the_design() -> None:
    assert [u for u, targets in ALLOWED.items() if "audit.cli" in targets] == ["audit.__main__"]
    assert ALLOWED["reports"] == {"audit.results"}
    assert ALLOWED["audit.metrics"] == ALLOWED["audit.results"] == set()
    assert [u for u, targets in ALLOWED.items() if "reports" in targets] == [
        "audit.notebook",
        "audit.api",
        "audit.attention_view",
        "audit.explained",
        "audit.commands",
    ]
    assert [u for u, targets in ALLOWED.items() if "audit.engine" in targets] == ["audit.api"]
    assert [u for u, targets in ALLOWED.items() if "audit.api" in targets] == [
        "audit.sweep",
        "audit.commands",
        "audit.cli",
    ]
    tuple(TopologicalSorter(ALLOWED).static_order())


def test_every_imported_module_of_ours_exists() -> None:
    missing = [f"{n} imports {t}" for n in modules() for t in imports_of(n) if is_ours(t) and t not in modules()]
    assert missing == []


def test_no_cycle_between_modules() -> None:
    graph = {name: {t for t in imports_of(name) if is_ours(t)} for name in modules()}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"a cycle of imports: {' -> '.join(reversed(error.args[1]))}")


def test_our_modules_are_imported_at_the_top_only() -> None:
    found = set()
    for name in modules():
        for function in functions(name):
            for node in ast.walk(function):
                local = [t for t in imported(name, node) if is_ours(t)]
                call = isinstance(node, ast.Call) and re.search(r"import|\blater$", ast.unparse(node.func))
                named = [a for a in (node.args if isinstance(node, ast.Call) else []) if isinstance(a, ast.Constant)]
                if local or (call and any(is_ours(str(a.value)) for a in named)):
                    found.add((name, getattr(function, "name", "lambda")))
    assert found == LAZY


def test_no_relative_and_no_star_import() -> None:
    for name in modules():
        for node in nodes(name):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{name}:{node.lineno}"
                assert all(alias.name != "*" for alias in node.names), f"{name}:{node.lineno}"


def test_nothing_reads_private_names_of_another_module() -> None:
    wrong = [
        f"{name}: {node.module}.{alias.name}"
        for name in modules()
        for node in nodes(name)
        if isinstance(node, ast.ImportFrom) and is_ours(node.module or "")
        for alias in node.names
        if alias.name.startswith("_")
    ]
    assert wrong == []


def test_metrics_are_arrays_in_and_numbers_out() -> None:
    for name in modules():
        if unit(name) == "audit.metrics":
            others = {t.split(".")[0] for t in imports_of(name) if unit_or_none(t) != "audit.metrics"}
            assert others <= METRICS_MAY_IMPORT, name


def unit_or_none(name: str) -> str | None:
    return unit(name) if is_ours(name) else None


def test_only_models_know_the_libraries_of_models() -> None:
    users = {unit(name) for name in modules() for t in imports_of(name) if t.split(".")[0] in HEAVY}
    assert users == {"audit.models"}


def test_probes_touch_no_clock_network_or_model() -> None:
    unwanted = {"time", "datetime", "random", "socket", "urllib", "requests", "httpx", "subprocess", *HEAVY}
    for name in modules():
        if unit(name) == "probes":
            assert not unwanted & {t.split(".")[0] for t in imports_of(name)}, name


@pytest.mark.parametrize("banned", ["pickle", "marshal", "shelve", "dill", "joblib"])
def test_nobody_imports_what_runs_code_from_a_file(banned: str) -> None:
    assert [name for name in modules() if banned in {t.split(".")[0] for t in imports_of(name)}] == []


@pytest.mark.parametrize("name", modules())
def test_file_is_not_two_things(name: str) -> None:
    lines = len(modules()[name].read_text(encoding="utf-8").splitlines())
    assert lines <= MOST_LINES, f"{modules()[name]} has {lines} lines"


def test_no_function_is_two_things() -> None:
    long = []
    for name in modules():
        for function in functions(name):
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            if lines > MOST_FUNCTION_LINES:
                long.append(f"{name}.{getattr(function, 'name', 'lambda')}: {lines} lines")
    assert long == []


@pytest.mark.parametrize("light", ["audit.notebook, audit.results, reports.render, reports.exports", "audit.cli"])
def test_neither_reading_a_result_nor_help_imports_torch(light: str) -> None:
    """Where ``audit.cli`` fails: a command's module is to import what is heavy by ``audit.later``, as its neighbours do."""
    heavy = sorted({*HEAVY, "datasets", "sklearn", "statsmodels"})
    script = f"import sys, {light}\nprint(sorted(set({heavy!r}) & sys.modules.keys()))"
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
