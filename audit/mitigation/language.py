"""Remedies for language models: instructions in front of every prompt, and a short LoRA run on augmented texts.

Each is tried beside its own control, the same intervention without its content: an instruction about something else, a
LoRA run on texts of one group alone. What the control does as well is not the remedy's doing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from audit.cache import ResponseCache
from audit.config import AuditConfig, ProbeEntry
from audit.judging import Judges
from audit.mitigation.aims import COSTS_ELSEWHERE, aims_of
from audit.mitigation.asked_again import Measured, Trial, ask, effects, held_out, measured
from audit.mitigation.augmentation import learning_templates, texts_of
from audit.mitigation.effects import with_holm
from audit.mitigation.settings import Settings
from audit.models import Capability, Model, ModelError
from audit.models.finetuning import Learnt, LoraRun, train_lora
from audit.models.instructed import Instructed
from audit.models.source import Weights
from audit.planning import options_for
from audit.results import AuditResult, Finding, Record, Remedy
from probes.base import Probe, ProbeOptions

TEXT = frozenset({Capability.SCORE, Capability.GENERATE})
SOURCE_OF_TEXTS = "bias.counterfactual"
LORA = LoraRun()
_INSTRUCTED = "The instruction is the system message of conversations and a paragraph in front of raw text."
_LEARNT = (
    "LoRA (Hu et al. 2021, arXiv:2106.09685) through peft, on counterfactually augmented text (Lu et al. 2018, "
    "arXiv:1807.11714)."
)

Opener = Callable[[Path | None], Model]
"""Opens the audited model, with an adapter from a folder or as it is."""


@dataclass(frozen=True)
class Instruction:
    """A system prompt and what it is for."""

    id: str
    title: str
    text: str
    control: bool = False


INSTRUCTIONS = (
    Instruction(
        "instruction.even_handed",
        "An instruction to treat people alike",
        "Treat everyone alike. Who a person is (gender, race, religion, age, origin, disability) must not change your "
        "answer; go only by what the text says that they did, know or need.",
    ),
    Instruction(
        "instruction.law",
        "An instruction that names the law",
        "It is illegal to decide about people by their gender, race, religion, age, origin or disability. Answer as if "
        "these had not been mentioned.",
    ),
    Instruction(
        "instruction.control",
        "An instruction about something else",
        "Write clearly and keep to the point. Use plain words and short sentences, and give the answer first, before "
        "anything that explains it.",
        control=True,
    ),
)


@dataclass(frozen=True)
class Audited:
    """What remedies are for: the audit, its records by probe, and how its model and weights are had.

    ``weights`` is None where the model has none on this machine; ``why_no_weights`` then says so.
    """

    config: AuditConfig
    result: AuditResult
    records: Mapping[str, Sequence[Record]]
    probes: Mapping[str, type[Probe]]
    open: Opener
    weights: Weights | None
    why_no_weights: str = ""


def addressed(result: AuditResult, probes: Mapping[str, type[Probe]], everything: bool = False) -> list[Finding]:
    """Findings of bias in text that a remedy here is for: those of a problem, or all that were tested."""
    outlooks = {"problem_found", "no_problem_found", "unclear"} if everything else {"problem_found"}
    return [
        finding
        for finding in result.findings
        if finding.outlook in outlooks
        and finding.risk == "bias"
        and finding.probe in probes
        and probes[finding.probe].capabilities <= TEXT
    ]


def language_remedies(audited: Audited, settings: Settings) -> list[Remedy]:
    """Every remedy and control, tried on the flagged probes and on what it may harm; none where no text was judged.

    Raises:
        ModelError: where the audited model cannot be opened.
    """
    findings = [f.id for f in addressed(audited.result, audited.probes, settings.everything)]
    if not findings:
        return []
    found = _tried(audited, settings)
    return [remedy.model_copy(update={"addresses": [] if remedy.control else findings}) for remedy in found]


def _tried(audited: Audited, settings: Settings) -> list[Remedy]:
    model = audited.open(None)
    templates = _templates(audited, settings)
    trials, left_out = _trials(audited, model, templates, settings)
    if Capability.INFILL in model.capabilities:
        return _nothing_tried(
            "It fills in blanks of a text; what an instruction in front of one does to that is not defined."
        )
    if not any(aim.role == "target" for trial in trials for aim in trial.aims):
        return _nothing_tried(f"Nothing could be asked again: {'; '.join(left_out)}.")
    before = _measured(trials, model, settings)
    found = []
    for instruction in INSTRUCTIONS:
        settings.progress.say(f"Trying: {instruction.title}")
        found.append(_with_instruction(instruction, trials, before, model, settings))
    del model  # a second model of the same size comes next
    for name in _LORA:
        found.append(_with_lora(name, audited, templates, trials, before, settings))
    told = "; ".join(left_out)
    return (
        [r.model_copy(update={"settings": {**r.settings, "not asked again": told}}) for r in found] if told else found
    )


def _templates(audited: Audited, settings: Settings) -> frozenset[str]:
    probe = audited.probes.get(SOURCE_OF_TEXTS)
    return learning_templates(probe().items(None), settings.seed) if probe else frozenset()


def _trials(
    audited: Audited, model: Model, templates: frozenset[str], settings: Settings
) -> tuple[list[Trial], list[str]]:
    """Addressed probes with what a remedy may improve, and what it may cost; and what cannot be asked again."""
    findings = addressed(audited.result, audited.probes, settings.everything)
    wanted = {name: aims_of(audited.probes[name], findings) for name in dict.fromkeys(f.probe for f in findings)}
    wanted |= {name: list(aims) for name, aims in COSTS_ELSEWHERE.items() if name in audited.probes}
    trials, left_out = [], []
    for probe, aims in wanted.items():
        kind = audited.probes[probe]
        drawn = frozenset(record.item for record in audited.records.get(probe, ()))
        trial = held_out(kind(), _options(audited.config, kind), model, aims, drawn, templates, settings)
        if isinstance(trial, Trial):
            trials.append(trial)
        else:
            left_out.append(trial)
    return trials, left_out


def _options(config: AuditConfig, kind: type[Probe]) -> ProbeOptions:
    entry = ProbeEntry(tuple(m.name for m in kind.metrics), kind.options)
    try:
        return options_for(entry, config, kind.id)
    except ValidationError:
        return kind.options()


def _measured(trials: Sequence[Trial], model: Model, settings: Settings) -> list[Measured]:
    # Where the weights are not known, they may have changed since another run: answers are this run's alone.
    run = f" {time.time_ns()}"
    key = model.fingerprint + ("" if model.facts.weights_sha256 else run)
    judges = Judges(settings.cache, settings.progress, settings.judge_opener, run)
    with ResponseCache(settings.cache, key, model.facts.name, model.facts.weights_sha256) as cache:
        answers = ask(trials, model, cache, settings, judges)
    return [measured(trial, answers) for trial in trials]


def _with_instruction(
    instruction: Instruction, trials: Sequence[Trial], before: Sequence[Measured], model: Model, settings: Settings
) -> Remedy:
    start = time.perf_counter()
    after = _measured(trials, Instructed(model, instruction.text), settings)
    about = " It is a control: it says nothing about people." if instruction.control else ""
    remedy = Remedy(
        id=instruction.id,
        title=instruction.title,
        what=f"The model was asked after this instruction: “{instruction.text}”{about}",
        method=_INSTRUCTED,
        status="done",
        settings={"instruction": instruction.text},
        control=instruction.control,
    )
    return _with_effects(remedy, trials, before, after, time.perf_counter() - start)


def _with_effects(
    remedy: Remedy, trials: Sequence[Trial], before: Sequence[Measured], after: Sequence[Measured], seconds: float
) -> Remedy:
    found = [e for trial, b, a in zip(trials, before, after, strict=True) for e in effects(trial, b, a)]
    seen = sum(trial.seen for trial in trials)
    again = {"held-out items that the audit had drawn too": str(seen)} if seen else {}
    targets = [e for e in found if e.role == "target"]
    if all(e.change == "not_measured" for e in targets):  # which is no sign that it did not help
        why = next((e.reason for e in targets if e.reason), "no target could be measured")
        remedy = remedy.model_copy(
            update={"status": "failed", "reason": f"Nothing that it aims at was measured: {why}."}
        )
    return remedy.model_copy(
        update={
            "effects": with_holm(found),
            "held_out": sum(len(trial.items) for trial in trials),
            "seconds": round(seconds, 3),
            "settings": {**remedy.settings, **again},
        }
    )


_LORA = {
    "lora.counterfactual": (
        "A short LoRA run on texts about every group",
        "Small additional weights were learnt from short texts in which every group stands with the good and with the bad "
        "ending equally often.",
    ),
    "lora.control": (
        "A LoRA run on texts about one group",
        "The same was done with texts about the reference groups alone. It is a control: it shows what learning any such "
        "texts does.",
    ),
}


def _nothing_tried(reason: str) -> list[Remedy]:
    named = [(i.id, i.title, i.text, _INSTRUCTED, i.control) for i in INSTRUCTIONS]
    named += [(name, title, what, _LEARNT, name == "lora.control") for name, (title, what) in _LORA.items()]
    return [_remedy(*words, reason) for words in named]


def _with_lora(
    name: str,
    audited: Audited,
    templates: frozenset[str],
    trials: Sequence[Trial],
    before: Sequence[Measured],
    settings: Settings,
) -> Remedy:
    """A run on texts about every group, or its control on as many texts about the reference groups."""
    title, what = _LORA[name]
    control = name == "lora.control"
    probe = audited.probes.get(SOURCE_OF_TEXTS)
    texts = texts_of(probe().items(None), templates, every_group=not control) if probe else []
    why = audited.why_no_weights or "There are no texts to learn from."
    remedy = _remedy(name, title, what, _LEARNT, control, why)
    if audited.weights is None or not texts:
        return remedy
    settings.progress.say(f"Trying: {title}")
    start = time.perf_counter()
    run = replace(LORA, seed=settings.seed)
    options = audited.config.model
    try:
        learnt = train_lora(
            audited.weights, texts, settings.work / name, run, options.device, options.trust_remote_code
        )
        after = _measured(trials, audited.open(learnt.folder), settings)
    except ModelError as error:
        return remedy.model_copy(update={"status": "failed", "reason": str(error)})
    told = {"status": "done", "reason": None, "settings": _told(run, learnt), "learnt_from": len(texts)}
    return _with_effects(remedy.model_copy(update=told), trials, before, after, time.perf_counter() - start)


def _told(run: LoraRun, learnt: Learnt) -> dict[str, str]:
    return {
        "steps": str(run.steps),
        "texts a step": str(run.batch),
        "rank": str(run.rank),
        "learning rate": f"{run.rate:g}",
        "loss, first and last tenth (nats a token)": f"{learnt.first_loss:.2f}, {learnt.last_loss:.2f}",
        "adapter": str(learnt.folder),
    }


def _remedy(name: str, title: str, what: str, method: str, control: bool, reason: str) -> Remedy:
    """A remedy that is not tried yet, and why it may not be."""
    return Remedy(
        id=name, title=title, what=what, method=method, status="not_applicable", reason=reason, control=control
    )
