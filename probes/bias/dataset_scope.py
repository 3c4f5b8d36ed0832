"""What all numbers of ``bias.dataset`` share: rates of groups, gaps between groups, and what became of the cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.metrics import Estimate, holm, not_measured, rate
from audit.results import Coverage, Measurement
from probes.bias.dataset_items import Attribute, DataSet, IntArray
from probes.bias.group_fairness_statistics import PARITY, compared

Mask = NDArray[np.bool_]
NO_ATTRIBUTE = "no sensitive column was named"


@dataclass(frozen=True)
class Scope:
    """A data set, how it is judged, and what makes a measurement of the probe."""

    data: DataSet
    minimum: int
    confidence: float
    seed: int
    measure: Callable[..., Measurement]

    def coverage(self, scored: int, planned: int | None = None) -> Coverage:
        """``planned`` cases (all by default), of which ``scored`` could be counted."""
        if self.data.failure is not None:
            return Coverage.model_validate({"planned": 1, "scored": 0, self.data.failure.status: 1})
        many = self.data.cases if planned is None else planned
        return Coverage(planned=many, scored=scored, unparsed=many - scored)

    def nothing(self, name: str, reason: str) -> Measurement:
        """A metric of which there is no value at all."""
        failure = self.data.failure
        why = failure.reason.rstrip(".") if failure is not None else reason
        return self.measure(name, not_measured(why, self.confidence), self.coverage(0))

    def group_rates(
        self,
        name: str,
        event: Mask,
        among: Mask,
        chance: float | None = None,
        planned: Mask | None = None,
        families: IntArray | None = None,
    ) -> list[Measurement]:
        """How often the event is there in each group, small ones too; chance is its rate over all groups together.

        ``among``: the cases that are counted, of those ``planned`` (all by default); those of one of the ``families`` are
        not independent.
        """
        wanted = np.ones(self.data.cases, dtype=bool) if planned is None else planned
        found: list[Measurement] = []
        for attribute in self.data.attributes:
            counted = among & attribute.known
            whole = float(event[counted].mean()) if counted.any() else None
            for place in range(len(attribute.names)):
                members = (attribute.codes == place) & attribute.known
                used = members & among
                if not members.any():
                    continue
                why = "no case of this group can be counted"
                clusters = None if families is None else families[used].tolist()
                estimate = (
                    rate(event[used], clusters, self.confidence) if used.any() else not_measured(why, self.confidence)
                )
                found.append(
                    self.measure(
                        name,
                        estimate,
                        self.coverage(int(used.sum()), int((members & wanted).sum())),
                        part=attribute.part(place),
                        chance=None if not used.any() else whole if chance is None else chance,
                        evidence={"tags.group": attribute.part(place)},
                    )
                )
        return found

    def gap(self, attribute: Attribute, event: Mask, among: Mask) -> tuple[Estimate, float | None]:
        """Highest minus lowest rate of the event over groups of at least the minimum size, and with shuffled groups."""
        counts = self.counts(attribute, event, among)
        if len(counts) < 2:
            return not_measured(f"fewer than two groups have {self.minimum} such cases", self.confidence), None
        value = float(PARITY.statistic(counts))
        return compared(counts, PARITY, value, self.confidence, self.seed)

    def counts(self, attribute: Attribute, event: Mask, among: Mask) -> IntArray:
        """``[groups, 2, 2]`` in the layout of the gaps' statistics, true classes aside: only groups large enough."""
        counts = np.zeros((len(attribute.names), 2, 2), dtype=np.intp)
        used = among & np.isin(attribute.codes, attribute.large)
        np.add.at(counts, (attribute.codes[used], np.zeros(int(used.sum()), dtype=np.intp), event[used].astype(int)), 1)
        large: IntArray = counts[counts.sum(axis=(1, 2)) >= self.minimum]
        return large

    def gaps(self, name: str, event: Mask, among: Mask, planned: Mask | None = None) -> list[Measurement]:
        """The gap by each attribute, Holm-corrected over them; ``among`` as for the rates."""
        if not self.data.attributes:
            return [self.nothing(name, NO_ATTRIBUTE)]
        results = [self.gap(attribute, event, among) for attribute in self.data.attributes]
        told = self.coverage(int(among.sum()), None if planned is None else int(planned.sum()))
        return self.corrected(
            name, [(a.name, e, c) for a, (e, c) in zip(self.data.attributes, results, strict=True)], told
        )

    def corrected(
        self, name: str, results: Sequence[tuple[str, Estimate, float | None]], told: Coverage
    ) -> list[Measurement]:
        """Measurements of (slice, estimate, chance), Holm-corrected; n may be a part of what ``told`` counts as scored."""
        adjusted = holm([estimate.p_value for _, estimate, _ in results])
        return [
            self.measure(name, estimate, told, part=part, chance=chance, p_adjusted=p, evidence=_where(part))
            for (part, estimate, chance), p in zip(results, adjusted, strict=True)
        ]


def _where(part: str) -> dict[str, str]:
    """The records behind a slice: those of an attribute, or of one of its groups or columns."""
    attribute, _, _ = part.partition(": ")
    return {"axis": attribute}
