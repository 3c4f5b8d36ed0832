"""Records that hold every kind of explanation with every key that a page reads."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from audit.results.schema import Record
from tests.reports import fixtures
from tests.reports.fixtures import Case
from tests.reports.makers import attention, packed_bytes, probe, record

WHY, LOOK = "explainability.attribution", "explainability.attention"
LENS, PATCH = "explainability.logit_lens", "explainability.patching"
WORDS = [
    "The",
    "nurse",
    "and",
    "the",
    "doctor",
    "talked",
    "after",
    "the",
    "night",
    "shift",
    "because",
    "she",
    "had",
    "not",
    "slept",
    "for",
    "two",
    "days",
    "and",
    "wanted",
    "to",
    "go",
    "home.",
    "Who",
    "wanted",
    "to",
    "go",
    "home?",
    "Answer:",
    "the",
]
SCORES = [0.02, 1.9, 0.0, -0.05, -1.4, 0.1, 0.0, 0.03, 0.2, 0.31, 0.0, 1.1, -0.2, 0.0, 0.12, 0.0, 0.0, 0.1, 0.0, 0.4]
ANSWER = (" nur", "se", ".")


def scores(seed: int, count: int = len(WORDS)) -> list[float]:
    """Signed numbers that differ by seed."""
    stream = random.Random(seed)
    return [round(stream.gauss(0, 1), 3) for _ in range(count)]


def explained_answer(**changes: Any) -> dict[str, Any]:
    """An attribution with several methods, and one row for each token of the answer."""
    full = [*SCORES, *([0.0] * (len(WORDS) - len(SCORES)))]
    detail: dict[str, Any] = {
        "kind": "attribution",
        "method": "leave one out",
        "unit": "word",
        "baseline": "word deleted",
        "tokens": list(WORDS),
        "scores": full,
        "target": " nurse",
        "contrast": " doctor",
        "f_full": 1.82,
        "f_empty": -0.11,
        "comprehensiveness": 0.91,
        "sufficiency": 0.22,
        "gain": 0.85,
        "verdict": "supported",
        "answer_tokens": list(ANSWER),
        "by_token": [full, [round(score / 4, 3) for score in full], [0.0] * len(WORDS)],
        "others": [
            {"method": "Shapley sampling", "scores": scores(1), "gain": 0.7, "error": 0.004, "verdict": "weak"},
            {"method": "gradient times input", "scores": scores(2), "gain": -0.1},
            {"method": "integrated gradients", "reason": "not converged: 31% off after 256 steps"},
            {"method": "LIME", "reason": "no explanation found: all scores are zero"},
        ],
    }
    return {**detail, **changes}


def lens(depth: int = 12, **changes: Any) -> dict[str, Any]:
    """Two answers of which the first overtakes the other at layer 8."""
    detail: dict[str, Any] = {
        "kind": "lens",
        "answer": [round(-11 + 9 * (i / depth) ** 2, 3) for i in range(depth + 1)],
        "contrast": [round(-10 + 6 * (i / depth), 3) for i in range(depth + 1)],
        "target": " nurse",
        "contrast_text": " doctor",
        "wins_at": 11,
        "top": [" the", *([" of"] * (depth - 2)), " nurse", " nurse"],
    }
    return {**detail, **changes}


def patching(depth: int = 12, **changes: Any) -> dict[str, Any]:
    """States that restore the answer at the swapped token early, and at the last token late."""
    tokens = ["The", " nurse", " said", " that", " she", " was", " tired", ".", " Who", "?"]
    values = [
        [
            round(0.9 - row / depth, 3)
            if column == 1
            else round(row / depth, 3)
            if column == len(tokens) - 1
            else -0.21
            if column == 4 and row == 3
            else 0.01
            for column in range(len(tokens))
        ]
        for row in range(depth)
    ]
    detail: dict[str, Any] = {
        "kind": "patching",
        "tokens": tokens,
        "other_tokens": ["The", " doctor", *tokens[2:]],
        "layers": list(range(1, depth + 1)),
        "values": values,
        "target": " she",
        "contrast": " he",
        "clean": 2.1,
        "corrupt": -0.4,
    }
    return {**detail, **changes}


def looked(**changes: Any) -> dict[str, Any]:
    """Attention with every optional key; head (2, 1) joins the marked tokens most."""
    detail = attention(layers=4, heads=3)
    size = len(detail["tokens"])
    even = [round(255 / (row + 1)) for row in range(size) for _ in range(row + 1)]
    first = [255 if column == 0 else 0 for row in range(size) for column in range(row + 1)]
    detail |= {
        "layer_numbers": [0, 1, 2, 5],
        "missing": ["layer 3: attends to a window of 8 tokens only", "layer 4: has no attention"],
        "maps": {"gradient": packed_bytes(even), "norms": packed_bytes(first)},
        "flow": [0.0, 0.75, *([0.25 / (size - 2)] * (size - 2))],
        "distance": [[float(layer + head) for head in range(3)] for layer in range(4)],
        "roles": {"previous token": [[0, 1], [1, 1]], "first token": [[0, 1], [5, 0], [3, 0], [0, 9]]},
        "caption": "Does a head join “she” with the nurse or with the doctor?",
        "marks": {"from": [6], "to": [1, 4]},
    }
    return {**detail, **changes}


def random_weights(layers: int, heads: int, tokens: int, seed: int = 0) -> list[int]:
    """Quantised causal rows of a softmax of random numbers, which compress badly."""
    stream = random.Random(seed)
    cells: list[int] = []
    for _ in range(layers * heads):
        for row in range(tokens):
            raw = [2.718281828 ** stream.gauss(0, 1) for _ in range(row + 1)]
            whole = sum(raw)
            cells += [round(255 * value / whole) for value in raw]
    return cells


def decision(index: int, detail: dict[str, Any], flagged: bool = True, **changes: Any) -> Record:
    """A record of the attribution probe."""
    facts: dict[str, Any] = {
        "detail": detail,
        "outcome": "better than random",
        "axis": "flagged" if flagged else "pronoun",
        "source": "flagged by bias.counterfactual" if flagged else "fairwitness",
        "input": " ".join(WORDS),
        "output": "nurse",
    }
    return record(WHY, index, **{**facts, **changes})


def case_of(records: Sequence[Record]) -> Case:
    """The typical audit with these records of explanations in place of its own."""
    base = fixtures.typical()
    own = {r.probe for r in records}
    probes = [p for p in base.result.probes if p.id not in own] + [probe(identity) for identity in sorted(own)]
    kept = {identity: rows for identity, rows in base.records.items() if identity not in own}
    made = {identity: [r for r in records if r.probe == identity] for identity in sorted(own)}
    return Case(base.result.model_copy(update={"probes": probes}), {**kept, **made})


def explained() -> Case:
    """All kinds of explanations, each as it should be."""
    return case_of(
        [
            decision(0, explained_answer()),
            decision(1, explained_answer(verdict="not supported", gain=-0.02, others=[])),
            decision(2, explained_answer(scores=[0.0] * len(WORDS)), flagged=False),
            record(LOOK, 0, detail=looked(), outcome=None, note="Rollout agrees 0.12 with leaving words out."),
            record(LOOK, 1, detail=attention([" en", " orto", " mino"], 2, 3, False, [f" s{i}" for i in range(9)])),
            record(LENS, 0, detail=lens(), outcome=None),
            record(LENS, 1, detail=lens(30, contrast=None, wins_at=None, top=None), outcome=None),
            record(PATCH, 0, detail=patching(), outcome=None),
        ]
    )
