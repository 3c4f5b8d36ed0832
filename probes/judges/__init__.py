"""Reading what a model wrote: by a stated rule, or by another model that the config names, with its measured error."""

from probes.judges.comparisons import RIGHT_ANSWER, SAME_MEANING, SUPPORTED, Case, Comparison, Reading, verdict_of
from probes.judges.quality import JUDGE_METRICS, Quality, judge_measurements
from probes.judges.reader import Entailment, JudgedOptions, JudgedPublishedOptions, JudgeKind, Reader

__all__ = [
    "JUDGE_METRICS",
    "RIGHT_ANSWER",
    "SAME_MEANING",
    "SUPPORTED",
    "Case",
    "Comparison",
    "Entailment",
    "JudgeKind",
    "JudgedOptions",
    "JudgedPublishedOptions",
    "Quality",
    "Reader",
    "Reading",
    "judge_measurements",
    "verdict_of",
]
