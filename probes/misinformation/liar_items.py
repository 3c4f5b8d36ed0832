"""The statements of LIAR: read from the user's data folder or the hub, never shipped."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from audit.corpora import Item, ItemsError
from audit.published import PublishedSet, Row

SET = PublishedSet("LIAR", "liar", "www.cs.ucsb.edu/~william/data/liar_dataset.zip", "ucsbnlp/liar")
FILE = "test.tsv"
COLUMNS = 14
FIELDS = ("id", "label", "statement", "subject", "speaker", "party_affiliation")
PLACES = (0, 1, 2, 3, 4, 7)  # of these fields among the columns of the file
LABELS = ("pants-fire", "false", "barely-true", "half-true", "mostly-true", "true")
"""From the lowest to the highest; the upper three are the true side of the two-way reading."""
PARTIES = ("republican", "democrat", "other")

_SUBJECTS = {
    "economy": """economy taxes jobs federal-budget state-budget state-finances deficit debt income workers labor
        stimulus trade financial-regulation corporations small-business city-budget county-budget market-regulation
        unions consumer-safety housing bankruptcy pensions retirement social-security welfare poverty wealth gas-prices""",
    "health": "health-care public-health medicare medicaid abortion drugs autism ebola food-safety disability",
    "politics": """elections candidates-biography campaign-finance voting-record message-machine message-machine-2012
        message-machine-2014 congress congressional-rules polls pundits ethics job-accomplishments redistricting
        census debates government-efficiency government-regulation transparency bush-administration
        supreme-court ask-politifact after-the-fact""",
    "security": """foreign-policy military terrorism iraq afghanistan iran israel islam nuclear homeland-security veterans
        immigration china wars border-security patriotism human-rights nato""",
    "crime_and_law": """crime guns criminal-justice legal-issues public-safety death-penalty civil-rights
        gays-and-lesbians gambling marijuana privacy domestic-violence sexuality""",
    "environment": "environment energy climate-change water oil-spill natural-disasters weather cap-and-trade animals",
    "society": """education children families religion women diversity population history transportation marriage
        infrastructure technology science space agriculture recreation tourism sports hunger""",
}
GROUP_OF: Mapping[str, str] = {subject: group for group, names in _SUBJECTS.items() for subject in names.split()}
"""Groups of ours over the subjects of PolitiFact; a subject that is not here counts as ``other``."""


def from_folder(data: Path | None) -> list[Item]:
    """The statements of ``<data>/liar/test.tsv``, which has no header; quotation marks in it are part of the text.

    Raises:
        ItemsAbsent: where there is no such file; the message says where to get it and where to put it.
        ItemsError: where the file is not what its name says.
    """
    path = SET.file(data, FILE)
    rows: list[Row] = []
    # Only line feeds end a row: a statement may hold other characters that Python takes for the end of a line.
    for number, line in enumerate(SET.text(path).split("\n"), 1):
        columns = line.removesuffix("\r").split("\t")
        if not line.strip():
            continue
        if len(columns) != COLUMNS:
            raise ItemsError(f"{path} is not {SET.name}: line {number} has {len(columns)} columns, not {COLUMNS}.")
        rows.append({field: columns[place] for field, place in zip(FIELDS, PLACES, strict=True)})
    return _items(rows, f"{path}", "liar_dataset.zip")


def from_hub(revision: str) -> list[Item]:
    """The statements of the hub's test split at one commit.

    Raises:
        ItemsError: where they cannot be had, or are not what they should be.
    """
    rows = SET.from_hub(revision, None, "test", FIELDS)
    return _items(rows, f"{SET.hub} at {revision}", f"{SET.hub}@{revision[:12]}")


def _items(rows: Iterable[Row], place: str, source: str) -> list[Item]:
    items: list[Item] = []
    for number, row in enumerate(rows):
        name, label, statement, subjects, speaker, party = (str(row.get(field) or "").strip() for field in FIELDS)
        if not name or not statement or label not in LABELS:
            raise ItemsError(f"{place}, statement {number}: an id, a text and one of {', '.join(LABELS)} are needed.")
        name = f"liar-{name.removesuffix('.json')}"
        fields = {"id": name, "statement": statement, "label": label, "level": LABELS.index(label)}
        about = {"party": party if party in PARTIES else "other", "subject": subject_group(subjects)}
        items.append({**fields, **about, "speaker": _hidden(speaker) if speaker else name, "source": source})
    if not items:
        raise ItemsError(f"{place} holds no statements.")
    if len({item["id"] for item in items}) != len(items):
        raise ItemsError(f"{place}: two statements have the same id.")
    return items


def subject_group(subjects: str) -> str:
    """The group of the first of the listed subjects (separated by commas) that is in one; otherwise ``other``."""
    return next((GROUP_OF[name] for name in subjects.lower().split(",") if name in GROUP_OF), "other")


def _hidden(speaker: str) -> str:
    # Which statements are one speaker's matters to the intervals; whose they are does not.
    return f"speaker-{hashlib.sha256(speaker.encode()).hexdigest()[:8]}"
