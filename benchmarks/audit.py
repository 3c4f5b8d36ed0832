"""Wall time and peak memory of whole audits of the demo model, each in a process and a cache of its own.

    python benchmarks/audit.py [--config FILE] [--runs N] [--json FILE]

The first run of each pair starts with an empty response cache, the second repeats it from the cache. The converted
weights are shared, so that the figures are of the audit and not of the conversion.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # else `import audit` would find this very file

from audit.models.place import cache_folder


def audit(config: Path, cache: Path, output: Path) -> dict[str, float]:
    """Run one audit in a process of its own."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "audit.cli", "run", str(config), "--output", str(output), "--quiet"]
    done = subprocess.run(command, env={**os.environ, "FAIRWITNESS_CACHE": str(cache)}, check=False)
    seconds = time.perf_counter() - start
    if done.returncode not in (0, 1, 4):
        raise SystemExit(f"the audit ended with status {done.returncode}")
    manifest = json.loads((output / "manifest.json").read_text(encoding="utf-8"))
    return {
        "wall_seconds": round(seconds, 1),
        "audit_seconds": manifest["timings"]["audit"],
        "open_seconds": manifest["timings"]["open_model"],
        "peak_memory_mb": round(manifest["cost"]["peak_memory_bytes"] / 2**20),
        "computed": manifest["cost"]["computed"],
        "card_kb": round((output / "card.html").stat().st_size / 1024),
        "report_kb": round((output / "report.html").stat().st_size / 1024),
    }


def main() -> None:
    """Print a table and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=Path("examples/smollm2.yaml"))
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    runs: dict[str, list[dict[str, float]]] = {"cold": [], "warm": []}
    for _ in range(arguments.runs):
        with tempfile.TemporaryDirectory() as folder:
            cache = Path(folder) / "cache"
            (cache).mkdir()
            converted = cache_folder() / "models"
            if converted.is_dir():
                shutil.copytree(converted, cache / "models", copy_function=os.link)
            for name in ("cold", "warm"):
                runs[name].append(audit(arguments.config, cache, Path(folder) / name))
    medians = {
        name: {key: statistics.median(run[key] for run in found) for key in found[0]} for name, found in runs.items()
    }
    for key in medians["cold"]:
        print(f"{key:16} cold {medians['cold'][key]:10} warm {medians['warm'][key]:10}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"runs": arguments.runs, "medians": medians}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
