"""``explainability.alignment``: whether an encoder-decoder, when it writes a word, looks at the word that it translates.

Cross-attention is read as links between words and set against links made by hand. Which layer is read is chosen on one
half of the pairs and reported on the other. Whether the model translates at all is asked beside it: the attention of a
model that does not translate is no alignment of anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from audit.corpora import Item
from audit.metrics import alignment_error_rate, rate
from audit.models import Capability, Request, Responses
from audit.results import Average, Coverage, Finding, ItemStatus, Measurement, Outlook, Record, Severity
from probes.base import Context, Metric, Outcome, Probe, ProbeOptions, Suite, coverage, options_of, percent
from probes.explainability.alignment_items import Links, Pair, load_pairs, pair_of
from probes.explainability.alignment_measures import (
    Aligned,
    aligned,
    asked,
    beyond_order,
    diagonal,
    error_estimate,
    shuffled_error,
    with_layers,
)
from probes.explainability.attention_viewer import viewer_block
from probes.explainability.cross_attention import cross_entropy, source_mass

FEWEST = 10  # pairs; below that nothing is judged
WORD_ORDER = "word order"


class AlignmentOptions(ProbeOptions):
    """Options of ``explainability.alignment``."""

    pairs: Path | None = Field(
        None,
        description="JSON Lines of pairs of another language, with id, source, target and links such as 0-0 2-1 1?1: "
        "word of the source, - for a sure and ? for a possible link, word of the target, counted from 0.",
    )
    prefix: str = Field(
        "", description="What the model wants to read before a text to translate: 'translate English to French: '."
    )
    shown: int = Field(3, ge=0, le=50, description="Pairs kept whole for the report's viewer.")


class Alignment(Probe):
    """Word links of cross-attention against links made by hand."""

    id = "explainability.alignment"
    title = "Which word it looks at when it translates"
    risk = "explainability"
    purpose = (
        "Pictures of attention between a text and its translation are often shown as what the model does. We measure whether "
        "a model, when it writes a word, looks at the word that it translates, as people have linked them by hand."
    )
    method = (
        "Cross-attention of one teacher-forced pass over source and translation, heads averaged, tokens joined to words; each "
        "word of the translation is linked to the word of the source with most weight. Alignment error rate over all pairs "
        "against sure and possible links; the layer is chosen on the other half of the pairs; bootstrap interval over pairs."
    )
    citation = (
        "Alignment error rate: Och & Ney 2003 (doi:10.1162/089120103321337421); attention as alignment: Bahdanau et al. 2014 "
        "(arXiv:1409.0473); how far it is one: Koehn & Knowles 2017; pairs and links are our own."
    )
    limits = (
        "It shows where the decoder looked, not why it chose a word; good translations come with poor alignment too. The "
        "sentences are short and simple, the links are one person's, and other languages need pairs of the user's own."
    )
    capabilities = frozenset({Capability.SCORE, Capability.ATTENTION, Capability.CROSS_ATTENTION})
    options = AlignmentOptions
    sizes: ClassVar[Mapping[Suite, int | None]] = {"quick": 20, "standard": None, "full": None}
    metrics = (
        Metric(
            "alignment_error_rate",
            "Error of the word links that attention gives",
            "rate",
            "lower_is_better",
            "0: all sure links are found and none but possible ones; 1: none is right. Chance is the same links shuffled "
            "within each sentence.",
        ),
        Metric(
            "beyond_word_order",
            "How much better these links are than those by the order of words",
            "rate difference",
            "higher_is_better",
            "Error of links by the order of words alone minus the error of those of attention, on the same sentences. 0 or "
            "below: attention says no more than the order of words does.",
        ),
        Metric(
            "translation_accuracy",
            "Translation is likelier after its own sentence than after another",
            "rate",
            "higher_is_better",
            "Share of translations to which the model gives more probability after their own source than after the source "
            "of another pair. At chance the model does not translate, and its attention is no alignment.",
            average=Average(outcomes=["own source preferred"]),
        ),
    )

    def items(self, data: Path | None) -> list[Item]:
        """Our pairs of English and French sentences."""
        return load_pairs()

    def load(self, data: Path | None, options: ProbeOptions) -> list[Item]:
        """The pairs of the file that the options name, otherwise ours."""
        named = options.pairs if isinstance(options, AlignmentOptions) else None
        return load_pairs(named) if named else self.items(data)

    def requests(self, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
        """Of each pair the translation after its source and after another's, and the attention across."""
        prefix = options_of(context, AlignmentOptions).prefix
        stated = [asked(pair_of(item), prefix) for item in items]
        return [request for one in stated for request in (one.right, one.wrong, one.attend)]

    def measure(self, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        """The error of the links, that of word order alone, and whether the model translates."""
        options = options_of(context, AlignmentOptions)
        every = [aligned(pair_of(item), options.prefix, answers) for item in items]
        read = {x.pair.id: x for x in with_layers([x for x in every if x.seen == "scored"])}
        every = [read.get(x.pair.id, x) for x in every]
        found = [
            self._error(every, [x.links for x in read.values()], context),
            self._error(every, [diagonal(x.pair) for x in read.values()], context, WORD_ORDER),
            self._beyond(every, [x.links for x in read.values()], context),
            self.measurement(
                "translation_accuracy",
                rate([x.prefers is True for x in every if x.status == "scored"], None, context.confidence),
                coverage(x.status for x in every),
                chance=0.5,
            ),
        ]
        shown = set(list(read)[: options.shown])
        records = [self._record(x, x.pair.id in shown) for x in every]
        return Outcome(records, found, [_finding(found, every)])

    def _beyond(self, every: Sequence[Aligned], links: Sequence[Links], context: Context) -> Measurement:
        pairs = [x.pair for x in every if x.layer is not None]
        estimate = beyond_order(pairs, links, context.confidence, context.seed)
        return self.measurement("beyond_word_order", estimate, _coverage(every), chance=0.0 if pairs else None)

    def _error(
        self, every: Sequence[Aligned], links: Sequence[Links], context: Context, part: str | None = None
    ) -> Measurement:
        pairs: list[Pair] = [x.pair for x in every if x.layer is not None]
        estimate = error_estimate(pairs, links, context.confidence, context.seed)
        chance = shuffled_error(pairs, links, context.seed)
        chance = 1.0 if chance is None and pairs else chance
        return self.measurement("alignment_error_rate", estimate, _coverage(every), part=part, chance=chance)

    def _record(self, x: Aligned, shown: bool) -> Record:
        pair, scored = x.pair, x.status == "scored"
        error = None if x.layer is None else alignment_error_rate(x.links, pair.sure, pair.possible)
        scores = {
            "log_probability_gain": x.margin,
            "alignment_error_rate": None if error is None else error.error,
            **({} if x.layer is None else {"layer": float(x.layer)}),
        }
        return Record(
            id=pair.id,
            probe=self.id,
            item=pair.id,
            source=self.source,
            cluster=pair.id,
            input=f"{pair.source} → {pair.target}",
            output=_told(pair, x.links) if scored else None,
            expected=_told(pair, pair.sure),
            scores=scores,
            status=x.status,
            outcome=None if not scored else "own source preferred" if x.prefers else "other source preferred",
            concern=0.5 if scored and error is not None and error.error > 0.5 else 0.1 if shown and scored else 0.0,
            note=x.note or x.reason,
            detail=_block(x) if shown else {},
        )


def _coverage(every: Sequence[Aligned]) -> Coverage:
    """Links that were read but of one pair alone, for which no layer can be chosen elsewhere, are not measured."""
    statuses: list[ItemStatus] = ["unparsed" if x.seen == "scored" and x.layer is None else x.seen for x in every]
    return coverage(statuses)


def _told(pair: Pair, links: Links) -> str:
    """Links as people read them: the word of the translation, and what it is linked to."""
    return ", ".join(
        f"{pair.target[slice(*pair.target_words[t])]} → {pair.source[slice(*pair.source_words[s])]}"
        for t, s in sorted(links)
    )


def _block(x: Aligned) -> dict[str, Any]:
    if x.attended is None or x.layer is None:
        return {}
    block = viewer_block(x.attended, cross_entropy(x.attended.weights), source_mass(x.attended.weights, 0))
    number = x.attended.layers[x.layer] if x.attended.layers else x.layer
    return block | {
        "caption": f"Each word of the translation should look at the word that it translates. Layer {number} was read, "
        "because it had the fewest errors on other sentences."
    }


def _finding(found: Sequence[Measurement], every: Sequence[Aligned]) -> Finding:
    error, order, beyond, ability = found
    outlook: Outlook = "not_tested"
    severity: Severity = "none"
    values = {"n": str(error.n), "fewest": str(FEWEST)}
    reason = next((x.note or x.reason for x in every if x.note or x.reason), None)
    text = "Too few translations could be read to say what pictures of attention are worth here ({n}; {fewest} are needed)."
    if reason and error.n < FEWEST:
        text += " {reason}"
        values["reason"] = reason
    if error.value is not None and error.low is not None and error.high is not None and error.n >= FEWEST:
        values |= {
            "error": percent(error.value),
            "low": percent(error.low),
            "high": percent(error.high),
            "chance": percent(error.chance or 0.0),
            "order": percent(order.value or 0.0),
            "right": percent(ability.value or 0.0),
        }
        measured = (
            "{error} of the links between words that its attention gives were wrong or missing (likely between {low} and "
            "{high}; {chance} with shuffled links, {order} by the order of the words alone; {n} translations)."
        )
        if ability.low is None or ability.low <= 0.5:
            outlook = "unclear"
            text = (
                "The model was not seen to translate these sentences: {right} of the translations were likelier after their "
                "own sentence, where a coin gives 50%. So its attention cannot show which words belong together: "
                + measured
            )
        elif error.high < (error.chance or 0.0) and beyond.low is not None and beyond.low > 0:
            outlook = "no_problem_found"
            text = "When the model writes a word, it looks at the word that it translates: " + measured
        elif error.low >= (error.chance or 0.0) or (beyond.high is not None and beyond.high <= 0):
            outlook, severity = "problem_found", "low"
            text = (
                "Pictures of attention do not show which word this model translates; a simple guess does as well: "
                + measured
            )
        else:
            outlook = "unclear"
            text = "Whether pictures of attention show which word this model translates is open: " + measured
    advice = "Show a picture of attention between a text and its translation only with this error beside it."
    return Alignment.finding("links", outlook, text, values, found, advice, severity=severity)
