"""The golden result and its card: a change of either is seen in the diff of the committed files."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def made() -> tuple[str, str]:
    spec = importlib.util.spec_from_file_location("golden_make", HERE / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    content: tuple[str, str] = module.golden()
    return content


def rounded(value: Any) -> Any:
    """Numbers to nine digits: other builds of numpy and scipy differ in the last ones."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return [rounded(inner) for inner in value] if isinstance(value, list) else value


def test_the_result_is_the_golden_one(made: tuple[str, str]) -> None:
    golden = json.loads((HERE / "result.json").read_text(encoding="utf-8"))
    assert rounded(json.loads(made[0])) == rounded(golden)


def test_the_card_is_the_golden_one(made: tuple[str, str]) -> None:
    assert made[1] == (HERE / "card.html").read_text(encoding="utf-8"), (
        "run tests/reports/golden/make.py, read the diff"
    )
