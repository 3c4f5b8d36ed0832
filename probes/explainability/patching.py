"""``explainability.patching``: which layers and which words carry a difference between two people.

Two texts differ in the person described alone, and the model's answers to them differ. States of the one are put into the
pass over the other, one layer and one token at a time: where the answer then follows, the difference is carried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from audit.corpora import Item
from audit.models import Capability, Patched, Request, Responses, prompt_text
from audit.results import Record
from probes.base import Context, Metric, Outcome, Probe, ProbeOptions, Suite, options_of
from probes.explainability.patching_items import Found, looked_into, score_requests, short_items
from probes.explainability.patching_measures import ALL, THIRDS, finding, measurements, shares


class PatchingOptions(ProbeOptions):
    """Options of ``explainability.patching``."""

    floor: float = Field(
        0.15,
        ge=0.1,
        description="Pairs whose log-odds differ by less (in nats) are left out: shares of little are noise.",
    )
    layers: int = Field(6, ge=3, le=200, description="Layers that are looked into, evenly spaced, the last among them.")


class Patching(Probe):
    """Activation patching between texts about two people."""

    id = "explainability.patching"
    title = "Where a difference between people is carried"
    risk = "explainability"
    purpose = (
        "Where a model's answer changes with the person that a text describes, we exchange its inner states between the two "
        "texts, one layer and one word at a time. It shows an engineer in which layers, and on which words, it sits."
    )
    method = (
        "Activation patching of the residual stream: f is the log-odds of the favourable ending; the restored share is (f of "
        "the reference text with one state from the group's text - f of the reference text) / (difference of f between the two "
        "texts). The widest pair of each item with equal numbers of tokens; shares summed over the words for the person, the "
        "last token and the rest, averaged over thirds of the layers; t interval over pairs, clustered by text."
    )
    citation = (
        "Meng et al. 2022 (arXiv:2202.05262), who patch into a noised text; exchange between two texts: Vig et al. 2020 "
        "(arXiv:2004.12265) and Zhang & Nanda 2023 (arXiv:2309.16042); items are our own."
    )
    limits = (
        "It shows where a difference is carried, not why it is there, and nothing about texts on which the answers agree. "
        "States are exchanged singly; what needs two of them at once is missed or counted twice. Only pairs that the tokenizer "
        "cuts into equally many tokens can be compared."
    )
    capabilities = frozenset({Capability.SCORE, Capability.STATES})
    options = PatchingOptions
    sizes: ClassVar[Mapping[Suite, int | None]] = {"quick": 8, "standard": 60, "full": None}
    stratum = "axis"
    metrics = tuple(
        Metric(
            f"{part}_share",
            label,
            "of the difference",
            "descriptive",
            f"Mean share of the difference between two texts that {words} restore. 0: nothing of it; 1: all. Shares of single "
            "tokens need not add up to 1. Chance is what as many tokens drawn at random would restore.",
        )
        for part, label, words in (
            ("person", "Difference carried by the words for the person", "the states of the words for the person"),
            ("rest", "Difference carried by other words", "the states of other words than these and the last"),
            (
                "last",
                "Difference carried by the last token",
                "the states of the last token, from which the answer is read,",
            ),
        )
    )

    def items(self, data: Path | None) -> list[Item]:
        """Sentences of ``bias.counterfactual`` in which little follows the person."""
        return short_items()

    def requests(self, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
        """Both endings of every text, then the exchange in each item's widest pair of equal length."""
        stated: list[Request] = []
        for item in items:
            scores = score_requests(item, context.seed)
            stated += scores
            if all(score in answers for score in scores):
                request = self._found(item, context, answers)[1]
                stated += [] if request is None else [request]
        return list(dict.fromkeys(stated))

    def measure(self, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        """Shares by part of the text and third of the layers, with a record for every item."""
        found = [self._found(item, context, answers)[0] for item in items]
        measured = measurements(found, context.confidence, self.measurement)
        floor = options_of(context, PatchingOptions).floor
        return Outcome([_record(f, self) for f in found], measured, [finding(measured, type(self), floor)])

    def _found(self, item: Item, context: Context, answers: Responses) -> tuple[Found, Any]:
        options = options_of(context, PatchingOptions)
        return looked_into(item, context.seed, options.floor, options.layers, answers)


def _record(f: Found, probe: Patching) -> Record:
    asked, patched = f.ask, f.patched
    favourable, unfavourable = (str(f.item[side]).strip() for side in ("favourable", "unfavourable"))
    scores: dict[str, float | None] = {"shift": f.shift}
    if patched is not None:
        restored = shares(patched).restored
        scores |= {f"{part}, {third}": v for part, of in restored.items() for third, v in zip(THIRDS, of, strict=True)}
        scores |= {f"{part}, {ALL}": sum(of) / len(of) for part, of in restored.items()}
    text = str(f.item["text"]).replace("{person}", "…") if asked is None else prompt_text(asked.prompt)
    return Record(
        id=str(f.item["id"]),
        probe=probe.id,
        item=str(f.item["id"]),
        source=probe.source,
        cluster=str(f.item["template"]),
        axis=str(f.item["axis"]),
        group=None if asked is None else asked.group,
        tags={} if f.reference is None else {"compared_with": f.reference.term},
        input=text,
        output=None if f.shift is None else favourable if f.shift > 0 else unfavourable,
        scores=scores,
        status=f.status,
        outcome=None if patched is None else _outcome(scores),
        note=f.note,
        detail={} if patched is None else _detail(patched, favourable, unfavourable),
    )


def _outcome(scores: Mapping[str, float | None]) -> str:
    person, last = (scores[f"{part}, {THIRDS[2]}"] or 0.0 for part in ("person", "last"))
    return "at the last token in the end" if last > person else "on the words for the person to the end"


def _detail(patched: Patched, favourable: str, unfavourable: str) -> dict[str, Any]:
    return {
        "kind": "patching",
        "tokens": list(patched.tokens),
        "other_tokens": list(patched.other_tokens),
        "layers": list(patched.layers),
        "values": [[round(float(value), 4) for value in row] for row in patched.values],
        "target": favourable,
        "contrast": unfavourable,
        "clean": round(patched.clean, 4),
        "corrupt": round(patched.corrupt, 4),
    }
