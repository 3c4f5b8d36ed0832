"""What is said of each remedy for predictions: to a person who decides, and to an engineer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    """A remedy's name, what it does in plain words, and how, with its source."""

    title: str
    what: str
    method: str


THRESHOLDS = {
    "selection": Text(
        "Other thresholds for each group, for equal shares of favourable decisions",
        "The model stays as it is. The score that is needed for a favourable decision is set for each group, so that every "
        "group gets the favourable decision about as often. Whoever decides must then know each person's group, and some "
        "decisions are drawn by lot. In some places it is unlawful to treat people differently by their group, even to "
        "close a gap: ask a lawyer first.",
        "fairlearn ThresholdOptimizer (Hardt et al. 2016, arXiv:1610.02413), constraint demographic_parity, objective "
        "accuracy_score, on y_score. One draw of its randomised decisions is judged. Frontier: its parameter tol.",
    ),
    "errors": Text(
        "Other thresholds for each group, for equal error rates",
        "The model stays as it is. The score that is needed for a favourable decision is set for each group, so that wrong "
        "decisions are about as common in every group. Whoever decides must then know each person's group, and some "
        "decisions are drawn by lot. In some places it is unlawful to treat people differently by their group, even to "
        "close a gap: ask a lawyer first.",
        "fairlearn ThresholdOptimizer (Hardt et al. 2016, arXiv:1610.02413), constraint equalized_odds, objective "
        "accuracy_score, on y_score. One draw of its randomised decisions is judged. Frontier: the milder constraint "
        "true_positive_rate_parity with its parameter tol.",
    ),
}
REDUCTIONS = {
    "selection": Text(
        "A new model that must give favourable decisions equally often",
        "A simple model is learnt anew from the other columns of the table, and while it learns it must keep the shares of "
        "favourable decisions close together. It does not need to know a person's group when it decides, but some of its "
        "decisions are drawn by lot.",
        "fairlearn ExponentiatedGradient (Agarwal et al. 2018, arXiv:1803.02453), constraint DemographicParity with "
        "difference_bound 0.01, over scikit-learn's LogisticRegression. One draw of its randomised decisions is judged. "
        "Frontier: difference_bound, and the same with the group among the columns. Without the remedy: the same regression "
        "without the constraint.",
    ),
    "errors": Text(
        "A new model that must make errors equally often",
        "A simple model is learnt anew from the other columns of the table, and while it learns it must keep the error rates "
        "of the groups close together. It does not need to know a person's group when it decides, but some of its decisions "
        "are drawn by lot.",
        "fairlearn ExponentiatedGradient (Agarwal et al. 2018, arXiv:1803.02453), constraint EqualizedOdds with "
        "difference_bound 0.01, over scikit-learn's LogisticRegression. One draw of its randomised decisions is judged. "
        "Frontier: difference_bound, and the same with the group among the columns. Without the remedy: the same regression "
        "without the constraint.",
    ),
}
CORRELATIONS = Text(
    "A new model on columns that no longer go along with the group",
    "What goes along with the group is taken out of the other columns of the table, and a simple model is learnt anew from "
    "what is left. Whoever decides must know each person's group to take it out. Only straight-line relations are removed; "
    "a combination of columns may still give the group away.",
    "fairlearn CorrelationRemover with alpha 1, then scikit-learn's LogisticRegression. Frontier: alpha. Without the remedy: "
    "the same regression on the columns as they are.",
)
