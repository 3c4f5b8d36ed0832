"""What an explanation holds, and how it is shown: numbers, a table, a page, a notebook's cell."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from audit.attention_view import AttentionView as AttentionView
from audit.attention_view import facts_of, record_of
from audit.models import GRADIENT_METHODS, Attributed, Message, prompt_text
from audit.results import ModelFacts, Outlook, Record, write_text
from probes.explainability.attribution_findings import LABELS
from probes.explainability.attribution_measures import WITHOUT_SIGN
from probes.explainability.single import (
    LEVEL,
    MOST_ERROR,
    Question,
    RankTest,
    Verdict,
    verdict,
)
from reports.explanation import Told, render_explanation
from reports.frame import framed
from reports.text import factor, likelihood, number, visible

RARE = 0.05  # below which the answers together are hardly what the model would say
SMALL = math.log(1.25)  # a gain below which even marks that hold up tell of little, in nats
_SHORT = 5  # units in the plain words of a cell
_PROBE = "explainability.attribution"


@dataclass(frozen=True)
class Strongest:
    """One line of the table: the unit's position from 0, its visible text, where it pushes, its score in nats."""

    position: int
    text: str
    pushes: str
    score: float


@dataclass(frozen=True)
class Explanation:
    """Why a model gives an answer, with the test of that explanation.

    ``attributed`` is None where the model's numbers are not finite; ``reason`` then says so. ``test`` is None where the
    scores could not be tested. ``likelihoods``: log p of the answer, and of the other answer, in nats. ``preferred``: whether
    the model gives this answer.
    """

    model: ModelFacts
    question: Question
    attributed: Attributed | None
    likelihoods: tuple[float, ...]
    preferred: bool | None
    test: RankTest | None
    reason: str | None = None

    @property
    def units(self) -> tuple[str, ...]:
        """The prompt's words, tokens or segments."""
        return self.attributed.units if self.attributed else ()

    @property
    def scores(self) -> tuple[float, ...]:
        """One number a unit, in nats of ``f``: above 0 it pushes towards the answer."""
        return self.attributed.scores if self.attributed else ()

    @property
    def likely(self) -> list[str]:
        """log p of the answer, and of the other answer, in print."""
        return [f"{value:.3f}{likelihood(value)}" for value in self.likelihoods]

    @property
    def f(self) -> float | None:
        """log p(answer) - log p(other answer), or log p(answer) where there is no other, in nats."""
        return self.attributed.full if self.attributed else None

    @property
    def gain(self) -> float | None:
        """Advantage over random orders in nats; 0 or below is no better than chance. None where it was not tested."""
        return self.test.gain if self.test else None

    @property
    def p(self) -> float | None:
        """Share of random orders that do at least as well; None where it was not tested."""
        return self.test.p if self.test else None

    @property
    def verdict(self) -> Verdict:
        """``supported``, ``weak``, ``not supported`` or ``not tested``."""
        return verdict(self.attributed, self.test) if self.attributed else "not tested"

    @property
    def hidden(self) -> str | None:
        """Why the scores are not to be shown as an explanation; None where they may be."""
        return self.question.undrawn(self.attributed) if self.attributed else self.reason

    @property
    def asked(self) -> str:
        """What was explained, as a question."""
        answer, *other = (f"“{visible(a.strip())}”" for a in self.question.answers)
        a_class = "the class " if self.question.classes else ""
        return f"Why {a_class}{answer} rather than {other[0]}?" if other else f"Why {a_class}{answer}?"

    @property
    def sentence(self) -> str:
        """Whether the marked units hold up."""
        return _sentence(self)

    @property
    def signed(self) -> bool:
        """Whether a score says which way its unit pushes, in nats."""
        return self.question.method not in WITHOUT_SIGN

    @property
    def meaning(self) -> str:
        """What the gain says; empty where nothing was tested."""
        if self.test is None:
            return ""
        quantity = "odds" if self.question.contrast is not None else "probability"
        better = self.test.gain > 0
        far = f"{factor(abs(self.test.gain))} times {'' if better else 'smaller than '}that of random ones"
        shown = self.verdict != "not supported"
        alone = "One text has no interval: this holds for this text alone." if shown else "Chance often does as well."
        return (
            f"Gain over random orders: {self.test.gain:+.2f} nats. The marked {self.question.unit}s changed the {quantity} "
            f"of the answer by a factor that was on average {far}. {alone}"
        )

    @property
    def warnings(self) -> list[str]:
        """What a reader must know before the scores."""
        return _warnings(self)

    def strongest(self, count: int = 10) -> list[Strongest]:
        """The units with the largest scores of either sign, the largest first."""
        rows = []
        for position, (unit, score) in enumerate(zip(self.units, self.scores, strict=True)):
            pushes = "" if not self.signed else "+ towards" if score > 0 else "- away"
            rows.append(Strongest(position, visible(unit), pushes if score else "", score))
        return sorted(rows, key=lambda row: (-abs(row.score), row.position))[:count]

    @property
    def frame(self) -> pd.DataFrame:
        """One row a unit, by position from 0: its text, its score in nats, and its rank by size from 1."""
        frame = pd.DataFrame({"unit": self.units, "score": np.array(self.scores, dtype=float)})
        frame["rank"] = frame["score"].abs().rank(ascending=False, method="first").astype(int)
        return frame.rename_axis("position")

    def data(self) -> dict[str, Any]:
        """All of it as plain values, for JSON."""
        test, found, asked = self.test, self.attributed, self.question
        return {
            "model": {"name": self.model.name, "source": self.model.source, "weights": self.model.weights_sha256},
            "prompt": asked.prompt if isinstance(asked.prompt, str) else [_turn(m) for m in asked.prompt],
            "answer": asked.answer,
            "instead": asked.contrast,
            "method": asked.method,
            "unit": asked.unit,
            "seed": asked.seed,
            "units": list(self.units),
            "scores": list(self.scores),
            "f": self.f,
            "f_empty": found.empty if found else None,
            "error": found.error if found else None,
            "log_p": _finite(self.likelihoods[:1]),
            "log_p_instead": _finite(self.likelihoods[1:]),
            "preferred": self.preferred,
            "verdict": self.verdict,
            "sentence": self.sentence,
            "warnings": self.warnings,
            "test": None if test is None else {**vars(test), "p": test.p},
        }

    def save(self, path: str | Path, attention: AttentionView | None = None) -> Path:
        """Write a page of its own that needs no other file; ``attention``: with the viewer below the scores."""
        return write_text(Path(path), self._page(attention))

    def _page(self, attention: AttentionView | None = None, scripts: bool = True) -> str:
        said = told(self)
        seen = None if attention is None else attention.record()
        if attention is not None and seen is None:
            said = replace(said, warnings=(*said.warnings, attention.too_long))
        return render_explanation(said, self._record(), seen, scripts)

    def _record(self) -> Record | None:
        found, test = self.attributed, self.test
        asked = self.question
        if found is None or not any(found.scores):
            return None
        detail: dict[str, Any] = {
            "kind": "attribution",
            "method": LABELS[asked.method],
            "unit": asked.unit,
            **({} if asked.method in GRADIENT_METHODS else {"baseline": f"{asked.unit} deleted"}),
            "tokens": list(found.units),
            "scores": [round(score, 4) for score in found.scores],
            **({"signed": False} if not self.signed else {}),
            "target": asked.answer.strip(),
            **({} if asked.contrast is None else {"contrast": asked.contrast.strip()}),
            "f_full": round(found.full, 4),
            "f_empty": round(found.empty, 4),
            **({} if found.error is None else {"error": round(found.error, 4)}),
        }
        if self.hidden is not None:
            return record_of(
                "explanation", _PROBE, prompt_text(asked.prompt), asked.answer, {**detail, "reason": self.hidden}
            )
        if found.by_token:
            detail["answer_tokens"] = list(found.tokens)
            detail["by_token"] = [[round(score, 4) for score in row] for row in found.by_token]
        if test is not None:
            detail |= {
                "comprehensiveness": round(test.comprehensiveness, 4),
                "sufficiency": round(test.sufficiency, 4),
                "gain": round(test.gain, 4),
                "p": round(test.p, 4),
                "here": self.verdict,
            }
        return record_of("explanation", _PROBE, prompt_text(asked.prompt), asked.answer, detail)

    def __repr__(self) -> str:
        shown = [] if self.hidden is not None else [row for row in self.strongest(_SHORT) if row.score]
        marked = [f"{row.text}: {row.score:+.3f}{' ' + row.pushes if row.pushes else ''}" for row in shown]
        return "\n".join([self.asked, self.sentence, *marked])

    def _repr_html_(self) -> str:
        """The page in a frame of its own, in which nothing can run: it stays as it is in a saved notebook."""
        return framed(self._page(scripts=False), "Explanation", 860)


def _turn(message: Message) -> dict[str, str]:
    return {"role": message.role, "content": message.content}


def _finite(values: tuple[float, ...]) -> float | None:
    return values[0] if values and math.isfinite(values[0]) else None


def _sentence(e: Explanation) -> str:
    test, unit, found = e.test, f"{e.question.unit}s", e.attributed
    if found is None or e.hidden is not None:
        return f"No explanation. {e.hidden}"
    if test is None:
        return f"Not tested. {e.question.untested(found)}"
    random = f"random choices of as many {unit}"
    p = f"p = {number(test.p)}"
    beaten = f"{test.orders - test.at_least} of {test.orders} {random}"
    if e.verdict == "supported":
        return (
            f"The marked {unit} hold up: tested by deleting them and by keeping them alone, they mattered more to the answer "
            f"than {beaten} ({p})."
        )
    if e.verdict == "weak":
        return (
            f"The marked {unit} hold up in part: they mattered more to the answer than {beaten} ({p}), but the scores do "
            f"not add up to what they share out (error {number(found.error)}; {MOST_ERROR} is allowed)."
        )
    as_far = f"{test.at_least} of {test.orders} {random} mattered as much or more ({p}; {LEVEL} or less is needed)"
    if test.gain > 0:
        return f"It is not shown that the marked {unit} drove the answer: {as_far}."
    return f"Do not rely on the marked {unit}: {as_far}."


def _warnings(e: Explanation) -> list[str]:
    said, asked = [], e.question
    answer, *other = (f"“{visible(a.strip())}”" for a in asked.answers)
    if e.preferred is False and other:
        said.append(f"The model prefers {other[0]}: this explains an answer that it would not choose between the two.")
    elif e.preferred is False:
        said.append(
            f"{answer} is not the model's first choice here: it would say this in other words, or something else. "
            "Comparing with another answer says more."
        )
    if other and max(e.likelihoods) <= 0 and sum(map(math.exp, e.likelihoods)) < RARE:
        said.append("The model would hardly give either answer in these words; see how likely they are.")
    if e.verdict in ("supported", "weak") and (e.gain or 0) < SMALL:
        said.append(f"The effect is small: little of the answer hangs on the {asked.unit}s of this text.")
    if not e.signed and any(e.scores):
        said.append(f"Scores of {asked.method} say how much a {asked.unit} matters, not which way it pushes.")
    return said


def _outlook(e: Explanation) -> Outlook:
    """How the page marks the verdict; that nothing was shown is no proof that the words did not matter."""
    if e.verdict == "not supported":
        return "unclear" if (e.gain or 0) > 0 else "problem_found"
    marks: dict[Verdict, Outlook] = {"supported": "no_problem_found", "weak": "unclear"}
    return marks.get(e.verdict, "not_tested")


def told(e: Explanation) -> Told:
    """What the page says above the picture."""
    asked, names = e.question, ("log p of the answer (nats)", "log p of the other answer (nats)")
    facts = list(zip(names, e.likely, strict=False))
    if e.f is not None and asked.contrast is not None:
        facts.append(("f, their difference", f"{e.f:+.3f} nats"))
    facts += [("method", LABELS[asked.method]), ("unit", asked.unit), ("seed", str(asked.seed))]
    if e.test is not None:
        facts += [
            ("gain over random orders", f"{e.test.gain:+.3f} nats"),
            ("p by rank", f"{number(e.test.p)}, {e.test.orders} random orders"),
        ]
    return Told(e.asked, e.sentence, _outlook(e), e.meaning, tuple(e.warnings), tuple(facts) + facts_of(e.model))
