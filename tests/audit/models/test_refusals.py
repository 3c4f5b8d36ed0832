"""What would be passed over in silence is refused: a table beside a language model, a folder without a vocabulary."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from audit.engine import _with_cause
from audit.models import Failure, ModelError
from audit.models.options import Options, TableOptions
from audit.results import Coverage, Measurement
from tests.audit.models.tiny import open_source


@pytest.mark.parametrize("table", [TableOptions(file="cases.csv"), TableOptions(sensitive=("sex",))])
def test_a_language_model_has_no_use_for_a_table(llama_folder: Path, table: TableOptions) -> None:
    with pytest.raises(ModelError, match=r"of task causal-lm, which has no use for model\.table"):
        open_source(str(llama_folder), Options(table=table))
    with pytest.raises(ModelError, match=r"is an endpoint, which has no use for model\.table"):
        open_source("http://127.0.0.1:9/v1", Options(table=table))


def test_a_folder_without_a_vocabulary_is_refused(llama_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bare"
    shutil.copytree(llama_folder, folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match="tokenizer"):
        open_source(str(folder))


def test_what_could_not_be_measured_says_the_commonest_cause() -> None:
    m = Measurement(
        metric="a.b",
        probe="a",
        label="B",
        value=None,
        n=0,
        unit="rate",
        direction="descriptive",
        coverage=Coverage(planned=3, scored=0, truncated=3),
        reason="no observations",
    )
    failures = [Failure("truncated", "Too long."), Failure("failed", "Odd."), Failure("truncated", "Too long.")]
    assert _with_cause(m, failures).reason == "no observations. Too long."
    assert _with_cause(m, []) is m
    scored = m.model_copy(update={"coverage": Coverage(planned=3, scored=3)})
    assert _with_cause(scored, failures) is scored
