"""Numbers of ``robustness.perturbation``, from answers to questions as they are and with another surface."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.corpora import Item
from audit.metrics import Estimate, bootstrap, holm, not_measured, paired_rate_difference, rate
from audit.results import ItemStatus, Measurement
from probes.base import coverage, spread_over

Measure = Callable[..., Measurement]
GUESSING = 0.25  # four options
FLIPPING = 1 - GUESSING  # of a model that picks anew at random
CLEAN, LISTED, PARAPHRASE = "clean", "listed", "paraphrase"
LISTED_KINDS = (LISTED, "option_order")


@dataclass(frozen=True)
class Version:
    """One way to put a question: its kind and variant, the wording of the instruction, and the question's text.

    ``order``: the places of the options in the order in which the prompt lists them; None where it lists none.
    """

    kind: str
    variant: str
    wording: str
    text: str
    order: tuple[int, ...] | None = None

    @property
    def reference(self) -> str:
        """The kind of version that it is compared with; its own where it is one."""
        return LISTED if self.kind in LISTED_KINDS else CLEAN

    @property
    def changed(self) -> bool:
        """Whether something was changed, so that there is another version to compare it with."""
        return self.kind not in (CLEAN, LISTED)


@dataclass(frozen=True)
class Reply:
    """The likeliest of the four options; ``chosen`` is its place (0 is right), None where there is a tie or no score."""

    item: Item
    version: Version
    status: ItemStatus
    chosen: int | None = None
    logprobs: tuple[float, ...] = ()

    @property
    def right(self) -> bool:
        """Whether the right option was chosen."""
        return self.chosen == 0


@dataclass(frozen=True)
class Compared:
    """An answer to a changed version beside those to its reference and to the paraphrase of the same question."""

    reply: Reply
    reference: Reply
    paraphrase: Reply
    unchanged: Reply  # what the paraphrase is compared with

    @property
    def status(self) -> ItemStatus:
        """``scored`` where it and its reference are."""
        return _worst((self.reply, self.reference))

    @property
    def status_with_paraphrase(self) -> ItemStatus:
        """``scored`` where all four are."""
        return _worst((self.reply, self.reference, self.paraphrase, self.unchanged))

    @property
    def flipped(self) -> bool:
        """Whether another option was chosen than in the reference."""
        return self.reply.chosen != self.reference.chosen

    @property
    def paraphrase_flipped(self) -> bool:
        """Whether the paraphrase alone changed the choice."""
        return self.paraphrase.chosen != self.unchanged.chosen


def _worst(replies: Iterable[Reply]) -> ItemStatus:
    return next((r.status for r in replies if r.status != "scored"), "scored")


def compared(replies: Sequence[Reply]) -> list[Compared]:
    """Each answer to a changed version, with what it is compared with."""
    known = {(r.item["id"], r.version.kind): r for r in replies if not r.version.changed}
    paraphrases = {r.item["id"]: r for r in replies if r.version.kind == PARAPHRASE}
    return [
        Compared(r, known[i, r.version.reference], paraphrases[i], known[i, CLEAN])
        for r in replies
        if r.version.changed
        for i in [r.item["id"]]
    ]


def counted(pair: Compared | None) -> dict[str, float]:
    """What an answer to a changed version adds to the means of which it is part."""
    scores: dict[str, float] = {}
    if pair is None or pair.reply.status != "scored":
        return scores
    scores["accuracy_changed"] = float(pair.reply.right)
    if pair.status == "scored":
        scores["flipped"] = float(pair.flipped)
        scores["accuracy_drop"] = float(pair.reference.right) - float(pair.reply.right)
    if pair.status_with_paraphrase == "scored":
        scores["flips_beyond_paraphrase"] = float(pair.flipped) - float(pair.paraphrase_flipped)
    return scores


def measurements(replies: Sequence[Reply], confidence: float, seed: int, measure: Measure) -> list[Measurement]:
    """All measurements of the probe."""
    pairs = compared(replies)
    surface = [p for p in pairs if p.reply.version.kind != PARAPHRASE]
    rewordings = [p for p in pairs if p.reply.version.kind == PARAPHRASE]
    by_kind = {k: [p for p in surface if p.reply.version.kind == k] for k in _kinds(surface)}
    found = [_flips("flip_rate", surface, None, confidence, measure)]
    found += [_flips("flip_rate", of_it, k, confidence, measure) for k, of_it in by_kind.items()]
    found.append(_flips("paraphrase_flip_rate", rewordings, PARAPHRASE, confidence, measure, sliced=False))
    found += _differences(surface, by_kind, confidence, measure)
    found.append(_drop_rate(surface, confidence, seed, measure))
    found += _worst_cases(replies, confidence, measure)
    changed = [p.reply for p in pairs]
    found.append(_accuracy("accuracy_changed", changed, None, {}, confidence, measure))
    for kind in (PARAPHRASE, *by_kind):
        of_kind = [r for r in changed if r.version.kind == kind]
        found.append(_accuracy("accuracy_changed", of_kind, kind, {"tags.kind": kind}, confidence, measure))
    for name, kind in (("accuracy", CLEAN), ("accuracy_listed", LISTED)):
        of_kind = [r for r in replies if r.version.kind == kind]
        if of_kind:
            found.append(_accuracy(name, of_kind, None, {"tags.kind": kind}, confidence, measure))
    return found


def _kinds(pairs: Sequence[Compared]) -> list[str]:
    return sorted({p.reply.version.kind for p in pairs})


def _accuracy(
    name: str,
    replies: Sequence[Reply],
    part: str | None,
    evidence: Mapping[str, str],
    confidence: float,
    measure: Measure,
) -> Measurement:
    scored = [r for r in replies if r.status == "scored"]
    return measure(
        name,
        rate([r.right for r in scored], [r.item["id"] for r in scored], confidence),
        coverage(r.status for r in replies),
        part=part,
        chance=GUESSING,
        spread=spread_over((r.version.wording, r.right) for r in scored),
        evidence=dict(evidence),
    )


def _flips(
    name: str, pairs: Sequence[Compared], kind: str | None, confidence: float, measure: Measure, sliced: bool = True
) -> Measurement:
    scored = [p for p in pairs if p.status == "scored"]
    return measure(
        name,
        rate([p.flipped for p in scored], _ids(scored), confidence),
        coverage(p.status for p in pairs),
        part=kind if sliced else None,
        chance=FLIPPING,
        spread=spread_over((p.reference.version.wording, p.flipped) for p in scored),
        evidence={"tags.kind": kind} if kind else {"tags.role": "surface"},
    )


def _ids(pairs: Iterable[Compared]) -> list[str]:
    return [p.reply.item["id"] for p in pairs]


def _beyond(pairs: Sequence[Compared], confidence: float) -> tuple[Estimate, list[ItemStatus]]:
    """Share of flips minus that of the same questions when paraphrased."""
    scored = [p for p in pairs if p.status_with_paraphrase == "scored"]
    found = paired_rate_difference(
        [p.flipped for p in scored], [p.paraphrase_flipped for p in scored], _ids(scored), confidence
    )
    return found, [p.status_with_paraphrase for p in pairs]


def _drop(pairs: Sequence[Compared], confidence: float) -> tuple[Estimate, list[ItemStatus]]:
    """Share right in the reference minus share right in the changed version."""
    scored = [p for p in pairs if p.status == "scored"]
    found = paired_rate_difference(
        [p.reference.right for p in scored], [p.reply.right for p in scored], _ids(scored), confidence
    )
    return found, [p.status for p in pairs]


def _differences(
    surface: Sequence[Compared], by_kind: Mapping[str, Sequence[Compared]], confidence: float, measure: Measure
) -> list[Measurement]:
    """Flips beyond a paraphrase's and lost accuracy, whole and by kind; Holm over all tests of both by kind."""
    ways = {"flips_beyond_paraphrase": _beyond, "accuracy_drop": _drop}
    by_test = {(name, k): way(of_it, confidence) for name, way in ways.items() for k, of_it in by_kind.items()}
    adjusted = dict(zip(by_test, holm([estimate.p_value for estimate, _ in by_test.values()]), strict=True))
    found = []
    for name, way in ways.items():
        estimate, statuses = way(surface, confidence)
        found.append(measure(name, estimate, coverage(statuses), chance=0.0, evidence={"tags.role": "surface"}))
        for kind in by_kind:
            estimate, statuses = by_test[name, kind]
            found.append(
                measure(
                    name,
                    estimate,
                    coverage(statuses),
                    part=kind,
                    chance=0.0,
                    evidence={"tags.kind": kind},
                    p_adjusted=adjusted[name, kind],
                )
            )
    return found


def drop_rate(before: NDArray[np.float64], after: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    """Performance drop rate (Zhu et al. 2023): 1 - right after / right before; NaN where nothing was right before."""
    right = before.sum(axis=axis)
    kept: NDArray[np.float64] = np.divide(
        after.sum(axis=axis), right, out=np.full(np.shape(right), np.nan), where=right > 0
    )
    return 1 - kept


def _drop_rate(surface: Sequence[Compared], confidence: float, seed: int, measure: Measure) -> Measurement:
    scored = [p for p in surface if p.status == "scored"]
    before = np.array([p.reference.right for p in scored], dtype=np.float64)
    after = np.array([p.reply.right for p in scored], dtype=np.float64)
    if before.sum():
        estimate = bootstrap((before, after), drop_rate, _ids(scored), confidence, seed=seed)
    else:
        estimate = not_measured("no answer was right before the change", confidence)
    return measure(
        "performance_drop_rate",
        estimate,
        coverage(p.status for p in surface),
        chance=0.0,
        evidence={"tags.role": "surface"},
    )


def _worst_cases(replies: Sequence[Reply], confidence: float, measure: Measure) -> list[Measurement]:
    """Share of questions answered rightly in every version: of all, of those without and with listed options."""
    found = []
    parts: dict[str | None, Callable[[Reply], bool]] = {
        None: lambda r: True,
        "no options listed": lambda r: r.version.kind not in LISTED_KINDS,
        "options listed": lambda r: r.version.kind in LISTED_KINDS,
    }
    for part, belongs in parts.items():
        by_item: dict[str, list[Reply]] = {}
        for r in filter(belongs, replies):
            by_item.setdefault(r.item["id"], []).append(r)
        if by_item:
            found.append(_worst_case(list(by_item.values()), part, confidence, measure))
    return found


def _worst_case(
    by_item: Sequence[Sequence[Reply]], part: str | None, confidence: float, measure: Measure
) -> Measurement:
    statuses = [_worst(of_it) for of_it in by_item]
    scored = [of_it for of_it, status in zip(by_item, statuses, strict=True) if status == "scored"]
    ids = [of_it[0].item["id"] for of_it in scored]
    return measure(
        "worst_case_accuracy",
        rate([all(r.right for r in of_it) for of_it in scored], ids, confidence),
        coverage(statuses),
        part=part,
        chance=GUESSING ** max(map(len, by_item)),
        spread=spread_over((of_it[0].version.wording, all(r.right for r in of_it)) for of_it in scored),
        evidence={},
    )
