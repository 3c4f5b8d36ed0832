"""Times of tiny models under a clock of our own, and energy under a meter of known power."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from transformers import T5Config, T5ForConditionalGeneration

from audit.models import Capability, Failure, Spent, Time, Timed, decode, encode, groups
from audit.models import memory as memory_module
from audit.models import timing as timing_module
from audit.models.causal import CausalModel
from audit.models.loading import longest_input
from audit.models.timing import LEAST, Timing

WATTS = 36.0


@dataclass
class Clock:
    """Stands still but for the passes: a second a token that goes in, and a hundred for the first pass of a length."""

    now: float = 0.0

    def perf_counter(self) -> float:
        return self.now


class Meter:
    """36 watts of the processor, 4 of the memory, by the clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._start = clock, clock.now

    def stop(self) -> Spent:
        seconds = self._clock.now - self._start
        return Spent(seconds, (("processor", WATTS * seconds), ("memory", 4 * seconds)), (("processor", "measured"),))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(timing_module, "time", found)
    return found


def slowed(monkeypatch: pytest.MonkeyPatch, network: Any, clock: Clock, a_token: float = 1.0) -> list[int]:
    """Make each pass take its time by the clock; the lengths of the passes, as they come."""
    forward, passes = network.forward, list[int]()

    def slow(**given: Any) -> Any:
        size = given["input_ids"].shape[1]
        clock.now += a_token * size + (100 if size > 1 and size not in passes else 0)
        passes.append(size)
        return forward(**given)

    slow.__signature__ = timing_module.inspect.signature(forward)  # type: ignore[attr-defined]
    monkeypatch.setattr(network, "forward", slow)
    return passes


def timed(found: list[Timed | Failure]) -> Timed:
    assert isinstance(found[0], Timed)
    return found[0]


def test_the_first_run_of_a_length_does_not_count(
    llama: CausalModel, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = slowed(monkeypatch, llama.network, clock)
    monkeypatch.setitem(llama.__dict__, "timing", Timing(llama.network, True, None))
    found = timed(llama.time([Time(20, 5, 1, "here")]))
    assert (found.prefill_seconds, found.decode_seconds, found.tokens) == (20, 5, 5)
    assert passes == [20, 20, 1, 1, 1, 1, 1]
    assert timed(llama.time([Time(20, 0, 2, "here")])).decode_seconds is None
    assert passes[7:] == [20]


def test_energy_is_power_times_time_of_one_pass(
    llama: CausalModel, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousandth of a second a token: passes are repeated until the stretch is long enough, and shared out."""
    slowed(monkeypatch, llama.network, clock, 0.001)
    timing = Timing(llama.network, True, None, meter=lambda: Meter(clock))
    found = timing.timed(Time(10, 4, 1, "here", metered=True))
    assert isinstance(found, Timed)
    assert found.prefill_seconds == pytest.approx(0.01)
    assert dict(found.prefill_joules) == pytest.approx({"processor": WATTS * 0.01, "memory": 4 * 0.01})
    assert dict(found.decode_joules) == pytest.approx({"processor": WATTS * 0.004, "memory": 4 * 0.004})
    assert found.sources == (("processor", "measured"),)
    assert clock.now - 100 > 2 * LEAST
    assert decode(encode(found)) == found


def test_writing_ends_where_the_model_reads_no_further(
    llama: CausalModel, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = slowed(monkeypatch, llama.network, clock, 0.001)
    timing = Timing(llama.network, True, 30, meter=lambda: Meter(clock))
    assert isinstance(timing.timed(Time(10, 4, 1, "here", metered=True)), Timed)
    assert passes.count(1) == 20
    too_long = timing.timed(Time(30, 1, 1, "here"))
    assert isinstance(too_long, Failure)
    assert too_long.status == "truncated"


def test_sizes_are_counted(llama: CausalModel) -> None:
    found = timed(llama.time([Time(16, 2, 1, "here")]))
    own = list(llama.network.parameters())
    config = llama.network.config
    assert found.weight_bytes == sum(p.numel() * p.element_size() for p in own)
    assert found.parameters == llama.facts.parameters
    width = config.hidden_size // config.num_attention_heads
    assert found.kept_bytes == 2 * config.num_hidden_layers * config.num_key_value_heads * width * 4 * 16
    assert found.peak_bytes is None or found.peak_bytes > found.weight_bytes


def test_an_encoder_decoder_only_reads() -> None:
    config = T5Config(vocab_size=60, d_model=16, d_ff=16, d_kv=8, num_layers=1, num_heads=2, decoder_start_token_id=0)
    found = Timing(T5ForConditionalGeneration(config).eval(), False, None).timed(Time(12, 5, 1, "here"))
    assert isinstance(found, Timed)
    assert found.prefill_seconds > 0
    assert (found.decode_seconds, found.tokens, found.kept_bytes) == (None, 0, None)


def test_each_run_is_alone_in_an_order_of_its_own(llama: CausalModel) -> None:
    asked = [Time(length, 0, 1, "here") for length in range(8, 40)]
    made = groups(llama, list(asked))
    assert [len(group) for group in made] == [1] * len(asked)
    order = [group[0] for group in made]
    assert set(order) == set(asked)
    assert order != asked
    assert order != asked[::-1]


def test_another_machine_is_another_request() -> None:
    assert Time(8, 0, 1, "one").key != Time(8, 0, 1, "two").key
    assert Time(8, 0, 1, "one").needs is Capability.TIME


def test_without_codecarbon_it_says_what_to_install(llama: CausalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing_module, "installed", lambda: False)
    limit = longest_input(llama.network, llama.tokenizer)
    found = Timing(llama.network, True, limit).timed(Time(8, 2, 1, "here", metered=True))
    assert isinstance(found, Failure)
    assert 'pip install "fairwitness[energy]"' in found.reason


@pytest.fixture
def unmarked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_module, "_highest", 0)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system has no such mark")
@pytest.mark.usefixtures("unmarked")
def test_the_mark_is_of_the_stretch_and_the_whole_is_kept() -> None:
    device = timing_module.torch.device("cpu")
    large = timing_module.torch.ones(40_000_000)  # 160 MB
    del large
    whole = memory_module.highest()
    grown = []
    for _ in range(5):  # what the system takes back meanwhile may hide once what is added
        assert memory_module.begin(device)
        small = memory_module.most(device)
        large = timing_module.torch.ones(20_000_000)
        grown.append((memory_module.most(device) or 0) - (small or 0))
        del large
        assert small is not None
    assert max(grown) > 60_000_000
    assert memory_module.highest() >= whole
