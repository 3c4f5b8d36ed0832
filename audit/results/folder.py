"""Reading and writing a result folder: ``result.json`` and ``records/<probe id>.parquet``.

Files are written to a temporary name and then renamed, so that a reader never sees half a file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from audit.results.schema import SCHEMA_VERSION, AuditResult, Record

RESULT_FILE = "result.json"
MANIFEST_FILE = "manifest.json"
RECORDS_FOLDER = "records"
_JSON_COLUMNS = ("tags", "scores", "detail", "claims", "asked", "withheld")
_ADDED = {"claims": "[]", "asked": "null", "withheld": "[]"}  # columns that earlier versions did not write


class ResultError(Exception):
    """A result folder that cannot be read; the message is one sentence for the user."""


def write_text(path: Path, text: str) -> Path:
    """Write ``text`` to ``path`` so that either the old or the whole new file is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
    return path


def to_json(value: Any) -> str:
    """Stable, readable JSON: sorted keys, no NaN, one final newline."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def write_result(folder: Path, result: AuditResult, cost: dict[str, float]) -> Path:
    """Write ``result.json`` and ``manifest.json`` and return the path of the first.

    ``cost`` (memory, requests computed and found in the cache) goes into the manifest alone: it differs between two
    runs of the same audit, whose results are the same.
    """
    content = result.model_dump(mode="json")
    write_text(folder / MANIFEST_FILE, to_json({**content["manifest"], "cost": cost}))
    return write_text(folder / RESULT_FILE, to_json(content))


def read_result(folder: Path) -> AuditResult:
    """Read ``result.json`` from a result folder, or from the path of the file itself.

    Raises:
        ResultError: where the file is missing, not JSON, of another schema version, or does not fit the schema.
    """
    path = folder if folder.is_file() else folder / RESULT_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ResultError(f"{folder} is not a result folder: it has no {RESULT_FILE}.") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ResultError(f"{path} is not readable JSON: {error}.") from None
    version = content.get("schema_version") if isinstance(content, dict) else None
    if str(version).split(".")[0] != SCHEMA_VERSION.split(".")[0]:
        raise ResultError(f"{path} has schema version {version}; this version of fairwitness reads {SCHEMA_VERSION}.")
    try:
        return AuditResult.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ResultError(f"{path} does not fit the result schema: {place}: {first['msg']}.") from None


def write_records(folder: Path, probe: str, records: Iterable[Record]) -> Path:
    """Write the records of one probe as Parquet, nested columns as JSON text."""
    import pandas as pd  # a third of a second, before a model can be opened

    rows = [record.model_dump(mode="json") for record in records]
    frame = pd.DataFrame(rows, columns=list(Record.model_fields))
    for column in _JSON_COLUMNS:
        frame[column] = [json.dumps(value, sort_keys=True, ensure_ascii=False) for value in frame[column]]
    frame["seed"] = pd.array([row["seed"] for row in rows], dtype="Int64")  # as floats, seeds would lose digits
    path = folder / RECORDS_FOLDER / f"{probe}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    frame.to_parquet(temporary, index=False)
    temporary.replace(path)
    return path


def read_records(folder: Path, probe: str) -> list[Record]:
    """Read the records of one probe; an empty list where the probe left none.

    Raises:
        ResultError: where the file cannot be read.
    """
    path = folder / RECORDS_FOLDER / f"{probe}.parquet"
    if not path.exists():
        return []
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
        for column, empty in _ADDED.items():
            if column not in frame:
                frame[column] = empty
        rows = frame.astype(object).where(frame.notna(), None).to_dict(orient="records")
        return [Record.model_validate({**row, **{c: json.loads(row[c]) for c in _JSON_COLUMNS}}) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultError(f"{path} cannot be read as records: {str(error).splitlines()[0]}") from None


def result_schema() -> dict[str, Any]:
    """The JSON Schema of ``result.json``, as shipped in ``audit/results/result.schema.json``."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **AuditResult.model_json_schema()}
