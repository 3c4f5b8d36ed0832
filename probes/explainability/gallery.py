"""Two classic pictures of attention, shown first in every report and measured like any other: no example is taken on trust.

The first is of a word and what completes it, within one text. The second, of models with an encoder and a decoder, is of a
sentence and its translation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from audit.metrics import alignment_error_rate, argmax_links, entropy, rollout, sink_mass
from audit.models import Attended, Capability, Failure, Request, Responses
from audit.results import ItemStatus, Record
from probes.explainability.alignment_items import Pair, read_links
from probes.explainability.alignment_measures import aligned, asked, word_weights
from probes.explainability.attention_viewer import viewer_block
from probes.explainability.attention_words import attention_by_word, reading, span_of, word_places
from probes.explainability.cross_attention import cross_entropy, source_mass

FloatArray = NDArray[np.float64]
AXIS = "gallery"
TIMES = 5  # how many times its even share a head must look at the words, to be counted
SHOWN_FIRST = 0.2  # concern: above that of the examples that the probes choose
SENTENCE = (
    "It is in this spirit that a majority of American governments have passed new laws since 2009 making the registration or "
    "voting process more difficult."
)
_SURE, _POSSIBLE = read_links("0-0 1-1 2-2 3-3 6-4 5-5 4-6 7?7 7-8 8-9 9-10 10-11 11-12")
TRANSLATION = Pair(
    id="gallery/agreement",
    source="The agreement on the European Economic Area was signed in August 1992.",
    target="L'accord sur la zone économique européenne a été signé en août 1992.",
    sure=_SURE,
    possible=_POSSIBLE,
    unrelated="The children played football in the park behind the school until evening.",
)
Made = Callable[..., Record]
Roles = Mapping[str, Sequence[tuple[int, int]]]


def gallery_requests(capabilities: frozenset[Capability], prefix: str) -> list[Request]:
    """What is asked for the two examples; ``prefix`` is what the model wants to read before a text to translate."""
    stated: list[Request] = [reading(SENTENCE, capabilities)]
    if Capability.CROSS_ATTENTION in capabilities:
        requests = asked(TRANSLATION, prefix)
        stated += [requests.right, requests.wrong, requests.attend]
    return stated


def gallery_records(
    capabilities: frozenset[Capability], prefix: str, answers: Responses, probe: str, source: str, roles: Roles
) -> list[Record]:
    """A record for each example; ``probe`` and ``source`` are what every record names, ``roles`` heads by what they do."""

    def made(identity: str, text: str, status: ItemStatus, **more: object) -> Record:
        scored = status == "scored"
        return Record.model_validate(
            {
                "id": identity,
                "probe": probe,
                "item": identity,
                "source": source,
                "cluster": identity,
                "axis": AXIS,
                "input": text,
                "status": status,
                "outcome": "shown in the viewer" if scored else None,
                "concern": SHOWN_FIRST if scored else 0.0,
                **more,
            }
        )

    records = [_completed(answers, capabilities, made, roles)]
    if Capability.CROSS_ATTENTION in capabilities:
        records.append(_translated(prefix, answers, made))
    return records


def _completed(answers: Responses, capabilities: frozenset[Capability], made: Made, roles: Roles) -> Record:
    """Whether "making" and "more difficult" find each other, head by head."""
    name = "gallery/making"
    attended = answers.get(reading(SENTENCE, capabilities))
    if not isinstance(attended, Attended):
        failure = attended if isinstance(attended, Failure) else Failure("failed", "No attention came.")
        return made(name, SENTENCE, failure.status, note=failure.reason)
    # What completes the word comes after it: a model that reads from left to right can only look back from there.
    looking, sought = ("difficult", "making") if attended.causal else ("making", "more difficult")
    places = word_places(attended.tokens, SENTENCE, [span_of(SENTENCE, looking), span_of(SENTENCE, sought)])
    weights = attended.weights.astype(np.float64)
    if places is None or not weights.size:
        return made(name, SENTENCE, "unparsed", note="The words could not be found among the model's tokens.")
    rows, columns = places
    found = attention_by_word(weights, (rows,), (columns,))[..., 0, 0]
    seen = [row + 1 if attended.causal else len(attended.tokens) for row in rows]
    even = float(np.mean([len(columns) / n for n in seen]))
    above = int((found >= TIMES * even).sum())
    layer, head = (int(i) for i in np.unravel_index(int(found.argmax()), found.shape))
    number = attended.layers[layer] if attended.layers else layer
    rolled = rollout(weights, attended.causal)
    block = viewer_block(
        attended,
        entropy(weights, attended.causal),
        sink_mass(weights, attended.causal),
        {} if rolled is None else {"rollout": rolled},
        roles=roles,
    )
    note = (
        f"{above} of {found.size} heads give {sought!r} at least {TIMES} times its even share of the weight of {looking!r}. "
        f"The strongest is layer {number}, head {head}: {found.max():.2f}, where even weight is {even:.2f}."
    )
    if attended.missing:
        note += f" Not available: {'; '.join(attended.missing)}."
    marks = {"from": list(rows), "to": list(columns), "layer": layer, "head": head}
    return made(
        name,
        SENTENCE,
        "scored",
        output=f"{above} of {found.size} heads look from {looking!r} to {sought!r}",
        scores={"heads_above": float(above), "strongest": float(found.max()), "even_share": even},
        note=note,
        detail=block | {"caption": _question(attended.causal), "marks": marks},
    )


def _question(causal: bool) -> str:
    if causal:
        return (
            "Does 'difficult' look back to 'making'? This model reads from left to right: at 'making' it has not yet seen "
            "'more difficult', which completes it."
        )
    return "Does 'making' look ahead to 'more difficult', which completes it?"


def _translated(prefix: str, answers: Responses, made: Made) -> Record:
    """Whether each French word looks at the English word that it translates, over all layers and heads."""
    pair = TRANSLATION
    x = aligned(pair, prefix, answers)
    text = f"{pair.source} → {pair.target}"
    status: ItemStatus = x.status if x.status != "scored" else x.seen
    words = None if x.attended is None else word_weights(pair, prefix, x.attended)
    if status != "scored" or x.attended is None or words is None or not words.size:
        return made(pair.id, text, status if status != "scored" else "unparsed", note=x.note or x.reason)
    found = alignment_error_rate(argmax_links(words.mean(axis=0)), pair.sure, pair.possible)
    error = None if found is None else found.error
    caption = "Each French word should look at the English word that it translates."
    note = (
        "No word was linked." if error is None else f"Alignment error rate {error:.2f}, all layers and heads averaged."
    )
    if not x.prefers:
        told = (
            "The French sentence is no likelier after its English one than after an unrelated one: this model is no "
            "translator, and the picture means nothing."
        )
        caption, note = f"{caption} {told}", f"{note} {told}"
    block = viewer_block(x.attended, cross_entropy(x.attended.weights), source_mass(x.attended.weights, 0))
    return made(
        pair.id,
        text,
        "scored",
        output="translates" if x.prefers else "does not translate",
        scores={"alignment_error_rate": error, "log_probability_gain": x.margin},
        note=note,
        detail=block | {"caption": caption},
    )
