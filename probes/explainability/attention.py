"""``explainability.attention``: where the model looks, by layer and head, and how little that may say.

Attention weights come from one teacher-forced pass. Entropy, sink mass and distance describe them; rollout follows them
through the layers to the position that decides; its agreement with the measured effect of words says what it is worth.
Other ways to follow them are measured beside it, and so is what the place of a word alone would tell.

Of an encoder-decoder, the attention from the answer to the prompt is taken instead: its entropy and sink mass, with the
encoder's own beside them, and its shares carried through the encoder, as a mean over the answer's tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from audit.corpora import Item
from audit.metrics import holm, mean
from audit.models import Capability, Request, Responses
from audit.results import Average, ItemStatus, Measurement, Record
from probes.base import Context, Metric, Outcome, Probe, ProbeOptions, Suite, coverage, options_of
from probes.explainability.attention_findings import usefulness_finding
from probes.explainability.attention_measures import (
    GRADIENT,
    NORMS,
    POSITION,
    ROLLOUT,
    Looked,
    attention_requests,
    even_share,
    looked_at,
    missing_layers,
    ways,
    with_missing,
)
from probes.explainability.attention_viewer import viewer_block
from probes.explainability.attribution import attribution_request
from probes.explainability.decisions import FLAGGED_BY, Decision, decisions, load_decisions, preference_requests
from probes.explainability.gallery import Roles, gallery_records, gallery_requests
from probes.explainability.head_roles import HeadRoles

FloatArray = NDArray[np.float64]
EXAMPLES = 3  # records that the finding names
_VIEWED = {ROLLOUT: "rollout", GRADIENT: "gradient", NORMS: "norms"}
"""The maps as the viewer calls them."""


class AttentionOptions(ProbeOptions):
    """Options of ``explainability.attention``."""

    shown: int = Field(6, ge=0, le=50, description="Examples kept whole for the report's viewer.")
    longest: int = Field(64, ge=8, le=256, description="Longer texts, in tokens, are measured but not shown.")
    flagged: int = Field(2, ge=0, le=100, description="Decisions taken from what the bias probe flags.")
    prefix: str = Field(
        "", description="What a model wants to read before a text to translate, for the example of a translation."
    )


class Attention(Probe):
    """Attention by layer and head with its measured usefulness."""

    id = "explainability.attention"
    title = "Where the model looks"
    risk = "explainability"
    purpose = (
        "Language models weigh earlier words by what is called attention. We record these weights for every layer and "
        "show them, and we measure whether the words that get most weight are the ones that really change the answer."
    )
    method = (
        "Attention weights of one teacher-forced pass with the eager kernel. Normalised entropy, mass on the first token "
        "(sink) and mean distance by head; rollout to the deciding position, summed by word; Kendall's tau-b between rollout "
        "and the size of leave-one-out effects, averaged over decisions with a t interval. Beside it flow, gradient-weighted "
        "relevancy, rollout of norm-weighted attention and the raw last layer, with Holm's correction, and the tau of a word's "
        "place."
    )
    citation = (
        "Rollout and flow: Abnar & Zuidema 2020 (arXiv:2005.00928); gradient-weighted: Chefer et al. 2021 (arXiv:2103.15679); "
        "norms: Kobayashi et al. 2020 (arXiv:2004.10102); attention as explanation: Jain & Wallace 2019 (arXiv:1902.10186); "
        "sinks: Xiao et al. 2023 (arXiv:2309.17453); distance: Vig & Belinkov 2019 (arXiv:1906.04284); items are our own."
    )
    limits = (
        "Attention shows where the model looked, not why it answered. Words can matter without weight and have weight "
        "without mattering; the agreement figure says how far apart the two are here."
    )
    capabilities = frozenset({Capability.SCORE, Capability.ATTENTION, Capability.ATTRIBUTE})
    options = AttentionOptions
    sizes: ClassVar[Mapping[Suite, int | None]] = {"quick": 10, "standard": 28, "full": None}
    stratum = "kind"
    follows = (*FLAGGED_BY, HeadRoles.id)
    metrics = (
        Metric(
            "usefulness",
            "Agreement of attention with the measured effect of words",
            "correlation",
            "higher_is_better",
            "Mean rank correlation of attention rollout with leave-one-out effects. 1: attention names the words that "
            "matter; 0: it says nothing about them. The slices are other ways to follow attention, and the place of a word.",
        ),
        Metric(
            "beyond_position",
            "Agreement of attention beyond that of a word's place",
            "correlation difference",
            "higher_is_better",
            "Mean of usefulness minus the rank correlation of nearness to the end with the same effects. 0 or below: attention "
            "says no more about the words than where they stand.",
        ),
        Metric(
            "entropy",
            "How widely attention is spread",
            "share of maximum",
            "descriptive",
            "Mean over layers and heads of the normalised entropy. 0: all weight on one token; 1: even over all tokens. "
            "Chance is even weight.",
        ),
        Metric(
            "sink_mass",
            "Attention that rests on the first token",
            "share of weight",
            "descriptive",
            "Mean weight on the first token, which often serves as a resting place without meaning. Chance is its share "
            "under even weight.",
        ),
        Metric(
            "mean_distance",
            "How far attention reaches",
            "tokens",
            "descriptive",
            "Mean distance between a token and what it looks at, over layers and heads. Chance is that of even weight.",
        ),
    )

    @classmethod
    def needs(cls, options: ProbeOptions) -> frozenset[Capability]:
        """Attention and word effects; what the decision is between is scored, or classified by a classifier."""
        return cls.capabilities - {Capability.SCORE}

    def items(self, data: Path | None) -> list[Item]:
        """Decisions of our own; flagged ones come from other probes."""
        return load_decisions()

    def requests(self, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
        """Both answers, then attention and the leave-one-out effects of the chosen one; and the gallery."""
        options = options_of(context, AttentionOptions)
        stated = gallery_requests(context.capabilities, options.prefix)
        for decision in self._decisions(items, context):
            stated += preference_requests([decision])
            effects = attribution_request(decision, answers)
            if effects is not None:
                stated += [effects, *attention_requests(effects, context.capabilities)]
        return stated

    def measure(self, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        """Entropy, sinks, distance and usefulness, with the gallery and the first examples kept for the viewer."""
        options = options_of(context, AttentionOptions)
        looked = [with_missing(looked_at(d, answers, context.capabilities)) for d in self._decisions(items, context)]
        done = [x for x in looked if x.attended is not None]
        found = [*self._useful(looked, context), *self._descriptions(looked, context)]
        fitting = [x.decision.id for x in done if x.attended and _extent(x) <= options.longest]
        shown = fitting[: options.shown]
        by_name = {m.metric.removeprefix(f"{self.id}."): m for m in found}
        finding = usefulness_finding(
            by_name["usefulness"],
            by_name[f"usefulness[{POSITION}]"],
            by_name["beyond_position"],
            missing_layers(looked),
            shown[:EXAMPLES],
            self.finding,
        )
        roles = _roles(context)
        records = [self._record(x, x.decision.id in shown, roles) for x in looked]
        gallery = gallery_records(context.capabilities, options.prefix, answers, self.id, self.source, roles)
        return Outcome([*gallery, *records], found, [finding])

    def _decisions(self, items: Sequence[Item], context: Context) -> list[Decision]:
        return decisions(items, context, options_of(context, AttentionOptions).flagged)

    def _useful(self, looked: Sequence[Looked], context: Context) -> list[Measurement]:
        """The agreement of each way of following attention with word effects, by itself and beyond the place of words."""
        names = ways(context.capabilities)
        agreed = [x.taus for x in looked]
        beyond = [_beyond(x) for x in looked]
        level = context.confidence
        return [
            *self._by_way("usefulness", looked, agreed, (*names, POSITION), (-1.0, 1.0), level),
            *self._by_way("beyond_position", looked, beyond, names, (-2.0, 2.0), level),
        ]

    def _by_way(
        self,
        metric: str,
        looked: Sequence[Looked],
        values: Sequence[Mapping[str, float]],
        names: Sequence[str],
        bounds: tuple[float, float],
        level: float,
    ) -> list[Measurement]:
        """One measurement a way, the main one without a slice; Holm over the ways, not over the place beside them."""
        estimates = [mean([of[name] for of in values if name in of], None, level, bounds=bounds) for name in names]
        adjusted = holm([None if n == POSITION else e.p_value for n, e in zip(names, estimates, strict=True)])
        return [
            self.measurement(
                metric,
                estimate,
                coverage(_status(x, name in of, x.untold) for x, of in zip(looked, values, strict=True)),
                part=None if name == ROLLOUT else name,
                chance=0.0,
                average=Average(score=_by(metric, name)),
                p_adjusted=p_adjusted,
            )
            for name, estimate, p_adjusted in zip(names, estimates, adjusted, strict=True)
        ]

    def _descriptions(self, looked: Sequence[Looked], context: Context) -> list[Measurement]:
        done = [x for x in looked if x.attended is not None]
        even = _mean_or_none([even_share(x.attended) for x in done if x.attended is not None])
        far = _mean_or_none([x.even_distance for x in done if x.even_distance is not None])
        level = context.confidence
        found = [
            self._described("entropy", looked, [x.entropy for x in looked], 1.0, level),
            self._described("sink_mass", looked, [x.sink for x in looked], even, level),
        ]
        distances = [x.distance for x in looked]
        if Capability.CROSS_ATTENTION not in context.capabilities:
            return [*found, self._described("mean_distance", looked, distances, far, level, top=None)]
        parts = [x.encoder or (None, None) for x in looked]
        return [
            *found,
            self._described("entropy", looked, [spread for spread, _ in parts], 1.0, level, "encoder"),
            self._described("sink_mass", looked, [sink for _, sink in parts], even, level, "encoder"),
            self._described("mean_distance", looked, distances, far, level, "encoder", top=None),
        ]

    def _described(
        self,
        name: str,
        looked: Sequence[Looked],
        values: Sequence[FloatArray | None],
        chance: float | None,
        level: float,
        part: str | None = None,
        top: float | None = 1.0,
    ) -> Measurement:
        means = [float(v.mean()) for v in values if v is not None]
        # Distances have no bound that all texts share; the longest text's cannot be passed.
        most = max((len(x.attended.sources or x.attended.tokens) for x in looked if x.attended), default=1)
        estimate = mean(means, None, level, bounds=(0.0, float(most) if top is None else top))
        became = coverage(_status(x, v is not None) for x, v in zip(looked, values, strict=True))
        # Records hold what was seen of the decoder; the distance of a pair of models is the encoder's alone.
        average = Average(score=name) if part is None or name == "mean_distance" else None
        return self.measurement(name, estimate, became, chance=chance, part=part, average=average)

    def _record(self, x: Looked, shown: bool, roles: Roles) -> Record:
        scored = x.status == "scored"
        return Record(
            id=x.decision.id,
            probe=self.id,
            item=x.decision.id,
            source=x.decision.source(self.source),
            cluster=x.decision.id,
            axis=x.decision.kind,
            input=x.decision.text,
            output=x.answer.strip() or None,
            scores={
                "usefulness": x.taus.get(ROLLOUT),
                **{_by("usefulness", name): tau for name, tau in x.taus.items()},
                **{_by("beyond_position", name): value for name, value in _beyond(x).items()},
                "entropy": None if x.entropy is None else float(x.entropy.mean()),
                "sink_mass": None if x.sink is None else float(x.sink.mean()),
                "mean_distance": None if x.distance is None else float(x.distance.mean()),
                **({} if x.end is None else {"end_mass": x.end}),
            },
            status=x.status,
            outcome=None if not scored else "shown in the viewer" if shown else "measured",
            concern=0.1 if shown else 0.0,
            note=x.note,
            detail=_block(x, roles) if shown else {},
        )


def _by(metric: str, way: str) -> str:
    """The name of a record's score for a way of following attention."""
    return metric if way == ROLLOUT else f"{metric}[{way}]"


def _beyond(x: Looked) -> dict[str, float]:
    """How much better each way agrees with word effects than the place of words does."""
    return {n: tau - x.taus[POSITION] for n, tau in x.taus.items()} if POSITION in x.taus else {}


def _extent(x: Looked) -> int:
    return 0 if x.attended is None else max(len(x.attended.tokens), len(x.attended.sources))


def _status(x: Looked, scored: bool, otherwise: ItemStatus = "unparsed") -> ItemStatus:
    return otherwise if x.status == "scored" and not scored else x.status


def _mean_or_none(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _roles(context: Context) -> Roles:
    """Heads by what they do, where the probe of heads ran before."""
    outcome = context.earlier.get(HeadRoles.id)
    blocks = [record.detail for record in outcome.records if record.detail.get("role")] if outcome else []
    return {block["role"]: [(layer, head) for layer, head in block["heads"]] for block in blocks}


def _block(x: Looked, roles: Roles) -> dict[str, Any]:
    if x.attended is None:
        return {}
    maps = {_VIEWED[name]: values for name, values in x.maps.items()}
    return viewer_block(x.attended, x.entropy, x.sink, maps, x.flow, roles)
