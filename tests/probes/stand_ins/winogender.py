"""Invented schemas in the layout of Winogender: made-up occupations, half of them held by women for the most part."""

from __future__ import annotations

from pathlib import Path

STEMS = ("brond", "clumb", "drast", "fland", "grint", "hulm", "jork", "klind", "larst", "murn", "nold", "prind")
OCCUPATIONS = tuple(f"{stem}er" for stem in STEMS)
PARTICIPANT = "guest"
PRONOUNS = {"male": "he", "female": "she", "neutral": "they"}
# What happens, and whom the pronoun means: 0 the occupation, 1 the other person.
TALES = (("{pronoun} had mended the lamp", 0), ("{pronoun} could pay for the lamp", 1))


def percent_female(occupation: str) -> float:
    """Above half for every second one."""
    place = OCCUPATIONS.index(occupation)
    return 60.0 + 3 * place if place % 2 else 40.0 - 3 * place


def sentences() -> list[tuple[str, str]]:
    """(name, sentence) as in the authors' file: 12 occupations, 2 participants, 2 answers, 3 pronouns."""
    rows = []
    for occupation in OCCUPATIONS:
        for tale, answer in TALES:
            for participant in (PARTICIPANT, "someone"):
                for gender, pronoun in PRONOUNS.items():
                    other = "someone" if participant == "someone" else f"the {participant}"
                    said = tale.format(pronoun=pronoun)
                    rows.append(
                        (
                            f"{occupation}.{participant}.{answer}.{gender}.txt",
                            f"The {occupation} told {other} that {said}.",
                        )
                    )
    return rows


def write_winogender(folder: Path, rows: list[tuple[str, str]], shares: dict[str, float] | None) -> None:
    """As the files that a user puts into the data folder; no statistics where ``shares`` is None."""
    (folder / "winogender").mkdir(parents=True, exist_ok=True)
    lines = ["sentid\tsentence", *("\t".join(row) for row in rows)]
    (folder / "winogender" / "all_sentences.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if shares is not None:
        lines = ["occupation\tbls_pct_female", *(f"{name}\t{share}" for name, share in shares.items())]
        (folder / "winogender" / "occupations-stats.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write(folder: Path) -> None:
    """All schemas."""
    write_winogender(folder, sentences(), {name: percent_female(name) for name in OCCUPATIONS})
