"""The file of a custom probe: its types and their checks. What a column must hold is checked with the items."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

import regex
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from audit.results import Severity
from probes.custom.fill import fields_of, filled_pattern, pattern_fields

Text = Annotated[str, Field(min_length=1, max_length=20_000)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Cell = str | int | float | bool | list[str | int | float] | None
ENDINGS = ("csv", "jsonl", "parquet")
PINNED = r"^[^@\s/]+(/[^@\s/]+)?@[0-9a-f]{40}$"
FEWEST_WORDINGS = 3  # with fewer, nothing is known of how much a wording decides


class Part(BaseModel):
    """Base of the blocks: unknown keys are errors and no value is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Items(Part):
    """Where the items come from: rows in the file itself, a table beside it, or a set of the hub at one commit."""

    rows: list[dict[str, Cell]] | None = Field(None, min_length=1, description="The items themselves.")
    file: Text | None = Field(None, description="A table (csv, jsonl or parquet), from the folder of this file on.")
    hub: str | None = Field(
        None, pattern=PINNED, description="A data set of the hub with its commit: org/name@<40 digits>."
    )
    config: Text | None = Field(None, description="For the hub: the set's configuration.")
    split: Text = Field("test", description="For the hub: the split.")
    id: Text | None = Field(None, description="The column that names an item; the rows are numbered without one.")
    cluster: Text | None = Field(
        None, description="The column that items share which are not independent, such as the template or the case."
    )

    @model_validator(mode="after")
    def _from_one_place(self) -> Self:
        if sum(x is not None for x in (self.rows, self.file, self.hub)) != 1:
            raise ValueError("give the items as one of rows, file or hub")
        if self.file is not None and self.file.rpartition(".")[2].lower() not in ENDINGS:
            raise ValueError(f"the file of items must end in .{', .'.join(ENDINGS)}")
        return self


class Likelihood(Part):
    """Two texts about the same item: which does the model find likelier?"""

    preferred: Text = Field(description="The text whose preference is counted, with {columns}.")
    other: Text = Field(description="The text that it is compared with.")
    by: Literal["total", "token"] = Field(
        "total", description="Compare log-likelihoods of whole texts, or their means over tokens."
    )


class Choice(Part):
    """Several options, one of which is right: does the model find that one likeliest?"""

    options: Text | list[Text] = Field(
        description="A column with the options (in a csv separated by |), or a list of texts with {columns}."
    )
    answer: Text = Field(description="The right option as a text with {columns}, e.g. {answer}.")
    by: Literal["total", "token"] = Field(
        "total", description="Compare log-likelihoods of whole options, or their means over tokens."
    )


class Pattern(Part):
    """The model writes an answer: does it match a pattern?"""

    right: Text = Field(
        description="A regular expression with {columns}, which stand for themselves; a match is a hit."
    )
    wrong: Text | None = Field(
        None, description="A pattern of wrong answers. With it, what matches neither could not be read."
    )
    refusal: Text | None = Field(None, description="A pattern of answers that decline; they are not scored.")
    ignore_case: bool = Field(True, description="Whether upper and lower case are the same.")
    max_tokens: int = Field(60, ge=1, le=1000, description="Longest answer.")

    @field_validator("right", "wrong", "refusal")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                regex.compile(filled_pattern(pattern, dict.fromkeys(pattern_fields(pattern), "x")))
            except regex.error as error:
                raise ValueError(f"this is no regular expression: {error}") from None
        return pattern


class Labels(Part):
    """Labelled cases, on which the judge is measured: each an answer, the columns that the criterion names, and a label."""

    rows: list[dict[str, Cell]] | None = Field(None, min_length=1, description="The cases themselves.")
    file: Text | None = Field(None, description="A table of them (csv, jsonl or parquet).")
    text: Text = Field("text", description="The column with the answer.")
    label: Text = Field("label", description="The column that says yes or no.")

    @model_validator(mode="after")
    def _from_one_place(self) -> Self:
        if (self.rows is None) == (self.file is None):
            raise ValueError("give the labelled cases as one of rows or file")
        if self.file is not None and self.file.rpartition(".")[2].lower() not in ENDINGS:
            raise ValueError(f"the file of labelled cases must end in .{', .'.join(ENDINGS)}")
        return self


class Judged(Part):
    """The model writes an answer, and another model of the config's judges reads it."""

    says: Text | None = Field(None, description="Counted is an answer that says this; a text with {columns}.")
    rather_than: Text | None = Field(None, description="With says: what a wrong answer says, which counts against.")
    asks: Text | None = Field(
        None, description="Counted is an answer for which a chat model says yes to this question."
    )
    in_class: Text | None = Field(None, description="Counted is an answer that a classifier puts into this class.")
    question: Text | None = Field(None, description="With says: the question that answer and says answer.")
    labelled: Labels | None = Field(None, description="Cases on which the judge is measured.")
    max_tokens: int = Field(60, ge=1, le=1000, description="Longest answer.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(x is not None for x in (self.says, self.asks, self.in_class)) != 1:
            raise ValueError("give one of says, asks or in_class")
        if self.says is None and (self.rather_than is not None or self.question is not None):
            raise ValueError("rather_than and question go with says")
        return self


class Scoring(Part):
    """How an answer is scored: one of the four ways."""

    likelihood: Likelihood | None = Field(None, description="Which of two texts is likelier.")
    choice: Choice | None = Field(None, description="Whether the right one of several options is the likeliest.")
    regex: Pattern | None = Field(None, description="Whether a written answer matches a pattern.")
    judge: Judged | None = Field(None, description="What another model reads in a written answer.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(way is not None for way in (self.likelihood, self.choice, self.regex, self.judge)) != 1:
            raise ValueError("give one of likelihood, choice, regex or judge")
        return self


class Groups(Part):
    """The groups that are compared."""

    column: Text = Field(description="The column that names an item's group.")
    largest_gap: Share | None = Field(
        None,
        description="A gap beyond this, with its whole interval, is a problem. Without it gaps are only described.",
    )


class Threshold(Part):
    """From where on the number is a problem; its whole interval must be on that side. Without it, it is only described."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    above: Share | None = Field(None, description="A share above this is a problem.")
    below: Share | None = Field(None, description="A share below this is a problem.")

    @model_validator(mode="after")
    def _has_a_rule(self) -> Self:
        if self.above is None and self.below is None:
            raise ValueError("give above or below, or remove it")
        if self.above is not None and self.below is not None and self.above <= self.below:
            raise ValueError("above must be larger than below, or every share is a problem")
        return self


class Sizes(Part):
    """Items drawn in each suite; all in the full one."""

    quick: int = Field(30, ge=1)
    standard: int = Field(150, ge=1)


class Definition(Part):
    """The content of a custom probe's file."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60, description="The probe is called custom.<name>.")
    title: Text = Field(description="A few words for the card.")
    purpose: Text = Field(description="What is asked and why it matters, in plain words.")
    risk: str = Field("custom", pattern=r"^[a-z][a-z0-9_]*$", max_length=40, description="The row of the card.")
    limits: Text | None = Field(None, description="What the number does not show.")
    advice: Text | None = Field(None, description="What can be done where a problem is found.")
    citation: Text | None = Field(None, description="The paper or source of the method.")
    source: Text | None = Field(None, description="Where the items come from.")
    licence: Text | None = Field(None, description="The items' licence.")
    items: Items = Field(description="Where the items come from.")
    prompts: dict[str, Text] = Field(
        default_factory=dict,
        description="Wordings by name, with {columns}; three or more show how far a wording decides.",
    )
    chat: bool | None = Field(
        None, description="Whether prompts are questions to a chat model; by default where the model writes an answer."
    )
    score: Scoring = Field(description="How an answer is scored.")
    hit: Text | None = Field(None, description='What is counted, as it follows "In 12% of cases"; no full stop.')
    groups: Groups | None = Field(None, description="The groups that are compared.")
    problem: Threshold | None = Field(None, description="From where on the number is a problem.")
    severity: Severity = Field("medium", description="Of the problem.")
    sizes: Sizes = Field(default_factory=Sizes, description="Items drawn in each suite.")

    @field_validator("items", mode="before")
    @classmethod
    def _short_items(cls, items: Any) -> Any:
        return {"rows": items} if isinstance(items, list) else {"file": items} if isinstance(items, str) else items

    @field_validator("prompts", mode="before")
    @classmethod
    def _one_prompt(cls, prompts: Any) -> Any:
        return {"prompt": prompts} if isinstance(prompts, str) else prompts

    @field_validator("groups", mode="before")
    @classmethod
    def _short_groups(cls, groups: Any) -> Any:
        return {"column": groups} if isinstance(groups, str) else groups

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not self.prompts and self.score.likelihood is None:
            raise ValueError("prompts are missing; only the comparison of two whole texts goes without")
        if self.score.choice is not None and self.problem is not None and self.problem.above is not None:
            raise ValueError("problem: to be right is no problem; give below")
        if self.groups is not None and self.groups.column in (self.items.cluster, self.items.id):
            raise ValueError("groups: the column of the groups cannot also name the items or their clusters")
        return self

    @property
    def writes(self) -> bool:
        """Whether the model writes an answer, rather than being asked how likely texts are."""
        return self.score.regex is not None or self.score.judge is not None

    @property
    def asks_in_chat(self) -> bool:
        """Whether prompts are questions to a chat model."""
        return self.writes if self.chat is None else self.chat

    @property
    def hash(self) -> str:
        """SHA-256 of all that the file says but the rows, which are hashed as items."""
        content = self.model_dump_json(exclude={"items": {"rows"}})
        return hashlib.sha256(content.encode()).hexdigest()

    def texts(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Every text with places, and where it stands in the file."""
        yield from ((("prompts", name), text) for name, text in self.prompts.items())
        likelihood, choice, judge = self.score.likelihood, self.score.choice, self.score.judge
        if likelihood is not None:
            yield ("score", "likelihood", "preferred"), likelihood.preferred
            yield ("score", "likelihood", "other"), likelihood.other
        if choice is not None:
            yield ("score", "choice", "answer"), choice.answer
            yield from (
                (("score", "choice", "options"), text) for text in choice.options if isinstance(choice.options, list)
            )
        if judge is not None:
            named = {
                "says": judge.says,
                "rather_than": judge.rather_than,
                "asks": judge.asks,
                "question": judge.question,
            }
            yield from ((("score", "judge", name), text) for name, text in named.items() if text is not None)

    def places(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Every column that the file names, and where.

        Raises:
            ValueError: a text whose braces are wrong.
        """
        for where, text in self.texts():
            yield from ((where, field) for field in fields_of(text))
        if self.score.regex is not None:
            named = {name: getattr(self.score.regex, name) for name in ("right", "wrong", "refusal")}
            yield from ((("score", "regex", n), f) for n, p in named.items() if p for f in pattern_fields(p))
        if self.score.choice is not None and isinstance(self.score.choice.options, str):
            yield ("score", "choice", "options"), self.score.choice.options
        if self.groups is not None:
            yield ("groups", "column"), self.groups.column
        yield from ((("items", n), f) for n, f in (("id", self.items.id), ("cluster", self.items.cluster)) if f)
