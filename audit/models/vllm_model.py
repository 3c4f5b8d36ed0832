"""A causal language model computed by vLLM: scores, generates, explains decisions; many requests a call on GPUs.

Only vLLM's public classes are used: ``LLM``, ``SamplingParams`` and ``TokensPrompt``. Text becomes tokens here, by the
same :class:`~audit.models.text.TextEncoder` as without vLLM, so that both ways ask the same of the model.
"""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from audit.extras import absent
from audit.models.base import ModelError, chunks
from audit.models.explain import JOINED, DecisionScalar, ablate_all, answered, attribute_all, together
from audit.models.faults import explained
from audit.models.loading import context_length, describe, fingerprint, number_format
from audit.models.options import Options
from audit.models.requests import Ablate, Attribute, Capability, Decision, Generate, Request, Score
from audit.models.responses import Ablated, Attributed, Failure, Generated, Scored
from audit.models.scorer import Continuation, Likelihood
from audit.models.source import Weights
from audit.models.text import TextEncoder
from audit.results import ModelFacts

CODE_VERSION = "vllm-2"  # part of the fingerprint; raise it when the same request would get another response
CALL_TOKENS = 32_768  # tokens handed to vLLM, and then to the cache, together
CALL_PROMPTS = 256
_NOT_FINITE = Failure("not_a_number", "The model's log-probability is not finite.")
# No reports about its use; the order in which it computes decided by the requests alone; only errors on the terminal.
_SETTINGS = {
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_LOGGING_LEVEL": "ERROR",
}


class VllmScorer:
    """Scores continuations by the log-probabilities that vLLM gives of a prompt's tokens."""

    def __init__(self, llm: Any, library: Any) -> None:
        self._llm = llm
        self._library = library
        # Asked for one, it gives the likeliest token and the token that stands there; old versions take 0 for none.
        self._sampling = library.SamplingParams(
            max_tokens=1, temperature=0.0, prompt_logprobs=1, detokenize=False
        )  # it always generates at least one token

    def score(self, continuations: Sequence[Continuation]) -> list[Likelihood | None]:
        """The likelihood of each continuation, in order; None where the model's numbers are not finite."""
        rows = list(dict.fromkeys(c.context + c.target for c in continuations))
        outputs = self._llm.generate(prompts_of(self._library, rows), self._sampling, use_tqdm=False)
        table = {row: output.prompt_logprobs for row, output in zip(rows, outputs, strict=True)}
        return [_likelihood(c, table[c.context + c.target]) for c in continuations]


def _likelihood(c: Continuation, logprobs: Any) -> Likelihood | None:
    """Entry i of ``logprobs`` is about token i given all before it: token id to its logprob and rank; the first is None."""
    if logprobs is None or len(logprobs) != len(c.context) + len(c.target):
        raise RuntimeError("vLLM gave no log-probabilities of the prompt's tokens")
    entries = [logprobs[len(c.context) + i][token] for i, token in enumerate(c.target)]
    values = [float(entry.logprob) for entry in entries]
    if not all(map(math.isfinite, values)):
        return None
    return Likelihood(math.fsum(values), all(entry.rank == 1 for entry in entries), tuple(values))


class VllmModel:
    """A causal language model that vLLM computes.

    Raises:
        ModelError: where vLLM is not installed, or cannot open the model on this machine.
    """

    capabilities = frozenset({Capability.SCORE, Capability.GENERATE, Capability.ATTRIBUTE})
    lacks: ClassVar[Mapping[Capability, str]] = {
        Capability.DISTRIBUTION: "vLLM gives the probabilities of a few tokens at each place, not of the whole vocabulary",
        Capability.TIME: "vLLM computes many requests at once, and one alone is not what it takes there",
    }

    def __init__(self, weights: Weights, source: str, options: Options, declared: dict[str, str]) -> None:
        _refuse_options(options)
        self._library = _library()
        config, tokenizer, skeleton = _read(weights, source, options)
        self._llm = _start(self._library, weights, source, options, config)
        self._ends = _end_tokens(weights, tokenizer)
        self._limit: int | None = _longest(self._llm) or context_length(config)
        self._call_tokens = options.batch_tokens or CALL_TOKENS
        self.encoder = TextEncoder(tokenizer, options.chat_template)
        self.scorer = VllmScorer(self._llm, self._library)
        facts = describe(
            skeleton, weights, source, "causal-lm", options, declared, self.capabilities, self.encoder.template_hash
        )
        version = str(getattr(self._library, "__version__", "unknown"))
        self.facts: ModelFacts = facts.model_copy(
            update={
                "device": "cuda" if torch.cuda.is_available() else "cpu",
                "kernels": None,  # vLLM's own
                "context_length": self._limit,
                "notes": [*facts.notes, f"Computed by vLLM {version}."],
            }
        )
        self._fingerprint = fingerprint(
            self.facts, weights.folder, tokenizer.get_vocab(), f"{CODE_VERSION}:{version}:{self._limit}"
        )

    @property
    def fingerprint(self) -> str:
        """Hash of weights, tokenizer, template, number format, device kind, and the versions of vLLM and this code."""
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
            tasks.sort(key=lambda r: (r.max_tokens, len(self.encoder.text(r.prompt)), r.key))
            return chunks(tasks, CALL_PROMPTS)
        return together(ordered, self._call_tokens)

    def _score_batches(self, requests: list[Score]) -> list[list[Request]]:
        pairs = [self.encoder.pair(r.prompt, r.continuation) for r in requests]
        rows = {r: (*context, *target) for r, (context, target) in zip(requests, pairs, strict=True)}
        groups: list[list[Request]] = []
        size = 0
        for request in sorted(requests, key=lambda r: rows[r]):
            if not groups or size + len(rows[request]) > self._call_tokens:
                groups.append([])
                size = 0
            groups[-1].append(request)
            size += len(rows[request])
        return groups

    def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
        """Log-likelihoods in nats."""
        asked = [self._continuation(r.prompt, r.continuation) for r in requests]
        results: list[Scored | Failure | None] = [self._unfit(c) for c in asked]
        open_places = [i for i, result in enumerate(results) if result is None]
        found = self.scorer.score([asked[i] for i in open_places]) if open_places else []
        for i, likelihood in zip(open_places, found, strict=True):
            tokens = len(asked[i].target)
            results[i] = Scored(likelihood.logprob, tokens, likelihood.greedy) if likelihood else _NOT_FINITE
        return [result for result in results if result is not None]

    def _continuation(self, prompt: Any, continuation: str) -> Continuation:
        context, target = self.encoder.pair(prompt, continuation)
        return Continuation(tuple(context), tuple(target))

    def _unfit(self, c: Continuation) -> Failure | None:
        if not c.target:
            return Failure("failed", "The continuation has no tokens.")
        tokens = len(c.context) + len(c.target)
        # vLLM keeps a place for the token that it generates.
        if self._limit is not None and tokens > self._limit - 1:
            return Failure("truncated", f"The input has {tokens} tokens; vLLM scores {self._limit - 1} of this model.")
        return None

    def generate(self, requests: Sequence[Generate]) -> list[Generated | Failure]:
        """Answers, special tokens left out; a sample is drawn from vLLM's stream for the request's seed."""
        prompts = [tuple(self.encoder.prompt_ids(r.prompt)) for r in requests]
        limit = self._limit
        results: list[Generated | Failure | None] = [
            None
            if limit is None or len(prompt) + r.max_tokens <= limit
            else Failure(
                "truncated",
                f"The prompt has {len(prompt)} tokens and its answer may have {r.max_tokens}; the model reads {limit}.",
            )
            for prompt, r in zip(prompts, requests, strict=True)
        ]
        places = [i for i, result in enumerate(results) if result is None]
        if places:
            asked = prompts_of(self._library, [prompts[i] for i in places])
            outputs = self._llm.generate(asked, [self._sampling(requests[i]) for i in places], use_tqdm=False)
            for i, output in zip(places, outputs, strict=True):
                results[i] = self._generated(output.outputs[0])
        return [result for result in results if result is not None]

    def _sampling(self, request: Generate) -> Any:
        return self._library.SamplingParams(
            max_tokens=request.max_tokens,
            temperature=request.temperature,
            seed=request.seed,
            stop_token_ids=self._ends,
            logprobs=1,
            detokenize=False,
        )

    def _generated(self, answer: Any) -> Generated | Failure:
        if answer.finish_reason not in ("stop", "length"):
            return Failure("failed", f"vLLM ended the answer with {answer.finish_reason!r}.")
        ids = [int(token) for token in answer.token_ids]
        logprob = math.fsum(float(entry[token].logprob) for entry, token in zip(answer.logprobs, ids, strict=True))
        if not math.isfinite(logprob):
            return _NOT_FINITE
        ended = answer.finish_reason == "stop"
        words = ids[:-1] if ended and ids and ids[-1] in self._ends else ids
        text = str(self.encoder.tokenizer.decode(words, skip_special_tokens=True)).strip()
        return Generated(text, len(ids), logprob, "stop" if ended else "length")

    def attribute(self, requests: Sequence[Attribute]) -> list[Attributed | Failure]:
        """Attributions, one number a unit of the prompt, by the methods that need no gradients."""
        return answered(requests, self._undecidable, self._scalar, attribute_all)

    def ablate(self, requests: Sequence[Ablate]) -> list[Ablated | Failure]:
        """The decision's scalar for sets of kept units."""
        return answered(requests, self._undecidable, self._scalar, ablate_all)

    def _scalar(self, request: Decision) -> DecisionScalar:
        return DecisionScalar(request, self.encoder, self.scorer)

    def _undecidable(self, request: Decision) -> Failure | None:
        """Why the decision's scalar has no value for the whole prompt; parts of it are shorter."""
        if isinstance(request, Attribute) and request.randomised > 0:
            return Failure("failed", "vLLM keeps the weights to itself, so that they cannot be shuffled.")
        failures = [self._unfit(self._continuation(request.prompt, answer)) for answer in request.endings]
        if any(self.encoder.joins(request.prompt, answer) for answer in request.endings):
            return JOINED
        return next((failure for failure in failures if failure is not None), None)


def prompts_of(library: Any, rows: Sequence[Sequence[int]]) -> list[Any]:
    """Rows of token ids as vLLM takes them."""
    return [library.TokensPrompt(prompt_token_ids=list(row)) for row in rows]


def _refuse_options(options: Options) -> None:
    if options.quantization is not None:
        raise ModelError("quantization cannot be combined with backend: vllm; remove one of the two.")
    if options.device not in ("auto", "cuda"):
        raise ModelError(
            f"backend: vllm computes where vLLM was built for, not on device {options.device}; use device: auto, and "
            "CUDA_VISIBLE_DEVICES to choose among GPUs."
        )


def _library() -> Any:
    """vLLM, with its settings made before it reads them."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    os.environ["VLLM_NO_USAGE_STATS"] = "1"
    try:
        return importlib.import_module("vllm")
    except ModuleNotFoundError as error:
        if error.name != "vllm":
            raise ModelError(f"vLLM cannot be imported because {error.name} is missing; install vLLM again.") from None
        raise ModelError(absent("backend: vllm", "vllm")) from None
    except (ImportError, OSError) as error:
        raise ModelError(f"vLLM is installed but cannot be imported: {_first(error)}") from None


def _read(weights: Weights, source: str, options: Options) -> tuple[Any, Any, Any]:
    """Config, tokenizer, and the model without its weights, which knows its size and architecture."""
    code = options.trust_remote_code
    dtype = number_format(options.dtype)
    with explained(f"{source} could not be opened as a causal language model", weights.folder):
        config = AutoConfig.from_pretrained(weights.folder, trust_remote_code=code)
        tokenizer = AutoTokenizer.from_pretrained(weights.folder, trust_remote_code=code)
        if options.chat_template and not tokenizer.chat_template:
            raise ModelError(f"{source} has no chat template; leave out chat_template: true.")
        with torch.device("meta"):
            skeleton = AutoModelForCausalLM.from_config(config, dtype=dtype, trust_remote_code=code)
    return config, tokenizer, skeleton


def _start(library: Any, weights: Weights, source: str, options: Options, config: Any) -> Any:
    try:
        return library.LLM(
            model=str(weights.folder),
            dtype=str(number_format(options.dtype)).removeprefix("torch."),
            trust_remote_code=options.trust_remote_code,
            tensor_parallel_size=parallel(torch.cuda.device_count(), getattr(config, "num_attention_heads", 1)),
            # What the cache holds depends on what was asked before; vLLM passes it by for prompts' log-probabilities.
            enable_prefix_caching=False,
            seed=0,
        )
    except Exception as error:
        # Too little memory, an architecture or a number format without kernels: all sorts, and all final.
        raise ModelError(f"{source} could not be opened by vLLM: {_first(error)}") from None


def parallel(devices: int, heads: int) -> int:
    """Over how many of ``devices`` a model of ``heads`` attention heads is split: all that give each as many heads."""
    return max((n for n in range(1, devices + 1) if heads % n == 0), default=1)


def _end_tokens(weights: Weights, tokenizer: Any) -> list[int]:
    configured = None
    if (weights.folder / "generation_config.json").is_file():
        configured = GenerationConfig.from_pretrained(weights.folder).eos_token_id
    ends = configured if isinstance(configured, list) else [configured]
    return sorted({int(e) for e in [*ends, tokenizer.eos_token_id] if e is not None})


def _longest(llm: Any) -> int | None:
    """The longest input and answer that the engine was set up for."""
    found = getattr(getattr(llm.llm_engine, "model_config", None), "max_model_len", None)
    return int(found) if found else None


def _first(error: Exception) -> str:
    """What an error says; pydantic's first line only counts."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[1] if len(lines) > 1 and "validation error" in lines[0] else lines[0]
