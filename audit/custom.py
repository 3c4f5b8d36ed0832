"""The custom probes of a config: their files read and checked whole, and added to the probes that are installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from audit.complaints import sentences
from audit.config import CUSTOM, AuditConfig, ConfigError, Problem, custom_files, load_config
from audit.corpora import Item, ItemsError
from audit.planning import catalogue, options_for
from audit.yamlfile import Document, Location, closest, did_you_mean, escaped, place_name, quoted, read_yaml
from probes.base import Probe
from probes.custom import Definition, custom_probe, file_rows, made_items
from probes.custom.fill import fields_of
from probes.custom.findings import way_of
from probes.custom.judged import Labelled, labelled_cases
from probes.custom.kinds import CustomProbe, no_judge
from probes.custom.source import Table, inline_rows
from probes.registry import find_probes

MOST_TOLD = 20  # rows of one file about which something is said


def configured(path: Path) -> tuple[AuditConfig, dict[str, type[Probe]]]:
    """A checked config, and all probes that it can run: those installed, and those of its own files.

    Raises:
        ConfigError: with every mistake in the config and in the files that it names.
        ProbeError: where an installed probe cannot be used.
    """
    installed = find_probes()
    made, problems = _custom(read_yaml(path, []))
    known = dict(sorted({**installed, **made}.items()))
    try:
        config = load_config(path, catalogue(known))
    except ConfigError as error:
        # What names a probe whose own file is broken is not a second mistake.
        broken = bool(problems)
        others = [p for p in error.problems if not (broken and str(p.location[1:2]).startswith(f"('{CUSTOM}."))]
        raise ConfigError(path, [*others, *problems]) from None
    problems += [p for name, kind in made.items() for p in _unread(config, name, kind, known)]
    if problems:
        raise ConfigError(path, problems)
    return config, known


def known_probes(config: AuditConfig) -> dict[str, type[Probe]]:
    """All probes that a checked config can run, such as that of a manifest: those installed, and those of its own files.

    Raises:
        ConfigError: where one of these files is not there any more, or is wrong.
    """
    own = [read_definition(Path(file).expanduser()) for file in custom_files(config.probes.get(CUSTOM))]
    return {**find_probes(), **{kind.id: kind for kind in own}}


def read_definition(path: Path) -> type[Probe]:
    """The probe of one file.

    Raises:
        ConfigError: with every mistake in the file and in its items.
    """
    problems: list[Problem] = []
    document = read_yaml(path, problems)
    found: list[Problem] = []
    definition = None
    try:
        definition = Definition.model_validate(document.data)
    except ValidationError as error:
        found += sentences(error, Definition, document.data)
    made: tuple[list[Item] | None, list[Labelled]] = None, []
    if definition is not None:
        try:
            found += [*_braces(definition)]
            if not found:
                made, told = _rows(definition, path.parent, path.name)
                found += told
        except ItemsError as error:
            found.append(Problem(str(error).rstrip("."), location=("items",)))
    problems += [Problem(p.message, document.line(p.location), p.location) for p in found]
    if problems or definition is None:
        raise ConfigError(path, problems)
    return custom_probe(definition, made[0], made[1], path.name)


def understood(known: Mapping[str, type[Probe]]) -> list[str]:
    """What was understood of the custom probes, in a sentence each."""
    return [_understood(kind) for kind in known.values() if issubclass(kind, CustomProbe)]


def _understood(kind: type[CustomProbe]) -> str:
    definition = kind.definition
    items = f"items of {definition.items.hub}" if definition.items.hub else f"{len(kind.rows()):,} items"
    wordings = len(definition.prompts)
    asked = "whole texts" if not wordings else "one wording" if wordings == 1 else f"{wordings} wordings"
    groups = f", groups by {quoted(definition.groups.column)[1:-1]}" if definition.groups else ""
    judged = "judged" if definition.problem else "only described"
    return f"{kind.id}: {items}, {asked}, scored by {way_of(definition)} ({kind.id}.{kind.metrics[0].name}, {judged}){groups}."


def probe_schema() -> dict[str, Any]:
    """The JSON Schema of a custom probe's file, for editors; with the short forms of items, prompts and groups."""
    found = Definition.model_json_schema()
    fields = found["properties"]
    fields["items"] = {"anyOf": [fields["items"], {"type": "string"}, {"type": "array", "items": {"type": "object"}}]}
    fields["prompts"] = {"anyOf": [fields["prompts"], {"type": "string"}]}
    fields["groups"]["anyOf"].append({"type": "string"})
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found, "title": "A custom probe"}


def _custom(document: Document) -> tuple[dict[str, type[Probe]], list[Problem]]:
    """The probes of the files that a config names, and what is wrong with these files."""
    chosen = document.data.get("probes")
    named = chosen.get(CUSTOM) if isinstance(chosen, dict) else None
    made: dict[str, type[Probe]] = {}
    problems: list[Problem] = []
    whole: Location = ("probes", CUSTOM)
    listed = isinstance(named, list)
    files: list[Any] = named if isinstance(named, list) and named else custom_files(named)
    if isinstance(chosen, dict) and CUSTOM in chosen and not files:
        told = f"probes.{CUSTOM} must be the file of a custom probe, or a list of such files"
        problems.append(Problem(told, document.line(whole), whole))
    for number, file in enumerate(files):
        place: Location = (*whole, number) if listed else whole
        if not (isinstance(file, str) and file):
            told = f"probes.{CUSTOM}.{number} must be the file of a custom probe"
            problems.append(Problem(told, document.line(place), place))
            continue
        try:
            kind = read_definition(Path(file).expanduser())
        except ConfigError as error:
            problems += [Problem(p.message, p.line, p.location, str(error.path)) for p in error.problems]
            continue
        if kind.id in made:
            told = f"two files define a probe {kind.id}; give one of them another name"
            problems.append(Problem(told, document.line(place), place))
        made[kind.id] = kind
    return made, problems


def _braces(definition: Definition) -> Iterator[Problem]:
    try:
        list(definition.places())
    except ValueError:
        for where, text in definition.texts():
            yield from _brace(where, text)


def _brace(where: Location, text: str) -> Iterator[Problem]:
    try:
        fields_of(text)
    except ValueError as error:
        yield Problem(f"{place_name(where)}: {error}", location=where)


def _rows(
    definition: Definition, folder: Path, name: str
) -> tuple[tuple[list[Item] | None, list[Labelled]], list[Problem]]:
    """Items and labelled cases of a definition, and what is wrong with them; those of the hub are read when they are needed."""
    problems: list[Problem] = []
    labelled: list[Labelled] = []
    way = definition.score.judge
    if way is not None and way.labelled is not None:
        try:
            labelled = labelled_cases(way, way.labelled, _table(way.labelled.rows, way.labelled.file, folder, name))
        except ItemsError as error:
            problems.append(Problem(str(error).rstrip("."), location=("score", "judge", "labelled")))
    if definition.items.hub is not None:
        return (None, labelled), problems
    table = _table(definition.items.rows, definition.items.file, folder, name)
    missing = [(where, field) for where, field in definition.places() if field not in table.columns]
    for where, field in missing:
        there = ", ".join(quoted(column, 30)[1:-1] for column in table.columns[:12])
        hint = did_you_mean(closest(field, table.columns)) or f"; there are {there}"
        problems.append(
            Problem(f"{place_name(where)}: {table.name} has no column {quoted(field)}{hint}", location=where)
        )
    if missing:
        return (None, labelled), problems
    made = made_items(definition, table)
    told = [escaped(complaint) for complaint in made.complaints]
    if len(told) > MOST_TOLD:
        told = [*told[:MOST_TOLD], f"{table.name}: {len(told) - MOST_TOLD} more rows cannot be used"]
    return (made.items, labelled), problems + [Problem(complaint, location=("items",)) for complaint in told]


def _table(rows: list[Any] | None, file: str | None, folder: Path, name: str) -> Table:
    if file is not None:
        return file_rows(folder / Path(file).expanduser())
    return inline_rows(rows or [], name)


def _unread(config: AuditConfig, name: str, kind: type[Probe], known: Mapping[str, type[Probe]]) -> Iterator[Problem]:
    """A probe whose answers nothing reads."""
    try:
        options = options_for(catalogue(known)[name], config, name)
    except ValidationError:
        return  # said when the options are checked, or when the audit is planned
    if issubclass(kind, CustomProbe) and kind.without_judge(options):
        yield Problem(no_judge(name).rstrip("."))
