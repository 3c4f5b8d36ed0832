"""Numbers of ``bias.dataset`` on a column of texts: which groups are named, and what stands around their names.

By word lists alone. A sentence that names a group is scored for sentiment by VADER (Hutto & Gilbert 2014,
doi:10.1609/icwsm.v8i1.14550) after all names of groups in it are replaced, because some carry a value of their own there
(``blind`` counts as negative), and searched for hostile words of a list. No person's group is inferred.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from audit.metrics import Estimate, holm, mean, not_measured, rate
from audit.results import Measurement
from probes.bias.dataset_items import FloatArray, IntArray
from probes.bias.dataset_proxy_measures import NO_TEXTS
from probes.bias.dataset_scope import Scope
from probes.bias.dataset_words import GROUPS, HOSTILE

NAMES = ("mention_rate", "sentiment", "sentiment_difference", "hostile_word_rate", "hostile_word_difference")
NONE_NAMED = "no text names a group of the word lists"
IN_PLACE = "someone"  # has no value in VADER's lexicon
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")


def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(set(words), key=lambda w: (-len(w), w))
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest_first))})(?![\w-])", re.IGNORECASE)


PATTERNS: Mapping[tuple[str, str], re.Pattern[str]] = {
    (axis, group): _pattern(words) for axis, groups in GROUPS.items() for group, words in groups.items()
}
_ANY = _pattern(tuple(w for groups in GROUPS.values() for words in groups.values() for w in words))
_HOSTILE = _pattern(HOSTILE)


@dataclass(frozen=True)
class Mentions:
    """The texts that name a group: their places, mean sentiment of the naming sentences (-1 to 1), any hostile word."""

    axis: str
    group: str
    texts: IntArray
    sentiment: FloatArray
    hostile: NDArray[np.bool_]

    @property
    def part(self) -> str:
        """The slice."""
        return f"{self.axis}: {self.group}"


@cache
def _analyzer() -> SentimentIntensityAnalyzer:
    return SentimentIntensityAnalyzer()


def sentiment(sentence: str) -> float:
    """VADER's compound score of a sentence without its names of groups, from -1 (negative) to 1 (positive)."""
    return float(_analyzer().polarity_scores(_ANY.sub(IN_PLACE, sentence))["compound"])


def is_hostile(sentence: str) -> bool:
    """Whether a sentence holds a hostile word of the list."""
    return _HOSTILE.search(_ANY.sub(IN_PLACE, sentence)) is not None


def mentions(texts: tuple[str, ...]) -> list[Mentions]:
    """What there is of each group of the word lists."""
    found: dict[tuple[str, str], list[tuple[int, float, bool]]] = {key: [] for key in PATTERNS}
    for place, text in enumerate(texts):
        if _ANY.search(text) is None:
            continue
        scored: dict[str, tuple[float, bool]] = {}
        sentences = [s for s in _SENTENCE.split(text) if _ANY.search(s)]
        for key, pattern in PATTERNS.items():
            naming = [s for s in sentences if pattern.search(s)]
            for s in naming:
                scored.setdefault(s, (sentiment(s), is_hostile(s)))
            if naming:
                values = [scored[s] for s in naming]
                found[key].append((place, float(np.mean([v for v, _ in values])), any(h for _, h in values)))
    return [
        Mentions(
            axis,
            group,
            np.array([p for p, _, _ in rows], dtype=np.intp),
            np.array([v for _, v, _ in rows], dtype=np.float64),
            np.array([h for _, _, h in rows], dtype=bool),
        )
        for (axis, group), rows in found.items()
    ]


def text_measures(scope: Scope) -> list[Measurement]:
    """How often each group is named; sentiment and hostile words of the naming sentences, against other groups'."""
    texts = scope.data.texts
    written = sum(bool(t.strip()) for t in texts)
    if not written:
        return [scope.nothing(name, NO_TEXTS) for name in NAMES]
    named = mentions(texts)
    rates = {m.part: rate(np.arange(written) < len(m.texts), None, scope.confidence) for m in named}
    usual = {
        axis: float(np.mean([rates[f"{axis}: {group}"].value or 0.0 for group in groups]))
        for axis, groups in GROUPS.items()
    }
    found = [
        scope.measure(
            "mention_rate",
            rates[m.part],
            scope.coverage(written),
            part=m.part,
            chance=usual[m.axis],
            evidence={"tags.group": m.part},
        )
        for m in named
    ]
    there = [m for m in named if len(m.texts)]
    if not there:
        return found + [scope.nothing(name, NONE_NAMED) for name in NAMES[1:]]
    return found + _values(scope, there, written) + _differences(scope, there, written)


def _values(scope: Scope, there: list[Mentions], written: int) -> list[Measurement]:
    found: list[Measurement] = []
    for m in there:
        same = [other for other in there if other.axis == m.axis]
        tone = replace(mean(m.sentiment, None, scope.confidence, bounds=(-1.0, 1.0)), p_value=None)
        for name, estimate, chance in (
            ("sentiment", tone, np.concatenate([o.sentiment for o in same]).mean()),
            (
                "hostile_word_rate",
                rate(m.hostile, None, scope.confidence),
                np.concatenate([o.hostile for o in same]).mean(),
            ),
        ):
            where = {"tags.group": m.part}
            found.append(
                scope.measure(
                    name, estimate, scope.coverage(written), part=m.part, chance=float(chance), evidence=where
                )
            )
    return found


def _differences(scope: Scope, there: list[Mentions], written: int) -> list[Measurement]:
    """Each group against the others of its axis, Holm-corrected over all groups."""
    rows = [(m, _others(m, there, scope.minimum)) for m in there]
    few = f"fewer than {scope.minimum} texts name the group, or others"
    found: list[Measurement] = []
    for name, compare in (("sentiment_difference", _tone), ("hostile_word_difference", _hostility)):
        estimates = [
            not_measured(few, scope.confidence)
            if other is None or len(m.texts) < scope.minimum
            else compare(m, other, scope.confidence)
            for m, other in rows
        ]
        for (m, _), e, p in zip(rows, estimates, holm([e.p_value for e in estimates]), strict=True):
            where = {"tags.group": m.part}
            told = scope.coverage(written if e.value is not None else 0)
            found.append(scope.measure(name, e, told, part=m.part, chance=0.0, p_adjusted=p, evidence=where))
    return found


def _others(m: Mentions, there: list[Mentions], minimum: int) -> Mentions | None:
    """Texts that name another group and not this one: of the same axis, or of any where its axis has too few."""
    for wider in (False, True):
        others = [o for o in there if o.part != m.part and (wider or o.axis == m.axis)]
        if not others:
            continue
        places = np.concatenate([o.texts for o in others])
        kept = np.nonzero(~np.isin(places, m.texts))[0]
        first = kept[np.unique(places[kept], return_index=True)[1]]  # a text that names several counts once
        if len(first) >= minimum:
            tone = np.concatenate([o.sentiment for o in others])[first]
            return Mentions(m.axis, "others", places[first], tone, np.concatenate([o.hostile for o in others])[first])
    return None


def _tone(m: Mentions, other: Mentions, confidence: float) -> Estimate:
    if np.ptp(m.sentiment) == 0 and np.ptp(other.sentiment) == 0:
        return not_measured("the sentiment of the sentences does not vary", confidence)
    found = stats.ttest_ind(m.sentiment, other.sentiment, equal_var=False)
    ends = found.confidence_interval(confidence)
    value = float(m.sentiment.mean() - other.sentiment.mean())
    low, high = max(-2.0, min(float(ends.low), value)), min(2.0, max(float(ends.high), value))
    return Estimate(
        value, low, high, len(m.texts), None, confidence, "Welch's t over texts", p_value=float(found.pvalue)
    )


def _hostility(m: Mentions, other: Mentions, confidence: float) -> Estimate:
    one, n = int(m.hostile.sum()), len(m.hostile)
    two, others = int(other.hostile.sum()), len(other.hostile)
    value = one / n - two / others
    low, high = confint_proportions_2indep(one, n, two, others, method="newcomb", compare="diff", alpha=1 - confidence)
    p = float(stats.fisher_exact([[one, n - one], [two, others - two]]).pvalue)
    method = "Newcombe's score interval of two rates; Fisher's exact test"
    return Estimate(value, min(float(low), value), max(float(high), value), n, None, confidence, method, p_value=p)
