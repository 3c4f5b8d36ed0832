"""Attention weights of one eager pass, with the gradients of the answer by them and the vectors that they weigh.

Layers that give no matrix from every token to every token are named and left out. Values are read where the projections
that make and use them are found by their names, and believed only where they give what the model computed from them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from audit.models.responses import Attended, Failure

FloatArray = NDArray[np.float32]
ROW_SUM_TOLERANCE = 2.0**-8  # the rounding of half precision
_NONE = Failure("failed", "This architecture gives no attention weights.")
_NOT_FINITE = Failure("not_a_number", "The attention weights are not finite.")
_NO_LIKELIHOOD = Failure("not_a_number", "The model's log-probability is not finite.")
_NO_SLOPE = Failure("failed", "This architecture gives no gradients by its attention weights.")
_STEEP = Failure("not_a_number", "The gradients by the attention weights are not finite.")

# What attention calls the projection that makes values (alone, or with queries and keys) and the one that uses them.
_PROJECTIONS = (
    ("v_proj", "o_proj"),  # Llama and most others since
    ("v_proj", "out_proj"),  # OPT, BART, Marian, GPT-J, GPT-Neo, LFM2
    ("v_proj", "dense"),  # Phi
    ("v", "o"),  # T5, MPNet
    ("v_lin", "out_lin"),  # DistilBERT, XLM
    ("self.value", "output.dense"),  # BERT, RoBERTa, ELECTRA
    ("self.value_proj", "output.dense"),  # DeBERTa
    ("value", "dense"),  # ALBERT
    ("c_attn", "c_proj"),  # GPT-2
    ("qkv_proj", "o_proj"),  # Phi-3
    ("query_key_value", "dense"),  # GPT-NeoX, BLOOM, Falcon
    ("Wqkv", "Wo"),  # ModernBERT
    ("Wqkv", "out_proj"),  # MPT
    ("kv_b_proj", "o_proj"),  # DeepSeek
)
# What configs call the number of tokens that a layer sees where that is not all of them.
_WINDOWS = ("sliding_window", "attention_window_size", "attention_chunk_size", "local_attention", "window_size")


@dataclass(frozen=True)
class Text:
    """What an ``Attended`` says of its tokens.

    Attributes:
        tokens: those that look.
        prompt_tokens: how many of them are the prompt's.
        causal: whether they see no later ones; None: as the weights show it.
        sources: those that are looked at, where these are others.
    """

    tokens: tuple[str, ...]
    prompt_tokens: int
    causal: bool | None
    sources: tuple[str, ...] = ()


class _Use(NamedTuple):
    """One use of values: what the first projection gave, what went into the second, and the second."""

    made: Tensor
    mixed: Tensor
    projection: nn.Module


class Look:
    """One pass, of one row or of several that differ in what is hidden; parts of its attention are taken one by one.

    Args:
        network: the model, its eager kernel in use; gradients must be possible where ``read`` is given.
        inputs: its arguments.
        read: its output to log p of each of the answer's tokens; None where no gradients are asked for.
    """

    def __init__(self, network: Any, inputs: dict[str, Any], read: Callable[[Any], Tensor] | None = None) -> None:
        self._config = network.config
        self._uses: list[_Use] = []
        self._scalar: Tensor | None = None
        if read is None:
            self._output = network(**inputs, output_attentions=True)
            return
        with _sloping(network), _listening(network, self._uses):
            self._output = network(**inputs, output_attentions=True)
            self._scalar = read(self._output).sum()

    def attended(self, name: str, text: Text, rows: slice = slice(None)) -> Attended | Failure:
        """One part of the pass.

        Weights and norms are means over the rows of the pass, gradients are sums: what the answer's log p gains by a weight
        that grows in all rows alike.

        Args:
            name: of the field of the model's output.
            text: the tokens.
            rows: of the matrices, those that are asked for; the tokens of ``text`` are theirs.
        """
        layers, missing = _whole(getattr(self._output, name, None), name, self._config, text, rows)
        if not layers:
            return Failure("failed", f"No layer gives whole attention weights: {missing[0]}.") if missing else _NONE
        weights = _stacked([layer.mean(0) for layer in layers.values()], rows)
        if not np.isfinite(weights).all():
            return _NOT_FINITE
        causal = not np.triu(weights, 1).any() if text.causal is None else text.causal
        numbers = tuple(layers) if missing else ()
        seen = Attended(text.tokens, text.prompt_tokens, causal, weights, text.sources, numbers, missing)
        return seen if self._scalar is None else self._weighted(seen, list(layers.values()), self._scalar, rows)

    def _weighted(self, seen: Attended, layers: list[Tensor], scalar: Tensor, rows: slice) -> Attended | Failure:
        if not bool(torch.isfinite(scalar)):
            return _NO_LIKELIHOOD
        if not scalar.requires_grad or not all(layer.requires_grad for layer in layers):
            return _NO_SLOPE
        # The graph stays for the other parts; what the answer does not depend on, like the last row, has 0, and so has what
        # a row cannot see, though a weight there would change the answer.
        slopes = torch.autograd.grad(scalar, layers, retain_graph=True, allow_unused=True, materialize_grads=True)
        gradients = _stacked([slope.sum(0) for slope in slopes], rows)
        gradients = np.tril(gradients) if seen.causal else gradients
        if not np.isfinite(gradients).all():
            return _STEEP
        return replace(seen, gradients=gradients, norms=_norms(layers, self._uses))


def _stacked(layers: Sequence[Tensor], rows: slice) -> FloatArray:
    found: FloatArray = torch.stack([layer.detach().float() for layer in layers])[:, :, rows].cpu().numpy()
    return found


def _whole(
    given: Sequence[Tensor | None] | None, name: str, config: Any, text: Text, rows: slice
) -> tuple[dict[int, Tensor], tuple[str, ...]]:
    """The layers with a whole matrix by their numbers, and what is to be said of the others."""
    layers = list(given or ())  # an empty tuple, not None, where a kernel returns no weights
    columns = len(text.sources or text.tokens)
    numbers, missing = _numbers(config, len(layers)) if name == "attentions" else (list(range(len(layers))), {})
    found: dict[int, Tensor] = {}
    for number, layer in zip(numbers, layers, strict=True):
        fault = _fault(layer, None if rows != slice(None) else len(text.tokens), columns, config)
        if layer is None or fault:
            missing[number] = f"layer {number}: {fault}"
        else:
            found[number] = layer
    heads = Counter(layer.shape[1] for layer in found.values()).most_common(1)
    for number, layer in list(found.items()):
        if layer.shape[1] != heads[0][0]:
            missing[number] = f"layer {number}: {layer.shape[1]} heads where others have {heads[0][0]}"
            del found[number]
    return found, tuple(missing[number] for number in sorted(missing)) if layers else ()


def _numbers(config: Any, given: int) -> tuple[list[int], dict[int, str]]:
    """The numbers of the layers that gave something, from 0, and the others; hybrid models give less than one a layer."""
    config = config.get_text_config()
    depth = getattr(config, "num_hidden_layers", None) or given
    if given == depth:
        return list(range(depth)), {}
    kinds = list(getattr(config, "layer_types", None) or ())
    numbers = [n for n, kind in enumerate(kinds) if kind == "hybrid" or ("attention" in kind and "linear" not in kind)]
    if given == len(numbers):
        others = set(range(depth)) - set(numbers)
        return numbers, {n: f"layer {n}: no attention matrix" for n in others}
    # Which they are is not known: they are numbered as they come.
    return list(range(given)), {depth: f"{depth - given} of {depth} layers: no attention matrix"}


def _fault(layer: Tensor | None, rows: int | None, columns: int, config: Any) -> str | None:
    """Why a layer has no whole matrix."""
    if layer is None:
        return "no attention matrix"
    if layer.dim() != 4 or layer.shape[3] != columns or rows not in (None, layer.shape[2]):
        return "no weights from every token to every token"
    weights = layer.detach().float()
    if bool(((weights.sum(-1) - 1).abs() > ROW_SUM_TOLERANCE).any()):
        return "weights that do not sum to 1"
    window = _window(weights, config) if rows == columns else None
    return None if window is None else f"sees only a window of {window} tokens"


def _window(weights: Tensor, config: Any) -> int | None:
    """How many tokens a row sees at most, where a window that the config names holds all weights of a longer text."""
    tokens = weights.shape[-1]
    places = torch.arange(tokens, device=weights.device)
    apart = (places[:, None] - places).abs()
    causal = not bool(torch.triu(weights, diagonal=1).any())
    parts = [config, *(getattr(config, name, None) for name in getattr(config, "sub_configs", None) or ())]
    named = {getattr(part, name, None) for part in parts for name in _WINDOWS}
    for window in sorted(w for w in named if isinstance(w, int) and w > 0):
        # Of what sees both sides, some configs name the whole window, and some the reach to each side.
        for reach in (window - 1,) if causal else (window // 2, window - 1, window):
            if tokens > reach + 1 and not bool(weights[..., apart > reach].any()):
                return reach + 1 if causal else 2 * reach + 1
    return None


@contextmanager
def _sloping(network: Any) -> Iterator[None]:
    """Gradients by whatever is computed from embeddings, and none by parameters."""
    with ExitStack() as after, torch.enable_grad():
        for parameter in network.parameters():
            if parameter.requires_grad:
                parameter.requires_grad_(False)
                after.callback(parameter.requires_grad_, True)
        for module in network.modules():
            if isinstance(module, nn.Embedding):
                after.callback(module.register_forward_hook(_begin).remove)
        yield


def _begin(module: nn.Module, arguments: Any, embedded: Tensor) -> Tensor:
    """A copy, so that the model may change it in place."""
    return embedded.detach().requires_grad_().clone()


@contextmanager
def _listening(network: Any, uses: list[_Use]) -> Iterator[None]:
    """Every use of values is written down, in the order of the pass."""
    with ExitStack() as after:
        for module in network.modules():
            for makes, applies in _PROJECTIONS:
                first, second = _part(module, makes), _part(module, applies)
                if first is not None and second is not None:
                    for hook in _listen(first, second, uses):
                        after.callback(hook.remove)
        yield


def _part(module: nn.Module, path: str) -> nn.Module | None:
    for name in path.split("."):
        part = getattr(module, name, None)
        if not isinstance(part, nn.Module):
            return None
        module = part
    return module


def _listen(first: nn.Module, second: nn.Module, uses: list[_Use]) -> tuple[Any, Any]:
    made: list[Tensor] = []

    def make(module: nn.Module, arguments: Any, output: Any) -> None:
        made[:] = [output.detach()] if isinstance(output, Tensor) else []

    def use(module: nn.Module, arguments: Any) -> None:
        if made and arguments:
            uses.append(_Use(made.pop(), arguments[0].detach(), module))

    return first.register_forward_hook(make), second.register_forward_pre_hook(use)


def _norms(layers: Sequence[Tensor], uses: Sequence[_Use]) -> FloatArray | None:
    """``[layers, heads, columns]`` lengths of what the weights weigh; None where a layer's is not found."""
    left = iter(uses)  # in the order of the layers, with those of other parts between
    found = []
    for layer in layers:
        lengths = next((length for use in left if (length := _lengths(layer.detach().float(), use)) is not None), None)
        if lengths is None:
            return None
        found.append(lengths.mean(0))
    norms: FloatArray = torch.stack(found).cpu().numpy()
    return norms if np.isfinite(norms).all() else None


def _lengths(weights: Tensor, use: _Use) -> Tensor | None:
    """Lengths of value W_O of each head, ``[rows, heads, columns]``, where these weights times these values were used."""
    rows, heads, looking, columns = weights.shape
    matrix = _matrix(use.projection)
    width = use.mixed.shape[-1]
    fits = use.mixed.numel() == rows * looking * width and use.made.numel() == rows * columns * use.made.shape[-1]
    if matrix is None or not fits or width % heads or len(matrix) != width:
        return None
    size = width // heads
    mixed = use.mixed.float().reshape(rows, looking, heads, size).transpose(1, 2)
    near = max(1e-4, 8 * torch.finfo(use.mixed.dtype).eps) * float(mixed.abs().max())
    for values in _readings(use.made.float().reshape(rows, columns, -1), heads, size):
        if torch.allclose(weights @ values, mixed, rtol=0, atol=near):
            found: Tensor = torch.einsum("rhcs,hso->rhco", values, matrix.reshape(heads, size, -1)).norm(dim=-1)
            return found
    return None


def _matrix(projection: nn.Module) -> Tensor | None:
    """The plain matrix of a projection, ``[width, out]``; a quantised one, or one with an adapter on it, has none."""
    weight = getattr(projection, "weight", None)
    if not isinstance(projection, nn.Linear | Conv1D) or weight is None or not weight.is_floating_point():
        return None
    matrix: Tensor = weight.detach().float()
    return matrix if isinstance(projection, Conv1D) else matrix.T


def _readings(made: Tensor, heads: int, size: int) -> Iterator[Tensor]:
    """What may be values in the output of a projection, ``[rows, heads, columns, size]``, shared ones repeated.

    Alone, or last after queries and keys, or last within each group of heads that shares them.
    """
    rows, columns, width = made.shape
    units = width // size
    for groups in dict.fromkeys((units, (units - heads) // 2, units // 2, heads)):
        if groups < 1 or heads % groups or groups * size > width:
            continue
        readings = [made[..., -groups * size :].reshape(rows, columns, groups, size)]
        if width % groups == 0 and width > groups * size:
            readings.append(made.reshape(rows, columns, groups, -1)[..., -size:])
        for values in readings:
            yield values.transpose(1, 2).repeat_interleave(heads // groups, dim=1)
