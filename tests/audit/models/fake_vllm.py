"""vLLM's public classes, in the shapes of the real library, over a transformers model: what ours must get along with.

Shapes: ``LLM.generate`` takes token prompts and one ``SamplingParams`` or one a prompt, and gives ``RequestOutput``
objects in order. ``prompt_logprobs`` holds, for each token of the prompt, None (the first) or a dict from token id to
``Logprob``: that of the prompt's token, always, and those of the likeliest. ``token_ids`` include the end token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from transformers import AutoModelForCausalLM


@dataclass
class Logprob:
    logprob: float
    rank: int | None = None
    decoded_token: str | None = None


@dataclass
class CompletionOutput:
    index: int
    text: str
    token_ids: Sequence[int]
    cumulative_logprob: float | None
    logprobs: list[dict[int, Logprob]] | None
    finish_reason: str | None
    stop_reason: int | str | None = None


@dataclass
class RequestOutput:
    request_id: str
    prompt: str | None
    prompt_token_ids: list[int]
    prompt_logprobs: list[dict[int, Logprob] | None] | None
    outputs: list[CompletionOutput]
    finished: bool = True


@dataclass(kw_only=True)
class SamplingParams:
    temperature: float = 1.0
    seed: int | None = None
    stop_token_ids: list[int] | None = None
    max_tokens: int | None = 16
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    detokenize: bool = True


def tokens_prompt(*, prompt_token_ids: list[int]) -> dict[str, Any]:
    """``TokensPrompt`` is a typed dict."""
    return {"prompt_token_ids": prompt_token_ids}


@dataclass
class Engine:
    """What a test may look at and change."""

    opened: list[dict[str, Any]] = field(default_factory=list)
    prompts: list[list[int]] = field(default_factory=list)
    sampling: list[SamplingParams] = field(default_factory=list)
    spoil: Any = None  # called with each output before it is given out
    refuse: Exception | None = None


def library(engine: Engine) -> ModuleType:
    """A module that can stand in for ``vllm``."""

    class LLM:
        def __init__(
            self,
            model: str,
            *,
            dtype: str = "auto",
            trust_remote_code: bool = False,
            tensor_parallel_size: int = 1,
            enable_prefix_caching: bool | None = None,
            seed: int = 0,
        ) -> None:
            if engine.refuse:
                raise engine.refuse
            engine.opened.append({k: v for k, v in locals().items() if k not in ("self", "LLM")})
            self._model: Any = AutoModelForCausalLM.from_pretrained(model, dtype=getattr(torch, dtype)).eval()
            self._ends = {self._model.generation_config.eos_token_id}
            longest = self._model.config.max_position_embeddings
            self.llm_engine = SimpleNamespace(model_config=SimpleNamespace(max_model_len=longest))

        def generate(
            self, prompts: Sequence[dict[str, Any]], sampling_params: Any, *, use_tqdm: bool = True
        ) -> list[RequestOutput]:
            assert use_tqdm is False
            many = sampling_params if isinstance(sampling_params, list) else [sampling_params] * len(prompts)
            outputs = [self._one(p["prompt_token_ids"], s) for p, s in zip(prompts, many, strict=True)]
            for output in outputs if engine.spoil else ():
                engine.spoil(output)
            return outputs

        @torch.inference_mode()
        def _one(self, ids: list[int], sampling: SamplingParams) -> RequestOutput:
            limit = self.llm_engine.model_config.max_model_len
            if len(ids) >= limit:
                raise ValueError(
                    f"The decoder prompt (length {len(ids)}) plus the number of requested output tokens (at least 1) "
                    f"is longer than the maximum model length of {limit}."
                )
            engine.prompts.append(ids)
            engine.sampling.append(sampling)
            logprobs = self._logprobs(ids)
            asked = None
            if sampling.prompt_logprobs is not None:
                pairs = enumerate(zip(ids[1:], logprobs[:-1], strict=True))
                asked = [None, *(self._entry(row, token, sampling.prompt_logprobs) for _, (token, row) in pairs)]
            return RequestOutput("0", None, ids, asked, [self._complete(ids, sampling)])

        def _logprobs(self, ids: list[int]) -> torch.Tensor:
            logits: torch.Tensor = self._model(input_ids=torch.tensor([ids])).logits[0]
            return logits.float().log_softmax(-1)

        def _entry(self, row: torch.Tensor, token: int, most: int) -> dict[int, Logprob]:
            likeliest = {int(t): Logprob(float(row[t]), r + 1) for r, t in enumerate(row.topk(most).indices)}
            rank = int((row > row[token]).sum()) + 1
            return {token: Logprob(float(row[token]), rank)} | likeliest

        def _complete(self, ids: list[int], sampling: SamplingParams) -> CompletionOutput:
            stream = torch.Generator().manual_seed(sampling.seed or 0)
            stops = self._ends | set(sampling.stop_token_ids or [])
            made: list[int] = []
            entries = []
            while len(made) < (sampling.max_tokens or 16) and not (made and made[-1] in stops):
                row = self._logprobs(ids + made)[-1]
                greedy = sampling.temperature == 0
                token = (
                    int(row.argmax())
                    if greedy
                    else int(torch.multinomial((row / sampling.temperature).softmax(-1), 1, generator=stream))
                )
                made.append(token)
                entries.append(self._entry(row, token, 1))
            ended = made[-1] in stops
            return CompletionOutput(
                0, "", tuple(made), None, entries if sampling.logprobs else None, "stop" if ended else "length"
            )

    module = ModuleType("vllm")
    module.__dict__.update(LLM=LLM, SamplingParams=SamplingParams, TokensPrompt=tokens_prompt, __version__="0.99.0")
    return module
