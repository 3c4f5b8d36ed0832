"""Metrics: pure functions on arrays, each number with its interval. No model, no file, no clock, no global state.

Metrics over a sample return an ``Estimate``; measures of one explained example or of attention weights return numbers
(None where not defined), whose mean over examples is again an ``Estimate``.
"""

from audit.metrics._clusters import FEW_CLUSTERS
from audit.metrics.agreement import cohen_kappa, kappa
from audit.metrics.association import (
    association_effect,
    association_p,
    associations,
    cosines,
    effect_interval,
    effect_size,
    relabelled_effects,
    resampled_effects,
)
from audit.metrics.attention import entropy, mean_distance, rollout, sink_mass
from audit.metrics.calibration import (
    ReliabilityBin,
    auroc,
    brier,
    calibration_null,
    expected_calibration_error,
    reliability_table,
)
from audit.metrics.corrections import benjamini_hochberg, holm
from audit.metrics.discrimination import auroc_difference, stratified_auroc
from audit.metrics.estimates import Estimate, not_measured
from audit.metrics.explanations import (
    TopKOverlap,
    aopc,
    completeness_error,
    comprehensiveness,
    gain_over_random,
    kendall_tau,
    perturbation_order,
    sufficiency,
    top_k_overlap,
)
from audit.metrics.intervals import mean, rate, wilson
from audit.metrics.judged import corrected_rate, effective_count
from audit.metrics.labels import macro_f1, rank_correlation
from audit.metrics.mixed import Effects, largest_effect, mixed_effects, standardised, within_effects
from audit.metrics.mover import mover_difference, mover_product, p_from_interval, shared_correlation
from audit.metrics.paired import paired_mean_difference, paired_rate_difference, with_few_departing
from audit.metrics.power import more_items_for_mean, more_items_for_rate
from audit.metrics.probing import (
    Probed,
    control_task,
    dealt,
    held_out,
    probe_layers,
    read_linearly,
    wins_from,
)
from audit.metrics.resampling import bootstrap, bootstrap_counts, permutation_p
from audit.metrics.uncertainty import (
    aurac,
    aurc,
    best_aurc,
    excess_aurc,
    meaning_clusters,
    predictive_entropy,
    risk_at,
    risk_coverage,
    semantic_entropy,
    unigram_surprisals,
    weighted_semantic_entropy,
)

__all__ = [
    "FEW_CLUSTERS",
    "Effects",
    "Estimate",
    "Probed",
    "ReliabilityBin",
    "TopKOverlap",
    "aopc",
    "association_effect",
    "association_p",
    "associations",
    "aurac",
    "aurc",
    "auroc",
    "auroc_difference",
    "benjamini_hochberg",
    "best_aurc",
    "bootstrap",
    "bootstrap_counts",
    "brier",
    "calibration_null",
    "cohen_kappa",
    "completeness_error",
    "comprehensiveness",
    "control_task",
    "corrected_rate",
    "cosines",
    "dealt",
    "effect_interval",
    "effect_size",
    "effective_count",
    "entropy",
    "excess_aurc",
    "expected_calibration_error",
    "gain_over_random",
    "held_out",
    "holm",
    "kappa",
    "kendall_tau",
    "largest_effect",
    "macro_f1",
    "mean",
    "mean_distance",
    "meaning_clusters",
    "mixed_effects",
    "more_items_for_mean",
    "more_items_for_rate",
    "mover_difference",
    "mover_product",
    "not_measured",
    "p_from_interval",
    "paired_mean_difference",
    "paired_rate_difference",
    "permutation_p",
    "perturbation_order",
    "predictive_entropy",
    "probe_layers",
    "rank_correlation",
    "rate",
    "read_linearly",
    "relabelled_effects",
    "reliability_table",
    "resampled_effects",
    "risk_at",
    "risk_coverage",
    "rollout",
    "semantic_entropy",
    "shared_correlation",
    "sink_mass",
    "standardised",
    "stratified_auroc",
    "sufficiency",
    "top_k_overlap",
    "unigram_surprisals",
    "weighted_semantic_entropy",
    "wilson",
    "wins_from",
    "with_few_departing",
    "within_effects",
]
