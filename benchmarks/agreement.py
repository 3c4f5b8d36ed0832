"""Probes against lm_eval on the same weights and items: every log-likelihood, and every number of both.

    python benchmarks/agreement.py --data DIR [--limit N] [--tasks NAME ...] [--json FILE]

On our side the probes themselves: their items, requests and measurements. On the other lm_eval's own task definitions,
model class and metrics. Exit status 1 where they do not agree. lm_eval is installed into an environment of its own in
the user's cache.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this folder's audit.py is not the package

from audit.corpora import Item, draw
from audit.models import Capability, Request, Response, Score, Scored
from audit.models.causal import CausalModel
from audit.models.source import resolve
from benchmarks import _items
from benchmarks._shared import DEMO, LM_EVAL, ask, enter, machine, open_causal, show, write_json
from benchmarks.likelihood import Pair, Result, agreement
from probes.base import Context, Outcome, Probe, derived_seed
from probes.bias.bbq import BBQ
from probes.bias.crows_pairs import CrowsPairs
from probes.bias.winogender import Winogender
from probes.bias.winogender_items import GENDERS, pronoun_of
from probes.hallucination.truthfulqa import TruthfulQA

Rows = list[dict[str, Any]]
ROUNDING = 1e-9  # of sums in another order; one decision more or less shows in any set used here
OF_LIKELIHOODS = ("nats", "probability")  # units of numbers that move with the log-likelihoods, and not in steps


@dataclass(frozen=True)
class Task:
    """One of lm_eval's tasks with the numbers of the probe that should equal its own.

    Args:
        kind: which of lm_eval's definitions.
        rows: the probe's items in the columns of that definition.
        numbers: names of lm_eval's metrics and of ours.
        options: of the probe, for these numbers.
    """

    kind: str
    rows: Callable[[Sequence[Item], Path], Rows]
    numbers: Mapping[str, str]
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """A probe with lm_eval's tasks for its items; ``each`` of our items is so many of lm_eval's."""

    probe: type[Probe]
    tasks: tuple[Task, ...]
    each: int = 1


def crows_rows(items: Sequence[Item], data: Path) -> Rows:
    """Pairs in the columns of lm_eval's crows_pairs."""
    return [{"sent_more": i["more"], "sent_less": i["less"], "bias_type": i["bias_type"]} for i in items]


def bbq_rows(items: Sequence[Item], data: Path) -> Rows:
    """Questions as the authors give them out."""
    whole = _items.bbq_by_id(data)
    return [whole[str(item["id"])] for item in items]


def winogender_rows(items: Sequence[Item], data: Path) -> Rows:
    """Sentences in the columns of the hub's data set, which lm_eval reads."""
    return [_sentence(item, gender) for item in items for gender in GENDERS]


def gotcha_rows(items: Sequence[Item], data: Path) -> Rows:
    """The sentences that the paper calls gotchas (Rudinger et al. 2018, table 2)."""
    found = []
    for item in items:
        likely = "female" if item["percent_female"] >= 50 else "male"
        unlikely = "male" if likely == "female" else "female"
        found.append(_sentence(item, unlikely if item["answer"] == 0 else likely))
    return found


def _sentence(item: Item, gender: str) -> dict[str, Any]:
    sentence = item["sentences"][gender]
    answers = [item["occupation"], item["participant"]]
    return {
        "sentid": f"{item['id']}.{gender}",
        "sentence": sentence,
        "pronoun": pronoun_of(sentence, gender),
        "occupation": answers[0],
        "participant": answers[1],
        "gender": gender,
        "target": answers[item["answer"]],
        "label": item["answer"],
    }


def truthfulqa_rows(items: Sequence[Item], data: Path) -> Rows:
    """Questions in the columns of the hub's data set, which lm_eval reads."""
    return [
        {
            "question": item["question"],
            "mc1_targets": _targets([item["best"]], item["wrong"]),
            "mc2_targets": _targets(item["true"], item["false"]),
        }
        for item in items
    ]


def _targets(true: Sequence[str], false: Sequence[str]) -> dict[str, Any]:
    return {"choices": [*true, *false], "labels": [1] * len(true) + [0] * len(false)}


_BBQ_NUMBERS = {
    "acc": "accuracy_lm_eval",
    "accuracy_amb": "accuracy_lm_eval[ambiguous]",
    "accuracy_disamb": "accuracy_lm_eval[disambiguated]",
    "amb_bias_score": "ambiguous_bias_lm_eval",
    "disamb_bias_score": "disambiguated_bias_lm_eval",
}
CASES = {
    "crows_pairs": Case(
        CrowsPairs,
        (
            Task(
                "crows_pairs",
                crows_rows,
                {"pct_stereotype": "pct_stereotype", "likelihood_diff": "likelihood_difference"},
                {},
            ),
        ),
    ),
    "bbq": Case(
        BBQ,
        (
            Task("bbq_twelve", bbq_rows, _BBQ_NUMBERS, {"lm_eval_options": True}),
            Task("bbq", bbq_rows, {"acc": "accuracy_lm_eval"}, {}),
        ),
    ),
    "winogender": Case(
        Winogender,
        (
            Task("winogender", winogender_rows, {"acc": "accuracy"}, {}),
            *(Task(f"winogender_{g}", winogender_rows, {"acc": f"accuracy[{g}]"}, {}) for g in GENDERS),
            Task("winogender_gotcha", gotcha_rows, {"acc": "gotcha"}, {}),
        ),
        each=len(GENDERS),
    ),
    "truthfulqa": Case(
        TruthfulQA,
        (
            Task("truthfulqa_mc1", truthfulqa_rows, {"acc": "mc1"}, {}),
            Task("truthfulqa_mc2", truthfulqa_rows, {"acc": "mc2"}, {}),
        ),
    ),
}


def context_of(case: Case, task: Task, capabilities: frozenset[Capability]) -> Context:
    """What an audit with seed 0 would give the probe."""
    options = case.probe.options.model_validate(dict(task.options))
    return Context(derived_seed(0, case.probe.id), 0.95, options, capabilities=capabilities)


def drawn(case: Case, data: Path, limit: int | None) -> list[Item]:
    """The probe's items, as an audit with that limit draws them."""
    probe = case.probe()
    items = probe.load(data, case.probe.options())
    count = None if limit is None else max(1, limit // case.each)
    return draw(items, count, derived_seed(0, case.probe.id), case.probe.stratum)


def asked(case: Case, items: Sequence[Item], capabilities: frozenset[Capability]) -> list[Request]:
    """All that the probe asks for any of the tasks."""
    probe = case.probe()
    found = (probe.requests(items, context_of(case, task, capabilities), {}) for task in case.tasks)
    return list(dict.fromkeys(request for requests in found for request in requests))


def results_of(answers: Mapping[Request, Response], pairs: Sequence[Pair]) -> list[Result]:
    """Our log-likelihoods for lm_eval's requests, from what the probe asked.

    Raises:
        SystemExit: where the probe did not ask this very text, or got no score: then there is nothing to compare.
    """
    found = []
    for prompt, continuation in pairs:
        answer = answers.get(Score(prompt, continuation))
        if not isinstance(answer, Scored):
            raise SystemExit(f"The probe has no score of what lm_eval asks: {(prompt, continuation)!r}")
        found.append((answer.logprob, answer.greedy))
    return found


def with_categories(numbers: Mapping[str, str], theirs: Mapping[str, float]) -> dict[str, str]:
    """The names with those of BBQ's categories among lm_eval's numbers: ``amb_bias_score_Age`` is ours ``[Age]``."""
    found = dict(numbers)
    for name in theirs:
        head, mark, category = name.partition("_bias_score_")
        whole = numbers.get(f"{head}_bias_score")
        if mark and whole is not None and not math.isnan(theirs[name]):
            found[name] = f"{whole}[{category}]"
    return found


def compared(
    numbers: Mapping[str, str],
    outcome: Outcome,
    theirs: Mapping[str, float],
    theirs_on_ours: Mapping[str, float],
    tolerance: float,
) -> list[dict[str, Any]]:
    """Our numbers beside lm_eval's: equal on our log-likelihoods, and on its own but for those' differences.

    Args:
        numbers: names of lm_eval's metrics and of ours.
        outcome: of the probe.
        theirs: lm_eval's metrics of its own log-likelihoods.
        theirs_on_ours: lm_eval's metrics of ours.
        tolerance: how far a mean of log-likelihoods, or of shares of probability, may differ; numbers that count decisions
            may not differ at all.
    """
    ours = {m.metric.removeprefix(f"{m.probe}."): m for m in outcome.measurements}
    rows = []
    for name, our_name in numbers.items():
        m = ours[our_name]
        slack = tolerance if m.unit in OF_LIKELIHOODS else ROUNDING
        value = math.nan if m.value is None else m.value
        equal = abs(value - theirs_on_ours[name]) <= ROUNDING and abs(value - theirs[name]) <= slack
        rows.append({"lm_eval": name, "metric": m.metric, "theirs": theirs[name], "ours": m.value, "equal": equal})
    return rows


def run(case: Case, arguments: argparse.Namespace, model: CausalModel, peer: Any, folder: Path) -> dict[str, Any]:
    """One probe with its tasks: how far log-likelihoods differ, and all numbers."""
    items = drawn(case, arguments.data, arguments.limit)
    answers = ask(model, asked(case, items, model.capabilities))
    built = [_peer().build(task.kind, task.kind, task.rows(items, arguments.data), folder) for task in case.tasks]
    scored: dict[Pair, Result] = {}  # lm_eval is slow: the same text in two of its tasks is scored once
    for task in built:
        new = {pair: instance for pair, instance in zip(task.pairs, task.instances, strict=True) if pair not in scored}
        found = _peer().score(peer, list(new.values()), arguments.lm_eval_batch)
        scored |= dict(zip(new, found, strict=True))
    mine = results_of(answers, list(scored))
    likelihoods = agreement(mine, list(scored.values()))
    numbers = []
    for task, theirs in zip(case.tasks, built, strict=True):
        outcome = case.probe().measure(items, context_of(case, task, model.capabilities), answers)
        expected = theirs.scores([scored[pair] for pair in theirs.pairs])
        on_ours = theirs.scores(results_of(answers, theirs.pairs))
        names = with_categories(task.numbers, expected)
        found_rows = compared(names, outcome, expected, on_ours, 2 * likelihoods["max_difference"])
        numbers += [{"task": task.kind, **row} for row in found_rows]
    return {"items": len(items), "requests": len(scored), **likelihoods, "numbers": numbers}


def holds(row: Mapping[str, Any]) -> bool:
    """Whether all log-likelihoods of a case are within the tolerance and all its numbers equal."""
    return bool(row["within_tolerance"] and all(number["equal"] for number in row["numbers"]))


def _peer() -> Any:
    """lm_eval is there only once the environment is entered."""
    from benchmarks import _lm_eval

    return _lm_eval


def tell(rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Two tables: log-likelihoods, and numbers."""
    columns = ("items", "requests", "max_difference", "within_tolerance")
    show(["probe", *columns], [[name, *(row[c] for c in columns)] for name, row in rows.items()])
    columns = ("lm_eval", "metric", "theirs", "ours", "equal")
    headers = ["task", "its metric", "our metric", "lm_eval", "ours", "equal"]
    show(headers, [[n["task"], *(n[c] for c in columns)] for row in rows.values() for n in row["numbers"]])


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the published files")
    parser.add_argument("--limit", type=int, default=120, help="items of lm_eval's in each task; 0 for all")
    parser.add_argument("--tasks", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--model", default=DEMO)
    parser.add_argument("--lm-eval-batch", type=int, default=8)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args(words)
    if arguments.limit < 0 or arguments.lm_eval_batch < 1:
        parser.error("--limit is at least 0 and --lm-eval-batch at least 1")
    arguments.limit = arguments.limit or None
    return arguments


def main(words: Sequence[str] | None = None) -> int:
    """Compare, print the tables, write the JSON file; 0 where all agrees and 1 where something does not."""
    arguments = parse(words)
    enter(LM_EVAL)
    print(machine())
    model = open_causal(arguments.model)
    peer = _peer().open_model(resolve(arguments.model, None).folder, "float32")
    rows: dict[str, dict[str, Any]] = {}
    for name in arguments.tasks:
        with tempfile.TemporaryDirectory() as folder:
            rows[name] = run(CASES[name], arguments, model, peer, Path(folder))
        print(f"{name}: {'agrees' if holds(rows[name]) else 'DOES NOT AGREE'}", file=sys.stderr, flush=True)
    tell(rows)
    agrees = all(map(holds, rows.values()))
    print("All agrees." if agrees else "Something does not agree.")
    write_json(arguments.json, {"limit": arguments.limit, "probes": rows, "agrees": agrees})
    return 0 if agrees else 1


if __name__ == "__main__":
    raise SystemExit(main())
