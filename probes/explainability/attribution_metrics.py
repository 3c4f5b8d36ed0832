"""What ``explainability.attribution`` reports, in plain words."""

from __future__ import annotations

from probes.base import Metric

METRICS = (
    Metric(
        "gain_over_random",
        "How much more the marked words matter than random ones",
        "nats",
        "higher_is_better",
        "Mean advantage of the explanation's order over random orders of the same words, for deleting and for "
        "keeping. 0 or below: the explanation is no better than chance.",
    ),
    Metric(
        "comprehensiveness",
        "Change when the marked words are deleted",
        "nats",
        "higher_is_better",
        "Mean drop of the decision's log-odds when the highest-scored words go. Chance is the drop for random words.",
    ),
    Metric(
        "sufficiency",
        "Change when only the marked words are left",
        "nats",
        "lower_is_better",
        "Mean drop of the decision's log-odds when only the highest-scored words stay. Chance is the drop for random "
        "words.",
    ),
    Metric(
        "normalised_comprehensiveness",
        "Change when the marked words are deleted, between the worst and the best order tried",
        "share of maximum",
        "higher_is_better",
        "Comprehensiveness of each decision between its lowest and its highest over the explanation's order, that order "
        "reversed and the random orders. Comparable between models; chance is where random orders lie.",
    ),
    Metric(
        "infidelity",
        "How badly the scores foretell what removals do",
        "nats squared",
        "lower_is_better",
        "Mean squared difference between the sum of the removed words' scores and what their removal changed, over random "
        "removals. Chance is that of scores of zero.",
    ),
    Metric(
        "completeness_error",
        "How far the scores are from adding up to the change",
        "relative error",
        "lower_is_better",
        "Median over decisions of the distance between the sum of scores and the change that they share out, relative to "
        "that change. 0: they add up; 1 is what scores of zero give. Only of methods that claim to add up.",
    ),
    Metric(
        "polarity_violations",
        "Strongest words whose removal moves the answer against their sign",
        "rate",
        "lower_is_better",
        "Mean share of the strongest fifth of words whose removal makes the answer likelier although they count for it, or "
        "the reverse. Chance is a half. Leave-one-out has none by construction and is left out.",
    ),
    Metric(
        "randomisation_drop",
        "How much the explanation changes when the model's weights are shuffled",
        "1 - correlation",
        "higher_is_better",
        "1 minus the mean rank correlation of the sizes of scores before and after. 0: the explanation does not depend on "
        "what the model has learnt. Chance is the same number between two models with differently shuffled weights.",
    ),
    Metric(
        "target_swap",
        "Similarity to the explanation of an unrelated answer",
        "correlation",
        "lower_is_better",
        "Mean rank correlation of the scores with those for an answer to another question. 1: the explanation does not "
        "depend on the answer, so that it explains nothing about it.",
    ),
    Metric(
        "stability",
        "Similarity to the explanation of the same decision in other words",
        "correlation",
        "higher_is_better",
        "Mean rank correlation over the words that both wordings have, where the answer stayed the same. 1: same order of "
        "words; 0: another wording gives an unrelated explanation.",
    ),
    Metric(
        "agreement",
        "Agreement of explanation methods with one another",
        "correlation",
        "higher_is_better",
        "Mean rank correlation over pairs of methods; by method, with leave-one-out. 1: the same order of words; 0: "
        "unrelated.",
    ),
    Metric(
        "same_top_word",
        "Methods that name the same most important word",
        "rate",
        "higher_is_better",
        "Mean share of pairs of methods whose highest-scored word is the same. Chance is one in as many words as there are.",
    ),
    Metric(
        "top_overlap",
        "Marked words that methods have in common",
        "rate",
        "higher_is_better",
        "Mean share of the highest-scored fifth of words that two methods have in common. Chance is a fifth.",
    ),
    Metric(
        "evidence_agreement",
        "Marked word is the one a person would name",
        "rate",
        "higher_is_better",
        "Share of decisions whose highest-scored word is among those that settle it for a person. Agreement with "
        "people, not faithfulness to the model.",
    ),
    Metric(
        "evidence_auprc",
        "Ranking of the words a person would name",
        "share of maximum",
        "higher_is_better",
        "Area under the precision-recall curve of scores against the words that settle the decision for a person. Agreement "
        "with people, not faithfulness; chance is that of shuffled scores.",
    ),
    Metric(
        "evidence_f1",
        "Match of the marked words with those a person would name",
        "share of maximum",
        "higher_is_better",
        "Token F1 of as many highest-scored words as a person would name. Agreement with people, not faithfulness; chance is "
        "that of shuffled scores.",
    ),
    Metric(
        "evidence_iou",
        "Overlap of the marked words with those a person would name",
        "share of maximum",
        "higher_is_better",
        "Words in both over words in either, of as many highest-scored words as a person would name. Agreement with people, "
        "not faithfulness; chance is that of shuffled scores.",
    ),
)
