"""Every probe of some risks is tried on the same four stubs; each places them in tests of its own."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from probes.registry import find_probes

TESTS = Path(__file__).parent
RISKS = ("hallucination", "misinformation", "safety")
STUBS = {"test_always_agrees", "test_always_refuses", "test_answers_from_a_key", "test_a_key_with_one_in_five_wrong"}


@pytest.mark.parametrize("probe", [name for name, kind in find_probes().items() if kind.risk in RISKS])
def test_the_four_stubs_are_placed(probe: str) -> None:
    risk, name = probe.split(".")
    modules = [ast.parse(path.read_text(encoding="utf-8")) for path in (TESTS / risk).glob(f"test_{name}*.py")]
    classes = [part for module in modules for part in module.body if isinstance(part, ast.ClassDef)]
    tried = {
        test.name: test
        for part in classes
        if part.name == "TestStubs"
        for test in part.body
        if isinstance(test, ast.FunctionDef)
    }
    assert set(tried) >= STUBS
    for stub in STUBS:
        assert any(isinstance(part, ast.Assert) for part in ast.walk(tried[stub])), stub
