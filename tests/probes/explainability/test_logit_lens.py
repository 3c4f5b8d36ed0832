"""The layer that settles an answer: planted early and late, and what cannot be read."""

from __future__ import annotations

import pytest

from audit.models import Lens, Lensed
from audit.models.scripted import ScriptedModel
from audit.models.scripted_inside import LAYERS
from audit.results import Asked, Record
from probes.base import Outcome
from probes.explainability.decisions import load_decisions
from probes.explainability.logit_lens import LogitLens
from tests.probes.harness import finding, interval, number, run_probe, value

RIGHT = {item["prompt"]: item["answer"] for item in load_decisions()}


class Settling(ScriptedModel):
    """Knows our answers from one layer on; below, the other answer is ahead. Of other answers it knows nothing."""

    def __init__(self, layer: int) -> None:
        super().__init__(lambda prompt, ending: -1.0 if RIGHT[prompt] == ending else -2.0)
        self._from = layer

    def at_layer(self, layer: int, prompt: str, continuation: str) -> float:
        known = self._score(prompt, continuation)
        return known if layer >= self._from else -3.0 - known


class Late(Settling):
    """As above in the last layer alone; in the one before the answer is level with the other."""

    def __init__(self) -> None:
        super().__init__(LAYERS)

    def at_layer(self, layer: int, prompt: str, continuation: str) -> float:
        return -1.5 if layer == LAYERS - 1 else super().at_layer(layer, prompt, continuation)


@pytest.mark.parametrize("layer", [0, 1, 3])
def test_the_planted_layer_is_found(layer: int) -> None:
    outcome = run_probe(LogitLens, Settling(layer), 24)
    assert value(number(outcome, "winning_depth")) == pytest.approx(layer / LAYERS)
    assert value(number(outcome, "early_rate")) == (layer / LAYERS <= 0.5)
    assert {r.scores["layer"] for r in outcome.records} == {layer}
    assert all(r.detail["wins_at"] == layer for r in outcome.records)


def test_a_tie_is_not_ahead() -> None:
    outcome = run_probe(LogitLens, Late(), 24)
    assert value(number(outcome, "winning_depth")) == 1
    assert value(number(outcome, "early_rate")) == 0


def test_without_a_pattern_it_is_as_deep_as_for_other_answers() -> None:
    depth = number(run_probe(LogitLens, ScriptedModel()), "winning_depth")
    low, high = interval(depth)
    assert depth.chance is not None
    assert low < depth.chance < high


class Odd(Settling):
    """Two answers that begin alike, or whose first token is behind."""

    def __init__(self, same: bool) -> None:
        super().__init__(0)
        self._same = same

    def _lensed(self, request: Lens) -> Lensed:
        column = (-1.0,) * (LAYERS + 1)
        return Lensed(column, column if self._same else (-0.5,) * (LAYERS + 1), ("a",) * (LAYERS + 1), "a", "b")


@pytest.mark.parametrize(("same", "words"), [(True, "same token"), (False, "behind")])
def test_what_the_first_token_does_not_decide_is_not_counted(same: bool, words: str) -> None:
    outcome = run_probe(LogitLens, Odd(same), 12)
    assert {r.status for r in outcome.records} == {"unparsed"}
    assert all(words in (r.note or "") for r in outcome.records)
    assert number(outcome, "winning_depth").value is None
    assert number(outcome, "winning_depth").coverage.unparsed == 12
    assert finding(outcome, "depth").outlook == "not_tested"


def test_what_the_viewer_gets() -> None:
    [record, *_] = run_probe(LogitLens, Settling(2), 12).records
    detail = record.detail
    assert detail["kind"] == "lens"
    assert len(detail["answer"]) == len(detail["contrast"]) == len(detail["top"]) == LAYERS + 1
    assert detail["target"].strip() == record.output
    assert detail["answer"][-1] > detail["contrast"][-1]


def test_the_finding_describes_and_judges_nothing() -> None:
    told = finding(run_probe(LogitLens, Settling(3), 24), "depth")
    assert (told.outlook, told.severity) == ("not_tested", "none")
    assert "75% of its layers" in told.text
    assert finding(run_probe(LogitLens, Settling(3), 4), "depth").values["fewest"] == "8"


def test_what_others_flag_comes_first() -> None:
    asked = Asked(prompt=next(iter(RIGHT)), answer=" so", contrast=" not so")
    record = Record(
        id="a", probe="bias.x", item="a", source="s", cluster="a", input="…", output="so", outcome="wrong", concern=1.0,
        asked=asked,
    )  # fmt: skip
    outcome = run_probe(LogitLens, ScriptedModel(), 12, earlier={"bias.x": Outcome([record], [], [])})
    assert outcome.records[0].source == "flagged by bias.x"
    alone = run_probe(
        LogitLens,
        ScriptedModel(),
        12,
        earlier={"bias.x": Outcome([record.model_copy(update={"asked": Asked(prompt="p", answer=" a")})], [], [])},
    )
    assert alone.records[0].status == "unparsed"
