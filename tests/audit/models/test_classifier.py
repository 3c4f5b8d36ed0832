"""Sequence classifiers: their probabilities are transformers' own, alone or together, and what they cannot read is said."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from audit.models import (
    Ablate,
    Ablated,
    Attend,
    Attended,
    Attribute,
    Attributed,
    Capability,
    Classified,
    Classify,
    Failure,
    ModelError,
    Tabulate,
    Tabulated,
    answer,
)
from audit.models.classes import Classes, read_classes
from audit.models.classifier import ClassifierModel
from audit.models.opening import infer_task
from audit.models.options import Options, TableOptions
from tests.audit.models.tiny import edit_json, open_source
from tests.audit.models.tiny_classifier import (
    BAD,
    GOOD,
    LONGEST,
    Example,
    make_bert,
    make_gpt2,
    open_classifier,
    reviews,
    undecided,
)

LABELS = ("bad", "good")
TEXTS = (
    "A lovely soup!",
    "The lamp was dreadful.",
    "We found the tour gloomy and told everybody so. We found the tour gloomy and told everybody so.",
    "splendid, that book, in every way.",
    "book",
    "We found the chair cheerful and told everybody so.",
)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bert(tmp_path_factory.mktemp("reviews"), reviews() + undecided(), LABELS)


@pytest.fixture(scope="session")
def classifier(folder: Path) -> ClassifierModel:
    return open_classifier(folder)


@pytest.fixture(scope="session", params=["bert", "gpt2", "gpt2 without padding"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ClassifierModel:
    if request.param == "bert":
        found: ClassifierModel = request.getfixturevalue("classifier")
        return found
    padding = request.param == "gpt2"
    return open_classifier(make_gpt2(tmp_path_factory.mktemp("decoder"), reviews(), padding))


def changed(folder: Path, tmp_path: Path, **config: Any) -> Path:
    """A copy of a model with another config."""
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    edit_json(tmp_path / "config.json", **config)
    return tmp_path


def ask(model: ClassifierModel, *texts: str) -> list[Any]:
    """The responses in the order of the texts, through the model's own batches."""
    requests = [Classify(text) for text in texts]
    found = {}
    for batch in model.batches(requests):
        found.update(zip(batch, answer(model, batch), strict=True))
    return [found[request] for request in requests]


def by_hand(model: ClassifierModel, text: str) -> np.ndarray[Any, Any]:
    """Softmax over transformers' own logits for one text alone."""
    with torch.inference_mode():
        ids = torch.tensor([model.reader.tokenizer(text).input_ids])
        return model.reader.model(input_ids=ids).logits[0].double().softmax(-1).numpy()


def told(match: str, *opening: Any, **options: Any) -> None:
    with pytest.raises(ModelError, match=match) as caught:
        open_source(*opening, Options(**options))
    assert "\n" not in str(caught.value)


class TestClassify:
    def test_it_is_better_than_chance(self, model: ClassifierModel) -> None:
        found = ask(model, *(text for text, _ in reviews()))
        right = [
            np.argmax(f.probabilities) == np.argmax(target) for f, (_, target) in zip(found, reviews(), strict=True)
        ]
        assert np.mean(right) > 0.9

    def test_probabilities_are_the_models_own(self, model: ClassifierModel) -> None:
        for text, found in zip(TEXTS, ask(model, *TEXTS), strict=True):
            assert found.labels == LABELS
            assert not found.independent
            assert found.probabilities == pytest.approx(by_hand(model, text), abs=1e-5)
            assert sum(found.probabilities) == pytest.approx(1, abs=1e-12)

    def test_they_do_not_depend_on_what_is_asked_together(self, model: ClassifierModel) -> None:
        for text, found in zip(TEXTS, ask(model, *TEXTS), strict=True):
            (alone,) = ask(model, text)
            assert found.probabilities == pytest.approx(alone.probabilities, abs=1e-5)

    def test_rows_are_filled_where_that_changes_nothing(self, model: ClassifierModel) -> None:
        assert model.reader.pads == (model.reader.tokenizer.pad_token_id is not None)

    def test_filling_that_would_leak_is_noticed(
        self, classifier: ClassifierModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = classifier.reader.filled
        monkeypatch.setattr(
            classifier.reader,
            "filled",
            lambda rows, firsts=None: {k: v for k, v in whole(rows).items() if k != "attention_mask"},
        )
        assert not classifier.reader._reads_filled_rows_alike()

    def test_batches_hold_texts_of_one_length_and_no_more_than_the_budget(self, folder: Path) -> None:
        model = open_classifier(folder, batch_tokens=40)
        requests = [Classify(text) for text, _ in reviews()]
        groups = model.batches(requests)
        assert groups == model.batches(requests[::-1])
        assert sorted(r.key for g in groups for r in g) == sorted(r.key for r in requests)
        lengths = [[len(model.reader.ids(r.text)) for r in group if isinstance(r, Classify)] for group in groups]
        assert [n for group in lengths for n in group] == sorted(n for group in lengths for n in group)
        assert all(len(group) * max(group) <= 40 for group in lengths)

    def test_the_same_text_twice_is_answered_twice(self, classifier: ClassifierModel) -> None:
        one, two = classifier.classify([Classify(TEXTS[0]), Classify(TEXTS[0])])
        assert one == two
        assert isinstance(one, Classified)

    def test_too_long_is_truncated_and_said(self, classifier: ClassifierModel) -> None:
        fits, long = ask(classifier, "soup " * (LONGEST - 2), "soup " * (LONGEST - 1))
        assert isinstance(fits, Classified)
        assert long == Failure("truncated", f"The input has {LONGEST + 1} tokens; the model reads {LONGEST}.")

    def test_an_empty_text(self, model: ClassifierModel) -> None:
        (found,) = ask(model, "")
        framed = isinstance(found, Classified)  # [CLS] [SEP] is something to read, no token is not
        assert framed == (len(model.reader.ids("")) > 0)
        assert framed or found == Failure("failed", "The text has no tokens.")

    def test_not_a_number(self, folder: Path, tmp_path: Path) -> None:
        broken = changed(folder, tmp_path)
        weights = load_file(broken / "model.safetensors")
        weights["classifier.weight"][:] = float("nan")
        save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
        model = open_classifier(broken)
        (found,) = ask(model, TEXTS[0])
        assert isinstance(found, Failure)
        assert found.status == "not_a_number"
        (attributed,) = model.attribute([Attribute(TEXTS[0], "good", "bad")])
        assert isinstance(attributed, Failure)
        assert attributed.status == "not_a_number"


class TestClasses:
    def test_several_labels_at_once(self, tmp_path: Path) -> None:
        def target(text: str) -> tuple[float, ...]:
            return (float(any(w in text for w in BAD)), float("told" in text), float("way" in text))

        dreadful = "We found the lamp dreadful and told everybody so."
        examples: list[Example] = [(text, target(text)) for text, _ in reviews()]
        labels = ("bad", "told", "way")
        folder = make_bert(tmp_path, examples, labels, 160, problem_type="multi_label_classification")
        model = open_classifier(folder)
        found, none = ask(model, dreadful, "A lovely chair!")
        assert found.independent
        assert [p > 0.5 for p in found.probabilities] == [True, True, False]
        assert not any(p > 0.5 for p in none.probabilities)
        logits = model.reader.model(input_ids=torch.tensor([model.reader.ids(dreadful)])).logits
        assert found.probabilities == pytest.approx(torch.sigmoid(logits)[0].tolist(), abs=1e-5)

    def test_one_output_is_two_classes(self, tmp_path: Path) -> None:
        examples: list[Example] = [(text, target[1:]) for text, target in reviews()]
        folder = make_bert(tmp_path, examples, ("good",), problem_type="multi_label_classification")
        good, bad = ask(open_classifier(folder), f"A {GOOD[0]} lamp!", f"A {BAD[0]} lamp!")
        assert good.labels == ("not good", "good")
        assert not good.independent
        assert sum(good.probabilities) == pytest.approx(1, abs=1e-12)
        assert good.probabilities[1] > 0.8 > 0.2 > bad.probabilities[1]

    @pytest.mark.parametrize(
        "config",
        [
            {"id2label": {"0": "stars"}},
            {"problem_type": "regression"},
            {"problem_type": "regression", "id2label": {"0": "x"}},
        ],
    )
    def test_numbers_are_no_classes(self, folder: Path, config: dict[str, Any]) -> None:
        settings = json.loads((folder / "config.json").read_text()) | config
        names = {int(k): v for k, v in settings["id2label"].items()}
        given = type(
            "Config", (), {"problem_type": settings.get("problem_type"), "num_labels": len(names), "id2label": names}
        )
        with pytest.raises(ModelError, match=r"^x gives a number, not classes .*problem_type"):
            read_classes(given, "x")

    def test_a_regression_head_is_refused_when_opened(self, folder: Path, tmp_path: Path) -> None:
        path = changed(folder, tmp_path, problem_type="regression")
        told("gives a number, not classes", str(path))

    def test_two_classes_of_one_name_are_refused(self, folder: Path, tmp_path: Path) -> None:
        path = changed(folder, tmp_path, id2label={"0": "good", "1": "good"})
        told("names two of its classes alike", str(path))

    def test_unnamed_classes_are_noted(self, classifier: ClassifierModel, folder: Path, tmp_path: Path) -> None:
        model = open_classifier(changed(folder, tmp_path, id2label={"0": "LABEL_0", "1": "LABEL_1"}))
        assert any("does not name its classes" in note for note in model.facts.notes)
        assert not any("does not name" in note for note in classifier.facts.notes)
        assert ask(model, TEXTS[0])[0].labels == ("LABEL_0", "LABEL_1")

    def test_extreme_scores_keep_their_logarithm(self) -> None:
        single = Classes(("not x", "x"), single=True).log_probabilities(torch.tensor([[-500.0]]))
        assert single[0].tolist() == pytest.approx([0, -500])


class TestFacts:
    def test_task_is_read_off_the_files(self, classifier: ClassifierModel, folder: Path) -> None:
        assert infer_task(folder) == "text-classification"
        assert classifier.facts.kind == "text-classification"
        assert classifier.facts.architecture == "BertForSequenceClassification"
        assert classifier.facts.context_length == LONGEST
        assert not classifier.facts.chat_template

    def test_capabilities(self, classifier: ClassifierModel) -> None:
        names = ["attention", "attribute", "classify", "files", "gradient", "states", "time"]
        assert classifier.capabilities == set(map(Capability, names))
        assert classifier.facts.capabilities == names

    def test_another_name_of_a_class_is_another_model(
        self, classifier: ClassifierModel, folder: Path, tmp_path: Path
    ) -> None:
        other = open_classifier(changed(folder, tmp_path, id2label={"0": "no", "1": "yes"}))
        assert other.fingerprint != classifier.fingerprint
        assert open_classifier(folder).fingerprint == classifier.fingerprint

    def test_a_language_model_is_no_classifier(self, gpt2_folder: Path) -> None:
        with pytest.raises(ModelError, match="is not a sequence classifier"):
            open_source(str(gpt2_folder), task="text-classification")

    def test_a_positive_class_that_is_none(self, folder: Path) -> None:
        told(
            r"positive is nice, but the classes of .* are bad, good\.", str(folder), table=TableOptions(positive="nice")
        )

    def test_positions_kept_for_padding_are_not_read(self, tmp_path: Path, folder: Path) -> None:
        """RoBERTa's first position is after the padding token's."""
        tokenizer = AutoTokenizer.from_pretrained(folder)
        config = RobertaConfig(
            vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
            max_position_embeddings=20, pad_token_id=0, id2label={0: "a", 1: "b"},
        )  # fmt: skip
        RobertaForSequenceClassification(config).save_pretrained(tmp_path)
        tokenizer.save_pretrained(tmp_path)
        model = open_classifier(tmp_path)
        assert model.reader.limit == 19
        fits, long = ask(model, "soup " * 17, "soup " * 18)
        assert isinstance(fits, Classified)
        assert isinstance(long, Failure)
        assert long.status == "truncated"


class TestAttention:
    def test_rows_sum_to_one_over_all_tokens(self, classifier: ClassifierModel) -> None:
        (found,) = classifier.attend([Attend(TEXTS[0], " good")])
        assert isinstance(found, Attended)
        assert found.tokens == ("[CLS]", "a", "lovely", "soup", "!", "[SEP]")
        assert found.prompt_tokens == 6
        assert not found.causal
        assert found.weights.shape == (2, 2, 6, 6)
        assert np.allclose(found.weights.sum(-1), 1, atol=1e-5)
        assert classifier.reader.model.config._attn_implementation != "eager"

    def test_a_decoder_looks_back_only(self, model: ClassifierModel) -> None:
        (found,) = model.attend([Attend(TEXTS[0], "")])
        assert isinstance(found, Attended)
        assert found.causal == ("GPT2" in str(model.facts.architecture))

    def test_other_parts_and_long_texts_have_none(self, classifier: ClassifierModel) -> None:
        cross, long = classifier.attend([Attend(TEXTS[0], "", "cross"), Attend("soup " * 99, "")])
        assert isinstance(cross, Failure)
        assert isinstance(long, Failure)
        assert long.status == "truncated"


class TestAttribution:
    def test_the_telling_word_carries_the_decision(self, model: ClassifierModel) -> None:
        text = f"The soup was {GOOD[0]} ."
        (found,) = model.attribute([Attribute(text, "good", "bad")])
        assert isinstance(found, Attributed)
        assert found.units == tuple(text.split())
        assert int(np.argmax(found.scores)) == 3
        good = by_hand(model, text)[1]
        assert found.full == pytest.approx(math.log(good) - math.log(1 - good), abs=1e-3)

    def test_leaving_a_word_out_deletes_its_tokens(self, classifier: ClassifierModel) -> None:
        text = "The soup was lovely ."
        (found,) = classifier.attribute([Attribute(text, " good")])
        assert isinstance(found, Attributed)
        for i, score in enumerate(found.scores):
            words = text.split()
            rest = " ".join(w for j, w in enumerate(words) if j != i)
            expected = math.log(by_hand(classifier, text)[1]) - math.log(by_hand(classifier, rest)[1])
            assert score == pytest.approx(expected, abs=1e-4)

    def test_sets_of_kept_words(self, classifier: ClassifierModel) -> None:
        (found,) = classifier.ablate([Ablate("The soup was lovely .", "good", "bad", kept=((3,), (), (0, 1, 2, 3, 4)))])
        assert isinstance(found, Ablated)
        alone = by_hand(classifier, "lovely")
        assert found.values[0] == pytest.approx(math.log(alone[1]) - math.log(alone[0]), abs=1e-4)
        nothing = by_hand(classifier, "")
        assert found.values[1] == pytest.approx(math.log(nothing[1]) - math.log(nothing[0]), abs=1e-4)

    def test_an_ending_that_is_no_class(self, classifier: ClassifierModel) -> None:
        (found,) = classifier.attribute([Attribute(TEXTS[0], " Yes", " No")])
        assert found == Failure("failed", "Yes is none of the model's classes: bad, good.")

    def test_a_text_that_is_too_long(self, classifier: ClassifierModel) -> None:
        (found,) = classifier.ablate([Ablate("soup " * 99, "good", "bad", kept=((0,),))])
        assert isinstance(found, Failure)
        assert found.status == "truncated"


class TestTable:
    @pytest.fixture
    def table(self, tmp_path: Path) -> Path:
        path = tmp_path / "cases.csv"
        rows = [f'"A {w} lamp!",{label},{c}' for label, ws in (("good", GOOD), ("bad", BAD)) for w in ws for c in "ab"]
        path.write_text("text,y_true,city\n" + "\n".join(rows) + "\n", encoding="utf-8")
        return path

    def options(self, table: Path) -> TableOptions:
        return TableOptions(file=str(table), sensitive=("city",), positive="good")

    def test_texts_are_given_and_nothing_is_predicted(self, folder: Path, table: Path) -> None:
        model = open_classifier(folder, table=self.options(table))
        assert Capability.TABULATE in model.capabilities
        (found,) = model.tabulate([Tabulate()])
        assert isinstance(found, Tabulated)
        assert len(found.texts) == 16
        assert found.predicted == ()
        assert found.score == ()
        assert found.positive == "good"
        assert found.attributes == ("city",)

    def test_another_table_is_another_fingerprint(self, classifier: ClassifierModel, folder: Path, table: Path) -> None:
        first = open_classifier(folder, table=self.options(table)).fingerprint
        table.write_text(table.read_text().replace("A lovely lamp!", "A lovely chair!"), encoding="utf-8")
        second = open_classifier(folder, table=self.options(table)).fingerprint
        assert len({first, second, classifier.fingerprint}) == 3

    def test_a_table_that_is_not_there_is_told_when_opened(self, folder: Path, tmp_path: Path) -> None:
        told("nowhere.csv", str(folder), table=self.options(tmp_path / "nowhere.csv"))


def test_the_tiny_models_are_what_transformers_opens(folder: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    assert model.config.id2label == dict(enumerate(LABELS))
