"""Responses on disk: one SQLite table from the hash of model and request to the response as JSON text.

Every finished batch is written before the next is computed, so a killed run loses one batch at most. Two audits may
use the same file at once. Nothing is pickled; a row that cannot be read counts as missing. A second table names the
models; what is old can be found and removed by the time when it was last used (:mod:`audit.upkeep`).
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from audit.models import Failure, Inspected, Request, Response, Tabulated, decode, encode

VERSION = 1  # of the tables, in the file's user_version; files from before versions have 0
DAY = 86_400
_RESPONSES = "CREATE TABLE IF NOT EXISTS responses (key TEXT PRIMARY KEY, model TEXT NOT NULL, body TEXT NOT NULL)"
_MODELS = (
    "CREATE TABLE IF NOT EXISTS models (model TEXT PRIMARY KEY, name TEXT NOT NULL, weights TEXT,"
    " first_used INTEGER NOT NULL, last_used INTEGER NOT NULL)"
)
_NOTE = (
    "INSERT INTO models (model, name, weights, first_used, last_used) VALUES (?, ?, ?, ?, ?) ON CONFLICT (model)"
    " DO UPDATE SET name = excluded.name, weights = excluded.weights, last_used = excluded.last_used"
)
_PUT = "INSERT OR REPLACE INTO responses (key, model, body, used) VALUES (?, ?, ?, ?)"
_AT_ONCE = 500  # SQLite's default limit of parameters in one statement is 999 in old versions


class CacheError(Exception):
    """A cache file that cannot be used; the message is one sentence for the user."""


class DamagedCache(CacheError):
    """A file that holds no cache, or one that this version cannot read; it can only be removed."""


def unusable(path: Path, error: Exception) -> CacheError:
    """What to raise for an error of SQLite or of the file system."""
    # SQLite's errors of a locked file, a full disk and the like are subclasses.
    kind = DamagedCache if type(error) is sqlite3.DatabaseError else CacheError
    return kind(f"The cache {path} cannot be used: {error}.")


WAIT = 60.0  # seconds for which another process may hold the file


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, make it where missing, and bring an older one up to date.

    Raises:
        CacheError: where it cannot be opened, is not a cache, or was written by a newer version.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=WAIT)
    except (OSError, sqlite3.Error) as error:
        raise unusable(path, error) from None
    try:
        _write_ahead(connection)
        # A response can be computed again, so the operating system may choose when a commit reaches the disk;
        # a killed process loses nothing by that.
        connection.execute("PRAGMA synchronous=NORMAL")
        if _version(connection) != VERSION:
            _migrate(connection)
    except (OSError, sqlite3.Error) as error:
        connection.close()
        raise unusable(path, error) from None
    return connection


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Turn on write-ahead logging. SQLite does not wait for that where another process opens the file, so this does."""
    end = time.monotonic() + WAIT
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.02)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _migrate(connection: sqlite3.Connection) -> None:
    with connection:
        connection.execute("BEGIN IMMEDIATE")  # of two audits that open an old file together, one waits
        version = _version(connection)
        if version > VERSION:
            raise sqlite3.DatabaseError("a newer version of this tool wrote it; upgrade, or set FAIRWITNESS_CACHE")
        if version == VERSION:
            return
        connection.execute(_RESPONSES)
        # Rows from before count as used now. A constant default leaves them where they lie in the file.
        connection.execute(f"ALTER TABLE responses ADD COLUMN used INTEGER NOT NULL DEFAULT {now()}")
        connection.execute(_MODELS)
        connection.execute(f"PRAGMA user_version = {VERSION}")


def now() -> int:
    """Seconds since 1970."""
    return int(time.time())


class ResponseCache:
    """Responses of one model.

    Args:
        path: of the SQLite file; it is made where missing.
        fingerprint: of the model; responses of other models in the same file are not seen.
        name: of the model, for a person who looks at what is kept.
        weights: SHA-256 of its weights, where known.

    Raises:
        CacheError: where the file cannot be opened or is not a cache.
    """

    def __init__(self, path: Path, fingerprint: str, name: str = "", weights: str | None = None) -> None:
        self._fingerprint = fingerprint
        self._named = (name, weights)
        self._path = path
        self._connection = connect(path)
        try:
            with self._connection:
                self._note()
        except sqlite3.Error as error:
            self._connection.close()
            raise unusable(path, error) from None

    def _note(self) -> None:
        """That the model is in use."""
        moment = now()
        self._connection.execute(_NOTE, (self._fingerprint, *self._named, moment, moment))

    def __enter__(self) -> ResponseCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def _key(self, request: Request) -> str:
        return hashlib.sha256(f"{self._fingerprint}:{request.key}".encode()).hexdigest()

    def get(self, requests: Iterable[Request]) -> dict[Request, Response]:
        """What is stored for these requests."""
        by_key = {self._key(request): request for request in requests}
        keys = list(by_key)
        found: dict[Request, Response] = {}
        try:
            for start in range(0, len(keys), _AT_ONCE):
                for key, body in self._rows(keys[start : start + _AT_ONCE]):
                    try:
                        found[by_key[key]] = decode(body)
                    except ValueError:
                        continue  # written by another version or damaged: computed again
        except sqlite3.Error as error:
            raise unusable(self._path, error) from None
        return found

    def holds(self, requests: Iterable[Request]) -> set[Request]:
        """Those of the requests that something is stored for; it is not read, and its time of use not noted."""
        by_key = {self._key(request): request for request in requests}
        keys = list(by_key)
        found: set[Request] = set()
        try:
            for start in range(0, len(keys), _AT_ONCE):
                some = keys[start : start + _AT_ONCE]
                marks = ",".join("?" * len(some))
                rows = self._connection.execute(f"SELECT key FROM responses WHERE key IN ({marks})", some)
                found.update(by_key[key] for (key,) in rows)
        except sqlite3.Error as error:
            raise unusable(self._path, error) from None
        return found

    def _rows(self, keys: Sequence[str]) -> list[tuple[str, str]]:
        """Key and body of what is there; the time of use is noted to the day, so that reading seldom writes."""
        marks = ",".join("?" * len(keys))
        rows = self._connection.execute(
            f"SELECT key, body, used FROM responses WHERE key IN ({marks})", keys
        ).fetchall()
        moment = now()
        stale = [(moment, key) for key, _, used in rows if used < moment - DAY]
        if stale:
            with self._connection:
                self._connection.executemany("UPDATE responses SET used = ? WHERE key = ?", stale)
        return [(key, body) for key, body, _ in rows]

    def put(self, responses: Mapping[Request, Response] | Sequence[tuple[Request, Response]]) -> None:
        """Store responses in one transaction; failures that may pass on another try are not kept."""
        pairs = responses.items() if isinstance(responses, Mapping) else responses
        moment = now()
        rows = [
            (self._key(request), self._fingerprint, encode(response), moment)
            for request, response in pairs
            # People's data are not copied elsewhere, and files may have changed without the model changing.
            if not isinstance(response, Tabulated | Inspected)
            and not (isinstance(response, Failure) and response.status == "failed")
        ]
        try:
            with self._connection:
                self._connection.executemany(_PUT, rows)
                self._note()
        except sqlite3.Error as error:
            raise unusable(self._path, error) from None
