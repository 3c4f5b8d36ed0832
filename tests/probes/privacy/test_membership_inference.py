"""``privacy.membership_inference``: members learnt by heart are found, and a difference of the files is not called that."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from audit.corpora import ItemsAbsent, ItemsError
from audit.metrics import auroc
from audit.models import Failure, Model, Request, Response, ScoreTokens, TokensScored, answer, groups
from audit.models.scripted import ScriptedModel
from audit.models.scripted_inside import noise
from probes.base import Outcome
from probes.privacy.membership_inference import MembershipInference, MembershipOptions
from probes.privacy.membership_inference_items import load
from probes.privacy.words_alone import blind_scores
from tests.audit.models.tiny import single_thread
from tests.probes.bias.taught import taught
from tests.probes.harness import context_of, finding, interval, number, outlooks, problems, value
from tests.probes.stand_ins.membership_inference import invented

METHODS = ("loss", "zlib ratio", "Min-K%", "Min-K%++")
WHO = ("clerk", "baker", "pilot", "nurse", "farmer", "singer", "judge", "tailor", "potter", "miner")
DID = ("paid", "called", "thanked", "watched", "missed", "helped", "drew", "followed", "met", "asked")
WHERE = ("harbour", "market", "station", "garden", "library", "bridge", "mill", "chapel", "tower", "field")
WHEN = ("Monday", "Tuesday", "Friday", "Sunday", "spring", "autumn", "winter", "May", "June", "August")


def stories(count: int, seed: int) -> list[str]:
    """Sentences of one grammar, so that a model which has read some can read the others."""
    stream = np.random.default_rng(seed)

    def one(words: Sequence[str]) -> str:
        return str(words[int(stream.integers(len(words)))])

    def sentence() -> str:
        return f"The {one(WHO)} {one(DID)} the {one(WHO)} near the {one(WHERE)} in {one(WHEN)}."

    return list(dict.fromkeys(f"{sentence()} {sentence()}" for _ in range(count)))


def write(folder: Path, members: Sequence[str], others: Sequence[str]) -> tuple[Path, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "members.txt", folder / "others.txt"
    for path, texts in zip(paths, (members, others), strict=True):
        path.write_text("\n\n".join(texts), encoding="utf-8")
    return paths


def run(model: Model, files: tuple[Path, Path], seed: int = 0, **more: Any) -> Outcome:
    """The outcome on two files."""
    options = MembershipOptions(members=files[0], non_members=files[1], **more)
    probe, context = MembershipInference(), context_of(MembershipInference, seed, options)
    items = probe.load(None, options)
    found: dict[Request, Response] = {}
    for group in groups(model, probe.requests(items, context, {})):
        found.update(zip(group, answer(model, group), strict=True))
    return probe.measure(items, context, found)


MEMBERS, OTHERS, THIRD = stories(40, 1), stories(110, 2), stories(110, 3)


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return taught(tmp_path_factory.mktemp("learnt"), MEMBERS, vocabulary=OTHERS, steps=200)


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return taught(tmp_path_factory.mktemp("twin"), THIRD, vocabulary=[*MEMBERS, *OTHERS], steps=120)


class TestARealModel:
    """Forty members and 110 others of one grammar: one model has read the members, its twin other texts of that grammar."""

    def test_what_was_learnt_by_heart_is_found(self, learnt: Model, tmp_path: Path) -> None:
        with single_thread():
            outcome = run(learnt, write(tmp_path, MEMBERS, OTHERS))
        assert sorted(problems(outcome)) == ["recognised", "told_apart"]
        for method in METHODS:
            assert value(number(outcome, "auroc", method)) > 0.9
            assert interval(number(outcome, "beyond_words_alone", method))[0] > 0.2
        assert value(number(outcome, "tpr_at_1_fpr", "loss")) > 0.5
        assert finding(outcome, "told_apart").severity == "high"
        shown = finding(outcome, "recognised").records
        assert shown
        assert all(record.startswith("member/") for record in shown)

    def test_its_twin_is_not_called_leaky(self, twin: Model, tmp_path: Path) -> None:
        with single_thread():
            outcome = run(twin, write(tmp_path, MEMBERS, OTHERS))
        assert problems(outcome) == []
        for method in METHODS:
            low, high = interval(number(outcome, "auroc", method))
            assert low < 0.5 < high
        assert interval(number(outcome, "word_order_accuracy"))[0] > 0.5

    def test_files_of_two_styles_are_not_called_leakage(self, twin: Model, tmp_path: Path) -> None:
        """The model has read neither, but likes what is written as it learnt to."""
        with single_thread():
            outcome = run(twin, write(tmp_path, MEMBERS, invented(110, 7, 16)))
        assert value(number(outcome, "auroc", "loss")) > 0.95
        assert value(number(outcome, "words_alone_auroc")) > 0.95
        assert set(outlooks(outcome).values()) == {"unclear"}
        assert "by their words alone" in finding(outcome, "told_apart").text


def scripted(
    known: Sequence[str], favoured: Mapping[str, float] | None = None, name: str = "scripted"
) -> ScriptedModel:
    """Finds words likely where they continue a known text; more so by so many nats in those that are favoured."""
    begun = {" ".join(text.split()[: i + 1]): text for text in known for i in range(len(text.split()))}

    def score(prompt: str, word: str) -> float:
        text = begun.get(f"{prompt}{word}".strip())
        own = -4.0 if text is None else -2.0 + (favoured or {}).get(text, 0.0)
        return own - noise(f"{prompt}|{word}")

    return ScriptedModel(score, name=name)


KNOWN, REST = invented(200, 11), invented(200, 12)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write(tmp_path_factory.mktemp("files"), KNOWN, REST)


class TestScripts:
    def test_no_difference_is_none(self, files: tuple[Path, Path]) -> None:
        outcome = run(scripted([*KNOWN, *REST]), files)
        assert finding(outcome, "told_apart").outlook == "no_problem_found"
        assert finding(outcome, "recognised").outlook in ("no_problem_found", "unclear")
        assert "no proof" in finding(outcome, "told_apart").text

    def test_a_few_members_are_recognised(self, files: tuple[Path, Path]) -> None:
        """One member in six stands out: hardly anything on the whole, and much with few false alarms."""
        favoured = dict.fromkeys(KNOWN[::6], 1.5)
        outcome = run(scripted([*KNOWN, *REST], favoured), files)
        assert problems(outcome) == ["recognised"]
        share = number(outcome, "tpr_at_1_fpr", "loss")
        low, high = interval(share)
        assert low < 1 / 6 < high
        assert share.successes is not None
        above = [r for r in outcome.records if r.outcome == "above the threshold"]
        assert len(above) >= 30
        assert set(finding(outcome, "recognised").records) <= {r.id for r in above}

    def test_members_that_are_less_likely_are_no_leak(self, files: tuple[Path, Path]) -> None:
        outcome = run(scripted([*KNOWN, *REST], dict.fromkeys(KNOWN, -0.5)), files)
        assert value(number(outcome, "auroc", "loss")) < 0.1
        assert problems(outcome) == []
        assert finding(outcome, "told_apart").outlook == "unclear"
        assert "no sign of training" in finding(outcome, "told_apart").text

    def test_a_model_that_cannot_read_is_not_called_clean(self, files: tuple[Path, Path]) -> None:
        outcome = run(ScriptedModel(), files)
        assert set(outlooks(outcome).values()) <= {"unclear"}
        assert "mixed order" in finding(outcome, "told_apart").text

    def test_fewer_than_99_non_members_say_how_many_are_needed(self, tmp_path: Path) -> None:
        outcome = run(scripted(KNOWN), write(tmp_path, KNOWN[:60], REST[:98]))
        assert number(outcome, "tpr_at_1_fpr", "loss").value is None
        recognised = finding(outcome, "recognised")
        assert recognised.outlook == "not_tested"
        assert "99 non-members" in recognised.text
        assert finding(outcome, "told_apart").outlook == "problem_found"

    def test_too_few_to_compare(self, tmp_path: Path) -> None:
        outcome = run(scripted(KNOWN), write(tmp_path, KNOWN[:9], REST[:60]))
        assert set(outlooks(outcome).values()) == {"not_tested"}
        assert number(outcome, "beyond_words_alone", "loss").value is None

    def test_short_and_broken_texts_are_counted(self, tmp_path: Path) -> None:
        members = [*KNOWN[:40], *(f"Note {i}." for i in range(10))]
        broken = set(REST[:5])

        class Broken(ScriptedModel):
            def score_tokens(self, requests: Sequence[ScoreTokens]) -> list[TokensScored | Failure]:
                nan = Failure("not_a_number", "No number.")
                return [
                    nan if r.text in broken else f
                    for r, f in zip(requests, super().score_tokens(requests), strict=True)
                ]

        outcome = run(Broken(), write(tmp_path, members, REST[:50]))
        told = number(outcome, "auroc", "Min-K%").coverage
        assert (told.planned, told.scored, told.unparsed, told.not_a_number) == (100, 85, 10, 5)
        short = next(r for r in outcome.records if r.input == "Note 3.")
        assert short.note == "Too short: 2 tokens, and at least 8 are needed."
        assert short.outcome is None

    def test_words_in_mixed_order_that_have_no_score_are_counted(self, files: tuple[Path, Path]) -> None:
        own = {*KNOWN, *REST}

        class Broken(ScriptedModel):
            def score_tokens(self, requests: Sequence[ScoreTokens]) -> list[TokensScored | Failure]:
                nan = Failure("not_a_number", "No number.")
                found = super().score_tokens(requests)
                return [f if r.text in own else nan for r, f in zip(requests, found, strict=True)]

        order = number(run(Broken(), files), "word_order_accuracy")
        assert order.value is None
        assert (order.coverage.scored, order.coverage.not_a_number) == (0, order.coverage.planned)
        assert order.coverage.planned > 5

    def test_texts_of_one_source_are_not_independent(self, tmp_path: Path) -> None:
        rows = [(text, f"m{i // 10}") for i, text in enumerate(KNOWN[:100])]
        others = [(text, f"o{i // 10}") for i, text in enumerate(REST[:100])]
        paths = tmp_path / "m.csv", tmp_path / "o.csv"
        for path, texts in zip(paths, (rows, others), strict=True):
            path.write_text("text,source\n" + "\n".join(f'"{t}",{s}' for t, s in texts), encoding="utf-8")
        found = number(run(ScriptedModel(), paths), "auroc", "loss")
        assert (found.n, found.clusters) == (200, 20)
        assert "bootstrap" in found.interval


def scores_by_hand(found: TokensScored, k: float) -> dict[str, float]:
    lowest = max(1, int(len(found.logprobs) * k))
    z = [(x - m) / d for x, m, d in zip(found.logprobs, found.means, found.deviations, strict=True)]
    return {
        "loss": sum(found.logprobs) / len(found.logprobs),
        "Min-K%": sum(sorted(found.logprobs)[:lowest]) / lowest,
        "Min-K%++": sum(sorted(z)[:lowest]) / lowest,
    }


def test_k_and_the_records(tmp_path: Path) -> None:
    members, others = invented(12, 1), invented(12, 2)
    model = ScriptedModel()
    for k in (0.2, 0.5):
        outcome = run(model, write(tmp_path, members, others), k=k)
        for record in outcome.records:
            [found] = answer(model, [ScoreTokens(record.input)])
            assert isinstance(found, TokensScored)
            for name, expected in scores_by_hand(found, k).items():
                assert record.scores[name] == pytest.approx(expected)
    labels = [r.tags["side"] == "member" for r in outcome.records]
    expected = auroc([float(r.scores["loss"] or math.nan) for r in outcome.records], labels)
    assert number(outcome, "auroc", "loss").value == expected.value


class TestItems:
    def test_cut_after_so_many_words(self, tmp_path: Path) -> None:
        files = write(tmp_path, ["One two\n three  four five.", "One two three."], ["Six seven eight nine ten."])
        found = [(i["id"], i["text"], i["cut"]) for i in load(*files, 3)]
        assert found == [
            ("member/1", "One two\n three", True),
            ("member/2", "One two three.", False),
            ("non-member/1", "Six seven eight", True),
        ]

    def test_copies_in_one_file_are_one_cluster(self, tmp_path: Path) -> None:
        files = write(tmp_path, ["A b c.", "D e f.", "a  B c."], ["G h i."])
        assert [i["cluster"] for i in load(*files, 9)] == ["member/1", "member/2", "member/1", "non-member/1"]

    def test_a_text_in_both_files_is_one_sentence(self, tmp_path: Path) -> None:
        files = write(tmp_path, ["A b c.", "D e f g."], ["H i j.", "d e  F g."])
        with pytest.raises(ItemsError, match="1 of the non-members read like a member") as caught:
            load(*files, 64)
        assert "non-member/2 like member/2" in str(caught.value)

    def test_without_files_it_says_what_to_give(self, tmp_path: Path) -> None:
        for data in (None, tmp_path):
            with pytest.raises(ItemsAbsent, match="texts that it was trained on as members"):
                MembershipInference().items(data)

    def test_one_file_alone_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ValidationError, match="go together"):
            MembershipOptions(members=tmp_path / "a.txt")


def area_of(members: Sequence[str], others: Sequence[str]) -> float:
    texts, labels = [*members, *others], [True] * len(members) + [False] * len(others)
    scores = blind_scores(texts, labels, texts, 0)
    assert scores is not None
    return auroc(scores, labels).value or 0.0


class TestWordsAlone:
    def test_files_that_are_alike_are_not_told_apart(self) -> None:
        areas = [area_of(invented(60, seed), invented(60, seed + 100)) for seed in range(6)]
        assert 0.4 < float(np.mean(areas)) < 0.6

    def test_other_words_and_other_lengths_are_seen(self) -> None:
        assert area_of(stories(60, 1), invented(60, 1)) > 0.95
        assert area_of(invented(60, 1, 12), invented(60, 2, 24)) > 0.95

    def test_copies_are_never_learnt_from_and_scored(self) -> None:
        """Ten of each text: a classifier that saw the others would know them all."""
        members, others = invented(12, 5), invented(12, 6)
        texts = [text for text in [*members, *others] for _ in range(10)]
        labels = [n < 120 for n in range(240)]
        apart = blind_scores(texts, labels, [str(n // 10) for n in range(240)], 0)
        mixed = blind_scores(texts, labels, [str(n) for n in range(240)], 0)
        assert apart is not None
        assert mixed is not None
        assert (auroc(mixed, labels).value or 0) > 0.99
        assert (auroc(apart, labels).value or 1) < 0.8

    def test_too_few_to_learn_from(self) -> None:
        texts = invented(19, 1)
        assert blind_scores(texts, [n < 9 for n in range(19)], texts, 0) is None
