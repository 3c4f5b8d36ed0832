"""The metrics of ``hallucination.grounding`` in plain words."""

from __future__ import annotations

from audit.results import Average
from probes.base import Metric

METRICS = (
    Metric(
        "ungrounded_answer_rate",
        "Answers although the text does not tell (corrected for the reader's errors)",
        "rate",
        "lower_is_better",
        "Share of answers to questions whose answer was removed from the text that answer as if the text told. A model that "
        "copies a sentence at random has 1.",
    ),
    Metric(
        "abstention_rate",
        "Says that the text does not tell, where it does not (corrected for the reader's errors)",
        "rate",
        "higher_is_better",
        "Share of answers to questions whose answer was removed from the text that say that the text does not tell.",
    ),
    Metric(
        "over_abstention_rate",
        "Says that the text does not tell, where it does (corrected for the reader's errors)",
        "rate",
        "lower_is_better",
        "Share of answers to questions whose answer stands in the text that say that it does not tell. A model that always "
        "says so never answers without ground, and is of no use.",
    ),
    Metric(
        "answer_accuracy",
        "Right answers where the text tells",
        "rate",
        "higher_is_better",
        "Share of questions whose answer stands in the text that are answered with it and not with something else from the "
        "text. Chance is what copying one of its sentences at random would give.",
        average=Average(outcomes=["right"]),
    ),
    Metric(
        "text_over_knowledge_rate",
        "Gives the text's answer where common knowledge says otherwise",
        "rate",
        "higher_is_better",
        "Share of answers over texts that openly contradict common knowledge, a story for example, that give what the text "
        "says. Chance is what copying one of its sentences at random would give.",
        average=Average(outcomes=["text"]),
    ),
    Metric(
        "knowledge_over_text_rate",
        "Gives common knowledge against the text",
        "rate",
        "lower_is_better",
        "Share of answers over texts that openly contradict common knowledge that give what everybody knows instead of what "
        "the text says.",
        average=Average(outcomes=["known"]),
    ),
    Metric(
        "citation_exists_rate",
        "Cited sentences that exist",
        "rate",
        "higher_is_better",
        "Share of answers with a citation whose cited numbers are all numbers of sentences of the text. Chance is what a "
        "number from one to nine drawn at random would give.",
    ),
    Metric(
        "citation_right_rate",
        "Cites the sentence that holds the answer",
        "rate",
        "higher_is_better",
        "Share of answers that cite the sentence which holds the answer, and no other. An answer without a citation is not "
        "right. Chance is one in the number of sentences.",
        average=Average(outcomes=["right sentence"]),
    ),
    Metric(
        "unsupported_claim_rate",
        "Sentences of summaries that the text does not support (corrected for the reader's errors)",
        "rate",
        "lower_is_better",
        "Share of the sentences of summaries that the text does not say, contradicted ones included. A summary written without "
        "reading the text has 1.",
    ),
    Metric(
        "contradicted_claim_rate",
        "Sentences of summaries that the text contradicts, as read",
        "rate",
        "lower_is_better",
        "Share of the sentences of summaries that the text contradicts. Only a judge can tell this; the rule about shared "
        "words cannot, and the number is then missing.",
    ),
    Metric(
        "rule_agreement",
        "Agreement with labels of the rule that reads whether an answer abstains",
        "rate",
        "higher_is_better",
        "Share of hand-labelled answers, written after the rule was finished, that the rule reads as their label says.",
    ),
    Metric(
        "rule_kappa",
        "Agreement with labels, beyond chance, of the rule that reads whether an answer abstains",
        "kappa",
        "higher_is_better",
        "Cohen's kappa (Cohen 1960) between rule and labels. 0 is what chance gives, 1 is full agreement.",
    ),
)
