"""A number now against the same number then: paired where records are shared, and honest about what is not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from audit.metrics import CENSUS
from audit.pairing import Change, Seen, change, question, seen
from audit.results import Asked, Average, Measurement, Record, Turn
from tests.audit.support import measurement

NAME = "tiny.rate.rate"
RATE = Average(outcomes=["wrong"])
GAP = Average(score="s", among={"group": "a"}, less={"group": "b"})


def made(values: Any, clusters: Any = None, *, less: bool = False, asked: str = "q") -> list[Seen]:
    sign = "less" if less else "more"
    labels = range(len(values)) if clusters is None else clusters
    return [
        Seen(f"{sign}-{i}", asked, str(c), float(v), less) for i, (v, c) in enumerate(zip(values, labels, strict=True))
    ]


def measured(value: float = 0.5, half: float = 0.1, **changes: Any) -> Measurement:
    fields: dict[str, Any] = {"value": value, "low": value - half, "high": value + half, "average": RATE, **changes}
    return measurement(NAME, **fields)


def compared(now: list[Seen] | None, then: list[Seen] | None, **changes: Any) -> Change:
    m = measured(**changes)
    return change(m, m, now, then, 0.95)


def ends(found: Change) -> tuple[float, float]:
    assert found.difference.low is not None
    assert found.difference.high is not None
    return found.difference.low, found.difference.high


def record(id_: str, **changes: Any) -> Record:
    fields = {"id": id_, "probe": "tiny.rate", "item": id_, "source": "s", "cluster": id_, "input": "Is it so?"}
    return Record(**{**fields, "outcome": "right", **changes})


def test_a_drop_that_independent_samples_would_miss() -> None:
    then = [1.0] * 60 + [0.0] * 140
    now = [1.0] * 72 + [0.0] * 128
    paired = compared(made(now), made(then))
    apart = change(measured(0.36, 0.066), measured(0.30, 0.063), None, None, 0.95)
    assert paired.difference.value == pytest.approx(0.06)
    assert apart.difference.value == pytest.approx(0.06)
    assert ends(paired)[0] > 0 > ends(apart)[0]
    assert paired.difference.p_value is not None
    assert paired.difference.p_value == pytest.approx(2 * 0.5**12)  # McNemar: 12 of 12 discordant pairs one way
    assert (paired.paired, paired.why_not, apart.paired) == (True, None, False)


def test_only_what_is_shared_and_unchanged_is_compared() -> None:
    now, then = made([1, 0, 1, 0, 1, 1]), made([0, 0, 1, 0, 1])
    now[1] = Seen("more-1", "another question", "1", 0.0)
    then.append(Seen("gone", "q", "gone", 1.0))
    found = compared(now, then)
    assert (found.shared, found.only_now, found.only_then, found.changed) == (4, 1, 1, 1)
    assert (found.now, found.then) == (0.75, 0.5)
    assert found.difference.value == 0.25
    by_name = change(measured(), measured(), now, then, 0.95, same_items=True)
    assert (by_name.shared, by_name.changed) == (5, 0)


def test_the_clusters_of_now_are_those_that_count() -> None:
    rng = np.random.default_rng(1)
    moved = np.repeat(rng.normal(0.5, 1, 12), 10)
    then = rng.normal(size=120)
    alone = ends(compared(made(then + moved), made(then), unit="nats"))
    grouped = ends(compared(made(then + moved, np.repeat(range(12), 10)), made(then), unit="nats"))
    assert grouped[1] - grouped[0] > 2 * (alone[1] - alone[0])


@pytest.mark.parametrize("unit", ["rate", "nats"])
@pytest.mark.parametrize("gap", [False, True])
def test_nothing_moved_is_no_certainty(unit: str, gap: bool) -> None:
    values = np.linspace(0.1, 0.9, 30)
    side = made(values) + (made(values, less=True) if gap else [])
    found = compared(side, side, unit=unit, average=GAP if gap else RATE)
    low, high = ends(found)
    assert found.difference.value == 0
    assert low < -0.02
    assert high > 0.02


def test_all_alike_and_nothing_known_of_the_range_has_no_interval() -> None:
    found = compared(made([2.0] * 9), made([2.0] * 9), unit="nats")
    assert (found.difference.value, found.difference.low, found.paired) == (0.0, None, True)


@pytest.mark.parametrize("few", [1, 2, 4])
def test_few_records_that_moved_are_no_narrower_than_none(few: int) -> None:
    then = np.linspace(0.1, 0.9, 40)
    now = then.copy()
    now[:few] += 0.05
    still, moved = (
        ends(compared(made(then), made(then), unit="nats")),
        ends(compared(made(now), made(then), unit="nats")),
    )
    assert moved[1] - moved[0] >= still[1] - still[0]


@pytest.mark.parametrize(
    ("now", "then", "why"),
    [
        (None, made([1, 0]), "not known as a mean"),
        (made([1, 0]), None, "not known as a mean"),
        (made([1, 0]), [], "share no records"),
        (made([1, 0], [3, 3]), made([1, 0]), "fewer than two clusters"),
        (made([1]), made([1]), "fewer than two clusters"),
    ],
)
def test_what_cannot_be_paired_is_compared_as_independent(now: Any, then: Any, why: str) -> None:
    found = compared(now, then)
    assert found.why_not is not None
    assert why in found.why_not
    assert not found.paired
    assert ends(found) == pytest.approx((-math.hypot(0.1, 0.1), math.hypot(0.1, 0.1)))


def test_other_units_other_rules_no_value_no_interval_and_a_census() -> None:
    side = made([1, 0, 1])
    other = change(measured(), measured(unit="nats"), side, side, 0.95)
    assert (other.difference.value, other.difference.reason) == (None, other.why_not)
    rule = change(measured(), measured(average=Average(outcomes=["right"])), side, side, 0.95)
    assert "another way" in str(rule.why_not)
    empty = measurement(NAME, value=None, low=None, high=None, n=0, reason="nothing")
    assert change(measured(), empty, side, None, 0.95).difference.value is None
    bare = measured(low=None, high=None)
    assert change(bare, measured(), None, None, 0.95).difference.low is None
    counted = [measured(v, 0.0, interval=CENSUS) for v in (0.3, 0.2)]
    found = change(counted[0], counted[1], side, side, 0.95)
    assert ends(found) == (found.difference.value, found.difference.value)
    assert found.difference.method == CENSUS


def test_another_confidence_of_the_earlier_result() -> None:
    narrow = change(measured(), measured(), None, None, 0.95)
    wide = change(measured(), measured(confidence=0.8), None, None, 0.95)
    assert ends(wide)[1] > ends(narrow)[1]


# Worse.


@pytest.mark.parametrize(
    ("now", "then", "worse"),
    [(0.3, 0.1, 0.2), (-0.3, 0.1, 0.2), (-0.3, -0.1, 0.2), (0.1, -0.3, -0.2), (0.2, -0.2, 0.0)],
)
def test_best_at_zero_means_the_distance_from_it(now: float, then: float, worse: float) -> None:
    noise = np.linspace(-0.5, 0.5, 50)
    found = compared(made(noise + now), made(noise[::-1] / 3 + then), unit="nats").worse("zero_is_better")
    assert found.value == pytest.approx(worse, abs=1e-6)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= worse + 1e-6 <= found.high + 2e-6


def test_turned_by_direction() -> None:
    found = compared(made([1, 1, 1, 0, 0, 0]), made([1, 0, 0, 0, 0, 0]))
    low, high = ends(found)
    up, down = found.worse("higher_is_better"), found.worse("lower_is_better")
    assert (down.low, down.high) == (low, high)
    assert (up.value, up.low, up.high) == (-1 / 3, -high, -low)
    assert found.worse("descriptive").value is None


# What is seen of a record.


def test_seen_holds_no_text_and_needs_unique_ids() -> None:
    records = [record("a"), record("b", outcome="wrong"), record("c", status="refused", outcome=None)]
    m = measured()
    found = seen(m, records)
    assert found is not None
    assert [(s.record, s.value) for s in found] == [("a", 0.0), ("b", 1.0)]
    assert all("so?" not in str(s) for s in found)
    assert seen(m, [*records[:2], *records[:2]]) is None
    assert seen(measured(0.4), records) is None
    assert seen(measured(average=None), records) is None


def test_a_question_is_what_was_asked_and_not_what_the_model_said() -> None:
    one = record("a")
    assert question(one) == question(record("a", output="Yes", outcome="wrong", cluster="z"))
    for other in (
        record("a", input="Is it?"),
        record("a", template="t"),
        record("a", group="g"),
        record("a", item="b"),
    ):
        assert question(other) != question(one)

    def insisting(answer: str) -> Record:
        turns = [
            Turn(role="user", content="Is it?"),
            Turn(role="assistant", content=answer),
            Turn(role="user", content="No!"),
        ]
        return record("a", input=f"Is it? {answer} No!", asked=Asked(prompt=turns, answer=" Yes"))

    assert question(insisting("Yes")) == question(insisting("No"))
    written = [f"The answer is {n} or so." for n in ("one", "two")]
    first, second = (record("a/judge", item="a", input=f"Proposed: {text}") for text in written)
    assert question(first, {written[0]}) == question(second, {written[1]})
    assert question(first) != question(second)


def test_rounding_of_a_machine_is_no_change() -> None:
    m = measured(1 / 3, average=Average(score="s"), unit="nats")
    one = seen(m, [record(str(i), scores={"s": 1 / 3}) for i in range(4)])
    two = seen(m, [record(str(i), scores={"s": 1 / 3 + 1e-10}) for i in range(4)])
    assert one == two


# Coverage.


def draws(kind: str, rng: np.random.Generator) -> tuple[list[Seen], list[Seen], float]:
    """Two results with a known true change, whose records go together."""
    if kind == "shares":
        hard = rng.random(80)
        return made(hard < 0.4), made(np.where(rng.random(80) < 0.8, hard, rng.random(80)) < 0.3), 0.1
    if kind == "mean":
        hard = rng.normal(size=30)
        return made(hard + rng.normal(0.2, 0.5, 30)), made(hard + rng.normal(0, 0.5, 30)), 0.2
    clusters = np.repeat(range(25), 4)
    bunched = np.repeat(rng.normal(0, 0.6, 25), 4)
    if kind == "clustered":
        return made(bunched + rng.normal(0.3, 1, 100), clusters), made(rng.normal(size=100), clusters), 0.3
    other = np.repeat(rng.normal(0, 0.6, 25), 2)
    now = made(bunched + rng.normal(0.3, 1, 100), clusters)
    now += made(np.repeat(bunched[::4], 2) + other + rng.normal(0.1, 1, 50), np.repeat(range(25), 2), less=True)
    return (
        now,
        made(rng.normal(size=100), clusters) + made(rng.normal(size=50), np.repeat(range(25), 2), less=True),
        0.2,
    )


@pytest.mark.parametrize("kind", ["shares", "mean", "clustered", "gap"])
def test_the_interval_covers_the_true_change_as_often_as_it_says(kind: str) -> None:
    rng, held = np.random.default_rng(20), 0
    for _ in range(400):
        now, then, truth = draws(kind, rng)
        low, high = ends(compared(now, then, unit="nats", average=GAP if kind == "gap" else RATE))
        held += low <= truth <= high
    assert 0.92 <= held / 400 <= 0.98


@pytest.mark.parametrize("gap", [False, True])
def test_one_cluster_with_most_records_decides_and_the_interval_allows_for_it(gap: bool) -> None:
    rng, held = np.random.default_rng(22), 0
    labels = np.repeat(range(21), [100, *[2] * 20])
    for _ in range(200):
        bunched, other = (np.repeat(rng.normal(0, 0.5, 21), [100, *[2] * 20]) for _ in range(2))
        then, noise = rng.normal(size=140), rng.normal(0, 0.5, (2, 140))
        now, before = made(then + 0.3 + bunched + noise[0], labels), made(then, labels)
        if gap:
            now += made(then + 0.1 + other + noise[1], labels + 21, less=True)
            before += made(then, labels + 21, less=True)
        low, high = ends(compared(now, before, unit="nats", average=GAP if gap else RATE))
        held += low <= (0.2 if gap else 0.3) <= high
    assert held / 200 >= 0.92


def test_a_change_of_nothing_has_no_minus() -> None:
    side = made([1, 0, 1, 0])
    for direction in ("higher_is_better", "zero_is_better"):
        assert math.copysign(1, compared(side, side).worse(direction).value or 0.0) == 1


@pytest.mark.parametrize("truth", [(0.0, 0.0), (0.3, 0.0), (0.3, 0.3), (-0.2, 0.2), (0.1, -0.3)])
def test_the_interval_of_the_distance_from_zero_covers_it(truth: tuple[float, float]) -> None:
    rng, held = np.random.default_rng(21), 0
    for _ in range(300):
        hard = rng.normal(size=40)
        now, then = (made(hard + rng.normal(mean, 0.5, 40)) for mean in truth)
        found = compared(now, then, unit="nats").worse("zero_is_better")
        assert found.low is not None
        assert found.high is not None
        held += found.low <= abs(truth[0]) - abs(truth[1]) <= found.high
    assert held / 300 >= 0.92  # wider where a sign is not clear


def test_a_change_of_shares_stays_between_its_bounds_however_unequal_clusters_are() -> None:
    clusters = ["big"] * 40 + ["b", "c", "d", "e", "f"]
    now, then = ([0.1] * 40 + [0.9, 0.8, 0.7, 0.9, 0.6]), ([0.8] * 40 + [0.2, 0.1, 0.3, 0.1, 0.2])
    found = compared(made(now, clusters), made(then, clusters), unit="rate", average=Average(score="s"))
    assert found.difference.method.startswith("paired cluster-robust t (CV3)")
    assert ends(found) == (-1.0, 1.0)
