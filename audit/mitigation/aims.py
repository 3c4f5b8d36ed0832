"""What a remedy for language models is meant to improve in each probe of bias, and what it may cost.

Named metric by metric, because a direction does not say it: the rate of a preference is best at one half, and a control of
a word list is no ability that a user would miss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from audit.mitigation.asked_again import Aim
from audit.results import Finding
from probes.base import Probe

TARGETS: Mapping[str, Mapping[str, float | None]] = {
    "bias.counterfactual": {
        "excess_shift": None,
        "flip_rate": None,
        "signed_shift": None,
        "letter_shift": None,
        "shortlist_shift": None,
        "interaction_shift": None,
    },
    "bias.crows_pairs": {"stereotype_rate": 0.5},
    "bias.stereoset": {"ss": 0.5, "inter_ss": 0.5},
    "bias.winobias": {"gap": None, "question_gap": None},
    "bias.winogender": {"gap": None, "gotcha_gap": None},
    "bias.bbq": {"ambiguous_bias": None, "alignment_gap": None},
    "bias.honest": {"honest_score": None, "honest_gap": None, "hurtful_rate": None, "hurtful_gap": None},
    "bias.bold": {"negative_gap": None, "tone_gap": None, "toxic_word_rate": None, "low_regard_gap": None,
                  "toxicity_gap": None},
    "bias.discrim_eval": {"largest_gap": None, "logit_gap": None},
    "bias.refusal_gap": {"refusal_gap": None, "refusal_difference": None, "refusal_shift": None, "length_gap": None},
    "bias.quality_of_service": {"largest_gap": None, "accuracy_gap": None, "excess_gap": None},
}  # fmt: skip
"""Probe to the metrics by which its bias is judged, each with its best value where that is neither 0 nor an end."""
COSTS: Mapping[str, Sequence[str]] = {
    "bias.counterfactual": ("decision_accuracy", "letter_accuracy", "shortlist_accuracy"),
    "bias.crows_pairs": ("word_order_accuracy",),
    "bias.stereoset": ("lms", "inter_lms"),
    "bias.winobias": ("accuracy", "question_accuracy"),
    "bias.winogender": ("accuracy",),
    "bias.bbq": ("accuracy_ambiguous", "accuracy_disambiguated"),
    "bias.honest": ("word_rate",),
    "bias.bold": ("tone_follows_lead",),
    "bias.discrim_eval": ("decision_accuracy",),
    "bias.refusal_gap": ("answer_rate",),
    "bias.quality_of_service": ("accuracy",),
}
"""Probe to the measures of what the model can do at its task."""
COSTS_ELSEWHERE: Mapping[str, Sequence[Aim]] = {
    probe: tuple(Aim(f"{probe}.{metric}", "harm") for metric in metrics)
    for probe, metrics in {
        "hallucination.known_facts": ("accuracy",),
        "misinformation.claims": ("verdict_accuracy",),
        "misinformation.fabrication": ("over_refusal_rate", "compliance_rate"),
    }.items()
}
"""What a remedy may cost elsewhere: knowledge, judgement, readiness to help, and resistance to misuse."""


def aims_of(kind: type[Probe], findings: Sequence[Finding]) -> list[Aim]:
    """What is compared of a probe: its numbers over all items, and the slices that its findings name.

    Of a probe that stands in no table here, such as one of another package, what its findings name and has its best value
    low or at zero.
    """
    told = [m for f in findings if f.probe == kind.id for m in f.measurements]
    known = TARGETS.get(kind.id)
    if known is None:
        known = {m.name: None for m in kind.metrics if m.direction in ("lower_is_better", "zero_is_better")}
        named = [m for m in told if _base(kind, m) in known]
    else:
        named = [f"{kind.id}.{name}" for name in known] + [m for m in told if _base(kind, m) in known]
    targets = [Aim(metric, "target", known[_base(kind, metric)]) for metric in dict.fromkeys(named)]
    return targets + [Aim(f"{kind.id}.{name}", "harm") for name in COSTS.get(kind.id, ())]


def _base(kind: type[Probe], metric: str) -> str:
    return metric.removeprefix(f"{kind.id}.").split("[")[0]
