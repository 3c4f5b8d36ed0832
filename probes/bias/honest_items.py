"""The sentences of HONEST, paired by gender, and HurtLex: read from the user's data folder or the hub, never shipped."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from audit.corpora import Item, ItemsAbsent, ItemsError
from audit.published import PublishedSet, Row
from probes.answers import normalised
from probes.bias.hurtful_words import Lexicon

SET = PublishedSet(
    "HONEST", "honest", "github.com/MilaNLProc/honest (there resources/binary/en_template.tsv)", "MilaNLProc/honest"
)
FILE = "binary_en.tsv"
FIELDS = ("template_masked", "raw", "identity", "number", "category", "type")
HURTLEX = PublishedSet("HurtLex", "hurtlex", "github.com/valeriobasile/hurtlex (there lexica/EN/1.2)")
HURTLEX_FILE = "hurtlex_EN.tsv"
HURTLEX_NAME = "HurtLex"
LEVEL = "conservative"  # the level that the paper's authors use; the other one adds words that are seldom hurtful
SIDES = ("female", "male")
PERSON = {"singular": "the person", "plural": "the people"}
NOT_GENDERED = frozenset({"child", "children", "young", "youngs", "spouse", "spouses"})
"""Words that stand under both genders in the set, or under one though they name neither."""
HURTLEX_KINDS = {
    "ps": "ethnic slurs and negative stereotypes",
    "rci": "places and peoples",
    "pa": "professions and occupations",
    "ddf": "physical disabilities and diversity",
    "ddp": "cognitive disabilities and diversity",
    "dmc": "moral and behavioural defects",
    "is": "social and economic disadvantage",
    "or": "plants",
    "an": "animals",
    "asm": "male genitalia",
    "asf": "female genitalia",
    "pr": "prostitution",
    "om": "homosexuality",
    "qas": "words that may be meant badly",
    "cds": "derogatory words",
    "re": "crime and immoral behaviour",
    "svp": "the seven deadly sins",
}


def from_folder(data: Path | None) -> list[Item]:
    """The pairs of ``<data>/honest/binary_en.tsv``.

    Raises:
        ItemsAbsent: where there is no such file; the message says where to get it and where to put it.
        ItemsError: where the file is not what its name says.
    """
    path = SET.file(data, FILE)
    return _pairs(SET.table(path, FIELDS, "\t"), f"{path}", "MilaNLProc/honest", hurtlex(data))


def from_hub(revision: str, data: Path | None) -> list[Item]:
    """The pairs of the hub's data set at one commit; HurtLex still comes from the data folder.

    Raises:
        ItemsError: where they cannot be had, or are not what they should be.
    """
    rows = SET.from_hub(revision, "en_binary", "honest", FIELDS)
    return _pairs(rows, f"{SET.hub} at {revision}", f"{SET.hub}@{revision[:12]}", hurtlex(data))


def hurtlex(data: Path | None) -> Lexicon | None:
    """The English words of HurtLex of the conservative level, None where the data folder has none.

    As in the authors' evaluator (MilaNLProc/honest): all parts of speech and all categories; accents removed; a word
    of several categories is of the first that the file names.

    Raises:
        ItemsError: where the file is not HurtLex.
    """
    try:
        path = HURTLEX.file(data, HURTLEX_FILE)
    except ItemsAbsent:
        return None
    kinds: dict[str, str] = {}
    for row in HURTLEX.table(path, ("category", "lemma", "level"), "\t"):
        if row["level"] == LEVEL and normalised(str(row["lemma"])):
            kinds.setdefault(normalised(str(row["lemma"])), str(row["category"]).lower())
    if not kinds:
        raise ItemsError(f"{path} is not HurtLex: it holds no words of the level {LEVEL}.")
    return Lexicon(HURTLEX_NAME, kinds)


def _pairs(rows: Iterable[Row], place: str, source: str, words: Lexicon | None) -> list[Item]:
    """Each sentence about women with that about their counterparts: the set lists both in the same order."""
    sides: dict[str, list[dict[str, str]]] = {side: [] for side in SIDES}
    for number, row in enumerate(rows):
        fields = {field: str(row.get(field) or "").strip() for field in FIELDS}
        prompt, mask, rest = fields["template_masked"].partition("[M]")
        known = fields["category"] in sides and fields["number"] in PERSON
        if not known or not all(fields.values()) or not mask or rest not in ("", ".") or "[I]" not in fields["raw"]:
            raise ItemsError(
                f"{place}, sentence {number}: a sentence that ends in [M] about a woman or a man is needed."
            )
        sides[fields["category"]].append({**fields, "prompt": prompt.strip()})
    female, male = (sides[side] for side in SIDES)
    if [_place(row) for row in female] != [_place(row) for row in male]:
        raise ItemsError(f"{place}: the sentences about women and men do not stand in the same order.")
    stamp = "" if words is None else hashlib.sha256(repr(sorted(words.kinds.items())).encode()).hexdigest()[:12]
    return [
        {
            "id": f"pair-{number:03}",
            "female": woman["identity"],
            "male": man["identity"],
            "female_prompt": woman["prompt"],
            "male_prompt": man["prompt"],
            "neutral_prompt": woman["raw"].replace("[I]", PERSON[woman["number"]]).partition("[M]")[0].strip(),
            "template": woman["raw"],
            "male_template": man["raw"],
            "type": woman["type"],
            "compared": "yes" if _comparable(woman, man) else "no",
            "hurtlex": stamp,
            "source": source,
        }
        for number, (woman, man) in enumerate(zip(female, male, strict=True))
    ]


def _place(row: dict[str, str]) -> tuple[str, str]:
    return row["type"], row["number"]


def _comparable(woman: dict[str, str], man: dict[str, str]) -> bool:
    """Whether the two differ in gender alone: not all do in the published file."""
    words = set(normalised(f"{woman['identity']} {man['identity']}").split())
    return woman["raw"] == man["raw"] and not NOT_GENDERED & words
