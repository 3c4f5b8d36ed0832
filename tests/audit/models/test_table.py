"""Tables of predictions: what is read from them, and what is said of those that cannot be read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from audit.models import Capability, Failure, ModelError, SaysWhyNot, Tabulate, Tabulated, answer, decode, encode
from audit.models.opening import open_model
from audit.models.options import Options, TableOptions
from audit.models.source import file_hash
from audit.models.table import read_data_set, read_table

GOOD = "y_true,y_pred,y_score,race,sex\n1,1,0.9,a,f\n0,0,0.2,b,m\n1,0,0.4,b,f\n0,1,0.6,a,m\n"
SENSITIVE = ("race", "sex")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(text: str, sensitive: tuple[str, ...] = SENSITIVE, name: str = "t.csv", **options: object) -> Tabulated:
    Path(name).write_text(text, encoding="utf-8")
    return read_table(TableOptions(sensitive=sensitive, **options), name)  # type: ignore[arg-type]


def test_a_table_is_read_as_it_stands(place: Path) -> None:
    found = table(GOOD)
    assert found == Tabulated(
        positive="1",
        truth=("1", "0", "1", "0"),
        predicted=("1", "0", "0", "1"),
        score=(0.9, 0.2, 0.4, 0.6),
        texts=(),
        attributes=SENSITIVE,
        groups=(("a", "b", "b", "a"), ("f", "m", "f", "m")),
    )
    assert decode(encode(found)) == found


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_and_a_byte_order_mark(place: Path, separator: str) -> None:
    assert table("\ufeff" + GOOD.replace(",", separator)) == table(GOOD)


def test_quoted_cells_blank_lines_and_spaces_in_the_header(place: Path) -> None:
    text = 'y_true, y_pred ,race\r\n1,1,"Black, non-Hispanic"\r\n\r\n0,0,"a ""b""\nc"\r\n'
    assert table(text, ("race",)).groups == (("Black, non-Hispanic", 'a "b"\nc'),)


@pytest.mark.parametrize(
    ("truth", "predicted"),
    [
        ("1 0 1", "1 1 0"),
        ("1.0 0.0 1.0", "1 1 0"),
        ("True False True", "1 1 0"),
        ("true false true", "TRUE TRUE FALSE"),
    ],
)
def test_one_class_may_be_spelled_in_several_ways(place: Path, truth: str, predicted: str) -> None:
    rows = "\n".join(f"{t},{p},x" for t, p in zip(truth.split(), predicted.split(), strict=True))
    found = table(f"y_true,y_pred,race\n{rows}\n", ("race",))
    assert (found.positive, found.truth, found.predicted) == ("1", ("1", "0", "1"), ("1", "1", "0"))


def test_parquet_gives_the_same_as_csv(place: Path) -> None:
    frame = pd.DataFrame(
        {
            "y_true": [True, False, True, None],
            "y_pred": [1.0, 0.0, None, 1.0],
            "y_score": [0.9, 0.2, 0.4, None],
            "race": pd.Series(["a", None, "b", "a"], dtype="category"),
            "band": [1, 2, 2, 1],
        }
    )
    frame.to_parquet("t.parquet")
    frame.to_csv("t.csv", index=False)
    options = TableOptions(sensitive=("race", "band"))
    found = read_table(options, "t.parquet")
    assert found == read_table(options, "t.csv")
    assert found.truth == ("1", "0", "1", None)
    assert found.predicted == ("1", "0", None, "1")
    assert found.score == (0.9, 0.2, 0.4, None)
    assert found.groups == (("a", "(missing)", "b", "a"), ("1", "2", "2", "1"))


def test_what_is_missing_stays_missing(place: Path) -> None:
    found = table("y_true,y_pred,y_score,race\n,1,0.9,NA\n0,,,None\n1,0,nan,\n", ("race",))
    assert found.truth == (None, "0", "1")
    assert found.predicted == ("1", None, "0")
    assert found.score == (0.9, None, None)
    assert found.groups == (("(missing)", "None", "(missing)"),)  # "None" may be a group, e.g. of religions


def test_scores_alone_are_cut_at_one_half_and_it_is_said(place: Path) -> None:
    found = table("y_true,y_score,race\ngood,0.5,a\nbad,0.49,b\ngood,,a\n", ("race",), positive="good")
    assert found.predicted == ("good", "bad", None)
    assert "0.5" in " ".join(found.notes)


def test_without_truth_it_is_said(place: Path) -> None:
    found = table("y_pred,race\n1,a\n0,b\n", ("race",))
    assert found.truth == (None, None)
    assert "no y_true" in " ".join(found.notes)


def test_columns_may_have_other_names_and_classes_other_words(place: Path) -> None:
    text = "outcome,model says,race\nhired,hired,a\nnot,hired,b\n"
    found = table(text, ("race",), columns={"y_true": "outcome", "y_pred": "model says"}, positive="hired")
    assert (found.positive, found.truth, found.predicted) == ("hired", ("hired", "not"), ("hired", "hired"))


def test_of_several_classes_one_is_set_against_the_rest(place: Path) -> None:
    text = "y_true,y_pred,race\nlow,low,a\nmid,high,b\nhigh,low,b\n"
    found = table(text, ("race",), positive="low")
    assert found.truth == ("low", "mid", "high")
    assert "low is compared with all others" in " ".join(found.notes)
    with pytest.raises(ModelError, match=r"t\.csv has 3 classes \(high, low, mid\).*name the favourable one"):
        table(text, ("race",))


def test_a_labelled_table_for_a_text_classifier(place: Path) -> None:
    Path("cases.csv").write_text('text,y_true,sex\n"I can, do it.",1,f\nNo.,0,m\n', encoding="utf-8")
    found = read_table(TableOptions("cases.csv", ("sex",)), None)
    assert found.texts == ("I can, do it.", "No.")
    assert (found.predicted, found.score) == ((), ())
    with pytest.raises(ModelError, match=r"cases\.csv has no column body, .*it has text, y_true, sex"):
        read_table(TableOptions("cases.csv", ("sex",), {"text": "body"}), None)
    with pytest.raises(ModelError, match=r"name one with model\.table"):
        read_table(TableOptions(None, ("sex",)), None)


MISTAKES: dict[str, tuple[str | bytes, TableOptions, str]] = {
    "empty": ("", TableOptions(), "t.csv is empty"),
    "only space": (" \n\n", TableOptions(), "t.csv is empty"),
    "no rows": ("y_true,y_pred,race\n", TableOptions(sensitive=("race",)), "t.csv has column names but no rows"),
    "nothing sensitive": (GOOD, TableOptions(), "model.sensitive must name the columns .*it has y_true, y_pred"),
    "sensitive mistyped": (GOOD, TableOptions(sensitive=("Rcae",)), "no column Rcae, .*did you mean race"),
    "renamed mistyped": (GOOD, TableOptions(sensitive=("race",), columns={"y_pred": "pred"}), "no column pred"),
    "no prediction by the look of it": (
        "y_true,y_prd,race\n1,1,a\n",
        TableOptions(sensitive=("race",)),
        "neither a column y_pred nor y_score.*did you mean y_prd",
    ),
    "twice": ("y_true,y_pred,race,race\n1,1,a,b\n", TableOptions(sensitive=("race",)), "more than one column race"),
    "score too large": (GOOD.replace("0.4", "40"), TableOptions(sensitive=SENSITIVE), "row 3 is 40, not a probability"),
    "score below 0": (GOOD.replace("0.4", "-0.4"), TableOptions(sensitive=SENSITIVE), "row 3 is -0.4, not a prob"),
    "score infinite": (GOOD.replace("0.4", "inf"), TableOptions(sensitive=SENSITIVE), "row 3 is inf, not a prob"),
    "score a word": (GOOD.replace("0.4", "high"), TableOptions(sensitive=SENSITIVE), "row 3 is high, not a number"),
    "ragged": (GOOD + "1,1\n", TableOptions(sensitive=SENSITIVE), "data row 5 has 2 values, .* names 5 columns"),
    "not UTF-8": (GOOD.replace("a", "é").encode("latin-1"), TableOptions(sensitive=SENSITIVE), "not UTF-8 text"),
    "a web page": ("\n <!DOCTYPE html><html>", TableOptions(sensitive=SENSITIVE), "is a web page, not CSV"),
    "no favourable class": (
        "y_true,y_pred,race\ngood,bad,a\n",
        TableOptions(sensitive=("race",)),
        "classes bad, good, none of them is 1 or true; set model.positive",
    ),
    "unknown favourable class": (GOOD, TableOptions(sensitive=("race",), positive="yes"), "no case has the class yes"),
    "all predictions missing": ("y_pred,race\n,a\n", TableOptions(sensitive=("race",)), "no prediction in any row"),
    "numbers as groups": (
        "y_pred,age\n" + "".join(f"{i % 2},{i}\n" for i in range(60)),
        TableOptions(sensitive=("age",)),
        "age has 60 different values; put them into groups",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_is_one_sentence_that_names_the_file(place: Path, name: str) -> None:
    content, options, told = MISTAKES[name]
    Path("t.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ModelError, match=told) as caught:
        read_table(options, "t.csv")
    assert str(caught.value).startswith("t.csv")
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_a_damaged_parquet_file_and_a_missing_one(place: Path) -> None:
    Path("t.parquet").write_bytes(b"PAR1 and then nothing of use PAR1")
    with pytest.raises(ModelError, match=r"t\.parquet cannot be read as Parquet"):
        read_table(TableOptions(sensitive=SENSITIVE), "t.parquet")
    with pytest.raises(ModelError, match=r"The table no\.csv was not found"):
        read_table(TableOptions(sensitive=SENSITIVE), "no.csv")
    Path("t.xlsx").write_bytes(b"PK")
    with pytest.raises(ModelError, match=r"t\.xlsx is not a table .*save it as \.csv or \.parquet"):
        read_table(TableOptions("t.xlsx", SENSITIVE), None)


def options(**table_options: object) -> Options:
    return Options(table=TableOptions(sensitive=SENSITIVE, **table_options))  # type: ignore[arg-type]


def test_a_table_is_opened_as_a_model(place: Path) -> None:
    Path("Loans.CSV").write_text(GOOD, encoding="utf-8")
    model = open_model("Loans.CSV", None, None, None, options(), {"owner": "us"})
    assert model.capabilities == {Capability.TABULATE, Capability.PREDICT}
    facts = model.facts
    assert (facts.kind, facts.name, facts.pinned, facts.chat_template) == ("tabular", "Loans", True, False)
    assert facts.weights_sha256 == file_hash([Path("Loans.CSV")])
    assert facts.declared == {"owner": "us"}
    [[request]] = model.batches([Tabulate()])
    assert answer(model, [request]) == [table(GOOD)]


def test_the_fingerprint_follows_the_file_and_how_it_is_read(place: Path) -> None:
    Path("t.csv").write_text(GOOD, encoding="utf-8")
    Path("u.csv").write_text(GOOD.replace("0.9", "0.8"), encoding="utf-8")
    Path("v.csv").write_text("y_true,y_pred,race,sex\n1,0,a,f\n0,1,b,m\n", encoding="utf-8")
    ways = [("t.csv", options()), ("u.csv", options()), ("v.csv", options()), ("v.csv", options(positive="0"))]
    ways.append(("v.csv", options(columns={"y_pred": "y_true"})))
    prints = [open_model(source, None, None, None, how, {}).fingerprint for source, how in ways]
    assert len(set(prints)) == 5
    assert open_model("t.csv", None, None, "tabular", options(), {}).fingerprint == prints[0]


@pytest.mark.parametrize(
    ("source", "task", "told"),
    [
        ("t.csv", "causal-lm", "t.csv is of task tabular, not causal-lm"),
        ("org/name", "tabular", "org/name is no table; task tabular takes"),
        ("m.pkl", None, "m.pkl is a pickled model, .*any code; .*skops.io.dump"),
        ("m.JOBLIB", "tabular", "m.JOBLIB is a pickled model"),
    ],
)
def test_what_is_no_table_is_refused(place: Path, source: str, task: str | None, told: str) -> None:
    Path("t.csv").write_text(GOOD, encoding="utf-8")
    with pytest.raises(ModelError, match=told):
        open_model(source, None, None, task, options(), {})


DATA_SET = "label,income,town,race,sex\n1,10,x,a,f\n0,,y,b,m\n1,30,x,b,f\n"


def test_a_table_without_predictions_is_a_data_set(place: Path) -> None:
    Path("t.csv").write_text(DATA_SET, encoding="utf-8")
    model = open_model("t.csv", None, None, None, options(columns={"y_true": "label"}), {})
    assert model.capabilities == {Capability.TABULATE}
    assert isinstance(model, SaysWhyNot)
    assert "no predictions" in model.lacks[Capability.PREDICT]
    assert model.facts.capabilities == ["tabulate"]
    assert "only the data set itself is audited" in " ".join(model.facts.notes)
    [[plain, whole]] = [answer(model, [Tabulate(), Tabulate(whole=True)])]
    assert isinstance(plain, Tabulated)
    assert (plain.truth, plain.predicted, plain.columns) == (("1", "0", "1"), (), ())
    assert isinstance(whole, Tabulated)
    assert whole.columns == ("income", "town")
    assert whole.values == (("10", None, "30"), ("x", "y", "x"))
    assert decode(encode(whole)) == whole
    assert replace(whole, columns=(), values=()) == plain


def test_the_whole_table_has_no_column_that_has_a_role_or_is_there_twice(place: Path) -> None:
    Path("t.csv").write_text("y_true,y_pred,y_score,text,race,age,town,town\n1,1,0.9,hi,a,5,x,y\n", encoding="utf-8")
    model = open_model("t.csv", None, None, None, Options(table=TableOptions(sensitive=("race",))), {})
    [whole] = answer(model, [Tabulate(whole=True)])
    assert isinstance(whole, Tabulated)
    assert whole.columns == ("age",)
    assert "more than once (town)" in " ".join(whole.notes)


def test_a_table_that_was_changed_meanwhile_is_no_answer(place: Path) -> None:
    Path("t.csv").write_text(DATA_SET, encoding="utf-8")
    model = open_model("t.csv", None, None, None, options(columns={"y_true": "label"}), {})
    Path("t.csv").write_text(DATA_SET + "1,5,z,a,f\n", encoding="utf-8")
    assert answer(model, [Tabulate(whole=True)]) == [Failure("failed", "t.csv was changed while it was audited.")]
    Path("t.csv").unlink()
    [gone] = answer(model, [Tabulate(whole=True)])
    assert isinstance(gone, Failure)
    assert "was not found" in gone.reason
    assert isinstance(answer(model, [Tabulate()])[0], Tabulated)


def test_a_column_that_looks_a_little_like_a_prediction_is_none(place: Path) -> None:
    assert table("y_true,v_score_text,race\n1,low,a\n0,high,b\n", ("race",)).predicted == ()


def test_texts_need_no_sensitive_column(place: Path) -> None:
    found = table("text\nHello.\nBye.\n", ())
    assert (found.texts, found.attributes, found.truth) == (("Hello.", "Bye."), (), (None, None))


def test_a_data_set_is_read_whole(place: Path) -> None:
    Path("t.csv").write_text(DATA_SET, encoding="utf-8")
    found = read_data_set(TableOptions(None, SENSITIVE, {"y_true": "label"}), "t.csv")
    assert (found.columns, found.truth, found.predicted) == (("income", "town"), ("1", "0", "1"), ())
    Path("t.csv").write_text(GOOD, encoding="utf-8")
    assert read_data_set(TableOptions(None, SENSITIVE), "t.csv").columns == ()  # predictions are none of its columns
