"""What an audit that was fitted to a time drew, and how much less certain that makes its numbers."""

from __future__ import annotations

from pydantic import Field

from audit.results.stored import Finite, Stored


def spoken(seconds: float) -> str:
    """Seconds as ``1 h 30 min``, ``10 min`` or ``42 s``; below ten with one decimal."""
    if seconds < 9.95:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest if not hours else 0, "s"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count)


def times(factors: list[float]) -> str:
    """Factors as ``1.8``, or from the least to the most as ``1.2–3.4``."""
    least, most = f"{min(factors):.1f}", f"{max(factors):.1f}"
    return least if least == most else f"{least}–{most}"


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

    @property
    def text(self) -> str:
        """What became of the time, in plain sentences."""
        spent = f"Fitted to {spoken(self.seconds)}, of which {spoken(self.spent)} were spent"
        if self.exceeded_by >= 1:
            spent = f"Fitted to {spoken(self.seconds)}, and {spoken(self.exceeded_by)} more were needed"
        if not self.cut:
            return f"{spent}: nothing was left out, and no interval is wider for it."
        factors = times([fitted.wider for fitted in self.cut])
        return (
            f"{spent}: {len(self.cut)} of {len(self.probes)} probes drew fewer items than they would have, and their intervals "
            f"are about {factors} times as wide (an estimate, by the square root of the number of items)."
        )
