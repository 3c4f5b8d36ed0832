"""scikit-learn models saved with skops: what they predict, and which are refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from audit.models import Capability, ModelError, Tabulate, Tabulated, answer
from audit.models.opening import open_model
from audit.models.options import Options, TableOptions
from audit.models.source import file_hash
from tests.probes.harness import ask

skops_io = pytest.importorskip("skops.io", reason="skops is not installed")
FEATURES = ["income", "town"]


def cases(many: int = 200) -> pd.DataFrame:
    """Whether a loan was repaid follows from income and town; sex has nothing to do with it."""
    stream = np.random.default_rng(3)
    income, town = stream.normal(30, 8, many).round(2), stream.choice(["north", "south"], many)
    good = income + 6 * (town == "north") + stream.normal(0, 4, many) > 32
    sex = stream.choice(["f", "m"], many)
    return pd.DataFrame({"sex": sex, "town": town, "income": income, "y_true": np.where(good, "repaid", "lost")})


def fitted(estimator: Any = None) -> Any:
    columns = ColumnTransformer([("n", StandardScaler(), ["income"]), ("c", OneHotEncoder(), ["town"])])
    # A forest that is not fitted yet is not true.
    model = make_pipeline(columns, LogisticRegression() if estimator is None else estimator)
    return model.fit(cases()[FEATURES], cases()["y_true"])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    cases().to_csv("cases.csv", index=False)
    skops_io.dump(fitted(), "m.skops")
    return tmp_path


def opened(source: str = "m.skops", table: str | None = "cases.csv", trust: bool = False, **how: Any) -> Any:
    how = {"sensitive": ("sex",), "positive": "repaid"} | how
    options = Options(table=TableOptions(table, **how), trust_remote_code=trust)
    return open_model(source, None, None, None, options, {})


def tabulated(model: Any) -> Tabulated:
    [found] = answer(model, [Tabulate()])
    assert isinstance(found, Tabulated)
    return found


def test_predictions_are_the_models_own(place: Path) -> None:
    found, frame, model = tabulated(opened()), cases(), fitted()
    right = sum(t == p for t, p in zip(found.truth, found.predicted, strict=True))
    assert right > 160  # better than the commoner class
    assert list(found.predicted) == model.predict(frame[FEATURES]).tolist()
    place_of_repaid = model.classes_.tolist().index("repaid")
    assert found.score == pytest.approx(model.predict_proba(frame[FEATURES])[:, place_of_repaid].tolist())
    assert found.truth == tuple(frame["y_true"])
    assert found.groups == (tuple(frame["sex"]),)
    assert found.texts[0] == f"income: {frame['income'][0]}; town: {frame['town'][0]}"


def test_parquet_and_another_order_of_columns_change_nothing(place: Path) -> None:
    cases()[["income", "y_true", "sex", "town"]].to_parquet("cases.parquet")
    assert tabulated(opened(table="cases.parquet")) == tabulated(opened())


def test_a_sensitive_column_may_be_a_feature(place: Path) -> None:
    assert tabulated(opened(sensitive=("town", "sex"))).attributes == ("town", "sex")


def test_facts(place: Path) -> None:
    facts = opened().facts
    assert (facts.kind, facts.architecture, facts.remote_code) == (
        "tabular",
        "Pipeline ending in LogisticRegression",
        False,
    )
    assert facts.weights_sha256 == file_hash([Path("m.skops")])
    assert file_hash([Path("cases.csv")]) in facts.notes[0]
    assert facts.capabilities == [Capability.FILES, Capability.PREDICT, Capability.TABULATE]


def test_the_fingerprint_follows_model_and_table(place: Path) -> None:
    before = opened().fingerprint
    assert opened().fingerprint == before
    cases(199).to_csv("cases.csv", index=False)
    assert opened().fingerprint != before


def test_classes_of_numbers_and_truths(place: Path) -> None:
    frame = cases()
    for values in ((frame["y_true"] == "repaid").astype(int), frame["y_true"] == "repaid"):
        skops_io.dump(fitted_on(values), "n.skops")
        frame.assign(y_true=values).to_csv("numbers.csv", index=False)
        found = tabulated(opened("n.skops", "numbers.csv", positive=None))
        assert found.positive == "1"
        assert set(found.predicted) == {"0", "1"}
        agrees = [(p == "1") == (s is not None and s >= 0.5) for p, s in zip(found.predicted, found.score, strict=True)]
        assert all(agrees)


def fitted_on(values: Any) -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(cases()[["income"]], values)


def test_without_probabilities_there_is_no_score(place: Path) -> None:
    skops_io.dump(fitted(LinearSVC()), "svc.skops")
    found = tabulated(opened("svc.skops"))
    assert found.score == ()
    assert set(found.predicted) == {"repaid", "lost"}


def test_types_that_are_not_vouched_for_need_consent_and_the_card_shows_it(place: Path) -> None:
    skops_io.dump(fitted(RandomForestClassifier(5, random_state=0)), "forest.skops")
    if not skops_io.get_untrusted_types(file="forest.skops"):
        pytest.skip("this version of skops vouches for trees")
    with pytest.raises(ModelError, match=r"sklearn\.tree\._tree\.Tree.*set model\.trust_remote_code: true\."):
        opened("forest.skops")
    facts = opened("forest.skops", trust=True).facts
    assert facts.remote_code
    assert any("sklearn.tree._tree.Tree" in note for note in facts.notes)
    assert not opened(trust=True).facts.remote_code  # consent that was not needed


def dump(model: Any) -> Callable[[], object]:
    return lambda: skops_io.dump(model, "m.skops")


def unnamed() -> object:
    return skops_io.dump(LogisticRegression().fit(cases()[["income"]].to_numpy(), cases()["y_true"]), "m.skops")


def without(*names: str) -> Callable[[], object]:
    return lambda: cases().drop(columns=list(names)).to_csv("cases.csv", index=False)


MISTAKES: dict[str, tuple[Callable[[], object], dict[str, Any], str]] = {
    "no file": (lambda: None, {"source": "no.skops"}, "The model no.skops was not found"),
    "no table": (lambda: None, {"table": None}, "m.skops needs a table of cases .* model.table"),
    "table not found": (lambda: None, {"table": "no.csv"}, "The table no.csv was not found"),
    "feature missing": (without("town"), {}, "cases.csv lacks features of the model: town"),
    "truth missing": (without("y_true"), {}, "cases.csv has no column y_true"),
    "group missing": (without("sex"), {}, "cases.csv has no column sex"),
    "no names": (unnamed, {}, "was fitted without names of columns"),
    "regression": (
        dump(LinearRegression().fit(cases()[["income"]], [1.0] * 200)),
        {},
        "LinearRegression, which is not",
    ),
    "not a model": (dump({"a": 1}), {}, "holds a dict, which is not a scikit-learn classifier"),
    "no archive": (lambda: Path("m.skops").write_bytes(b"pickle"), {}, "could not be opened as a model saved with"),
    "unfitted values": (
        lambda: cases().assign(town="west").to_csv("cases.csv", index=False),
        {},
        "m.skops could not predict the cases of cases.csv: Found unknown categories",
    ),
    "favourable class": (lambda: None, {"positive": "paid"}, "no case has the class paid"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_is_one_sentence(place: Path, name: str) -> None:
    make, how, told = MISTAKES[name]
    make()
    with pytest.raises(ModelError, match=told) as caught:
        opened(**how)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_without_skops_the_sentence_says_what_to_install(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(ModelError, match=r'needs the package skops: pip install "fairwitness\[sklearn\]"'):
        opened()


def test_asking_in_batches_gives_the_table(place: Path) -> None:
    found: dict[Any, Any] = {}
    ask(opened(), [Tabulate()], found)
    assert isinstance(found[Tabulate()], Tabulated)


def test_the_whole_table_holds_the_features(place: Path) -> None:
    [whole] = opened().tabulate([Tabulate(whole=True)])
    assert isinstance(whole, Tabulated)
    assert {"income", "town"} <= set(whole.columns)
    assert not {"sex", "y_true"} & set(whole.columns)
