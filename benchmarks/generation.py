"""Greedy answers to 100 prompts: seconds of this product against lm_eval, plain transformers and llama.cpp.

    python benchmarks/generation.py --data DIR [--limit 100] [--tokens 64] [--rounds 3] [--json FILE]

Half of the prompts are sentence beginnings of BOLD, half are questions of TruthfulQA. All contenders but llama.cpp
compute on the same float32 weights in this process, taking turns; llama.cpp computes on the quantised file itself.
A last pair of rows samples ten answers to each of ten prompts.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this folder's audit.py is not the package

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from audit.models import Generate, Generated
from audit.models.causal import CausalModel
from audit.models.source import resolve
from benchmarks import _items
from benchmarks._shared import (
    DEMO,
    LLAMA_CPP,
    LM_EVAL,
    ask,
    enter,
    machine,
    median_ratio,
    open_causal,
    show,
    timed,
    write_json,
)

CONTENDERS = ("lm_eval", "ours", "transformers", "llama_cpp")
SAMPLES, SAMPLED_PROMPTS, TEMPERATURE = 10, 10, 0.8


def prompts_of(data: Path, count: int) -> list[str]:
    """Half beginnings, half questions."""
    questions = [f"Q: {row['question']}\nA:" for row in _items.truthfulqa(data, count // 2)]
    return [*_items.bold(data, count - count // 2), *questions]


def ours(model: CausalModel, requests: Sequence[Generate]) -> list[str]:
    """Answers, asked for as an audit does."""
    found = ask(model, requests)
    texts = []
    for request in requests:
        response = found[request]
        if not isinstance(response, Generated):
            raise SystemExit(f"A prompt was not answered: {response}")
        texts.append(response.text)
    return texts


class Plain:
    """transformers.generate as a careful user calls it: padded on the left, sorted by length, one batch size."""

    def __init__(self, folder: Path, dtype: str, batch: int) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
        self.tokenizer.pad_token = self.tokenizer.pad_token or self.tokenizer.eos_token
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
        self.batch = batch

    @torch.inference_mode()
    def generate(self, prompts: Sequence[str], tokens: int, samples: int = 1) -> list[str]:
        """Greedy answers, or so many samples of each prompt."""
        sampling = {"temperature": TEMPERATURE, "top_k": 0, "top_p": 1.0, "num_return_sequences": samples}
        options: dict[str, Any] = {"do_sample": samples > 1, **(sampling if samples > 1 else {})}
        order = sorted(range(len(prompts)), key=lambda i: len(self.tokenizer(prompts[i]).input_ids))
        texts: dict[int, list[str]] = {}
        for start in range(0, len(order), self.batch):
            part = order[start : start + self.batch]
            asked = self.tokenizer([prompts[i] for i in part], return_tensors="pt", padding=True)
            found = self.model.generate(
                **asked, max_new_tokens=tokens, pad_token_id=self.tokenizer.pad_token_id, **options
            )
            answers = self.tokenizer.batch_decode(found[:, asked.input_ids.shape[1] :], skip_special_tokens=True)
            for place, i in enumerate(part):
                texts[i] = answers[place * samples : (place + 1) * samples]
        return [text for i in range(len(prompts)) for text in texts[i]]


def llama_cpp(source: str) -> Callable[[Sequence[str], int], list[str]]:
    """llama.cpp on the GGUF file, a prompt at a time, which is how its Python package answers."""
    import llama_cpp as library

    path = gguf_path(source)
    if path is None:
        raise SystemExit(f"{source} is no GGUF file; leave out llama_cpp.")
    model = library.Llama(str(path), n_ctx=2048, n_threads=torch.get_num_threads(), verbose=False)

    def generate(prompts: Sequence[str], tokens: int) -> list[str]:
        return [model.create_completion(p, max_tokens=tokens, temperature=0)["choices"][0]["text"] for p in prompts]

    return generate


def gguf_path(source: str) -> Path | None:
    """The file that a source names, also inside an installed package."""
    name, _, inner = source.removeprefix("package:").partition("/")
    if source.startswith("package:"):
        spec = importlib.util.find_spec(name)
        return Path(next(iter(spec.submodule_search_locations or ()))) / inner if spec else None
    return Path(source) if source.endswith(".gguf") else None


def contest(
    contenders: dict[str, Callable[[], list[str]]], rounds: int, tokenizer: Any, reference: str
) -> dict[str, dict[str, Any]]:
    """Seconds, tokens and equal texts of each contender, taking turns."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    texts: dict[str, list[str]] = {}
    for _ in range(rounds):
        for name, run in contenders.items():
            took, texts[name] = timed(run)
            seconds[name].append(took)
    clean = {name: [_plain(text, tokenizer) for text in found] for name, found in texts.items()}
    rows = {}
    for name, found in clean.items():
        tokens = sum(len(tokenizer(text, add_special_tokens=False).input_ids) for text in found)
        took = statistics.median(seconds[name])
        rows[name] = {"seconds": took, "tokens": tokens, "tokens_per_second": tokens / took, "rounds": seconds[name]}
        if reference in seconds:
            rows[name]["ratio"] = median_ratio(seconds[reference], seconds[name])
        if "ours" in clean:
            rows[name]["same_as_ours"] = sum(a == b for a, b in zip(found, clean["ours"], strict=True))
            rows[name]["texts"] = len(found)
    return rows


def _plain(text: str, tokenizer: Any) -> str:
    """Without special tokens and outer spaces, in which contenders differ."""
    ids = tokenizer(text, add_special_tokens=False).input_ids
    return str(tokenizer.decode(ids, skip_special_tokens=True)).strip()


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the published files")
    parser.add_argument("--limit", type=int, default=100, help="prompts")
    parser.add_argument("--tokens", type=int, default=64, help="new tokens at most")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default=DEMO)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--lm-eval-batch", type=int, default=32)
    parser.add_argument("--transformers-batch", type=int, default=100)
    parser.add_argument("--llama-cpp", action="store_true", help="install llama.cpp first, which compiles for minutes")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args(words)
    if min(arguments.rounds, arguments.limit, arguments.tokens) < 1:
        parser.error("--rounds, --limit and --tokens are at least 1")
    return arguments


def main(words: Sequence[str] | None = None) -> None:
    """Run, print the tables, write the JSON file."""
    arguments = parse(words)
    wanted, skipped = list(arguments.contenders), {}
    enter(*([LM_EVAL] if "lm_eval" in wanted else []), *([LLAMA_CPP] if arguments.llama_cpp else []))
    if "llama_cpp" in wanted and importlib.util.find_spec("llama_cpp") is None:
        wanted.remove("llama_cpp")
        skipped["llama_cpp"] = "not installed; --llama-cpp builds it"
    print(machine())
    folder, tokens = resolve(arguments.model, None).folder, arguments.tokens
    prompts = prompts_of(arguments.data, arguments.limit)
    model = open_causal(arguments.model, arguments.dtype)
    plain = Plain(folder, arguments.dtype, arguments.transformers_batch)
    runs = _runs(arguments, wanted, folder, model, plain)
    for run in runs.values():
        run(prompts[:2], 4)  # warm-up
    contenders = {name: functools.partial(run, prompts, tokens) for name, run in runs.items()}
    greedy = contest(contenders, arguments.rounds, plain.tokenizer, "lm_eval")
    few = prompts[: min(SAMPLED_PROMPTS, len(prompts))]
    samples = [Generate(p, tokens, TEMPERATURE, seed) for p in few for seed in range(SAMPLES)]
    sampling: dict[str, Callable[[], list[str]]] = {"ours": lambda: ours(model, samples)}
    if "transformers" in wanted:
        sampling["transformers"] = lambda: plain.generate(few, tokens, SAMPLES)
    sampled = contest(sampling, arguments.rounds, plain.tokenizer, "transformers")
    for row in sampled.values():  # samples of other random streams are other texts
        row.pop("same_as_ours", None)
    tell(f"greedy, {len(prompts)} prompts, {tokens} tokens", greedy)
    tell(f"{SAMPLES} samples of each of {len(few)} prompts, temperature {TEMPERATURE}", sampled)
    for name, reason in skipped.items():
        print(f"{name}: skipped, {reason}")
    content = {"dtype": arguments.dtype, "greedy": greedy, "sampled": sampled, "skipped": skipped}
    write_json(arguments.json, content)


def _runs(
    arguments: argparse.Namespace, wanted: Sequence[str], folder: Path, model: CausalModel, plain: Plain
) -> dict[str, Callable[[Sequence[str], int], list[str]]]:
    runs: dict[str, Callable[[Sequence[str], int], list[str]]] = {}
    if "lm_eval" in wanted:
        from benchmarks import _lm_eval

        peer = _lm_eval.open_model(folder, arguments.dtype)
        runs["lm_eval"] = lambda asked, most: _lm_eval.generate(peer, asked, most, arguments.lm_eval_batch)
    if "ours" in wanted:
        runs["ours"] = lambda asked, most: ours(model, [Generate(prompt, most) for prompt in asked])
    if "transformers" in wanted:
        runs["transformers"] = plain.generate
    if "llama_cpp" in wanted:
        runs["llama_cpp"] = llama_cpp(arguments.model)
    return runs


def tell(title: str, rows: dict[str, dict[str, Any]]) -> None:
    """One table."""
    columns = ("seconds", "tokens", "tokens_per_second", "ratio", "same_as_ours", "texts")
    print(title)
    show(["contender", *columns], [[name, *(row.get(column) for column in columns)] for name, row in rows.items()])


if __name__ == "__main__":
    main()
