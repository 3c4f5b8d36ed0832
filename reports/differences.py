"""A difference between two audits as the pages tell it."""

from __future__ import annotations

from dataclasses import dataclass

from audit.results.comparison import Compared, Difference, DifferenceWord, Series
from audit.results.mitigation import Change, Effect
from audit.results.schema import Measurement

SHOWN: tuple[DifferenceWord, ...] = ("worse", "better", "higher", "lower")
"""The words that say that there is a difference."""
_CHANGES: dict[DifferenceWord, Change] = {
    "better": "better",
    "worse": "worse",
    "higher": "higher",
    "lower": "lower",
    "no_difference_shown": "no_difference_shown",
    "cannot_be_compared": "not_measured",
}


@dataclass(frozen=True)
class Against:
    """One number set against another; ``effect`` carries the difference to the words that there are for changes."""

    difference: Difference
    effect: Effect

    @property
    def undecided_in_the_family(self) -> bool:
        """Whether the range leaves out 0, yet the correction for many comparisons does not let that count."""
        low, high = self.difference.low, self.difference.high
        outside = low is not None and high is not None and not low <= 0 <= high
        return outside and self.difference.word == "no_difference_shown"


def against(
    row: Compared | Series, now: Measurement | None, then: Measurement | None, difference: Difference
) -> Against:
    """The difference of two numbers of one metric, ready to be put into words."""
    comparable = difference.word != "cannot_be_compared"
    effect = Effect(
        metric=row.metric,
        label=row.label,
        slice=row.slice,
        unit=row.unit,
        direction=row.direction,
        role="target",
        before=then.value if then else None,
        after=now.value if now else None,
        difference=difference.value if comparable else None,
        low=difference.low if comparable else None,
        high=difference.high if comparable else None,
        confidence=difference.confidence,
        p_adjusted=difference.p_adjusted,
        change=_CHANGES[difference.word],
        reason=difference.reason,
    )
    return Against(difference, effect)
