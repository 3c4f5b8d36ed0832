"""What the owner of a model declares, as every report shows it: a person's words, apart from all that was measured."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from audit.results.facts import Declaration, DeclarationStatus, EvidenceCheck, ModelFacts
from reports.languages import mark

LABELS = {
    "owner": mark("Owner"),
    "intended_use": mark("Intended use"),
    "out_of_scope": mark("Not meant for"),
    "training_data": mark("Training data"),
    "licence": mark("Licence"),
    "contact": mark("Contact"),
    "data_provenance": mark("Where the training data come from"),
    "data_sovereignty": mark("Who controls the data and the model"),
    "data_localisation": mark("Where data are stored and computed"),
    "copyright": mark("Works of others in the training data"),
    "human_oversight": mark("Who watches over it and can stop it"),
    "complaints_and_remedies": mark("Complaints and remedies"),
    "labour_impact": mark("What it means for people's work"),
    "impact.decision": mark("Decision that it makes or prepares"),
    "impact.purpose": mark("Why it is automated"),
    "impact.people_affected": mark("Who is affected"),
    "impact.number_affected": mark("How many people are affected"),
    "impact.human_in_the_loop": mark("What a person does before a decision takes effect"),
    "impact.rights": mark("Rights and freedoms"),
    "impact.health": mark("Health and well-being"),
    "impact.livelihood": mark("Income and business"),
    "impact.environment": mark("Environment"),
    "impact.duration": mark("How long the effects last"),
    "impact.reversibility": mark("Whether the effects can be undone"),
    "impact.personal_data": mark("Personal data"),
    "impact.explanation": mark("Reasons that a person gets"),
    "impact.alternatives": mark("Other ways that were considered"),
    "impact.consultation": mark("Who was consulted"),
    "impact.legal_basis": mark("What allows this use"),
}
"""Key under ``card`` to its name in plain words, in the order in which they are shown."""

STATUS_WORDS: dict[DeclarationStatus, str] = {
    "declared": "declared",
    "evidenced": "declared, with evidence",
    "mismatch": "declared, evidence does not match",
    "missing": "not provided by the model's owner",
}
CHECK_WORDS: dict[EvidenceCheck, str] = {
    "not_checked": "We did not compare this hash.",
    "matches": "We compared it: the file has this hash.",
    "mismatch": "We compared it: the file has another hash, so it is not the one that was declared.",
    "not_found": "The file was not there at the audit, so we did not compare it.",
}
_ADDRESS = re.compile(r"https?://[!-~]+")
_ASSESSMENT = "impact."


@dataclass(frozen=True)
class Said:
    """One declaration with its name; ``href`` is its link where that is a plain web address."""

    declaration: Declaration
    label: str
    href: str | None

    @property
    def name(self) -> str:
        """The label where no heading says that it is an answer of the assessment, in English."""
        return f"Impact: {self.label}" if self.declaration.field.startswith(_ASSESSMENT) else self.label


@dataclass(frozen=True)
class Declared:
    """All declarations: those of the card, then the answers of the impact assessment."""

    card: list[Said]
    assessment: list[Said]

    @property
    def everything(self) -> list[Said]:
        """Both parts."""
        return [*self.card, *self.assessment]

    def count(self, *statuses: DeclarationStatus) -> int:
        """How many have one of these statuses."""
        return sum(said.declaration.status in statuses for said in self.everything)


def declared_in(model: ModelFacts) -> Declared:
    """What the owner declares. What nobody was asked about, as in results of earlier versions, is missing too."""
    told = {d.field: d for d in model.declarations} or {
        key: Declaration(field=key, status="declared", text=text)
        for key, text in model.declared.items()
        if key in LABELS and text.strip()
    }
    rows = [
        Said(told[key], LABELS.get(key, key), _href(told[key]))
        if key in told
        else Said(Declaration(field=key, status="missing"), LABELS[key], None)
        for key in dict.fromkeys([*LABELS, *told])
    ]
    return Declared(
        [row for row in rows if not row.declaration.field.startswith(_ASSESSMENT)],
        [row for row in rows if row.declaration.field.startswith(_ASSESSMENT)],
    )


def count_sentence(declared: Declared) -> str:
    """``6 of 29 declared, 2 with evidence.``, for reports that are in English alone."""
    given = len(declared.everything) - declared.count("missing")
    wrong = declared.count("mismatch")
    more = f", {wrong} whose evidence does not match" if wrong else ""
    return f"{given} of {len(declared.everything)} declared, {declared.count('evidenced')} with evidence{more}."


def evidence_words(declaration: Declaration) -> Sequence[str]:
    """What is said of the evidence beside the address, the file's name and the hash, in English."""
    evidence = declaration.evidence
    if evidence is None:
        return []
    link = ["We did not open this link."] if evidence.link else []
    return [*link, *([CHECK_WORDS[evidence.check]] if evidence.file or evidence.sha256 else [])]


def _href(declaration: Declaration) -> str | None:
    """The link, where it is a plain web address: nothing else may become one, whatever a result file holds."""
    link = declaration.evidence.link if declaration.evidence else None
    if link is None or not _ADDRESS.fullmatch(link):
        return None
    try:
        address = urlsplit(link)
    except ValueError:
        return None
    return link if address.hostname and "@" not in address.netloc else None
