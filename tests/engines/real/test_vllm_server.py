"""vLLM's OpenAI-compatible server, started by the command that ``palrs-hub vllm`` prints."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from palrs_hub.cli import main
from palrs_hub.demo import model_folder
from palrs_hub.errors import SteeringError
from tests.engines.real.conftest import ROOT, VLLM_ENVIRONMENT
from tests.engines.real.demonstration import (
    accuracy_of,
    demonstration_problems,
    demonstration_vector,
)

# As documented; the module that serves it needs what only vLLM's environment has.
ROUTE = "/v1/palrs-hub/steering"

# What vLLM's attention on a CPU can do.
HEAD_WIDTHS = (32, 64, 80, 96, 112, 128, 160, 192, 224, 256, 512)
START_SECONDS = 900
KEY = "a key for this test"


@dataclass
class Server:
    """A running server."""

    url: str
    selftest: Path

    def ask(self, path: str, body: dict[str, Any] | None = None, key: str = KEY) -> dict[str, Any]:
        request = urllib.request.Request(
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
        )
        with urllib.request.urlopen(request, timeout=300) as answer:
            return json.load(answer)

    def chat(self, prompt: str, max_tokens: int) -> str:
        messages = [{"role": "user", "content": prompt}]
        body = {"messages": messages, "max_tokens": max_tokens, "temperature": 0}
        return str(self.ask("/v1/chat/completions", body)["choices"][0]["message"]["content"])

    def accuracy(self) -> float:
        problems = demonstration_problems()
        with ThreadPoolExecutor(16) as pool:
            found = pool.map(lambda p: self.chat(p, problems.max_new_tokens), problems.prompts)
        return accuracy_of(problems, list(found))

    def selftest_code(self) -> int:
        words = ["selftest", str(self.selftest), "--engine", "vllm", "--url", self.url]
        return main([*words, "--api-key", KEY])


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    config = json.loads((model_folder() / "config.json").read_text())
    if config.get("head_dim") not in HEAD_WIDTHS:
        pytest.skip(f"vLLM's attention on a CPU has no heads of width {config.get('head_dim')}")
    folder = tmp_path_factory.mktemp("server")
    demonstration_vector().save_pretrained(folder / "vector")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    selftest = folder / "careful.selftest.json"
    with _serving(folder, port, selftest) as process:
        found = Server(f"http://127.0.0.1:{port}", selftest)
        _wait(found, process, folder / "log")
        yield found


@contextlib.contextmanager
def _serving(folder: Path, port: int, selftest: Path) -> Iterator[subprocess.Popen[bytes]]:
    words = [
        *("vllm", f"careful={folder / 'vector'}", "--model", str(model_folder()), "--live"),
        *("--selftest", str(selftest), "--json"),
    ]
    for extra in ("--port", str(port), "--api-key", KEY, "--dtype", "float32"):
        words += ["--extra", extra]
    with (folder / "command").open("w") as file, contextlib.redirect_stdout(file):
        assert main(words) == 0
    command = json.loads((folder / "command").read_text())
    program = str(VLLM_ENVIRONMENT / "bin" / command["command"][0])
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
        **command["environment"],
        "PATH": f"{VLLM_ENVIRONMENT / 'bin'}:{os.environ['PATH']}",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, *command["command"][1:]],
            env=environment, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=120)


def _wait(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(START_SECONDS):
        if process.poll() is not None:
            break
        health = server.url + "/health"
        try:
            with urllib.request.urlopen(health, timeout=5):
                return
        except urllib.error.HTTPError as not_yet:
            not_yet.close()
        except OSError:
            pass  # it does not listen yet
        time.sleep(1)
    raise AssertionError(log.read_text(errors="replace")[-4000:])


def test_the_demonstrations_gain_is_there(server, figures):
    """With torch.compile, over the interface that every client of OpenAI's speaks."""
    assert server.selftest_code() == 0
    after = server.accuracy()
    server.ask(ROUTE, {"vector": None})
    assert server.selftest_code() == SteeringError.exit_code
    before = server.accuracy()
    figures.accuracies.append(("vLLM's OpenAI-compatible server, the plugin", before, after))
    assert after >= before + 0.3
    state = server.ask(ROUTE, {"vector": "careful"})
    assert (state["active"], server.selftest_code()) == ("careful", 0)


def test_a_choice_that_is_not_one_changes_nothing(server):
    before = server.ask(ROUTE)
    for body in ({"vector": "quiet"}, {"vector": "careful", "coefficient": 0}, {"other": 1}):
        assert _refusal(server, body) == 400
    assert server.ask(ROUTE) == before


def test_the_route_is_behind_the_servers_key(server):
    assert _refusal(server, {"vector": None}, key="another") == 401


def _refusal(server: Server, body: dict[str, Any], key: str = KEY) -> int:
    with pytest.raises(urllib.error.HTTPError) as refused:
        server.ask(ROUTE, body, key=key)
    with refused.value as answer:
        return answer.code
