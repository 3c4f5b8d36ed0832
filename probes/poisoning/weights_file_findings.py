"""What was found in a model's files, in sentences."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from audit.models import Failure, Inspected
from audit.results import Finding, Measurement, Severity
from probes.poisoning.weights_file_measures import (
    CODE,
    DANGEROUS,
    IRREGULAR,
    NONFINITE,
    TEMPLATE,
    UNEXPECTED,
    UNREAD,
    WORDS,
    File,
)

Make = Callable[..., Finding]
_MOST_NAMED = 3
_RUNS = (
    "Do not load these files, and look after machines that have. Ask the provider for the weights as safetensors, and where "
    "the files come from."
)
_KEEP = "Keep the hashes, and compare them with those that the provider publishes before each deployment."
_CODE = (
    "Read the code before anybody allows it to run (trust_remote_code), pin the commit, or use the architecture that the "
    "library itself holds."
)
_TEMPLATE = "Read the template, compare it with the one that the model's maker publishes, and set that one for use."
_TENSORS = "Ask the provider what the tensors are for, or save the model again without them."
_IRREGULAR = "Compare the files with those that the provider publishes, or save the model again from what was loaded."


def findings(
    read: Inspected | Failure, files: Sequence[File], numbers: Sequence[Measurement], make: Make
) -> list[Finding]:
    """One about each question."""
    by = {m.metric.rpartition(".")[2]: m for m in numbers}
    if isinstance(read, Failure):
        text = "The model's files were not examined: {reason}."
        why = {"reason": read.reason.rstrip(".")}
        return [make("code", "not_tested", text, why, [by["dangerous_files"]], _KEEP)]
    return [
        _code(files, by["dangerous_files"], make),
        _other_code(files, by["code_files"], make),
        _templates(files, by["template_faults"], make),
        _unexpected(read, files, by["unexpected_tensors"], make),
        _irregular(files, [by["irregular_files"], by["nonfinite_tensors"]], make),
    ]


def _code(files: Sequence[File], used: Measurement, make: Make) -> Finding:
    found = [f for f in files if f.of(DANGEROUS)]
    if found:
        text = "Code would run when a tool loads {many} of the {files} of the model: {which}."
        return _problem("code", text, files, found, DANGEROUS, used, "high", _RUNS, make)
    unread = [f for f in files if f.of(UNREAD)]
    if unread:
        text = (
            "What would run when the model's files are loaded is not known: {many} of {files} could not be read to the end "
            "({which})."
        )
        values = {"many": str(len(unread)), "files": _files(files), "which": _which(unread, UNREAD)}
        return make("code", "unclear", text, values, [used], _RUNS, records=[f.id for f in unread])
    text = (
        "Of the model, {files} ({kinds}) could be read to the end without being loaded: there is no pickle that imports what "
        "runs code. The SHA-256 of all together is {digest}; each file's stands in its record."
    )
    kinds = Counter(f.kind for f in files)
    values = {
        "files": _files(files),
        "kinds": ", ".join(f"{many} {kind}" for kind, many in sorted(kinds.items())),
        "digest": digest(files),
    }
    return make("code", "no_problem_found", text, values, [used], _KEEP)


def _other_code(files: Sequence[File], used: Measurement, make: Make) -> Finding:
    found = [f for f in files if f.of(CODE)]
    if found:
        text = (
            "Found among {files} of the model: a program, a setting that has one loaded, or an import that numbers do not "
            "need, in {which}."
        )
        return _problem("remote_code", text, files, found, CODE, used, "medium", _CODE, make)
    text = "Among {files} of the model, there is no program and no setting that has one loaded (auto_map and the like)."
    return _clean("remote_code", text, files, used, _KEEP, make)


def _templates(files: Sequence[File], used: Measurement, make: Make) -> Finding:
    held = [f for f in files if f.templates]
    found = [f for f in files if f.of(TEMPLATE)]
    if not held:
        text = "The model's files hold no chat template that could be examined."
        return make("templates", "not_tested", text, {}, [used], _TEMPLATE)
    if found:
        text = "A chat template does what none needs, in {many} of {files}: {which}."
        return _problem("templates", text, files, found, TEMPLATE, used, "medium", _TEMPLATE, make)
    added = list(dict.fromkeys(fact for f in held for fact in f.facts if " adds by itself: " in fact))
    text = "No chat template ({templates} read) reaches beyond the conversation or depends on words in it. {added}"
    told = (
        f"What they say by themselves: {'; '.join(added[:_MOST_NAMED])}."
        if added
        else "They say nothing by themselves."
    )
    values = {"templates": str(sum(f.templates for f in held)), "added": told}
    return make("templates", "no_problem_found", text, values, [used], _TEMPLATE)


def _unexpected(read: Inspected, files: Sequence[File], used: Measurement, make: Make) -> Finding:
    found = [f for f in files if f.of(UNEXPECTED)]
    if found:
        text = "The model's files hold tensors that its network has no place for, in {many} of {files}: {which}."
        return _problem("unexpected_tensors", text, files, found, UNEXPECTED, used, "low", _TENSORS, make)
    if used.value is None:
        text = "Whether files hold tensors that the network does not use was not tested: {reason}."
        values = {"reason": (used.reason or "their names are not known").rstrip(".")}
        return make("unexpected_tensors", "not_tested", text, values, [used], _TENSORS)
    text = "Each tensor in the model's files has a place in its network ({tensors} in all)."
    return make("unexpected_tensors", "no_problem_found", text, {"tensors": f"{used.n:,}"}, [used], _TENSORS)


def _irregular(files: Sequence[File], used: Sequence[Measurement], make: Make) -> Finding:
    checks = IRREGULAR | NONFINITE
    found = [f for f in files if f.of(checks)]
    if found:
        text = "Found among {files} of the model: something that a file of its kind does not hold, in {which}."
        return _problem("irregular", text, files, found, checks, used, "low", _IRREGULAR, make)
    text = "Of {files} each is what its name says, and no byte of a file of weights belongs to no tensor, or to two."
    return _clean("irregular", text, files, used, _KEEP, make)


def _problem(
    name: str,
    text: str,
    files: Sequence[File],
    found: Sequence[File],
    checks: Iterable[str],
    used: Measurement | Sequence[Measurement],
    severity: Severity,
    advice: str,
    make: Make,
) -> Finding:
    values = {"many": str(len(found)), "files": _files(files), "which": _which(found, frozenset(checks))}
    rest = [used] if isinstance(used, Measurement) else list(used)
    return make(
        name,
        "problem_found",
        text,
        values,
        rest,
        advice,
        severity=severity,
        records=[f.id for f in found[:_MOST_NAMED]],
    )


def _clean(
    name: str, text: str, files: Sequence[File], used: Measurement | Sequence[Measurement], advice: str, make: Make
) -> Finding:
    """Nothing found; unclear where a file was not read to its end."""
    unread = [f for f in files if f.of(UNREAD)]
    rest = [used] if isinstance(used, Measurement) else list(used)
    values = {"files": _files(files)}
    if unread:
        text += " But {unread} of {files} could not be read to the end."
        return make(name, "unclear", text, {**values, "unread": str(len(unread))}, rest, advice)
    return make(name, "no_problem_found", text, values, rest, advice)


def _files(files: Sequence[File]) -> str:
    return f"{len(files)} files" if len(files) != 1 else "1 file"


def _which(files: Sequence[File], checks: Iterable[str]) -> str:
    """The first files with what is wrong with them."""
    told = []
    for file in files[:_MOST_NAMED]:
        faults = "; ".join(f"{WORDS.get(check, check)}: {which}" for check, _, which in file.of(checks))
        told.append(f"{file.name} ({faults})")
    rest = len(files) - _MOST_NAMED
    return ", ".join(told) + (f" and {rest} more" if rest > 0 else "")


def digest(files: Sequence[File]) -> str:
    """SHA-256 of the list of files and their hashes: the same for the same files."""
    lines = sorted(f"{file.sha256}  {file.id}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
