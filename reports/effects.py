"""What a remedy changed, in words that need no statistics."""

from __future__ import annotations

from collections.abc import Callable

from audit.results.mitigation import Effect
from reports.amounts import factor, kind, percent
from reports.text import number


class EffectWords:
    """What a remedy changed, in words that need no statistics: points of a hundred instead of shares."""

    def __init__(self, gettext: Callable[[str], str]) -> None:
        self._ = gettext

    def value(self, effect: Effect, value: float | None) -> str:
        """A value before or after: ``24 points`` for shares and gaps, the bare number otherwise."""
        if value is None:
            return self._("not measured")
        if kind(effect.unit) == "odds":
            return self._("{x} times the odds").format(x=factor(value))
        return self._("{x} points").format(x=_points(value)) if _share(effect) else _plain(effect, value)

    def level(self, effect: Effect, value: float | None) -> str:
        """A value by itself: ``24 %`` for a rate, otherwise as in :meth:`value`."""
        return percent(value) if value is not None and kind(effect.unit) == "rate" else self.value(effect, value)

    def both(self, effect: Effect) -> str:
        """``24 points before, 3 points after``."""
        words = self._("{before} before, {after} after")
        return words.format(before=self.value(effect, effect.before), after=self.value(effect, effect.after))

    def change(self, effect: Effect) -> str:
        """``21 points less``, or why it is not known."""
        if effect.difference is None:
            return effect.reason or self._("not measured")
        if kind(effect.unit) == "odds":
            return self._("a change by a factor of {x}").format(x=factor(effect.difference))
        return self._step(effect, effect.difference)

    def range(self, effect: Effect) -> str:
        """``likely between 17 and 25 points less``, or that the range reaches both ways."""
        if effect.difference is None:
            return ""
        if effect.low is None or effect.high is None:
            return self._("how sure we can be is not known")
        if kind(effect.unit) == "odds":
            words = self._("likely between {low} and {high} times")
            return words.format(low=factor(effect.low), high=factor(effect.high))
        if effect.low < 0 < effect.high:
            words = self._("likely between {low} and {high}")
            return words.format(low=self._step(effect, effect.low), high=self._step(effect, effect.high))
        near, far = sorted((abs(effect.low), abs(effect.high)))
        words = self._("likely between {near} and {far} less") if effect.high <= 0 else self._(
            "likely between {near} and {far} more"
        )  # fmt: skip
        return words.format(near=self._bare(effect, near), far=self.value(effect, far))

    def verdict(self, effect: Effect) -> str:
        """How the change is read."""
        outside = effect.low is not None and effect.high is not None and not effect.low <= 0 <= effect.high
        if effect.change == "no_difference_shown" and outside and effect.p_adjusted is not None:
            return self._("no difference shown, once all aims of the remedy are counted together")
        return {
            "better": self._("better"),
            "worse": self._("worse"),
            "higher": self._("more often"),
            "lower": self._("less often"),
            "no_difference_shown": self._("no difference shown"),
            "not_measured": self._("not measured"),
        }[effect.change]

    def _step(self, effect: Effect, difference: float) -> str:
        if difference == 0:
            return self._("no difference")
        words = self._("{x} less") if difference < 0 else self._("{x} more")
        return words.format(x=self.value(effect, abs(difference)))

    def _bare(self, effect: Effect, value: float) -> str:
        return _points(value) if _share(effect) else number(value)


def _share(effect: Effect) -> bool:
    return kind(effect.unit) in ("rate", "gap", "scale") and effect.unit != "ratio"


def _plain(effect: Effect, value: float) -> str:
    unit = "" if effect.unit == "ratio" else effect.unit
    return f"{number(value)} {unit}".strip()


def _points(value: float) -> str:
    """A share in points of 100, with a decimal where it is small."""
    points = 100 * value
    text = f"{points:.0f}" if abs(points) >= 9.95 else f"{points:.1f}".removesuffix(".0")
    return text if float(text) else "0"  # not "-0"
