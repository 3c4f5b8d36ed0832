"""Other models that read answers: opened once, asked once, kept under their own name, and never the audited model."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from pydantic import ValidationError
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from audit.config import AuditConfig, ProbeEntry
from audit.corpora import Item
from audit.engine import RunSettings, run_audit
from audit.judging import Judges, open_judge
from audit.metrics import rate
from audit.models import (
    Capability,
    Choose,
    Classified,
    Classify,
    Embed,
    Failure,
    Generate,
    Generated,
    Judge,
    ModelError,
    Request,
    Responses,
)
from audit.models.scripted import ScriptedModel
from audit.opening import judge_opener
from audit.planning import options_for
from audit.progress import Silent
from audit.results import MANIFEST_FILE, Record
from probes.base import Context, Metric, Outcome, Probe, ProbeOptions, Suite, coverage
from probes.judges import JudgedOptions, Reader
from tests.audit.models.tiny_classifier import make_bert

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Judged(Probe):
    """Writes one text an item and has it read."""

    id, title, risk = "tiny.judged", "Judged", "bias"
    purpose = method = citation = limits = "For tests alone."
    capabilities = frozenset({Capability.GENERATE})
    metrics = (Metric("bad", "Bad", "rate", "lower_is_better", "Share read as bad."),)
    sizes: ClassVar[dict[Suite, int | None]] = {"quick": None, "standard": None, "full": None}

    def items(self, data: Path | None) -> list[Item]:
        return [{"id": f"item-{i}"} for i in range(6)]

    def requests(self, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
        asked = [Generate(item["id"], 8) for item in items]
        texts = [answers[request] for request in asked if request in answers]
        return [*asked, *(Judge("reader", Classify(text.text)) for text in texts if isinstance(text, Generated))]

    def measure(self, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        records, bad = [], []
        for item in items:
            text = answers[Generate(item["id"], 8)]
            assert isinstance(text, Generated)
            read = answers[Judge("reader", Classify(text.text))]
            scored = isinstance(read, Classified)
            bad += [read.probabilities[0] > 0.5] if isinstance(read, Classified) else []
            records.append(
                Record(id=item["id"], probe=self.id, item=item["id"], source="own", cluster=item["id"], input=item["id"],
                       output=text.text, outcome="read" if scored else None, status="scored" if scored else "failed")
            )  # fmt: skip
        return Outcome(records, [self.measurement("bad", rate(bad), coverage(r.status for r in records))], [])


class Counting(ScriptedModel):
    """Counts the texts that it is asked to classify."""

    asked = 0

    def classify(self, requests: Sequence[Classify]) -> list[Classified | Failure]:
        self.asked += len(requests)
        return super().classify(requests)


def reader() -> Counting:
    return Counting(
        classify=lambda text: {"bad": float("3" in text), "good": float("3" not in text)}, name="the reader"
    )


class Weighed(Counting):
    """Has weights that are known."""

    def __init__(self, bad: str = "3", name: str = "the reader") -> None:
        super().__init__(classify=lambda text: {"bad": float(bad in text), "good": float(bad not in text)}, name=name)
        self.facts = self.facts.model_copy(update={"weights_sha256": "0" * 64})


def run(tmp_path: Path, opener: Callable[[str], Any], output: str = "result") -> Any:
    config = AuditConfig.model_validate({"model": {"source": "script"}})
    settings = RunSettings(tmp_path / "cache.sqlite", tmp_path / output)
    writer = ScriptedModel(write=lambda prompt: f"text of {prompt}", classify=lambda text: {"bad": 1.0})
    return run_audit(config, writer, {Judged.id: Judged}, settings, Silent(), judge_opener=opener)


def judges_of(tmp_path: Path, model: ScriptedModel) -> Judges:
    return Judges(tmp_path / "cache.sqlite", Silent(), lambda name: model)


def test_a_judge_reads_what_the_model_wrote_and_is_named(tmp_path: Path) -> None:
    judge = reader()
    folder, result = run(tmp_path, lambda name: judge)
    assert result.measurements[0].value == pytest.approx(1 / 6)
    assert judge.asked == 6
    assert result.manifest.judges == {"reader": "unknown"}  # a script has no weights
    assert json.loads((folder / MANIFEST_FILE).read_text())["judges"] == {"reader": "unknown"}


def test_its_answers_are_kept_under_its_own_fingerprint(tmp_path: Path) -> None:
    run(tmp_path, lambda name: Weighed())
    again = Weighed()
    run(tmp_path, lambda name: again, "again")
    assert again.asked == 0
    other = Weighed(bad="text", name="another reader")
    _, result = run(tmp_path, lambda name: other, "third")
    assert (other.asked, result.measurements[0].value) == (6, 1.0)


def test_a_judge_whose_weights_are_not_known_is_asked_anew_in_each_audit(tmp_path: Path) -> None:
    run(tmp_path, lambda name: reader())
    again = reader()
    run(tmp_path, lambda name: again, "again")
    assert again.asked == 6


def test_one_that_cannot_be_opened_fails_the_measurement_with_its_reason(tmp_path: Path) -> None:
    tried = []

    def broken(name: str) -> ScriptedModel:
        tried.append(name)
        raise ModelError("It is not there.")

    _, result = run(tmp_path, broken)
    [measured] = result.measurements
    assert measured.value is None
    assert "The judge reader could not be opened: It is not there." in str(measured.reason)
    assert measured.coverage.failed == 6
    assert tried == ["reader"]
    assert result.manifest.judges == {}


def test_a_judge_that_cannot_do_what_is_asked_says_so(tmp_path: Path) -> None:
    mute = ScriptedModel(capabilities=frozenset({Capability.GENERATE}))
    asked = Judge("reader", Classify("a text"))
    [failure] = judges_of(tmp_path, mute).answer([asked]).values()
    assert failure == Failure("failed", "The judge reader cannot be asked that: its model gives no such answers.")


class TestChoose:
    QUESTION = Choose("Is it so?", ("Yes", "No", "Not known"))

    def choose(self, tmp_path: Path, model: ScriptedModel) -> Any:
        asked = Judge("reader", self.QUESTION)
        return judges_of(tmp_path, model).answer([asked])[asked]

    def test_by_likelihood_the_shares_are_those_of_the_options(self, tmp_path: Path) -> None:
        shares = {"Yes": 0.02, "No": 0.05, "Not known": 0.03}
        found = self.choose(tmp_path, ScriptedModel(lambda prompt, option: math.log(shares[option]) - 900))
        assert found.labels == ("Yes", "No", "Not known")
        assert found.probabilities == pytest.approx((0.2, 0.5, 0.3))

    def test_one_score_that_is_missing_leaves_no_choice(self, tmp_path: Path) -> None:
        model = ScriptedModel(lambda prompt, option: float("nan") if option == "No" else -1.0)
        assert self.choose(tmp_path, model).status == "not_a_number"

    @pytest.mark.parametrize(
        ("text", "chosen"),
        [
            ("Yes, it is.", "Yes"),
            ("**No**", "No"),
            ("The answer is: not known.", "Not known"),
            ("No. Yes would be wrong.", "No"),
        ],
    )
    def test_without_likelihoods_what_is_written_first_is_the_choice(
        self, tmp_path: Path, text: str, chosen: str
    ) -> None:
        model = ScriptedModel(write=lambda prompt: text, capabilities=frozenset({Capability.GENERATE}))
        found = self.choose(tmp_path, model)
        assert dict(zip(found.labels, found.probabilities, strict=True))[chosen] == 1.0
        assert sum(found.probabilities) == 1.0

    @pytest.mark.parametrize("text", ["", "Perhaps.", "Nobody knows", "Yesterday"])
    def test_an_answer_without_an_option_is_not_read(self, tmp_path: Path, text: str) -> None:
        model = ScriptedModel(write=lambda prompt: text, capabilities=frozenset({Capability.GENERATE}))
        assert self.choose(tmp_path, model).status == "unparsed"


def test_the_key_tells_judges_and_kinds_of_requests_apart() -> None:
    asked = [Judge(j, r) for j in ("a", "b") for r in (Classify("x"), Embed("x"), Classify("x", "y"))]
    assert len({request.key for request in asked}) == len(asked)


def test_a_judge_from_the_hub_needs_its_commit(tmp_path: Path) -> None:
    for named in ("org/name", "org/name@main", f"org/name@{COMMIT[:-1]}", str(tmp_path / "nowhere")):
        with pytest.raises(ModelError, match="no entry of the config's judges"):
            open_judge(named)


def test_a_folder_is_opened_as_a_real_classifier(tmp_path: Path) -> None:
    folder = make_bert(tmp_path / "judge", [("a good day", (0.0, 1.0)), ("a bad day", (1.0, 0.0))])
    judges = Judges(tmp_path / "cache.sqlite", Silent())
    [found] = judges.answer([Judge(str(folder), Classify("a good day"))]).values()
    assert isinstance(found, Classified)
    assert sum(found.probabilities) == pytest.approx(1.0, abs=1e-5)
    assert set(judges.weights) == {str(folder)}
    assert len(judges.weights[str(folder)]) == 64


class TestWhichJudge:
    """Which judge a probe's options end up with."""

    ENTRY = ProbeEntry(("x",), JudgedOptions)

    def options(self, judges: dict[str, Any], entry: ProbeEntry = ENTRY, **given: Any) -> Any:
        known = {name: {"source": "some/model", **judge} for name, judge in judges.items()}
        config = AuditConfig.model_validate({"model": {"source": "x"}, "judges": known, "probes": {"tiny.x": given}})
        return options_for(entry, config, "tiny.x")

    def test_none_is_named(self) -> None:
        assert self.options({"other": {}}).judge is None

    def test_the_default_reads_where_none_is_named(self) -> None:
        found = self.options({"default": {"kind": "encoder"}})
        assert (found.judge, found.judge_kind) == ("default", "encoder")
        assert Reader.of(found).name == "the sentence encoder some/model"

    def test_a_named_one_comes_before_it_and_says_its_kind(self) -> None:
        found = self.options({"default": {"kind": "encoder"}, "reader": {"kind": "nli"}}, judge="reader")
        assert (found.judge, found.judge_kind) == ("reader", "nli")

    def test_a_source_is_of_the_kind_that_the_options_say(self) -> None:
        found = self.options({}, judge="a/folder", judge_kind="encoder")
        assert (found.judge, found.judge_kind) == ("a/folder", "encoder")

    def test_a_default_that_the_probe_cannot_use_is_left_out_and_a_named_one_refused(self) -> None:
        class Asking(JudgedOptions):
            kinds = frozenset({"model"})

        entry = ProbeEntry(("x",), Asking)
        assert self.options({"default": {"kind": "encoder"}}, entry).judge is None
        with pytest.raises(ValidationError, match="cannot use a judge of the kind encoder"):
            self.options({"reader": {"kind": "encoder"}}, entry, judge="reader")

    def test_other_options_stay(self) -> None:
        assert self.options({"default": {}}, limit=7).limit == 7
        assert isinstance(self.options({"default": {}}, ProbeEntry(("x",), ProbeOptions)), ProbeOptions)


def test_an_entry_is_opened_as_the_config_describes_it(tmp_path: Path) -> None:
    folder = make_bert(tmp_path / "judge", [("a good day", (0.0, 1.0)), ("a bad day", (1.0, 0.0))])
    judges = {"reader": {"source": str(folder), "task": "text-classification", "kind": "nli"}}
    config = AuditConfig.model_validate({"model": {"source": "x"}, "judges": judges})
    opener = judge_opener(config)
    assert Capability.CLASSIFY in opener("reader").capabilities
    assert opener(str(folder)).facts.weights_sha256 == opener("reader").facts.weights_sha256
    with pytest.raises(ModelError, match="no entry of the config's judges"):
        opener("redaer")


def test_a_pair_is_classified_as_transformers_does(tmp_path: Path) -> None:
    """A BERT that was taught pairs; segment marks, which say what is the second text, must reach it."""
    examples = [
        ("a good day", (0.0, 1.0)),
        ("a bad day", (1.0, 0.0)),
        ("good bad", (1.0, 0.0)),
        ("bad good", (0.0, 1.0)),
    ]
    folder = make_bert(tmp_path / "judge", examples, steps=2)
    pairs = [("a good day", "a bad day"), ("a bad day", "good"), ("bad", "a good day"), ("good", "day")]
    judges = Judges(tmp_path / "cache.sqlite", Silent())
    found = judges.answer([Judge(str(folder), Classify(first, second)) for first, second in pairs])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    for first, second in pairs:
        encoded = tokenizer(first, second, return_tensors="pt")
        assert 1 in encoded["token_type_ids"][0].tolist()
        with torch.inference_mode():
            wanted = model(**encoded).logits.softmax(-1)[0].tolist()
        got = found[Judge(str(folder), Classify(first, second))]
        assert isinstance(got, Classified)
        assert got.probabilities == pytest.approx(wanted, abs=1e-5)
