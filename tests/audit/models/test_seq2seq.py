"""Encoder-decoders that were taught a small language: numbers, answers, attention and explanations against slow loops."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import T5ForConditionalGeneration

from audit.models import (
    Ablate,
    Ablated,
    Attend,
    Attribute,
    Attributed,
    Capability,
    Failure,
    Generate,
    Generated,
    ModelError,
    Score,
    Scored,
    answer,
)
from audit.models.seq2seq import Seq2SeqModel
from audit.models.seq2seq_generator import passed_over
from tests.audit.models.tiny_seq2seq import EVERY, HELD_OUT, LONGEST, ByHand, change, open_folder

SOURCE, TARGET = HELD_OUT[3]  # the red bird sings in the kitchen
NEAR = 1e-4  # nats a token


@pytest.fixture(scope="module")
def by_hand(translator: Seq2SeqModel) -> ByHand:
    return ByHand(translator)


@pytest.fixture
def copied(t5_folder: Path, tmp_path: Path) -> Path:
    """A folder that a test may spoil."""
    return Path(shutil.copytree(t5_folder, tmp_path / "model"))


@pytest.fixture
def read(t5: Seq2SeqModel) -> Iterator[list[int]]:
    """How many prompts the encoder reads in each pass."""
    rows: list[int] = []
    hook = t5.scorer.model.get_encoder().register_forward_pre_hook(
        lambda _, __, given: rows.append(len(given["input_ids"])), with_kwargs=True
    )
    yield rows
    hook.remove()


def scored(model: Seq2SeqModel, *requests: Score) -> list[Scored]:
    found = model.score(requests)
    assert all(isinstance(f, Scored) for f in found), found
    return [f for f in found if isinstance(f, Scored)]


def generated(model: Seq2SeqModel, *requests: Generate) -> list[Generated]:
    found = model.generate(requests)
    assert all(isinstance(f, Generated) for f in found), found
    return [f for f in found if isinstance(f, Generated)]


def failure(response: object) -> Failure:
    assert isinstance(response, Failure), response
    return response


# What it is


def test_it_is_opened_by_its_config_and_says_what_it_is(translator: Seq2SeqModel) -> None:
    facts = translator.facts
    assert facts.kind == "seq2seq-lm"
    assert facts.context_length == LONGEST
    assert facts.notes == []
    known = {"score", "generate", "attention", "cross_attention", "attribute", "files", "gradient", "states", "time"}
    assert set(facts.capabilities) == known
    assert Capability.CROSS_ATTENTION in translator.capabilities


def test_the_quick_ways_are_taken_and_checked(t5: Seq2SeqModel, marian: Seq2SeqModel) -> None:
    assert t5.scorer.shares
    assert t5.scorer.scale == pytest.approx(48**-0.5)  # a tied head
    assert marian.scorer.shares
    assert marian.scorer.scale == 1.0


def test_a_model_that_does_not_say_how_answers_begin_is_refused(copied: Path) -> None:
    for name in ("config.json", "generation_config.json"):
        change(copied, name, decoder_start_token_id=None)
    with pytest.raises(ModelError, match="does not say what its decoder begins with"):
        open_folder(copied)


def test_a_model_that_cannot_be_run_is_refused_in_a_sentence(copied: Path) -> None:
    for name in ("config.json", "generation_config.json"):
        change(copied, name, decoder_start_token_id=10**6)
    with pytest.raises(ModelError, match="could not be run as an encoder-decoder: index out of range"):
        open_folder(copied)


# Scores


def test_scores_are_those_of_plain_passes(translator: Seq2SeqModel, by_hand: ByHand) -> None:
    asked = [Score(s, f" {t}") for s, t in HELD_OUT[:4]]
    asked += [Score(SOURCE, "en"), Score(SOURCE, "rufa pipa orto"), Score("cat", "mino"), Score("", "en orto")]
    for request, found in zip(asked, scored(translator, *asked), strict=True):
        expected = by_hand.score(request)
        assert found.logprob == pytest.approx(expected.logprob, abs=NEAR * expected.tokens)
        assert (found.tokens, found.greedy) == (expected.tokens, expected.greedy)
        assert found.logprob < 0


def test_a_bias_on_the_logits_counts(marian_folder: Path) -> None:
    model = open_folder(marian_folder)
    [before] = scored(model, Score(SOURCE, TARGET))
    model.scorer.model.final_logits_bias.zero_()
    [after] = scored(model, Score(SOURCE, TARGET))
    assert abs(before.logprob - after.logprob) > 0.01


def test_the_right_translation_is_likelier_than_another(translator: Seq2SeqModel) -> None:
    for (source, target), (_, other) in zip(HELD_OUT[:5], HELD_OUT[5:10], strict=True):
        right, wrong = scored(translator, Score(source, target), Score(source, other))
        assert right.logprob > wrong.logprob + 2
        assert right.greedy
        assert not wrong.greedy


def test_the_end_of_an_answer_is_not_scored(t5: Seq2SeqModel, by_hand: ByHand) -> None:
    whole, part = scored(t5, Score(SOURCE, TARGET), Score(SOURCE, TARGET.rsplit(" ", 1)[0]))
    assert (whole.tokens, part.tokens) == (5, 4)
    assert whole.logprob < part.logprob < 0  # the same tokens and one more


def test_the_space_that_joins_an_answer_to_a_prompt_is_dropped(translator: Seq2SeqModel) -> None:
    joined, bare, after = scored(
        translator, Score(SOURCE, f" {TARGET}"), Score(SOURCE, TARGET), Score(f"{SOURCE} ", TARGET)
    )
    assert joined == bare == after


@pytest.mark.parametrize("budget", [1, 40, 4096])
def test_scores_do_not_depend_on_what_is_computed_beside_them(t5_folder: Path, t5: Seq2SeqModel, budget: int) -> None:
    asked = [Score(s[: 9 + 3 * i], t) for i, (s, t) in enumerate(HELD_OUT[:9])]
    asked += [Score(SOURCE, word) for word in ("en", "en kuko", "en kuko kantu", "kuko", "rufa rufa rufa rufa")]
    together = scored(open_folder(t5_folder, batch_tokens=budget), *asked)
    for request, found in zip(asked, together, strict=True):
        [alone] = scored(t5, request)
        assert found.logprob == pytest.approx(alone.logprob, abs=NEAR * alone.tokens)
        assert (found.tokens, found.greedy) == (alone.tokens, alone.greedy)


def test_each_prompt_is_read_once(t5: Seq2SeqModel, read: list[int]) -> None:
    prompts = [s for s, _ in HELD_OUT[:4]]
    t5.score([Score(prompt, t) for prompt in prompts for _, t in HELD_OUT])
    assert sum(read) == len(prompts)


def test_batches_hold_every_request_once_and_keep_prompts_together(t5: Seq2SeqModel) -> None:
    asked = [Score(s, t) for s, _ in EVERY for _, t in HELD_OUT[:3]]
    groups = t5.batches(asked)
    assert sorted(r.key for g in groups for r in g) == sorted(r.key for r in asked)
    assert 1 < len(groups) < 12
    assert t5.batches(asked[::-1]) == groups
    halves = [{r.prompt for r in g if isinstance(r, Score)} for g in groups]
    assert sum(len(h) for h in halves) <= len(EVERY) + len(groups) - 1
    assert t5.batches([]) == []


def test_a_head_that_is_no_plain_product_is_left_to_the_model(t5_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    forward = T5ForConditionalGeneration.forward

    def capped(self: Any, *given: Any, **named: Any) -> Any:
        out = forward(self, *given, **named)
        out.logits = 3 * (out.logits / 3).tanh()
        return out

    monkeypatch.setattr(T5ForConditionalGeneration, "forward", capped)
    model = open_folder(t5_folder)
    assert (model.scorer.shares, model.scorer.scale) == (True, None)
    request = Score(SOURCE, TARGET)
    [found] = scored(model, request)
    assert found.logprob == pytest.approx(ByHand(model).score(request).logprob, abs=NEAR * 5)


def test_an_encoder_that_does_not_stand_alone_is_called_with_its_decoder(
    t5_folder: Path, t5: Seq2SeqModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [Score(SOURCE, TARGET), Score("the red cat", "mino"), Score("the red cat", "mino rufa")]
    expected = scored(t5, *asked)

    def refuse(**_: Any) -> Any:
        raise NotImplementedError

    monkeypatch.setattr(T5ForConditionalGeneration, "get_encoder", lambda self: refuse)
    model = open_folder(t5_folder)
    assert not model.scorer.shares
    for one, other in zip(scored(model, *asked), expected, strict=True):
        assert one.logprob == pytest.approx(other.logprob, abs=NEAR * one.tokens)
    assert generated(model, Generate(SOURCE, 12))[0].text == TARGET


# What cannot be answered


def words(count: int) -> str:
    return "cat " * (count - 1)  # and the end token


@pytest.mark.parametrize("ask", ["score", "generate", "attend", "attribute", "ablate"])
def test_nothing_is_cut(translator: Seq2SeqModel, ask: str) -> None:

    def requests(prompt: str, reply: str, most: int) -> Any:
        return {
            "score": Score(prompt, reply),
            "generate": Generate(prompt, most),
            "attend": Attend(prompt, reply, "cross"),
            "attribute": Attribute(prompt, reply),
            "ablate": Ablate(prompt, reply, kept=((0,),)),
        }[ask]

    long = LONGEST - 1
    [fits] = answer(translator, [requests(words(LONGEST), "mino " * 5, 5)])
    assert not isinstance(fits, Failure)
    found = failure(answer(translator, [requests(words(LONGEST + 1), "mino", 5)])[0])
    assert (found.status, found.reason) == (
        "truncated",
        f"The prompt has {LONGEST + 1} tokens; the model's encoder reads {LONGEST}.",
    )
    [over] = answer(translator, [requests("cat", "mino " * (long + 2), LONGEST + 1)])
    if translator.facts.architecture == "MarianMTModel":
        assert failure(over).status == "truncated"
        assert "the model's decoder reads" in failure(over).reason
        [just] = answer(translator, [requests("cat", "mino " * long, long)])
        assert not isinstance(just, Failure)
    else:
        assert not isinstance(over, Failure)  # relative positions: nothing names a limit for its answers


def test_an_answer_without_tokens_fails(translator: Seq2SeqModel) -> None:
    for found in [*translator.score([Score(SOURCE, "")]), *translator.attribute([Attribute(SOURCE, " ")])]:
        assert failure(found).reason == "The continuation has no tokens."
    mixed = translator.score([Score(SOURCE, ""), Score(SOURCE, TARGET)])
    assert [type(f) for f in mixed] == [Failure, Scored]


def test_unknown_words_have_no_score(marian: Seq2SeqModel, t5: Seq2SeqModel) -> None:
    """Else all words that a vocabulary lacks would be equally likely."""
    asked = [Score(SOURCE, "Yes"), Score(SOURCE, "en Yes")]
    for found in [*marian.score(asked), *marian.attribute([Attribute(SOURCE, "orto", "Yes")])]:
        assert failure(found).reason == "The model's vocabulary has no tokens for part of the continuation."
    assert failure(marian.attend([Attend(SOURCE, "Yes", "cross")])[0]).status == "failed"
    assert len(scored(t5, *asked)) == 2  # bytes spell any word
    assert len(scored(marian, Score("Who sings", "mino"))) == 1  # a prompt may hold some


def test_what_is_not_a_number_is_no_number(t5_folder: Path) -> None:
    model = open_folder(t5_folder)
    model.scorer.model.get_input_embeddings().weight.data.fill_(math.nan)
    found = [
        *model.score([Score(SOURCE, TARGET)]),
        *model.generate([Generate(SOURCE, 3), Generate(SOURCE, 3, 1.0)]),
        *model.attribute([Attribute(SOURCE, TARGET)]),
    ]
    assert [failure(f).status for f in found] == ["not_a_number"] * 4


def test_one_word_that_is_not_a_number_spoils_only_what_holds_it(t5_folder: Path) -> None:
    model = open_folder(t5_folder)
    [token] = model.encoder.target_ids("horse")
    words_read = model.scorer.model.get_encoder().embed_tokens
    words_read.weight = torch.nn.Parameter(words_read.weight.detach().clone())  # no longer the head's
    words_read.weight.data[token] = math.nan
    spoilt, sound = model.score([Score("the red horse", TARGET), Score(SOURCE, TARGET)])
    assert failure(spoilt).status == "not_a_number"
    assert isinstance(sound, Scored)


# Answers


def test_translation_was_learned(translator: Seq2SeqModel) -> None:
    found = generated(translator, *(Generate(s, 12) for s, _ in HELD_OUT))
    right = [f.text == t for f, (_, t) in zip(found, HELD_OUT, strict=True)]
    assert np.mean(right) > 0.9
    assert {f.finish for f in found} == {"stop"}


def test_greedy_answers_are_those_of_plain_passes(translator: Seq2SeqModel, by_hand: ByHand) -> None:
    asked = [Generate(s, most) for s, _ in HELD_OUT[:3] for most in (3, 12)] + [Generate("cat the", 8)]
    end = translator.encoder.tokenizer.eos_token_id
    for request, found in zip(asked, generated(translator, *asked), strict=True):
        source = translator.encoder.prompt_ids(request.prompt)
        ids, logprob, ended = by_hand.greedy(source, request.max_tokens, [end])
        assert found.text == translator.encoder.tokenizer.decode(ids).strip()
        assert found.logprob == pytest.approx(logprob, abs=NEAR * found.tokens)
        assert (found.tokens, found.finish) == (len(ids) + ended, "stop" if ended else "length")


def test_samples_depend_on_their_seed_alone(t5: Seq2SeqModel) -> None:
    asked = [Generate(SOURCE, 8, 2.0, seed) for seed in range(6)] + [Generate(HELD_OUT[7][0], 5, 2.0, 0)]
    together = generated(t5, *asked)
    assert len({f.text for f in together}) > 3
    for request, found in zip(asked, together, strict=True):
        [alone] = generated(t5, request)
        assert alone.text == found.text
        assert alone.logprob == pytest.approx(found.logprob, abs=NEAR * found.tokens)


def test_samples_of_one_prompt_share_its_reading(t5: Seq2SeqModel, read: list[int]) -> None:
    generated(t5, *(Generate(SOURCE, 4, 1.0, seed) for seed in range(5)), Generate("the cat", 4))
    assert read == [2]


def test_generation_settings(copied: Path, t5: Seq2SeqModel) -> None:
    """What they ban and force is honoured; beams are not, and that is said."""
    tokens = {word: t5.encoder.target_ids(word)[0] for word in ("en", "rufa", "kuko")}
    change(
        copied,
        "generation_config.json",
        forced_bos_token_id=tokens["rufa"],
        bad_words_ids=[[tokens["kuko"]], [3, 4]],
        num_beams=4,
    )
    model = open_folder(copied)
    assert model.scorer.start == (*t5.scorer.start, tokens["rufa"])
    assert model.facts.notes == [
        "Every answer is made to begin with the tokens <pad> Ġrufa.",
        "Its generation settings ask for beam search with 4 beams, banned words of several tokens; answers here are "
        "plain greedy or sampled ones.",
    ]
    found = generated(model, *(Generate(SOURCE, 6, heat, 0) for heat in (0.0, 3.0)))
    assert not any("kuko" in f.text for f in found)
    forced, chosen = scored(model, Score(SOURCE, "en")), scored(t5, Score(SOURCE, "rufa en"), Score(SOURCE, "rufa"))
    assert forced[0].logprob == pytest.approx(chosen[0].logprob - chosen[1].logprob, abs=3 * NEAR)


def test_settings_without_wishes_are_not_mentioned(t5: Seq2SeqModel) -> None:
    assert passed_over(t5.scorer.model.generation_config) is None


# Explanations


def test_the_word_that_decides_is_found(translator: Seq2SeqModel) -> None:
    cases = [("mino", "hundi", "the red cat sleeps in the garden", "en orto domas ", "cat")]
    cases += [("veda", "nevo", "the green dog waits in the river", "en fluo espas hundi ", "green")]
    for reply, contrast, prompt, before, word in cases:
        found = translator.attribute([Attribute(prompt, before + reply, before + contrast)])[0]
        assert isinstance(found, Attributed)
        assert found.units == tuple(prompt.split())
        assert found.units[int(np.argmax(found.scores))] == word
        one, other = scored(translator, Score(prompt, before + reply), Score(prompt, before + contrast))
        assert found.full == pytest.approx(one.logprob - other.logprob, abs=10 * NEAR)
        kept = (tuple(range(7)), tuple(i for i in range(7) if found.units[i] != word), ())
        ablated = translator.ablate([Ablate(prompt, before + reply, before + contrast, kept=kept)])[0]
        assert isinstance(ablated, Ablated)
        without = found.full - found.scores[found.units.index(word)]
        assert ablated.values == pytest.approx((found.full, without, found.empty), abs=10 * NEAR)
