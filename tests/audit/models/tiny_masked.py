"""Very small masked language models of our own making, and the slow loop that says what their numbers should be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForMaskedLM,
    BertConfig,
    BertForMaskedLM,
    DistilBertConfig,
    DistilBertForMaskedLM,
    ModernBertConfig,
    ModernBertForMaskedLM,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForMaskedLM,
)

from audit.models.masked import MaskedModel
from tests.audit.models.tiny import open_source, save, single_thread

LONGEST = 40  # tokens that the tiny models read
PLACES = {"cat": "garden", "dog": "kitchen", "bird": "river", "horse": "market"}
COLOURS = ("red", "green", "blue", "white")
TEXTS = [f"The {c} {a} sleeps in the {p}." for c in COLOURS for a, p in PLACES.items()]
TEXTS += [f"Is the {a} {c}? Yes, the {a} is {c}." for c in COLOURS for a in PLACES]
SHAPE = {
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "hidden_size": 32,
    "intermediate_size": 64,
    "initializer_range": 0.15,
}


def wordpieces(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """Lower-case word pieces: the texts' words, except that every word of six letters and more is two tokens."""
    words = sorted({word for text in texts for word in re.findall(r"[a-z]+", text.lower())})
    letters = "abcdefghijklmnopqrstuvwxyz"
    pieces = [*(w for w in words if len(w) < 6), *(w[:3] for w in words if len(w) >= 6)]
    tails = [*(f"##{w[3:]}" for w in words if len(w) >= 6), *(f"##{letter}" for letter in letters)]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    entries = dict.fromkeys([*special, *".:?,'-", *letters, *pieces, *tails])
    raw = Tokenizer(models.WordPiece({entry: i for i, entry in enumerate(entries)}, unk_token="[UNK]"))
    raw.normalizer = normalizers.BertNormalizer(lowercase=True)
    raw.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    raw.decoder = decoders.WordPiece()
    ends = [(name, raw.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    raw.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), special, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=raw, **names)


def byte_pairs(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """Byte-level pairs in the manner of RoBERTa: a word's token holds the space before it."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=310, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    raw.train_from_iterator(texts, trainer)
    raw.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
    )


@single_thread()
def train_masked(model: Any, tokenizer: Any, texts: Sequence[str], steps: int) -> None:
    """Teach a model to fill one hidden word of each text in."""
    stream = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    batch = tokenizer(list(texts), padding=True, return_tensors="pt")
    words = torch.tensor([[-1 if w is None else w for w in batch.word_ids(n)] for n in range(len(texts))])
    model.train()
    for _ in range(steps):
        chosen = torch.randint(len(texts), (48,), generator=stream)
        ids, seen = batch.input_ids[chosen], batch.attention_mask[chosen]
        turn = (torch.rand(len(chosen), generator=stream) * (words[chosen].amax(1) + 1)).long()
        hidden = words[chosen] == turn[:, None]
        shown = ids.masked_fill(hidden, tokenizer.mask_token_id)
        logits = model(input_ids=shown, attention_mask=seen).logits
        loss = torch.nn.functional.cross_entropy(logits[hidden], ids[hidden])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()


def make_bert(folder: Path, texts: Sequence[str] = TEXTS, steps: int = 200) -> Path:
    """Trained; word pieces, learned positions."""
    tokenizer = wordpieces(texts)
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(tokenizer), max_position_embeddings=LONGEST, pad_token_id=tokenizer.pad_token_id, **SHAPE
    )
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    model = BertForMaskedLM(config)
    train_masked(model, tokenizer, texts, steps)
    return save(model, tokenizer, folder)


def make_roberta(folder: Path) -> Path:
    """Trained; byte-level pairs, positions counted from the padding token's number."""
    tokenizer = byte_pairs(TEXTS)
    torch.manual_seed(2)
    config = RobertaConfig(
        vocab_size=len(tokenizer), max_position_embeddings=LONGEST + 2, pad_token_id=1, type_vocab_size=1, **SHAPE
    )
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    model = RobertaForMaskedLM(config)
    train_masked(model, tokenizer, TEXTS, 150)
    return save(model, tokenizer, folder)


def make_distilbert(folder: Path) -> Path:
    """Trained for a moment; another head."""
    tokenizer = wordpieces(TEXTS)
    torch.manual_seed(3)
    config = DistilBertConfig(
        vocab_size=len(tokenizer), max_position_embeddings=LONGEST, dim=32, n_layers=2, n_heads=2, hidden_dim=64
    )
    model = DistilBertForMaskedLM(config)
    train_masked(model, tokenizer, TEXTS, 20)
    return save(model, tokenizer, folder)


def make_modernbert(folder: Path) -> Path:
    """Trained for a moment; rotary positions, and layers that see a few neighbours only."""
    tokenizer = wordpieces(TEXTS)
    torch.manual_seed(4)
    config = ModernBertConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=LONGEST,
        local_attention=8,
        global_attn_every_n_layers=2,
        pad_token_id=tokenizer.pad_token_id,
        cls_token_id=tokenizer.cls_token_id,
        sep_token_id=tokenizer.sep_token_id,
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
        **SHAPE,
    )
    model = ModernBertForMaskedLM(config)
    train_masked(model, tokenizer, TEXTS, 20)
    return save(model, tokenizer, folder)


def open_masked(folder: Path) -> MaskedModel:
    """The model as an audit sees it, its task inferred."""
    model = open_source(str(folder))
    assert isinstance(model, MaskedModel)
    return model


class MaskedByHand:
    """One masked copy and one forward pass for each token, in float64."""

    def __init__(self, model: MaskedModel) -> None:
        self.tokenizer = model.encoder.tokenizer
        self._exact = AutoModelForMaskedLM.from_pretrained(str(model.facts.source)).double().eval()

    def ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text).input_ids)

    @torch.inference_mode()
    def behind(self, ids: Sequence[int], hidden: Iterable[int], place: int) -> float:
        """log p of the token at ``place`` with the tokens at ``hidden`` masked."""
        row = list(ids)
        for i in hidden:
            row[i] = self.tokenizer.mask_token_id
        logits = self._exact(input_ids=torch.tensor([row])).logits[0, place]
        return float(logits.log_softmax(-1)[ids[place]])

    def one_by_one(self, text: str, places: Iterable[int]) -> float:
        ids = self.ids(text)
        return sum(self.behind(ids, [i], i) for i in places)

    def shared(self, first: str, second: str) -> tuple[float, float]:
        """Both scores of a CrowS-Pairs pair as the paper defines them: unmodified tokens, one mask at a time."""
        one, two = self.ids(first), self.ids(second)
        here: list[int] = []
        there: list[int] = []
        matcher = SequenceMatcher(None, [str(i) for i in one], [str(i) for i in two])
        for kind, a, b, c, d in matcher.get_opcodes():
            if kind == "equal":
                here += range(a, b)
                there += range(c, d)
        # The first and the last of them are the special tokens.
        return (
            sum(self.behind(one, [i], i) for i in here[1:-1]),
            sum(self.behind(two, [i], i) for i in there[1:-1]),
        )
