"""The folder that a run writes into: found or made, resumed, cleared of what an earlier audit left."""

from __future__ import annotations

import json
from pathlib import Path

from audit.manifest import now
from audit.results import MANIFEST_FILE, MITIGATION_FILE, RECORDS_FOLDER, RESULT_FILE, to_json, write_text

STATE_FILE = "run.json"
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
    MITIGATION_FILE,
    "mitigation.html",
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
                return candidate, str(state.get("created", created))
    folder = output or _new_folder(name, created)
    folder.mkdir(parents=True, exist_ok=True)
    # What an earlier audit left would be read as this one's if this one is killed.
    if (folder / STATE_FILE).exists():
        _clear(folder)
    note_state(folder, id_, created, False)
    return folder, created


def note_state(folder: Path, id_: str, created: str, complete: bool) -> None:
    """What ``resume`` goes by; an audit in which a probe failed is not complete and can be resumed."""
    write_text(folder / STATE_FILE, to_json({"audit_id": id_, "created": created, "complete": complete}))


def _clear(folder: Path) -> None:
    """Remove the files of an earlier audit, and no others."""
    for path in (*(folder / name for name in FILES), *(folder / RECORDS_FOLDER).glob("*.parquet")):
        path.unlink(missing_ok=True)


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
