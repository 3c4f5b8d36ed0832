"""Seconds of explanations: this product against captum's wrappers for language models, and the probe of explanations.

    python benchmarks/attribution.py [--rounds N] [--parts NAME ...] [--model SOURCE] [--json FILE]

Three parts. ``ablation``: leave-one-out over a prompt of 30 one-token words, against ``LLMAttribution(FeatureAblation)``
with its cache off (with it on, which is captum's default, its numbers are wrong under transformers 5), once token by token,
as it computes by default, and once in one pass for each text. ``gradients``: integrated gradients at equal steps and from
the same baseline, against ``LLMGradientAttribution(LayerIntegratedGradients)``. Both for an answer of one token and for one
of ten. ``probe``: ``explainability.attribution`` on 100 decisions with all of its measures, nothing kept from before.

Contenders take turns in one process, on a prompt of its own each round; captum is given transformers' plain model of the
same weights. Numbers must agree to 1e-3 (of the largest score, where that is above 1), otherwise the benchmark fails.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this folder's audit.py is not the package

import torch
from captum.attr import (
    FeatureAblation,
    LayerIntegratedGradients,
    LLMAttribution,
    LLMGradientAttribution,
    TextTemplateInput,
    TextTokenInput,
)
from transformers import AutoModelForCausalLM

from audit.models import Attribute, Attributed, Failure, Judge, Request, Response, user
from audit.models.causal import CausalModel
from audit.models.source import resolve
from audit.results import Record
from benchmarks._shared import DEMO, ask, median_ratio, open_causal, show, timed, write_json
from probes.asked import stated
from probes.base import Context, Outcome, derived_seed
from probes.registry import find_probes

PARTS = ("ablation", "gradients", "probe")
FIRST = ("The", "One", "This", "That", "Our")  # a word of its own each round, so that nothing is kept from the last
PROMPT = (
    " old man walked down the long road to the small town where his son had lived for many years and when he came to the "
    "house he saw the"
)
ANSWERS = {"1 token": " open", "10 tokens": " open door and the light from the big fire inside"}
ASKED = {"ablation": 40.0, "gradients": 4.0}  # times faster, for ten tokens
STEPS = 16
WITHIN = 1e-3
DECISIONS = 100
MINUTES = 10.0
PROBE = "explainability.attribution"
SETTINGS: dict[str, dict[str, bool]] = {
    "LLMAttribution, token by token": {"use_cached_outputs": False, "forward_in_tokens": True},
    "LLMAttribution, one pass a text": {"use_cached_outputs": False, "forward_in_tokens": False},
}

Contender = Callable[[str, str], Sequence[float]]
"""From a prompt and an answer to one score a word."""


class Differs(SystemExit):
    """Two contenders computed something else."""


class Contenders:
    """Ours and captum's on the same weights.

    Args:
        source: a causal language model.
        steps: of integrated gradients.
    """

    def __init__(self, source: str, steps: int = STEPS) -> None:
        self.model = open_causal(source)
        folder = resolve(source, None).folder
        self.plain: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.tokenizer = self.model.tokenizer
        self.steps = steps

    def ours(self, **how: Any) -> Contender:
        """Our attributions."""

        def run(prompt: str, answer: str) -> Sequence[float]:
            [found] = self.model.attribute([Attribute(prompt, answer, **how)])
            if not isinstance(found, Attributed):
                raise SystemExit(f"ours gave no answer: {found}")
            return found.scores

        return run

    def ablation(self, **how: bool) -> Contender:
        """captum's leave-one-out; a word's text left out here is its token deleted there."""

        def run(prompt: str, answer: str) -> Sequence[float]:
            first, *rest = prompt.split()
            words = [first, *(f" {word}" for word in rest)]
            inputs = TextTemplateInput("{}" * len(words), values=words, baselines=[""] * len(words))
            wrapper = LLMAttribution(FeatureAblation(self.plain), self.tokenizer)
            target = torch.tensor(self.model.encoder.pair(prompt, answer)[1])
            scores: list[float] = wrapper.attribute(inputs, target=target, **how).seq_attr.tolist()
            return scores

        return run

    def gradients(self) -> Contender:
        """captum's integrated gradients from our neutral token, by our rule."""

        def run(prompt: str, answer: str) -> Sequence[float]:
            lig = LayerIntegratedGradients(self.plain, self.plain.get_input_embeddings())
            wrapper = LLMGradientAttribution(lig, self.tokenizer)
            inputs = TextTokenInput(prompt, self.tokenizer, baselines=neutral(self.model))
            target = torch.tensor(self.model.encoder.pair(prompt, answer)[1])
            found = wrapper.attribute(inputs, target=target, n_steps=self.steps, method="riemann_middle")
            scores: list[float] = found.seq_attr.tolist()
            return scores

        return run


def neutral(model: CausalModel) -> int:
    """The token whose vector is our neutral baseline."""
    table = model.network.get_input_embeddings().weight
    names = [getattr(model.tokenizer, f"{name}_token_id", None) for name in ("mask", "pad", "eos", "unk")]
    return next(token for token in names if token is not None and bool(table[token].any()))


def contest(contenders: dict[str, Contender], prompts: Sequence[str], answer: str) -> dict[str, dict[str, Any]]:
    """Rounds in which the contenders take turns; ``ours`` is one of them.

    Raises:
        Differs: where scores are further than 1e-3 from ours, of the largest score where that is above 1.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    gaps = dict.fromkeys(contenders, 0.0)
    for prompt in prompts:
        found = {}
        for name, run in contenders.items():
            spent, found[name] = timed(lambda run=run, prompt=prompt: run(prompt, answer))  # type: ignore[misc]
            seconds[name].append(spent)
            print(f"{name}: {spent:.2f} s", file=sys.stderr, flush=True)
        scale = max(1.0, *(abs(score) for score in found["ours"]))
        for name, scores in found.items():
            apart = [abs(a - b) / scale for a, b in zip(scores, found["ours"], strict=True)]
            gap = next((d for d in apart if not d <= WITHIN), max(apart))  # what is not a number differs too
            if not gap <= WITHIN:
                raise Differs(f"{name}: scores are {gap:.2g} from ours, of the largest score; {WITHIN} are allowed.")
            gaps[name] = max(gaps[name], gap)
    return {
        name: {
            "seconds": min(spent),
            "ratio": median_ratio(spent, seconds["ours"]),
            "largest_difference": gaps[name],
            "rounds": spent,
        }
        for name, spent in seconds.items()
    }


def prompts_of(contenders: Contenders, rounds: int) -> list[str]:
    """One a round, each of 30 words that are a token each where the model is the demo model."""
    return [FIRST[n % len(FIRST)] + PROMPT for n in range(rounds)]


def probe_on_decisions(model: CausalModel, count: int) -> dict[str, Any]:
    """The probe with all of its measures on that many decisions, as the engine runs it but without a cache.

    Its own decisions come first. The rest are made of these as another probe would flag them: the same text as a question
    in the chat template.
    """
    kind = find_probes()[PROBE]
    probe = kind()
    items = probe.items(None)[:count]
    extra = count - len(items)
    named = {"flagged": extra} if "flagged" in kind.options.model_fields else {}
    options = kind.options.model_validate(named)
    earlier = {"bias.benchmark": Outcome([_flagged(item, n) for n, item in enumerate(items[:extra])], [], [])}
    context = Context(derived_seed(0, PROBE), 0.95, options, earlier, model.capabilities)
    answers: dict[Request, Response] = {}
    start = time.perf_counter()
    while new := [r for r in dict.fromkeys(probe.requests(items, context, answers)) if r not in answers]:
        for name in sorted({type(r).__name__ for r in new if not isinstance(r, Judge)}):
            answers.update(ask(model, [r for r in new if type(r).__name__ == name]))
    outcome = probe.measure(items, context, answers)
    spent = time.perf_counter() - start
    return {
        "seconds": spent,
        "decisions": len({record.item for record in outcome.records}),
        "requests": len(answers),
        "failed": sum(isinstance(found, Failure) for found in answers.values()),
        "measurements": len(outcome.measurements),
    }


def _flagged(item: Any, number: int) -> Record:
    """A record that holds a decision, as a probe of bias writes it."""
    return Record(
        id=f"{number}",
        probe="bias.benchmark",
        item=f"{number}",
        source="made for the benchmark",
        cluster=f"{number}",
        input=item["prompt"],
        status="scored",
        concern=1.0,
        asked=stated(user(item["prompt"]), item["answer"], item["contrast"]),
    )


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of integrated gradients, at most {STEPS}")
    parser.add_argument("--decisions", type=int, default=DECISIONS)
    parser.add_argument("--model", default=DEMO)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args(words)
    if arguments.rounds < 1 or arguments.decisions < 1 or not 1 <= arguments.steps <= STEPS:
        parser.error(f"--rounds and --decisions are at least 1, --steps from 1 to {STEPS}")
    return arguments


def main(words: Sequence[str] | None = None) -> None:
    """Run, print the tables, write the JSON file."""
    arguments = parse(words)
    warnings.simplefilter("ignore")  # captum's, about tokens that it cannot decode one by one
    contenders = Contenders(arguments.model, arguments.steps)
    prompts = prompts_of(contenders, arguments.rounds)
    fields = {
        "ablation": {"ours": contenders.ours()} | {name: contenders.ablation(**how) for name, how in SETTINGS.items()},
        "gradients": {
            "ours": contenders.ours(method="integrated_gradients", baseline="neutral", samples=arguments.steps),
            "LLMGradientAttribution": contenders.gradients(),
        },
    }
    found: dict[str, Any] = {}
    for part in arguments.parts:
        if part == "probe":
            continue
        for run in fields[part].values():
            run("The sky is", " blue")  # warm-up
        found[part] = {length: contest(fields[part], prompts, answer) for length, answer in ANSWERS.items()}
        print(f"{part}: asked for ten tokens: at least {ASKED[part]:g} times faster")
        columns = ("seconds", "ratio", "largest_difference")
        show(
            ["contender", "answer", *columns],
            [
                [name, length, *(row[c] for c in columns)]
                for length, rows in found[part].items()
                for name, row in rows.items()
            ],
        )
    if "probe" in arguments.parts:
        found["probe"] = row = probe_on_decisions(contenders.model, arguments.decisions)
        print(f"{PROBE}: asked of {DECISIONS} decisions: under {MINUTES:g} minutes")
        show(["part", *row], [["probe", *row.values()]])
    write_json(arguments.json, {"steps": arguments.steps, **found})


if __name__ == "__main__":
    main()
