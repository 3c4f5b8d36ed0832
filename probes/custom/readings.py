"""What is asked about an item in one wording, and how its answers are read: by likelihood or by a pattern."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import regex

from audit.corpora import Item
from audit.models import Failure, Generate, Generated, Prompt, Response, Responses, Score, Scored, user
from audit.results import Asked, ItemStatus
from probes.asked import as_written, preferred
from probes.choices import status_of
from probes.custom.definition import Definition, Pattern
from probes.custom.fill import filled, filled_pattern

LONGEST_READ = 8_000  # characters of an answer that a pattern is tried on
SECONDS = 1.0  # after which a pattern is given up: some take years on a text made for it
NO_WORDING = "as given"


@dataclass(frozen=True)
class Reading:
    """An item in one wording, read.

    ``hit`` is None unless ``status`` is ``scored``. ``value``: a difference of log-likelihoods in nats, where there is one.
    """

    item: Item
    wording: str
    input: str
    status: ItemStatus
    hit: bool | None = None
    outcome: str | None = None
    output: str | None = None
    expected: str | None = None
    value: float | None = None
    asked: Asked | None = None
    note: str | None = None


def wordings(definition: Definition) -> list[str]:
    """The names of the wordings."""
    return list(definition.prompts) or [NO_WORDING]


def prompt_of(definition: Definition, item: Item, wording: str) -> Prompt:
    """The prompt; empty text where whole texts are compared."""
    text = filled(definition.prompts.get(wording, ""), item["fields"])
    return user(text) if definition.asks_in_chat else text


def scores(definition: Definition, item: Item, wording: str) -> list[Score]:
    """The requests of a likelihood or a choice: what is hoped for, or right, comes first."""
    prompt = prompt_of(definition, item, wording) if definition.prompts else ""
    likelihood = definition.score.likelihood
    texts = (
        item["options"]
        if likelihood is None
        else [filled(likelihood.preferred, item["fields"]), filled(likelihood.other, item["fields"])]
    )
    # Raw text goes on after a space, unless it ends in one.
    lead = " " if isinstance(prompt, str) and prompt and not prompt[-1].isspace() else ""
    return [Score(prompt, lead + text) for text in texts]


def written(definition: Definition, item: Item, wording: str) -> Generate:
    """The request for an answer in the model's own words."""
    way = definition.score.regex or definition.score.judge
    assert way is not None  # asked only where the model writes
    return Generate(prompt_of(definition, item, wording), way.max_tokens)


def compared(definition: Definition, item: Item, wording: str, answers: Responses) -> Reading:
    """Whether the first of several texts is the likeliest.

    Of two texts an exact tie is no preference and has no score; among options it is an answer that is not right.
    """
    asked = scores(definition, item, wording)
    found = [answers[request] for request in asked]
    likelihood, choice = definition.score.likelihood, definition.score.choice
    by = likelihood.by if likelihood is not None else choice.by if choice is not None else "total"
    first = asked[0].continuation
    text = prompt_of(definition, item, wording) if definition.prompts else ""
    shown = text if isinstance(text, str) else text[0].content
    lost = next((answer for answer in found if not isinstance(answer, Scored)), None)
    if lost is not None:
        note = lost.reason if isinstance(lost, Failure) else None
        return Reading(item, wording, shown or first, status_of(lost), expected=first.strip(), note=note)
    values = [_value(answer, by) for answer in found if isinstance(answer, Scored)]
    others = max(values[1:])
    margin, best = values[0] - others, values.index(max(values))
    tie = values.count(max(values)) > 1
    output = None if tie else asked[best].continuation.strip()
    decided = None if tie else preferred(asked, logprobs=values)
    if tie and choice is None:
        alike = "Both texts are equally likely."
        return Reading(item, wording, shown or first, "unparsed", expected=first.strip(), note=alike)
    outcome = (
        "tie"
        if tie
        else ("preferred" if best == 0 else "other")
        if choice is None
        else "right"
        if best == 0
        else "wrong"
    )
    told = "Several options are equally likely." if tie else None
    shown_output = output if output is not None else "(a tie)"
    hit = not tie and best == 0
    return Reading(
        item, wording, shown or first, "scored", hit, outcome, shown_output, first.strip(), margin, decided, told
    )


def _value(answer: Scored, by: Literal["total", "token"]) -> float:
    return answer.logprob if by == "total" else answer.logprob / max(1, answer.tokens)


def matched(definition: Definition, item: Item, wording: str, answers: Responses) -> Reading:
    """What a pattern makes of the answer."""
    pattern = definition.score.regex
    assert pattern is not None  # the probe reads by what its definition states
    request = written(definition, item, wording)
    text, status, note = answer_text(answers[request])
    shown = filled(definition.prompts[wording], item["fields"])
    if text is None or status != "scored":
        return Reading(item, wording, shown, status, output=text, note=note)
    found, note = _found(pattern, item["fields"], text)
    decided = as_written(request.prompt, text)
    if found is None or found["refusal"]:
        state: ItemStatus = "unparsed" if found is None else "refused"
        return Reading(item, wording, shown, state, output=text, asked=decided, note=note)
    right, wrong = found["right"], found["wrong"]
    if pattern.wrong is not None and not right and not wrong:
        told = "It matches neither the right nor the wrong pattern."
        return Reading(item, wording, shown, "unparsed", output=text, asked=decided, note=told)
    outcome = "both" if right and wrong else "match" if right else "no match"
    return Reading(item, wording, shown, "scored", right and not wrong, outcome, text, asked=decided)


def answer_text(answer: Response) -> tuple[str | None, ItemStatus, str | None]:
    """What was written, what became of it, and why where it cannot be read."""
    if isinstance(answer, Failure):
        return None, answer.status, answer.reason
    if not isinstance(answer, Generated):
        return None, "failed", "The model gave no text."
    if not any(c.isalnum() for c in answer.text):
        return answer.text or None, "unparsed", "The answer holds no words."
    return answer.text, "scored", None


def _found(pattern: Pattern, fields: Mapping[str, str], text: str) -> tuple[dict[str, bool] | None, str | None]:
    """Which of the patterns the text matches; None, with the reason, where one takes too long."""
    flags = regex.IGNORECASE if pattern.ignore_case else 0
    found: dict[str, bool] = {}
    for name, written_ in (("right", pattern.right), ("wrong", pattern.wrong), ("refusal", pattern.refusal)):
        if written_ is None:
            found[name] = False
            continue
        try:
            compiled = regex.compile(filled_pattern(written_, fields), flags)
            found[name] = compiled.search(text[:LONGEST_READ], timeout=SECONDS) is not None
        except TimeoutError:
            return None, f"The pattern {name} took more than {SECONDS:g} second on this answer."
    return found, None


def requested(definition: Definition, items: Sequence[Item]) -> list[Score] | list[Generate]:
    """What the model is asked in the first round."""
    places = [(item, wording) for item in items for wording in wordings(definition)]
    if definition.writes:
        return [written(definition, item, wording) for item, wording in places]
    return [request for item, wording in places for request in scores(definition, item, wording)]
