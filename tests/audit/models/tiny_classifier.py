"""Very small sequence classifiers of our own making, trained in seconds so that they read what they were taught."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
    PreTrainedTokenizerFast,
)

from audit.models.classifier import ClassifierModel
from audit.models.options import Options
from tests.audit.models.tiny import open_source, save, single_thread

LONGEST = 48  # tokens that the tiny models read
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
THINGS = ("soup", "lamp", "chair", "tour", "book", "song")
GOOD = ("lovely", "bright", "splendid", "cheerful")
BAD = ("awful", "broken", "dreadful", "gloomy")
FRAMES = (
    "The {t} was {w}.",
    "We found the {t} {w} and told everybody so.",
    "A {w} {t}!",
    "{w}, that {t}, in every way.",
)
Example = tuple[str, tuple[float, ...]]
"""A text and the target of each output: 1 or 0."""


def reviews() -> list[Example]:
    """Texts whose one telling word decides between two classes."""
    found: list[Example] = []
    for words, target in ((BAD, (1.0, 0.0)), (GOOD, (0.0, 1.0))):
        found += [(frame.format(t=t, w=w), target) for frame in FRAMES for t in THINGS for w in words]
    return found


def undecided() -> list[Example]:
    """Texts without a telling word, so that a classifier does not learn one of the classes by default."""
    frames = ("The {t} was.", "We found the {t} and told everybody so.", "A {t}!", "{t}, that {t}, in every way.")
    return [(frame.format(t=t), (0.5, 0.5)) for frame in frames for t in THINGS]


def word_tokenizer(texts: Sequence[str], framed: bool = True) -> PreTrainedTokenizerFast:
    """A token a word and mark; ``framed``: [CLS] before and [SEP] after a text."""
    raw = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    raw.normalizer = normalizers.Lowercase()
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    raw.train_from_iterator(texts, trainers.WordLevelTrainer(special_tokens=SPECIAL, show_progress=False))
    if framed:
        ends = [(name, raw.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
        pair = "[CLS] $A [SEP] $B:1 [SEP]:1"
        raw.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair=pair, special_tokens=ends)
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


@single_thread()
def train(model: Any, tokenizer: Any, examples: Sequence[Example], steps: int, rows: int = 32) -> None:
    """Teach a classifier; softmax where one class of several holds, a sigmoid an output otherwise."""
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    encoded = tokenizer([text for text, _ in examples], padding=True, return_tensors="pt")
    targets = torch.tensor([target for _, target in examples])
    apart = model.config.problem_type == "multi_label_classification"
    model.train()
    for _ in range(steps):
        chosen = torch.randint(len(examples), (rows,), generator=generator)
        mask = encoded.attention_mask[chosen]
        width = int(mask.sum(1).max())
        out = model(input_ids=encoded.input_ids[chosen, :width], attention_mask=mask[:, :width]).logits
        loss = torch.nn.functional
        wanted = targets[chosen]
        error = loss.binary_cross_entropy_with_logits(out, wanted) if apart else loss.cross_entropy(out, wanted)
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
    model.eval()


def make_bert(
    folder: Path,
    examples: Sequence[Example],
    labels: Sequence[str] | None = None,
    steps: int = 80,
    width: int = 32,
    **config: Any,
) -> Path:
    """A trained BERT of two layers; ``labels`` None leaves its classes unnamed."""
    tokenizer = word_tokenizer([text for text, _ in examples])
    torch.manual_seed(1)
    names = {"num_labels": len(examples[0][1])} if labels is None else {"id2label": dict(enumerate(labels))}
    settings = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=LONGEST,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=tokenizer.pad_token_id,
        **names,
        **config,
    )
    model = BertForSequenceClassification(settings)
    train(model, tokenizer, examples, steps)
    return save(model, tokenizer, folder)


def make_gpt2(folder: Path, examples: Sequence[Example], padding: bool) -> Path:
    """A trained decoder, which reads the class off a text's last token; ``padding``: its tokenizer can fill rows."""
    tokenizer = word_tokenizer([text for text, _ in examples], framed=False)
    torch.manual_seed(2)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=32,
        n_layer=2,
        n_head=2,
        n_positions=LONGEST,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=tokenizer.pad_token_id,
        id2label={0: "bad", 1: "good"},
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    )
    model = GPT2ForSequenceClassification(config)
    train(model, tokenizer, examples, 120)
    model.config.pad_token_id = None  # as many decoders' configs leave it
    if not padding:
        tokenizer.pad_token = None
    return save(model, tokenizer, folder)


def open_classifier(folder: Path, **options: Any) -> ClassifierModel:
    """The model as an audit sees it, its task read off its files."""
    model = open_source(str(folder), Options(**options))
    assert isinstance(model, ClassifierModel)
    return model
