"""Which word of a model's vocabulary would move its answers most in the place of another, by the gradient alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from audit.models.embedded import EmbeddedPass, Unreachable, differentiable
from audit.models.gradients import OpensGradients
from audit.models.requests import Decision, Substitute
from audit.models.responses import Failure, Substituted

_ROWS = 8192  # embeddings compared at a time
_LOOKED_AT = 16  # tokens looked at for each word wanted: many are parts of words, or no text


def substitutes(request: Substitute, model: OpensGradients) -> Substituted | Failure:
    """The words with the largest first-order gains, summed over the request's cases.

    The score of HotFlip (Ebrahimi et al. 2018, arXiv:1712.06751), (e_new - e_old) · gradient, summed over texts as in Wallace
    et al. 2019 (arXiv:1908.07125), and over all places where the word stands. Only tokens that a word gives by itself are
    named: parts of words and special tokens cannot be written.
    """
    try:
        with differentiable(model.network, model.forget):
            found = _gains(request, model)
    except Unreachable as error:
        return Failure("failed", str(error))
    if found is None:
        return Failure("failed", f"{request.word} does not stand as a word of its own in every prompt.")
    if not bool(found.isfinite().all()):
        return Failure("not_a_number", "The model's gradient is not finite.")
    order = found.topk(min(len(found), _LOOKED_AT * request.count)).indices.tolist()
    words = dict(_written(order, model.tokenizer))
    words.pop(request.word, None)
    chosen = list(words.items())[: request.count]
    return Substituted(tuple(word for word, _ in chosen), tuple(float(found[token]) for _, token in chosen))


def _gains(request: Substitute, model: OpensGradients) -> Tensor | None:
    """One number a token of the vocabulary, in nats; None where the word is not in a prompt."""
    slope, before, module = None, 0.0, None
    for prompt, answer in request.cases:
        units = model.scalar(Decision(prompt, answer)).units
        standing = zip(units.words, units.members, strict=True)
        places = [place for text, members in standing if text.strip() == request.word for place in members]
        if not places:
            return None
        forced = model.forced(prompt, answer)
        one = EmbeddedPass(model.network, forced, places)
        point = one.embeddings()
        each = one.slopes(point[None], point.new_ones((1, len(forced.targets))).float())[0, 0].float()
        slope = each.sum(0) if slope is None else slope + each.sum(0)
        before += float((each * point.float()).sum())
        module = one.module
    if slope is None or module is None:
        return None
    gains = _along(module, slope) - before
    return gains if request.raised else -gains


@torch.no_grad()
def _along(module: Any, slope: Tensor) -> Tensor:
    """The embedding of every token times a direction; by the module, which may scale what it looks up."""
    size = module.num_embeddings
    starts = range(0, size, _ROWS)
    ids = [torch.arange(s, min(s + _ROWS, size), device=slope.device) for s in starts]
    return torch.cat([module(part).float() @ slope for part in ids])


def _written(order: Iterable[int], tokenizer: Any) -> Iterable[tuple[str, int]]:
    """Words with the token that each gives by itself, at a text's beginning or after a space."""
    special, seen = set(tokenizer.all_special_ids), set()
    for token in order:
        if token in special or token >= len(tokenizer):
            continue
        word = str(tokenizer.decode([token])).strip()
        if not word or word in seen or not word.isprintable() or "�" in word or " " in word:
            continue
        alone = (tokenizer(text, add_special_tokens=False).input_ids for text in (word, f" {word}"))
        if any(ids == [token] for ids in alone):
            seen.add(word)
            yield word, token
