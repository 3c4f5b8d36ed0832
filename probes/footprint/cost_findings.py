"""Findings of ``footprint.cost``: size, speed and growth, described in things that people know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import mean

from audit.corpora import Item
from audit.models import Failure, Response, Timed
from audit.results import Finding, Measurement
from probes.footprint.equivalents import READING_WORDS, WORDS_PER_TOKEN, rounded

Make = Callable[..., Finding]
BUSY = 1.25  # slowest run over fastest of one length from which on the machine is called unsteady
_SIZE = "Compare with the memory of the machines that it is to run on; many users at once need more for each of them."
_SPEED = "Measure again on the machine that it is to run on, with nothing else running, before a purchase rests on it."
_GROWTH = (
    "Ask how long the texts of the planned use are, and measure at that length: set suite full, or a higher limit."
)


def findings(
    items: Sequence[Item], found: Sequence[Response], numbers: Sequence[Measurement], machine: str, make: Make
) -> list[Finding]:
    """Three sentences, or why there are none."""
    by = {m.metric.rpartition(".")[2]: m for m in numbers}
    timed = [answer for answer in found if isinstance(answer, Timed)]
    if not timed:
        why = next((answer.reason for answer in found if isinstance(answer, Failure)), "nothing was asked")
        text = "What the model costs to run was not tested: {reason}."
        return [make("speed", "not_tested", text, {"reason": why.rstrip(".")}, [by["time_to_first_token"]], _SPEED)]
    return [_size(timed[0], by, make), _speed(items, found, by, machine, make), _growth(items, found, by, make)]


def _size(one: Timed, by: dict[str, Measurement], make: Make) -> Finding:
    text = (
        "Described, not judged: the model has {parameters} parameters, and its weights take {weights} GB of memory "
        "({parameters} x {bytes} bytes). {peak}"
    )
    peak = by["peak_memory"].value
    told = (
        "How much was in use at most, the system does not tell."
        if peak is None
        else f"{_at_most(peak)} in use at most."
    )
    values = {
        "parameters": _many(one.parameters),
        "weights": rounded(one.weight_bytes / 1e9),
        "bytes": rounded(one.weight_bytes / one.parameters) if one.parameters else "0",
        "peak": told,
    }
    return make("size", "not_tested", text, values, [by["parameters"], by["weights_memory"], by["peak_memory"]], _SIZE)


def _at_most(peak: float) -> str:
    return f"With all that runs it, it had {rounded(peak)} GB"


def _many(count: int) -> str:
    for size, word in ((1e9, "billion"), (1e6, "million")):
        if count >= size:
            return f"{count / size:.3g} {word}"
    return f"{count:,}"


def _speed(
    items: Sequence[Item], found: Sequence[Response], by: dict[str, Measurement], machine: str, make: Make
) -> Finding:
    first, written = by["time_to_first_token"], by["decode_speed"]
    used = [first, by["prefill_speed"], written]
    if first.value is None:
        text = "How fast the model is was not tested: {reason}."
        return make("speed", "not_tested", text, {"reason": first.reason or "no run"}, used, _SPEED)
    text = (
        "Described, not judged: on this machine ({machine}), alone, the model chose its first token {wait} s after a text of "
        "128 tokens, about 96 English words (likely {wait_range} s). {writing}{busy}"
    )
    values = {
        "machine": machine or "not named",
        "wait": rounded(first.value),
        "wait_range": _range(first),
        "writing": _writing(written),
        "busy": _busy(items, found),
    }
    return make("speed", "not_tested", text, values, used, _SPEED)


def _writing(written: Measurement) -> str:
    if written.value is None:
        return "It writes nothing word by word."
    words = written.value * WORDS_PER_TOKEN
    return (
        f"It then wrote {rounded(written.value)} tokens a second (likely {_range(written)}), about {rounded(words)} words; "
        f"people read about {rounded(READING_WORDS)}."
    )


def _busy(items: Sequence[Item], found: Sequence[Response]) -> str:
    """A warning where runs of one length differed much, with how busy the machine was."""
    lengths: dict[int, list[float]] = {}
    loads = []
    for item, answer in zip(items, found, strict=True):
        if isinstance(answer, Timed):
            lengths.setdefault(item["prompt_tokens"], []).append(answer.prefill_seconds)
            loads += [] if answer.load is None else [answer.load]
    apart = max(max(seconds) / min(seconds) for seconds in lengths.values())
    if apart <= BUSY:
        return ""
    load = f" (work waiting for each processor: {mean(loads):.1f}, own work included)" if loads else ""
    return f" But runs of one length differed by up to {apart - 1:.0%}: the machine was busy with other things{load}."


def _growth(items: Sequence[Item], found: Sequence[Response], by: dict[str, Measurement], make: Make) -> Finding:
    power, crossing, memory = by["time_exponent"], by["quadratic_from"], by["memory_exponent"]
    used = [power, crossing, memory]
    if power.value is None:
        text = "How the model's time grows with the text was not tested: {reason}."
        return make("growth", "not_tested", text, {"reason": power.reason or "no run"}, used, _GROWTH)
    pairs = [(i["prompt_tokens"], a) for i, a in zip(items, found, strict=True) if isinstance(a, Timed)]
    text = (
        "Described, not judged: from {least} to {most} tokens, a text twice as long took {double} times as long to read "
        "(exponent {power}, likely {power_range}; 1 would be twice, and full attention alone, 2, four times). {crossing} {kept}"
    )
    values = {
        "least": f"{min(n for n, _ in pairs):,}",
        "most": f"{max(n for n, _ in pairs):,}",
        "double": f"{2**power.value:.2f}",
        "power": f"{power.value:.2f}",
        "power_range": _range(power, 2),
        "crossing": _crossing(crossing),
        "kept": _kept(pairs, memory),
    }
    return make("growth", "not_tested", text, values, used, _GROWTH)


def _crossing(crossing: Measurement) -> str:
    if crossing.value is None:
        return (
            "The part of attention that grows with the square does not show at these lengths, so this says little about "
            "much longer texts."
        )
    return (
        "By the fit t = c + a n + b n^2 the part that grows with the square is the larger from "
        f"{rounded(crossing.value)} tokens on (likely {_range(crossing)})."
    )


def _kept(pairs: Sequence[tuple[int, Timed]], memory: Measurement) -> str:
    kept = [(n, answer.kept_bytes) for n, answer in pairs if answer.kept_bytes]
    if not kept or memory.value is None:
        return "It keeps nothing in memory for the next token."
    length, size = max(kept)
    return (
        f"What it keeps in memory for the next token grew with the exponent {memory.value:.2f}: "
        f"{rounded(size / length / 1000)} kB a token, {rounded(size / length * 1e5 / 1e9)} GB for a text of 100,000."
    )


def _range(m: Measurement, digits: int | None = None) -> str:
    if m.low is None or m.high is None:
        return "range not known"
    low, high = (rounded(end) if digits is None else f"{end:.{digits}f}" for end in (m.low, m.high))
    return f"{low} to {high}"
