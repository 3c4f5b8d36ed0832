"""What the product keeps on a machine: answers of models, converted models, benchmark environments; and removing it."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from audit.cache import DAY, DamagedCache, connect, unusable

RESPONSES_FILE = "responses.sqlite"
SHORTEST_HASH = 6  # characters of a hash that may stand for it
_CONVERTED = re.compile(r"[0-9a-f]{64}|\.converting-\w+")
_BY_MODEL = (
    "SELECT r.model, m.name, m.weights, m.first_used, MAX(r.used), COUNT(*), SUM(LENGTH(CAST(r.body AS BLOB)))"
    " FROM responses r LEFT JOIN models m ON m.model = r.model WHERE r.used <= ? GROUP BY r.model ORDER BY r.model"
)

Kind = Literal["answers", "damaged answers", "converted model", "unfinished conversion", "benchmark environment"]


@dataclass(frozen=True)
class Kept:
    """One thing that is kept.

    ``key`` is a model's fingerprint or the hash of a converted file; ``count`` the number of answers; times are seconds
    since 1970, None where they are not known. ``path`` is what holds it: the answers of all models lie in one file.
    """

    kind: Kind
    key: str
    name: str
    path: Path
    size: int
    last_used: int | None
    first_used: int | None = None
    count: int = 0
    weights: str | None = None


def inventory(folder: Path, used_before: int | None = None) -> list[Kept]:
    """Everything that is kept below the cache folder, or only what was last used at that time or earlier.

    Raises:
        CacheError: where the file of answers cannot be read now; one that never can is listed as damaged.
    """
    path = folder / RESPONSES_FILE
    try:
        answers = _answers(path, used_before)
    except DamagedCache as error:
        answers = [Kept("damaged answers", path.name, str(error), path, file_size(folder), int(path.stat().st_mtime))]
    found = [*answers, *_folders(folder)]
    return [k for k in found if used_before is None or (k.last_used is not None and k.last_used <= used_before)]


def _answers(path: Path, used_before: int | None) -> list[Kept]:
    if not path.exists():
        return []
    try:
        with closing(connect(path)) as connection:
            rows = connection.execute(_BY_MODEL, (2**62 if used_before is None else used_before,)).fetchall()
    except sqlite3.Error as error:
        raise unusable(path, error) from None
    return [
        Kept("answers", model, name or "unknown", path, size or 0, last, first, count, weights)
        for model, name, weights, first, last, count, size in rows
    ]


def _folders(folder: Path) -> Iterator[Kept]:
    """Only what we made ourselves, by its name; never through a link."""
    models = folder / "models"
    for path in sorted(models.iterdir()) if models.is_dir() else ():
        if _CONVERTED.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
            yield _converted(path)
    for path in (folder / "benchmarks",):
        if path.is_dir() and not path.is_symlink():
            yield Kept("benchmark environment", path.name, path.name, path, _size(path), int(path.stat().st_mtime))


def _converted(path: Path) -> Kept:
    origin = path / "fairwitness.json"
    if path.name.startswith(".") or not origin.is_file():
        return Kept("unfinished conversion", path.name, path.name, path, _size(path), int(path.stat().st_mtime))
    name = _file_name(origin)
    # Opening a converted model touches its origin file.
    return Kept("converted model", path.name, name, path, _size(path), int(origin.stat().st_mtime), weights=path.name)


def _file_name(origin: Path) -> str:
    try:
        return str(json.loads(origin.read_text(encoding="utf-8"))["file"])
    except (ValueError, KeyError, TypeError):
        return "unknown"


def _size(path: Path) -> int:
    return sum(f.lstat().st_size for f in path.rglob("*") if not f.is_dir() or f.is_symlink())


def file_size(folder: Path) -> int:
    """Bytes of the file of answers with what SQLite keeps beside it."""
    return sum(f.stat().st_size for f in _answer_files(folder) if f.is_file())


def _answer_files(folder: Path) -> list[Path]:
    return [folder / f"{RESPONSES_FILE}{suffix}" for suffix in ("", "-wal", "-shm")]


def cutoff(moment: int, older_than: int | None) -> int | None:
    """The latest time of use, in seconds since 1970, of what was not used for so many days before ``moment``."""
    return None if older_than is None else moment - older_than * DAY


def select(folder: Path, used_before: int | None = None, model: str | None = None) -> list[Kept]:
    """What a clean-up would remove: all, or less.

    Args:
        folder: the cache folder.
        used_before: only what was last used at that time or earlier; answers are judged one by one.
        model: only what belongs to a hash that begins so: a fingerprint of answers, or the weights' SHA-256.

    Raises:
        ValueError: where the hash fits nothing, or more than one model; the message is a sentence.
        CacheError: where the file of answers cannot be read.
    """
    found = inventory(folder, used_before)
    if model is None:
        return found
    known = {key for k in inventory(folder) if "model" in k.kind or k.kind == "answers" for key in (k.key, k.weights)}
    # Answers that belong to one run alone have its time after the hash.
    fitting = sorted({key[:64] for key in known if key is not None and key.startswith(model)})
    if len(model) < SHORTEST_HASH or not fitting:
        raise ValueError(
            f"Nothing is kept of a model whose hash begins with {model!r}; "
            f"`audit cache` shows the hashes, of which {SHORTEST_HASH} characters are enough."
        )
    if len(fitting) > 1:
        raise ValueError(f"The hash {model} fits more than one model: {', '.join(fitting)}.")
    return [k for k in found if fitting[0] in (k.key[:64], k.weights)]


def remove(folder: Path, selected: list[Kept], used_before: int | None = None) -> bool:
    """Remove what was selected; of answers those last used at ``used_before`` or earlier.

    Returns:
        Whether the file of answers gave its space back; another audit may be writing to it.

    Raises:
        CacheError: where the file of answers cannot be used.
        OSError: where a folder cannot be removed.
    """
    for kept in selected:
        if kept.kind == "damaged answers":
            for file in _answer_files(folder):
                file.unlink(missing_ok=True)
        elif kept.kind != "answers":
            shutil.rmtree(kept.path)
    models = [k.key for k in selected if k.kind == "answers"]
    path = folder / RESPONSES_FILE
    if not models:
        return True
    limit = 2**62 if used_before is None else used_before
    try:
        with closing(connect(path)) as connection:
            with connection:
                rows = [(model, limit) for model in models]
                connection.executemany("DELETE FROM responses WHERE model = ? AND used <= ?", rows)
                connection.execute(
                    "DELETE FROM models WHERE last_used <= ? AND model NOT IN (SELECT model FROM responses)", (limit,)
                )
            return _shrink(connection)
    except sqlite3.Error as error:
        raise unusable(path, error) from None


def _shrink(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("PRAGMA busy_timeout = 1000")
        connection.execute("VACUUM")
        busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.OperationalError:
        return False  # another audit is at work; the free pages are used again
    return not busy
