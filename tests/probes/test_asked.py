"""A record's decision is exactly what the model was asked, so that it can be explained later."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from audit.models import Classified, Classify, Generate, Message, Score, user
from audit.models.scripted import ScriptedModel
from audit.results import Asked, Turn
from probes.asked import as_written, likeliest, preferred, prompt_of, stated
from probes.registry import find_probes
from tests.probes.harness import run_probe

PROBES = find_probes()
# What these measure is not one answer of the model to one prompt: whole texts, pairs, tables, vectors, continuations
# that are read over many samples, or what is said of a picture.
NO_SINGLE_DECISION = {
    "bias.bold",
    "bias.crows_pairs",
    "bias.dataset",
    "bias.embedding_association",
    "bias.group_fairness",
    "bias.honest",
    "bias.refusal_gap",
    "bias.stereoset",
    "bias.winobias",
    "bias.winogender",
    "footprint.cost",
    "footprint.energy",
    "misinformation.provenance",
    "poisoning.weights_file",
    "privacy.membership_inference",
}
DECIDING = sorted(name for name in PROBES if not name.startswith("explainability.") and name not in NO_SINGLE_DECISION)


class Listening(ScriptedModel):
    """Remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(write=lambda prompt: "It is blue and round.")
        self.heard: set[tuple[object, str | None]] = set()

    def score(self, requests: Sequence[Score]):  # type: ignore[no-untyped-def]
        self.heard |= {(r.prompt, r.continuation) for r in requests}
        return super().score(requests)

    def generate(self, requests: Sequence[Generate]):  # type: ignore[no-untyped-def]
        self.heard |= {(r.prompt, None) for r in requests}
        return super().generate(requests)

    def classify(self, requests: Sequence[Classify]):  # type: ignore[no-untyped-def]
        self.heard |= {(r.text, None) for r in requests}
        return super().classify(requests)


@pytest.mark.parametrize("name", DECIDING)
def test_what_a_record_says_was_asked_was_asked(name: str) -> None:
    model = Listening()
    outcome = run_probe(PROBES[name], model, 12)
    decisions = [(r, r.asked) for r in outcome.records if r.asked is not None]
    assert decisions
    for record, decision in decisions:
        prompt = prompt_of(decision)
        answer = decision.answer
        chosen = (prompt, answer) in model.heard and (
            decision.contrast is None or (prompt, decision.contrast) in model.heard
        )
        wrote = (prompt, None) in model.heard and (record.output is None or answer.strip() in record.output)
        classified = (prompt, None) in model.heard and decision.contrast is not None
        assert chosen or wrote or classified, record.id
        assert record.status == "scored" or record.outcome is None


def test_the_likelier_comes_first() -> None:
    options = [Score("Q", " a"), Score("Q", " b"), Score("Q", " c")]
    assert preferred(options, logprobs=(-3.0, -1.0, -2.0)) == Asked(prompt="Q", answer=" b", contrast=" c")
    assert preferred(options[:2], -0.5) == Asked(prompt="Q", answer=" b", contrast=" a")
    assert preferred(options[:2], 0.5) == Asked(prompt="Q", answer=" a", contrast=" b")
    assert preferred(options, logprobs=()) is None
    assert likeliest(Classified(("x", "y", "z"), (0.2, 0.5, 0.3))) == ("y", "z")


def test_what_was_written_continues_the_prompt() -> None:
    assert as_written("Once", "upon") == Asked(prompt="Once", answer=" upon")
    assert as_written("Once\n", "upon") == Asked(prompt="Once\n", answer="upon")
    assert as_written(user("Hello?"), "Yes.") == Asked(prompt=[Turn(role="user", content="Hello?")], answer="Yes.")
    assert as_written("Once", "") is None


def test_prompts_come_back() -> None:
    talk = (Message("system", "Be brief."), *user("Hello?"))
    for prompt in ("Once", talk):
        assert prompt_of(Asked.model_validate_json(stated(prompt, "x").model_dump_json())) == prompt
