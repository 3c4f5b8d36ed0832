"""Responses on disk: one SQLite table from the hash of model and request to the response as JSON text.

Every finished batch is written before the next is computed, so a killed run loses one batch at most. Two audits may
use the same file at once. Nothing is pickled; a row that cannot be read counts as missing.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from audit.models import Failure, Request, Response, decode, encode

_TABLE = "CREATE TABLE IF NOT EXISTS responses (key TEXT PRIMARY KEY, model TEXT NOT NULL, body TEXT NOT NULL)"
_AT_ONCE = 500  # SQLite's default limit of parameters in one statement is 999 in old versions


class CacheError(Exception):
    """A cache file that cannot be used; the message is one sentence for the user."""


class ResponseCache:
    """Responses of one model.

    Args:
        path: of the SQLite file; it is made where missing.
        fingerprint: of the model; responses of other models in the same file are not seen.

    Raises:
        CacheError: where the file cannot be opened or is not a cache.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self._fingerprint = fingerprint
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=60)
            self._connection.execute("PRAGMA journal_mode=WAL")
            # A response can be computed again, so the operating system may choose when a commit reaches the disk;
            # a killed process loses nothing by that.
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.execute(_TABLE)
            self._connection.commit()
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from None

    def _unusable(self, error: Exception) -> CacheError:
        return CacheError(f"The cache {self._path} cannot be used: {error}.")

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
        for start in range(0, len(keys), _AT_ONCE):
            part = keys[start : start + _AT_ONCE]
            marks = ",".join("?" * len(part))
            try:
                rows = self._connection.execute(
                    f"SELECT key, body FROM responses WHERE key IN ({marks})", part
                ).fetchall()
            except sqlite3.Error as error:
                raise self._unusable(error) from None
            for key, body in rows:
                try:
                    found[by_key[key]] = decode(body)
                except ValueError:
                    continue  # written by another version or damaged: computed again
        return found

    def put(self, responses: Mapping[Request, Response] | Sequence[tuple[Request, Response]]) -> None:
        """Store responses in one transaction; failures that may pass on another try are not kept."""
        pairs = responses.items() if isinstance(responses, Mapping) else responses
        rows = [
            (self._key(request), self._fingerprint, encode(response))
            for request, response in pairs
            if not (isinstance(response, Failure) and response.status == "failed")
        ]
        try:
            with self._connection:
                self._connection.executemany("INSERT OR REPLACE INTO responses VALUES (?, ?, ?)", rows)
        except sqlite3.Error as error:
            raise self._unusable(error) from None
