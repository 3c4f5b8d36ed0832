"""Writes the tables of ``models.md`` that the code knows: what each kind of model can be asked, and which probes run.

Both follow from what the classes of the models say that they can do and from what the probes need, by the rule of
``audit.planning``. ``--check`` writes nothing and ends with status 1 where the page is out of date.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from probe_pages import DOCS, NEEDS, cell, held, table, write_or_check

from audit.models import Capability
from audit.models.causal import CausalModel
from audit.models.classifier import abilities as classifier
from audit.models.embedder import Embedder
from audit.models.endpoint.model import abilities as endpoint
from audit.models.masked import MaskedModel
from audit.models.seq2seq import Seq2SeqModel
from audit.models.sklearn_model import SklearnModel
from audit.models.table import DATA_SET, TableModel
from audit.models.vllm_model import VllmModel
from probes.base import Probe
from probes.registry import find_probes

PAGE = DOCS / "models.md"
NOTE = "<!-- Written by docs/kinds_table.py; change the code instead. -->"
RUNS, WITH_DATA, NOT_APPLICABLE = "runs", "runs, with its data", "–"


@dataclass(frozen=True)
class Kind:
    """A kind of source: its name in a table's head and in full, and what can be asked of it."""

    short: str
    name: str
    capabilities: frozenset[Capability]


KINDS = (
    Kind("causal", "causal language model", CausalModel.capabilities),
    Kind("vLLM", "causal language model through vLLM", VllmModel.capabilities),
    Kind("masked", "masked language model", MaskedModel.capabilities),
    Kind("encoder-decoder", "encoder-decoder", Seq2SeqModel.capabilities),
    Kind("server with scores", "server that gives log-probabilities of a text", endpoint(scores=True)),
    Kind("server", "any other server", endpoint(scores=False)),
    Kind("classifier", "text classifier", classifier(encoder_decoder=False, table=False)),
    Kind("classifier, table", "text classifier with a labelled table", classifier(encoder_decoder=False, table=True)),
    Kind("sentence encoder", "sentence encoder", Embedder.capabilities),
    Kind("predictions", "table of predictions", TableModel.capabilities),
    Kind("data set", "table without predictions", DATA_SET),
    Kind("skops", "scikit-learn model with its table", SklearnModel.capabilities),
)


def verdict(probe: type[Probe], kind: Kind) -> str:
    """Whether a probe runs on a kind of model: the rule of ``audit.planning``."""
    if probe.lacking(probe.options(), kind.capabilities):
        return NOT_APPLICABLE
    return RUNS if probe.published is None and held(probe) is not None else WITH_DATA


def lines(probes: Iterable[type[Probe]]) -> list[str]:
    """Both tables."""
    rows = [[f"[`{p.id}`](probes/{p.id}.md)", *(verdict(p, kind) for kind in KINDS)] for p in probes]
    asked = [
        [f"{kind.name} (“{kind.short}”)", cell("; ".join(NEEDS[c] for c in Capability if c in kind.capabilities))]
        for kind in KINDS
    ]
    return [
        *("### Which probes run", "", f"“{NOT_APPLICABLE}”: not applicable.", ""),
        *table(["Probe", *(kind.short for kind in KINDS)], rows),
        *("### What can be asked", "", *table(["Kind", "It can"], asked)),
    ]


def main() -> int:
    """Write or check the page; the exit status."""
    probes = [probe for probe in find_probes().values() if probe.__module__.startswith("probes.")]
    return write_or_check(__doc__, {PAGE: ("", lines(probes))}, NOTE)


if __name__ == "__main__":
    raise SystemExit(main())
