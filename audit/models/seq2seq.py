"""An encoder-decoder opened from its weights: scores, generates, shows attention, explains decisions.

The encoder reads the prompt; the decoder, fed its start tokens and the answer, gives log p(answer | prompt). The token that
ends an answer is not scored, for any answer, so that alternatives are compared on their own tokens alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForSeq2SeqLM

from audit.models.attending import Look, Text
from audit.models.base import ModelError, chunks
from audit.models.budget import tokens_per_pass
from audit.models.explain import DecisionScalar, Scalar
from audit.models.faults import explained
from audit.models.forced import Forced, read_tokens
from audit.models.inside import Reading, read_units
from audit.models.loading import describe, fingerprint, load
from audit.models.options import Options
from audit.models.requests import Attend, Capability, Decision, Generate, Prompt, Request, Score
from audit.models.responses import Attended, Failure, Generated, Scored
from audit.models.scorer import Continuation
from audit.models.seq2seq_generator import Seq2SeqGenerator, Writing, never_chosen, passed_over
from audit.models.seq2seq_scorer import Seq2SeqScorer
from audit.models.seq2seq_text import SourceEncoder, source_limit, target_limit
from audit.models.source import Weights
from audit.models.whitebox import WhiteBox

CODE_VERSION = "5"  # part of the fingerprint; raise it when the same request would get another response
GENERATE_ROWS = 32
SAVE_TOKENS = 4096  # tokens whose scores are handed to the cache together: some seconds of work
_NOT_FINITE = Failure("not_a_number", "The model's log-probability is not finite.")
_NO_TOKENS = Failure("failed", "The continuation has no tokens.")
_UNKNOWN = Failure("failed", "The model's vocabulary has no tokens for part of the continuation.")


class Seq2SeqModel(WhiteBox):
    """A transformers encoder-decoder behind the capability protocols.

    Of the generation settings in its folder, ``decoder_start_token_id``, ``forced_bos_token_id``, ``eos_token_id``,
    ``suppress_tokens`` and banned words of one token are honoured; what is passed over is said in ``facts.notes``.

    Raises:
        ModelError: where the folder's weights, architecture or tokenizer cannot be loaded, or nothing says what token
            the decoder begins with.
    """

    encoder: SourceEncoder
    capabilities = frozenset(
        {
            Capability.SCORE,
            Capability.GENERATE,
            Capability.ATTENTION,
            Capability.CROSS_ATTENTION,
            Capability.ATTRIBUTE,
            Capability.FILES,
            Capability.GRADIENT,
            Capability.STATES,
            Capability.TIME,
        }
    )
    lacks: Mapping[Capability, str] = {
        Capability.DISTRIBUTION: "an encoder-decoder gives the probability of an answer to a prompt, not of a text alone"
    }

    def __init__(self, weights: Weights, source: str, options: Options, declared: dict[str, str]) -> None:
        self.weights = weights
        tokenizer, self.network = load(
            AutoModelForSeq2SeqLM, weights, source, options, "an encoder-decoder", slow_tokenizer=True
        )
        self._device = self.network.device
        self.encoder = SourceEncoder(tokenizer, options.chat_template)
        start = decoder_start(self.network, self.encoder, source)
        with explained(f"{source} could not be run as an encoder-decoder"):
            self.scorer = Seq2SeqScorer(self.network, start, options.batch_tokens or tokens_per_pass(self.network))
        settings = self.network.generation_config
        self._generator = Seq2SeqGenerator(self.scorer, _ends(settings, tokenizer), never_chosen(settings))
        self._source_limit = source_limit(self.network.config, tokenizer)
        self._target_limit = target_limit(self.network.config)
        template = self.encoder.template_hash
        facts = describe(self.network, weights, source, "seq2seq-lm", options, declared, self.capabilities, template)
        notes = [*facts.notes, *filter(None, [_beginning(tokenizer, start), passed_over(settings)])]
        self.facts = facts.model_copy(update={"context_length": self._source_limit, "notes": notes})
        self._fingerprint = fingerprint(self.facts, weights.folder, tokenizer.get_vocab(), CODE_VERSION)

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
            tasks.sort(key=lambda r: (r.max_tokens, len(self.encoder.text(r.prompt)), self._read(r), r.key))
            return chunks(tasks, GENERATE_ROWS)
        if isinstance(ordered[0], Attend):  # the parts of one pass together
            passes: dict[tuple[Any, str], list[Request]] = {}
            for r in ordered:
                if isinstance(r, Attend):
                    passes.setdefault((r.prompt, r.continuation), []).append(r)
            return list(passes.values())
        return self.grouped(ordered)

    def _read(self, request: Score | Generate) -> tuple[int, ...]:
        return tuple(self.encoder.prompt_ids(request.prompt))

    def _score_batches(self, requests: list[Score]) -> list[list[Request]]:
        """Prompts of a like length together, all answers of a prompt in one group where the group has room."""
        read = {r: self._read(r) for r in requests}
        ordered = sorted(requests, key=lambda r: (len(read[r]), read[r], r.key))
        groups: list[list[Request]] = []
        size, before = 0, None
        for request in ordered:
            source = read[request]
            if not groups or size >= SAVE_TOKENS:
                groups.append([])
                size, before = 0, None
            groups[-1].append(request)
            size += len(self.encoder.target_ids(request.continuation)) + (0 if source == before else len(source))
            before = source
        return groups

    def score(self, requests: Sequence[Score]) -> list[Scored | Failure]:
        """Log-likelihoods in nats."""
        asked = [self._continuation(r.prompt, r.continuation) for r in requests]
        results: list[Scored | Failure | None] = [self._unfit(c) for c in asked]
        places = [i for i, result in enumerate(results) if result is None]
        for i, found in zip(places, self.scorer.score([asked[i] for i in places]), strict=True):
            results[i] = Scored(found.logprob, len(asked[i].target), found.greedy) if found else _NOT_FINITE
        return [result for result in results if result is not None]

    def _continuation(self, prompt: Any, answer: str) -> Continuation:
        source, target = self.encoder.pair(prompt, answer)
        return Continuation(tuple(source), tuple(target))

    def _unfit(self, c: Continuation) -> Failure | None:
        return self._unsayable(c) or self._too_long(len(c.context), len(c.target) - 1)

    def _unsayable(self, c: Continuation) -> Failure | None:
        """An unknown token's probability is not that of the text it stands for; all unknown texts would be equal."""
        if not c.target:
            return _NO_TOKENS
        return _UNKNOWN if self.encoder.tokenizer.unk_token_id in c.target else None

    def _too_long(self, source: int, target: int) -> Failure | None:
        """Whether the encoder's or the decoder's limit is passed; nothing is ever cut."""
        if self._source_limit is not None and source > self._source_limit:
            reason = f"The prompt has {source} tokens; the model's encoder reads {self._source_limit}."
            return Failure("truncated", reason)
        target += len(self.scorer.start)
        if self._target_limit is not None and target > self._target_limit:
            reason = f"The answer may take {target} tokens; the model's decoder reads {self._target_limit}."
            return Failure("truncated", reason)
        return None

    def generate(self, requests: Sequence[Generate]) -> list[Generated | Failure]:
        """Answers, special tokens left out; never beam search."""
        tasks = [Writing(self._read(r), r.max_tokens, r.temperature, r.seed) for r in requests]
        failures = [self._too_long(len(t.source), t.max_tokens) for t in tasks]
        fitting = [t for t, failure in zip(tasks, failures, strict=True) if failure is None]
        answers = iter(self._generator.generate(fitting) if fitting else [])
        results: list[Generated | Failure] = []
        for failure in failures:
            if failure is not None:
                results.append(failure)
                continue
            answer = next(answers)
            if not np.isfinite(answer.logprob):
                results.append(_NOT_FINITE)
                continue
            text = str(self.encoder.tokenizer.decode(answer.ids, skip_special_tokens=True)).strip()
            tokens = len(answer.ids) + answer.ended
            results.append(Generated(text, tokens, answer.logprob, "stop" if answer.ended else "length"))
        return results

    def seen(self, requests: Sequence[Attend]) -> list[Attended | Failure]:
        """Attention weights, one pass for each prompt and answer whatever the parts of it that are asked for."""
        passes: dict[tuple[Any, str], Look] = {}
        results: list[Attended | Failure] = []
        for r in requests:
            asked = self._continuation(r.prompt, r.continuation)
            failure = self._unsayable(asked) or self._too_long(len(asked.context), len(asked.target))
            if failure is not None:
                results.append(failure)
                continue
            if (r.prompt, r.continuation) not in passes:
                passes = {(r.prompt, r.continuation): self._look(r, asked)}
            results.append(self._attended(r, asked, passes[r.prompt, r.continuation]))
        return results

    def _look(self, request: Attend, c: Continuation) -> Look:
        inputs = {
            "input_ids": torch.tensor([c.context], device=self._device),
            "decoder_input_ids": torch.tensor([self.scorer.start + c.target], device=self._device),
            "use_cache": False,
        }
        read = self.forced(request.prompt, request.continuation).read if request.weighted else None
        return Look(self.network, inputs, read)

    def _attended(self, request: Attend, c: Continuation, look: Look) -> Attended | Failure:
        """One part of a pass. A row of ``cross`` belongs to the answer's token that is predicted from it."""
        start, target = list(self.scorer.start), list(c.target)
        sources, answer = self.encoder.source_pieces(request.prompt), self.encoder.target_pieces(target)
        if request.part == "encoder":
            return look.attended("encoder_attentions", Text(sources, len(sources), False))
        if request.part == "self":
            own = Text((*self.encoder.pieces(start), *answer), len(start), True)
            return look.attended("decoder_attentions", own)
        predicting = slice(len(start) - 1, len(start) + len(target) - 1)
        return look.attended("cross_attentions", Text(answer, 0, False, sources), predicting)

    def scalar(self, request: Decision) -> Scalar:
        """The decision's scalar for any set of kept units."""
        return DecisionScalar(request, self.encoder, self.scorer)

    def forced(self, prompt: Prompt, continuation: str) -> Forced:
        """The prompt in the encoder; in the decoder its start tokens and all of the answer but its last token."""
        c = self._continuation(prompt, continuation)
        ids = torch.tensor([c.context], device=self._device)
        first = len(self.scorer.start) - 1
        deciding = tuple((0, first + i) for i in range(len(c.target)))
        answer = torch.tensor([(self.scorer.start + c.target)[:-1]], device=self._device)
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "decoder_input_ids": answer}
        return Forced(inputs, range(len(c.context)), deciding, read_tokens(deciding, c.target), c.target)

    def reading(self, prompt: Prompt) -> Reading:
        """The tokens of a text alone."""
        return read_units(self.encoder.units(prompt))

    def undecidable(self, request: Decision) -> Failure | None:
        """Why the decision's scalar has no value for the whole prompt; parts of it are shorter."""
        failures = [self._unfit(self._continuation(request.prompt, answer)) for answer in request.endings]
        return next((failure for failure in failures if failure is not None), None)


def decoder_start(model: Any, encoder: SourceEncoder, source: str) -> list[int]:
    """What every answer begins with: the decoder's start token, then a forced first token or the tokenizer's own.

    Raises:
        ModelError: where no start token is named.
    """
    settings = model.generation_config
    named = (getattr(settings, "decoder_start_token_id", None), getattr(model.config, "decoder_start_token_id", None))
    start = next((int(token) for token in (*named, settings.bos_token_id) if isinstance(token, int)), None)
    if start is None:
        raise ModelError(
            f"{source} does not say what its decoder begins with; put decoder_start_token_id into its config.json."
        )
    forced = getattr(settings, "forced_bos_token_id", None)
    lead = [int(forced)] if isinstance(forced, int) else encoder.target_lead()
    return [start] if lead == [start] else [start, *lead]


def _ends(settings: Any, tokenizer: Any) -> list[int]:
    configured = getattr(settings, "eos_token_id", None)
    ends = configured if isinstance(configured, list) else [configured]
    return sorted({int(e) for e in [*ends, tokenizer.eos_token_id] if e is not None})


def _beginning(tokenizer: Any, start: Sequence[int]) -> str | None:
    """Said where answers begin with more than the start token: it decides, for one, the language of a translation."""
    if len(start) == 1:
        return None
    return f"Every answer is made to begin with the tokens {' '.join(tokenizer.convert_ids_to_tokens(list(start)))}."
