"""A judge's choice among given options, read as what each option stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from audit.models import Classified, Failure, Response
from audit.results import ItemStatus

R = TypeVar("R")


def chosen_option(response: Response, options: Mapping[str, R]) -> tuple[ItemStatus, R | None]:
    """What the likeliest option stands for; a tie is no reading."""
    if isinstance(response, Failure):
        return response.status, None
    if not isinstance(response, Classified):
        return "failed", None
    highest = max(response.probabilities)
    best = [label for label, share in zip(response.labels, response.probabilities, strict=True) if not share < highest]
    return ("scored", options[best[0]]) if len(best) == 1 else ("unparsed", None)
