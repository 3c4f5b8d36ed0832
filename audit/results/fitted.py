"""What an audit that was fitted to a time drew, and how much less certain that makes its numbers."""

from __future__ import annotations

from pydantic import Field

from audit.results.stored import Finite, Stored


class Fitted(Stored):
    """How much one probe drew.

    ``wider`` is an estimate: the half-width of an interval falls with the square root of how much is behind it, so it is
    sqrt(would_draw / drawn). 1 means that nothing was left out, 2 that intervals are about twice as wide.
    """

    probe: str
    drawn: int = Field(ge=0, description="Items drawn.")
    would_draw: int = Field(ge=0, description="Items that would have been drawn without the time limit.")
    wider: Finite = Field(ge=1, description="About how many times as wide the intervals are as without it.")
    kinds: int = Field(ge=0, description="Kinds (strata) of items among those drawn.")
    kinds_there: int = Field(ge=0, description="Kinds of items among those that would have been drawn.")

    @property
    def cut(self) -> bool:
        """Whether something was left out."""
        return self.drawn < self.would_draw


class Budget(Stored):
    """The time that an audit was fitted to, and what became of it."""

    seconds: Finite = Field(gt=0, description="The time given.")
    planned: Finite = Field(
        0.0,
        ge=0,
        description="Seconds from opening the model to the last answer, as expected when the draws were decided.",
    )
    spent: Finite = Field(
        0.0, ge=0, description="Seconds from opening the model to the result; pages are drawn after it."
    )
    probes: list[Fitted] = Field(default_factory=list)

    @property
    def cut(self) -> list[Fitted]:
        """The probes that drew less than they would have."""
        return [fitted for fitted in self.probes if fitted.cut]

    @property
    def exceeded_by(self) -> float:
        """Seconds over the time given; 0 where it was kept."""
        return max(0.0, self.spent - self.seconds)
