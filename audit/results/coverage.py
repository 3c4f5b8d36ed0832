"""What became of what was planned."""

from __future__ import annotations

import math

from pydantic import Field, model_validator

from audit.results.stored import Stored


class Coverage(Stored):
    """What became of the planned items; everything but ``scored`` is missing from the value.

    ``planned`` is the sum of the others.
    """

    planned: int = Field(ge=0)
    scored: int = Field(ge=0)
    unparsed: int = Field(0, ge=0, description="An answer came, but no rule could read it.")
    refused: int = Field(0, ge=0, description="The model declined where an answer was needed.")
    truncated: int = Field(0, ge=0, description="The input did not fit the model's context.")
    not_a_number: int = Field(0, ge=0, description="The model's score was NaN or infinite.")
    failed: int = Field(0, ge=0, description="The request failed.")

    @model_validator(mode="after")
    def _adds_up(self) -> Coverage:
        parts = self.scored + self.unparsed + self.refused + self.truncated + self.not_a_number + self.failed
        if parts != self.planned:
            raise ValueError(f"coverage does not add up: {parts} accounted for, {self.planned} planned")
        return self

    @property
    def share(self) -> float | None:
        """Scored of planned: 1 where all were scored, 0 where none was, None where nothing was planned."""
        return self.scored / self.planned if self.planned else None

    @property
    def text(self) -> str:
        """One English sentence: how many were scored, and what became of the others."""
        if self.share is None:
            return "Nothing was planned, so nothing was scored."
        words = {
            "unreadable": self.unparsed,
            "refused": self.refused,
            "truncated": self.truncated,
            "not a number": self.not_a_number,
            "failed": self.failed,
        }
        lost = ", ".join(f"{many:,} {word}" for word, many in words.items() if many)
        # Rounded down, so that nothing short of the whole is called 100%.
        part = f"{math.floor(1000 * self.share) / 10:g}%"
        return f"{self.scored:,} of {self.planned:,} planned were scored ({part}){f'; {lost}' if lost else ''}."
