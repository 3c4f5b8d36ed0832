"""Masked language models: pseudo-log-likelihoods equal to one masked copy at a time, whatever they are asked with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertForMaskedLM, BertForPreTraining

from audit.models import (
    Ablate,
    Ablated,
    Attend,
    Attended,
    Attribute,
    Attributed,
    Capability,
    Failure,
    Infill,
    ModelError,
    Score,
    Scored,
    user,
)
from audit.models.masked import MaskedModel
from audit.models.masked_rows import MaskedScorer
from audit.models.opening import infer_task
from tests.audit.models.tiny import edit_json, open_source
from tests.audit.models.tiny_masked import (
    COLOURS,
    LONGEST,
    PLACES,
    TEXTS,
    MaskedByHand,
    make_bert,
    make_distilbert,
    make_modernbert,
    make_roberta,
    open_masked,
)

NEAR = 1e-4  # nats a token
PROMPT = "The red cat sleeps in the"
ENDINGS = [f" {place}." for place in PLACES.values()]
SENTENCE = "Is the horse white? Yes, the horse sleeps in the market."


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="session")
def bert(bert_folder: Path) -> MaskedModel:
    return open_masked(bert_folder)


@pytest.fixture(scope="session")
def roberta(tmp_path_factory: pytest.TempPathFactory) -> MaskedModel:
    return open_masked(make_roberta(tmp_path_factory.mktemp("roberta")))


@pytest.fixture(scope="session")
def distilbert(tmp_path_factory: pytest.TempPathFactory) -> MaskedModel:
    return open_masked(make_distilbert(tmp_path_factory.mktemp("distilbert")))


@pytest.fixture(scope="session")
def modernbert(tmp_path_factory: pytest.TempPathFactory) -> MaskedModel:
    return open_masked(make_modernbert(tmp_path_factory.mktemp("modernbert")))


@pytest.fixture(scope="session", params=["bert", "roberta", "distilbert", "modernbert"])
def model(request: pytest.FixtureRequest) -> MaskedModel:
    """Each of the tiny models in turn."""
    found: MaskedModel = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def by_hand(model: MaskedModel) -> MaskedByHand:
    return MaskedByHand(model)


def scored(found: object) -> Scored:
    assert isinstance(found, Scored), found
    return found


def score(model: MaskedModel, prompt: Any, continuation: str) -> Scored:
    return scored(model.score([Score(prompt, continuation)])[0])


def pieces(model: MaskedModel, text: str) -> list[str]:
    tokenizer = model.encoder.tokenizer
    return [str(t) for t in tokenizer.convert_ids_to_tokens(tokenizer(text).input_ids)]


def word_ends(found: Sequence[str]) -> list[int]:
    """The place after the last piece of each piece's word, by the look of the pieces alone."""
    wordpieces = any(piece.startswith("##") for piece in found) or "[CLS]" in found
    ends = []
    for place in range(len(found)):
        end = place + 1
        while end < len(found) and (
            found[end].startswith("##") if wordpieces else bool(re.fullmatch(r"[A-Za-z]+", found[end]))
        ):
            end += 1
        ends.append(end)
    return ends


def expected(model: MaskedModel, by_hand: MaskedByHand, text: str, first: int) -> float:
    """PLL-word-l2r of the tokens from place ``first`` on, without the last special token."""
    ids, ends = by_hand.ids(text), word_ends(pieces(model, text))
    return sum(by_hand.behind(ids, range(i, ends[i]), i) for i in range(first, len(ids) - 1))


def test_what_it_is(model: MaskedModel) -> None:
    assert model.facts.kind == "masked-lm"
    assert model.capabilities == {*Capability} - {
        Capability.GENERATE,
        Capability.CLASSIFY,
        Capability.CROSS_ATTENTION,
        Capability.TABULATE,
        Capability.PREDICT,
        Capability.DISTRIBUTION,
    }
    assert model.facts.context_length == LONGEST
    assert model.scorer.gathers
    assert any("pseudo-log-likelihoods" in note for note in model.facts.notes)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_score_is_one_masked_copy_a_token(model: MaskedModel, by_hand: MaskedByHand, ending: str) -> None:
    first = len(pieces(model, PROMPT)) - 1  # the last special token is not there yet
    found = score(model, PROMPT, ending)
    assert found.tokens == len(by_hand.ids(PROMPT + ending)) - 1 - first
    assert found.logprob == pytest.approx(expected(model, by_hand, PROMPT + ending, first), abs=NEAR * found.tokens)


def test_the_test_has_words_of_several_tokens(model: MaskedModel) -> None:
    found = pieces(model, SENTENCE)
    assert any(end > place + 1 for place, end in enumerate(word_ends(found)))


def test_later_tokens_of_a_word_are_hidden_only_where_asked(model: MaskedModel, by_hand: MaskedByHand) -> None:
    text, whole = SENTENCE, ((0, len(SENTENCE)),)
    plain, words = model.infill([Infill(text, whole, whole_words=False), Infill(text, whole)])
    ids = by_hand.ids(text)
    assert scored(plain).logprob == pytest.approx(by_hand.one_by_one(text, range(1, len(ids) - 1)), abs=NEAR * len(ids))
    assert scored(words).logprob == pytest.approx(expected(model, by_hand, text, 1), abs=NEAR * len(ids))
    assert scored(plain).tokens == scored(words).tokens == len(ids) - 2
    assert scored(plain).logprob != pytest.approx(scored(words).logprob, abs=1e-3)


def test_spans_choose_tokens_by_their_characters(bert: MaskedModel) -> None:
    hand = MaskedByHand(bert)
    text = "The white horse sleeps in the market."
    at = text.index("market")
    found = scored(bert.infill([Infill(text, ((4, 9), (at, at + 6)), whole_words=False)])[0])
    ids, all_pieces = hand.ids(text), pieces(bert, text)
    places = [all_pieces.index("white"), all_pieces.index("mar"), all_pieces.index("##ket")]
    assert found.tokens == 3
    assert found.logprob == pytest.approx(sum(hand.behind(ids, [p], p) for p in places), abs=3 * NEAR)


@pytest.mark.parametrize("spans", [(), ((0, 0),), ((3, 4),), ((50, 60),)])
def test_spans_without_a_token_are_no_number(model: MaskedModel, spans: tuple[tuple[int, int], ...]) -> None:
    assert model.infill([Infill("The red cat.", spans)]) == [Failure("failed", "No token lies within the spans.")]


def test_what_two_sentences_share_is_found_token_by_token(model: MaskedModel, by_hand: MaskedByHand) -> None:
    """As the paper of CrowS-Pairs does it: word pieces that both have are shared even in words that differ."""
    pairs = [
        ("The red cat sleeps in the garden.", "The red dog sleeps in the garden."),
        ("The cat sleeps in the garden.", "The white horse sleeps in the kitchen."),
        ("Is the bird blue? Yes, the bird is blue.", "Is the cat red? Yes, the dog is green, the cat is red."),
    ]
    for one, two in pairs:
        asked = [Infill(text, ((0, len(text)),), whole_words=False, common_to=(one, two)) for text in (one, two)]
        found = [scored(f) for f in model.infill(asked)]
        assert found[0].tokens == found[1].tokens > 0
        assert [f.logprob for f in found] == pytest.approx(by_hand.shared(one, two), abs=NEAR * found[0].tokens)


def test_it_has_learned_who_sleeps_where(bert: MaskedModel) -> None:
    """So that a wrong way of asking would show."""
    right = 0
    for animal, place in PLACES.items():
        for colour in COLOURS:
            prompt = f"The {colour} {animal} sleeps in the"
            likely = [score(bert, prompt, ending).logprob for ending in ENDINGS]
            right += ENDINGS[likely.index(max(likely))] == f" {place}."
    assert right > 16 / 4 + 4


def test_the_company_and_the_order_do_not_matter(model: MaskedModel) -> None:
    asked = [Score(PROMPT, e) for e in ENDINGS] + [Score("", text) for text in TEXTS[::3]] + [Score(SENTENCE, " Yes.")]
    together = model.score(asked)
    assert model.score(asked[::-1])[::-1] == together
    for request, found in zip(asked, together, strict=True):
        alone = scored(model.score([request])[0])
        assert alone.logprob == pytest.approx(scored(found).logprob, abs=NEAR * alone.tokens)


def test_without_gathering_the_numbers_are_the_same(model: MaskedModel) -> None:
    asked = [Score(PROMPT, e) for e in ENDINGS]
    plain = MaskedScorer(model.scorer.model, 0, model.encoder.mask, 64)
    plain.gathers = False
    blanks = [
        blank
        for request in asked
        for encoded, places in [model.encoder.joined(request.prompt, request.continuation)]
        for blank in model.encoder.blanks(encoded.ids, encoded.words, places, True)
    ]
    for (one, first), (two, second) in zip(model.scorer.score(blanks), plain.score(blanks), strict=True):
        assert one == pytest.approx(two, abs=NEAR)
        assert first == second


def test_a_model_built_otherwise_is_asked_the_plain_way(bert_folder: Path, bert: MaskedModel) -> None:
    class Other(BertForMaskedLM):  # type: ignore[misc]
        @property
        def base_model(self) -> Any:
            return self

        def get_input_embeddings(self) -> Any:
            return self.bert.get_input_embeddings()

    scorer = MaskedScorer(Other.from_pretrained(bert_folder).eval(), 0, bert.encoder.mask, 256)
    assert not scorer.gathers


def test_equal_masked_copies_are_computed_once(bert: MaskedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []
    before = bert.scorer._logits

    def counted(found: Sequence[Any], numbers: list[int], places: list[int]) -> Any:
        rows.append(len(found))
        return before(found, numbers, places)

    monkeypatch.setattr(bert.scorer, "_logits", counted)
    prompt = "Is the cat"
    bert.score([Score(prompt, f" {colour}") for colour in COLOURS])  # the colour is masked: one copy for all four
    assert sum(rows) == 1


@pytest.mark.parametrize("prompt", [PROMPT, f"{PROMPT} ", f"{PROMPT}  "])
def test_the_space_between_may_stand_on_either_side(model: MaskedModel, prompt: str) -> None:
    spaces = len(PROMPT) + 1 - len(prompt)
    ending = " garden." if spaces > 0 else "garden."
    found, plain = score(model, prompt, ending), score(model, PROMPT, " garden.")
    if prompt.endswith("  ") and model is not None and "Roberta" in str(model.facts.architecture):
        return  # two spaces are another text to a byte-level tokenizer
    assert found.logprob == pytest.approx(plain.logprob, abs=NEAR * plain.tokens)


def test_a_conversation_is_asked_in_plain_words(model: MaskedModel) -> None:
    found = score(model, user("The cat?"), "red")
    plain = score(model, "Question: The cat?\nAnswer: ", "red")
    assert found.logprob == pytest.approx(plain.logprob, abs=NEAR)
    assert found.tokens == plain.tokens


def test_greedy_says_that_each_token_is_the_first_choice(bert: MaskedModel) -> None:
    for ending in ENDINGS:
        for colour in COLOURS:
            found = score(bert, f"The {colour} bird sleeps in the", ending)
            if found.logprob / found.tokens > -0.1:
                assert found.greedy
            if found.logprob < -5 * found.tokens:
                assert not found.greedy


@pytest.mark.parametrize("continuation", ["", " ", "\n"])
def test_nothing_to_score_is_no_number(model: MaskedModel, continuation: str) -> None:
    assert model.score([Score(PROMPT, continuation)]) == [Failure("failed", "The continuation has no tokens.")]


def test_too_long_a_text_is_not_cut(model: MaskedModel) -> None:
    fits = " cat" * (LONGEST - 3)
    tokens = len(model.encoder.encode("cat" + fits).ids)
    found = model.score([Score("cat", fits), Score("cat", fits + " cat"), Score("", "cat")])
    if tokens == LONGEST:
        assert isinstance(found[0], Scored)
    assert isinstance(found[1], Failure)
    assert found[1].status == "truncated"
    assert str(LONGEST) in found[1].reason
    assert isinstance(found[2], Scored)


def test_attention_is_of_the_text_as_it_is(model: MaskedModel) -> None:
    [found] = model.attend([Attend(PROMPT, " garden.")])
    assert isinstance(found, Attended)
    tokens = len(model.encoder.encode(PROMPT + " garden.").ids)
    windowed = "ModernBert" in str(model.facts.architecture)  # whose other layer sees a few neighbours only
    assert found.missing == (("layer 1: sees only a window of 9 tokens",) if windowed else ())
    assert found.weights.shape == (2 - len(found.missing), 2, tokens, tokens)
    assert found.weights.sum(-1) == pytest.approx(1.0, abs=1e-5)
    assert not found.causal
    assert len(found.tokens) == tokens
    assert "".join(found.tokens[1 : found.prompt_tokens]) == PROMPT
    assert "".join(found.tokens[found.prompt_tokens : -1]) == " garden."
    assert isinstance(model.score([Score(PROMPT, " garden.")])[0], Scored)  # and scoring goes on as before


@pytest.mark.parametrize("part", ["encoder", "cross"])
def test_there_is_no_other_attention(bert: MaskedModel, part: Any) -> None:
    [found] = bert.attend([Attend(PROMPT, " garden.", part)])
    assert isinstance(found, Failure)


def test_leave_one_out_is_deleting_each_word(bert: MaskedModel) -> None:
    asked = Attribute(PROMPT, " garden", " river")
    [found] = bert.attribute([asked])
    assert isinstance(found, Attributed)
    words = PROMPT.split()

    def contrast(kept: Sequence[str]) -> float:
        text = " ".join(kept)
        return score(bert, text, " garden").logprob - score(bert, text, " river").logprob

    assert found.units == tuple(words)
    assert found.full == pytest.approx(contrast(words), abs=1e-3)
    assert found.empty == pytest.approx(contrast([]), abs=1e-3)
    by_hand = [found.full - contrast([w for j, w in enumerate(words) if j != i]) for i in range(len(words))]
    assert found.scores == pytest.approx(by_hand, abs=1e-3)
    [ablated] = bert.ablate([Ablate(PROMPT, " garden", " river", kept=((0, 1), (2,), ()))])
    assert isinstance(ablated, Ablated)
    assert ablated.values == pytest.approx([contrast(["The", "red"]), contrast(["cat"]), contrast([])], abs=1e-3)


def test_a_decision_of_any_model_has_its_full_value(model: MaskedModel) -> None:
    [found] = model.attribute([Attribute(user("Where is the cat?"), "garden", method="shapley_sampling", samples=2)])
    assert isinstance(found, Attributed)
    assert found.units == ("Where", "is", "the", "cat?")
    assert found.full == pytest.approx(score(model, user("Where is the cat?"), "garden").logprob, abs=1e-3)
    assert sum(found.scores) == pytest.approx(found.full - found.empty, abs=1e-3)


@pytest.mark.parametrize(("prompt", "ending"), [("", " garden"), (PROMPT, ""), ("cat " * LONGEST, " garden")])
def test_decisions_that_cannot_be_made(bert: MaskedModel, prompt: str, ending: str) -> None:
    found = [*bert.attribute([Attribute(prompt, ending)]), *bert.ablate([Ablate(prompt, ending, kept=((7,),))])]
    assert all(isinstance(f, Failure) for f in found)


def test_not_a_number_is_said(bert_folder: Path, tmp_path: Path) -> None:
    model = open_masked(bert_folder)
    with torch.no_grad():
        model.scorer.model.cls.predictions.bias.fill_(float("nan"))
    [found] = model.score([Score(PROMPT, " garden")])
    assert isinstance(found, Failure)
    assert found.status == "not_a_number"
    [answer] = model.attribute([Attribute(PROMPT, " garden")])
    assert isinstance(answer, Failure)


def test_batches_hold_each_request_once_and_do_not_depend_on_order(bert: MaskedModel) -> None:
    asked = [Score(PROMPT, e) for e in ENDINGS] + [Score("", t) for t in TEXTS]
    groups = bert.batches(asked)
    assert sorted((r for g in groups for r in g), key=lambda r: r.key) == sorted(asked, key=lambda r: r.key)
    assert bert.batches(asked[::-1]) == groups
    assert bert.batches([]) == []
    assert [len(g) for g in bert.batches([Attend(PROMPT, e) for e in ENDINGS])] == [1] * len(ENDINGS)


def test_a_model_of_the_first_training_is_known_by_its_masked_head(bert_folder: Path, tmp_path: Path) -> None:
    whole = BertForPreTraining.from_pretrained(bert_folder)
    whole.save_pretrained(tmp_path)
    open_masked(bert_folder).encoder.tokenizer.save_pretrained(tmp_path)
    assert infer_task(tmp_path) == "masked-lm"
    first, again = open_masked(bert_folder), open_masked(tmp_path)
    assert score(again, PROMPT, " garden").logprob == pytest.approx(score(first, PROMPT, " garden").logprob, abs=1e-5)
    assert first.fingerprint != again.fingerprint


@pytest.mark.parametrize(
    ("architecture", "task"),
    [
        ("BertModel", "feature-extraction"),
        ("BertForMaskedLM", "masked-lm"),
        ("RobertaForMaskedLM", "masked-lm"),
        ("DistilBertModel", "feature-extraction"),
        ("ModernBertForMaskedLM", "masked-lm"),
        ("BartForConditionalGeneration", "seq2seq-lm"),
        ("T5ForConditionalGeneration", "seq2seq-lm"),
        ("ElectraForPreTraining", None),
    ],
)
def test_the_task_is_read_from_the_architecture(tmp_path: Path, architecture: str, task: str | None) -> None:
    (tmp_path / "config.json").write_text(f'{{"architectures": ["{architecture}"]}}')
    assert infer_task(tmp_path) == task


def test_another_kind_of_model_is_refused_in_a_sentence(bert_folder: Path, gpt2_folder: Path) -> None:
    with pytest.raises(ModelError, match="is not a masked language model: it holds GPT2LMHeadModel"):
        open_source(str(gpt2_folder), task="masked-lm")


def test_a_tokenizer_without_a_mask_is_refused(bert_folder: Path, tmp_path: Path) -> None:
    for path in bert_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    edit_json(tmp_path / "tokenizer_config.json", mask_token=None)
    with pytest.raises(ModelError, match="no mask token"):
        open_source(str(tmp_path))
