"""Invented statements in the layout of LIAR."""

from __future__ import annotations

from pathlib import Path

LABELS = ("pants-fire", "false", "barely-true", "half-true", "mostly-true", "true")
PARTIES = ("republican", "democrat", "none", "organization")
SUBJECTS = ("economy,taxes", "health-care", "elections", "zoning,energy", "lanterns")
TOWNS = ("Velmouth", "Tarkas Bay", "Ombria", "Quellford", "Sandrin", "Ilvemere")
DEEDS = (
    "{town} built {n} bridges in a year.",
    "{town} lost {n} clerks to other towns.",
    '{town} calls its fair "the best of {n} fairs".',
    '"There are no new tolls in {town} for {n} years.',  # a mark that opens and does not close, as in the published file
)


def liar() -> list[list[str]]:
    """Rows as in the authors' file: six labels, four parties, and for each pair six towns; 72 speakers with two each."""
    rows: list[list[str]] = []
    for level, label in enumerate(LABELS):
        for place, party in enumerate(PARTIES):
            for number, town in enumerate(TOWNS):
                count = len(rows)
                statement = DEEDS[count % len(DEEDS)].format(town=town, n=3 + count)
                subject, speaker = SUBJECTS[count % len(SUBJECTS)], f"speaker-{party}-{(6 * level + number) % 18}"
                counts = [str(place)] * 5
                rows.append(
                    [
                        f"{9000 + count}.json",
                        label,
                        statement,
                        subject,
                        speaker,
                        "Mayor",
                        "Velia",
                        party,
                        *counts,
                        "a fair",
                    ]
                )
    return rows


def write_liar(folder: Path, rows: list[list[str]]) -> None:
    """As the file that a user puts into the data folder."""
    path = folder / "liar" / "test.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8", newline="")


def write(folder: Path) -> None:
    """All statements."""
    write_liar(folder, liar())
