"""Which model was audited, and what its owner says of it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from audit.results.stored import Stored

DeclarationStatus = Literal["declared", "evidenced", "mismatch", "missing"]
EvidenceCheck = Literal["not_checked", "matches", "mismatch", "not_found"]


class DeclaredEvidence(Stored):
    """What a declaration rests on. A link is printed and never opened."""

    link: str | None = None
    file: str | None = Field(None, description="As the owner named it.")
    sha256: str | None = None
    check: EvidenceCheck = Field(
        description="Whether the file has the hash: matches, mismatch, not_found (it was not there), not_checked (no file)."
    )


class Declaration(Stored):
    """What the owner says on one subject: a person's word, which no measurement stands behind."""

    field: str = Field(description="The key under card in model.yaml; impact.<key> for answers of the assessment.")
    status: DeclarationStatus
    text: str | None = Field(None, description="The owner's words; None where there are none.")
    evidence: DeclaredEvidence | None = None

    @model_validator(mode="after")
    def _fits_its_status(self) -> Declaration:
        if (self.text is None) != (self.status == "missing"):
            raise ValueError(f"{self.field}: what is missing has no words, and what has none is missing")
        if (self.evidence is None) != (self.status in ("declared", "missing")):
            raise ValueError(f"{self.field}: status {self.status} does not fit its evidence")
        if self.evidence is not None and (self.evidence.check == "mismatch") != (self.status == "mismatch"):
            raise ValueError(f"{self.field}: evidence that does not match is a mismatch, and nothing else is")
        return self


class ModelFacts(Stored):
    """Which exact model was audited. What its owner says of it is ``declared``, never measured."""

    name: str
    source: str
    kind: str
    revision: str | None = None
    pinned: bool = Field(description="True where the exact weights can be found again from source and revision.")
    weights_sha256: str | None = None
    tokenizer_sha256: str | None = Field(None, description="Of the files that say how text becomes tokens.")
    architecture: str | None = None
    parameters: int | None = Field(None, ge=0)
    context_length: int | None = Field(None, ge=0)
    dtype: str | None = None
    device: str | None = None
    kernels: str | None = Field(
        None, description="Library of the matrix products: default (PyTorch's choice) or onednn."
    )
    chat_template: bool = False
    chat_template_sha256: str | None = None
    licence: str | None = None
    remote_code: bool = False
    capabilities: list[str] = Field(default_factory=list)
    declared: dict[str, str] = Field(
        default_factory=dict, description="The owner's words for the card's short fields, by their keys."
    )
    declarations: list[Declaration] = Field(
        default_factory=list,
        description="Every subject that the owner is asked about, with what was said; none in results of earlier versions.",
    )
    notes: list[str] = Field(default_factory=list)
