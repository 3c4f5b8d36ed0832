"""From a result to a record, and from a record to what is behind it: opened once, and refused in a sentence."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import audit
from audit.asking import ExplainError
from audit.models import Model
from audit.models.scripted import ALL, ScriptedModel
from audit.notebook import Result, load
from audit.results import AuditResult, ModelFacts, Record, write_records, write_result
from audit.results.schema import Asked, Withheld
from tests.audit.support import measurement, probe_run, record, result_of
from tests.reports.makers import HOSTILE

TEXT = "one two three four five six seven eight nine ten"
WHOLE = Asked(prompt=TEXT, answer=" yes", contrast=" no")
THEN, NOW = "a" * 64, "b" * 64


def weighed(prompt: str, answer: str) -> float:
    return -3.0 if answer.strip() == "no" else -2.0 + 4.0 * ("three" in prompt.split())


class Opened:
    """Opens scripted models and counts how often; ``weights`` are theirs."""

    def __init__(self) -> None:
        self.sources: list[str] = []
        self.weights: str | None = THEN
        self.able = ALL

    def __call__(self, source: str, *_: Any) -> Model:
        self.sources.append(source)
        model = ScriptedModel(weighed, capabilities=self.able)
        model.facts = model.facts.model_copy(update={"weights_sha256": self.weights})
        return model


@pytest.fixture
def opener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    found = Opened()
    monkeypatch.setenv("FAIRWITNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("audit.opening.open_model", found)
    return found


RECORDS = [
    record("b", concern=0.5, asked=WHOLE, axis="age", group="older"),
    record("a", concern=0.5),
    record("worst", concern=1.0, asked=WHOLE, tags={"kind": "x"}, outcome="wrong"),
    record("fine", asked=WHOLE),
    record(
        "blotted",
        concern=0.5,
        asked=WHOLE,
        withheld=[Withheld(where="asked.prompt", kind="phone", start=0, end=3, hash="0" * 16)],
    ),
]


def made(folder: Path, records: list[Record] = RECORDS, facts: dict[str, Any] | None = None, **model: Any) -> Result:
    """A result whose config names the model ``mine``."""
    known = {"name": "scripted", "source": "mine", "kind": "scripted", "pinned": True, "weights_sha256": THEN}
    result = result_of(
        measurement(),
        measurement("tiny.rate.rate[x]", slice="x", evidence={"tags.kind": "x"}),
        model=ModelFacts(**{**known, **(facts or {})}),
        probes=[probe_run(), probe_run("other.probe", "not_applicable", "It cannot.")],
    )
    manifest = result.manifest.model_copy(update={"config": {"model": {"source": "mine", **model}}})
    write_result(folder, AuditResult(**{**dict(result), "manifest": manifest}), {})
    write_records(folder, "tiny.rate", records)
    return load(folder)


def test_records_are_found_by_probe_by_metric_and_by_id(tmp_path: Path) -> None:
    result = made(tmp_path)
    assert len(result.records("tiny.rate")) == 5
    assert list(result.records("tiny.rate.rate[x]")["id"]) == ["worst"]
    assert result.records("other.probe").empty
    assert result.record("tiny.rate", "b").record.group == "older"
    with pytest.raises(KeyError, match="has no record wrst; similar ids: worst"):
        result.record("tiny.rate", "wrst")
    with pytest.raises(KeyError, match=r"was not part of this audit: tiny\.rate, other\.probe; similar metrics: tiny"):
        result.records("tiny.rate.rat")


def test_flagged_are_the_worst_first_and_of_equals_those_that_can_be_explained(tmp_path: Path) -> None:
    result = made(tmp_path)
    assert [view.record.id for view in result.flagged("tiny.rate")] == ["worst", "b", "a", "blotted"]
    assert [view.record.id for view in result.flagged("tiny.rate", 1)] == ["worst"]
    assert [view.record.id for view in result.flagged("tiny.rate.rate[x]")] == ["worst"]
    assert result.flagged("other.probe") == ()
    assert result.flagged("other.probe")._repr_html_() == "<p>No records.</p>"
    assert repr(result.flagged("other.probe")) == "No records."


def test_a_record_leads_to_its_words_and_heads_and_the_model_is_opened_once(tmp_path: Path, opener: Opened) -> None:
    result = made(tmp_path)
    worst = result.flagged("tiny.rate")[0]
    why = worst.explain(orders=40)
    assert (why.question.prompt, why.question.answer, why.question.contrast) == (TEXT, " yes", " no")
    assert why.strongest(1)[0].text == "three"
    seen = worst.attention()
    assert (seen.text, seen.continuation) == (TEXT, " yes")
    result.record("tiny.rate", "fine").explain(orders=40)
    assert result.open_model() is result.open_model()
    assert opener.sources == ["mine"]
    load(tmp_path).open_model()  # another result, another model: nothing is kept anywhere else
    assert opener.sources == ["mine", "mine"]


def test_an_open_model_or_another_source_can_be_given(tmp_path: Path, opener: Opened) -> None:
    worst = made(tmp_path).flagged("tiny.rate")[0]
    worst.explain(ScriptedModel(weighed), orders=40)
    assert opener.sources == []
    worst.explain("a/source", orders=40)
    assert opener.sources == ["a/source"]


@pytest.mark.parametrize(
    ("name", "told"), [("a", "keeps no decision"), ("blotted", "personal data are blotted out of what was asked")]
)
def test_without_a_whole_decision_nothing_is_opened(tmp_path: Path, opener: Opened, name: str, told: str) -> None:
    view = made(tmp_path).record("tiny.rate", name)
    for ask in (view.explain, view.attention):
        with pytest.raises(ExplainError, match=told):
            ask()
    assert opener.sources == []


def test_other_weights_are_refused_unless_one_says_so(tmp_path: Path, opener: Opened) -> None:
    opener.weights = NOW
    worst = made(tmp_path).flagged("tiny.rate")[0]
    with pytest.raises(ExplainError, match=r"\(bbbbbbbbbbbb\) are not those that were audited \(aaaaaaaaaaaa\)"):
        worst.explain()
    with pytest.raises(ExplainError, match="are not those that were audited"):
        worst.attention()
    assert worst.explain(other_weights=True, orders=40).model.weights_sha256 == NOW
    assert opener.sources == ["mine"]


def test_weights_that_are_not_known_are_not_called_others(tmp_path: Path, opener: Opened) -> None:
    opener.weights = None
    made(tmp_path).flagged("tiny.rate")[0].explain(orders=40)


@pytest.mark.parametrize(
    ("model", "facts", "told"),
    [
        ({"trust_remote_code": True}, {}, "which a result does not start by itself"),
        ({"source": "https://example.org/v1"}, {}, "to which a result sends nothing by itself"),
        ({"source": "cases.csv"}, {"capabilities": ["tabulate"]}, "can neither be asked again with parts"),
    ],
)
def test_a_result_from_anybody_runs_no_code_and_sends_nothing(
    tmp_path: Path, opener: Opened, model: dict[str, Any], facts: dict[str, Any], told: str
) -> None:
    result = made(tmp_path, facts=facts, **model)
    for ask in (result.open_model, result.flagged("tiny.rate")[0].explain, lambda: audit.open_model(result.data)):
        with pytest.raises(ExplainError, match=told):
            ask()
    assert opener.sources == []
    result.flagged("tiny.rate")[0].explain(ScriptedModel(weighed), orders=40)  # who opens it means it


def test_plain_words_are_short_and_say_what_counts(tmp_path: Path) -> None:
    result = made(tmp_path)
    told = repr(result)
    assert "Audit of scripted, 2026-01-01T00:00:00Z, suite quick" in told
    assert "No gates were set." in told
    for word in ("Bias: not tested", "Hallucination: not tested", "Misinformation: ", "Explainability: "):
        assert word in told
    assert len(told) < 600
    view = result.flagged("tiny.rate")[0]
    assert repr(view) == "tiny.rate/worst (wrong): Text.\nexplain(): why “yes” rather than “no”?"
    assert "It keeps no decision" in repr(result.record("tiny.rate", "a"))
    why = view.explain(ScriptedModel(weighed), orders=40)
    assert repr(why) == f"Why “yes” rather than “no”?\n{why.sentence}\nthree: +4.000 + towards"
    assert len(repr(view.attention(ScriptedModel(weighed)))) < 300


def test_what_people_and_models_write_is_text(tmp_path: Path) -> None:
    odd = Asked(prompt=HOSTILE, answer=HOSTILE, contrast="no")
    bad = record(
        HOSTILE.replace("\x00", ""),
        input=HOSTILE,
        output=HOSTILE,
        expected=HOSTILE,
        outcome=HOSTILE,
        concern=1,
        asked=odd,
    )
    result = made(tmp_path, [bad, bad.model_copy(update={"id": "2"})])
    for shown in (result.flagged("tiny.rate"), result.flagged("tiny.rate")[0]):
        cell = shown._repr_html_()
        assert re.fullmatch(r'<iframe srcdoc="[^"]*" sandbox="" style="[^"]*" title="\w+"></iframe>', cell)
        page = cell.replace("&lt;", "<").replace("&quot;", '"').replace("&amp;", "&")
        assert "<script" not in page
        assert "<img" not in page
        assert "\u202e" not in cell + repr(shown)
        assert "\x00" not in cell + repr(shown)


def test_many_flagged_records_are_cut_and_that_is_said(tmp_path: Path) -> None:
    result = made(tmp_path, [record(f"{n:03}", concern=0.1) for n in range(50)])
    flagged = result.flagged("tiny.rate")
    assert len(flagged) == 50
    assert "30 more are not shown here." in flagged._repr_html_()
    assert repr(flagged).endswith("\n30 more")
