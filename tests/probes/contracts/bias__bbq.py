"""``bias.bbq``."""

from __future__ import annotations

from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("accuracy_ambiguous", "accuracy_disambiguated"),
    other_units={
        "ambiguous_bias": "answers that are no tie",
        "disambiguated_bias": "answers that name a person",
        "alignment_gap": "questions, where right answers of both kinds were asked for",
        "disambiguated_bias_lm_eval": "answers that name a person",
    },
    rightness=("accuracy_ambiguous", "accuracy_disambiguated"),
    sliced=("accuracy_ambiguous", "accuracy_disambiguated"),
)
