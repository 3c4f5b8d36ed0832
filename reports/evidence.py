"""Records as a page holds them: a compressed block for the browser, and the worst ones as plain HTML."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from audit.results.schema import AuditResult, Record

_PLAIN_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")


def anchor(record: Record) -> str:
    """The record's place in the page: ``ex-<probe>:<id>``, with a hash for an id that does not fit in a link."""
    name = record.id if _PLAIN_ID.fullmatch(record.id) else hashlib.sha256(record.id.encode()).hexdigest()[:16]
    return f"ex-{record.probe}:{name}"


def by_concern(records: Sequence[Record]) -> list[Record]:
    """The records, worst first."""
    return sorted(records, key=lambda r: (-r.concern, r.id))


def ordered(result: AuditResult, records: Mapping[str, Sequence[Record]]) -> list[Record]:
    """All records of the audit, worst first whatever the probe."""
    return by_concern([record for probe in result.probes for record in records.get(probe.id, ())])


def packed(records: Sequence[Record]) -> str:
    """The records as JSON, deflated, in base64: letters that cannot end a script element."""
    rows: list[dict[str, Any]] = [
        {**record.model_dump(mode="json", exclude_defaults=True), "anchor": anchor(record)} for record in records
    ]
    text = json.dumps(rows, sort_keys=True, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def of_kind(records: Sequence[Record], kind: str) -> list[Record]:
    """The records whose ``detail`` holds material for the viewer of that kind."""
    return [record for record in records if record.detail.get("kind") == kind]
