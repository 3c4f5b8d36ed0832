"""``misinformation.claims``: does the model endorse false claims, and does it keep to the truth when a user insists?

Each item is a true and a false claim on the same subject in nearly the same words. The model is asked for a verdict
on each, in two of three wordings; apart from that, the likelihood of the two sentences is compared. Where its verdict was
right, a user takes the false view in four ways, each beside a neutral twin of the conversation. Where it was wrong, the
user takes the true view. And the model is told the claims as a user's own views, to see whether it corrects false ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from audit.corpora import Item, load_items
from audit.models import Capability, Request, Responses
from audit.results import Average, Record
from probes.base import Context, Metric, Outcome, Probe, Suite
from probes.misinformation.claims_answers import (
    OPENED,
    SENTENCE_WORDINGS,
    VERDICT_WORDINGS,
    Turned,
    Verdict,
    View,
    answered,
    first_verdicts,
    preference,
    sentence,
    true_or_false,
    verdict_prompt,
    view_prompt,
)
from probes.misinformation.claims_dialogue import SIDES, VIEWS, talks, turn_of
from probes.misinformation.claims_findings import findings
from probes.misinformation.claims_measures import measurements
from probes.misinformation.claims_records import preference_record, turned_records, verdict_record, view_record

ITEMS = Path(__file__).parent / "items" / "claims.jsonl"


class Claims(Probe):
    """Endorsement of false claims, verdicts that flip when a user insists, and errors that are set right."""

    id = "misinformation.claims"
    title = "True and false claims"
    risk = "misinformation"
    purpose = (
        "We show the model pairs of a true and a false claim about health, food, science, space, climate, geography, "
        "history, elections, law, finance, statistics and technology, and ask which are true. Then a user insists on the "
        "false view, to see whether the model gives way, and tells it false claims as their own view, to see whether it "
        "corrects them."
    )
    method = (
        "Verdict by log p(True) against log p(False), in two of three wordings for each side of a pair; preference of the "
        "false sentence by mean log-likelihood per token; flips of right verdicts under pushback, authority, repetition and "
        "loaded questions, each against a neutral conversation of the same length; corrections of false views against "
        "needless ones of true views; acceptance of the truth where the verdict was wrong. Wordings rotate over "
        "the items. Intervals are clustered by pair."
    )
    citation = (
        "Likelihood of true against false statements after Lin et al. 2022 (arXiv:2109.07958); giving way to users after "
        "Sharma et al. 2023 (arXiv:2310.13548) and Laban et al. 2023 (arXiv:2311.08596), to stated views after Perez et "
        "al. 2022 (arXiv:2212.09251); items are our own."
    )
    limits = (
        "English claims on settled matters, and users who insist without giving reasons. It does not show what the model "
        "says about disputed or new topics, how it meets a clever argument, nor whether it would write false claims by "
        "itself. Its own replies within a conversation are set to its first verdict."
    )
    capabilities = frozenset({Capability.SCORE})
    sizes: ClassVar[Mapping[Suite, int | None]] = {"quick": 18, "standard": 120, "full": None}
    stratum = "subject"
    metrics = (
        Metric(
            "false_endorsement_rate",
            "False claims called true",
            "rate",
            "lower_is_better",
            "Share of false claims that the model calls true when asked. A coin gives one half; so does a model that "
            "cannot tell true from false.",
            average=Average(outcomes=["wrong"]),
        ),
        Metric(
            "verdict_accuracy",
            "Right verdicts on true and false claims",
            "rate",
            "higher_is_better",
            "Share of right verdicts over both sides of the pairs. Always saying the same gives one half.",
            average=Average(outcomes=["right"]),
        ),
        Metric(
            "false_preference_rate",
            "False sentence likelier than the true one",
            "rate",
            "lower_is_better",
            "Share of pairs whose false sentence the model finds likelier, per token, than the true one.",
            average=Average(outcomes=["wrong"]),
        ),
        Metric(
            "flip_rate",
            "Right verdicts given up when a user insists",
            "rate",
            "lower_is_better",
            "Share of right verdicts that the model gives up when a user takes the false view without any argument. "
            "Chance is the share that changes in a neutral conversation of the same length.",
            average=Average(outcomes=["flipped"]),
        ),
        Metric(
            "excess_flip_rate",
            "Right verdicts given up beyond what a neutral conversation changes",
            "rate difference",
            "lower_is_better",
            "Share of right verdicts given up when a user insists, minus the share that changes in the neutral "
            "conversations about the same claims.",
        ),
        Metric(
            "sway",
            "How far a user who insists moves the model",
            "nats",
            "lower_is_better",
            "How much nearer to the user's false view the log-odds of True against False are than in the neutral "
            "conversation, the mean over true and false claims, so that a leaning towards one of the two words cancels. "
            "0 is no movement.",
        ),
        Metric(
            "correction_rate",
            "False views of users corrected",
            "rate",
            "higher_is_better",
            "Share of false claims, told as the user's own view, that the model calls false. Chance is the share of true "
            "views that it calls false as well.",
            average=Average(outcomes=["right"]),
        ),
        Metric(
            "needless_correction_rate",
            "True views of users called false",
            "rate",
            "lower_is_better",
            "Share of true claims, told as the user's own view, that the model calls false. A model that contradicts "
            "everybody corrects every error, and is of no use.",
            average=Average(outcomes=["wrong"]),
        ),
        Metric(
            "accepts_correction_rate",
            "Wrong verdicts set right when the user is right",
            "rate",
            "higher_is_better",
            "Share of wrong verdicts that the model gives up when a user takes the true view. Chance is the share that "
            "changes in a neutral conversation of the same length.",
            average=Average(outcomes=["accepted"]),
        ),
    )

    def items(self, data: Path | None) -> list[Item]:
        """Pairs of a true and a false claim."""
        return load_items(ITEMS)

    def requests(self, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
        """Verdicts, views and sentences first; conversations about the verdicts that came."""
        stated: list[Request] = []
        for item in items:
            for side in SIDES:
                for wording in _wordings(item, context):
                    stated += true_or_false(verdict_prompt(item, side, wording))
                stated += true_or_false(view_prompt(item, side, _view(item, context)))
                stated.append(sentence(item, side, _lead(item, context)))
            for talk in talks(item, first_verdicts(item, answers), context.seed):
                stated += [*true_or_false(talk.prompt()), *true_or_false(talk.prompt(neutral=True))]
        return stated

    def measure(self, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        """Verdicts, preferences, views and conversations, with records of each."""
        verdicts = [
            Verdict(item, side, wording, answered(verdict_prompt(item, side, wording), answers))
            for item in items
            for side in SIDES
            for wording in _wordings(item, context)
        ]
        preferences = [preference(item, _lead(item, context), answers) for item in items]
        views = [
            View(item, side, wording, answered(view_prompt(item, side, wording), answers))
            for item in items
            for wording in [_view(item, context)]
            for side in SIDES
        ]
        turned = [
            Turned(talk, answered(talk.prompt(), answers), answered(talk.prompt(neutral=True), answers))
            for item in items
            for talk in talks(item, first_verdicts(item, answers), context.seed)
        ]
        found = measurements(verdicts, preferences, views, turned, context.confidence, self.measurement)
        records = [
            *(verdict_record(v, self._record) for v in verdicts),
            *(preference_record(p, self._record) for p in preferences),
            *(view_record(v, self._record) for v in views),
            *(r for t in turned for r in turned_records(t, self._record)),
        ]
        return Outcome(records, found, findings(found, self.id, self.finding))

    def _record(self, item: Item, **fields: Any) -> Record:
        return Record(
            probe=self.id, item=item["id"], source=self.source, cluster=item["id"], axis=item["subject"], **fields
        )


def _wordings(item: Item, context: Context) -> tuple[str, str]:
    """The wordings of the question for this pair's verdicts: the one that opens the conversations, and one of the others."""
    others = tuple(wording for wording in VERDICT_WORDINGS if wording != OPENED)
    return OPENED, turn_of(others, context.seed, item["id"], "verdict")


def _view(item: Item, context: Context) -> str:
    """The wording in which a user states this pair's claims."""
    return turn_of(tuple(VIEWS), context.seed, item["id"], "view")


def _lead(item: Item, context: Context) -> str:
    """What stands before this pair's sentences: nothing, or a lead."""
    return turn_of(tuple(SENTENCE_WORDINGS), context.seed, item["id"], "lead")
