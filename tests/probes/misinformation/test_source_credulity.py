"""Controls of ``misinformation.source_credulity``: models that believe all documents, some, or none."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import pytest

from audit.models import prompt_text
from audit.models.scripted import ScriptedModel, noise
from probes.misinformation.source_credulity import WORDINGS, SourceCredulity, _options, _prompt
from probes.misinformation.source_credulity_measures import PLANTED
from tests.probes.harness import finding, interval, number, outlooks, problems, run_probe, value

SHOWN = ("nothing", "correct", "neutral", *PLANTED)


class Asked(NamedTuple):
    item: str
    shown: str
    style: str
    options: tuple[str, ...]  # right, planted, others


@cache
def asked() -> dict[str, Asked]:
    """What each prompt of the probe is about."""
    found = {}
    for item in SourceCredulity().items(None):
        for wording in WORDINGS:
            for shown in SHOWN:
                style = item["doubtful_style" if shown == "doubtful" else "official_style"]
                about = Asked(item["id"], shown, style, _options(item))
                found[prompt_text(_prompt(item, wording, shown))] = about
    return found


class Reader:
    """Knows all answers and keeps to them; subclasses say which option (0 right, 1 planted, 2 and 3 others) they choose."""

    def __call__(self, prompt: str, continuation: str) -> float:
        what = asked()[prompt]
        return -0.1 if continuation == what.options[self.chooses(what)] else -4.0

    def knows(self, what: Asked) -> int:
        return 0

    def chooses(self, what: Asked) -> int:
        return self.knows(what)


class Partly(Reader):
    """Knows exactly four answers of five."""

    def knows(self, what: Asked) -> int:
        return 2 if what.item in one_in_five() else 0


@cache
def one_in_five() -> frozenset[str]:
    ids = sorted((i["id"] for i in SourceCredulity().items(None)), key=lambda i: noise(f"wrong {i}"))
    return frozenset(ids[: len(ids) // 5])


class Credulous(Partly):
    """Gives the answer of any document that holds one."""

    def chooses(self, what: Asked) -> int:
        return {"correct": 0, "official": 1, "doubtful": 1}.get(what.shown, self.knows(what))


class Careful(Partly):
    """Lets itself be put right, and never led astray."""

    def chooses(self, what: Asked) -> int:
        return 0 if what.shown == "correct" else self.knows(what)


class TestStubs:
    def test_always_agrees(self) -> None:
        """With whatever a document says; it is misled always, and knows what it knows without."""
        outcome = run_probe(SourceCredulity, ScriptedModel(Credulous()))
        assert "misled" in problems(outcome)
        assert finding(outcome, "misled").severity == "high"
        assert interval(number(outcome, "misled_rate"))[0] > 0.9
        assert number(outcome, "misled_rate").chance == 0.0
        assert value(number(outcome, "accuracy_with_correct_document")) == 1.0
        assert value(number(outcome, "memorisation_ratio")) == 0.0

    def test_always_refuses(self) -> None:
        """The like among four answers: always one that is neither right nor planted. It is not fine, and not misled."""

        class Shrugs(Reader):
            def chooses(self, what: Asked) -> int:
                return 3

        outcome = run_probe(SourceCredulity, ScriptedModel(Shrugs()))
        assert value(number(outcome, "accuracy_without_document")) == 0.0
        assert number(outcome, "misled_rate").value is None
        assert number(outcome, "misled_rate").coverage.planned == 0
        assert set(outlooks(outcome).values()) <= {"unclear", "not_tested"}
        assert "by guessing" in finding(outcome, "misled").text

    def test_answers_from_a_key(self) -> None:
        outcome = run_probe(SourceCredulity, ScriptedModel(Reader()))
        assert finding(outcome, "misled").outlook == "no_problem_found"
        assert "cannot be told" in finding(outcome, "misled").text
        assert value(number(outcome, "misled_rate")) == 0.0
        assert value(number(outcome, "memorisation_ratio")) == 1.0
        assert number(outcome, "correction_rate").value is None
        assert finding(outcome, "sources").outlook == "unclear"

    def test_a_key_with_one_in_five_wrong(self) -> None:
        """It passes over all documents, good ones too: not misled, and not praised for it."""
        outcome = run_probe(SourceCredulity, ScriptedModel(Partly()))
        low, high = interval(number(outcome, "accuracy_without_document"))
        assert low <= 0.8 <= high
        assert value(number(outcome, "accuracy_without_document")) == pytest.approx(0.8)
        assert value(number(outcome, "misled_rate")) == 0.0
        assert value(number(outcome, "correction_rate")) == 0.0
        assert finding(outcome, "misled").outlook == "unclear"
        assert "pass over documents" in finding(outcome, "misled").text


class TestPlanted:
    def test_one_that_checks_is_told_from_one_that_passes_over(self) -> None:
        outcome = run_probe(SourceCredulity, ScriptedModel(Careful()))
        assert finding(outcome, "misled").outlook == "no_problem_found"
        assert value(number(outcome, "correction_rate")) == 1.0
        assert "does use documents" in finding(outcome, "misled").text

    @pytest.mark.parametrize("style", ["forum", "chain_message", "news", "encyclopaedia"])
    def test_credulity_planted_in_one_style_shows_in_its_slice(self, style: str) -> None:
        class Partial(Careful):
            def chooses(self, what: Asked) -> int:
                return 1 if what.shown in PLANTED and what.style == style else super().chooses(what)

        outcome = run_probe(SourceCredulity, ScriptedModel(Partial()))
        slices = {
            m.slice.removeprefix("style: "): value(m)
            for m in outcome.measurements
            if m.slice and m.metric.startswith("misinformation.source_credulity.misled_rate[style")
        }
        assert len(slices) == 8
        assert {s for s, share in slices.items() if share == 1.0} == {style}
        assert {s for s, share in slices.items() if share == 0.0} == set(slices) - {style}
        low, high = interval(number(outcome, "credibility_gap"))
        assert low > 0 if style in ("news", "encyclopaedia") else high < 0
        assert "misled" in problems(outcome)

    def test_believing_official_sources_alone_is_told_from_believing_all(self) -> None:
        class Respectful(Careful):
            def chooses(self, what: Asked) -> int:
                return 1 if what.shown == "official" else super().chooses(what)

        picky = run_probe(SourceCredulity, ScriptedModel(Respectful()))
        assert problems(picky) == ["misled"]
        assert value(number(picky, "credibility_gap")) == 1.0
        assert "more credit" in finding(picky, "sources").text
        blind = run_probe(SourceCredulity, ScriptedModel(Credulous()))
        assert problems(blind) == ["misled", "sources"]
        assert value(number(blind, "credibility_gap")) == 0.0

    def test_one_that_any_document_confuses_is_not_called_misled(self) -> None:
        """The clean twin: it drifts to the same wrong answer whatever the document says."""

        class Confused(Partly):
            def chooses(self, what: Asked) -> int:
                drifts = what.shown != "nothing" and noise(what.item) < 0.5
                return 1 if drifts else self.knows(what)

        outcome = run_probe(SourceCredulity, ScriptedModel(Confused()))
        assert value(number(outcome, "misled_rate")) > 0.3
        assert number(outcome, "misled_rate").chance == pytest.approx(value(number(outcome, "misled_rate")))
        assert value(number(outcome, "misled_beyond_chance")) == 0.0
        assert value(number(outcome, "kept_with_neutral_document")) < 0.7
        assert problems(outcome) == []

    def test_a_planted_share_lies_in_its_interval(self) -> None:
        class Sometimes(Careful):
            def chooses(self, what: Asked) -> int:
                led = what.shown in PLANTED and noise(f"{what.item} {what.shown}") < 0.3
                return 1 if led else super().chooses(what)

        outcome = run_probe(SourceCredulity, ScriptedModel(Sometimes()))
        knew = [i["id"] for i in SourceCredulity().items(None) if i["id"] not in one_in_five()]
        true = np.mean([noise(f"{i} {s}") < 0.3 for i in knew for s in PLANTED])
        assert value(number(outcome, "misled_rate")) == pytest.approx(true)
        low, high = interval(number(outcome, "misled_rate"))
        assert low <= 0.3 <= high
        assert finding(outcome, "misled").severity == "medium"

    def test_the_smallest_effect_is_the_users(self) -> None:
        class Sometimes(Careful):
            def chooses(self, what: Asked) -> int:
                return 1 if what.shown in PLANTED and noise(what.item) < 0.2 else super().chooses(what)

        found = [
            finding(
                run_probe(SourceCredulity, ScriptedModel(Sometimes()), None, {"smallest_effect": e}), "misled"
            ).outlook
            for e in (0.1, 0.5)
        ]
        assert found == ["problem_found", "no_problem_found"]

    def test_few_wrong_answers_are_not_called_guessing(self) -> None:
        class Unlucky(Careful):
            def knows(self, what: Asked) -> int:
                return 2

        text = finding(run_probe(SourceCredulity, ScriptedModel(Unlucky()), 4), "misled").text
        assert text.startswith("Too few")

    def test_few_questions_settle_nothing(self) -> None:
        assert finding(run_probe(SourceCredulity, ScriptedModel(Careful()), 4), "misled").outlook == "unclear"


class TestWhatIsAsked:
    def test_planted_documents_are_shown_only_where_it_knew(self) -> None:
        outcome = run_probe(SourceCredulity, ScriptedModel(Partly()))
        shown = {r.item for r in outcome.records if r.tags["document"] == "planted"}
        assert shown == {i["id"] for i in SourceCredulity().items(None)} - one_in_five()
        assert {r.tags["before"] for r in outcome.records if r.item in one_in_five()} == {"wrong"}

    def test_a_tie_is_never_knowledge(self) -> None:
        class Undecided(Reader):
            def __call__(self, prompt: str, continuation: str) -> float:
                what = asked()[prompt]
                return (
                    -1.0
                    if noise(what.item) < 0.5 and what.shown == "nothing"
                    else super().__call__(prompt, continuation)
                )

        outcome = run_probe(SourceCredulity, ScriptedModel(Undecided()))
        accuracy = number(outcome, "accuracy_without_document")
        assert accuracy.coverage.unparsed > 40
        assert accuracy.n == accuracy.coverage.scored
        tied = {r.item for r in outcome.records if r.status == "unparsed"}
        assert not [r for r in outcome.records if r.item in tied and r.tags["shown"] in ("neutral", *PLANTED)]

    def test_every_wording_can_be_asked_for(self) -> None:
        outcome = run_probe(SourceCredulity, ScriptedModel(Reader()), 30, {"every_wording": True})
        assert len(outcome.records) == 30 * 3 * len(SHOWN)
        found = number(outcome, "misled_rate")
        assert (found.n, found.clusters) == (30 * 3 * 2, 30)
        one = run_probe(SourceCredulity, ScriptedModel(Reader()), 30)
        assert {r.template for r in one.records} == set(WORDINGS)
        assert len(one.records) == 30 * len(SHOWN)

    def test_the_question_is_the_same_with_and_without_a_document_and_asks_for_truth(self) -> None:
        item = SourceCredulity().items(None)[0]
        for wording, (_, question) in WORDINGS.items():
            assert any(word in question for word in ("true", "correct"))
            alone = prompt_text(_prompt(item, wording, "nothing"))
            for shown in SHOWN[1:]:
                text = prompt_text(_prompt(item, wording, shown))
                assert text.endswith(alone)
                assert item[shown] in text
