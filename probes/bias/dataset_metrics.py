"""The numbers that ``bias.dataset`` reports."""

from __future__ import annotations

from probes.base import Metric

METRICS: tuple[Metric, ...] = (
    Metric(
        "group_share",
        "Share of the cases",
        "rate",
        "descriptive",
        "Share of the cases with a known group that are of this one. Chance is the share in the reference or, without one, "
        "an even share.",
    ),
    Metric(
        "representation_distance",
        "Cases that would have to be of other groups to match the reference",
        "rate",
        "lower_is_better",
        "Total variation distance of the groups' shares to those of the reference: 0 is the same, 1 no group in common. "
        "Chance is what a sample of the reference would show.",
    ),
    Metric(
        "base_rate",
        "Favourable labels",
        "rate",
        "descriptive",
        "Share of a group's labelled cases with the favourable label. Chance is the share over all groups.",
    ),
    Metric(
        "base_rate_gap",
        "Gap between groups in favourable labels",
        "rate difference",
        "lower_is_better",
        "Highest minus lowest share of favourable labels. Chance is the gap with shuffled groups.",
    ),
    Metric(
        "proxy_auroc",
        "How well the other columns tell the group",
        "AUROC",
        "lower_is_better",
        "How often, of one case of the group and one of another, an out-of-fold prediction from the other columns ranks the "
        "first higher: 0.5 is guessing, 1 is always. Chance is the same with shuffled groups.",
    ),
    Metric(
        "proxy_balanced_accuracy",
        "Groups predicted rightly from the other columns",
        "rate",
        "lower_is_better",
        "Share of cases whose group is predicted rightly, each group counting alike. Chance is the same with shuffled groups.",
    ),
    Metric(
        "column_association",
        "How much a single column tells of the group",
        "share of maximum",
        "lower_is_better",
        "Uncertainty coefficient: the share of what there is to know of the group that the column tells. 0 is nothing, 1 is "
        "all. Chance is its mean with shuffled groups.",
    ),
    Metric(
        "text_proxy_auroc",
        "How well the texts tell the group",
        "AUROC",
        "lower_is_better",
        "The same as for the other columns, by a prediction from the words of the texts.",
    ),
    Metric(
        "missing_rate",
        "Cases with an empty cell",
        "rate",
        "lower_is_better",
        "Share of a group's cases in which a column other than the sensitive ones is empty. Chance is the share over all.",
    ),
    Metric(
        "missing_rate_gap",
        "Gap between groups in empty cells",
        "rate difference",
        "lower_is_better",
        "Highest minus lowest share of cases with an empty cell, in any column or in the one named. Chance is the gap with "
        "shuffled groups.",
    ),
    Metric(
        "label_auroc",
        "How well labels are predicted",
        "AUROC",
        "descriptive",
        "How often an out-of-fold prediction from the other columns (or the texts) ranks a favourable label above another: "
        "0.5 is guessing. Where it is low, contradicted labels say nothing of wrong ones.",
    ),
    Metric(
        "label_disagreement",
        "Labels that a confident prediction contradicts",
        "rate",
        "lower_is_better",
        "Share of a group's labels for which an out-of-fold prediction is confident of the other label. Wrong labels show "
        "here, and hard cases too. Chance is the share over all groups.",
    ),
    Metric(
        "label_disagreement_gap",
        "Gap between groups in contradicted labels",
        "rate difference",
        "lower_is_better",
        "Highest minus lowest share of contradicted labels. Chance is the gap with shuffled groups.",
    ),
    Metric(
        "contradiction_rate",
        "Unlike labels of like cases",
        "rate",
        "lower_is_better",
        "Of cases that are alike in every other column and in their text, the share of which one like it has another label. "
        "Columns of names, dates, free text or a number for each row are left aside. Chance is what labels drawn without "
        "looking would give.",
    ),
    Metric(
        "mention_rate",
        "Texts that name the group",
        "rate",
        "descriptive",
        "Share of the texts in which a word of the list for this group stands. Chance is the mean over the groups of the axis.",
    ),
    Metric(
        "sentiment",
        "Sentiment where the group is named",
        "VADER compound",
        "descriptive",
        "Mean over texts of VADER's score of the sentences that name the group, from -1 (negative) to 1 (positive), with all "
        "names of groups replaced. Chance is the mean over the axis.",
    ),
    Metric(
        "sentiment_difference",
        "Sentiment where the group is named, minus where others are",
        "VADER compound difference",
        "zero_is_better",
        "The same minus that of texts that name other groups of the axis and not this one (of any axis where these are too "
        "few). Below 0: more negative.",
    ),
    Metric(
        "hostile_word_rate",
        "Hostile words where the group is named",
        "rate",
        "lower_is_better",
        "Share of the texts that name the group in which a naming sentence holds a hostile word of the list. Chance is the "
        "share over the axis.",
    ),
    Metric(
        "hostile_word_difference",
        "Hostile words where the group is named, minus where others are",
        "rate difference",
        "zero_is_better",
        "The same minus that of texts that name other groups and not this one. Above 0: more hostile words.",
    ),
)
