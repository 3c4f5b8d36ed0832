"""A teacher-forced pass as a function of the vectors of the prompt's tokens, which gradients can go through."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from audit.models.budget import total_memory
from audit.models.forced import Forced

_HALF = (torch.float16, torch.bfloat16)


class Unreachable(Exception):
    """No gradient comes from the scalar back to the prompt's embeddings; says why in a sentence."""


class EmbeddedPass:
    """log p of each target of one teacher-forced pass, given vectors for the explained tokens.

    Attributes:
        module: the embedding module that reads the prompt. Of an encoder-decoder it is the encoder's, which is another
            object than the model's own.
        size: tokens of one pass.
    """

    def __init__(self, network: Any, forced: Forced, positions: Sequence[int]) -> None:
        self._network = network
        self._forced = forced
        self._places = [forced.prompt[position] for position in positions]
        self._rows = forced.inputs["input_ids"].shape[0]
        paired = bool(getattr(network.config, "is_encoder_decoder", False))
        self.module = (network.get_encoder() if paired else network).get_input_embeddings()
        # A classifier with a decoder gives it the same text, moved on by one place.
        self._again = (
            network.get_decoder().get_input_embeddings()
            if paired and "decoder_input_ids" not in forced.inputs
            else None
        )
        # A decoder that classifies finds a text's last token by the padding after it, and takes one text where it has none.
        self._alone = not forced.deciding and network.config.get_text_config().pad_token_id is None
        self.size = sum(
            int(t.numel()) for name, t in forced.inputs.items() if name in ("input_ids", "decoder_input_ids")
        )

    def embeddings(self) -> Tensor:
        """The text's own vectors, ``[tokens, width]``."""
        with torch.no_grad():
            found: Tensor = self.module(self._forced.inputs["input_ids"][0, self._places])
        return found

    def __call__(self, points: Tensor) -> Tensor:
        """``[points, targets]`` in nats; ``points`` is ``[points, tokens, width]``."""
        if self._alone and len(points) > 1:
            return torch.cat([self(point[None]) for point in points])
        count, forced = len(points), self._forced
        inputs = {name: t.repeat(count, *[1] * (t.dim() - 1)) for name, t in forced.inputs.items()}
        # Alike in all rows: the copies of a masked model, which differ in what is hidden of the answer.
        with self._exchanged(points.repeat_interleave(self._rows, 0)), self._gathered(count) as (rows, places, done):
            logits = self._network(**inputs).logits
        if not forced.deciding:
            each = [SimpleNamespace(logits=part) for part in logits.split(self._rows)]
            return torch.stack([forced.read(output) for output in each])
        logprobs: Tensor = (logits[0] if done else logits[rows, places]).float().log_softmax(-1)
        targets = torch.tensor(forced.targets * count, device=logprobs.device)
        return logprobs.gather(1, targets[:, None]).view(count, -1)

    def slopes(self, points: Tensor, wanted: Tensor) -> Tensor:
        """Gradients ``[rows, points, tokens, width]`` of each row of sums over the targets, ``wanted`` ``[rows, targets]``."""
        with torch.enable_grad():
            points = points.detach().requires_grad_()
            try:
                sums = (self(points) @ wanted.T).sum(0)  # over points, none of which changes another's value
                if not sums.requires_grad:
                    raise Unreachable("No gradient reaches the prompt's embeddings through this model's layers.")
                last = len(sums) - 1
                found = [torch.autograd.grad(one, points, retain_graph=n < last)[0] for n, one in enumerate(sums)]
            except RuntimeError as error:
                if isinstance(error, NotImplementedError) or getattr(self._network, "is_quantized", False):
                    raise Unreachable(f"This model's layers give no gradients: {error}") from None
                raise
        return torch.stack(found)

    @contextmanager
    def _exchanged(self, points: Tensor) -> Iterator[None]:
        """The vectors of the explained tokens replaced where the model reads them."""
        calls = 0

        def exchange(_module: Any, _inputs: Any, output: Tensor) -> Tensor:
            nonlocal calls
            calls += 1
            if calls > 1 and self._again is None:
                return output  # a decoder that shares the module reads the answer
            shift = calls - 1
            kept = [i for i, place in enumerate(self._places) if place + shift < output.shape[1]]
            new = output.detach().clone()
            new[:, [self._places[i] + shift for i in kept]] = points[:, kept].to(new.dtype)
            return new

        modules = {id(module): module for module in (self.module, self._again) if module is not None}
        handles = [module.register_forward_hook(exchange) for module in modules.values()]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
        if not calls:
            raise Unreachable("This architecture does not read the prompt through its embedding module.")

    @contextmanager
    def _gathered(self, count: int) -> Iterator[tuple[list[int], list[int], list[bool]]]:
        """The head applied at the deciding places alone; the last of the three is empty where that did not come about.

        The head works on each place by itself, so it can be given those that matter as one row.
        """
        deciding = self._forced.deciding
        rows = [step * self._rows + row for step in range(count) for row, _ in deciding]
        places = [place for _ in range(count) for _, place in deciding]
        done: list[bool] = []

        def gather(_module: Any, inputs: Any) -> Any:
            states = inputs[0]
            if states.dim() != 3 or states.shape[0] != count * self._rows or states.shape[1] <= max(places):
                return None
            done.append(True)
            return (states[rows, places][None], *inputs[1:])

        head = self._network.get_output_embeddings() if deciding else None
        handle = None if head is None else head.register_forward_pre_hook(gather)
        try:
            yield rows, places, done
        finally:
            if handle is not None:
                handle.remove()


@contextmanager
def differentiable(network: Any, forget: Callable[[], None]) -> Iterator[None]:
    """Gradients flow through the network and stay in none of its weights; half precision becomes float32 if there is room.

    Args:
        network: the transformers model.
        forget: lets go of kept keys and values, which are of the number format that the weights had when they were made.
    """
    tensors = [*network.parameters(), *network.buffers()]
    wanting = [parameter for parameter in network.parameters() if parameter.requires_grad]
    half = [] if getattr(network, "is_quantized", False) else [t for t in tensors if t.dtype in _HALF]
    if 4 * sum(t.numel() for t in half) > total_memory(network.device) // 4:
        half = []
    before = [t.data for t in half]
    try:
        for parameter in wanting:
            parameter.requires_grad_(False)
        for tensor in half:
            tensor.data = tensor.data.float()  # exact, and so is going back: the old numbers are kept
        if half:
            forget()
        with torch.inference_mode(False):
            yield
    finally:
        for tensor, data in zip(half, before, strict=True):
            tensor.data = data
        if half:
            forget()
        for parameter in wanting:
            parameter.requires_grad_(True)
