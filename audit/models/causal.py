"""A causal language model opened from its weights: scores, generates, embeds, shows attention, explains decisions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from audit.models.attending import Look, Text
from audit.models.base import ModelError
from audit.models.budget import tokens_per_pass
from audit.models.explain import JOINED, DecisionScalar, Scalar
from audit.models.forced import Forced, read_tokens
from audit.models.generator import Generator, Task
from audit.models.growing import bytes_per_token
from audit.models.inside import Reading, read_units
from audit.models.loading import context_length, describe, fingerprint, load, unfit
from audit.models.options import Options
from audit.models.packing import common_length
from audit.models.requests import (
    Attend,
    Capability,
    Decision,
    Embed,
    Generate,
    Prompt,
    Request,
    Score,
    ScoreTokens,
    prompt_text,
)
from audit.models.responses import Attended, Embedded, Failure, Generated, Scored, TokensScored
from audit.models.scorer import Continuation, Scorer
from audit.models.source import Weights
from audit.models.states import RULE, by_length, text_vectors
from audit.models.text import TextEncoder
from audit.models.tokens import tokens_scored
from audit.models.whitebox import WhiteBox

CODE_VERSION = "8"  # part of the fingerprint; raise it when the same request would get another response
GENERATE_ROWS = 128
KEPT_BYTES = 540 << 20  # keys and values of one batch of answers
SAVE_TOKENS = 4096  # distinct tokens whose scores are handed to the cache together: some seconds of work
_NOT_FINITE = Failure("not_a_number", "The model's log-probability is not finite.")


class CausalModel(WhiteBox):
    """A transformers causal language model behind the capability protocols.

    Raises:
        ModelError: where the folder's weights, architecture or tokenizer cannot be loaded.
    """

    encoder: TextEncoder
    capabilities = frozenset(
        {
            Capability.SCORE,
            Capability.GENERATE,
            Capability.ATTENTION,
            Capability.ATTRIBUTE,
            Capability.EMBED,
            Capability.FILES,
            Capability.GRADIENT,
            Capability.STATES,
            Capability.DISTRIBUTION,
            Capability.TIME,
        }
    )

    def __init__(self, weights: Weights, source: str, options: Options, declared: dict[str, str]) -> None:
        self.weights = weights
        tokenizer, self.network = load(AutoModelForCausalLM, weights, source, options, "a causal language model")
        self._device = self.network.device
        if not _sees_only_back(self.network):
            raise ModelError(f"{source} is not a causal language model: its numbers depend on what follows a token.")
        self.encoder = TextEncoder(tokenizer, options.chat_template)
        self.scorer = Scorer(self.network, options.batch_tokens or tokens_per_pass(self.network))
        ends = _end_tokens(self.network, tokenizer)
        self._pad = int(tokenizer.pad_token_id or (ends[0] if ends else 0))
        self._batch_tokens = options.batch_tokens
        self._generator = Generator(self.scorer, ends, self._pad)
        self._context_length = context_length(self.network.config)
        template = self.encoder.template_hash
        self.facts = describe(
            self.network, weights, source, "causal-lm", options, declared, self.capabilities, template
        )
        self._fingerprint = fingerprint(self.facts, weights.folder, tokenizer.get_vocab(), f"{CODE_VERSION}:{RULE}")

    @property
    def fingerprint(self) -> str:
        """Hash of weights, tokenizer, template, number format, device kind and the code's version."""
        return self._fingerprint

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        """Requests of one kind in groups for one call each; equal sets of requests give equal groups."""
        ordered = sorted(requests, key=lambda r: r.key)
        if not ordered:
            return []
        if isinstance(ordered[0], Score):
            return self._score_batches([r for r in ordered if isinstance(r, Score)])
        if isinstance(ordered[0], Generate):
            tasks = [r for r in ordered if isinstance(r, Generate)]
            return self._generate_batches(tasks)
        if isinstance(ordered[0], Embed):
            return by_length([(len(self._row(r.text)[0]), r) for r in ordered if isinstance(r, Embed)])
        if isinstance(ordered[0], ScoreTokens):
            texts = [r for r in ordered if isinstance(r, ScoreTokens)]
            return by_length([(len(self._continuation(r.prompt, r.text).row), r) for r in texts], SAVE_TOKENS)
        return self.grouped(ordered)

    def _generate_batches(self, requests: list[Generate]) -> list[list[Request]]:
        """Of like length, samples of one prompt together, as many as keys and values have room for."""
        lengths = {prompt: len(self.encoder.prompt_ids(prompt)) for prompt in {r.prompt for r in requests}}
        ordered = sorted(requests, key=lambda r: (r.max_tokens, lengths[r.prompt], prompt_text(r.prompt), r.key))
        room = KEPT_BYTES // bytes_per_token(self.network.config, self.network.dtype)
        groups: list[list[Request]] = []
        for most, same in groupby(ordered, key=lambda r: r.max_tokens):
            rows = list(same)
            for start, end in _spans([lengths[r.prompt] + most for r in rows], room):
                groups.append([*rows[start:end]])
        return groups

    def _score_batches(self, requests: list[Score]) -> list[list[Request]]:
        """Neighbours in the order of their tokens, so that what begins alike is computed together."""
        pairs = [self.encoder.pair(r.prompt, r.continuation) for r in requests]
        rows = {r: (*context, *target) for r, (context, target) in zip(requests, pairs, strict=True)}
        ordered = sorted(requests, key=lambda r: rows[r])
        groups: list[list[Request]] = []
        size = 0
        before: tuple[int, ...] = ()
        for request in ordered:
            shared = common_length(before, rows[request])
            if not groups or size >= SAVE_TOKENS:
                groups.append([])
                size, shared = 0, 0
            groups[-1].append(request)
            size += len(rows[request]) - shared
            before = rows[request]
        return groups

    def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
        """Log-likelihoods in nats."""
        continuations = [self._continuation(r.prompt, r.continuation) for r in requests]
        results: list[Scored | Failure | None] = [self._unfit(c) for c in continuations]
        open_places = [i for i, result in enumerate(results) if result is None]
        found = self.scorer.score([continuations[i] for i in open_places])
        for i, likelihood in zip(open_places, found, strict=True):
            tokens = len(continuations[i].target)
            results[i] = Scored(likelihood.logprob, tokens, likelihood.greedy) if likelihood else _NOT_FINITE
        return [result for result in results if result is not None]

    def score_tokens(self, requests: Sequence[ScoreTokens]) -> list[TokensScored | Failure]:
        """Log-likelihoods of the tokens one by one, beside those of the whole vocabulary."""
        asked = [self._continuation(r.prompt, r.text) for r in requests]
        failures = [self._unfit(c) for c in asked]
        fitting = [c for c, failure in zip(asked, failures, strict=True) if failure is None]
        found = iter(tokens_scored(self.scorer, fitting))
        return [failure or next(found) or _NOT_FINITE for failure in failures]

    def _continuation(self, prompt: Prompt, continuation: str) -> Continuation:
        context, target = self.encoder.pair(prompt, continuation)
        return Continuation(tuple(context), tuple(target))

    def _unfit(self, continuation: Continuation) -> Failure | None:
        if not continuation.target:
            return Failure("failed", "The continuation has no tokens.")
        return unfit(len(continuation.row), self._context_length)

    def generate(self, requests: Sequence[Generate]) -> list[Generated | Failure]:
        """Answers, special tokens left out."""
        prompts = [tuple(self.encoder.prompt_ids(r.prompt)) for r in requests]
        limit = self._context_length
        fits = [limit is None or len(p) + r.max_tokens <= limit for p, r in zip(prompts, requests, strict=True)]
        tasks = [
            Task(p, r.max_tokens, r.temperature, r.seed)
            for p, r, fit in zip(prompts, requests, fits, strict=True)
            if fit
        ]
        answers = iter(self._generator.generate(tasks) if tasks else [])
        results: list[Generated | Failure] = []
        for prompt, fit, most in zip(prompts, fits, [r.max_tokens for r in requests], strict=True):
            if not fit:
                reason = f"The prompt has {len(prompt)} tokens and its answer may have {most}; the model reads {limit}."
                results.append(Failure("truncated", reason))
                continue
            answer = next(answers)
            if not np.isfinite(answer.logprob):
                results.append(_NOT_FINITE)
                continue
            text = str(self.encoder.tokenizer.decode(answer.ids, skip_special_tokens=True)).strip()
            tokens = len(answer.ids) + answer.ended
            results.append(Generated(text, tokens, answer.logprob, "stop" if answer.ended else "length"))
        return results

    def embed(self, requests: Sequence[Embed]) -> list[Embedded | Failure]:
        """Vectors, float32 ``[width]``: the mean of the last hidden states over the text's tokens."""
        rows = [self._row(r.text) for r in requests]
        failures = [unfit(len(row), self._context_length) for row, _ in rows]
        fitting = [row for row, failure in zip(rows, failures, strict=True) if failure is None]
        found = iter(text_vectors(self.network, fitting, self._pad, self._batch_tokens))
        return [failure or next(found) for failure in failures]

    def _row(self, text: str) -> tuple[tuple[int, ...], range]:
        """The tokens of a text after the one that stands before every raw text, and their places."""
        before, own = self.encoder.pair("", text)
        return (*before, *own), range(len(before), len(before) + len(own))

    def seen(self, requests: Sequence[Attend]) -> list[Attended | Failure]:
        """Attention weights over prompt and continuation."""
        return [self._seen(request) for request in requests]

    def _seen(self, request: Attend) -> Attended | Failure:
        if request.part != "self":
            return Failure("failed", f"A causal language model has no {request.part} attention apart from its own.")
        context, target = self.encoder.pair(request.prompt, request.continuation)
        ids = context + target
        failure = unfit(len(ids), self._context_length)
        if failure is None and request.weighted:
            failure = self._unfit(Continuation(tuple(context), tuple(target)))
        if failure is not None:
            return failure
        read = self.forced(request.prompt, request.continuation).read if request.weighted else None
        inputs = {"input_ids": torch.tensor([ids], device=self._device), "use_cache": False}
        text = Text(self.encoder.pieces(ids), len(context), True)
        return Look(self.network, inputs, read).attended("attentions", text)

    def scalar(self, request: Decision) -> Scalar:
        """The decision's scalar for any set of kept units."""
        return DecisionScalar(request, self.encoder, self.scorer)

    def forced(self, prompt: Prompt, continuation: str) -> Forced:
        """One row: the prompt and all of the answer but its last token."""
        context, target = self.encoder.pair(prompt, continuation)
        first = len(context) - 1
        deciding = tuple((0, first + i) for i in range(len(target)))
        ids = torch.tensor([(context + target)[:-1]], device=self._device)
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        return Forced(inputs, range(len(context)), deciding, read_tokens(deciding, tuple(target)), tuple(target))

    def forget(self) -> None:
        """The kept beginnings of prompts."""
        self.scorer.forget()

    def reading(self, prompt: Prompt) -> Reading:
        """The tokens of a text alone."""
        return read_units(self.encoder.units(prompt))

    def undecidable(self, request: Decision) -> Failure | None:
        """Why the decision's scalar has no value for the whole prompt; parts of it are shorter."""
        pairs = [self.encoder.pair(request.prompt, answer) for answer in request.endings]
        failures = [self._unfit(Continuation(tuple(context), tuple(target))) for context, target in pairs]
        if any(self.encoder.joins(request.prompt, answer) for answer in request.endings):
            return JOINED
        return next((failure for failure in failures if failure is not None), None)


def _spans(lengths: Sequence[int], room: int) -> list[tuple[int, int]]:
    """Rows of rising lengths in groups (start, end) that are padded to their longest and fit the room.

    Of equal size where that fits too: a step for the few rows that are left over takes as long as one for many.
    """
    starts = [0]
    for i, length in enumerate(lengths):
        count = i + 1 - starts[-1]
        if count > 1 and (count > GENERATE_ROWS or count * length > room):
            starts.append(i)
    greedy = list(pairwise([*starts, len(lengths)]))
    even = list(pairwise(len(lengths) * i // len(greedy) for i in range(len(greedy) + 1)))
    return even if all((end - start) * lengths[end - 1] <= room for start, end in even) else greedy


@torch.inference_mode()
def _sees_only_back(model: Any) -> bool:
    """Whether another last token leaves what comes before it as it was."""
    size = model.get_input_embeddings().num_embeddings
    ids = torch.tensor([[3, 5, 7, 11], [3, 5, 7, 13]], device=model.device) % size
    one, two = model(input_ids=ids, use_cache=False).logits[:, :3].float()
    near = 1e-4 if one.dtype == model.dtype else 1e-2  # half precision rounds
    if getattr(model, "is_quantized", False):
        near = 5e-2  # activations are rounded too, by the largest of the whole row
    return bool(torch.allclose(one, two, rtol=near, atol=near * float(one.abs().nan_to_num().max()), equal_nan=True))


def _end_tokens(model: Any, tokenizer: Any) -> list[int]:
    configured = getattr(model.generation_config, "eos_token_id", None)
    ends = configured if isinstance(configured, list) else [configured]
    return sorted({int(e) for e in [*ends, tokenizer.eos_token_id] if e is not None})
