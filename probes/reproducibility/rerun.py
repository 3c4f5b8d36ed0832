"""``reproducibility.rerun``: is the answer to a request the same when it is asked again, alone or in other company?

An audit, and every later check of it, supposes that a model's answer to a text depends on the text. Batching, padding,
kernels that add in another order and servers that mix users' requests can make it depend on what else is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from audit.corpora import Item, load_items
from audit.models import Capability, Request, Responses
from audit.results import Average
from probes.base import Context, Metric, Outcome, Probe, ProbeOptions, Suite, options_of
from probes.reproducibility.rerun_answers import Settings, asks, comparisons, record
from probes.reproducibility.rerun_findings import findings
from probes.reproducibility.rerun_measures import measurements

_FOLDER = Path(__file__).parent / "items"
ENDINGS, PROMPTS = _FOLDER / "rerun_endings.jsonl", _FOLDER / "rerun_prompts.jsonl"


class RerunOptions(ProbeOptions):
    """Options of ``reproducibility.rerun``."""

    tolerance: float | None = Field(
        None,
        ge=0,
        description="How far a log-likelihood may move, in nats, besides 3e-5 of its size; by default 0.001, and 0.5 where "
        "the model's number format is half precision, quantised or not known.",
    )
    tokens: int = Field(12, ge=1, description="The most tokens that the model writes for an answer.")
    temperature: float = Field(0.8, gt=0, description="Of the answers that are sampled with a fixed seed.")


class Rerun(Probe):
    """The same requests asked again alone, in reverse order with others among them, and just as before."""

    id = "reproducibility.rerun"
    title = "The same request asked again"
    risk = "reproducibility"
    purpose = (
        "A measurement that cannot be repeated proves nothing. We ask the model the same things four times: in its usual "
        "groups, once more just so, one at a time, and in reverse order with other questions among them. Nothing else "
        "changes, so the answers should not change either."
    )
    method = (
        "Log-likelihoods of two endings to each short text, and answers written greedily and sampled with a fixed seed, "
        "compared with those of the first asking: after the same groups again, after groups of one, and after the groups "
        "from the back with other requests among them. A text is the same where every character is; a log-likelihood where "
        "it is within the tolerance of the number format. Intervals are Wilson's, clustered by item."
    )
    citation = (
        "Own items and method. Yuan et al. 2025 (arXiv:2506.09501) measure what batch size and number format do to the "
        "answers and the benchmark scores of language models."
    )
    limits = (
        "Short English texts, three kinds of company and one machine. It does not show what another machine, other "
        "versions of the libraries, another number format or much larger groups change, nor whether the answers are "
        "right. Answers kept from an earlier audit of the same model count as they were then; audit verify asks anew."
    )
    capabilities = frozenset({Capability.SCORE, Capability.GENERATE})
    either = True
    alternative = "Reruns of tables and classifiers are not compared here; audit verify asks a classifier again."
    options = RerunOptions
    sizes: ClassVar[Mapping[Suite, int | None]] = {"quick": 12, "standard": 60, "full": None}
    stratum = "kind"
    metrics = (
        Metric(
            "greedy_identical",
            "Greedy answers that came out the same when asked again",
            "rate",
            "higher_is_better",
            "Share of answers written with the likeliest word each time that were the same to the last character when "
            "asked again. Chance: how often answers to different prompts are the same.",
            average=Average(outcomes=["same"]),
        ),
        Metric(
            "sampled_identical",
            "Sampled answers that came out the same with the same seed",
            "rate",
            "higher_is_better",
            "Share of answers sampled with a fixed seed that were the same to the last character when asked again with it. "
            "Chance: how often answers to different prompts are the same.",
            average=Average(outcomes=["same"]),
        ),
        Metric(
            "likelihood_within",
            "Log-likelihoods that came out the same when asked again",
            "rate",
            "higher_is_better",
            "Share of log-likelihoods of given endings that moved by no more than rounding explains. Chance: how often "
            "those of two different endings are so near to one another.",
            average=Average(outcomes=["same"]),
        ),
        Metric(
            "largest_difference",
            "Largest change of a log-likelihood",
            "nats",
            "lower_is_better",
            "The furthest that a log-likelihood moved between two askings. 0 where none moved at all. Chance: the median "
            "distance between those of two different endings.",
        ),
    )

    def items(self, data: Path | None) -> list[Item]:
        """Short texts with two endings each, and prompts to be answered freely, in two forms."""
        endings: list[Item] = [{**item, "kind": "endings", "form": "text"} for item in load_items(ENDINGS)]
        return endings + [{**item, "kind": "prompt", "endings": []} for item in load_items(PROMPTS)]

    def requests(self, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
        """Everything that the model can be asked, in each of the four ways."""
        return [again for ask in asks(items, self._settings(context)) for again in ask.askings]

    def measure(self, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        """Shares of answers that stayed the same, with a record for each comparison."""
        settings = self._settings(context)
        found = comparisons(asks(items, settings), answers, settings)
        numbers = measurements(found, settings, context.confidence, self.measurement)
        told = findings(type(self), found, numbers, context.confidence)
        return Outcome([record(c, self.id, self.source) for c in found], numbers, told)

    def _settings(self, context: Context) -> Settings:
        options = options_of(context, RerunOptions)
        able = context.capabilities or self.capabilities
        return Settings(
            able & self.capabilities,
            options.tokens,
            options.temperature,
            context.seed,
            options.tolerance,
            context.number_format,
        )
