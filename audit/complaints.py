"""What pydantic says of a config, in one plain sentence for each place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from audit.yamlfile import Location, Problem, closest, did_you_mean, escaped, place_name, quoted, shown

DEVICE = r"^(auto|cpu|mps|cuda(:[0-9]+)?)$"
_PATTERNS = {DEVICE: '"auto", "cpu", "mps", "cuda" or one such as "cuda:0"'}
SECRET = re.compile(
    r"(^|[_-])(api[_-]?key|token|password|passwd|secret|credentials?|(access|private|secret)[_-]?key)($|[_-])", re.I
)
# In an address anything that may be one: ?key= of Google, ?code= of Azure, ?subscription-key=, ?sig=.
QUERY_SECRET = re.compile(r"key|token|passw|pwd|secret|credential|auth|sig|code", re.I)
NO_SECRETS = "keys come from the environment, never from this file"
_EXPECTED = {
    **dict.fromkeys(("int_type", "int_from_float"), "a whole number"),
    **dict.fromkeys(("dict_type", "model_type"), "a block of keys"),
    **dict.fromkeys(("list_type", "tuple_type", "set_type", "frozen_set_type"), "a list"),
    **dict.fromkeys(("literal_error", "enum"), "{expected}"),
    "string_type": "text",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "none_required": "empty",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "multiple_of": "a multiple of {multiple_of}",
    "string_too_short": "text of {min_length} or more characters",
    "string_too_long": "text of {max_length} or fewer characters",
    "too_short": "a list of {min_length} or more items",
    "too_long": "a list of {max_length} or fewer items",
    "string_pattern_mismatch": "text of the form {pattern}",
}


def sentences(
    error: ValidationError, kind: type[BaseModel], data: dict[str, Any], prefix: Location = ()
) -> Iterator[Problem]:
    """One problem for each place with a mistake; ``prefix`` is where ``data`` stands in the file."""
    places: dict[Location, list[ErrorDetails]] = {}
    meant: set[Location] = set()
    for place, details in _placed(error, data):
        if details["type"] == "extra_forbidden":
            block, key = place[:-1], str(details["loc"][-1])
            known = _keys(kind, block)
            match = closest(key, known)
            meant |= {(*block, match)} if match else set()
            yield Problem(_unknown_key(key, (*prefix, *block), known, match), location=(*prefix, *place))
        else:
            places.setdefault(place, []).append(details)
    for place, errors in places.items():
        missing = [str(details["loc"][-1]) for details in errors if details["type"] == "missing"]
        others = [details for details in errors if details["type"] != "missing"]
        where = (*prefix, *place)
        # A key that is only misspelt is not also missing.
        for key in (key for key in missing if (*place, key) not in meant):
            yield Problem(f"the key {quoted(key)} is missing{_inside(where)}", location=where)
        if others:
            yield Problem(f"{place_name(where) or 'the file'}{_complaint(others)}", location=where)


def _placed(error: ValidationError, data: Any) -> list[tuple[Location, ErrorDetails]]:
    """The errors by their place in the file.

    pydantic puts the names of a union's branches into its locations and reports every branch. Where the value got
    further into one branch (it is a list, but an item is wrong), the other branches say nothing of use.
    """
    found: list[tuple[Location, Location | None, int, ErrorDetails]] = []
    depths: dict[Location | None, int] = {}
    for details in error.errors(include_url=False):
        place: Location = ()
        union: Location | None = None
        value = data
        for part in details["loc"][:-1] if details["type"] == "missing" else details["loc"]:
            known = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
            if part in known:
                value, place = value[part], (*place, part)
            elif union is None:
                union = place
        # A block that lacks a key was read as a block, one step further than its place.
        depth = len(place) + (details["type"] == "missing")
        found.append((place, union, depth, details))
        depths[union] = max(depths.get(union, 0), depth)
    return [(place, details) for place, union, depth, details in found if union is None or depth == depths[union]]


def _block(kind: Any) -> type[BaseModel] | None:
    """The first block type in an annotation such as ``dict[str, Block] | None``."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    return next(filter(None, map(_block, get_args(kind))), None)


def _keys(kind: type[BaseModel], location: Location) -> list[str]:
    """The keys that the block at ``location`` below ``kind`` may have."""
    block: type[BaseModel] | None = kind
    for part in location:
        # What is no key of the block is a key or index of the dict or list that holds it.
        field = block.model_fields.get(str(part)) if block else None
        block = _block(field.annotation) if field else block
    return list(block.model_fields) if block else []


def _inside(block: Location) -> str:
    return f" in {place_name(block)}" if block else ""


def _unknown_key(key: str, block: Location, known: list[str], match: str | None) -> str:
    if SECRET.search(key):
        return f"the key {quoted(key)}{_inside(block)} is not allowed: {NO_SECRETS}"
    choice = "" if match or not known else f"; the keys here are {', '.join(known)}"
    return f"unknown key {quoted(key)}{_inside(block)}{did_you_mean(match)}{choice}"


def _complaint(errors: list[ErrorDetails]) -> str:
    """What is wrong with one value; several errors are the branches of a union."""
    value = errors[0]["input"]
    expected: dict[str, None] = {}
    choices: list[str] = []
    for details in errors:
        context = {k: f"{v:g}" if isinstance(v, float) else v for k, v in details.get("ctx", {}).items()}
        if "error" in context:
            return ": " + escaped(" ".join(str(context["error"]).split()))
        if details["type"] not in _EXPECTED:
            return ": " + escaped(details["msg"].replace("Input should", "this must"))
        words = _PATTERNS.get(context.get("pattern", ""), _EXPECTED[details["type"]])
        expected[words.format(**context).replace("'", '"')] = None
        choices += re.findall(r"'([^']*)'", str(context.get("expected", "")))
    sentence = f" must be {' or '.join(expected)}, {shown(value)}"
    if isinstance(value, str):
        return sentence + did_you_mean(closest(value, choices))
    # A commit of digits alone is read as a number.
    return sentence + ("; put it in quotes" if isinstance(value, int | float) and "text" in expected else "")
