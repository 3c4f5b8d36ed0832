"""A sentence encoder opened from its weights: one vector for a text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import AutoModel

from audit.models.base import ModelError, chunks
from audit.models.files.inspection import FromFiles
from audit.models.loading import describe, fingerprint, load, longest_input, unfit
from audit.models.options import Options
from audit.models.requests import Capability, Embed, Inspect, Request
from audit.models.responses import Embedded, Failure
from audit.models.source import Weights
from audit.models.states import BATCH_TOKENS, EMPTY, NOT_FINITE, by_length, padded, passes

CODE_VERSION = "4"  # part of the fingerprint; raise it when the same request would get another response

Pool = Literal["mean", "cls", "max"]
_FLAGS: dict[str, Pool] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
}


@dataclass(frozen=True)
class Pooling:
    """How the tokens' vectors become one: from ``modules.json`` of sentence-transformers, where the folder has it.

    ``longest``: tokens that the encoder was made to read; ``lower``: whether text is put in lower case first.
    """

    how: Pool = "mean"
    normalise: bool = False
    longest: int | None = None
    lower: bool = False
    stated: bool = False


class _Encoder:
    """``AutoModel`` without the pooler of BERT's next-sentence task, which no vector here goes through."""

    _model_mapping = AutoModel._model_mapping

    @staticmethod
    def from_pretrained(*arguments: Any, **options: Any) -> Any:
        model, info = AutoModel.from_pretrained(*arguments, **options)
        missing = [key for key in info.get("missing_keys", ()) if not key.startswith("pooler.")]
        return model, {**info, "missing_keys": missing}


class Embedder(FromFiles):
    """A transformers encoder that gives vectors.

    Raises:
        ModelError: where the folder's weights, architecture or tokenizer cannot be loaded, or where its vectors are
            made in a way that is not known here.
    """

    capabilities = frozenset({Capability.EMBED, Capability.FILES})

    def __init__(self, weights: Weights, source: str, options: Options, declared: dict[str, str]) -> None:
        self.weights = weights
        self._pooling = read_pooling(weights.folder, source)
        self._tokenizer, self.network = load(_Encoder, weights, source, options, "a sentence encoder")
        if getattr(self.network.config, "is_encoder_decoder", False):
            raise ModelError(f"{source} is an encoder-decoder, not a sentence encoder; give its task as seq2seq-lm.")
        self._budget = options.batch_tokens or BATCH_TOKENS
        limits = (
            self._pooling.longest,
            longest_input(self.network, self._tokenizer),
        )
        self._longest = min((limit for limit in limits if limit is not None), default=None)
        facts = describe(self.network, weights, source, "feature-extraction", options, declared, self.capabilities)
        note = f"Vectors are the {_WORDS[self._pooling.how]}{', of length 1' if self._pooling.normalise else ''}"
        note += "." if self._pooling.stated else "; the folder does not say how they are meant to be made."
        self.facts = facts.model_copy(update={"context_length": self._longest, "notes": [*facts.notes, note]})
        version = f"{CODE_VERSION}:{self._pooling}"  # the file that says so lies in a folder of its own
        self._fingerprint = fingerprint(self.facts, weights.folder, self._tokenizer.get_vocab(), version)

    @property
    def fingerprint(self) -> str:
        """Hash of weights, tokenizer, pooling, number format, device kind and the code's version."""
        return self._fingerprint

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        """Requests in the order of length, in groups for one call each; equal sets of requests give equal groups."""
        if all(isinstance(r, Inspect) for r in requests):
            return chunks(requests, 1)
        return by_length([(len(self._ids(r.text)), r) for r in requests if isinstance(r, Embed)])

    def embed(self, requests: Sequence[Embed]) -> list[Embedded | Failure]:
        """Vectors, float32 ``[width]``."""
        rows = [self._ids(r.text) for r in requests]
        results: list[Embedded | Failure] = []
        failures = [unfit(len(row), self._longest) if row else EMPTY for row in rows]
        found = self._vectors([row for row, failure in zip(rows, failures, strict=True) if failure is None])
        for row, failure in zip(rows, failures, strict=True):
            if failure is not None:
                results.append(failure)
            elif not bool(torch.isfinite(found[row]).all()):
                results.append(NOT_FINITE)
            else:
                results.append(Embedded(found[row].numpy()))
        return results

    def _ids(self, text: str) -> tuple[int, ...]:
        return tuple(int(i) for i in self._tokenizer(text.lower() if self._pooling.lower else text).input_ids)

    @torch.inference_mode()
    def _vectors(self, rows: Sequence[tuple[int, ...]]) -> dict[tuple[int, ...], Tensor]:
        """The vector of each distinct row."""
        table: dict[tuple[int, ...], Tensor] = {}
        for group in passes(rows, self._budget):
            table.update(zip(group, self._together(group), strict=True))
        return table

    def _together(self, rows: Sequence[tuple[int, ...]]) -> Tensor:
        ids, mask = padded(rows, self._tokenizer.pad_token_id or 0)
        mask = mask.to(self.network.device)
        states = self.network(input_ids=ids.to(self.network.device), attention_mask=mask).last_hidden_state.float()
        return pooled(states, mask, self._pooling).cpu()


_WORDS: dict[Pool, str] = {
    "mean": "mean of the tokens' last states",
    "cls": "last state of the first token",
    "max": "maximum over the tokens' last states",
}


def pooled(states: Tensor, mask: Tensor, pooling: Pooling) -> Tensor:
    """One vector ``[rows, width]`` for the states ``[rows, tokens, width]`` that ``mask`` ``[rows, tokens]`` shows."""
    seen = mask[..., None].to(states.dtype)
    if pooling.how == "cls":
        found = states[:, 0]
    elif pooling.how == "max":
        found = states.masked_fill(seen == 0, torch.finfo(states.dtype).min).amax(1)
    else:
        found = (states * seen).sum(1) / seen.sum(1)
    return torch.nn.functional.normalize(found, dim=-1) if pooling.normalise else found


def read_pooling(folder: Path, source: str) -> Pooling:
    """How a folder says that its vectors are made; the mean where it says nothing.

    Raises:
        ModelError: where it names a step that is not known here, or its files cannot be read.
    """
    if not (folder / "modules.json").is_file():
        return Pooling()
    try:
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        steps = {str(module["type"]).rpartition(".")[2]: str(module["path"]) for module in modules}
        stated = json.loads((folder / steps["Pooling"] / "config.json").read_text(encoding="utf-8"))
        settings_file = folder / "sentence_bert_config.json"
        settings = json.loads(settings_file.read_text(encoding="utf-8")) if settings_file.is_file() else {}
        unknown = sorted(set(steps) - {"Transformer", "Pooling", "Normalize"})
        mode = stated.get("pooling_mode")
        modes = {mode} if mode else {_FLAGS.get(k, k) for k, v in stated.items() if k.startswith("pooling_mode_") and v}
        longest, lower = settings.get("max_seq_length"), bool(settings.get("do_lower_case"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise ModelError(f"{source} has files of sentence-transformers that cannot be read.") from None
    if unknown or len(modes) != 1 or not modes <= set(_WORDS):
        step = unknown[0] if unknown else " and ".join(sorted(map(str, modes))) or "no pooling"
        raise ModelError(f"{source} makes its vectors by {step}, which cannot be followed; mean, cls and max can.")
    how: Pool = modes.pop()
    return Pooling(how, "Normalize" in steps, longest if isinstance(longest, int) else None, lower, stated=True)
