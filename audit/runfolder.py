"""The folder that a run writes into: found or made, resumed, cleared of what an earlier audit left."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from audit.manifest import now
from audit.results import MANIFEST_FILE, MITIGATION_FILE, RECORDS_FOLDER, RESULT_FILE, to_json, write_text

STATE_FILE = "run.json"
_OF_REMEDIES = (MITIGATION_FILE, "mitigation.html")  # they go on from a result, and stay where it is measured again
# What may lie in a result folder besides the records.
FILES = (
    RESULT_FILE,
    MANIFEST_FILE,
    "card.html",
    "report.html",
    "summary.md",
    "junit.xml",
    "audit.sarif",
    "code-quality.json",
    "modelcard.md",
    "model_card.json",
    "gpai-annex.md",
    "test-report.md",
    "eval_results.yaml",
    *_OF_REMEDIES,
)


def open_folder(output: Path | None, resume: bool, name: str, id_: str) -> tuple[Path, str]:
    """The result folder and the time that the run began; an unfinished folder where one is resumed."""
    created = now()
    if resume:
        candidates = [output] if output else sorted(Path("audits").glob("*"), reverse=True)
        for candidate in candidates:
            state = _state(candidate)
            unfinished = state.get("complete") is False or not (candidate / RESULT_FILE).exists()
            # A finished one in a named folder is measured again from its answers: asking a server twice costs twice.
            if state.get("audit_id") == id_ and (unfinished or output):
                began = str(state.get("created", created))
                _begin(candidate, id_, began, keep=_OF_REMEDIES)
                return candidate, began
    folder = output or _new_folder(name, created)
    folder.mkdir(parents=True, exist_ok=True)
    _begin(folder, id_, created)
    return folder, created


def note_state(folder: Path, id_: str, created: str, complete: bool) -> None:
    """What ``resume`` goes by; an audit in which a probe failed is not complete and can be resumed."""
    write_text(folder / STATE_FILE, to_json({"audit_id": id_, "created": created, "complete": complete}))


def _begin(folder: Path, id_: str, created: str, keep: Collection[str] = ()) -> None:
    """Remove the files of an earlier audit, and no others: they would be read as this one's if this one is killed."""
    if (folder / STATE_FILE).exists():
        old = [folder / name for name in FILES if name not in keep]
        for path in (*old, *(folder / RECORDS_FOLDER).glob("*.parquet")):
            path.unlink(missing_ok=True)
    note_state(folder, id_, created, False)


def _new_folder(name: str, created: str) -> Path:
    plain = "".join(c if c.isalnum() or c in "-._" else "-" for c in name).strip(".-") or "model"
    stem = f"{plain}-{created.replace(':', '').replace('-', '')}"
    folder, again = Path("audits") / stem, 1
    while folder.exists():
        again += 1
        folder = Path("audits") / f"{stem}-{again}"
    return folder


def _state(folder: Path) -> dict[str, object]:
    try:
        state = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}
