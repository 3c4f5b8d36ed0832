"""One decision of a model explained: why this answer, rather than another one, and whether the explanation holds up."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from audit.asking import ExplainError as ExplainError
from audit.asking import Unfinished as Unfinished
from audit.asking import check_opening, decision_of
from audit.cache import ResponseCache
from audit.config import AuditConfig, ConfigError, Problem
from audit.custom import configured
from audit.execution import Answers, attempt
from audit.explained import AttentionView, Explanation
from audit.models import (
    GRADIENT_METHODS,
    Attended,
    Attributed,
    Capability,
    Classified,
    Failure,
    Message,
    Method,
    Model,
    Prompt,
    SaysWhyNot,
    Scored,
    Unit,
    prompt_text,
)
from audit.models.opening import quiet_libraries
from audit.models.place import cache_folder
from audit.opening import opened, opening_of
from audit.progress import Progress, Silent
from audit.results import AuditResult, Record, read_records, read_result
from audit.results.folder import RESULT_FILE
from probes.asked import prompt_of
from probes.explainability.one_view import view_requests
from probes.explainability.single import ORDERS, Question, prefers
from probes.explainability.single import log_likelihoods as likelihoods_of

METHODS: tuple[Method, ...] = get_args(Method)
UNITS: tuple[Unit, ...] = get_args(Unit)
FEWEST_ORDERS = 20
_OPENING, _CLOSING = "([{«“‘/-", ".,;:!?)]}»”’'%…"  # after or before which there is no space
_NO_SPACES = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")  # scripts without spaces between words


def open_model(model: str | Path | AuditResult, device: str | None = None) -> Model:
    """The open model of a model.yaml, or of a model source (a hub id, a folder, a GGUF file, ``package:NAME/…``).

    Of an audit's result (``result.data``) it is the model that its config names; folders are looked for from here.

    Raises:
        ConfigError: where the file is wrong.
        ModelError: where the model cannot be opened.
        ExplainError: where a result must not open its model by itself.
    """
    named = str(model)
    if isinstance(model, AuditResult):
        check_opening(model)
        config = _config(model.manifest.config)
    elif isinstance(model, Path) or named.endswith((".yaml", ".yml")):
        config, _ = configured(Path(model))
    else:
        config = _config({"model": {"source": named}})
    if device is not None:
        content = config.model_dump()
        content["model"]["device"] = device
        config = _config(content)
    quiet_libraries()
    return opened(opening_of(config))


def _config(content: dict[str, object]) -> AuditConfig:
    try:
        return AuditConfig.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError("options", [Problem(f"{place}: {first['msg']}")]) from None


def explain(
    model: str | Path | Model,
    prompt: Prompt,
    answer: str | None = None,
    instead: str | None = None,
    *,
    target: str | None = None,
    method: Method = "leave_one_out",
    unit: Unit = "word",
    chat: bool | None = None,
    seed: int = 0,
    orders: int = ORDERS,
    device: str | None = None,
    progress: Progress | None = None,
) -> Explanation:
    """Why the model gives ``answer`` after ``prompt``, rather than ``instead``, and whether that explanation holds up.

    Args:
        model: a model.yaml, a model source, or a model from ``open_model``, which then need not be opened again.
        prompt: text, or a conversation.
        answer: what is explained, whether or not the model prefers it; of a classifier one of its classes.
        instead: what it is compared with.
        target: another name for ``answer``; one of the two is given.
        method: how the scores are found.
        unit: what of the prompt gets a score each.
        chat: whether a text is a question to a chat model, or raw text that the answer continues. By default it is a
            question where the model has a chat template. In raw text a space is put between prompt and answer where
            neither has one and the script has spaces.
        seed: of all draws.
        orders: random orders that the test draws, 20 or more.
        device: in place of the config's; not for an open model.
        progress: what is told of the work.

    Raises:
        ExplainError: where this cannot be asked, or not of this model.
        Unfinished: where the model failed.
        ConfigError: where the model.yaml is wrong.
        ModelError: where the model cannot be opened.
        CacheError: where the cache cannot be used.
    """
    told = progress or Silent()
    named = [text for text in (answer, target) if text is not None]
    if len(named) != 1:
        raise ExplainError("Say once which answer is to be explained: as answer, or as target.")
    (explained,) = named
    check_question(prompt, explained, instead)
    check_method(method, unit, orders)
    ready = _ready(model, device, method, told)
    given, (first, *rest) = posed(ready, prompt, [explained] if instead is None else [explained, instead], chat)
    classes = of_classes(ready)
    question = Question(given, first, rest[0] if rest else None, method, unit, seed, orders, classes)
    return _explained(ready, question, told)


def explain_record(
    model: str | Path | Model,
    record: Record | str,
    *,
    method: Method = "leave_one_out",
    unit: Unit = "word",
    seed: int = 0,
    orders: int = ORDERS,
    device: str | None = None,
    progress: Progress | None = None,
) -> Explanation:
    """Why the model gives what a record of an earlier audit holds, from the decision that the record keeps.

    ``record`` comes from ``audit.results.read_records``, or is ``RESULT/PROBE/RECORD-ID``. The rest is as for ``explain``.

    Raises:
        ExplainError: where the record is not there or keeps no decision, and as for ``explain``.
        ResultError: where the result cannot be read.
    """
    told = progress or Silent()
    check_method(method, unit, orders)
    kept = find_record(record) if isinstance(record, str) else record
    asked = decision_of(kept)
    prompt = prompt_of(asked)
    check_question(prompt, asked.answer, asked.contrast)
    ready = _ready(model, device, method, told)
    question = Question(prompt, asked.answer, asked.contrast, method, unit, seed, orders, of_classes(ready))
    return _explained(ready, question, told)


def attention(
    model: str | Path | Model,
    text: Prompt | Record,
    continuation: str = "",
    *,
    device: str | None = None,
    progress: Progress | None = None,
) -> AttentionView:
    """Where the model looks while it reads a text and its continuation: weights by layer and head, from one pass.

    A string is read as it stands, a conversation through the model's chat template; of an audit's record the prompt and
    the answer of its decision. An encoder-decoder shows how the continuation looks at the text, or without one how its
    encoder reads the text; a masked model then masks the last word.

    Raises:
        ExplainError: where the model shows no attention, or not of this text.
        Unfinished, ConfigError, ModelError: as for ``explain``.
    """
    if isinstance(text, Record):
        asked = decision_of(text)
        text, continuation = prompt_of(asked), asked.answer
    if not prompt_text(text).strip():
        raise ExplainError("The text is empty.")
    ready = _ready(model, device, None, progress or Silent())
    # Where the answer is known, also what it gains by each weight; some architectures tell the weights alone.
    for weighted in (True, False) if continuation.strip() else (False,):
        # Not through the cache: the passes are few, and their weights large.
        requests = view_requests(text, continuation, ready.capabilities, weighted)
        parts = [attempt(ready, [request])[0] for request in requests]
        found = tuple(part for part in parts if isinstance(part, Attended))
        if len(found) == len(parts):
            return AttentionView(ready.facts, prompt_text(text), continuation, found)
    raise _refused(next(part for part in parts if not isinstance(part, Attended)), "The attention cannot be shown")


def check_question(prompt: Prompt, answer: str, instead: str | None) -> None:
    """Raise ``ExplainError`` for what no model could be asked."""
    given: tuple[object, ...] = (prompt, answer, instead)  # in a notebook anything may come
    if not all(isinstance(value, kind) for value, kind in zip(given, (Sequence, str, str | None), strict=True)):
        raise ExplainError('Prompt and answers must be texts, also where they are numbers: "4".')
    text = prompt if isinstance(prompt, str) else prompt[-1].content if prompt else ""
    if not text.strip():
        raise ExplainError("The prompt is empty: it has nothing that could have driven the answer.")
    if not answer.strip():
        raise ExplainError("The answer is empty: say which answer is to be explained.")
    if instead is not None and not instead.strip():
        raise ExplainError("The other answer is empty; leave it out, or say what the answer is compared with.")
    if instead is not None and instead.strip() == answer.strip():
        raise ExplainError("The answer and the other answer are the same.")


def check_method(method: str, unit: str, orders: int = ORDERS) -> tuple[Method, Unit]:
    """The method and the unit by their names; raises ``ExplainError`` for unknown ones, and for too few orders."""
    if method not in METHODS:
        raise ExplainError(f"Unknown method {method}; choose {_either(METHODS)}.")
    if unit not in UNITS:
        raise ExplainError(f"Unknown unit {unit}; choose {_either(UNITS)}.")
    if orders < FEWEST_ORDERS:
        raise ExplainError(f"The test needs at least {FEWEST_ORDERS} random orders, not {orders}.")
    return METHODS[METHODS.index(method)], UNITS[UNITS.index(unit)]


def _either(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def find_record(place: str) -> Record:
    """The record at ``RESULT/PROBE/RECORD-ID``; the id may hold slashes of its own.

    Raises:
        ExplainError: where there is no such record.
        ResultError: where the result cannot be read.
    """
    parts = Path(place).parts
    for count in range(len(parts) - 1, 0, -1):
        folder = Path(*parts[:count])
        if (folder / RESULT_FILE).is_file():
            break
    else:
        raise ExplainError(f"{place} lies in no result folder; write RESULT/PROBE/RECORD-ID.")
    probe, name = parts[count], "/".join(parts[count + 1 :])
    known = [run.id for run in read_result(folder).probes]
    if probe not in known:
        raise ExplainError(f"{folder} has no probe {probe}; it has {', '.join(known)}.")
    if not name:
        raise ExplainError(f"{place} names no record; write RESULT/PROBE/RECORD-ID.")
    found = next((record for record in read_records(folder, probe) if record.id == name), None)
    if found is None:
        raise ExplainError(f"{probe} has no record {name} in {folder}; the report shows each record's id.")
    return found


def _ready(model: str | Path | Model, device: str | None, method: Method | None, progress: Progress) -> Model:
    """The open model, if it can do what is asked; ``method``: of an explanation, None for attention."""
    if isinstance(model, str | Path):
        progress.say(f"Opening {model}")
        model = open_model(model, device)
    elif device is not None:
        raise ExplainError("An open model stays on its device; leave device out.")
    if method is None:
        needs = {Capability.ATTENTION: "it shows no attention weights"}
    else:
        needs = {Capability.ATTRIBUTE: "it cannot be asked again with parts of the text left out"}
        if method in GRADIENT_METHODS:
            needs[Capability.GRADIENT] = f"{method} needs gradients, which it does not give"
    able = model.capabilities | ({Capability.ATTENTION} if shows_attention(model) else set())
    lacks = model.lacks if isinstance(model, SaysWhyNot) else {}
    for capability, why in needs.items():
        if capability not in able:
            more = f" ({lacks[capability]})" if capability in lacks else ""
            raise ExplainError(f"{model.facts.name} cannot be explained this way: {why}{more}.")
    return model


def shows_attention(model: Model) -> bool:
    """Whether the model gives attention weights; an encoder-decoder may have those between its halves alone."""
    return bool(model.capabilities & {Capability.ATTENTION, Capability.CROSS_ATTENTION})


def of_classes(model: Model) -> bool:
    """Whether the model answers with classes rather than text."""
    return Capability.SCORE not in model.capabilities and Capability.CLASSIFY in model.capabilities


def posed(model: Model, prompt: Prompt, answers: Sequence[str], chat: bool | None) -> tuple[Prompt, list[str]]:
    """The prompt and the answers as the model is given them."""
    if of_classes(model):
        if chat:
            raise ExplainError(f"{model.facts.name} is a classifier, which reads text; leave chat out.")
        return prompt, [answer.strip() for answer in answers]
    if not isinstance(prompt, str):
        if chat is False:
            raise ExplainError("A conversation is no raw text; give the prompt as one text.")
        return prompt, list(answers)
    if model.facts.chat_template if chat is None else chat:
        return (Message("user", prompt),), list(answers)
    return prompt, [_spaced(prompt, answer) for answer in answers]


def _spaced(prompt: str, answer: str) -> str:
    """The answer with the space that parts it from a raw prompt, where neither has one and the script has spaces."""
    before, after = prompt[-1], answer[0]
    names = [unicodedata.name(character, "") for character in (before, after)]
    joined = before.isspace() or after.isspace() or before in _OPENING or after in _CLOSING
    if joined or any(name.startswith(_NO_SPACES) for name in names):
        return answer
    return f" {answer}"


def _explained(model: Model, question: Question, progress: Progress) -> Explanation:
    answers = Answers()
    with _cache_of(model) as cache:
        fill = partial(answers.fill, model, cache, progress=progress)
        fill(question.likelihoods)
        _check_answers(model, question, answers)
        likely = likelihoods_of(question, answers.responses)
        if isinstance(likely, Failure):
            return _no_number(model, question, likely)
        first = answers.responses[question.likelihoods[0]]
        if question.contrast is None and isinstance(first, Scored) and first.tokens > 1:
            question = replace(question, by_token=True)
        fill([question.attribution])
        found = answers.responses[question.attribution]
        if not isinstance(found, Attributed):
            return _no_number(model, question, found)
        fill(question.tests(found))
    tested = question.measured(found, answers.responses) if question.tests(found) else None
    if isinstance(tested, Failure):
        return _no_number(model, question, tested)
    return Explanation(model.facts, question, found, tuple(likely), prefers(question, answers.responses), tested)


def _no_number(model: Model, question: Question, failure: object) -> Explanation:
    """What is left to say where the model's numbers are not finite; raises where it is another fault."""
    if isinstance(failure, Failure) and failure.status == "not_a_number":
        return Explanation(model.facts, question, None, (), None, None, failure.reason)
    raise _refused(failure, "The explanation could not be completed")


def _check_answers(model: Model, question: Question, answers: Answers) -> None:
    """Raise for an answer that this model cannot give, and for what is too long for it."""
    for request, named in zip(question.likelihoods, question.answers, strict=False):
        found = answers.responses[request]
        if isinstance(found, Failure) and found.status != "not_a_number":
            if answers.stopped:
                raise Unfinished(answers.stopped)
            what = "The prompt is too long" if found.status == "truncated" else f"“{named.strip()}” cannot be explained"
            raise ExplainError(f"{what}: {found.reason}")
        if isinstance(found, Classified):
            strange = next((a for a in question.answers if a not in found.labels), None)
            if strange is not None:
                classes = ", ".join(found.labels)
                raise ExplainError(f"{strange} is none of the classes of {model.facts.name}: {classes}.")


def _refused(failure: object, what: str) -> Exception:
    if not isinstance(failure, Failure):
        return Unfinished(f"{what}: the model gave no answer.")
    if failure.status in ("truncated", "not_a_number"):
        return ExplainError(f"{what}: {failure.reason}")
    return Unfinished(f"{what}: {failure.reason}")


def _cache_of(model: Model) -> ResponseCache:
    """The answers of earlier calls; where the weights are not known they may have changed, and nothing is kept."""
    facts = model.facts
    path = cache_folder() / "responses.sqlite" if facts.weights_sha256 is not None else Path(":memory:")
    return ResponseCache(path, model.fingerprint, facts.name, facts.weights_sha256)
