"""A sequence classifier opened from its weights: class probabilities, attention, and which words drove a class."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor
from transformers import AutoModelForSequenceClassification

from audit.models.attending import Look, Text
from audit.models.base import ModelError
from audit.models.classes import Classes, ClassReader, plain_text, read_classes
from audit.models.explain import DecisionScalar, Scalar
from audit.models.forced import Forced
from audit.models.inside import Reading, read_units
from audit.models.loading import describe, fingerprint, load
from audit.models.options import Options
from audit.models.requests import Attend, Capability, Classify, Decision, Prompt, Request, Tabulate
from audit.models.responses import Attended, Classified, Failure, Tabulated, encode
from audit.models.source import Weights
from audit.models.table import answer_table, read_table
from audit.models.whitebox import WhiteBox

CODE_VERSION = "5"  # part of the fingerprint; raise it when the same request would get another response
BATCH_TOKENS = 4096
_UNNAMED = re.compile(r"(not )?LABEL_\d+")
_OF_TEXT = (Capability.SCORE, Capability.GENERATE, Capability.INFILL, Capability.DISTRIBUTION)
_OF_TABLES = (Capability.TABULATE, Capability.PREDICT)
_NOT_FINITE = Failure("not_a_number", "The model's class scores are not finite.")


class ClassifierModel(WhiteBox):
    """A transformers sequence classifier behind the capability protocols.

    Raises:
        ModelError: where the folder's weights, architecture or tokenizer cannot be loaded, where the model gives no
            classes, where the class that the config calls positive is none of them, and where the table of cases cannot
            be read.
    """

    encoder: ClassReader

    def __init__(self, weights: Weights, source: str, options: Options, declared: dict[str, str]) -> None:
        self.weights = weights
        kind = AutoModelForSequenceClassification
        tokenizer, self.network = load(kind, weights, source, options, "a sequence classifier")
        self.classes = read_classes(self.network.config, source)
        _check_positive(options.table.positive, self.classes, source)
        self._table = read_table(options.table, None) if options.table.file else None
        self._read_from = (options.table.file, options.table)
        self.reader = self.encoder = ClassReader(
            self.network, tokenizer, self.classes, options.batch_tokens or BATCH_TOKENS
        )
        self.capabilities = abilities(self.network.config.is_encoder_decoder, self._table is not None)
        self.lacks = dict.fromkeys(_OF_TEXT, "a classifier gives classes, not text")
        if self._table is None:
            self.lacks |= dict.fromkeys(_OF_TABLES, "no table of cases came with it (model.table)")
        facts = describe(
            self.network, weights, source, "text-classification", options, declared, self.capabilities, None
        )
        self.facts = facts.model_copy(update={"notes": [*facts.notes, *_notes(self.classes)]})
        version = CODE_VERSION if self._table is None else f"{CODE_VERSION} {_hash(self._table)}"
        self._fingerprint = fingerprint(self.facts, weights.folder, tokenizer.get_vocab(), version)

    @property
    def fingerprint(self) -> str:
        """Hash of weights, tokenizer, number format, device kind, table of cases and the code's version."""
        return self._fingerprint

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        """Requests of one kind in groups for one call each; texts of about one length together."""
        ordered = sorted(requests, key=lambda r: r.key)
        alone: dict[tuple[int, ...], list[Request]] = {}
        pairs: dict[tuple[int, ...], list[Request]] = {}
        for request in ordered:
            if isinstance(request, Classify) and request.second is not None:
                pairs.setdefault(self.reader.pair_ids(request.text, request.second)[0], []).append(request)
            elif isinstance(request, Classify):
                alone.setdefault(self.reader.ids(request.text), []).append(request)
        if not alone and not pairs:
            return self.grouped(ordered)
        return [
            [request for row in group for request in asked[row]]
            for asked in (alone, pairs)
            for group in self.reader.groups(list(asked))
        ]

    def classify(self, requests: Sequence[Classify]) -> list[Classified | Failure]:
        """Class probabilities."""
        firsts: dict[tuple[int, ...], int] = {}
        rows = []
        for request in requests:
            if request.second is None:
                rows.append(self.reader.ids(request.text))
                continue
            row, first = self.reader.pair_ids(request.text, request.second)
            firsts[row] = first
            rows.append(row)
        paired = [request.second is not None for request in requests]
        unfit = [self.reader.unfit(row) for row in rows]
        fit = [(row, pair) for row, pair, failure in zip(rows, paired, unfit, strict=True) if not failure]
        # Texts and pairs apart: their tokens can be alike where a text holds the mark that parts a pair.
        found = {
            False: self.reader.log_probabilities([row for row, pair in fit if not pair]),
            True: self.reader.log_probabilities([row for row, pair in fit if pair], firsts),
        }
        results: list[Classified | Failure] = []
        for row, pair, failure in zip(rows, paired, unfit, strict=True):
            if failure is not None:
                results.append(failure)
                continue
            values = np.exp(found[pair][row])
            known = Classified(self.classes.labels, tuple(values.tolist()), self.classes.independent)
            results.append(known if np.isfinite(values).all() else _NOT_FINITE)
        return results

    def tabulate(self, requests: Sequence[Tabulate]) -> list[Tabulated | Failure]:
        """The labelled table that the config names; its texts are to be classified."""
        missing = Failure("failed", "No table of cases came with the model; name one with model.table.")
        table, (file, options) = self._table, self._read_from
        if table is None or file is None:
            return [missing for _ in requests]
        return [answer_table(request, table, file, options) for request in requests]

    def seen(self, requests: Sequence[Attend]) -> list[Attended | Failure]:
        """Attention weights over the text; a class is no part of what the model reads."""
        return [self._seen(request) for request in requests]

    def _seen(self, request: Attend) -> Attended | Failure:
        ids = self.reader.ids(plain_text(request.prompt))
        failure = self.reader.unfit(ids)
        if failure is not None:
            return failure
        if request.part != "self":
            return Failure("failed", "A classifier's text attends to itself; it has no other part.")
        if request.weighted and (failure := self.undecidable(Decision(request.prompt, request.continuation))):
            return failure
        read = self.forced(request.prompt, request.continuation).read if request.weighted else None
        pieces = tuple(str(self.reader.tokenizer.decode([i])) for i in ids)
        # A class is no part of what the model reads, so that all tokens are the prompt's.
        text = Text(pieces, len(ids), None)
        return Look(self.network, self.reader.filled([ids]), read).attended("attentions", text)

    def scalar(self, request: Decision) -> Scalar:
        """log p(class) - log p(other class) for any set of kept units."""
        return DecisionScalar(request, self.reader, self.reader)

    def forced(self, prompt: Prompt, continuation: str) -> Forced:
        """One row, the text; its only target is the class that the continuation names."""
        ids, [wanted] = self.reader.pair(prompt, continuation)

        def read(output: Any) -> Tensor:
            return self.classes.log_probabilities(output.logits)[0, [wanted]].float()

        return Forced(self.reader.filled([tuple(ids)]), range(len(ids)), (), read, (wanted,))

    def reading(self, prompt: Prompt) -> Reading:
        """The tokens of a text alone."""
        return read_units(self.reader.units(prompt))

    def undecidable(self, request: Decision) -> Failure | None:
        """Why the decision's scalar has no value: its endings must be classes of the model."""
        strange = next((name.strip() for name in request.endings if name.strip() not in self.classes.labels), None)
        if strange is not None:
            return Failure("failed", f"{strange} is none of the model's classes: {', '.join(self.classes.labels)}.")
        return self.reader.unfit(self.reader.ids(plain_text(request.prompt)))


def abilities(encoder_decoder: bool, table: bool) -> frozenset[Capability]:
    """What a classifier can be asked; ``table``: whether a table of cases came with it."""
    known = {Capability.CLASSIFY, Capability.ATTRIBUTE, Capability.GRADIENT, Capability.STATES, Capability.FILES}
    if not encoder_decoder:
        known |= {Capability.ATTENTION, Capability.TIME}
    if table:
        known |= {Capability.TABULATE, Capability.PREDICT}
    return frozenset(known)


def _check_positive(positive: str | None, classes: Classes, source: str) -> None:
    if positive is not None and positive not in classes.labels:
        raise ModelError(f"model.positive is {positive}, but the classes of {source} are {', '.join(classes.labels)}.")


def _hash(table: Tabulated) -> str:
    return hashlib.sha256(encode(table).encode()).hexdigest()


def _notes(classes: Classes) -> list[str]:
    if any(_UNNAMED.fullmatch(label) for label in classes.labels):
        return ["The model does not name its classes; LABEL_0 and the like are their numbers."]
    return []
