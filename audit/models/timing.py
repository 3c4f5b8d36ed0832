"""How long the passes of an open model take: one reading of a text, and the writing of tokens after it, each on its own.

The prompt's tokens are made up: a dense model's time does not depend on which they are. Turning text into tokens, waiting in a
queue and sending over a network are not part of what is timed.
"""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from audit.models import memory
from audit.models.energy import INSTALL, CodeCarbonMeter, MeterStarter, Spent, installed
from audit.models.growing import growing_cache
from audit.models.loading import unfit
from audit.models.requests import Time
from audit.models.responses import Failure, Timed

LEAST = 0.3  # seconds that a metered stretch lasts at least: a processor's load is counted in hundredths of a second
_FIRST = 3  # the first token ids are often special ones


class Timing:
    """Times the passes of one network.

    Args:
        network: the transformers model.
        writes: whether it writes token by token, keeping keys and values.
        limit: of its input, in tokens, None where there is none.
        parameters: how many it has, None to count them.
        meter: starts what reads energy.
    """

    def __init__(
        self,
        network: Any,
        writes: bool,
        limit: int | None,
        parameters: int | None = None,
        meter: MeterStarter | None = None,
    ) -> None:
        self._network = network
        self._writes = writes
        self._limit = limit
        self._meter = meter
        self._device = torch.device(network.device)
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in _arguments(network) else {}
        self._warm: set[int] = set()
        self._parameters = parameters or sum(p.numel() for p in network.parameters())
        self._bytes = sum(p.numel() * p.element_size() for p in network.parameters())

    @torch.inference_mode()
    def timed(self, request: Time) -> Timed | Failure:
        """One run, after a first one of that length that does not count."""
        tokens = request.new_tokens if self._writes else 0
        failure = unfit(request.prompt_tokens + tokens, self._limit)
        if failure is not None:
            return failure
        if request.metered and self._meter is None and not installed():
            return Failure("failed", f"{INSTALL}.")
        ids = self._ids(request)
        if request.prompt_tokens not in self._warm:
            self._read(ids)
            self._warm.add(request.prompt_tokens)
        load = os.getloadavg()[0] / (os.cpu_count() or 1) if hasattr(os, "getloadavg") else None
        known = memory.begin(self._device)
        reading, read, cache = self._stretch(lambda _: self._read(ids), None, request.metered)
        kept = _size(cache)
        writing, written = None, None
        if tokens:
            room = None if self._limit is None else (self._limit - request.prompt_tokens) // tokens
            writing, written, _ = self._stretch(lambda c: self._write(c, tokens), cache, request.metered, room)
        return Timed(
            prefill_seconds=reading,
            decode_seconds=writing,
            tokens=tokens,
            parameters=self._parameters,
            weight_bytes=self._bytes,
            kept_bytes=kept,
            peak_bytes=memory.most(self._device) if known else None,
            load=load,
            prefill_joules=read.joules if read else (),
            decode_joules=written.joules if written else (),
            sources=read.sources if read else (),
        )

    def _stretch(
        self, work: Callable[[Any], Any], given: Any, metered: bool, most: int | None = None
    ) -> tuple[float, Spent | None, Any]:
        """Seconds of one pass, what it used, and what the last one left; where metered, the mean of ``most`` at most."""
        meter = (self._meter or CodeCarbonMeter)() if metered else None
        passes, start = 0, time.perf_counter()
        while not passes or (meter and time.perf_counter() - start < LEAST and passes < (most or passes + 1)):
            given = work(given)
            self._wait()
            passes += 1
        seconds = (time.perf_counter() - start) / passes
        spent = meter.stop() if meter else None
        if spent is not None:
            spent = replace(spent, joules=tuple((part, joules / passes) for part, joules in spent.joules))
        return seconds, spent, given

    def _ids(self, request: Time) -> torch.Tensor:
        """Made-up tokens, others in each run."""
        size = int(self._network.get_input_embeddings().num_embeddings)
        places = torch.arange(request.prompt_tokens) * 7919 + request.repeat * 104_729
        return (_FIRST + places % max(1, size - _FIRST))[None].to(self._device)

    def _read(self, ids: torch.Tensor) -> Any:
        """One pass over the text, with the choice of the token after it; the kept keys and values."""
        given: dict[str, Any] = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        config = self._network.config
        if self._writes:
            given |= {"past_key_values": growing_cache(config), "use_cache": True, **self._last_only}
        elif config.is_encoder_decoder:
            start = getattr(config, "decoder_start_token_id", None) or 0
            given |= {"decoder_input_ids": ids.new_tensor([[start]])}
        output = self._network(**given)
        output.logits[:, -1:].argmax(-1)
        return getattr(output, "past_key_values", None) if self._writes else None

    def _write(self, cache: Any, tokens: int) -> Any:
        """So many passes of one token, each the likeliest after the one before."""
        token = torch.full((1, 1), _FIRST, device=self._device)
        for _ in range(tokens):
            output = self._network(input_ids=token, past_key_values=cache, use_cache=True, **self._last_only)
            cache, token = output.past_key_values, output.logits[:, -1].argmax(-1, keepdim=True)
        return cache

    def _wait(self) -> None:
        """Until the device has computed what it was given."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        elif self._device.type == "mps":
            torch.mps.synchronize()


def _arguments(network: Any) -> set[str]:
    return set(inspect.signature(network.forward).parameters)


def _size(cache: Any) -> int | None:
    """Bytes of keys and values; None where nothing is kept, or it is not kept as keys and values."""
    kept = [
        t
        for layer in getattr(cache, "layers", ())
        for t in (getattr(layer, "keys", None), getattr(layer, "values", None))
    ]
    return sum(t.numel() * t.element_size() for t in kept if t is not None) or None
