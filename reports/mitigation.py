"""The page of the remedies: what was tried against the findings, what it bought, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.results.mitigation import Effect, Mitigation, Remedy
from reports.document import document
from reports.frontier import Frontier, frontier_chart, percentages
from reports.languages import SOURCE
from reports.text import cleaned

LONGEST_TEXT = 1200
MOST_IN_BOX = 6
MOST_TARGETS = 6  # shown at once; all stand in the table below them


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


def render_page(mitigation: Mitigation, card: bool = True, languages: Sequence[str] = (SOURCE,)) -> str:
    """The whole ``mitigation.html``; ``card``: whether a card lies beside it. The same content gives the same bytes.

    Raises:
        ValueError: for a language without a catalogue.
    """
    shown = cleaned(mitigation, LONGEST_TEXT)
    told = told_remedies(shown)
    content = {
        "mitigation": shown,
        "manifest": shown,  # the frame of every page names the version of the tool
        "tried": [t for t in told if t.remedy.status == "done"],
        "untried": [t for t in told if t.remedy.status != "done"],
        "unaddressed": unaddressed(shown),
        "card": card,
    }
    return document("mitigation.html", content, languages, ("base.css", "card.css", "mitigation.css"))
