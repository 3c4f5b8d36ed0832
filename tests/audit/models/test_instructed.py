"""A model asked after an instruction: what reaches the model, and what of it can be told apart."""

from __future__ import annotations

import pytest

from audit.models import Attend, Capability, Generate, Generated, Message, Score, Scored, answer, user
from audit.models.instructed import Instructed, instructed
from audit.models.scripted import ScriptedModel

RULE = "Be kind."


def test_raw_text_gets_a_paragraph_and_a_conversation_a_system_message() -> None:
    assert instructed("The sky", RULE) == "Be kind.\n\nThe sky"
    assert instructed(user("Why?"), RULE) == (Message("system", RULE), Message("user", "Why?"))
    spoken = (Message("system", "Be brief."), Message("user", "Why?"))
    assert instructed(spoken, RULE) == (Message("system", "Be kind.\nBe brief."), Message("user", "Why?"))


def test_answers_are_the_models_after_the_instruction() -> None:
    inner = ScriptedModel(lambda prompt, continuation: -float(len(prompt)), lambda prompt: prompt.upper())
    model = Instructed(inner, RULE)
    requests = [Score("The sky", " is blue"), Score("", "x"), Score(user("Why?"), " so")]
    batches = model.batches(requests)
    assert sorted(r.key for batch in batches for r in batch) == sorted(r.key for r in requests)
    found = answer(model, requests)
    assert [a.logprob for a in found if isinstance(a, Scored)] == [
        -17.0,
        -10.0,
        -float(len("system: Be kind.\nuser: Why?")),
    ]
    [text] = answer(model, [Generate("hello", 4)])
    assert isinstance(text, Generated)
    assert text.text == "BE KIND.\n\nHELLO"


def test_only_scores_and_text_can_be_asked() -> None:
    model = Instructed(ScriptedModel(), RULE)
    assert model.capabilities == {Capability.SCORE, Capability.GENERATE}
    with pytest.raises(TypeError, match="Attend"):
        model.batches([Attend("a", "b")])
    narrow = Instructed(ScriptedModel(capabilities=frozenset({Capability.SCORE})), RULE)
    assert narrow.capabilities == {Capability.SCORE}


def test_two_instructions_never_share_answers_and_the_facts_name_theirs() -> None:
    inner = ScriptedModel()
    one, two = Instructed(inner, RULE), Instructed(inner, "Be brief.")
    assert len({inner.fingerprint, one.fingerprint, two.fingerprint}) == 3
    assert RULE in one.facts.notes[-1]
    assert inner.facts.notes == []
