"""The page of several audits side by side: what differs between them, and for each number whether a difference is shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from audit.results.comparison import Compared, Comparison, DifferenceWord
from audit.results.sameness import Changed, what_changed
from audit.results.schema import AuditResult, Measurement, Outlook
from reports.charts import Chart, dot_whisker
from reports.differences import SHOWN, Against, against
from reports.document import document
from reports.languages import SOURCE
from reports.risks import ALWAYS, risk_views
from reports.text import cleaned, number, shorten, visible

LONGEST_TEXT = 1200
LONGEST_NAME = 60
MOST_FIRST = 12  # numbers of a risk that are not folded away
MOST_COMPARED = 26
"""Results on one page: one for each letter."""


@dataclass(frozen=True)
class Side:
    """One of the results: its letter, where it lies, and what differs from the first, None for the first itself."""

    letter: str
    folder: str
    card: str | None
    result: AuditResult
    changes: tuple[Changed, ...] | None
    outlooks: dict[str, Outlook]


@dataclass(frozen=True)
class Row:
    """One metric: the numbers of every result, their chart where two have one, and the differences."""

    key: str
    compared: Compared
    numbers: list[tuple[Side, Measurement | None, str | None]]
    chart: Chart | None
    against: list[tuple[Side, Against]]

    @property
    def differs(self) -> bool:
        """Whether any of the later results is shown to differ from the first."""
        return any(told.difference.word in SHOWN for _, told in self.against)

    @property
    def comparable(self) -> bool:
        """Whether any of the later results could be compared with the first."""
        return any(told.difference.word != "cannot_be_compared" for _, told in self.against)

    @property
    def odd(self) -> list[tuple[Side, str]]:
        """Why those cannot be compared that have a number, as the first has one."""
        measured = {side.letter for side, m, _ in self.numbers if m is not None and m.value is not None}
        if self.numbers[0][0].letter not in measured:
            return []
        return [(side, told.difference.reason or "") for side, told in self.against if side.letter in measured]


@dataclass
class Tally:
    """How many numbers got which word; ``lacking`` are those of them that one of the two audits has not."""

    words: Counter[DifferenceWord]
    lacking: int = 0


@dataclass(frozen=True)
class Block:
    """The rows of one risk: those that a reader should see first, the others, and those of which nothing can be compared."""

    key: str
    first: list[Row]
    others: list[Row]
    apart: list[Row]

    @property
    def counts(self) -> list[tuple[Side, Tally]]:
        """For each later result how many of the numbers got which word."""
        return counts([*self.first, *self.others, *self.apart])


def counts(rows: Sequence[Row]) -> list[tuple[Side, Tally]]:
    """For each later result how many of these rows got which word."""
    found: dict[str, tuple[Side, Tally]] = {}
    for row in rows:
        first_lacks = row.numbers[0][2] is not None
        for (side, told), (_, _, missing) in zip(row.against, row.numbers[1:], strict=True):
            _, tally = found.setdefault(side.letter, (side, Tally(Counter())))
            tally.words[told.difference.word] += 1
            tally.lacking += first_lacks or missing is not None
    return list(found.values())


def render_comparison(
    results: Sequence[AuditResult],
    names: Sequence[str],
    comparison: Comparison,
    languages: Sequence[str] = (SOURCE,),
    cards: Sequence[str | None] = (),
) -> str:
    """The whole page; the same content always gives the same bytes.

    Args:
        results: those that were compared, in their order, at most 26.
        names: what each is called: the folder, as the user named it.
        comparison: of these results.
        languages: the page holds them all, and a switch where they are several.
        cards: relative links to the cards of the results, None where there is none.

    Raises:
        ValueError: for a language without a catalogue.
    """
    shown = [cleaned(result, LONGEST_TEXT) for result in results]
    sides = _sides(shown, names, cards or [None] * len(shown))
    compared = cleaned(comparison, LONGEST_TEXT)
    rows = [_row(f"c-{place}", row, sides) for place, row in enumerate(compared.rows, start=1)]
    important = _important(shown)
    content = {
        "comparison": compared,
        "manifest": shown[0].manifest,
        "sides": sides,
        "first": sides[0],
        "risks": _risks(sides),
        "blocks": _blocks(rows, important),
        "counts": counts(rows),
        "confidences": len({side.result.manifest.confidence for side in sides}) > 1,
        "rows": rows,
        "one_name": shown[0].model.name if len({r.model.name for r in shown}) == 1 else None,
        "error": number(round(100 * (1 - compared.confidence), 4)),
    }
    return document("comparison.html", content, languages, ("base.css", "card.css", "comparison.css"))


def _sides(results: Sequence[AuditResult], names: Sequence[str], cards: Sequence[str | None]) -> list[Side]:
    return [
        Side(
            letter=chr(ord("A") + place),
            folder=shorten(visible(name), LONGEST_TEXT),
            card=card,
            result=result,
            changes=what_changed(results[0], result) if place else None,
            outlooks={view.key: view.outlook for view in risk_views(result)},
        )
        for place, (result, name, card) in enumerate(zip(results, names, cards, strict=True))
    ]


def _risks(sides: Sequence[Side]) -> list[tuple[str, list[Outlook]]]:
    """Each risk with the word that every result has for it; what none of a result's probes asked is not tested."""
    keys = list(dict.fromkeys([*ALWAYS, *sorted({key for side in sides for key in side.outlooks})]))
    return [(key, [side.outlooks.get(key, "not_tested") for side in sides]) for key in keys]


def _important(results: Sequence[AuditResult]) -> set[str]:
    """Metrics with a gate, and the one that the worst finding of each risk rests on: what the cards themselves tell first."""
    gated = {gate.metric for result in results for gate in result.gates}
    headlines = [view.headline for result in results for view in risk_views(result)]
    return gated | {finding.measurements[0] for finding in headlines if finding and finding.measurements}


def _blocks(rows: Sequence[Row], important: set[str]) -> list[Block]:
    keys = dict.fromkeys([*ALWAYS, *sorted({row.compared.risk for row in rows})])
    found = []
    for key in keys:
        own = [row for row in rows if row.compared.risk == key]
        comparable = [row for row in own if row.comparable]
        wanted = [row for row in comparable if row.differs or row.compared.metric in important]
        first = sorted(wanted, key=_urgency)[:MOST_FIRST]
        shown = {row.key for row in first}
        others = sorted((row for row in comparable if row.key not in shown), key=_urgency)
        if own:
            found.append(Block(key, first, others, [row for row in own if not row.comparable]))
    return found


def _urgency(row: Row) -> int:
    """What is worse in any of the results comes first, then what is better, then what differs otherwise."""
    words = {told.difference.word for _, told in row.against}
    return next((place for place, word in enumerate(SHOWN) if word in words), len(SHOWN))


def _row(key: str, row: Compared, sides: Sequence[Side]) -> Row:
    numbers = [(side, m, reason) for side, m, reason in zip(sides, row.found, row.missing, strict=True)]
    named = len({side.result.model.name for side in sides}) > 1  # one name in every line says nothing
    marks = [m.model_copy(update={"slice": _label(side, named)}) for side, m, _ in numbers if m is not None]
    told = [
        (side, against(row, m, row.found[0], difference))
        for side, m, difference in zip(sides, row.found, row.differences, strict=True)
        if difference is not None
    ]
    comparable = len({m.unit for m in marks}) == 1
    return Row(key, row, numbers, dot_whisker(key, row.label, marks) if comparable else None, told)


def _label(side: Side, named: bool) -> str:
    return f"{side.letter} · {shorten(side.result.model.name, LONGEST_NAME)}" if named else side.letter
