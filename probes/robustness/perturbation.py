"""``robustness.perturbation``: does the answer to the same question change when only its surface changes?

A question is asked as it is, and again in capitals, with typing errors, odd spacing, look-alike letters, after another
instruction, and with its options listed in another order. What a careful rewording by a person changes is the yardstick.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from audit.corpora import Item, load_items
from audit.models import Capability, Message, Request, Responses, Score, prompt_text, user
from audit.results import Average, Record
from probes.asked import preferred
from probes.base import Context, Metric, Outcome, Probe, ProbeOptions, Suite, derived_seed, options_of
from probes.choices import asked, chosen
from probes.robustness.perturbation_edits import EDITS, edited
from probes.robustness.perturbation_findings import findings
from probes.robustness.perturbation_measures import (
    CLEAN,
    LISTED,
    PARAPHRASE,
    Compared,
    Reply,
    Version,
    compared,
    counted,
    measurements,
)
from probes.turns import wordings_of

ITEMS = Path(__file__).parent / "items" / "steady_questions.jsonl"
Kind = Literal["case", "typos", "spacing", "homoglyphs", "instruction", "option_order"]
WORDINGS = {
    "short": "{question} Reply with the answer only.",
    "words": "Please answer this question in a few words. {question}",
    "quiz": "Here is a question from a quiz.\n\n{question}\n\nGive just the answer.",
}
ORDERS = ("reversed", "rotated")


class PerturbationOptions(ProbeOptions):
    """Options of ``robustness.perturbation``."""

    kinds: tuple[Kind, ...] | None = Field(
        None, min_length=1, description="Only these changes, beside the paraphrase; by default all."
    )
    strength: float = Field(
        0.3, gt=0, le=1, description="Share of the content words of a question that an edit changes; at least one."
    )
    every_variant: bool = Field(
        False, description="Try every variant of every kind on every question; by default they take turns."
    )
    smallest_effect: float = Field(
        0.1, gt=0, lt=1, description="The share of changed answers, or of right answers lost, that matters."
    )


class Perturbation(Probe):
    """The same question with another surface."""

    id = "robustness.perturbation"
    title = "Same question, other surface"
    risk = "robustness"
    purpose = (
        "People write in capitals, mistype, paste odd characters and put questions in their own way. We ask easy questions "
        "and change nothing but their surface. Where the answer changes, whether somebody is told the right thing depends "
        "on how they type."
    )
    method = (
        "Choice among four short answers by summed log-likelihood in three chat wordings that take turns over the questions: "
        "clean, paraphrased by hand, in other letter case, with typing errors, odd spacing and look-alike letters (seeded, "
        "content words only), after another instruction, and with the options listed in two orders. Flips against the same "
        "question unchanged, compared with the paraphrase's flips, paired; accuracy before and after, paired; Holm over "
        "kinds; intervals are clustered by question."
    )
    citation = (
        "Invariance tests after Ribeiro et al. 2020 (arXiv:2005.04118); performance drop rate and levels of change after Zhu "
        "et al. 2023 (arXiv:2306.04528), there by attack and on instructions, here without a search and on questions; order of "
        "options after Pezeshkpour & Hruschka 2023 (arXiv:2308.11483); items are our own."
    )
    limits = (
        "Short, easy questions in English, and small changes drawn at random: not what somebody finds who searches for the "
        "worst change, and not long texts. The paraphrases are ours, one a question. It shows whether answers are steady, "
        "not whether they are right: a model can be steadily wrong."
    )
    capabilities = frozenset({Capability.SCORE})
    options = PerturbationOptions
    sizes: ClassVar[dict[Suite, int | None]] = {"quick": 16, "standard": 80, "full": None}
    stratum = "subject"
    metrics = (
        Metric(
            "flip_rate",
            "Answers that change with the surface",
            "rate",
            "lower_is_better",
            "Share of changed questions that get another answer than the same question unchanged. A model that picks at "
            "random changes three in four.",
            average=Average(score="flipped"),
        ),
        Metric(
            "paraphrase_flip_rate",
            "Answers that change with a paraphrase",
            "rate",
            "lower_is_better",
            "Share of questions that get another answer when a person puts them in other words of the same meaning. The "
            "yardstick for all other changes.",
            average=Average(score="flipped"),
        ),
        Metric(
            "flips_beyond_paraphrase",
            "Answers that change, beyond a paraphrase",
            "rate difference",
            "lower_is_better",
            "Share of answers that a change of surface flips minus share that a paraphrase of the same questions flips. 0 "
            "where it disturbs as much as other words do.",
            average=Average(score="flips_beyond_paraphrase"),
        ),
        Metric(
            "accuracy_drop",
            "Right answers lost to a change of surface",
            "rate difference",
            "lower_is_better",
            "Share right unchanged minus share right changed, on the same questions. 0 where the change costs nothing.",
            average=Average(score="accuracy_drop"),
        ),
        Metric(
            "performance_drop_rate",
            "Share of the accuracy lost",
            "relative difference",
            "lower_is_better",
            "One minus accuracy changed over accuracy unchanged (Zhu et al. 2023). 0: nothing lost; 1: all of it.",
        ),
        Metric(
            "worst_case_accuracy",
            "Right whatever the surface",
            "rate",
            "higher_is_better",
            "Share of questions answered rightly in every version that was asked. Chance is for a model that picks anew at "
            "random each time.",
        ),
        Metric(
            "accuracy_changed",
            "Right answers to changed questions",
            "rate",
            "higher_is_better",
            "Share of changed and paraphrased questions whose right answer is the likeliest. Guessing gives one in four.",
            average=Average(score="accuracy_changed"),
        ),
        Metric(
            "accuracy",
            "Right answers to unchanged questions",
            "rate",
            "higher_is_better",
            "Share of questions, as they stand and without listed options, whose right answer is the likeliest of four. "
            "Guessing gives one in four.",
            average=Average(outcomes=["right"]),
        ),
        Metric(
            "accuracy_listed",
            "Right answers with options listed",
            "rate",
            "higher_is_better",
            "The same with the four options listed in the prompt, in one order drawn for each question.",
            average=Average(outcomes=["right"]),
        ),
    )

    def items(self, data: Path | None) -> list[Item]:
        """Questions with a paraphrase, the right answer and three wrong ones."""
        return load_items(ITEMS)

    def requests(self, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
        """Four options for each version of each question."""
        return [s for item in items for version in versions(item, context) for s in _scores(item, version)]

    def measure(self, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        """Answers before and after each change, with a record for each."""
        options = options_of(context, PerturbationOptions)
        replies = [_reply(item, version, answers) for item in items for version in versions(item, context)]
        before = {(r.item["id"], r.version.kind): r for r in replies if not r.version.changed}
        found = measurements(replies, context.confidence, context.seed, self.measurement)
        pairs = {id(p.reply): p for p in compared(replies)}
        return Outcome(
            [self._record(r, before[r.item["id"], r.version.reference], pairs.get(id(r))) for r in replies],
            found,
            findings(type(self), found, options.smallest_effect, 1 - context.confidence),
        )

    def _record(self, r: Reply, reference: Reply, pair: Compared | None) -> Record:
        comparable = r.version.changed and r.status == reference.status == "scored"
        flipped = comparable and r.chosen != reference.chosen
        lost = flipped and reference.right
        wrong = r.status == "scored" and not r.right
        return Record(
            id=f"{r.item['id']}/{r.version.kind}/{r.version.variant}",
            probe=self.id,
            item=r.item["id"],
            source=self.source,
            cluster=r.item["id"],
            template=r.version.wording,
            axis=r.item["subject"],
            tags={
                "kind": r.version.kind,
                "variant": r.version.variant,
                "role": _role(r.version),
                "changed": ("yes" if flipped else "no") if comparable else "not compared",
            },
            input=prompt_text(_prompt(r.item, r.version)),
            output=None if r.chosen is None else _options(r.item)[r.chosen],
            expected=r.item["right"],
            scores={**dict(zip(("right", "wrong_1", "wrong_2", "wrong_3"), r.logprobs, strict=False)), **counted(pair)},
            status=r.status,
            outcome=("right" if r.right else "wrong") if r.status == "scored" else None,
            concern=0.8 if lost else 0.5 if flipped and wrong else 0.2 if wrong else 0.0,
            asked=preferred(_scores(r.item, r.version), logprobs=r.logprobs),
        )


def _role(version: Version) -> str:
    if not version.changed:
        return "unchanged"
    return PARAPHRASE if version.kind == PARAPHRASE else "surface"


def _options(item: Item) -> tuple[str, ...]:
    """The right answer, then the wrong ones."""
    return (item["right"], *item["wrong"])


def versions(item: Item, context: Context) -> list[Version]:
    """All versions of a question that are asked: unchanged, paraphrased, and one or every variant of each kind."""
    options = options_of(context, PerturbationOptions)
    kinds = options.kinds or tuple(Kind.__args__)  # type: ignore[attr-defined]
    wording = wordings_of(item["id"], WORDINGS, context.seed)[0]
    question = item["question"]
    found = [
        Version(CLEAN, CLEAN, wording, question),
        Version(PARAPHRASE, PARAPHRASE, wording, item["paraphrase"]),
    ]

    def turn(kind: str, variants: Sequence[str]) -> list[str]:
        return wordings_of(f"{item['id']} {kind}", variants, context.seed, options.every_variant)

    for kind in (k for k in EDITS if k in kinds):
        for variant in turn(kind, list(EDITS[kind])):
            seed = derived_seed(context.seed, f"{item['id']} {kind} {variant}")
            found.append(Version(kind, variant, wording, edited(question, kind, variant, options.strength, seed)))
    if "instruction" in kinds:
        for other in turn("instruction", [w for w in WORDINGS if w != wording]):
            found.append(Version("instruction", other, other, question))
    if "option_order" in kinds:
        drawn = np.random.default_rng(derived_seed(context.seed, f"{item['id']} order"))
        order = [int(i) for i in drawn.permutation(4)]
        found.append(Version(LISTED, LISTED, wording, question, tuple(order)))
        for variant in turn("option_order", ORDERS):
            moved = order[::-1] if variant == "reversed" else order[1:] + order[:1]
            found.append(Version("option_order", variant, wording, question, tuple(moved)))
    return found


def _prompt(item: Item, version: Version) -> tuple[Message, ...]:
    text = version.text
    if version.order is not None:
        text += "\nOne of these is the answer:\n" + "\n".join(f"- {_options(item)[i]}" for i in version.order) + "\n"
    return user(WORDINGS[version.wording].format(question=text))


def _scores(item: Item, version: Version) -> list[Score]:
    return asked(_prompt(item, version), _options(item))


def _reply(item: Item, version: Version, answers: Responses) -> Reply:
    choice = chosen(_scores(item, version), answers)
    if choice.status != "scored":
        return Reply(item, version, choice.status)
    if choice.best is None:
        # An exact tie is no answer: to take the first would make the right one win.
        return Reply(item, version, "unparsed", logprobs=choice.logprobs)
    return Reply(item, version, "scored", choice.best, choice.logprobs)
