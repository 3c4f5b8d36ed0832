"""``audit new-probe``: a small package with a probe that works, to be rewritten into one's own."""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from typing import Annotated

import typer
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from audit.commands.ends import USAGE, stop
from audit.results import write_text
from probes.registry import find_probes

TEMPLATES = Path(__file__).parents[1] / "templates" / "probe"
LONGEST = 80  # its files carry it
_NAME = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")


def new_probe_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Risk and name of the probe, such as acme.colours.")],
    output: Annotated[Path | None, typer.Option(help="The package's folder; <risk>-<name> by default.")] = None,
) -> None:
    """Write a package with a probe of your own to begin from.

    Example: audit new-probe acme.colours
    """
    wrong = name_problem(name)
    if wrong:
        stop(wrong, USAGE)
    folder = output or Path(name.replace(".", "-").replace("_", "-"))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        stop(f"{folder} is there already, and nothing is overwritten; name another folder with --output.", USAGE)
    for path, text in package(name).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        write_text(folder / path, text)
        print(f"Wrote {folder / path}")
    print(f"Next: pip install -e {folder} && pytest {folder}, then write your own question into it.")


def name_problem(name: str) -> str | None:
    """Why a probe cannot have that name, in one sentence; None where it can."""
    if len(name) > LONGEST:
        return f"{name[:40]}... is too long for a name of a probe; at most {LONGEST} characters."
    if not _NAME.fullmatch(name):
        return f"{name[:80]!r} is no name of a probe; it is <risk>.<name> in small letters, digits and _, such as acme.colours."
    reserved = next((part for part in name.split(".") if keyword.iskeyword(part)), None)
    if reserved is not None:
        return f"{reserved} is a word of Python's own; take another name."
    if name.startswith("custom."):
        return "Names that begin with custom. are those of YAML files; take another word before the point."
    return f"There is a probe {name} already; take another name." if name in find_probes() else None


def package(name: str) -> dict[str, str]:
    """The files of the package by their paths, as text; ``name`` must have passed ``name_problem``."""
    risk, _, module = name.partition(".")
    package_name = f"{risk}_{module}_probe"  # its own: two packages with one name would hide each other
    words = {
        "id": name,
        "risk": risk,
        "module": module,
        "package": package_name,
        "distribution": name.replace(".", "-").replace("_", "-") + "-probe",
        # No name that the module imports ends so: a probe acme.finding is no Finding.
        "kind": "".join(part.capitalize() for part in module.split("_")) + "Probe",
    }
    # Marks of its own, as the files hold braces; they are no pages, so that nothing is to be escaped.
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        variable_start_string="<<",
        variable_end_string=">>",
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    files = {
        "pyproject.toml": "pyproject.toml.j2",
        f"{package_name}/{module}.py": "module.py.j2",
        f"{package_name}/{module}.jsonl": "items.jsonl.j2",
        f"tests/test_{module}.py": "test.py.j2",
        f"docs/{module}.md": "page.md.j2",
    }
    plain = {f"{package_name}/__init__.py": f'"""Probes of {risk}."""\n', f"{package_name}/py.typed": ""}
    return plain | {path: environment.get_template(file).render(words) for path, file in files.items()}
