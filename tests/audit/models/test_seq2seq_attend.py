"""Attention of encoder-decoders: three parts of one pass, and an alignment that is known."""

from __future__ import annotations

import numpy as np
import pytest

from audit.models import Attend, Attended, Failure, Score
from audit.models.seq2seq import Seq2SeqModel
from tests.audit.models.tiny_seq2seq import ALIGNMENT, HELD_OUT

SOURCE, TARGET = HELD_OUT[3]


def attended(model: Seq2SeqModel, part: str, source: str = SOURCE, target: str = TARGET) -> Attended:
    [found] = model.attend([Attend(source, target, part)])  # type: ignore[arg-type]
    assert isinstance(found, Attended), found
    return found


def test_shapes_tokens_and_sums(translator: Seq2SeqModel) -> None:
    sources, targets = len(SOURCE.split()) + 1, len(TARGET.split())
    shapes = {"encoder": (sources, sources), "cross": (targets, sources), "self": (targets + 1, targets + 1)}
    for part, shape in shapes.items():
        found = attended(translator, part)
        assert found.weights.shape == (2, 3, *shape)
        assert found.weights.dtype == np.float32
        assert found.weights.sum(-1) == pytest.approx(1, abs=1e-5)
        assert len(found.tokens) == shape[0]
        assert found.causal == (part == "self")
        assert len(found.sources) == (sources if part == "cross" else 0)
    assert "".join(attended(translator, "encoder").tokens) == f"{SOURCE}</s>"
    assert attended(translator, "encoder").prompt_tokens == sources
    cross = attended(translator, "cross")
    assert "".join(cross.tokens).strip() == TARGET
    assert "".join(cross.sources) == f"{SOURCE}</s>"
    assert cross.prompt_tokens == 0
    own = attended(translator, "self")
    assert own.prompt_tokens == 1
    assert own.tokens[0] == "<pad>"
    assert (np.triu(own.weights, k=1) == 0).all()
    assert np.triu(attended(translator, "encoder").weights, k=1).any()


def test_a_head_finds_the_known_alignment(translator: Seq2SeqModel) -> None:
    """Of the words of a translation, those whose strongest weight is on the word that they translate."""
    hits = []
    for source, target in HELD_OUT:
        strongest = attended(translator, "cross", source, target).weights.argmax(-1)
        hits.append([(strongest[..., row] == column) for row, column in ALIGNMENT.items() if row])
    rates = np.mean(hits, axis=(0, 1))
    assert rates.shape == (2, 3)
    assert rates.max() > 0.6  # even weight would be right once in eight


def test_a_row_is_where_its_token_is_predicted(t5: Seq2SeqModel) -> None:
    """The first row cannot know the answer, for it is read from the start token alone."""
    one, other = attended(t5, "cross"), attended(t5, "cross", target="mino mino")
    assert one.weights[:, :, 0] == pytest.approx(other.weights[:, :, 0], abs=1e-5)
    assert np.abs(one.weights[:, :, 1] - other.weights[:, :, 1]).max() > 1e-3


def test_parts_of_one_pass_are_asked_together(t5: Seq2SeqModel) -> None:
    asked = [Attend(s, t, part) for part in ("encoder", "cross", "self") for s, t in HELD_OUT[:2]]  # type: ignore[arg-type]
    groups = t5.batches(asked)
    assert [len(g) for g in groups] == [3, 3]
    passes: list[object] = []
    hook = t5.scorer.model.register_forward_pre_hook(lambda *_: passes.append(1))
    found = t5.attend([r for r in groups[0] if isinstance(r, Attend)])
    hook.remove()
    assert len(passes) == 1
    assert all(isinstance(f, Attended) for f in found)


def test_kernel_and_scores_are_as_before(translator: Seq2SeqModel) -> None:
    before, kernel = translator.score([Score(SOURCE, TARGET)]), translator.scorer.model.config._attn_implementation
    attended(translator, "cross")
    assert translator.scorer.model.config._attn_implementation == kernel != "eager"
    assert translator.score([Score(SOURCE, TARGET)]) == before


def test_without_an_answer_there_is_no_attention(t5: Seq2SeqModel) -> None:
    [found] = t5.attend([Attend(SOURCE, "", "cross")])
    assert isinstance(found, Failure)
    assert found.status == "failed"
