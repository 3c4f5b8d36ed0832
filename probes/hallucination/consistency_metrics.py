"""What ``hallucination.self_consistency`` reports, in plain words."""

from __future__ import annotations

from audit.results import Average
from probes.base import Metric

METRICS = (
    Metric(
        "unsupported_rate",
        "What the model wrote that its other texts on the subject do not support, as read",
        "rate",
        "lower_is_better",
        "Share of pairs of a sentence and another text by the model on the same subject of which the text was read as not "
        "supporting the sentence. It is no rate of errors. Texts on something else support nothing: that is the level given "
        "as chance.",
    ),
    Metric(
        "corrected_unsupported_rate",
        "What its other texts on the subject do not support, corrected for the reader's errors",
        "rate",
        "lower_is_better",
        "The same, corrected for the errors that what compares the texts makes on labelled cases, as if it made them here as "
        "often. The interval carries them.",
    ),
    Metric(
        "unigram_mean",
        "How unexpected the words are given its other texts",
        "nats",
        "lower_is_better",
        "Minus the log-probability of a sentence's words under their shares in the passage and its samples: mean over a "
        "passage's sentences, or over all sentences. Chance is the same with texts on something else as samples.",
    ),
    Metric(
        "unigram_max",
        "How unexpected the most unexpected word is given its other texts",
        "nats",
        "lower_is_better",
        "As before, of the most unexpected word of each sentence.",
    ),
    Metric(
        "embedding",
        "Distance in meaning from the nearest sentence of its other texts",
        "cosine distance",
        "lower_is_better",
        "One less the largest cosine of a sentence's vector with those of a sample and its sentences, averaged over samples. "
        "Only with a sentence encoder as judge. Chance is the distance from a text on something else.",
    ),
    Metric(
        "nli",
        "Contradiction by its other texts",
        "probability",
        "lower_is_better",
        "P(contradicted) over P(contradicted) + P(entailed) of a sentence given a sample, averaged over samples. Only with an "
        "inference model or another model as judge. Chance is the same given a text on something else.",
    ),
    Metric(
        "prompted",
        "What the model itself finds not supported by its other texts",
        "rate",
        "lower_is_better",
        "Share of samples of which the audited model says that they do not support the sentence, by likelihood of No against "
        "Yes; a tie counts one half. Chance is the share of texts on something else. See the controls before trusting it.",
    ),
    Metric(
        "control_accuracy",
        "Whether the model can tell support where the answer is known",
        "rate",
        "higher_is_better",
        "Share of right verdicts where the text holds the sentence word for word (Yes) and where it is on something else (No). "
        "Always saying the same gives one half: then the model's own verdicts say nothing.",
    ),
    Metric(
        "written_rate",
        "Wrote a passage on its subject",
        "rate",
        "higher_is_better",
        "Share of requests that the model answered with at least one sentence and a mention of the subject.",
        average=Average(outcomes=["written"]),
    ),
    Metric(
        "declined_rate",
        "Declined to write about a known subject",
        "rate",
        "lower_is_better",
        "Share of requests that the model refused, or to which it said that it does not know.",
        average=Average(outcomes=["declined"]),
    ),
)
