"""Explanations and attention of real models, very small ones, of every kind, and how a browser shows them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from audit.explaining import ExplainError, attention, explain
from audit.models import Model
from tests.audit.models import tiny_seq2seq
from tests.audit.models.tiny_classifier import make_bert, open_classifier, reviews
from tests.audit.models.tiny_masked import make_bert as make_bert_masked
from tests.audit.models.tiny_masked import open_masked
from tests.audit.test_explaining import srcdoc

TEXT = "one two three four five six seven eight nine ten"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRWITNESS_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def reviewer(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return open_classifier(make_bert(tmp_path_factory.mktemp("bert"), reviews(), ("bad", "good")))


def test_a_language_model(llama: Model) -> None:
    found = explain(llama, "The red cat sleeps in the", "garden", "kitchen", chat=False, orders=20)
    assert found.units == ("The", "red", "cat", "sleeps", "in", "the")
    assert any(found.scores)
    assert found.f == pytest.approx(found.likelihoods[0] - found.likelihoods[1], abs=1e-4)


def test_a_prompt_that_is_too_long(llama: Model) -> None:
    with pytest.raises(ExplainError, match=r"The prompt is too long: The input has \d+ tokens; the model reads 96"):
        explain(llama, "The cat " * 80, "garden")


def test_a_classifier(reviewer: Model) -> None:
    found = explain(reviewer, "We found the lamp dreadful and told everybody so.", "bad", "good")
    assert found.strongest(1)[0].text == "dreadful"
    assert found.preferred is True
    assert found.verdict == "supported"
    assert found.asked == "Why the class “bad” rather than “good”?"
    assert found.f == pytest.approx(found.likelihoods[0] - found.likelihoods[1], abs=1e-4)
    other = explain(reviewer, "We found the lamp dreadful and told everybody so.", "good")
    assert other.preferred is False


def test_a_class_that_the_classifier_does_not_have(reviewer: Model) -> None:
    with pytest.raises(ExplainError, match=r"fine is none of the classes of .*: bad, good\."):
        explain(reviewer, TEXT, "bad", "fine")
    with pytest.raises(ExplainError, match="is a classifier, which reads text"):
        explain(reviewer, TEXT, "bad", chat=True)


def test_attention_of_one_text(llama: Model, tmp_path: Path) -> None:
    view = attention(llama, "The red cat sleeps in the", " garden")
    layers, heads, rows, columns = view.weights.shape
    assert rows == columns == len(view.tokens) == len(view.sources)
    assert "".join(view.tokens) == "The red cat sleeps in the garden"
    assert view.weights.sum(-1) == pytest.approx(np.ones((layers, heads, rows)), abs=1e-5)
    cell = view._repr_html_()
    assert 'sandbox="allow-scripts"' in cell
    page = srcdoc(cell)
    assert 'id="attention-viewer"' in page
    assert view.save(tmp_path / "a" / "page.html").read_text(encoding="utf-8") == page
    alone = attention(llama, "The red cat")
    assert "".join(alone.tokens) == "The red cat"


def test_attention_mistakes(llama: Model) -> None:
    with pytest.raises(ExplainError, match="The text is empty"):
        attention(llama, " ")
    with pytest.raises(ExplainError, match="cannot be shown: The input has"):
        attention(llama, "The cat " * 80)


def test_an_encoder_decoder_shows_how_the_answer_looks_at_the_text(t5: Model) -> None:
    model = t5
    source, target = tiny_seq2seq.EVERY[0]
    view = attention(model, source, target)
    assert view.weights.shape[2:] == (len(view.tokens), len(view.sources))
    assert "attention-viewer" in view._repr_html_()
    alone = attention(model, source)
    assert alone.weights.shape[2:] == (len(alone.tokens), len(alone.tokens))
    assert "attention-viewer" in alone._repr_html_()
    found = explain(model, source, target, chat=False, orders=20)
    assert len(found.scores) == len(source.split())


@pytest.fixture(scope="module")
def drawn(llama: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with both pictures, and a notebook's cells as a browser gets them."""
    folder = tmp_path_factory.mktemp("drawn")
    found = explain(llama, "The red cat sleeps in the big old", "garden", chat=False, orders=20)
    view = attention(llama, "The red cat sleeps in the big old", " garden")
    found.save(folder / "page.html", view)
    cells = f"<!doctype html><title>n</title>{found._repr_html_()}{view._repr_html_()}"
    (folder / "notebook.html").write_text(cells, encoding="utf-8")
    return folder


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on this machine")
def test_in_a_browser_the_viewer_draws_and_nothing_is_fetched(drawn: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    requests, errors = [], []
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.on("request", lambda r: requests.append(r.url))
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: errors.append(str(e)))
        page.goto((drawn / "page.html").as_uri())
        page.wait_for_selector("#at-status:not(:empty)")
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        page.goto((drawn / "notebook.html").as_uri())
        frame = page.frames[2]
        frame.wait_for_selector("#at-status:not(:empty)")
        assert page.frames[1].locator(".token").count() == 8
        browser.close()
    assert errors == []
    assert [u for u in requests if not u.startswith(("file:", "data:", "about:"))] == []


def test_a_masked_model(tmp_path: Path) -> None:
    model = open_masked(make_bert_masked(tmp_path, steps=5))
    found = explain(model, "The red cat sleeps in the", "garden", "kitchen", orders=20)
    assert found.f == pytest.approx(found.likelihoods[0] - found.likelihoods[1], abs=1e-4)
    with_answer, alone = attention(model, "The red cat sleeps", " there"), attention(model, "The red cat sleeps ")
    for view in (with_answer, alone):
        assert view.weights.shape[2:] == (len(view.tokens), len(view.tokens))
        assert 'id="attention-viewer"' in srcdoc(view._repr_html_())
    one = attention(model, "cat")
    assert one.weights.shape[-1] == len(one.tokens)


def test_what_each_token_of_the_answer_rests_on_is_on_the_page_and_in_the_cell_without_scripts(
    llama: Model, tmp_path: Path
) -> None:
    found = explain(llama, "The red cat sleeps in the", "garden of the river", chat=False, orders=20)
    assert found.attributed is not None
    assert len(found.attributed.by_token) == len(found.attributed.tokens) > 1
    assert np.sum(found.attributed.by_token, axis=0) == pytest.approx(np.array(found.scores), abs=1e-4)
    assert "<script>" in found.save(tmp_path / "page.html").read_text(encoding="utf-8")
    page = srcdoc(found._repr_html_())
    assert "<script" not in page
    assert "By token of the answer" in page
