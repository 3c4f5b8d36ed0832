"""Log-likelihood tasks: seconds of this product against lm_eval on the same weights and the very same requests.

    python benchmarks/likelihood.py --data DIR [--limit N] [--rounds 3] [--tasks NAME ...] [--json FILE]

Both run in one process, taking turns. lm_eval builds the requests from its own task definitions and gets its best
batch size. A time is what the scoring call takes, tokenisation included, after a short warm-up; a ratio is the median
over rounds. lm_eval is installed into an environment of its own in the user's cache.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this folder's audit.py is not the package

import torch

from audit.models import Score, Scored
from audit.models.causal import CausalModel
from audit.models.source import resolve
from benchmarks import _items
from benchmarks._shared import (
    DEMO,
    LM_EVAL,
    ask,
    enter,
    geometric_mean,
    machine,
    median_ratio,
    open_causal,
    show,
    timed,
    write_json,
)
from benchmarks._work import Cost, Work, cost_of, gemm_rates, work_of

Pair = tuple[str, str]
Result = tuple[float, bool]
WARM_UP = 4  # requests
ABSOLUTE, RELATIVE = 1e-3, 3e-5  # float32 sums in another order: of sentences of 80 nats, the last digits differ


@dataclass(frozen=True)
class Plan:
    """A task: lm_eval's definition, how many items, and lm_eval's fastest batch size on processors."""

    kind: str
    items: int
    batch: int
    consecutive: bool = False


TASKS = {
    "crows_pairs": Plan("crows_pairs", 120, 8),
    "truthfulqa_mc1": Plan("truthfulqa_mc1", 16, 1),
    "truthfulqa_mc2": Plan("truthfulqa_mc2", 16, 1),
    "bbq_random": Plan("bbq", 36, 8),
    "bbq_consecutive": Plan("bbq", 48, 8, consecutive=True),
}
TOGETHER = ("truthfulqa_mc1", "truthfulqa_mc2")


def rows_of(plan: Plan, data: Path, count: int | None) -> list[dict[str, Any]]:
    """The documents of a task."""
    if plan.kind == "crows_pairs":
        return _items.crows_pairs(data, count)
    if plan.kind == "bbq":
        return _items.bbq(data, count, plan.consecutive)
    return _items.truthfulqa(data, count)


def ours(model: CausalModel, pairs: Sequence[Pair]) -> list[Result]:
    """Log-likelihoods and greedy flags, asked for as an audit does.

    Raises:
        SystemExit: where one could not be scored: a time without it would be of less work.
    """
    requests = [Score(prompt, continuation) for prompt, continuation in pairs]
    found = ask(model, requests)
    results = []
    for request in requests:
        response = found[request]
        if not isinstance(response, Scored):
            raise SystemExit(f"A request was not scored: {response}")
        results.append((response.logprob, response.greedy))
    return results


def work(model: CausalModel, pairs: Sequence[Pair]) -> Work:
    """The least that these requests need."""
    return work_of(model.encoder.pair(prompt, continuation) for prompt, continuation in pairs)


def agreement(a: Sequence[Result], b: Sequence[Result]) -> dict[str, Any]:
    """The largest difference of log-likelihoods in nats, whether all are within the tolerance, and greedy flags."""
    differences = [abs(x - y) for (x, _), (y, _) in zip(a, b, strict=True)]
    return {
        "max_difference": max(differences, default=0.0),
        "within_tolerance": all(
            d <= ABSOLUTE + RELATIVE * abs(y)
            for d, (_, (y, _)) in zip(differences, zip(a, b, strict=True), strict=True)
        ),
        "equal_greedy": all(x == y for (_, x), (_, y) in zip(a, b, strict=True)),
    }


def equal_scores(a: dict[str, float], b: dict[str, float]) -> bool:
    """Whether two sets of metrics are equal to four figures; one decision more or less shows in any set used here."""
    return a.keys() == b.keys() and all(math.isclose(a[m], b[m], rel_tol=1e-4, abs_tol=1e-9) for m in a)


def speed(seconds: float, done: Work, cost: Cost, rate: float) -> dict[str, Any]:
    """Counts, the floor in seconds at this rate, and our share of the rate in useful operations."""
    floor = cost.of(done) / rate
    return {
        "tokens": done.tokens,
        "unique_tokens": done.unique,
        "scored_rows": done.heads,
        "floor_seconds": floor,
        "utilisation": floor / seconds,
    }


class Contest:
    """Both contenders with their times."""

    def __init__(self, arguments: argparse.Namespace, folder: Path) -> None:
        self.arguments = arguments
        self.model = open_causal(arguments.model, arguments.dtype)
        self.cost = cost_of(folder)
        rates = gemm_rates(folder, getattr(torch, arguments.dtype))
        self.rate = max(rates.values())
        print("matrix products: " + ", ".join(f"{name} {rate / 1e9:,.0f} GFLOP/s" for name, rate in rates.items()))
        print(f"body {self.cost.body / 1e6:.1f} MFLOP a token, head {self.cost.head / 1e6:.1f} MFLOP a scored row")
        self.peer = None if arguments.ours_only else _peer().open_model(folder, arguments.dtype)

    def run(self, tasks: Sequence[Any], batch: int) -> dict[str, Any]:
        """One row: the tasks' requests together on our side, one task after another on lm_eval's."""
        pairs = [pair for task in tasks for pair in task.pairs]
        ours(self.model, pairs[:WARM_UP])
        if self.peer is not None:
            _peer().score(self.peer, tasks[0].instances[:WARM_UP], batch)
        mine: list[float] = []
        theirs: list[float] = []
        found: list[Result] = []
        expected: list[Result] = []
        for _ in range(self.arguments.rounds):
            if self.peer is not None:
                seconds, expected = timed(
                    lambda: [r for task in tasks for r in _peer().score(self.peer, task.instances, batch)]
                )
                theirs.append(seconds)
            seconds, found = timed(lambda: ours(self.model, pairs))
            mine.append(seconds)
        scores = _scores(tasks, found)
        row: dict[str, Any] = {"requests": len(pairs), "seconds_ours": statistics.median(mine), "scores": scores}
        if theirs:
            row |= {"seconds_lm_eval": statistics.median(theirs), "ratio": median_ratio(theirs, mine)}
            row |= {"scores_lm_eval": _scores(tasks, expected), **agreement(found, expected)}
            row |= {"equal_scores": equal_scores(scores, row["scores_lm_eval"]), "lm_eval_batch": batch}
            row["rounds"] = {"ours": mine, "lm_eval": theirs}
        return row | speed(row["seconds_ours"], work(self.model, pairs), self.cost, self.rate)


def _scores(tasks: Sequence[Any], results: Sequence[Result]) -> dict[str, float]:
    scores, start = {}, 0
    for task in tasks:
        part = results[start : start + len(task.pairs)]
        scores |= {f"{task.name}.{metric}": value for metric, value in task.scores(part).items()}
        start += len(task.pairs)
    return scores


def _peer() -> Any:
    """lm_eval is there only once the environment is entered."""
    from benchmarks import _lm_eval

    return _lm_eval


def tell(rows: dict[str, dict[str, Any]]) -> None:
    """Times, agreement and work, a table each."""
    times = ("requests", "seconds_lm_eval", "seconds_ours", "ratio", "max_difference")
    checks = ("within_tolerance", "equal_greedy", "equal_scores")
    show(["task", *times, *checks], [[name, *(row.get(c) for c in (*times, *checks))] for name, row in rows.items()])
    counts = ("tokens", "unique_tokens", "scored_rows", "floor_seconds", "utilisation")
    show(["task", *counts], [[name, *(row[c] for c in counts)] for name, row in rows.items()])
    pairs = [(m, v, row.get("scores_lm_eval", {}).get(m)) for row in rows.values() for m, v in row["scores"].items()]
    show(["score", "ours", "lm_eval"], list(dict.fromkeys(pairs)))


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the published files")
    parser.add_argument("--limit", type=int, help="items in each task; 0 for all; some dozens by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", nargs="+", choices=[*TASKS, "together"], default=[*TASKS, "together"])
    parser.add_argument("--model", default=DEMO)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"], help="of both contenders")
    parser.add_argument(
        "--lm-eval-batch", type=int, help="in place of the best sizes: 8 for sentences, 1 for TruthfulQA"
    )
    parser.add_argument("--ours-only", action="store_true", help="do not run lm_eval: for whole sets")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args(words)
    if arguments.rounds < 1 or (arguments.limit is not None and arguments.limit < 0):
        parser.error("--rounds is at least 1 and --limit at least 0")
    return arguments


def main(words: Sequence[str] | None = None) -> None:
    """Run, print the tables, write the JSON file."""
    arguments = parse(words)
    enter(LM_EVAL)
    print(machine())
    contest = Contest(arguments, resolve(arguments.model, None).folder)
    rows: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        built = {}
        for name, plan in TASKS.items():
            if name in arguments.tasks or ("together" in arguments.tasks and name in TOGETHER):
                count = plan.items if arguments.limit is None else arguments.limit or None
                built[name] = _peer().build(name, plan.kind, rows_of(plan, arguments.data, count), Path(folder))
        for name in arguments.tasks:
            tasks = [built[t] for t in (TOGETHER if name == "together" else (name,))]
            batch = arguments.lm_eval_batch or TASKS[tasks[0].name].batch
            label = "truthfulqa_mc1+mc2" if name == "together" else name
            rows[label] = contest.run(tasks, batch)
            print(f"{label}: {rows[label].get('ratio', 'done')}", file=sys.stderr, flush=True)
    tell(rows)
    mean = geometric_mean([rows[name]["ratio"] for name in TASKS if "ratio" in rows.get(name, {})])
    if mean is not None:
        print(f"geometric mean of the ratios of single tasks: {mean:.2f}")
    write_json(arguments.json, {"dtype": arguments.dtype, "tasks": rows, "geometric_mean": mean})


if __name__ == "__main__":
    main()
