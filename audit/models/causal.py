"""A causal language model opened from its weights: scores, generates, shows attention, explains decisions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from audit.models.base import ModelError, chunks
from audit.models.explain import ablate, attribute
from audit.models.generator import Generator, Task
from audit.models.packing import common_length
from audit.models.requests import (
    Ablate,
    Ablated,
    Attend,
    Attended,
    Attribute,
    Attributed,
    Capability,
    Decision,
    Failure,
    Generate,
    Generated,
    Request,
    Score,
    Scored,
)
from audit.models.scorer import Continuation, Scorer
from audit.models.source import Weights
from audit.models.text import TextEncoder
from audit.results import ModelFacts

CODE_VERSION = "2"  # part of the fingerprint; raise it when the same request would get another response
BATCH_TOKENS = 4096
GENERATE_ROWS = 32
SAVE_TOKENS = 4096  # distinct tokens whose scores are handed to the cache together: some seconds of work
_NOT_FINITE = Failure("not_a_number", "The model's log-probability is not finite.")


@dataclass(frozen=True)
class Options:
    """How to open a model; ``device`` and ``dtype`` may be ``auto``."""

    device: str = "auto"
    dtype: str = "auto"
    chat_template: bool | None = None
    trust_remote_code: bool = False
    batch_tokens: int | None = None


def choose_device(wanted: str) -> torch.device:
    """The device to run on; ``auto`` takes cuda, then mps, then the processor.

    Raises:
        ModelError: where the wanted device is not on this machine.
    """
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise ModelError(f"There is no kind of device {wanted!r}; use device: auto, cpu, mps or cuda.") from None
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}.get(device.type, True)
    if not present or (device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()):
        raise ModelError(
            f"This machine has no {device.type if not present else device} device; use device: auto or cpu."
        )
    return device


class CausalModel:
    """A transformers causal language model behind the capability protocols.

    Raises:
        ModelError: where the folder's weights, architecture or tokenizer cannot be loaded.
    """

    capabilities = frozenset({Capability.SCORE, Capability.GENERATE, Capability.ATTENTION, Capability.ATTRIBUTE})

    def __init__(self, weights: Weights, source: str, options: Options, declared: dict[str, str]) -> None:
        self._device = choose_device(options.device)
        # float32 is what measurements are made in: bfloat16 moves log-likelihoods by tenths of a nat.
        dtype = torch.float32 if options.dtype == "auto" else getattr(torch, options.dtype, None)
        if not isinstance(dtype, torch.dtype):
            raise ModelError(f"There is no number format {options.dtype}; use float32, bfloat16 or float16.")
        tokenizer, self._model = _load(weights, source, dtype, options.trust_remote_code)
        self._model.to(self._device).eval()
        if not _sees_only_back(self._model):
            raise ModelError(f"{source} is not a causal language model: its numbers depend on what follows a token.")
        self._files_hash = _files_hash(weights.folder)
        self.encoder = TextEncoder(tokenizer, options.chat_template)
        self.scorer = Scorer(self._model, options.batch_tokens or BATCH_TOKENS)
        ends = _end_tokens(self._model, tokenizer)
        self._generator = Generator(self._model, ends, tokenizer.pad_token_id or (ends[0] if ends else 0))
        self._context_length = _context_length(self._model.config)
        self.facts = self._describe(weights, source, options, declared)

    def _describe(self, weights: Weights, source: str, options: Options, declared: dict[str, str]) -> ModelFacts:
        return ModelFacts(
            name=declared.get("name") or weights.name,
            source=source,
            kind="causal-lm",
            revision=weights.revision,
            pinned=weights.pinned,
            weights_sha256=weights.sha256,
            architecture=type(self._model).__name__,
            parameters=self._model.num_parameters(),
            context_length=self._context_length,
            dtype=str(self._model.dtype).removeprefix("torch."),
            device=str(self._device),
            chat_template=self.encoder.chat,
            chat_template_sha256=self.encoder.template_hash,
            licence=weights.licence,
            remote_code=options.trust_remote_code,
            capabilities=sorted(self.capabilities),
            declared=declared,
            notes=list(weights.notes),
        )

    @property
    def fingerprint(self) -> str:
        """Hash of weights, tokenizer, template, number format, device kind and the code's version."""
        vocabulary = json.dumps(sorted(self.encoder.tokenizer.get_vocab().items()))
        parts = [
            self.facts.weights_sha256,
            self._files_hash,
            hashlib.sha256(vocabulary.encode()).hexdigest(),
            self.facts.chat_template_sha256,
            self.facts.dtype,
            self._device.type,
            CODE_VERSION,
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        """Requests of one kind in groups for one call each; equal sets of requests give equal groups."""
        ordered = sorted(requests, key=lambda r: r.key)
        if not ordered:
            return []
        if isinstance(ordered[0], Score):
            return self._score_batches([r for r in ordered if isinstance(r, Score)])
        if isinstance(ordered[0], Generate):
            tasks = [r for r in ordered if isinstance(r, Generate)]
            tasks.sort(key=lambda r: (r.max_tokens, len(self.encoder.text(r.prompt)), r.key))
            return chunks(tasks, GENERATE_ROWS)
        return chunks(ordered, 1)

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
        pairs = [self.encoder.pair(r.prompt, r.continuation) for r in requests]
        continuations = [Continuation(tuple(context), tuple(target)) for context, target in pairs]
        results: list[Scored | Failure | None] = [self._unfit(c) for c in continuations]
        open_places = [i for i, result in enumerate(results) if result is None]
        found = self.scorer.score([continuations[i] for i in open_places])
        for i, likelihood in zip(open_places, found, strict=True):
            tokens = len(continuations[i].target)
            results[i] = Scored(likelihood.logprob, tokens, likelihood.greedy) if likelihood else _NOT_FINITE
        return [result for result in results if result is not None]

    def _unfit(self, continuation: Continuation) -> Failure | None:
        if not continuation.target:
            return Failure("failed", "The continuation has no tokens.")
        tokens, limit = len(continuation.row), self._context_length
        if limit is not None and tokens > limit:
            return Failure("truncated", f"The input has {tokens} tokens; the model reads {limit}.")
        return None

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

    @torch.inference_mode()
    def attend(self, requests: Sequence[Attend]) -> list[Attended | Failure]:
        """Attention weights from one eager pass each; other kernels return none."""
        before = self._model.config._attn_implementation
        self._model.set_attn_implementation("eager")
        try:
            return [self._attend_one(request) for request in requests]
        finally:
            self._model.set_attn_implementation(before)

    def _attend_one(self, request: Attend) -> Attended | Failure:
        context, target = self.encoder.pair(request.prompt, request.continuation)
        ids = context + target
        if self._context_length is not None and len(ids) > self._context_length:
            return Failure("truncated", f"The input has {len(ids)} tokens; the model reads {self._context_length}.")
        out = self._model(torch.tensor([ids], device=self._device), output_attentions=True, use_cache=False)
        layers = [layer for layer in out.attentions or () if layer is not None]
        if not layers:  # an empty tuple, not None, where a kernel returns no weights
            return Failure("failed", "This architecture gives no attention weights.")
        weights = torch.stack([layer[0].float() for layer in layers]).cpu().numpy()
        if not np.isfinite(weights).all():
            return Failure("not_a_number", "The attention weights are not finite.")
        return Attended(self.encoder.pieces(ids), len(context), True, weights)

    def attribute(self, requests: Sequence[Attribute]) -> list[Attributed | Failure]:
        """Attributions, one number a word of the prompt."""
        return [self._undecidable(r) or attribute(r, self.encoder, self.scorer) for r in requests]

    def ablate(self, requests: Sequence[Ablate]) -> list[Ablated | Failure]:
        """The decision's scalar for sets of kept words."""
        return [self._undecidable(r) or ablate(r, self.encoder, self.scorer) for r in requests]

    def _undecidable(self, request: Decision) -> Failure | None:
        """Why the decision's scalar has no value for the whole prompt; parts of it are shorter."""
        answers = [request.continuation, *([] if request.contrast is None else [request.contrast])]
        pairs = [self.encoder.pair(request.prompt, answer) for answer in answers]
        failures = [self._unfit(Continuation(tuple(context), tuple(target))) for context, target in pairs]
        return next((failure for failure in failures if failure is not None), None)


def _load(weights: Weights, source: str, dtype: torch.dtype, remote_code: bool) -> tuple[Any, Any]:
    try:
        config = AutoConfig.from_pretrained(weights.folder, trust_remote_code=remote_code)
        tokenizer = AutoTokenizer.from_pretrained(weights.folder, trust_remote_code=remote_code)
        model, info = AutoModelForCausalLM.from_pretrained(
            weights.folder,
            config=config,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=remote_code,
            output_loading_info=True,
        )
    except Exception as error:
        # transformers, tokenizers and safetensors raise many kinds of errors on damaged or foreign files.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"{source} could not be opened as a causal language model: {reason}") from None
    missing = sorted(info.get("missing_keys", ()))
    if missing:
        # transformers fills missing weights with random numbers; an audit of those would be of another model.
        raise ModelError(
            f"{source} lacks weights that its architecture needs, {missing[0]} first; it may be truncated."
        )
    return tokenizer, model


@torch.inference_mode()
def _sees_only_back(model: Any) -> bool:
    """Whether another last token leaves what comes before it as it was."""
    size = model.get_input_embeddings().num_embeddings
    ids = torch.tensor([[3, 5, 7, 11], [3, 5, 7, 13]], device=model.device) % size
    one, two = (model(input_ids=row[None], use_cache=False).logits[0, :3].float() for row in ids)
    near = 1e-4 if one.dtype == model.dtype else 1e-2  # half precision rounds
    return bool(torch.allclose(one, two, rtol=near, atol=near * float(one.abs().nan_to_num().max()), equal_nan=True))


def _files_hash(folder: Path) -> str:
    """Of all small files that decide how the weights are used and how text becomes tokens."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.suffix in {".json", ".txt", ".model", ".jinja"}):
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _context_length(config: Any) -> int | None:
    for name in ("max_position_embeddings", "n_positions", "seq_length"):
        value = getattr(config, name, None)
        if isinstance(value, int) and value > 0:
            return value
    return None


def _end_tokens(model: Any, tokenizer: Any) -> list[int]:
    configured = getattr(model.generation_config, "eos_token_id", None)
    ends = configured if isinstance(configured, list) else [configured]
    return sorted({int(e) for e in [*ends, tokenizer.eos_token_id] if e is not None})
