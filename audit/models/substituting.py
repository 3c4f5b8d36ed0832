"""Which word of a model's vocabulary would move its answers most in the place of another, by the gradient alone.

The score of HotFlip (Ebrahimi et al. 2018, arXiv:1712.06751), (e_new - e_old) · gradient, summed over texts as in Wallace et
al. 2019 (arXiv:1908.07125). Where a model is sure, the gradient of log p(answer) vanishes, which says nothing of what else
could move it; that of the log odds does not. A line through one point says little of a network's far side, so that
gradients are taken from several points, and a word counts by the best of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from audit.models.budget import tokens_per_gradient_pass
from audit.models.embedded import EmbeddedPass, Unreachable, differentiable
from audit.models.gradients import OpensGradients
from audit.models.requests import Decision, Substitute
from audit.models.responses import Failure, Substituted

_ROWS = 8192  # embeddings compared at a time
_LOOKED_AT = 16  # tokens looked at for each word wanted: many are parts of words, or no text
_LEAST_DOUBT = 1e-5  # what float32 can tell from certainty


def substitutes(request: Substitute, model: OpensGradients) -> Substituted | Failure:
    """The words with the largest first-order gains.

    Only tokens that a word gives by itself are named: parts of words and special tokens cannot be written.
    """
    try:
        with differentiable(model.network, model.forget):
            gains = _gains(request, model)
    except Unreachable as error:
        return Failure("failed", str(error))
    if gains is None:
        return Failure("failed", f"{request.word} does not stand as a word of its own in every prompt.")
    if not bool(gains.isfinite().all()):
        return Failure("not_a_number", "The model's gradient is not finite.")
    best = ((gains - gains.mean(1, keepdim=True)) / gains.std(1, keepdim=True).clamp(min=1e-12)).amax(0)
    order = best.topk(min(len(best), _LOOKED_AT * request.count)).indices.tolist()
    words = dict(_written(order, model.tokenizer))
    words.pop(request.word, None)
    chosen = list(words.items())[: request.count]
    return Substituted(tuple(word for word, _ in chosen), tuple(float(best[token]) for _, token in chosen))


def _gains(request: Substitute, model: OpensGradients) -> Tensor | None:
    """One number a point and token of the vocabulary, ``[points, vocabulary]``; None where the word is not in a prompt."""
    slopes: list[Tensor] = []
    module: Any = None
    for prompt, answer in request.cases:
        units = model.scalar(Decision(prompt, answer)).units
        members = [
            places for text, places in zip(units.words, units.members, strict=True) if text.strip() == request.word
        ]
        if not members:
            return None
        places = sorted({*members[0], *members[-1]})
        one = EmbeddedPass(model.network, model.forced(prompt, answer), places)
        module = one.module
        points = torch.cat([one.embeddings()[None], _drawn(request, module)[:, None].expand(-1, len(places), -1)])
        slopes.append(_slopes(one, points, max(1, tokens_per_gradient_pass(model.network) // one.size)))
    if not slopes:
        return None
    gains = _along(module, torch.stack(slopes).sum(0))
    return gains if request.raised else -gains


def _drawn(request: Substitute, module: Any) -> Tensor:
    """The vectors of the tokens from which gradients are also taken, ``[starts, width]``."""
    stream = torch.Generator().manual_seed(request.seed)
    ids = torch.randint(module.num_embeddings, (request.starts,), generator=stream)
    with torch.no_grad():
        found: Tensor = module(ids.to(module.weight.device))
    return found


def _slopes(one: EmbeddedPass, points: Tensor, together: int) -> Tensor:
    """The gradient of the log odds of the first target, summed over places: ``[points, width]``."""
    found = []
    for part in torch.split(points, together):
        with torch.no_grad():
            values = one(part).float()
        wanted = torch.zeros_like(values[:1])
        wanted[0, 0] = 1.0
        doubt = (1 - values[:, 0].exp()).clamp(min=_LEAST_DOUBT)
        found.append(one.slopes(part, wanted)[0].float().sum(1) / doubt[:, None])
    return torch.cat(found)


@torch.no_grad()
def _along(module: Any, slopes: Tensor) -> Tensor:
    """The embedding of every token times each direction; by the module, which may scale what it looks up."""
    size = module.num_embeddings
    starts = range(0, size, _ROWS)
    ids = [torch.arange(s, min(s + _ROWS, size), device=slopes.device) for s in starts]
    return torch.cat([module(part).float() @ slopes.T for part in ids]).T


def _written(order: Iterable[int], tokenizer: Any) -> Iterable[tuple[str, int]]:
    """Words with the token that each gives by itself, at a text's beginning or after a space."""
    added = {place for place, token in tokenizer.added_tokens_decoder.items() if token.special}
    special, seen = {*tokenizer.all_special_ids, *added}, set[str]()
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
