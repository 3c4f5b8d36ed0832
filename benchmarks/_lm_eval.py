"""lm_eval as a user runs it: its own task definitions on local files, its own model class, its own metrics."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lm_eval
import yaml
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

Result = tuple[float, bool]
_OWN = Path(lm_eval.__file__).parent / "tasks"
_ACCURACY = [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}]
# What differs from lm_eval's definition. Its BBQ offers twelve answers, ten of them wordings of "unknown"; "bbq" the
# three of the paper.
_CHANGES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "crows_pairs": ("crows_pairs/crows_pairs_english.yaml", "test", {}),
    "truthfulqa_mc1": ("truthfulqa/truthfulqa_mc1.yaml", "validation", {}),
    "truthfulqa_mc2": ("truthfulqa/truthfulqa_mc2.yaml", "validation", {}),
    "bbq": (
        "bbq/bbq_multiple_choice.yaml",
        "test",
        {
            "process_docs": None,
            "process_results": None,
            "doc_to_choice": "{{[ans0, ans1, ans2]}}",
            "doc_to_target": "label",
            "metric_list": _ACCURACY,
        },
    ),
    "bbq_twelve": ("bbq/bbq_multiple_choice.yaml", "test", {}),
    "winogender": ("winogender/winogender.yaml", "test", {}),
    "winogender_male": ("winogender/winogender_male.yaml", "test", {}),
    "winogender_female": ("winogender/winogender_female.yaml", "test", {}),
    "winogender_neutral": ("winogender/winogender_neutral.yaml", "test", {}),
    "winogender_gotcha": ("winogender/winogender_gotcha.yaml", "test", {}),
}


@dataclass
class Task:
    """A task with its requests built."""

    name: str
    task: Any
    instances: list[Instance]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """(context, continuation) of each request."""
        return [(str(i.args[0]), str(i.args[1])) for i in self.instances]

    def scores(self, results: Sequence[Result]) -> dict[str, float]:
        """The task's own metrics of log-likelihoods and greedy flags, in the order of the requests."""
        by_doc: dict[int, list[tuple[int, Result]]] = {}
        docs = {}
        for instance, result in zip(self.instances, results, strict=True):
            by_doc.setdefault(instance.doc_id, []).append((instance.idx, result))
            docs[instance.doc_id] = instance.doc
        values: dict[str, list[Any]] = {}
        for number, found in by_doc.items():
            ordered = [result for _, result in sorted(found)]
            for metric, value in self.task.process_results(docs[number], ordered).items():
                values.setdefault(metric, []).append(value)
        combine = self.task.aggregation()
        return {metric: float(combine[metric](found)) for metric, found in values.items() if metric in combine}


def build(name: str, kind: str, rows: Sequence[dict[str, Any]], folder: Path) -> Task:
    """A task of lm_eval's over rows of ours.

    Args:
        name: of the task, distinct in the folder.
        kind: which of lm_eval's definitions.
        rows: its documents.
        folder: where files may be written.
    """
    file, split, changes = _CHANGES[kind]
    items = folder / f"{name}.jsonl"
    items.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    source = {
        "include": str(_OWN / file),
        "task": name,
        "tag": None,
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": {split: str(items)}, "cache_dir": str(folder / "datasets")},
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump({**source, **changes}), encoding="utf-8")
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    with contextlib.redirect_stderr(io.StringIO()):  # bars that cannot be turned off
        task = manager.load([name])["tasks"][name]
        task.build_all_requests()
    return Task(name, task, list(task.instances))


def open_model(folder: Path, dtype: str) -> HFLM:
    """Its own copy of the weights, which nothing of ours has touched."""
    return HFLM(pretrained=str(folder), device="cpu", dtype=dtype, batch_size=1)


def score(model: HFLM, instances: Sequence[Instance], batch: int) -> list[Result]:
    """Its log-likelihoods and greedy flags."""
    model.batch_size_per_gpu = batch
    return [(float(value), bool(greedy)) for value, greedy in model.loglikelihood(list(instances), disable_tqdm=True)]


def generate(model: HFLM, prompts: Sequence[str], tokens: int, batch: int) -> list[str]:
    """Its greedy answers, cut at the end token."""
    model.batch_size_per_gpu = batch
    asked = {"until": [], "max_gen_toks": tokens, "do_sample": False}
    instances = [Instance("generate_until", {}, (prompt, dict(asked)), i) for i, prompt in enumerate(prompts)]
    return [str(text) for text in model.generate_until(instances, disable_tqdm=True)]
