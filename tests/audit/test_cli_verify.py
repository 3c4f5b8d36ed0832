"""``audit verify``: an old result that holds, one that does not, and one sentence for each mistake."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

import audit.opening
from audit.manifest import code_identity
from audit.models import Capability, Failure, Model, Score, Scored, Unavailable
from audit.models.scripted import ScriptedModel, noise
from audit.results import Record, Turn, read_result, write_records, write_result
from audit.results.withholding import Withholding
from audit.verifying import compared, requests_of
from probes.asked import stated
from tests.audit.shell import Command, entry_point
from tests.audit.support import measurement, record, result_of

HASH = "5" * 64
PROMPTS = [f"Is {word} a colour?" for word in ("red", "loud", "green", "soft", "blue", "seven", "white", "old")]


def likelihood(prompt: str, ending: str) -> float:
    return -1.0 - 3 * noise(f"{prompt}|{ending}")


class Scripted(ScriptedModel):
    """As the audited model, unless its likelihoods are others; ``calls`` counts what it was asked."""

    def __init__(self, score: Callable[[str, str], float] = likelihood, **facts: Any) -> None:
        super().__init__(score)
        self.calls = 0
        known = {"weights_sha256": HASH, "tokenizer_sha256": HASH, "dtype": "float32"}
        self.facts = self.facts.model_copy(update={**known, **facts})

    def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
        self.calls += len(requests)
        return super().score(requests)


def decided(prompt: str, **changes: Any) -> Record:
    odds = likelihood(prompt, " yes") - likelihood(prompt, " no")
    answers = (" yes", " no") if odds > 0 else (" no", " yes")
    fields = {"scores": {"log_odds": odds}, "asked": stated(prompt, *answers), "input": prompt}
    return record(prompt[3:-10], **{**fields, **changes})


@pytest.fixture
def opens(monkeypatch: pytest.MonkeyPatch) -> Callable[[Model], None]:
    """Says which model is opened."""
    return lambda model: monkeypatch.setattr(audit.opening, "open_model", lambda *_: model)


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], opens: Callable[[Model], None]
) -> Command:
    """The entry point as the shell calls it, in a folder with a result of the scripted model and its model.yaml."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FAIRWITNESS_CACHE", str(tmp_path / "cache"))
    opens(Scripted())
    (tmp_path / "model.yaml").write_text(yaml.safe_dump({"model": {"source": "script"}}))
    kept(tmp_path / "r", [decided(p) for p in PROMPTS])

    return entry_point(monkeypatch, capfd, "verify")


def kept(folder: Path, records: Sequence[Record]) -> None:
    result = result_of(measurement())
    manifest = result.manifest.model_copy(update={"identity": {"code": code_identity()}, "config_file": "model.yaml"})
    write_result(folder, result.model_copy(update={"model": Scripted().facts, "manifest": manifest}), {})
    write_records(folder, result.probes[0].id, list(records))


def test_a_result_that_holds(command: Command, tmp_path: Path) -> None:
    done = command("r")
    assert done.status == 0
    assert "The result holds. 8 of 8 records computed again say the same; 8 of 8 could have been." in done.out
    assert "The largest difference is 0 nats." in done.out
    assert "Weights: the same (555555555555)." in done.out
    assert "Code of fairwitness: the same" in done.out
    assert not (tmp_path / "cache" / "responses.sqlite").exists()  # nothing is kept, and nothing was taken from there


def test_numbers_that_moved_and_answers_that_turned(command: Command, opens: Callable[[Model], None]) -> None:
    opens(Scripted(lambda p, e: likelihood(p, e) + (0.01 if "red" in p and e == " yes" else 0.0)))
    done = command("r")
    assert done.status == 1
    assert "The result does not hold. 7 of 8 records computed again say the same, 1 say something else" in done.out
    assert "The largest difference is 0.01 nats." in done.out
    assert re.search(r"^tiny.rate/red: moved. .* then, .* now \(nats\)\.$", done.out, re.MULTILINE)


def test_rounding_is_no_difference(command: Command, opens: Callable[[Model], None]) -> None:
    opens(Scripted(lambda p, e: likelihood(p, e) + 1e-4 * noise(p)))
    assert command("r").status == 0


def test_half_precision_may_move_further(command: Command, opens: Callable[[Model], None]) -> None:
    opens(Scripted(lambda p, e: likelihood(p, e) + 0.2 * (e == " yes"), dtype="bfloat16"))
    done = command("r")
    assert done.status == 0
    assert "Number format: differs (float32 then, bfloat16 now)." in done.out


@pytest.mark.parametrize(
    ("fact", "name"),
    [("weights_sha256", "weights"), ("tokenizer_sha256", "tokenizer")],
)
def test_another_model_does_not_hold_whatever_it_answers(
    command: Command, opens: Callable[[Model], None], fact: str, name: str
) -> None:
    opens(Scripted(**{fact: "6" * 64}))
    done = command("r")
    assert done.status == 1
    assert f"The result does not hold: it is of another model. Not the same: {name}." in done.out
    assert f"{name.capitalize()}: differs (555555555555 then, 666666666666 now)." in done.out


def test_another_template_does_not_hold(command: Command, opens: Callable[[Model], None]) -> None:
    opens(Scripted(chat_template=True, chat_template_sha256="7" * 64))
    assert "Not the same: chat template." in command("r").out


def test_other_packages_are_said(command: Command, tmp_path: Path) -> None:
    result = read_result(tmp_path / "r")
    manifest = result.manifest.model_copy(update={"packages": {"torch": "1.0"}})
    write_result(tmp_path / "r", result.model_copy(update={"manifest": manifest}), {})
    assert "Other version: torch was 1.0 and is " in command("r").out


def test_decisions_with_personal_data_are_counted_and_not_put_again(command: Command, tmp_path: Path) -> None:
    held = [Withholding(b"key").record(decided(f"Is {who}@example.org a colour?")) for who in ("jo", "bo")]
    kept(tmp_path / "r", [*held, decided(PROMPTS[0])])
    done = command("r")
    assert done.status == 0
    assert "1 of 1 records computed again say the same; 1 of 3 could have been." in done.out
    assert "In 2 records personal data are blotted out of what was asked, so that it cannot be put again." in done.out
    kept(tmp_path / "r", held)
    assert "be asked again. In 2 records personal data" in command("r").out


def test_json_and_a_seeded_sample(command: Command) -> None:
    done = command("r", "--sample", "3", "--seed", "4", "--json")
    told = json.loads(done.out)
    assert (done.status, done.err) == (0, "")
    assert (told["holds"], told["sampled"], told["available"], told["records"]) == (True, 3, 8, 8)
    assert told["counts"] == {"same": 3, "close": 0, "moved": 0, "unanswered": 0}
    assert {check["name"]: check["same"] for check in told["checks"]}["weights"] is True
    assert command("r", "--sample", "3", "--seed", "4", "--json").out == done.out


def test_a_model_that_does_not_answer_leaves_it_open(command: Command, opens: Callable[[Model], None]) -> None:
    class Gone(Scripted):
        def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
            raise Unavailable("The server is gone.")

    opens(Gone())
    done = command("r")
    assert done.status == 3
    assert "The result could not be verified: The server is gone. 0 of 8" in done.out


def test_a_result_without_decisions_cannot_be_verified(
    command: Command, tmp_path: Path, opens: Callable[[Model], None]
) -> None:
    kept(tmp_path / "none", [record("1"), decided(PROMPTS[0], asked=stated("Q", " a written answer"), scores={})])
    done = command("none")
    assert (done.status, "none of its 2 records holds a decision" in done.out) == (3, True)
    writer = Scripted()
    writer.capabilities = frozenset({Capability.GENERATE})
    opens(writer)
    assert command("r").status == 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nowhere",), "nowhere"),
        (("r", "--config", "other.yaml"), "There is no file other.yaml."),
        (("r", "--device", "abacus"), "Unknown device abacus; choose auto, cpu, cuda, cuda:N or mps."),
        (("r", "--sample", "0"), "--sample"),
    ],
)
def test_each_mistake_ends_in_a_sentence(command: Command, arguments: tuple[str, ...], told: str) -> None:
    done = command(*arguments)
    assert done.status == 2
    assert told in done.err
    assert "Traceback" not in done.err


def test_a_config_that_is_not_where_it_was(command: Command, tmp_path: Path) -> None:
    (tmp_path / "model.yaml").rename(tmp_path / "moved.yaml")
    done = command("r")
    assert done.status == 2
    assert done.err.strip() == (
        "model.yaml, which the result names as its config, is not here. Give the model.yaml with --config."
    )
    assert command("r", "--config", "moved.yaml").status == 0


class TestRecords:
    MODEL = Scripted()

    def test_what_can_be_computed_anew(self) -> None:
        able = self.MODEL.capabilities
        assert len(requests_of(decided("Q?"), able)) == 2
        assert requests_of(decided("Q?", status="failed"), able) == []
        assert requests_of(decided("Q?", detail={"other_texts": ["R?"]}), able) == []  # decided over both texts
        assert requests_of(decided("Q?", asked=stated("Q?", " yes")), able) == []
        alone = decided("Q?", asked=stated("Q?", " yes"), scores={"log_likelihood": -1.0})
        assert requests_of(alone, able) == [Score("Q?", " yes")]

    def test_conversations_are_asked_as_conversations(self) -> None:
        talk = decided("Q?")
        assert talk.asked is not None
        asked = talk.asked.model_copy(update={"prompt": [Turn(role="user", content="Q?")]})
        [first, _] = requests_of(talk.model_copy(update={"asked": asked}), self.MODEL.capabilities)
        assert isinstance(first, Score)
        assert not isinstance(first.prompt, str)

    def test_a_single_likelihood_is_compared_with_its_sign(self) -> None:
        kept = decided("Q?", asked=stated("Q?", " yes"), scores={"log_likelihood": -2.0})
        [request] = requests_of(kept, self.MODEL.capabilities)
        for now, fate in ((-2.0, "same"), (-2.5, "moved"), (2.0, "moved")):
            assert compared(kept, self.MODEL, {request: Scored(now, 1, False)}).fate == fate

    def test_a_preference_without_a_number_may_be_too_close_to_call(self) -> None:
        kept = decided("Q?", scores={})
        first, second = requests_of(kept, self.MODEL.capabilities)
        for ahead, fate in ((1.0, "same"), (-1e-5, "close"), (-1.0, "moved")):
            answers = {first: Scored(-3.0 + ahead, 1, False), second: Scored(-3.0, 1, False)}
            assert compared(kept, self.MODEL, answers).fate == fate

    def test_classes(self) -> None:
        model = ScriptedModel(
            classify=lambda text: {"good": 0.95, "bad": 0.05}, capabilities=frozenset({Capability.CLASSIFY})
        )
        for answers, fate in ((("good", "bad"), "same"), (("bad", "good"), "moved"), (("odd", "bad"), "moved")):
            kept = decided("Q?", asked=stated("Q?", *answers), scores={})
            [request] = requests_of(kept, model.capabilities)
            [found] = model.classify([request])  # type: ignore[list-item]
            assert compared(kept, model, {request: found}).fate == fate
