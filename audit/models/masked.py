"""A masked language model opened from its weights: BERT and its kin, that predict a hidden token from both sides."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
from transformers import AutoModelForMaskedLM

from audit.models.attending import Look, Text
from audit.models.base import ModelError
from audit.models.explain import JOINED, Scalar, Worth, values_of
from audit.models.forced import Forced, read_tokens
from audit.models.inside import Reading, read_units
from audit.models.loading import describe, fingerprint, load, longest_input, unfit
from audit.models.masked_rows import Blank, Encoded, MaskedEncoder, MaskedScorer
from audit.models.options import Options
from audit.models.requests import Attend, Capability, Decision, Embed, Infill, Prompt, Request, Score
from audit.models.responses import Attended, Embedded, Failure, Scored
from audit.models.source import Weights
from audit.models.states import RULE, by_length, text_vectors
from audit.models.text import Units
from audit.models.whitebox import WhiteBox

CODE_VERSION = "5"  # part of the fingerprint; raise it when the same request would get another response
BATCH_TOKENS = 4096
SAVE_TOKENS = 32768  # tokens of masked copies whose scores are handed to the cache together
_NOT_FINITE = Failure("not_a_number", "The model's log-probability is not finite.")
_NOTE = (
    "A masked language model: likelihoods are pseudo-log-likelihoods, each token predicted from the text on both sides "
    "with the later tokens of its word hidden too (arXiv:2305.10588)."
)


class MaskedModel(WhiteBox):
    """A transformers masked language model behind the capability protocols.

    Raises:
        ModelError: where the folder's weights, architecture or tokenizer cannot be loaded.
    """

    encoder: MaskedEncoder
    capabilities = frozenset(
        {
            Capability.SCORE,
            Capability.INFILL,
            Capability.ATTENTION,
            Capability.ATTRIBUTE,
            Capability.EMBED,
            Capability.FILES,
            Capability.GRADIENT,
            Capability.STATES,
            Capability.TIME,
        }
    )
    lacks: Mapping[Capability, str] = {
        Capability.DISTRIBUTION: "a masked language model gives no probability of a text from left to right"
    }

    def __init__(self, weights: Weights, source: str, options: Options, declared: dict[str, str]) -> None:
        self.weights = weights
        tokenizer, self.network = load(AutoModelForMaskedLM, weights, source, options, "a masked language model")
        self.encoder = MaskedEncoder(tokenizer, options.chat_template, source)
        self._pad = int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else self.encoder.mask)
        self._budget = options.batch_tokens or BATCH_TOKENS
        try:
            self.scorer = MaskedScorer(self.network, self._pad, self.encoder.mask, self._budget)
        except (AttributeError, TypeError, ValueError, IndexError, NotImplementedError) as error:
            raise ModelError(f"{source} cannot be asked as a masked language model: {error}") from None
        self._longest = longest_input(self.network, tokenizer)
        template = self.encoder.template_hash
        facts = describe(self.network, weights, source, "masked-lm", options, declared, self.capabilities, template)
        self.facts = facts.model_copy(
            update={"context_length": self._longest, "notes": [*facts.notes, _NOTE]},
        )
        self._fingerprint = fingerprint(self.facts, weights.folder, tokenizer.get_vocab(), f"{CODE_VERSION}:{RULE}")

    @property
    def fingerprint(self) -> str:
        """Hash of weights, tokenizer, template, number format, device kind and the code's version."""
        return self._fingerprint

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        """Requests of one kind in groups for one call each; equal sets of requests give equal groups."""
        ordered = sorted(requests, key=lambda r: r.key)
        if ordered and isinstance(ordered[0], Embed):
            return by_length([(len(self._row(r.text)[0]), r) for r in ordered if isinstance(r, Embed)])
        if not ordered or not isinstance(ordered[0], Score | Infill):
            return self.grouped(ordered)
        asked = {r: self._asked(r) for r in ordered if isinstance(r, Score | Infill)}
        # Neighbours in the order of their tokens have masked copies in common.
        groups: list[list[Request]] = []
        size = 0
        for request in sorted(asked, key=lambda r: asked[r][0].ids):
            encoded, places = asked[request]
            if not groups or size >= SAVE_TOKENS:
                groups.append([])
                size = 0
            groups[-1].append(request)
            size += len(places) * len(encoded.ids)
        return groups

    def _asked(self, request: Score | Infill) -> tuple[Encoded, list[int]]:
        """The tokens of a request's text and the places of those that are to be predicted."""
        if isinstance(request, Score):
            return self.encoder.joined(request.prompt, request.continuation)
        encoded = self.encoder.encode(request.text)
        return encoded, self.encoder.asked(request, encoded)

    def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
        """Pseudo-log-likelihoods of continuations in nats (PLL-word-l2r, Kauf & Ivanova 2023, arXiv:2305.10588).

        The sum over the continuation's tokens of log p(token | prompt, all other tokens), the later tokens of the
        token's own word masked as well.
        """
        return self._filled([(*self._asked(r), True) for r in requests], "The continuation has no tokens.")

    def infill(self, requests: Sequence[Infill]) -> list[Scored | Failure]:
        """Pseudo-log-likelihoods of spans in nats (Salazar et al. 2020, arXiv:1910.14659)."""
        return self._filled([(*self._asked(r), r.whole_words) for r in requests], "No token lies within the spans.")

    def _filled(self, asked: Sequence[tuple[Encoded, list[int], bool]], empty: str) -> list[Scored | Failure]:
        blanks: list[list[Blank]] = []
        failures: list[Failure | None] = []
        for encoded, places, whole_words in asked:
            failure = unfit(len(encoded.ids), self._longest) if places else Failure("failed", empty)
            failures.append(failure)
            usable = [] if failure else places
            blanks.append(self.encoder.blanks(encoded.ids, encoded.words, usable, whole_words))
        found = iter(self.scorer.score([blank for one in blanks for blank in one]))
        results: list[Scored | Failure] = []
        for failure, one in zip(failures, blanks, strict=True):
            parts = [next(found) for _ in one]
            results.append(failure or _sum(parts))
        return results

    def embed(self, requests: Sequence[Embed]) -> list[Embedded | Failure]:
        """Vectors, float32 ``[width]``: the mean of the last hidden states over the text's tokens, nothing masked."""
        rows = [self._row(r.text) for r in requests]
        failures = [unfit(len(row), self._longest) for row, _ in rows]
        fitting = [row for row, failure in zip(rows, failures, strict=True) if failure is None]
        found = iter(text_vectors(self.network, fitting, self._pad, self._budget))
        return [failure or next(found) for failure in failures]

    def _row(self, text: str) -> tuple[tuple[int, ...], list[int]]:
        """The tokens of a text with the special ones, and the places of its own."""
        encoded = self.encoder.encode(text)
        return encoded.ids, [i for i, word in enumerate(encoded.words) if word is not None]

    def seen(self, requests: Sequence[Attend]) -> list[Attended | Failure]:
        """Attention weights over prompt and continuation, nothing masked.

        With gradients: those of the passes in which each token of the continuation is hidden in turn, as it is scored; the
        weights are the mean over these passes.
        """
        return [self._seen(request) for request in requests]

    def _seen(self, request: Attend) -> Attended | Failure:
        if request.part != "self":
            return Failure("failed", f"A masked language model has no {request.part} attention apart from its own.")
        encoded, places = self.encoder.joined(request.prompt, request.continuation)
        failure = unfit(len(encoded.ids), self._longest)
        if failure or not places:
            return failure or Failure("failed", "The continuation has no tokens.")
        pieces = self.encoder.shown(encoded, self.encoder.whole(request.prompt, request.continuation))
        rows, read = [encoded.ids], None
        if request.weighted:
            blanks = self.encoder.blanks(encoded.ids, encoded.words, places, whole_words=True)
            rows = [blank.row for blank in blanks]
            deciding = tuple((r, blank.place) for r, blank in enumerate(blanks))
            read = read_tokens(deciding, tuple(blank.target for blank in blanks))
        ids = torch.tensor(rows, device=self.network.device)
        look = Look(self.network, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}, read)
        return look.attended("attentions", Text(pieces, places[0], False))

    def scalar(self, request: Decision) -> Scalar:
        """The decision's scalar for any set of kept units."""
        return MaskedScalar(request, self.encoder, self.scorer)

    def forced(self, prompt: Prompt, continuation: str) -> Forced:
        """One row for each token of the answer, in which it and the later tokens of its word are hidden."""
        encoded, places = self.encoder.joined(prompt, continuation)
        context, targets = self.encoder.units(prompt).ids, tuple(encoded.ids[i] for i in places)
        row, first = self.encoder.framed(context, targets)
        words: list[int | None] = [None] * len(row)
        words[first : first + len(targets)] = [encoded.words[i] for i in places]
        blanks = self.encoder.blanks(row, words, range(first, first + len(targets)), whole_words=True)
        ids = torch.tensor([blank.row for blank in blanks], device=self.network.device)
        deciding = tuple((r, blank.place) for r, blank in enumerate(blanks))
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        return Forced(inputs, range(first - len(context), first), deciding, read_tokens(deciding, targets), targets)

    def reading(self, prompt: Prompt) -> Reading:
        """The tokens of a text alone."""
        units = self.encoder.units(prompt)
        row, end = self.encoder.framed(units.ids, ())
        return read_units(units, row, end - len(units.ids))

    def undecidable(self, request: Decision) -> Failure | None:
        """Why the decision's scalar has no value for the whole prompt; parts of it are shorter."""
        for answer in request.endings:
            encoded, places = self.encoder.joined(request.prompt, answer)
            if not places:
                return Failure("failed", "The continuation has no tokens.")
            if failure := unfit(len(encoded.ids), self._longest):
                return failure
            if self.encoder.joins(request.prompt, answer):
                return JOINED
        return None


class MaskedScalar:
    """f(kept units): the masked pseudo-log-likelihood of the continuation, minus that of the contrast."""

    def __init__(self, request: Decision, encoder: MaskedEncoder, scorer: MaskedScorer) -> None:
        self.units: Units = encoder.units(request.prompt, request.unit)
        self.scorer = scorer
        self._request = request
        self._encoder = encoder
        # The answers' tokens are fixed once, after the whole prompt, so that all removals are asked for the same.
        self._targets = []
        for answer in request.endings:
            encoded, places = encoder.joined(request.prompt, answer)
            self._targets.append([(encoded.ids[i], encoded.words[i]) for i in places])

    def pieces(self) -> tuple[str, ...]:
        """The text of each of the continuation's tokens."""
        return self._encoder.answer_pieces(self._request.prompt, self._request.continuation)

    def asked(self, kept: Iterable[int]) -> list[Blank]:
        """Masked copies of both answers after what is left of the prompt."""
        context = self.units.left(kept)
        return [blank for target in self._targets for blank in self._blanks(context, target)]

    def read(self, found: Sequence[tuple[float, bool]]) -> Worth | None:
        """The difference of their pseudo-log-likelihoods."""
        values = [value for value, _ in found]
        if not all(map(math.isfinite, values)):
            return None
        count = len(self._targets[0])
        return Worth(math.fsum(values[:count]) - math.fsum(values[count:]), tuple(values[:count]))

    def __call__(self, kept: Sequence[Sequence[int]]) -> list[float]:
        """f for each set of kept unit numbers, in nats.

        Raises:
            NotFinite: where the model's log-probability is NaN or infinite.
        """
        return values_of(self, kept)

    def _blanks(self, context: list[int], target: list[tuple[int, int | None]]) -> list[Blank]:
        row, first = self._encoder.framed(context, [i for i, _ in target])
        words: list[int | None] = [None] * len(row)
        words[first : first + len(target)] = [word for _, word in target]
        return self._encoder.blanks(row, words, range(first, first + len(target)), whole_words=True)


def _sum(parts: Sequence[tuple[float, bool]]) -> Scored | Failure:
    total = math.fsum(value for value, _ in parts) if all(math.isfinite(v) for v, _ in parts) else math.nan
    return Scored(total, len(parts), all(first for _, first in parts)) if math.isfinite(total) else _NOT_FINITE
