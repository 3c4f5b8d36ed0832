"""Writes the parts of the documentation that the code knows: facts of each probe, and the keys of model.yaml.

What stands between the markers of a page comes from the classes; what stands around them is written by hand and is
kept. ``--check`` writes nothing and ends with status 1 where a page is missing, out of date, or of no probe.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from audit.config import AuditConfig, GateConfig, JudgeConfig, ModelConfig, RunConfig
from audit.corpora import ItemsAbsent
from audit.declared import CardConfig, EvidenceConfig, ImpactConfig, Statement
from probes.base import Probe, Suite
from probes.registry import find_probes

DOCS = Path(__file__).parent
BEGIN, END = "<!-- generated -->", "<!-- end generated -->"
NOTE = "<!-- Written by docs/probe_pages.py; change the code instead. -->"
SUITES: tuple[Suite, ...] = get_args(Suite)
DIRECTIONS = {
    "lower_is_better": "lower is better",
    "higher_is_better": "higher is better",
    "zero_is_better": "closer to zero is better",
    "descriptive": "describes, does not judge",
}
NEEDS = {
    "score": "score a given text (log-likelihood)",
    "generate": "write text",
    "classify": "give class probabilities",
    "embed": "give a vector for a text",
    "infill": "predict masked words of a text",
    "attention": "give attention weights",
    "cross_attention": "give an encoder's attention and the decoder's to it",
    "tabulate": "come with a table of cases",
    "predict": "predict the classes of these cases",
    "distribution": "say how likely every token of its vocabulary is at each place of a text",
    "files": "show the files that it is loaded from",
    "time": "be timed on the machine of the audit",
    "attribute": "be asked again with words left out",
    "gradient": "be followed back from an answer to the words by its gradients",
    "states": "show and exchange what its layers hold",
}
_LINKS = (
    (re.compile(r"arXiv:(\d{4}\.\d{4,5})"), r"[arXiv:\1](https://arxiv.org/abs/\1)"),
    (re.compile(r"doi:(10\.\d+/[\w./-]*\w)"), r"[doi:\1](https://doi.org/\1)"),
)
_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
}


def cell(text: str) -> str:
    """Text that stays in one cell of a table and holds no HTML."""
    return " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace("|", "&#124;")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table and an empty one."""
    return ["| " + " | ".join(cells) + " |" for cells in (header, ["---"] * len(header), *rows)] + [""]


def linked(text: str) -> str:
    """Text with its arXiv and DOI numbers as links."""
    for pattern, link in _LINKS:
        text = pattern.sub(link, text)
    return text


def key_table(kind: type[BaseModel]) -> list[str]:
    """The keys of a block: what each takes, its default and its meaning."""
    schema = kind.model_json_schema()
    required = schema.get("required", [])
    rows = []
    for name, field in schema["properties"].items():
        default = "required" if name in required else f"`{json.dumps(field.get('default'))}`"
        title = field.get("title", "")
        asked = f"{title} " if title.endswith("?") else ""  # any other title is the key again
        meaning = cell(asked + field.get("description", ""))
        rows.append([f"`{name}`", takes(field), default.replace("`null`", "none"), meaning])
    return table(["Key", "Takes", "Default", "Meaning"], rows)


def takes(field: dict[str, Any]) -> str:
    """What may be written for a key, in words."""
    if "anyOf" in field:
        return " or ".join(takes(branch) for branch in field["anyOf"] if branch.get("type") != "null")
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    kind = field.get("type", "")
    if kind == "array":
        return f"list of {takes(field['items'])}"
    names = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true`, `false`"}
    bounds = [words.format(f"{field[key]:g}") for key, words in _BOUNDS.items() if key in field]
    return ", ".join([names.get(kind, "block"), *bounds])


def drawn(probe: type[Probe], available: int | None) -> dict[Suite, int | str]:
    """How many items each suite draws; of the user's own as many as there are, up to a number."""
    sizes = {suite: probe.sizes[suite] for suite in SUITES}
    if available is None:
        return {suite: "all" if size is None else f"at most {size}" for suite, size in sizes.items()}
    return {suite: available if size is None else min(size, available) for suite, size in sizes.items()}


def held(probe: type[Probe]) -> int | None:
    """How many items its source holds; published ones are not here to be counted. None where they are the user's own."""
    if probe.published is not None:
        return probe.published
    try:
        return len(probe().items(None))
    except ItemsAbsent:
        return None


def probe_facts(probe: type[Probe]) -> list[str]:
    """What the class of a probe says about it."""
    available = held(probe)
    sizes = ", ".join(f"{suite} {size}" for suite, size in drawn(probe, available).items())
    spread = f", spread over `{probe.stratum}`" if probe.stratum else ""
    facts = [
        ["Id", f"`{probe.id}`"],
        ["Risk", cell(probe.risk)],
        ["Purpose", cell(probe.purpose)],
        ["Method", cell(probe.method)],
        ["Citation", linked(cell(probe.citation))],
        ["What it does not show", cell(probe.limits)],
        ["Items", cell(probe.source) + ("" if available is None else f": {available}")],
        ["Licence of the items", cell(probe.licence)],
        [
            "Needs a model that can",
            (" or " if probe.either else "; ").join(NEEDS[need] for need in sorted(probe.needs(probe.options()))),
        ],
        ["Items drawn by suite", f"{sizes}{spread}"],
    ]
    if probe.follows:
        facts.append(["Uses what was found by", ", ".join(f"`{name}`" for name in probe.follows)])
    metrics = [
        [f"`{probe.id}.{m.name}`", cell(m.label), f"{cell(m.unit)}; {DIRECTIONS[m.direction]}", cell(m.meaning)]
        for m in probe.metrics
    ]
    return [
        *table(["About", probe.title], facts),
        *("## Metrics", "", *table(["Metric", "Name on the card", "Unit and direction", "Meaning"], metrics)),
        *("## Options", "", f"Under `probes:` → `{probe.id}:` in `model.yaml`.", "", *key_table(probe.options)),
    ]


def overview(probes: Iterable[type[Probe]]) -> list[str]:
    """One row a probe."""
    rows = []
    for probe in probes:
        sizes = " / ".join(str(size) for size in drawn(probe, held(probe)).values())
        rows.append([f"[`{probe.id}`]({probe.id}.md)", cell(probe.title), cell(probe.purpose), sizes])
    return table(["Probe", "Title", "What it asks", "Items: quick / standard / full"], rows)


def config_facts(probes: Iterable[type[Probe]]) -> list[str]:
    """Every key of model.yaml, block by block."""
    fields = {name: cell(field.description or "") for name, field in AuditConfig.model_fields.items()}
    default = AuditConfig.model_fields["suite"].default
    suite = f"One of {takes(AuditConfig.model_json_schema()['properties']['suite'])}; default `{default}`."
    options = [
        [f"[`{probe.id}`](probes/{probe.id}.md)", ", ".join(f"`{name}`" for name in probe.options.model_fields)]
        for probe in probes
    ]
    own = "[A probe of your own](custom-probes.md)"
    options += [
        ["`custom`", f"{own}: its file, or a list of such files. All of their probes run."],
        ["`custom.<name>`", "`limit`, and of a probe whose answers a judge reads those of judges"],
    ]
    return [
        *("## `model`", "", fields["model"] + " Required.", "", *key_table(ModelConfig)),
        *(
            "## `card`",
            "",
            f"{fields['card']} See [What the owner declares](declarations.md).",
            "",
            *key_table(CardConfig),
        ),
        *("A block in place of text has these keys:", "", *key_table(Statement)),
        *("`evidence` has at least `link` or `sha256`:", "", *key_table(EvidenceConfig)),
        *(
            "### `card.impact`",
            "",
            cell(CardConfig.model_fields["impact"].description or ""),
            "",
            *key_table(ImpactConfig),
        ),
        *("## `judges`", "", fields["judges"], "", *key_table(JudgeConfig)),
        *("## `suite`", "", f"{fields['suite']} {suite}", ""),
        *("## `probes`", "", fields["probes"], "", *table(["Probe", "Options"], options)),
        *("## `gates`", "", f"{fields['gates']} Each gate holds at least one of:", "", *key_table(GateConfig)),
        *("## `run`", "", fields["run"], "", *key_table(RunConfig)),
    ]


def pages() -> dict[Path, tuple[str, list[str]]]:
    """Path to (title for a new page, generated lines). Probes of other packages are not ours to describe."""
    probes = [probe for probe in find_probes().values() if probe.__module__.startswith("probes.")]
    found = {DOCS / "probes" / f"{probe.id}.md": (probe.title, probe_facts(probe)) for probe in probes}
    found[DOCS / "probes" / "index.md"] = ("Probes", overview(probes))
    found[DOCS / "model-yaml.md"] = ("model.yaml", config_facts(probes))
    return found


def renewed(text: str | None, title: str, lines: Sequence[str], note: str = NOTE) -> str:
    """The page with its generated part replaced, or a new page.

    Raises:
        ValueError: where the page lacks its markers.
    """
    block = "\n".join([BEGIN, note, "", *lines]).rstrip() + f"\n\n{END}"
    if text is None:
        return f"# {title}\n\n{block}\n"
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page must hold the lines {BEGIN} and {END}")
    return before + block + after


def write_or_check(
    about: str | None, wanted: Mapping[Path, tuple[str, Sequence[str]]], note: str = NOTE, others: Iterable[Path] = ()
) -> int:
    """Write the generated parts of pages, or with ``--check`` only say which are not right; the exit status.

    ``wanted``: a page's title and lines by its path; ``others``: pages that should not be there.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 where a page is not right")
    check = parser.parse_args().check
    problems = []
    for path, (title, lines) in sorted(wanted.items()):
        text = path.read_text(encoding="utf-8") if path.exists() else None
        try:
            new = renewed(text, title, lines, note)
        except ValueError as error:
            problems.append(f"{path}: {error}")
            continue
        if new == text:
            continue
        if check:
            problems.append(f"{path} is {'missing' if text is None else 'out of date'}; run {Path(sys.argv[0]).name}")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(new, encoding="utf-8")
            print(f"wrote {path}")
    problems += [f"{path} is the page of no probe" for path in others]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def main() -> int:
    """Write or check all pages; the exit status."""
    wanted = pages()
    others = [path for path in sorted((DOCS / "probes").glob("*.md")) if path not in wanted]
    return write_or_check(__doc__, wanted, others=others)


if __name__ == "__main__":
    raise SystemExit(main())
