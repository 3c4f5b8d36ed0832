"""Time and peak memory of scoring against the number of items, the length of contexts and the number of choices.

    python benchmarks/scaling.py [--items 25 50 100 200] [--context 32 ...] [--choices 2 ...] [--json FILE]

Each point is a process of its own, so that its peak memory is its own. Items are made of random words: no context
begins like another, so that nothing but the choices of one item is shared. Time should be linear in unique tokens.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this folder's audit.py is not the package

from audit.models import Score
from benchmarks._shared import DEMO, ask, line_fit, machine, open_causal, show, timed, write_json
from benchmarks._work import work_of

USUAL = {"items": 50, "context": 64, "choices": 4}
CHOICE_WORDS = 4
_WORDS = (
    "river stone garden market window letter morning winter engine paper bridge island silver teacher forest kitchen "
    "journey harbour mountain village history question weather picture summer station evening music doctor money "
    "animal bottle castle dinner farmer guitar hammer ladder mirror needle orange pencil rabbit saddle ticket valley"
)


def pairs_of(items: int, context: int, choices: int, seed: int = 0) -> list[tuple[str, str]]:
    """(context, continuation) of random words; ``context`` counts words, which are about as many tokens."""
    stream, words = random.Random(seed), _WORDS.split()
    pairs = []
    for number in range(items):
        text = f"{number} " + " ".join(stream.choices(words, k=context))
        pairs += [(text, " " + " ".join(stream.choices(words, k=CHOICE_WORDS))) for _ in range(choices)]
    return pairs


def measure(source: str, point: dict[str, int], rounds: int) -> dict[str, Any]:
    """Seconds (median), unique tokens and memory of one point, in this process."""
    model = open_causal(source)
    ask(model, [Score(*pair) for pair in pairs_of(2, 16, 2, seed=1)])
    before = _peak()
    pairs = pairs_of(**point)
    seconds = [timed(lambda: ask(model, [Score(*pair) for pair in pairs]))[0] for _ in range(rounds)]
    found = work_of(model.encoder.pair(*pair) for pair in pairs)
    return {
        **point,
        "requests": len(pairs),
        "unique_tokens": found.unique,
        "seconds": statistics.median(seconds),
        "opened_mb": before,
        "peak_mb": _peak(),
    }


def _peak() -> float:
    """Megabytes of memory at most so far."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)


def points_of(arguments: argparse.Namespace) -> list[tuple[str, dict[str, int]]]:
    """What varies, and the point."""
    lists = {name: getattr(arguments, name) for name in USUAL}
    return [(name, {**USUAL, name: value}) for name, values in lists.items() for value in values]


def run(arguments: argparse.Namespace, point: dict[str, int]) -> dict[str, Any]:
    """One point in a process of its own."""
    words = ["--model", arguments.model, "--rounds", str(arguments.rounds), "--point", json.dumps(point)]
    done = subprocess.run([sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"The point {point} ended with status {done.returncode}.")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def fits(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Lines of seconds and of memory over unique tokens, for what varies and for all points."""
    found: dict[str, dict[str, float | None]] = {}
    for name in [*USUAL, "all"]:
        part = [row for row in rows if name in (row["varies"], "all")]
        tokens = [float(row["unique_tokens"]) for row in part]
        if len(set(tokens)) < 2:
            continue
        slope, start, r2 = line_fit(tokens, [row["seconds"] for row in part])
        memory, _, _ = line_fit(tokens, [row["peak_mb"] - row["opened_mb"] for row in part])
        found[name] = {
            "milliseconds_per_token": 1000 * slope,
            "seconds_at_zero": start,
            "r2": r2,
            "kilobytes_per_token": 1024 * memory,
        }
    return found


def main(words: Sequence[str] | None = None) -> None:
    """Print the tables and write the JSON file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--items", type=int, nargs="+", default=[25, 50, 100, 200, 400])
    parser.add_argument("--context", type=int, nargs="+", default=[16, 64, 128, 256, 512], help="words")
    parser.add_argument("--choices", type=int, nargs="+", default=[2, 4, 8, 16, 32])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--model", default=DEMO)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--point", help=argparse.SUPPRESS)
    arguments = parser.parse_args(words)
    if min(arguments.rounds, *arguments.items, *arguments.context, *arguments.choices) < 1:
        parser.error("every number is at least 1")
    if arguments.point:
        print(json.dumps(measure(arguments.model, json.loads(arguments.point), arguments.rounds)))
        return
    print(machine())
    rows = [{"varies": name, **run(arguments, point)} for name, point in points_of(arguments)]
    show(list(rows[0]), [list(row.values()) for row in rows])
    lines = fits(rows)
    for name, fit in lines.items():
        print(f"seconds over unique tokens, {name}:")
        show(list(fit), [list(fit.values())])
    write_json(arguments.json, {"points": rows, "fits": lines})


if __name__ == "__main__":
    main()
