"""The page of the remedies: what was tried against the findings, what it bought, and what it cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from gettext import NullTranslations

from audit.results.mitigation import Effect, Mitigation, Remedy
from reports.amounts import factor, kind
from reports.environment import build_environment
from reports.frontier import Frontier, frontier_chart, percentages
from reports.page import assets
from reports.text import cleaned, number

LONGEST_TEXT = 1200
MOST_IN_BOX = 6
MOST_TARGETS = 6  # shown at once; all stand in the table below them


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


@dataclass(frozen=True)
class Block:
    """The effects against one thing that the remedy is compared with: the targets, and what they may cost."""

    against: str
    targets: list[Effect]
    more_targets: int
    costs: list[Effect]
    unchanged: list[Effect]
    shares: list[Effect]
    every: list[Effect]


@dataclass(frozen=True)
class Told:
    """A remedy as the page shows it."""

    remedy: Remedy
    conclusion: str
    headline: Effect | None
    price: Effect | None
    blocks: list[Block]
    chart: Frontier | None
    rows: list[tuple[str, str]]
    levelled_down: bool
    intervals: list[str]
    control_too: bool


def told_remedies(mitigation: Mitigation) -> list[Told]:
    """Every remedy, in the order of the file."""
    return [
        Told(
            remedy=remedy,
            conclusion=remedy.conclusion,
            headline=_headline(remedy),
            price=_price(remedy),
            blocks=_blocks(remedy),
            chart=frontier_chart(remedy.frontier),
            rows=[percentages(point) for point in remedy.frontier],
            levelled_down=remedy.levelled_down,
            intervals=list(dict.fromkeys(e.interval for e in remedy.effects if e.interval and e.role == "target")),
            control_too=_control_too(remedy, mitigation.remedies),
        )
        for remedy in mitigation.remedies
    ]


def _control_too(remedy: Remedy, every: Sequence[Remedy]) -> bool:
    """Whether a target that the remedy made better was made better by its control as well, of the same kind of id."""
    kind_of = remedy.id.split(".")[0]
    controls = [r for r in every if r.control and r.id.split(".")[0] == kind_of and r.status == "done"]
    better = {e.metric for r in controls for e in r.effects if e.role == "target" and e.change == "better"}
    return not remedy.control and any(e.metric in better and e.change == "better" for e in remedy.effects)


def _headline(remedy: Remedy) -> Effect | None:
    """The target that a summary names: against what was audited, and rather one that changed."""
    targets = sorted((e for e in remedy.effects if e.role == "target"), key=lambda e: e.against != "audited")
    wanted = {"made_it_worse": "worse", "helped": "better", "helped_at_a_cost": "better"}.get(remedy.conclusion)
    return next((e for e in targets if e.change == wanted), targets[0] if targets else None)


def _price(remedy: Remedy) -> Effect | None:
    """The cost that a summary names where a remedy helped at one: of all cases rather than of a part of them."""
    if remedy.conclusion != "helped_at_a_cost":
        return None
    worse = [e for e in remedy.effects if e.role == "harm" and e.change == "worse"]
    return min(worse, key=lambda e: (e.against != "audited", e.slice is not None))


def _blocks(remedy: Remedy) -> list[Block]:
    found = []
    for against in ("audited", "without_remedy"):  # what a user has today comes first
        effects = [e for e in remedy.effects if e.against == against]
        harms = [e for e in effects if e.role == "harm"]
        targets = sorted((e for e in effects if e.role == "target"), key=_first)
        if effects:
            found.append(
                Block(
                    against,
                    targets[:MOST_TARGETS],
                    max(len(targets) - MOST_TARGETS, 0),
                    [e for e in harms if e.change == "worse"],
                    [e for e in harms if e.change == "no_difference_shown" and e.slice is None],
                    [e for e in harms if e.direction == "descriptive" and e.change in ("higher", "lower")],
                    effects,
                )
            )
    return found


def _first(effect: Effect) -> tuple[bool, bool, bool]:
    """What changed before what did not, numbers over all cases before parts, measured before not measured."""
    return effect.change not in ("better", "worse"), effect.slice is not None, effect.difference is None


def in_box(mitigation: Mitigation | None) -> tuple[list[Told], int, int] | None:
    """For the card: the remedies that were tried, how many more there are, and how many could not be tried."""
    if mitigation is None or not mitigation.remedies:
        return None
    told = [t for t in told_remedies(cleaned(mitigation, LONGEST_TEXT)) if not t.remedy.control]
    tried = [t for t in told if t.remedy.status == "done"]
    return tried[:MOST_IN_BOX], max(len(tried) - MOST_IN_BOX, 0), len(told) - len(tried)


def unaddressed(mitigation: Mitigation) -> Sequence[str]:
    """Ids of the findings that no remedy was for."""
    addressed = {finding for remedy in mitigation.remedies for finding in remedy.addresses}
    return [finding.id for finding in mitigation.findings if finding.id not in addressed]


def render_page(
    mitigation: Mitigation, card: bool = True, translations: NullTranslations | None = None, language: str = "en"
) -> str:
    """The whole ``mitigation.html``; ``card``: whether a card lies beside it. The same content gives the same bytes."""
    shown = cleaned(mitigation, LONGEST_TEXT)
    told = told_remedies(shown)
    words = translations or NullTranslations()
    page = build_environment(words, language).get_template("mitigation.html")
    return page.render(
        mitigation=shown,
        manifest=shown,  # the frame of every page names the version of the tool
        tried=[t for t in told if t.remedy.status == "done"],
        untried=[t for t in told if t.remedy.status != "done"],
        unaddressed=unaddressed(shown),
        words=EffectWords(words.gettext),
        card=card,
        assets=assets(["base.css", "card.css", "mitigation.css"]),
    )
