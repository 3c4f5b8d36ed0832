"""Very small real models of our own making, and slow hand-made loops that say what their numbers should be."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
)

from audit.models import Model, Prompt, Score
from audit.models.causal import CausalModel
from audit.models.opening import open_model, quiet_libraries
from audit.models.options import Options

quiet_libraries()
LONGEST = 96  # tokens that the tiny models read
ANIMALS = ("cat", "dog", "bird", "horse")
PLACES = ("garden", "kitchen", "river", "market")
COLOURS = ("red", "green", "blue", "white")
TURN = "<|im_start|>user\nWhere is the {a}?<|im_end|>\n<|im_start|>assistant\nThe {a} is in the {p}.<|im_end|>\n"
TEXTS = (
    [f"The {c} {a} sleeps in the {p}.<|end|>" for c in COLOURS for a, p in zip(ANIMALS, PLACES, strict=True)]
    + [TURN.format(a=a, p=p) for a, p in zip(ANIMALS, PLACES, strict=True)]
    + ["고양이는 정원에서 잠을 잔다.<|end|>", "강아지는 부엌에서 물을 마신다.<|end|>"]
)
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<|end|>", "<|im_start|>", "<|im_end|>", "<pad>", "<s>"]


def train_tokenizer(begins: bool) -> PreTrainedTokenizerFast:
    """Byte-level BPE over our text; ``begins``: it puts ``<s>`` before a text."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=340,  # few merges, so that longer words take several tokens
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(TEXTS, trainer)
    if begins:
        raw.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", raw.token_to_id("<s>"))]
        )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, eos_token="<|end|>", pad_token="<pad>", bos_token="<s>" if begins else None
    )
    if not begins:
        tokenizer.chat_template = TEMPLATE
    return tokenizer


@contextmanager
def single_thread() -> Iterator[None]:
    """Threads cost a tiny model more than they give, most of all on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@single_thread()
def train(model: Any, tokenizer: Any, steps: int) -> None:
    """Teach a model our text; one long row of shuffled sentences a step."""
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    encoded = [tokenizer(text).input_ids for text in TEXTS]
    model.train()
    for _ in range(steps):
        rows = []
        for _ in range(4):
            order = torch.randperm(len(encoded), generator=generator).tolist()
            rows.append([i for n in order for i in encoded[n]][: LONGEST - 8])
        batch = torch.tensor(rows)
        logits = model(input_ids=batch, attention_mask=torch.ones_like(batch)).logits
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()


def make_llama(folder: Path) -> Path:
    """Trained; grouped attention, rotary positions, a chat template, no beginning token."""
    tokenizer = train_tokenizer(begins=False)
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=LONGEST,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    config.license = "cc0-1.0"
    model = LlamaForCausalLM(config)
    train(model, tokenizer, 120)
    return save(model, tokenizer, folder)


def make_gpt2(folder: Path) -> Path:
    """Trained; learned positions, a token ``<s>`` before every text, no chat template."""
    tokenizer = train_tokenizer(begins=True)
    torch.manual_seed(2)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=32,
        n_layer=2,
        n_head=2,
        n_positions=LONGEST,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = GPT2LMHeadModel(config)
    train(model, tokenizer, 80)
    return save(model, tokenizer, folder)


def make_gemma(folder: Path) -> Path:
    """Untrained, with large weights; its head squashes logits into (-3, 3), and every other layer sees 16 tokens."""
    tokenizer = train_tokenizer(begins=True)
    torch.manual_seed(3)
    config = Gemma2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=LONGEST,
        sliding_window=16,
        final_logit_softcapping=3.0,
        attn_logit_softcapping=None,
        initializer_range=0.4,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return save(Gemma2ForCausalLM(config), tokenizer, folder)


def make_windowed(folder: Path, window: int) -> Path:
    """Untrained; no layer sees further back than ``window`` tokens."""
    tokenizer = train_tokenizer(begins=True)
    torch.manual_seed(4)
    config = MistralConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=LONGEST,
        sliding_window=window,
        initializer_range=0.4,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return save(MistralForCausalLM(config), tokenizer, folder)


def save(model: Any, tokenizer: Any, folder: Path) -> Path:
    """As a folder that an audit can open."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def open_source(
    source: str, options: Options | None = None, task: str | None = None, declared: dict[str, str] | None = None
) -> Model:
    """Open what a config names."""
    return open_model(
        source, revision=None, adapter=None, task=task, options=options or Options(), declared=declared or {}
    )


def open_folder(folder: Path, **options: Any) -> CausalModel:
    """The model as an audit sees it."""
    model = open_source(str(folder), Options(**options))
    assert isinstance(model, CausalModel)
    return model


def edit_json(path: Path, **changes: Any) -> None:
    """Change fields of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@dataclass(frozen=True)
class Expected:
    """What a score should be."""

    logprob: float
    tokens: int
    greedy: bool


class ByHand:
    """The same quantities one token, one forward pass and one row at a time, in float64."""

    def __init__(self, model: CausalModel) -> None:
        self.encoder = model.encoder
        self._exact = copy.deepcopy(model.scorer.model).double()

    @torch.inference_mode()
    def row(self, context: Sequence[int], target: Sequence[int]) -> Expected:
        ids, total, greedy = list(context), 0.0, True
        for token in target:
            logits = self._exact(input_ids=torch.tensor([ids])).logits[0, -1]
            total += logits.log_softmax(-1)[token].item()
            greedy = greedy and int(logits.argmax()) == token
            ids.append(token)
        return Expected(total, len(target), greedy)

    @torch.inference_mode()
    def greedy(self, prompt: Sequence[int], most: int, ends: Sequence[int]) -> tuple[list[int], float, bool]:
        """Likeliest tokens one after another, their summed log-probability, and whether an end token came."""
        ids, total = list(prompt), 0.0
        while len(ids) < len(prompt) + most:
            logprobs = self._exact(input_ids=torch.tensor([ids])).logits[0, -1].log_softmax(-1)
            token = int(logprobs.argmax())
            total += logprobs[token].item()
            if token in ends:
                return ids[len(prompt) :], total, True
            ids.append(token)
        return ids[len(prompt) :], total, False

    def score(self, request: Score) -> Expected:
        return self.row(*self.ids(request.prompt, request.continuation))

    def ids(self, prompt: Prompt, continuation: str) -> tuple[list[int], list[int]]:
        """Token ids of prompt and continuation, tokenised as one text; the prompt's last spaces go with the answer."""
        tokenizer = self.encoder.tokenizer
        begin = [tokenizer.bos_token_id] if tokenizer.bos_token_id is not None else []
        if not isinstance(prompt, str):
            turns = [{"role": m.role, "content": m.content} for m in prompt]
            prompt = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        stem = prompt.rstrip(" ")
        head = tokenizer(stem, add_special_tokens=False).input_ids
        both = tokenizer(prompt + continuation, add_special_tokens=False).input_ids
        if not head:
            return begin or [tokenizer.eos_token_id], both
        return begin + head, both[len(head) :]
