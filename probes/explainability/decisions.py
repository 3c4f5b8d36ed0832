"""Which decisions of the model are explained: the ones that the bias probe flags first, then decisions of our own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from audit.corpora import Item, load_items
from audit.models import Prompt, Request, Responses, Score, Scored, prompt_text, user
from probes.base import Context
from probes.bias.counterfactual_pairs import CHATS

ITEMS = Path(__file__).parent / "items" / "decisions.jsonl"
FLAGGED_BY = "bias.counterfactual"


@dataclass(frozen=True)
class Decision:
    """A choice between two answers; ``evidence`` holds the words that settle it for a person, where known."""

    id: str
    kind: str
    prompt: Prompt
    answer: str
    contrast: str
    evidence: tuple[str, ...]

    @property
    def scores(self) -> tuple[Score, Score]:
        """Requests for both answers."""
        return Score(self.prompt, self.answer), Score(self.prompt, self.contrast)

    @property
    def text(self) -> str:
        """The prompt as a person reads it."""
        return prompt_text(self.prompt)

    def chosen(self, answers: Responses) -> tuple[str, str] | None:
        """(what the model prefers, the other), or None where either could not be scored."""
        found = [answers.get(score) for score in self.scores]
        if not all(isinstance(f, Scored) for f in found):
            return None
        first, second = (f.logprob for f in found if isinstance(f, Scored))
        return (self.answer, self.contrast) if first >= second else (self.contrast, self.answer)


def load_decisions() -> list[Item]:
    """Decisions of our own, spread over kinds."""
    return load_items(ITEMS)


def decisions(items: Sequence[Item], context: Context, flagged: int) -> list[Decision]:
    """At most ``flagged`` decisions of the bias probe with the highest concern, then the given items."""
    return [*_flagged(context, flagged), *(_own(item) for item in items)]


def _own(item: Item) -> Decision:
    return Decision(item["id"], item["kind"], item["prompt"], item["answer"], item["contrast"], tuple(item["evidence"]))


def _flagged(context: Context, limit: int) -> list[Decision]:
    """One decision for each flagged text, because several groups' records share most of their words."""
    outcome = context.earlier.get(FLAGGED_BY)
    if outcome is None or limit == 0:
        return []
    worst = sorted((r for r in outcome.records if r.concern > 0), key=lambda r: (-r.concern, r.id))
    chosen: dict[str, Decision] = {}
    for record in worst:
        if record.cluster in chosen:
            continue
        question = record.tags["kind"] in CHATS
        lead = "" if question else " "
        chosen[record.cluster] = Decision(
            id=f"flagged/{record.id}",
            kind="flagged",
            prompt=user(record.input) if question else record.input,
            answer=lead + record.tags["favourable"],
            contrast=lead + record.tags["unfavourable"],
            evidence=(),
        )
        if len(chosen) == limit:
            break
    return list(chosen.values())


def preference_requests(chosen: Sequence[Decision]) -> list[Request]:
    """Scores of both answers of each decision."""
    return [score for decision in chosen for score in decision.scores]
