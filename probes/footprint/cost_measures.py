"""Numbers and records of ``footprint.cost``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from audit.corpora import Item
from audit.metrics import Estimate, geometric_mean, growth_exponent, not_measured, quadratic_from
from audit.models import Failure, Response, Time, Timed
from audit.results import Coverage, ItemStatus, Measurement, Record
from probes.base import coverage

Measure = Callable[..., Measurement]
REFERENCE = 128  # tokens of the text after which the first token is waited for
GB = 1e9
_NO_RUN = "no run was answered"
_NOTHING_WRITTEN = "the model writes nothing token by token"


def request_of(item: Item, machine: str) -> Time:
    """What an item asks."""
    return Time(item["prompt_tokens"], item["new_tokens"], item["repeat"], machine)


def status_of(answer: Response) -> ItemStatus:
    """What became of a run."""
    return "scored" if isinstance(answer, Timed) else getattr(answer, "status", "failed")


def record(item: Item, answer: Response, probe: str, source: str) -> Record:
    """The evidence of one run."""
    length, new = item["prompt_tokens"], item["new_tokens"]
    shown = f"{length:,} made-up tokens to read" + (f", then {new} to write" if new else "")
    timed = answer if isinstance(answer, Timed) else None
    told = None
    if timed is not None:
        told = f"{timed.prefill_seconds:.4f} s to the first token"
        if timed.decode_seconds is not None:
            told += f", {timed.decode_seconds:.4f} s for {timed.tokens} more"
    return Record(
        id=item["id"],
        probe=probe,
        item=item["id"],
        source=source,
        cluster=item["id"],
        tags={"tokens": str(length)},
        input=shown,
        output=told,
        scores={} if timed is None else _scores(timed),
        status=status_of(answer),
        outcome=None if timed is None else "timed",
        note=answer.reason if isinstance(answer, Failure) else None,
    )


def _scores(timed: Timed) -> dict[str, float | None]:
    bytes_ = (timed.kept_bytes, timed.peak_bytes)
    kept, peak = (None if size is None else float(size) for size in bytes_)
    return {
        "prefill_seconds": timed.prefill_seconds,
        "decode_seconds": timed.decode_seconds,
        "kept_bytes": kept,
        "peak_bytes": peak,
        "load_per_processor": timed.load,
    }


def measurements(
    items: Sequence[Item], found: Sequence[Response], confidence: float, measure: Measure
) -> list[Measurement]:
    """All of them; those of the first token and of writing are of the reference length."""
    whole = coverage(status_of(answer) for answer in found)
    timed = [answer for answer in found if isinstance(answer, Timed)]
    lengths = [item["prompt_tokens"] for item, answer in zip(items, found, strict=True) if isinstance(answer, Timed)]
    seconds = [answer.prefill_seconds for answer in timed]
    kept = [(n, answer.kept_bytes) for n, answer in zip(lengths, timed, strict=True) if answer.kept_bytes]
    at = [answer for item, answer in zip(items, found, strict=True) if item["prompt_tokens"] == REFERENCE]
    return [
        measure("parameters", _same([t.parameters for t in timed], confidence), whole, chance=0.0),
        measure("weights_memory", _same([t.weight_bytes / GB for t in timed], confidence), whole, chance=0.0),
        measure("peak_memory", _most([t.peak_bytes for t in timed], confidence), whole, chance=0.0),
        *_of_reference(at, confidence, measure),
        measure("time_exponent", _growth(lengths, seconds, confidence), whole, chance=1.0),
        measure("quadratic_from", _crossing(lengths, seconds, confidence), whole, chance=0.0),
        measure("memory_exponent", _kept(kept, bool(timed), confidence), whole, chance=1.0),
    ]


def _of_reference(at: Sequence[Response], confidence: float, measure: Measure) -> list[Measurement]:
    planned: Coverage = coverage(status_of(answer) for answer in at)
    timed = [answer for answer in at if isinstance(answer, Timed)]
    first = [answer.prefill_seconds for answer in timed]
    written = [answer.tokens / answer.decode_seconds for answer in timed if answer.decode_seconds]
    evidence = {"tags.tokens": str(REFERENCE)}
    estimates = {
        "time_to_first_token": _mean(first, _NO_RUN, confidence),
        "prefill_speed": _mean([REFERENCE / s for s in first], _NO_RUN, confidence),
        "decode_speed": _mean(written, _NOTHING_WRITTEN if timed else _NO_RUN, confidence),
    }
    return [measure(name, found, planned, chance=0.0, evidence=evidence) for name, found in estimates.items()]


def _mean(values: Sequence[float], none: str, confidence: float) -> Estimate:
    return geometric_mean(values, confidence) if values else not_measured(none, confidence)


def _same(values: Sequence[float], confidence: float) -> Estimate:
    """What every run tells alike: counted, not sampled."""
    if not values:
        return not_measured(_NO_RUN, confidence)
    value = float(values[0])
    return Estimate(value, value, value, len(values), None, confidence, "counted: the same in every run")


def _most(values: Sequence[int | None], confidence: float) -> Estimate:
    """The most seen in any run: a fact about these."""
    known = [value / GB for value in values if value is not None]
    if not known:
        return not_measured("the system does not tell" if values else _NO_RUN, confidence)
    most = max(known)
    return Estimate(most, most, most, len(known), None, confidence, "none: the most seen in these runs")


def _growth(lengths: Sequence[int], seconds: Sequence[float], confidence: float) -> Estimate:
    return growth_exponent(lengths, seconds, confidence) if lengths else not_measured(_NO_RUN, confidence)


def _crossing(lengths: Sequence[int], seconds: Sequence[float], confidence: float) -> Estimate:
    return quadratic_from(lengths, seconds, confidence) if lengths else not_measured(_NO_RUN, confidence)


def _kept(kept: Sequence[tuple[int, int]], any_run: bool, confidence: float) -> Estimate:
    if not kept:
        return not_measured("the model keeps no keys and values" if any_run else _NO_RUN, confidence)
    return growth_exponent([n for n, _ in kept], [size for _, size in kept], confidence)
