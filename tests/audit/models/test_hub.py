"""Hub ids: what is asked of the hub, and its errors; nothing here reaches the network."""

from __future__ import annotations

import fnmatch
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import httpx2
import pytest
from huggingface_hub import constants
from huggingface_hub.errors import (
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    XetDownloadError,
)
from huggingface_hub.utils import hf_raise_for_status, validate_repo_id

from audit.models.base import ModelError
from audit.models.source import resolve

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ID = "org/model"


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a test reached for the network")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def hub_error(status: int, code: str = "") -> Exception:
    """The exception that the hub's client makes of an answer."""
    request = httpx2.Request("GET", f"https://huggingface.co/api/models/{ID}/revision/main")
    headers = {"X-Error-Code": code, "x-request-id": "Root=1-2"} if code else {"x-request-id": "Root=1-2"}
    try:
        hf_raise_for_status(httpx2.Response(status, headers=headers, request=request))
    except HfHubHTTPError as error:
        return error
    raise AssertionError("no error")


def bad_id() -> Exception:
    try:
        validate_repo_id("org/bad..id")
    except ValueError as error:
        return error
    raise AssertionError("no error")


def complaint(monkeypatch: pytest.MonkeyPatch, error: Exception) -> str:
    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    monkeypatch.setattr("audit.models.source.snapshot_download", fail)
    with pytest.raises(ModelError) as raised:
        resolve(ID, None)
    text = str(raised.value)
    assert "\n" not in text
    assert f"The model {ID} was not found on the hub or could not be downloaded: " in text
    assert not text.endswith(": ")
    return text


ERRORS: dict[str, Callable[[], Exception]] = {
    "not found": lambda: hub_error(404, "RepoNotFound"),
    "no such revision": lambda: hub_error(404, "RevisionNotFound"),
    "gated": lambda: hub_error(403, "GatedRepo"),
    "private": lambda: hub_error(401),
    "too many requests": lambda: hub_error(429),
    "server down": lambda: hub_error(503),
    "not cached": lambda: LocalEntryNotFoundError("Cannot find an appropriate cached snapshot folder.\nMore."),
    "offline": lambda: OfflineModeIsEnabled("Cannot reach the hub: offline mode is enabled."),
    "bad id": bad_id,
    "disk full": lambda: OSError(28, "No space left on device"),
    "without a message": lambda: ConnectionError(),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_of_the_hub_are_one_sentence(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    complaint(monkeypatch, ERRORS[name]())


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [(403, "GatedRepo", "gated"), (404, "RevisionNotFound", "revision"), (404, "RepoNotFound", "Repository Not Found")],
)
def test_the_sentence_says_what_the_hub_said(
    monkeypatch: pytest.MonkeyPatch, status: int, code: str, says: str
) -> None:
    assert says.lower() in complaint(monkeypatch, hub_error(status, code)).lower().split("downloaded:")[1]


@pytest.mark.parametrize(
    "error", [httpx2.ProxyError("proxy"), httpx2.ReadTimeout("slow"), XetDownloadError("broken")], ids=repr
)
def test_broken_downloads_are_one_sentence(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    complaint(monkeypatch, error)


def test_offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The hub's own client, told to stay offline, with nothing downloaded before."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        ModelError, match=f"The model {ID} was not found on the hub or could not be downloaded"
    ) as raised:
        resolve(ID, None)
    assert "\n" not in str(raised.value)


@pytest.fixture
def hub(llama_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A hub with one model; what it was asked for."""
    asked: list[dict[str, Any]] = []
    snapshot = shutil.copytree(llama_folder, tmp_path / COMMIT)

    def download(repo_id: str, **options: Any) -> str:
        asked.append({"repo_id": repo_id, **options})
        return str(snapshot)

    monkeypatch.setattr("audit.models.source.snapshot_download", download)
    return asked


def test_the_commit_is_recorded(hub: list[dict[str, Any]]) -> None:
    found = resolve(ID, None)
    assert (found.name, found.revision, found.pinned) == (ID, COMMIT, False)
    assert (hub[0]["repo_id"], hub[0]["revision"]) == (ID, None)


@pytest.mark.parametrize("revision", [COMMIT, "main"])
def test_a_revision_pins_the_model(hub: list[dict[str, Any]], revision: str) -> None:
    found = resolve(ID, revision)
    assert (found.revision, found.pinned) == (COMMIT, True)
    assert hub[0]["revision"] == revision


def test_neither_pickles_nor_code_are_downloaded(hub: list[dict[str, Any]]) -> None:
    resolve(ID, None)
    for name in ("pytorch_model.bin", "model.pt", "model.pkl", "modeling_custom.py", "x.ckpt", "onnx/model.onnx"):
        assert not any(fnmatch.fnmatch(name, pattern) for pattern in hub[0]["allow_patterns"]), name
    for name in ("config.json", "model-00001-of-00002.safetensors", "tokenizer.model", "merges.txt"):
        assert any(fnmatch.fnmatch(name, pattern) for pattern in hub[0]["allow_patterns"]), name


def test_code_is_downloaded_only_where_the_config_says_so(hub: list[dict[str, Any]]) -> None:
    resolve(ID, None)
    resolve(ID, None, remote_code=True)
    assert ["*.py" in asked["allow_patterns"] for asked in hub] == [False, True]


def test_a_snapshot_that_is_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.models.source.snapshot_download", lambda *_, **__: str(tmp_path))
    with pytest.raises(ModelError, match=f"{ID} is not a model: the folder has no config.json"):
        resolve(ID, None)
