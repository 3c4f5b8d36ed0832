"""Controls of ``explainability.alignment``: a tiny translator whose alignment is known, the same untrained, and scripts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audit.corpora import ItemsError
from audit.metrics import Estimate
from audit.models import Attend, Attended, Capability, Failure, Model, Request, Response, prompt_text
from audit.models.scripted import ALL, ScriptedModel, noise
from audit.results import Coverage, Measurement
from probes.base import Outcome
from probes.explainability.alignment import WORD_ORDER, Alignment, AlignmentOptions, _finding
from probes.explainability.alignment_items import Links, Pair, load_pairs, pair_of, read_links
from probes.explainability.alignment_measures import Aligned, beyond_order, corpus_error, diagonal, with_layers
from probes.explainability.gallery import TRANSLATION, gallery_records, gallery_requests
from tests.audit.models import tiny_seq2seq
from tests.audit.models.tiny import single_thread
from tests.probes.harness import ask, context_of, finding, interval, number, value


def outcome_of(model: Model, limit: int | None = None, **options: object) -> Outcome:
    """The outcome with the items that the options name, as the engine would load them."""
    probe, chosen = Alignment(), AlignmentOptions.model_validate(options)
    context = context_of(Alignment, 0, chosen, None, model.capabilities)
    items = probe.load(None, chosen)[:limit]
    answers: dict[Request, Response] = {}
    ask(model, list(dict.fromkeys(probe.requests(items, context, answers))), answers)
    return probe.measure(items, context, answers)


# A translator with a known alignment


@pytest.fixture(scope="module")
def toy_pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sentences that the tiny models were not taught, with their links."""
    links = " ".join(f"{source}-{target}" for target, source in tiny_seq2seq.ALIGNMENT.items())
    rows = [
        {"id": f"toy-{n:02d}", "source": source, "target": target, "links": links}
        for n, (source, target) in enumerate(tiny_seq2seq.HELD_OUT)
    ]
    path = tmp_path_factory.mktemp("pairs") / "toy.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


@pytest.fixture(scope="module")
def translator(tmp_path_factory: pytest.TempPathFactory) -> Model:
    with single_thread():
        return tiny_seq2seq.open_folder(tiny_seq2seq.make_t5(tmp_path_factory.mktemp("t5")))


def untaught(make: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    monkeypatch.setattr(tiny_seq2seq, "teach", lambda *args, **options: None)
    with single_thread():
        return tiny_seq2seq.open_folder(getattr(tiny_seq2seq, make)(folder))


def test_the_words_that_a_taught_model_translates_are_found(translator: Model, toy_pairs: Path) -> None:
    with single_thread():
        outcome = outcome_of(translator, pairs=toy_pairs)
    error = number(outcome, "alignment_error_rate")
    assert error.n == error.coverage.scored == error.coverage.planned == len(tiny_seq2seq.HELD_OUT)
    assert interval(error)[1] < 0.5
    assert error.chance is not None
    assert error.chance > 0.7
    assert value(number(outcome, "alignment_error_rate", WORD_ORDER)) > 0.7
    assert value(number(outcome, "translation_accuracy")) == 1
    assert finding(outcome, "links").outlook == "no_problem_found"
    first = outcome.records[0]
    assert first.expected == "en → in, orto → garden, domas → sleeps, mino → cat, rufa → red"
    assert first.detail["kind"] == "attention"
    assert len(first.detail["sources"]) > len(first.detail["tokens"])


def test_an_untaught_model_aligns_nothing(toy_pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = untaught("make_t5", tmp_path, monkeypatch)
    with single_thread():
        outcome = outcome_of(model, pairs=toy_pairs)
    assert value(number(outcome, "alignment_error_rate")) > 0.6
    low, high = interval(number(outcome, "translation_accuracy"))
    assert low < 0.5 < high
    assert finding(outcome, "links").outlook == "unclear"
    assert "was not seen to translate" in finding(outcome, "links").text


def test_a_vocabulary_without_the_words_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny model of whole words knows no French: it is not asked about what it cannot read."""
    model = untaught("make_marian", tmp_path, monkeypatch)
    with single_thread():
        outcome = outcome_of(model)
    for m in outcome.measurements:
        assert m.value is None
        assert m.coverage.failed == m.coverage.planned == 30
    assert finding(outcome, "links").outlook == "not_tested"
    assert "no tokens for part of the continuation" in finding(outcome, "links").text


def test_french_of_a_model_that_does_not_know_it_is_no_alignment(translator: Model) -> None:
    with single_thread():
        record = shown_translation(translator)
    assert record["output"] == "does not translate"
    assert "the picture means nothing" in record["caption"]


# Scripts


class Script(ScriptedModel):
    """Looks, in its last layer, from each word of the target at the word that ``links`` names; elsewhere at the first.

    A translation is likelier after its source than after another for a model that ``translates``; else the reverse.
    """

    def __init__(self, links: Mapping[str, Links], translates: bool = True, prefix: str = "") -> None:
        super().__init__(self._likely, capabilities=ALL | {Capability.CROSS_ATTENTION})
        self._links, self._translates, self._prefix = links, translates, prefix
        self._sources = {item["target"]: item["source"] for item in load_pairs()} | {
            TRANSLATION.target: TRANSLATION.source
        }

    def _likely(self, prompt: str, continuation: str) -> float:
        own = prompt == self._prefix + self._sources[continuation]
        return (-1.0 if own == self._translates else -2.0) - noise(f"{prompt}{continuation}") / 10

    def attend(self, requests: Sequence[Attend]) -> list[Attended | Failure]:
        return [self._across(r) for r in requests]

    def _across(self, request: Attend) -> Attended:
        text = prompt_text(request.prompt)
        pair = Pair("", text, request.continuation, frozenset(), frozenset(), "")
        sources = [text[a:b] for a, b in pair.source_words] + [text[-1], "</s>"]
        targets = [pair.target[a:b] for a, b in pair.target_words] + [pair.target[-1]]
        weights = np.full((2, 2, len(targets), len(sources)), 0.01)
        weights[0, :, :, 0] = 1
        skipped = len(self._prefix.split())
        for target, source in self._links.get(request.continuation, frozenset()):
            weights[1, :, target, source + skipped] = 1
        weights /= weights.sum(axis=-1, keepdims=True)
        return Attended(tuple(targets), 0, False, weights.astype(np.float32), tuple(sources))


PAIRS = [pair_of(item) for item in load_pairs()]
SURE = {pair.target: pair.sure for pair in [*PAIRS, TRANSLATION]}
ORDER = {pair.target: diagonal(pair) for pair in PAIRS}
BACKWARDS = {
    p.target: frozenset((t, len(p.source_words) - 1 - s) for t, s in diagonal(p)) for p in PAIRS
}  # the last word first


def test_a_model_that_looks_where_it_should() -> None:
    outcome = outcome_of(Script(SURE))
    assert value(number(outcome, "alignment_error_rate")) < 0.01
    assert finding(outcome, "links").outlook == "no_problem_found"
    assert {r.scores["layer"] for r in outcome.records} == {1.0}


def test_a_translator_that_looks_elsewhere_is_flagged() -> None:
    outcome = outcome_of(Script(BACKWARDS))
    assert interval(number(outcome, "alignment_error_rate"))[0] > 0.5
    assert finding(outcome, "links").outlook == "problem_found"


def test_to_follow_the_order_of_words_is_no_alignment() -> None:
    """Right for many words of two languages as near as these; so it is the level to beat."""
    outcome = outcome_of(Script(ORDER))
    error = number(outcome, "alignment_error_rate")
    assert value(error) == pytest.approx(value(number(outcome, "alignment_error_rate", WORD_ORDER)))
    assert finding(outcome, "links").outlook == "unclear"


def test_the_order_of_words_is_set_beside_the_links_pair_by_pair() -> None:
    """Half of the pairs are linked by the order of words: their difference is 0 whatever both errors are."""
    links = {p.target: p.sure if n % 2 else ORDER[p.target] for n, p in enumerate(PAIRS)}
    outcome = outcome_of(Script(links))
    error, order = (number(outcome, "alignment_error_rate", part) for part in (None, WORD_ORDER))
    beyond = number(outcome, "beyond_word_order")
    assert value(beyond) == pytest.approx(value(order) - value(error))
    low, high = interval(beyond)
    assert 0 < low < high < interval(order)[1] - interval(error)[0]
    own = beyond_order(PAIRS, [SURE[p.target] for p in PAIRS], 0.95, 0)
    assert own.value == pytest.approx(value(order))


def measured(name: str, value: float | None, low: float | None, high: float | None, chance: float) -> Measurement:
    return Alignment.measurement(
        name,
        Estimate(value, low, high, 30, None, 0.95, "given"),
        Coverage(planned=30, scored=30),
        chance=chance,
    )


@pytest.mark.parametrize(
    ("error", "beyond", "outlook"),
    [
        ((0.3, 0.2, 0.4), (0.2, 0.1, 0.3), "no_problem_found"),
        # All of the error's interval lies below the order's error of 0.5, which is as unsure itself.
        ((0.3, 0.2, 0.4), (0.2, -0.1, 0.4), "unclear"),
        ((0.6, 0.55, 0.65), (-0.1, -0.3, 0.1), "unclear"),
        ((0.6, 0.55, 0.65), (-0.1, -0.15, -0.05), "problem_found"),
        ((0.95, 0.92, 0.98), (0.0, -0.1, 0.1), "problem_found"),
        ((0.3, 0.2, 0.4), (0.0, None, None), "unclear"),
    ],
)
def test_links_are_held_against_the_order_of_words_on_the_same_pairs(
    error: tuple[float, float, float], beyond: tuple[float, float | None, float | None], outlook: str
) -> None:
    found = [
        measured("alignment_error_rate", *error, 0.9),
        measured("alignment_error_rate", 0.5, 0.35, 0.65, 0.9),
        measured("beyond_word_order", *beyond, 0.0),
        measured("translation_accuracy", 1.0, 0.9, 1.0, 0.5),
    ]
    assert _finding(found, []).outlook == outlook


def test_a_model_that_does_not_translate_is_not_called_clean() -> None:
    outcome = outcome_of(Script(SURE, translates=False))
    assert value(number(outcome, "alignment_error_rate")) < 0.01
    assert finding(outcome, "links").outlook == "unclear"


def test_what_stands_before_the_text_is_no_word_of_it() -> None:
    outcome = outcome_of(Script(SURE, prefix="translate this "), prefix="translate this ")
    assert value(number(outcome, "alignment_error_rate")) < 0.01


def test_even_attention_links_nothing() -> None:
    class Even(Script):
        def _across(self, request: Attend) -> Attended:
            found = super()._across(request)
            return replace(found, weights=np.full_like(found.weights, 1 / found.weights.shape[-1]))

    found = number(outcome_of(Even(SURE)), "alignment_error_rate")
    assert value(found) == 1
    assert found.chance == 1


def test_one_pair_has_no_other_to_choose_a_layer_on() -> None:
    outcome = outcome_of(Script(SURE), 1)
    found = number(outcome, "alignment_error_rate")
    assert found.value is None
    assert found.coverage.unparsed == found.coverage.planned == 1


def test_no_pair_helps_to_choose_its_own_layer() -> None:
    """One half is best in layer 0, the other in layer 1: each is read in the other's."""
    right, wrong = frozenset({(0, 0)}), frozenset({(0, 1)})
    pair = Pair("", "a b", "c", right, right, "")
    found = with_layers(
        [Aligned(pair, "scored", by_layer=(right, wrong) if n % 2 else (wrong, right)) for n in range(6)]
    )
    assert [x.layer for x in found] == [0, 1] * 3
    assert all(x.links == wrong for x in found)


def shown_translation(model: Model) -> dict[str, object]:
    answers: dict[Request, Response] = {}
    ask(model, [r for r in gallery_requests(model.capabilities, "") if isinstance(r, Attend)], answers)
    ask(model, [r for r in gallery_requests(model.capabilities, "") if not isinstance(r, Attend)], answers)
    record = gallery_records(model.capabilities, "", answers, "explainability.attention", "own", {})[1]
    assert record.id == "gallery/agreement"
    return {**record.scores, "output": record.output, "caption": record.detail["caption"], "note": record.note}


def test_the_gallery_shows_the_error_of_a_translation() -> None:
    class Everywhere(Script):
        def _across(self, request: Attend) -> Attended:
            found = super()._across(request)
            return replace(found, weights=np.broadcast_to(found.weights[1:], found.weights.shape))

    shown = shown_translation(Everywhere(SURE))
    assert shown["alignment_error_rate"] == pytest.approx(0, abs=0.05)
    assert shown["output"] == "translates"
    assert "no translator" not in str(shown["caption"])
    assert "the picture means nothing" in str(shown_translation(Everywhere(SURE, translates=False))["caption"])


# Items


def test_links_are_read() -> None:
    assert read_links("0-1 2?0") == (frozenset({(1, 0)}), frozenset({(1, 0), (0, 2)}))
    for text in ("", "0", "0-a", "0:1"):
        with pytest.raises(ValueError, match="no list of links"):
            read_links(text)


def test_every_word_of_our_pairs_is_linked() -> None:
    for pair in [*PAIRS, TRANSLATION]:
        assert {target for target, _ in pair.possible} == set(range(len(pair.target_words))), pair.id
        assert {source for _, source in pair.possible} == set(range(len(pair.source_words))), pair.id
        assert pair.sure < pair.possible or pair.sure == pair.possible
        assert pair.unrelated != pair.source


def test_the_order_of_words_does_not_give_our_links_away() -> None:
    error = corpus_error(PAIRS, [diagonal(pair) for pair in PAIRS])
    assert error is not None
    assert error > 0.3


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([{"id": "a", "source": "x", "target": "y"}] * 2, "own"),
        ([{"id": "a", "source": "x", "target": "y"}, {"id": "b", "source": "z", "target": "y"}], "text links"),
        ([{"id": "a", "source": "x", "target": "y", "links": "0-0"}], "at least two"),
        ([{"id": n, "source": "x", "target": "y", "links": "0-0"} for n in "ab"], "all sources are the same"),
        (
            [
                {"id": "a", "source": "x", "target": "y", "links": "0-1"},
                {"id": "b", "source": "z", "target": "y", "links": "0-0"},
            ],
            "a: a link names a word",
        ),
        (
            [
                {"id": "a", "source": "x", "target": "y", "links": "0?0"},
                {"id": "b", "source": "z", "target": "y", "links": "0-0"},
            ],
            "no link is sure",
        ),
    ],
)
def test_files_that_cannot_be_used_are_refused(rows: list[dict[str, str]], reason: str, tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    with pytest.raises(ItemsError, match=reason):
        load_pairs(path)
