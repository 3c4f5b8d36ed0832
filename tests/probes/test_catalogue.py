"""The contract of every probe: what it says of itself, what it measures, and how it behaves when the model does not.

Every registered probe is tested, so a new one is held to the contract by being registered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache
from importlib.metadata import entry_points

import pytest

from audit.models import Capability, Failure
from audit.models.scripted import ALL, ScriptedModel, even_table
from audit.results import Average, Finding, Measurement, Record, behind, observations, read_records, write_records
from probes.base import Outcome, Probe
from probes.registry import GROUP, find_probes
from tests.probes.contracts import CONTRACTS
from tests.probes.harness import FailingModel, context_of, dumped, run_probe
from tests.probes.stand_ins import DATA

PROBES = find_probes()
every_probe = pytest.mark.parametrize("name", sorted(PROBES))
SUITES = ("quick", "standard", "full")

MODELS: Mapping[str, Callable[[], ScriptedModel]] = {
    "default": ScriptedModel,
    "failing": FailingModel,
    "not a number": lambda: ScriptedModel(
        lambda prompt, continuation: float("nan"), lambda prompt: "", classify=lambda text: {"no": float("nan")}
    ),
    "constant": lambda: ScriptedModel(
        lambda prompt, continuation: -1.0, lambda prompt: "", classify=lambda text: {"no": 0.75, "yes": 0.25}
    ),
}

OF_THE_AUDIT = frozenset(f"{probe}.{metric}" for probe, c in CONTRACTS.items() for metric in c.of_the_audit)
OTHER_UNITS = frozenset(f"{probe}.{metric}" for probe, c in CONTRACTS.items() for metric in c.other_units)
SLICED = [(probe, metric) for probe, c in CONTRACTS.items() for metric in c.sliced]
RANGES = {
    "rate": (0, 1),
    "rate difference": (-1, 1),
    "probability difference": (-1, 1),
    "ratio": (0, 1),
    "probability": (0, 1),
    "correlation": (-1, 1),
    "kappa": (-1, 1),
    "share of maximum": (0, 1),
    "share of weight": (0, 1),
}


@cache
def outcome_of(name: str, model: str = "default", limit: int | None = 60, seed: int = 0) -> Outcome:
    return run_probe(PROBES[name], MODELS[model](), limit, seed=seed)


def base_name(measurement: Measurement) -> str:
    return measurement.metric.split("[")[0]


def test_there_is_a_probe_for_every_promised_risk() -> None:
    assert {p.risk for p in PROBES.values()} >= {"bias", "hallucination", "misinformation", "explainability"}
    assert set(CONTRACTS) == set(PROBES)


@every_probe
class TestWhatItSays:
    def test_id(self, name: str) -> None:
        kind = PROBES[name]
        registered = [e for e in entry_points(group=GROUP) if e.load() is kind]
        assert [e.name for e in registered] == [kind.id] == [name]
        assert re.fullmatch(r"[a-z]+\.[a-z][a-z0-9_]*", name)
        assert name.split(".")[0] == kind.risk

    @pytest.mark.parametrize("field", ["title", "purpose", "method", "citation", "limits", "source", "licence"])
    def test_words(self, name: str, field: str) -> None:
        text = getattr(PROBES[name], field)
        assert isinstance(text, str)
        assert text.strip() == text != ""
        if field in ("purpose", "method", "citation", "limits"):
            assert len(text.split()) >= 8
            assert text.endswith((".", "?"))

    def test_the_citation_names_a_paper_or_says_own(self, name: str) -> None:
        citation = PROBES[name].citation
        assert re.search(r"arXiv:\d{4}\.\d{4,5}|doi:10\.\d{4,}/|\bown\b", citation)
        for paper in re.findall(r"arXiv:\d{4}\.\d{4,5}", citation):
            before = citation[: citation.index(paper)]
            assert re.search(r"(19|20)\d\d \($", before), f"{paper} without authors and year"

    def test_the_docstring_of_a_published_set_names_paper_formula_items_and_licence(self, name: str) -> None:
        kind = PROBES[name]
        if kind.published is None:
            pytest.skip("its items come with the package")
        told = " ".join((kind.__doc__ or "").split())
        assert re.search(r"Paper: .+ \d{4} \((?:arXiv|doi):", told)
        assert "Formula" in told
        assert re.search(r"Items: .*(?:data folder|hub)", told)
        assert kind.licence.split()[0] in told

    def test_the_words_do_not_promise_too_much(self, name: str) -> None:
        """Principle 9: "bias score", "unbiased", "safe" and the like are nothing that was measured."""
        kind = PROBES[name]
        text = " ".join([kind.title, kind.method, *(m.label for m in kind.metrics)]).lower()
        assert not re.search(r"bias score|\bunbiased\b|\bsafe\b|\bno issues\b|\bfairness score\b", text)

    def test_metrics(self, name: str) -> None:
        metrics = PROBES[name].metrics
        assert len({m.name for m in metrics}) == len(metrics) > 0
        assert len({m.label for m in metrics}) == len(metrics)
        for metric in metrics:
            assert re.fullmatch(r"[a-z][a-z0-9_]*", metric.name)
            assert metric.label.strip()
            assert metric.unit.strip()
            assert len(metric.meaning.split()) >= 5
            assert metric.meaning.endswith(".")

    def test_sizes_grow_with_the_suite_and_the_full_one_takes_all(self, name: str) -> None:
        kind = PROBES[name]
        available = kind.published or len(kind().items(DATA))
        sizes = [kind.sizes[suite] for suite in SUITES]
        counts = [available if size is None else size for size in sizes]
        assert counts == sorted(counts)
        assert 0 < counts[0] <= available
        assert sizes[-1] is None

    def test_options_have_defaults_and_descriptions(self, name: str) -> None:
        options = PROBES[name].options
        options()
        for field in options.model_fields.values():
            assert field.description

    def test_follows_only_what_there_is(self, name: str) -> None:
        """Ids, or patterns; one that begins with ! takes away from the others."""
        others = set(PROBES) - {name}
        for pattern in PROBES[name].follows:
            assert any(fnmatchcase(other, pattern.removeprefix("!")) for other in others), pattern

    def test_the_stratum_is_a_field_of_every_item(self, name: str) -> None:
        kind = PROBES[name]
        items = kind().items(DATA)
        assert len({i["id"] for i in items}) == len(items)
        if kind.stratum:
            assert all(i[kind.stratum] for i in items)

    def test_it_asks_only_for_capabilities_that_it_states(self, name: str) -> None:
        """And with no more than these it runs."""
        kind = PROBES[name]
        assert kind.capabilities
        run_probe(kind, Lacking(kind.capabilities), 12)


class Lacking(ScriptedModel):
    """Refuses requests of a kind that it does not claim."""

    def __init__(self, capabilities: frozenset[Capability]) -> None:
        super().__init__(capabilities=capabilities)

    def batches(self, requests):  # type: ignore[no-untyped-def]
        assert {r.needs for r in requests} <= self.capabilities
        return super().batches(requests)


@every_probe
class TestWhatItMeasures:
    def test_every_declared_metric_and_no_other(self, name: str) -> None:
        found = outcome_of(name).measurements
        declared = {f"{name}.{m.name}": m for m in PROBES[name].metrics}
        assert {base_name(m) for m in found} == set(declared)
        for m in found:
            metric = declared[base_name(m)]
            assert (m.unit, m.direction, m.label, m.probe) == (metric.unit, metric.direction, metric.label, name)
            assert m.metric == base_name(m) + (f"[{m.slice}]" if m.slice else "")

    @pytest.mark.parametrize("model", MODELS)
    def test_names_are_unique(self, name: str, model: str) -> None:
        found = [m.metric for m in outcome_of(name, model).measurements]
        assert len(found) == len(set(found))

    def test_intervals_chance_and_n(self, name: str) -> None:
        """Principle 1, on all items of the source."""
        outcome = run_probe(PROBES[name], ScriptedModel())
        assert outcome.measurements
        for m in outcome.measurements:
            assert m.confidence == 0.95
            if m.value is None:  # what was not asked at all, such as a judge that is not named, is not planned either
                assert m.reason
                assert (m.low, m.high, m.n) == (None, None, 0)
                continue
            assert m.coverage.planned > 0
            assert m.interval
            assert m.chance is not None, m.metric
            assert m.n > 0
            assert m.low is not None, m.metric
            assert m.high is not None
            assert m.low <= m.value <= m.high

    @pytest.mark.parametrize("model", MODELS)
    def test_n_is_what_was_scored(self, name: str, model: str) -> None:
        for m in outcome_of(name, model).measurements:
            if base_name(m) in OTHER_UNITS:
                assert m.n <= m.coverage.scored
            else:
                assert m.n == m.coverage.scored, m.metric
            if m.successes is not None:
                assert m.value == pytest.approx(m.successes / m.n)
            if m.clusters is not None:
                assert m.clusters <= m.n

    def test_values_and_intervals_lie_in_the_range_of_the_unit(self, name: str) -> None:
        for m in outcome_of(name).measurements:
            low, high = RANGES.get(m.unit, (float("-inf"), float("inf")))
            if m.value is not None and m.low is not None and m.high is not None:
                assert low - 1e-12 <= m.low <= m.value <= m.high <= high + 1e-12, m.metric

    def test_records(self, name: str) -> None:
        records = outcome_of(name).records
        assert len({r.id for r in records}) == len(records) > 0
        items = {i["id"] for i in PROBES[name]().items(DATA)}
        for r in records:
            assert r.probe == name
            assert r.input
            assert r.item in items or CONTRACTS[name].beside(r)  # a summary, or an example that every audit shows
            assert r.source
            if r.status == "scored":
                assert r.output is not None, r.id
                assert r.outcome, r.id

    @pytest.mark.parametrize("model", MODELS)
    def test_coverage_accounts_for_every_record(self, name: str, model: str) -> None:
        outcome = outcome_of(name, model)
        planned, beside = CONTRACTS[name].partition, CONTRACTS[name].beside
        whole = {m.metric: m for m in outcome.measurements}
        counted = sum(whole[f"{name}.{metric}"].coverage.planned for metric in planned)
        assert counted + sum(beside(r) for r in outcome.records) == len(outcome.records)
        missing = sum(
            whole[f"{name}.{metric}"].coverage.planned - whole[f"{name}.{metric}"].coverage.scored for metric in planned
        )
        # Attention that was read but not set against effects is scored as a record and unparsed as agreement.
        if name != "explainability.attention":
            assert missing == sum(r.status != "scored" for r in outcome.records if not beside(r))

    def test_evidence_leads_to_records(self, name: str) -> None:
        """Each number's evidence selects records of the probe, and no fewer than the number has observations."""
        outcome = outcome_of(name)
        for m in outcome.measurements:
            if m.metric in OF_THE_AUDIT or m.value is None:
                continue
            selected = behind(m, outcome.records)
            scored = [r for r in selected if r.status == "scored"]
            wanted = 1 if CONTRACTS[name].aggregate else m.n
            assert len(scored) >= wanted or "outcome" in m.evidence, m.metric

    def test_it_is_json(self, name: str) -> None:
        outcome = outcome_of(name)
        parts: list[tuple[type[Record] | type[Measurement] | type[Finding], list[object]]] = [
            (Record, list(outcome.records)),
            (Measurement, list(outcome.measurements)),
            (Finding, list(outcome.findings)),
        ]
        for kind, values in parts:
            assert [kind.model_validate_json(v.model_dump_json()) for v in values] == values  # type: ignore[attr-defined]

    def test_records_come_back_from_disk(self, name: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
        records = list(outcome_of(name).records)
        write_records(tmp_path, name, records)
        assert read_records(tmp_path, name) == records


@every_probe
class TestWhatIsAMeanOfItsRecords:
    """What says how it follows from its records does, so that two results can be compared record by record."""

    @pytest.mark.parametrize("model", ["default", "constant"])
    def test_records_give_the_number(self, name: str, model: str) -> None:
        outcome = outcome_of(name, model)
        for m in averages(outcome):
            seen = observations(m, outcome.records)
            assert seen is not None, m.metric
            # One observation a record and no other record: what is of a pair stands with one of the two.
            assert len({o.record.id for o in seen}) == len(seen) == m.n, m.metric

    def test_records_from_disk_give_it_as_well(self, name: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
        outcome = outcome_of(name)
        write_records(tmp_path, name, outcome.records)
        records = read_records(tmp_path, name)
        for m in averages(outcome):
            kept = Measurement.model_validate_json(m.model_dump_json())
            assert observations(kept, records) == observations(m, outcome.records), m.metric

    def test_a_slice_is_of_records_of_the_whole(self, name: str) -> None:
        outcome = outcome_of(name)
        whole = {base_name(m): m for m in averages(outcome) if m.slice is None}
        for m in averages(outcome):
            if m.slice is not None and base_name(m) in whole and m.average == whole[base_name(m)].average:
                every = {r.id for r in behind(whole[base_name(m)], outcome.records)}
                assert {r.id for r in behind(m, outcome.records)} <= every, m.metric

    def test_a_record_that_was_tampered_with_is_noticed(self, name: str) -> None:
        outcome = outcome_of(name)
        for m in averages(outcome):
            seen = observations(m, outcome.records)
            assert m.average is not None
            assert seen is not None
            changed = tampered(seen[0].record, m.average)
            assert observations(m, [changed if r.id == changed.id else r for r in outcome.records]) is None, m.metric


def averages(outcome: Outcome) -> list[Measurement]:
    return [m for m in outcome.measurements if m.average is not None and m.value is not None]


def tampered(record: Record, average: Average) -> Record:
    """The record with another number or outcome than the one that was read."""
    if average.score is not None:
        score = record.scores[average.score]
        return record.model_copy(update={"scores": {**record.scores, average.score: (score or 0.0) + 1.0}})
    other = "another" if record.outcome in average.outcomes else average.outcomes[0]
    return record.model_copy(update={"outcome": other})


@pytest.mark.parametrize(("name", "metric"), SLICED)
def test_slices_share_out_the_whole(name: str, metric: str) -> None:
    found = [m for m in outcome_of(name).measurements if base_name(m) == f"{name}.{metric}"]
    whole = [m for m in found if m.slice is None]
    assert len(whole) == 1
    # "axis" and "axis: group" are two ways to cut; each shares out the whole.
    for within in {": " in (m.slice or "") for m in found if m.slice is not None}:
        slices = [m for m in found if m.slice is not None and (": " in m.slice) == within]
        assert len(slices) > 1
        assert sum(m.coverage.planned for m in slices) == whole[0].coverage.planned
        assert sum(m.n for m in slices) == whole[0].n
        assert sum(m.n * (m.value or 0) for m in slices) == pytest.approx(whole[0].n * (whole[0].value or 0))


@every_probe
class TestTheSameAgain:
    def test_the_same_seed_gives_the_same_bytes(self, name: str) -> None:
        again = run_probe(PROBES[name], ScriptedModel(), 30)
        assert dumped(again) == dumped(outcome_of(name, limit=30))

    def test_another_seed_gives_another_sample(self, name: str) -> None:
        if {Capability.TABULATE, Capability.FILES, Capability.TIME} & PROBES[name].capabilities:
            pytest.skip("its items are the table, the files or the speed of the model: nothing is drawn")
        beside = CONTRACTS[name].beside
        of_items = {i["id"] for i in PROBES[name]().items(DATA)}
        samples = [
            {r.item for r in outcome_of(name, limit=10, seed=seed).records if r.item in of_items or not beside(r)}
            for seed in range(2)
        ]
        assert samples[0] != samples[1]
        assert {len(s) for s in samples} == {10}

    def test_a_longer_audit_holds_the_records_of_a_shorter_one(self, name: str) -> None:
        """Apart from ``detail``: which examples are shown depends on what else there is."""
        apart = {"detail": {}, "outcome": None, "concern": 0.0, **({"scores": {}} if CONTRACTS[name].learnt else {})}
        short, long = (
            {r.id: r.model_copy(update=apart) for r in outcome.records}
            for outcome in (outcome_of(name, limit=10), outcome_of(name, limit=30))
        )
        common = set(short) & set(long)
        assert len(common) >= len(short) // 2
        assert all(short[i] == long[i] for i in common)

    def test_the_choice_of_other_probes_does_not_change_the_result(self, name: str) -> None:
        """What a probe follows may add records in front; nothing else may matter."""
        kind = PROBES[name]
        # The engine gives a probe the outcomes of those that it follows, and of no others.
        earlier = {other: outcome_of(other, limit=10) for other in sorted(PROBES) if kind.comes_after(other)}
        alone = outcome_of(name, limit=10)
        following = run_probe(kind, ScriptedModel(), 10, earlier=earlier)
        own = {r.id: r for r in following.records}
        for record in alone.records:
            found = own[record.id]
            assert (found.scores, found.status, found.input) == (record.scores, record.status, record.input)

    def test_requests_depend_on_the_answers_alone(self, name: str) -> None:
        probe, context = PROBES[name](), context_of(PROBES[name])
        items = probe.items(DATA)[:6]
        first, second = (list(probe.requests(items, context, {})) for _ in range(2))
        assert first == second
        assert first
        assert all(r.needs in probe.capabilities for r in first)


@every_probe
class TestWhatItFinds:
    @pytest.mark.parametrize("model", MODELS)
    @pytest.mark.parametrize("limit", [2, 60])
    def test_findings(self, name: str, model: str, limit: int) -> None:
        outcome = outcome_of(name, model, limit)
        names = {m.metric for m in outcome.measurements}
        assert outcome.findings
        assert len({f.id for f in outcome.findings}) == len(outcome.findings)
        ids = {r.id for r in outcome.records}
        for f in outcome.findings:
            assert f.id.startswith(f"{name}.")
            assert (f.probe, f.risk) == (name, PROBES[name].risk)
            assert f.measurements
            assert set(f.measurements) <= names
            assert set(f.records) <= ids
            assert not re.search(r"[{}]|None|nan\b", f.text), f.text
            assert f.text[0].isupper()
            assert f.text.rstrip().endswith((".", ".)"))
            assert f.advice.strip()
            assert (f.severity == "none") == (f.outlook != "problem_found")

    def test_a_model_that_fails_is_not_judged(self, name: str) -> None:
        outcome = outcome_of(name, "failing")
        assert {f.outlook for f in outcome.findings} <= {"not_tested", "unclear"}
        for m in outcome.measurements:
            if m.metric in OF_THE_AUDIT:
                continue
            assert m.value is None, m.metric
            assert m.reason
            assert m.coverage.scored == 0
            assert m.coverage.failed == m.coverage.planned
        assert {r.status for r in outcome.records} == {"failed"}
        assert all(r.concern == 0 and r.outcome is None for r in outcome.records)

    @pytest.mark.parametrize("status", ["truncated", "not_a_number", "refused"])
    def test_why_there_is_no_answer_is_counted(self, name: str, status: str) -> None:
        model = FailingModel()
        model.failure = Failure(status, "For a reason.")  # type: ignore[arg-type]
        outcome = run_probe(PROBES[name], model, 12)
        for m in outcome.measurements:
            if m.metric not in OF_THE_AUDIT:
                assert getattr(m.coverage, status) == m.coverage.planned, m.metric

    def test_an_answer_here_and_there_is_measured_on_what_came(self, name: str) -> None:
        outcome = run_probe(PROBES[name], Flaky(), 40)
        for m in outcome.measurements:
            if m.value is not None and base_name(m) not in OTHER_UNITS:
                assert m.n == m.coverage.scored
        statuses = {r.status for r in outcome.records}
        # What an answer that came does not settle is unparsed.
        assert statuses - {"unparsed"} == ({"scored"} if CONTRACTS[name].aggregate else {"scored", "failed"})

    @pytest.mark.parametrize("model", ["failing", "not a number", "constant"])
    def test_nothing_is_right_for_nothing(self, name: str, model: str) -> None:
        outcome = outcome_of(name, model)
        assert not [r.id for r in outcome.records if r.outcome in ("right", "kept", "better than random")]
        for m in outcome.measurements:
            if base_name(m).removeprefix(f"{name}.") in CONTRACTS[name].rightness:
                assert not m.value, m.metric


class Flaky(FailingModel):
    """Answers two requests of three."""

    def __init__(self) -> None:
        super().__init__()
        self._sound = ScriptedModel()

    def _some(self, requests, found):  # type: ignore[no-untyped-def]
        return [self.failure if int(r.key[:4], 16) % 3 == 0 else f for r, f in zip(requests, found, strict=True)]

    def score(self, requests):  # type: ignore[no-untyped-def]
        return self._some(requests, self._sound.score(requests))

    def score_tokens(self, requests):  # type: ignore[no-untyped-def]
        return self._some(requests, self._sound.score_tokens(requests))

    def generate(self, requests):  # type: ignore[no-untyped-def]
        return self._some(requests, self._sound.generate(requests))

    def attend(self, requests):  # type: ignore[no-untyped-def]
        return self._some(requests, self._sound.attend(requests))

    def classify(self, requests):  # type: ignore[no-untyped-def]
        return self._some(requests, self._sound.classify(requests))

    def attribute(self, requests):  # type: ignore[no-untyped-def]
        return self._some(requests, self._sound.attribute(requests))

    def ablate(self, requests):  # type: ignore[no-untyped-def]
        return self._some(requests, self._sound.ablate(requests))

    def embed(self, requests):  # type: ignore[no-untyped-def]
        return self._some(requests, self._sound.embed(requests))

    def states(self, requests):  # type: ignore[no-untyped-def]
        return self._some(requests, self._sound.states(requests))

    def lens(self, requests):  # type: ignore[no-untyped-def]
        return self._some(requests, self._sound.lens(requests))

    def patch(self, requests):  # type: ignore[no-untyped-def]
        return self._some(requests, self._sound.patch(requests))

    def time(self, requests):  # type: ignore[no-untyped-def]
        return self._some(requests, self._sound.time(requests))

    def inspect(self, requests):  # type: ignore[no-untyped-def]
        return self._sound.inspect(requests)

    def tabulate(self, requests):  # type: ignore[no-untyped-def]
        """A table without predictions, so that the classifier is asked about each case."""
        texts = tuple(f"case {i}" for i in range(240))
        table = even_table()
        truth = tuple("yes" if t == "1" else "no" for t in table.truth)
        return [replace(table, truth=truth, predicted=(), score=(), texts=texts, positive="yes") for _ in requests]


def test_all_is_every_capability_a_probe_may_need() -> None:
    """But an encoder's attention apart from a decoder's: other probes would take the scripted model for such a pair."""
    assert frozenset().union(*(p.capabilities for p in PROBES.values())) <= ALL | {Capability.CROSS_ATTENTION}


def test_probe_classes_are_probes() -> None:
    assert all(issubclass(p, Probe) for p in PROBES.values())
