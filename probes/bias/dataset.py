"""``bias.dataset``: what is in a data set before any model has learnt from it.

The data set is a table that the options name, or the one that comes with the model: predictions, a classifier's labelled
cases, or a table without any predictions. Rows are read and counted; none becomes a record, so that no result repeats
what a table says of a person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field, field_validator, model_validator

from audit.corpora import Item
from audit.models import Capability, Request, Responses, Tabulate
from audit.results import Record
from probes.base import Context, Metric, Outcome, Probe, ProbeOptions, Suite, options_of
from probes.bias.dataset_findings import Judged, findings
from probes.bias.dataset_items import ITEM, data_set, given, load_table
from probes.bias.dataset_metrics import METRICS
from probes.bias.dataset_proxy_measures import column_associations, label_noise, proxies
from probes.bias.dataset_records import records
from probes.bias.dataset_scope import Scope
from probes.bias.dataset_table_measures import contradictions, labels, missingness, representation
from probes.bias.dataset_texts import text_measures


class DatasetOptions(ProbeOptions):
    """Options of ``bias.dataset``."""

    limit: int | None = Field(
        None, ge=1, description="Examine at most this many cases, a seeded sample of the table; all by default."
    )
    table: str | None = Field(
        None, min_length=1, description="The data set (csv or parquet); the model's own table by default."
    )
    sensitive: list[str] = Field(
        default_factory=list, description="With table: the columns whose groups are compared, e.g. race, sex."
    )
    label: str | None = Field(None, description="With table: the column of labels; y_true by default.")
    text: str | None = Field(None, description="With table: the column of texts; text by default.")
    positive: str | None = Field(
        None, description="With table: the label that the person concerned wishes for; 1 by default."
    )
    ignore: list[str] = Field(
        default_factory=list, description="Other columns to leave out, e.g. those a sensitive one was made from."
    )
    reference: dict[str, dict[str, float]] = Field(
        default_factory=dict,
        description="For a sensitive column, the share that each group ought to have, e.g. of the population; each sums to 1.",
    )
    minimum_group: int = Field(
        30,
        ge=2,
        description="Groups with fewer cases (or texts that name them) are shown, but not compared with others.",
    )
    smallest_gap: float = Field(
        0.05, gt=0, lt=1, description="Gaps in shares whose whole interval is smaller count as no gap that matters."
    )
    smallest_auroc: float = Field(
        0.6, gt=0.5, lt=1, description="Groups that are told from others less well than this count as not given away."
    )

    @field_validator("reference")
    @classmethod
    def _shares(cls, reference: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        for name, shares in reference.items():
            if len(shares) < 2 or min(shares.values()) < 0 or not 0.99 <= sum(shares.values()) <= 1.01:
                raise ValueError(f"the shares of {name} must be those of two groups or more and sum to 1")
        return {n: {g: s / sum(shares.values()) for g, s in shares.items()} for n, shares in reference.items()}

    @model_validator(mode="after")
    def _of_a_table(self) -> DatasetOptions:
        named = [n for n in ("sensitive", "label", "text", "positive") if getattr(self, n)]
        if named and self.table is None:
            raise ValueError(f"{named[0]} goes with table; for the model's own table it stands under model")
        return self


class Dataset(Probe):
    """Representation, labels, proxies, missing values and wording in a data set."""

    id = "bias.dataset"
    title = "What the data hold of groups of people"
    risk = "bias"
    purpose = (
        "Before any model: who is in the data and how often, with which labels, what gives a person's group away though its "
        "column is left out, what is missing for whom, and what texts say around the names of groups."
    )
    method = (
        "Rates by group with Wilson intervals; gaps by bootstrap, with shuffled groups as chance. Proxies: out-of-fold "
        "prediction of the group by gradient-boosted trees (columns) or logistic regression on words (texts), against "
        "shuffled groups; single columns by the uncertainty coefficient. Label noise: labels that a confident out-of-fold "
        "prediction contradicts, and unlike labels of like cases. Texts: word lists, VADER. Holm correction."
    )
    citation = (
        "Label noise after Northcutt et al. 2021 (arXiv:1911.00068); sentiment after Hutto and Gilbert 2014 "
        "(doi:10.1609/icwsm.v8i1.14550); the questions follow Gebru et al. 2018 (arXiv:1803.09010); word lists are our own."
    )
    limits = (
        "It counts what the columns say; it infers nobody's group. A gap in labels may be in the world or in how labels came "
        "about. A prediction that fails to find a group does not show that no other could. A contradicted label may be a hard "
        "case. Word lists are English, know few groups and no context, and a model may learn other things than they count."
    )
    source = "the data set that the config names"
    licence = "that of the data set"
    capabilities = frozenset({Capability.TABULATE})
    alternative = "To examine a data set beside such a model, name it with the option table of bias.dataset."
    options = DatasetOptions
    sizes: ClassVar[Mapping[Suite, int | None]] = {"quick": None, "standard": None, "full": None}
    metrics: ClassVar[tuple[Metric, ...]] = METRICS

    @classmethod
    def needs(cls, options: ProbeOptions) -> frozenset[Capability]:
        """Nothing of the model where the options name a table."""
        named = isinstance(options, DatasetOptions) and options.table is not None
        return frozenset() if named else cls.capabilities

    def items(self, data: Path | None) -> list[Item]:
        """One: the table, which comes with the model."""
        return [{"id": ITEM}]

    def load(self, data: Path | None, options: ProbeOptions) -> list[Item]:
        """One: the table that the options name, or the one that comes with the model."""
        if not isinstance(options, DatasetOptions) or options.table is None:
            return self.items(data)
        named = {"y_true": options.label, "text": options.text}
        columns = {role: name for role, name in named.items() if name is not None}
        return load_table(options.table, options.sensitive, columns, options.positive)

    def requests(self, items: Sequence[Item], context: Context, answers: Responses) -> list[Request]:
        """The model's table, where the options name none."""
        return [] if options_of(context, DatasetOptions).table is not None else [Tabulate(whole=True)]

    def measure(self, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        """All numbers, and a record for each group and each column."""
        options = options_of(context, DatasetOptions)
        table = given(items, answers)
        data = data_set(table, options.minimum_group, options.ignore, options.limit, context.seed)
        scope = Scope(data, options.minimum_group, context.confidence, context.seed, self.measurement)
        associations = {a.name: column_associations(scope, a) for a in data.attributes}
        found = [
            *representation(scope, options.reference),
            *labels(scope),
            *proxies(scope, associations),
            *missingness(scope),
            *label_noise(scope),
            *contradictions(scope),
            *text_measures(scope),
        ]
        judged = Judged(data, found, options.minimum_group, options.smallest_gap, options.smallest_auroc, self.finding)
        kept: list[Record] = records(scope, found, associations, self.source)
        return Outcome(kept, found, findings(judged))
