"""What the owner of a model declares under ``card:`` in ``model.yaml``: the keys, and what became of each.

A declaration is a person's word, never a measurement. Each one is declared, evidenced (a link, a hash) or missing. A link
is never opened: nothing leaves the machine. A file is hashed where it is there, so that another file than the declared one
is found out. Whether the evidence proves the statement is for the reader to judge.

The questions of ``impact`` follow the areas of the Government of Canada's Algorithmic Impact Assessment (reasons,
people concerned, decision, impact, data, consultation, procedural fairness) in words of our own. Its score is not computed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, field_validator, model_validator

from audit.blocks import Block, Text
from audit.complaints import NO_SECRETS, SECRET
from audit.results import Declaration, DeclaredEvidence, EvidenceCheck
from audit.yamlfile import escaped

_LINK = re.compile(r"https?://[!-~]+")
_SIGNED = re.compile(r"(^|-)(sig|signature|key|auth)$", re.I)
_CHUNK = 1 << 20


class EvidenceConfig(Block):
    """Where a reader can check a declaration."""

    link: str | None = Field(None, description="An address (https or http). It is printed and never opened.")
    file: Text | None = Field(None, description="A file that goes with sha256; its hash is checked where it is there.")
    sha256: str | None = Field(None, description="SHA-256 of the file, or of what the link leads to, in 64 hex digits.")

    @field_validator("link")
    @classmethod
    def _plain_address(cls, link: str | None) -> str | None:
        if link is None:
            return None
        try:
            address = urlsplit(link)
            named = [name for name, _ in parse_qsl(address.query, keep_blank_values=True)]
        except ValueError:
            raise ValueError("the address is not well formed") from None
        if not _LINK.fullmatch(link) or not address.hostname:
            raise ValueError("an address must begin with https:// or http:// and hold no spaces")
        if address.username or address.password or any(SECRET.search(name) or _SIGNED.search(name) for name in named):
            raise ValueError(f"an address may not hold a key; {NO_SECRETS}")
        return link

    @field_validator("sha256")
    @classmethod
    def _hash(cls, sha256: str | None) -> str | None:
        if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
            raise ValueError("a SHA-256 has 64 hex digits (`sha256sum FILE` prints it)")
        return sha256 if sha256 is None else sha256.lower()

    @model_validator(mode="after")
    def _something(self) -> EvidenceConfig:
        if self.file is not None and self.sha256 is None:
            raise ValueError("give its sha256 as well (`sha256sum FILE` prints it)")
        if self.link is None and self.sha256 is None:
            raise ValueError("give a link, or a file with its sha256")
        return self


class Statement(Block):
    """A declaration with what it rests on."""

    text: str = Field(description="What is declared.")
    evidence: EvidenceConfig | None = Field(None, description="A link, a hash, or a file with its hash.")

    @field_validator("text")
    @classmethod
    def _words(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("say in words what is declared; evidence alone declares nothing")
        return text


Said = str | Statement | None


class ImpactConfig(Block):
    """Answers of an impact assessment of the system that the model is part of, in the owner's words."""

    decision: Said = Field(
        None,
        title="Which decision does the system make or prepare?",
        description="What happens to a person because of its output, e.g. who is invited to an interview.",
    )
    purpose: Said = Field(
        None,
        title="Why is this automated, and who gains by it?",
        description="The aim, the expected benefit, and how you will know that it was reached.",
    )
    people_affected: Said = Field(
        None,
        title="Who is affected?",
        description="The groups of people, with those who are easily harmed, e.g. children or people with disabilities.",
    )
    number_affected: Said = Field(
        None, title="How many people are affected?", description="About how many in a year; an estimate is enough."
    )
    human_in_the_loop: Said = Field(
        None,
        title="What does a person do before a decision takes effect?",
        description="Decides alone, confirms each one, sees some of them, or nothing.",
    )
    rights: Said = Field(
        None,
        title="How can it affect people's rights and freedoms?",
        description="E.g. equal treatment, privacy, free speech, access to a public service.",
    )
    health: Said = Field(
        None,
        title="How can it affect people's health and well-being?",
        description="Of body and mind, of those concerned and of those near them.",
    )
    livelihood: Said = Field(
        None,
        title="How can it affect people's income or business?",
        description="E.g. work, credit, benefits, prices, housing.",
    )
    environment: Said = Field(
        None,
        title="How can it affect the environment?",
        description="Energy, water, equipment, and what its decisions lead to.",
    )
    duration: Said = Field(
        None, title="How long do the effects last?", description="Hours, months, years, or for ever."
    )
    reversibility: Said = Field(
        None,
        title="Can the effects be undone?",
        description="Fully, with effort, or not at all; by whom, and how long that takes.",
    )
    personal_data: Said = Field(
        None,
        title="Which personal data does it use?",
        description="What is taken in, how long it is kept, who sees it, and whether that was assessed for privacy.",
    )
    explanation: Said = Field(
        None,
        title="What reasons does a person get?",
        description="How the person concerned learns that a machine took part, and why the outcome is as it is.",
    )
    alternatives: Said = Field(
        None,
        title="Which other ways were considered?",
        description="E.g. no automation, a simpler method; and what happens if the system is not used.",
    )
    consultation: Said = Field(
        None,
        title="Who was consulted?",
        description="Inside (legal, privacy, staff) and outside (people affected, their representatives, experts).",
    )
    legal_basis: Said = Field(
        None, title="What allows this use?", description="The law, contract or consent that it rests on."
    )


class CardConfig(Block):
    """What the owner of the model declares; printed on the card as declared, not as measured."""

    name: str | None = Field(None, description="What people call the model.")
    owner: Said = Field(None, description="Who answers for it.")
    intended_use: Said = Field(None, description="What it is for, and for whom.")
    out_of_scope: Said = Field(None, description="What it must not be used for.")
    training_data: Said = Field(None, description="What it was trained on.")
    licence: Said = Field(None, description="The terms it is given out under.")
    contact: Said = Field(None, description="Where to report a problem.")
    data_provenance: Said = Field(
        None,
        title="Where do the training data come from?",
        description="Who made or gathered them, how and when, and who agreed to it.",
    )
    data_sovereignty: Said = Field(
        None,
        title="Who controls the data and the model?",
        description="Under whose law they are, and which state, firm or community can demand or withdraw them.",
    )
    data_localisation: Said = Field(
        None,
        title="Where are data stored and computed?",
        description="The countries and providers, for training and for what users type in.",
    )
    copyright: Said = Field(
        None,
        title="What about works of others in the training data?",
        description="Licences and opt-outs that were respected, and where a rights holder can turn.",
    )
    human_oversight: Said = Field(
        None,
        title="Who watches over the system, and who can stop it?",
        description="The role, what it sees, what it was trained for, and how the system is switched off.",
    )
    complaints_and_remedies: Said = Field(
        None,
        title="How does a person complain, and what can they get?",
        description="The channel, who decides and how soon, and how a wrong outcome is put right.",
    )
    labour_impact: Said = Field(
        None,
        title="What does it mean for people's work?",
        description="Jobs and tasks that change, the people who label data or check content, and whether staff had a say.",
    )
    impact: ImpactConfig | None = Field(
        None,
        description="Answers of an impact assessment; `audit init --impact` asks the questions.",
    )


QUESTIONS: dict[str, tuple[str, str]] = {
    f"{prefix}{key}": (field.title, field.description or "")
    for prefix, kind in (("", CardConfig), ("impact.", ImpactConfig))
    for key, field in kind.model_fields.items()
    if field.title is not None
}
"""What ``audit init --impact`` asks: the key under ``card`` (of the assessment ``impact.<key>``), the question, a hint."""

_PLAIN = ("owner", "intended_use", "out_of_scope", "training_data", "licence", "contact")


def statements(card: CardConfig) -> Iterator[tuple[str, Statement | None]]:
    """Every declaration that a card can hold, in the order of the keys; None where nothing was said."""
    blocks = (("", card, CardConfig), ("impact.", card.impact, ImpactConfig))
    for prefix, block, kind in blocks:
        for key in kind.model_fields:
            if (prefix, key) in (("", "name"), ("", "impact")):
                continue
            said = getattr(block, key, None)
            if isinstance(said, str):
                said = Statement(text=said) if said.strip() else None
            yield prefix + key, said


def declared_texts(card: CardConfig) -> dict[str, str]:
    """The plain words of the card's short fields, its name among them; what was not said is left out."""
    said = {key: statement.text for key, statement in statements(card) if statement and key in _PLAIN}
    return ({} if card.name is None else {"name": card.name}) | said


def declarations(card: CardConfig) -> list[Declaration]:
    """What became of every declaration. Files are looked for from the working directory and hashed; no link is opened."""
    return [_declaration(key, statement) for key, statement in statements(card)]


def mismatches(found: Iterable[Declaration]) -> list[str]:
    """One sentence for each declaration whose evidence is another file than the declared one."""
    return [
        f"card.{d.field}: {escaped(d.evidence.file or '')} does not have the SHA-256 that is declared for it; the card "
        "says that the evidence does not match."
        for d in found
        if d.status == "mismatch" and d.evidence is not None
    ]


def _declaration(key: str, statement: Statement | None) -> Declaration:
    if statement is None:
        return Declaration(field=key, status="missing")
    given = statement.evidence
    if given is None:
        return Declaration(field=key, status="declared", text=statement.text)
    check = _checked(given)
    return Declaration(
        field=key,
        status="mismatch" if check == "mismatch" else "evidenced",
        text=statement.text,
        evidence=DeclaredEvidence(link=given.link, file=given.file, sha256=given.sha256, check=check),
    )


def _checked(evidence: EvidenceConfig) -> EvidenceCheck:
    if evidence.file is None:
        return "not_checked"
    digest = hashlib.sha256()
    try:
        path = Path(evidence.file).expanduser()
        if not path.is_file():  # a device could be read for ever
            return "not_found"
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except (OSError, ValueError, RuntimeError):  # ValueError: a null character; RuntimeError: no home
        return "not_found"
    return "matches" if digest.hexdigest() == evidence.sha256 else "mismatch"
