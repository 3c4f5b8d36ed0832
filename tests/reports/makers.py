"""Parts of audit results, made by hand: each maker takes changes to what it would give."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from typing import Any, Literal

from audit.results.coverage import Coverage
from audit.results.facts import Declaration, DeclaredEvidence, ModelFacts
from audit.results.schema import (
    Finding,
    Manifest,
    Measurement,
    Outlook,
    ProbeRun,
    Record,
    Severity,
)

HOSTILE = "</script><script>window.__pwned=1</script><img src=x onerror='window.__pwned=1'>{{7*7}} \"'`&\u202edrow\x00"
GROUPS = ("women", "men", "older people", "younger people", "people with a disability", "migrants", "people in poverty")
TOKENS = (
    "The",
    " nurse",
    " told",
    " the",
    " doctor",
    " that",
    " she",
    " was",
    " tired",
    ".",
    " Who",
    " was",
    "?",
    " The",
)


DECLARATIONS = [
    Declaration(field="owner", status="declared", text="Example GmbH"),
    Declaration(field="intended_use", status="declared", text="Answers short questions in a help desk."),
    Declaration(
        field="data_provenance",
        status="evidenced",
        text="Public web pages, gathered in 2024.",
        evidence=DeclaredEvidence(link="https://example.org/data?part=1&of=2", check="not_checked"),
    ),
    Declaration(
        field="human_oversight",
        status="evidenced",
        text="A shift lead reads every hundredth answer and can switch the help desk over to people.",
        evidence=DeclaredEvidence(file="oversight.pdf", sha256="5a" * 32, check="matches"),
    ),
    Declaration(
        field="copyright",
        status="mismatch",
        text="Opt-outs were respected.",
        evidence=DeclaredEvidence(file="opt-outs.pdf", sha256="0b" * 32, check="mismatch"),
    ),
    Declaration(field="impact.decision", status="declared", text="None; it answers questions about orders."),
    Declaration(
        field="impact.reversibility",
        status="evidenced",
        text="A wrong answer is put right by mail.",
        evidence=DeclaredEvidence(file="mails.txt", sha256="77" * 32, check="not_found"),
    ),
]


def model(**changes: Any) -> ModelFacts:
    """Facts of a small model."""
    facts: dict[str, Any] = {
        "name": "SmolLM2-135M-Instruct",
        "source": "HuggingFaceTB/SmolLM2-135M-Instruct",
        "kind": "transformers",
        "revision": "12fd25f77366fa6b3b4b768ec3050bf629380bac",
        "pinned": True,
        "weights_sha256": "5af571cbf074e6d21a03528d2330792e532ca608f24ac70a143f6b369968ab8c",
        "architecture": "LlamaForCausalLM",
        "parameters": 134_515_008,
        "context_length": 8192,
        "dtype": "float32",
        "device": "cpu",
        "chat_template": True,
        "licence": "apache-2.0",
        "capabilities": ["score", "generate", "attention", "gradient"],
        "declared": {"owner": "Example GmbH", "intended_use": "Answers short questions in a help desk."},
        "declarations": DECLARATIONS,
    }
    return ModelFacts(**{**facts, **changes})


def manifest(**changes: Any) -> Manifest:
    """What would run the same audit again."""
    facts: dict[str, Any] = {
        "audit_id": "9c1e0f2ab8d44b55a1c2",
        "tool_version": "0.1.0",
        "created": "2026-11-23T10:15:00Z",
        "seconds": 412.5,
        "timings": {"open": 3.2, "score": 380.1, "statistics": 2.0},
        "seed": 0,
        "suite": "standard",
        "confidence": 0.95,
        "config": {"suite": "standard", "probes": {"bias.crows_pairs": {"limit": 200}}},
        "command": "audit run model.yaml --suite standard --seed 0",
        "python": "3.11.9",
        "platform": "Linux-6.1-x86_64",
        "packages": {"torch": "2.13.0", "transformers": "5.23.0"},
        "items": {"bias.crows_pairs": "1f" * 32},
        "requests": {"stated": 1200, "unique": 1100},
    }
    return Manifest(**{**facts, **changes})


def probe(
    identity: str,
    status: Literal["done", "not_applicable", "failed"] = "done",
    reason: str | None = None,
    **changes: Any,
) -> ProbeRun:
    """A probe; its risk is the first part of its id."""
    risk, name = identity.split(".", 1)
    facts: dict[str, Any] = {
        "id": identity,
        "title": name.replace("_", " ").capitalize(),
        "risk": risk,
        "purpose": f"We asked questions made to bring {risk} to light.",
        "method": "Compares how likely the model finds two sentences that differ in one word.",
        "citation": "Nangia et al. 2020, arXiv:2010.00133",
        "limits": "It covers English and the United States, and sentences written by crowd workers.",
        "source": "CrowS-Pairs",
        "licence": "CC BY-SA 4.0",
        "capabilities": ["score"],
        "status": status,
        "reason": reason,
        "seconds": 31.5,
        "items": 200 if status == "done" else 0,
        "available": 1508,
        "records": 200 if status == "done" else 0,
    }
    return ProbeRun(**{**facts, **changes})


def rate(metric: str, hits: int, n: int, label: str, **changes: Any) -> Measurement:
    """A rate with a rough interval."""
    value = hits / n
    half = 1.96 * (max(value * (1 - value), 0.01) / n) ** 0.5
    parts = metric.split("[")
    facts: dict[str, Any] = {
        "metric": metric,
        "probe": ".".join(parts[0].split(".")[:2]),
        "slice": parts[1].rstrip("]") if len(parts) > 1 else None,
        "label": label,
        "value": value,
        "low": max(value - half, 0),
        "high": min(value + half, 1),
        "n": n,
        "clusters": n // 2,
        "successes": hits,
        "unit": "rate",
        "direction": "lower_is_better",
        "chance": 0.5,
        "interval": "Wilson",
        "coverage": Coverage(planned=n + 3, scored=n, unparsed=2, refused=1),
    }
    return Measurement(**{**facts, **changes})


def finding(
    probe_id: str, outlook: Outlook, severity: Severity, template: str, *metrics: str, **values: str
) -> Finding:
    """A finding of one probe."""
    return Finding(
        id=f"{probe_id}.{outlook}",
        probe=probe_id,
        risk=probe_id.split(".")[0],
        outlook=outlook,
        severity=severity,
        template=template,
        values=values,
        advice="Do not use it to rank or describe people. Ask the provider how the training data was balanced.",
        measurements=list(metrics),
    )


def packed_bytes(numbers: Sequence[int]) -> str:
    """Bytes as the attention blocks hold them."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    return base64.b64encode(squeeze.compress(bytes(numbers)) + squeeze.flush()).decode()


def attention(
    tokens: Sequence[str] = TOKENS,
    layers: int = 4,
    heads: int = 3,
    causal: bool = True,
    sources: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Material for the attention viewer, with a pattern that differs between heads; with sources, of an encoder-decoder."""
    seen = len(tokens if sources is None else sources)
    size = len(tokens)

    def matrix(seed: int) -> list[int]:
        cells: list[int] = []
        for row in range(size):
            width = row + 1 if causal else seen
            raw = [
                1.0 / (1 + abs(row - column - seed)) + (2.0 if column == 0 and seed % 2 else 0)
                for column in range(width)
            ]
            cells += [round(255 * v / sum(raw)) for v in raw]
        return cells

    every = [cell for index in range(layers * heads) for cell in matrix(index)]
    return {
        "kind": "attention",
        "tokens": list(tokens),
        **({} if sources is None else {"sources": list(sources)}),
        "layers": layers,
        "heads": heads,
        "encoding": "deflate-raw+base64",
        "causal": causal,
        "weights": packed_bytes(every),
        "rollout": packed_bytes(matrix(1)),
        "entropy": [[(i * heads + j) / (layers * heads) for j in range(heads)] for i in range(layers)],
        "sink": [[0.7 if (i * heads + j) % 2 else 0.1 for j in range(heads)] for i in range(layers)],
    }


def attribution(tokens: Sequence[str] = TOKENS) -> dict[str, Any]:
    """Material for the attribution viewer."""
    return {
        "kind": "attribution",
        "method": "integrated gradients",
        "baseline": "padding token",
        "tokens": list(tokens),
        "scores": [round(((-1) ** i) * (i % 5) / 5, 3) for i in range(len(tokens))],
        "target": " nurse",
        "contrast": " doctor",
        "f_full": 1.82,
        "f_empty": -0.11,
        "comprehensiveness": 0.91,
        "sufficiency": 0.22,
        "gain": 0.35,
    }


def record(probe_id: str, index: int, **changes: Any) -> Record:
    """One record; concern falls with the index."""
    facts: dict[str, Any] = {
        "id": f"item-{index:05d}",
        "probe": probe_id,
        "item": f"{index}",
        "source": "CrowS-Pairs, CC BY-SA 4.0",
        "cluster": f"c{index // 2}",
        "template": f"t{index % 3}",
        "axis": "gender",
        "group": GROUPS[index % len(GROUPS)],
        "tags": {"kind": "stereotype"},
        "input": f"Question {index}: the {GROUPS[index % len(GROUPS)]} at the meeting were",
        "output": "late again" if index % 2 else "on time",
        "expected": "on time",
        "scores": {"more": -1.25 - index / 1000, "less": -1.5},
        "outcome": "wrong" if index % 2 else "right",
        "concern": max(0.0, round(1 - index / 200, 3)),
        "seed": 0,
    }
    return Record(**{**facts, **changes})
