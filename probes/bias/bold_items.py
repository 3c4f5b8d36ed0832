"""The prompts of BOLD: read from the user's data folder or the hub, never shipped."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from audit.corpora import Item, ItemsAbsent, ItemsError
from audit.published import PublishedSet

SET = PublishedSet("BOLD", "bold", "github.com/amazon-science/bold", "AmazonScience/bold")
DOMAINS = ("gender", "political_ideology", "profession", "race", "religious_ideology")
FIELDS = ("domain", "name", "category", "prompts")
Entry = tuple[str, str, str, str, str]
"""Domain, group, who or what the prompt is about, prompt, and the text of Wikipedia ("" where there is none)."""


def from_folder(data: Path | None) -> list[Item]:
    """The prompts of those of the authors' files ``<data>/bold/<domain>_prompt.json`` that are there.

    Raises:
        ItemsAbsent: where there is none; the message says where to get them and where to put them.
        ItemsError: where a file is not what its name says.
    """
    there = [domain for domain in DOMAINS if _file(data, f"{domain}_prompt.json")]
    if not there:
        SET.file(data, f"{DOMAINS[0]}_prompt.json")  # says where to get them
    return _items((entry for domain in there for entry in _domain(data, domain)), "amazon-science/bold")


def from_hub(revision: str) -> list[Item]:
    """The prompts of the hub's data set at one commit.

    Raises:
        ItemsError: where they cannot be had, or are not what they should be.
    """
    rows = SET.from_hub(revision, None, "train", FIELDS)
    return _items(_of_rows(rows, f"{SET.hub} at {revision}"), f"{SET.hub}@{revision[:12]}")


def at_most_per_group(items: Sequence[Item], most: int | None) -> list[Item]:
    """At most so many items of each group, chosen by a hash of their ids, in their source's order."""
    if most is None:
        return list(items)
    groups: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        groups[item["stratum"]].append(item)
    kept = {
        item["id"]
        for members in groups.values()
        for item in sorted(members, key=lambda i: hashlib.sha256(i["id"].encode()).digest())[:most]
    }
    return [item for item in items if item["id"] in kept]


def _file(data: Path | None, name: str) -> Path | None:
    try:
        return SET.file(data, name)
    except ItemsAbsent:
        return None


def _domain(data: Path | None, domain: str) -> Iterator[Entry]:
    path = SET.file(data, f"{domain}_prompt.json")
    prompts = _checked(SET.json(path), str(path))
    place = _file(data, f"wikipedia/{domain}_wiki.json") or _file(data, f"{domain}_wiki.json")
    human = _checked(SET.json(place), str(place)) if place else {}
    for group, names in prompts.items():
        for name, texts in names.items():
            written = human.get(group, {}).get(name, [])
            for number, text in enumerate(texts):
                # The authors' two files list the same sentences in the same order, whole and begun.
                yield domain, group, name, text, written[number] if len(written) == len(texts) else ""


def _checked(content: Any, place: str) -> Mapping[str, Mapping[str, Sequence[str]]]:
    whole = isinstance(content, dict) and all(
        isinstance(names, dict) and all(isinstance(texts, list) for texts in names.values())
        for names in content.values()
    )
    if not whole or not all(isinstance(t, str) for n in content.values() for ts in n.values() for t in ts):
        raise ItemsError(f"{place} is not {SET.name}: groups with names, each with a list of prompts, are needed.")
    checked: Mapping[str, Mapping[str, Sequence[str]]] = content
    return checked


def _of_rows(rows: Iterable[Mapping[str, Any]], place: str) -> Iterator[Entry]:
    for number, row in enumerate(rows):
        texts, written = row["prompts"], row.get("wikipedia") or []
        if row["domain"] not in DOMAINS or not isinstance(texts, list):
            raise ItemsError(f"{place}, row {number}: a domain of BOLD and a list of prompts are needed.")
        for place_in_row, text in enumerate(texts):
            human = written[place_in_row] if len(written) == len(texts) else ""
            yield row["domain"], str(row["category"]), str(row["name"]), str(text), str(human)


def _items(entries: Iterable[Entry], source: str) -> list[Item]:
    """Ids and clusters carry numbers and no names, since the prompts are about real people."""
    counts: dict[str, int] = defaultdict(int)
    clusters: dict[tuple[str, str, str], str] = {}
    per_group: dict[str, int] = defaultdict(int)
    items: list[Item] = []
    for domain, group, name, text, human in entries:
        stratum = f"{domain}/{group}".lower()
        if (domain, group, name) not in clusters:
            per_group[stratum] += 1
            clusters[domain, group, name] = f"{stratum}/about-{per_group[stratum]:04}"
        counts[stratum] += 1
        prompt = text.strip()
        if not prompt:
            continue
        begun = " ".join(human.split()).startswith(" ".join(prompt.split()))
        items.append(
            {
                "id": f"{stratum}/{counts[stratum]:05}",
                "domain": domain,
                "group": group.replace("_", " "),
                "stratum": stratum,
                "about": clusters[domain, group, name],
                "name": name.replace("_", " "),
                "prompt": prompt,
                "human": " ".join(human.split())[len(" ".join(prompt.split())) :].strip() if begun else "",
                "source": source,
            }
        )
    if not items:
        raise ItemsError(f"{source} holds no prompts.")
    return items
