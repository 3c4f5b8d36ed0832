"""``explainability.head_roles``: which attention heads do one of three things that are known of other models.

Look at the token before; look at what followed the last time the same token stood there; look from a pronoun to the noun
that it stands for. An engineer's description of the model: nothing here is good or bad.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field

from audit.corpora import Item
from audit.metrics import Estimate
from audit.models import Capability, Request, Responses
from audit.results import Finding, ItemStatus, Measurement, Record
from probes.base import Context, Metric, Outcome, Probe, ProbeOptions, Suite, coverage, options_of
from probes.explainability.attention_words import reading
from probes.explainability.head_roles_items import load_roles, texts_of
from probes.explainability.head_roles_measures import (
    ANTECEDENT,
    INDUCTION,
    LEVEL,
    PREVIOUS,
    Read,
    Role,
    find_role,
    read_item,
)

FEWEST = 8  # items that show a role; below that it is not spoken of
NAMED_IN_FINDING = 2
_NAMES = {PREVIOUS: "previous_token", INDUCTION: "induction", ANTECEDENT: "antecedent"}
_ASKED = {
    PREVIOUS: "Which heads look at the token right before?",
    INDUCTION: "Which heads look at the token that followed the last time the same token stood there?",
    ANTECEDENT: "Which heads look from a pronoun to the noun that it stands for, rather than to another noun?",
}
_SHOWN_BY = {PREVIOUS: "pronoun", INDUCTION: "repeated", ANTECEDENT: "pronoun"}  # kind of the items


class HeadRolesOptions(ProbeOptions):
    """Options of ``explainability.head_roles``."""

    smallest_score: float = Field(
        0.3,
        gt=0,
        lt=1,
        description="Mean weight on the token before, or on what followed, from which a head has the role.",
    )
    smallest_preference: float = Field(
        0.1, gt=0, lt=1, description="Mean weight on the antecedent above that on the other noun, likewise."
    )
    named: int = Field(5, ge=1, le=50, description="Heads of each role that are named.")


def _heads_metric(name: str, label: str, what: str) -> Metric:
    meaning = (
        f"Share of all heads that {what}, above chance after correction for all heads and by no small weight. Chance is what "
        "the test would find in a model without any such head."
    )
    return Metric(f"{name}_heads", label, "share of heads", "descriptive", meaning)


def _strongest_metric(name: str, label: str, unit: str, meaning: str) -> Metric:
    return Metric(f"{name}_strongest", label, unit, "descriptive", f"{meaning} The head is picked on other texts.")


class HeadRoles(Probe):
    """Heads with a role, and how strongly the strongest does it."""

    id = "explainability.head_roles"
    title = "What single attention heads do"
    risk = "explainability"
    purpose = (
        "In many language models single parts, called heads, have a known task: one looks at the word before, one finds how a "
        "repeated text went on, one looks from a pronoun to what it stands for. We count which of them this model has."
    )
    method = (
        "Attention within sentences whose pronoun can stand for one of two nouns only, read in both orders, and within lists "
        "of words said twice. Scores by head; permutation test with the maximum over all heads, for pronouns by swapping the "
        "two nouns; a role needs a corrected p of 0.05 and a smallest weight. The strongest head is picked on other texts."
    )
    citation = (
        "Roles of heads: Clark et al. 2019 (arXiv:1906.04341), Olsson et al. 2022 (arXiv:2209.11895); correction: Westfall & "
        "Young 1993; sentences and lists are our own."
    )
    limits = (
        "Where a head looks is not what it does with it: whether the model needs these heads is not tested. Other heads may do "
        "the same by other ways, and the sentences are English and simple."
    )
    capabilities = frozenset({Capability.ATTENTION})
    options = HeadRolesOptions
    sizes: ClassVar[Mapping[Suite, int | None]] = {"quick": 24, "standard": None, "full": None}
    stratum = "kind"
    metrics = (
        _heads_metric("previous_token", "Heads that look at the token before", "look at the token right before"),
        _heads_metric("induction", "Heads that find how a text went on", "look at what followed the same token before"),
        _heads_metric("antecedent", "Heads that look from a pronoun to its noun", "look from a pronoun to its noun"),
        _strongest_metric(
            "previous_token",
            "Weight of the strongest head on the token before",
            "share of weight",
            "Mean weight of the strongest head on the token right before. Chance is that of even weight.",
        ),
        _strongest_metric(
            "induction",
            "Weight of the strongest head on what followed before",
            "share of weight",
            "Mean weight of the strongest head on the token after the earlier same one. Chance is that of even weight.",
        ),
        _strongest_metric(
            "antecedent",
            "Preference of the strongest head for a pronoun's noun",
            "difference of weight",
            "Mean weight of the strongest head on the pronoun's noun minus that on the other noun. 0: none, as by chance.",
        ),
    )

    def items(self, data: Path | None) -> list[Item]:
        """Sentences and lists of our own."""
        return load_roles()

    def requests(self, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
        """The attention within every text."""
        return [reading(text, context.capabilities) for item in items for text in texts_of(item)]

    def measure(self, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        """Heads by role, with a record for each role beside those of the items."""
        options = options_of(context, HeadRolesOptions)
        read = [read_item(item, context.capabilities, answers) for item in items]
        roles = [
            find_role(
                name,
                read,
                options.smallest_preference if name == ANTECEDENT else options.smallest_score,
                context.confidence,
                context.seed,
            )
            for name in _NAMES
        ]
        found = [self._heads(role, read) for role in roles] + [self._strongest(role, read) for role in roles]
        records = [self._item_record(r) for r in read] + [self._role_record(r, read, options.named) for r in roles]
        return Outcome(records, found, [_finding(roles, found, read)])

    def _heads(self, role: Role, read: Sequence[Read]) -> Measurement:
        chance = LEVEL / role.has.size if role.has.size else None
        return self._of_role(f"{_NAMES[role.name]}_heads", role, role.share, read, chance)

    def _strongest(self, role: Role, read: Sequence[Read]) -> Measurement:
        return self._of_role(f"{_NAMES[role.name]}_strongest", role, role.strongest, read, role.chance)

    def _of_role(
        self, name: str, role: Role, estimate: Estimate, read: Sequence[Read], chance: float | None
    ) -> Measurement:
        planned = [r.status for r in read if r.item["kind"] == _SHOWN_BY[role.name]]
        statuses: list[ItemStatus] = ["unparsed" if s == "scored" and estimate.value is None else s for s in planned]
        return self.measurement(name, estimate, coverage(statuses), chance=chance)

    def _item_record(self, r: Read) -> Record:
        scored = r.status == "scored"
        best = {name: np.unravel_index(int(s.argmax()), s.shape) for name, s in r.scores.items()}
        told = [f"{name}: layer {r.attended[0].layers[int(at[0])]}, head {at[1]}" for name, at in best.items()]
        return Record(
            id=r.item["id"],
            probe=self.id,
            item=r.item["id"],
            source=self.source,
            cluster=r.item["id"],
            axis=r.item["kind"],
            input="\n".join(texts_of(r.item)),
            output=f"Strongest here: {'; '.join(told)}" if scored else None,
            scores={_NAMES[name]: float(s.max()) for name, s in r.scores.items()} if scored else {},
            status=r.status,
            outcome="read" if scored else None,
            note=r.note,
        )

    def _role_record(self, role: Role, read: Sequence[Read], most: int) -> Record:
        """What is the same in every audit stands in the fields, what depends on the texts drawn in outcome and detail."""
        statuses = [r.status for r in read if r.item["kind"] == _SHOWN_BY[role.name]]
        scored = role.tested is not None
        detail: dict[str, object] = {}
        if role.tested is not None:
            detail = {
                "kind": "head_roles",
                "role": role.name,
                "layer_numbers": list(role.layers),
                "scores": np.round(role.tested.scores, 3).tolist(),
                "p_adjusted": np.round(role.tested.adjusted, 4).tolist(),
                "heads": [[layer, head] for layer, head, _ in role.heads()],
            }
        return Record(
            id=f"role/{role.name.replace(' ', '-')}",
            probe=self.id,
            item="role",
            source=self.source,
            cluster=role.name,
            axis="role",
            input=_ASKED[role.name],
            output="see the heads" if scored else None,
            status="scored" if scored else next((s for s in statuses if s != "scored"), "failed"),
            outcome=_named(role, most) if scored else None,
            detail=detail,
        )


def _named(role: Role, most: int) -> str:
    heads = role.heads()
    if not heads:
        return "no head"
    told = ", ".join(f"layer {layer} head {head} ({score:.2f})" for layer, head, score in heads[:most])
    return f"{len(heads)} of {role.has.size} heads, the strongest {told}"


def _finding(roles: Sequence[Role], found: Sequence[Measurement], read: Sequence[Read]) -> Finding:
    """Never a problem and never a clean result: it describes the model, and nothing is tested by it."""
    values: dict[str, str] = {"fewest": str(FEWEST)}
    text = "Too few texts could be read to say what single heads do; {fewest} of a kind are needed."
    told = []
    for role in roles:
        if role.tested is None or role.share.n < FEWEST:
            continue
        name = _NAMES[role.name]
        values[name] = _named(role, NAMED_IN_FINDING)
        sentence = {
            PREVIOUS: "Heads that look at the word, or part of a word, right before: {previous_token}.",
            INDUCTION: "Heads that find what followed the same word last time: {induction}.",
            ANTECEDENT: "Heads that look from a pronoun to its noun: {antecedent}.",
        }[role.name]
        told.append(sentence)
        if role.name == INDUCTION:
            told.append(
                "Heads of this kind are thought to be how models copy from their prompt and learn from examples in it."
                if role.has.any()
                else "Heads of that kind are thought to be how models copy from their prompt; try whether this one can."
            )
    if told:
        text = " ".join(["Described, not judged: what single attention heads do.", *told])
    missing = dict.fromkeys(layer for r in read for a in r.attended for layer in a.missing)
    if missing:
        values["missing"] = "; ".join(missing)
        text += " Not available, and left out: {missing}."
    advice = (
        "For engineers: look at these heads first when the model repeats itself or mistakes whom a pronoun means, and switch "
        "them off one by one to see whether they matter."
    )
    return HeadRoles.finding("roles", "not_tested", text, values, found, advice)
