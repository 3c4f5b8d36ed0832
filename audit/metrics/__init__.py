"""Metrics: pure functions on arrays, each number with its interval. No model, no file, no clock, no global state.

Metrics over a sample return an ``Estimate``; measures of one explained example or of attention weights return numbers
(None where not defined), whose mean over examples is again an ``Estimate``.
"""

from audit.metrics._clusters import FEW_CLUSTERS
from audit.metrics.agreement import cohen_kappa, kappa
from audit.metrics.alignment import (
    AlignmentChance,
    AlignmentError,
    alignment_chance,
    alignment_error_rate,
    argmax_links,
)
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
from audit.metrics.attention import (
    DISTANCES,
    distance_profile,
    entropy,
    even_profile,
    mean_distance,
    rollout,
    sink_mass,
)
from audit.metrics.attention_heads import (
    HeadTest,
    antecedent_scores,
    head_permutation_test,
    head_swap_test,
    induction_scores,
    induction_targets,
    previous_targets,
    previous_token_scores,
)
from audit.metrics.attention_paths import (
    attention_flow,
    gradient_weighted,
    gradient_weighted_across,
    norm_rollout,
    norm_weighted,
)
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
    "DISTANCES",
    "FEW_CLUSTERS",
    "AlignmentChance",
    "AlignmentError",
    "Effects",
    "Estimate",
    "HeadTest",
    "ReliabilityBin",
    "TopKOverlap",
    "alignment_chance",
    "alignment_error_rate",
    "antecedent_scores",
    "aopc",
    "argmax_links",
    "association_effect",
    "association_p",
    "associations",
    "attention_flow",
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
    "corrected_rate",
    "cosines",
    "distance_profile",
    "effect_interval",
    "effect_size",
    "effective_count",
    "entropy",
    "even_profile",
    "excess_aurc",
    "expected_calibration_error",
    "gain_over_random",
    "gradient_weighted",
    "gradient_weighted_across",
    "head_permutation_test",
    "head_swap_test",
    "holm",
    "induction_scores",
    "induction_targets",
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
    "norm_rollout",
    "norm_weighted",
    "not_measured",
    "p_from_interval",
    "paired_mean_difference",
    "paired_rate_difference",
    "permutation_p",
    "perturbation_order",
    "predictive_entropy",
    "previous_targets",
    "previous_token_scores",
    "rank_correlation",
    "rate",
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
    "with_few_departing",
    "within_effects",
]
