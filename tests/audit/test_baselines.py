"""The baseline file: small, without text, and told apart from what only looks like it; and gates that compare with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audit.baselines import Against, baseline_of, main_metrics, open_baseline, options_hash
from audit.config import GateConfig
from audit.gates import judge
from audit.metrics import more_pairs_for_rates, paired_rate_difference, rate
from audit.results import (
    Average,
    Baseline,
    GateResult,
    Measurement,
    Record,
    ResultError,
    baseline_text,
    packed,
    parse_baseline,
    unpacked,
    write_records,
    write_result,
)
from reports.phrases import REASONS, Phrases
from reports.text import sentences
from tests.audit.support import measurement, probe_run, result_of

NAME, PROBE = "tiny.rate.rate", "tiny.rate"
HERE = Path("baseline.json")


def answered(wrong: set[int], n: int = 200, *, secret: str = "Is Söngul far?", first: int = 0) -> list[Record]:
    return [
        Record(
            id=f"item-{i}/Björk",
            probe=PROBE,
            item=f"item-{i}",
            source="ours",
            cluster=f"item-{i}",
            input=f"{secret} {i}",
            output="I never said so",
            outcome="wrong" if i in wrong else "right",
            scores={"s": i / 7},
        )
        for i in range(first, n + first)
    ]


def share(records: list[Record], **changes: Any) -> Measurement:
    found = rate([r.outcome == "wrong" for r in records])
    fields = {"value": found.value, "low": found.low, "high": found.high, "n": found.n}
    return measurement(NAME, **{**fields, "average": Average(outcomes=["wrong"]), **changes})


def kept(records: list[Record], **changes: Any) -> Baseline:
    """The baseline after its way through a file."""
    result = result_of(share(records, **changes), probes=[probe_run(PROBE)])
    text = baseline_text(baseline_of(result, lambda _: records, [NAME]))
    again = parse_baseline(HERE, text)
    assert again is not None
    assert baseline_text(again) == text
    return again


def gate(now: list[Record], before: Baseline, margin: float = 0.05, **changes: Any) -> GateResult:
    fields: dict[str, Any] = {
        "config": {},
        "items": {},
        "code": before.audit.code,
        "judges": before.audit.judges,
        **{k: changes.pop(k) for k in ("config", "items", "code", "judges") if k in changes},
    }
    against = Against(before, lambda _: now, **fields)
    rules = {NAME: GateConfig(no_worse_than_baseline=margin)}
    (found,) = judge(rules, [share(now, **changes)], [probe_run(PROBE)], against, 0.95)
    return found


def test_a_drop_is_found_that_independent_samples_would_not_tell() -> None:
    then, now = answered(set(range(60))), answered(set(range(78)))
    paired = gate(now, kept(then))
    assert (paired.verdict, paired.value) == ("not_met", pytest.approx(0.09))
    assert paired.reason.endswith(
        "Compared record by record on 200 shared of 200 records: 0.39 now, 0.3 in the baseline."
    )
    apart = gate(now, kept(then, average=None))
    assert apart.verdict == "not_established"
    assert "Compared with the baseline as independent samples." in apart.reason
    assert apart.comparison is not None
    assert (apart.comparison.paired, apart.comparison.why_not) == (
        False,
        "The number is not known as a mean over records in both results.",
    )


def test_higher_is_better_turns_it() -> None:
    then, now = answered(set(range(60))), answered(set(range(78)))
    found = gate(now, kept(then, direction="higher_is_better"), direction="higher_is_better")
    assert (found.verdict, found.value) == ("met", pytest.approx(-0.09))


def test_items_that_changed_are_told_and_left_out() -> None:
    then = answered(set(), 200)
    now = answered(set(range(300)), 3, secret="Another question?") + answered(set(), 209, first=3)
    found = gate(now, kept(then), items={PROBE: "other"})
    assert found.comparison is not None
    c = found.comparison
    assert (c.paired, c.shared, c.only_now, c.only_then, c.changed) == (True, 197, 12, 0, 3)
    assert (c.now, c.then, found.value) == (0.0, 0.0, 0.0)
    assert "Left out: 12 with a score only now, 0 only in the baseline, 3 that ask something else." in found.reason


def test_what_else_differs_is_said_and_equal_ids_are_no_longer_enough() -> None:
    then = answered(set())
    other = gate(
        answered(set(), secret="Or?"), kept(then), code="x", judges={"j": "1"}, config={"probes": {PROBE: {"a": 1}}}
    )
    assert other.comparison is not None
    assert other.comparison.notes == [
        "The probe had other options in the baseline.",
        "The baseline was made by another version of the code.",
        "Other models read the answers in the baseline.",
    ]
    assert other.comparison.why_not == "They share no records."
    assert other.comparison.changed == 200
    alike = gate(answered(set(), secret="Or?"), kept(then))
    assert alike.comparison is not None
    assert alike.comparison.shared == 200  # the same items and code: what differs is what the model said before


def test_how_many_items_are_drawn_is_no_other_option() -> None:
    options = [options_hash({"probes": {PROBE: o}}, PROBE) for o in (None, {"limit": 5}, {"k": 1})]
    assert options[0] == options[1] != options[2]
    assert options_hash({}, PROBE) == options[0]


def test_more_items_are_those_that_pairs_need() -> None:
    found = gate(answered(set(), 40), kept(answered(set(), 40)))
    assert found.verdict == "not_established"
    assert found.more_items is not None
    enough = 40 + found.more_items
    assert 60 < enough < 90  # 1/n, not 1/sqrt(n)
    assert gate(answered(set(), enough + 1), kept(answered(set(), enough + 1))).verdict == "met"
    assert gate(answered(set(), enough - 2), kept(answered(set(), enough - 2))).verdict == "not_established"


@pytest.mark.parametrize(("only_a", "only_b", "threshold"), [(4, 0, 0.15), (6, 4, 0.1), (2, 9, 0.0), (5, 5, -0.05)])
def test_more_pairs_would_settle_it(only_a: int, only_b: int, threshold: float) -> None:
    def ends(times: float) -> tuple[float, float]:
        n = round(100 * times)
        one, other = round(only_a * times), round(only_b * times)
        e = paired_rate_difference([1] * one + [0] * (n - one), [0] * (n - other) + [1] * other)
        assert e.low is not None
        assert e.high is not None
        return e.low, e.high

    low, high = ends(1)
    more = more_pairs_for_rates(only_a / 100, only_b / 100, low, high, 100, threshold)
    assert more is not None
    if more == 0:
        assert not low <= threshold <= high
        return
    before, after = ends(0.8 * (100 + more) / 100), ends(1.2 * (100 + more) / 100)
    assert before[0] <= threshold <= before[1]
    assert not after[0] <= threshold <= after[1]


def test_more_pairs_refuses_what_is_none() -> None:
    assert more_pairs_for_rates(0.2, 0.1, 0.0, 0.2, 50, 0.1) is None
    for bad in ((1.2, 0.1, 0, 2, 5, 0.1), (0.2, 0.1, 0.3, 0.4, 5, 0.1), (0.2, 0.1, 0, 0.2, 0, 0.1)):
        with pytest.raises(ValueError, match="no shares"):
            more_pairs_for_rates(*bad)  # type: ignore[arg-type]


# The file.


def test_nothing_of_a_record_is_in_it_but_hashes() -> None:
    text = baseline_text(kept(answered({1, 2})))
    for words in ("Söngul", "Björk", "item-", "never said", "ours"):
        assert words not in text
    lines = text.splitlines()
    assert len([line for line in lines if line.startswith('  "')]) == 200
    assert text.endswith("}\n")


def test_the_order_of_records_makes_no_difference() -> None:
    records = answered({1, 2})
    assert baseline_text(kept(records)) == baseline_text(kept(records[::-1]))


def test_numbers_and_differences_of_means_come_back_as_they_were() -> None:
    assert packed({3: 1.0, 0: 0.0}) == "0..1"
    assert packed({3: 0.25, 0: 1.0}) == [(0, 1.0), (3, 0.25)]
    assert (packed({}), unpacked(""), unpacked(None)) == ("", [], [])
    records = [r.model_copy(update={"group": "ab"[i % 2]}) for i, r in enumerate(answered(set(), 10))]
    gap = Average(score="s", among={"group": "a"}, less={"group": "b"})
    made = kept(records, value=-1 / 7, low=-1.0, high=1.0, unit="nats", average=gap)
    assert (len(unpacked(made.measurements[0].adds)), len(unpacked(made.measurements[0].takes))) == (5, 5)
    found = gate(records, made, 0.5, value=-1 / 7, low=-1.0, high=1.0, unit="nats", average=gap)
    assert found.comparison is not None
    assert (found.comparison.paired, found.value) == (True, 0.0)
    assert found.comparison.now == pytest.approx(-1 / 7)


def test_main_metrics_are_those_without_slice_and_those_of_gates() -> None:
    names = [NAME, f"{NAME}[women]", f"{NAME}[men]"]
    found = [measurement(n, slice=None if n == NAME else n.split("[")[1][:-1]) for n in names]
    result = result_of(*found)
    manifest = result.manifest.model_copy(update={"config": {"gates": {names[2]: {"at_most": 1}}}})
    assert main_metrics(result.model_copy(update={"manifest": manifest})) == [names[0], names[2]]


def broken(change: Callable[[dict[str, Any]], object]) -> str:
    content = json.loads(baseline_text(kept(answered({1}, 3))))
    change(content)
    return json.dumps(content)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not readable JSON"),
        ("{", "not readable JSON"),
        ("[" * 100_000, "not readable JSON"),
        ("[]", "schema version None"),
        ('{"a": 1}', "schema version None"),
        (
            broken(lambda c: c.update(baseline_version="9.0")),
            "baseline version 9.0; this version of fairwitness reads 1.0",
        ),
        (broken(lambda c: c.update(baseline_version={"x": 1})), "baseline version"),
        (broken(lambda c: c.pop("audit")), "audit: Field required"),
        (broken(lambda c: c.update(more=1)), "more: Extra inputs"),
        (broken(lambda c: c["probes"].append(c["probes"][0])), "stands there twice"),
        (broken(lambda c: c["measurements"].append(c["measurements"][0])), "stands there twice"),
        (
            broken(lambda c: c["probes"][0]["records"].append(c["probes"][0]["records"][0])),
            "a record stands there twice",
        ),
        (broken(lambda c: c["probes"][0]["records"].append("what the model said")), "should match pattern"),
        (broken(lambda c: c["measurements"][0].update(adds="0101")), "or one that its probe does not have"),
        (broken(lambda c: c["measurements"][0].update(adds="012")), "measurements.0.adds"),
        (broken(lambda c: c["measurements"][0].update(adds=[[0, 1], [0, 1]])), "a row twice"),
        (broken(lambda c: c["measurements"][0].update(adds=[[-1, 1]])), "measurements.0.adds"),
        (broken(lambda c: c["measurements"][0].update(adds=[[0, float("nan")]])), "NaN is no number"),
        (broken(lambda c: c["measurements"][0].update(value=float("inf"))), "Infinity is no number"),
        (broken(lambda c: c["measurements"][0].update(value=1e300)), "less than or equal to 1000000000000000"),
        (broken(lambda c: c["measurements"][0].update(value=2)), "misses the value"),
        (broken(lambda c: c["measurements"][0].update(low=None)), "an interval with one end"),
        (broken(lambda c: c["measurements"][0].update(confidence=95)), "confidence"),
        (broken(lambda c: c["measurements"][0].update(n=0)), "measurements.0.n"),
    ],
)
def test_a_file_that_is_no_baseline_is_told_in_one_sentence(text: str, why: str, tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    file.write_text(text)
    with pytest.raises(ResultError) as caught:
        open_baseline(file, [NAME])
    told = str(caught.value)
    assert why in told
    assert told.startswith(str(file))
    assert "\n" not in told
    assert len(told) < 400 + len(str(file))


def test_no_file_no_result_no_text(tmp_path: Path) -> None:
    for path, why in ((tmp_path / "no", "it does not exist"), (tmp_path, "it has no result.json")):
        with pytest.raises(ResultError, match=why):
            open_baseline(path, [])
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ResultError, match="not readable as a result or a baseline file"):
        open_baseline(tmp_path / "binary", [])


def test_folder_result_and_file_are_one_baseline(tmp_path: Path) -> None:
    records = answered({1, 2, 3})
    result = result_of(share(records), probes=[probe_run(PROBE)])
    write_records(tmp_path, PROBE, records)
    write_result(tmp_path, result, {})
    folder = open_baseline(tmp_path, [NAME])
    file = tmp_path / "kept.json"
    file.write_text(baseline_text(folder.baseline))
    assert open_baseline(tmp_path / "result.json", [NAME]) == folder
    again = open_baseline(file, [NAME])
    assert again.baseline == folder.baseline
    assert replace(again, told=folder.told) == folder
    assert again.told.sha256 != folder.told.sha256
    assert again.told.audit_id == result.manifest.audit_id
    assert open_baseline(tmp_path, []).baseline.measurements == []


def test_each_sentence_of_a_reason_is_one_that_pages_can_translate() -> None:
    then = answered(set(), 200)
    now = answered(set(range(300)), 3, secret="Another question?") + answered(set(), 209, first=3)
    apart = gate(now, kept(then, average=None), code="x", judges={"j": "1"}, config={"probes": {PROBE: {"a": 1}}})
    reasons = [gate(now, kept(then), items={PROBE: "x"}).reason, apart.reason, gate(now[:9], kept(then), 0.0).reason]
    spoken = Phrases(lambda text: text.upper() if "{" not in text else f"<{text}>")
    for reason in reasons:
        for sentence in sentences(reason):
            told = spoken.reason(sentence)
            assert told == sentence.upper() or told.startswith("<")
            assert sentence in REASONS or told.startswith("<")
