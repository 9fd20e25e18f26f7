"""A model that is spread over two processes is steered exactly as in one."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny_models import build

ROOT = Path(__file__).parents[2]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_two(folder, kind, port):
    """Run both processes as torchrun would, and read what each prints last."""
    command = [sys.executable, "-m", "tests.steer.run_parallel", str(folder), kind]
    several = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    ranks = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **several, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        outputs = [process.communicate(timeout=240) for process in ranks]
    finally:
        for process in ranks:
            process.kill()
    for process, (_, errors) in zip(ranks, outputs, strict=True):
        assert process.returncode == 0, errors[-3000:]
    return [json.loads(output.splitlines()[-1]) for output, _ in outputs]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "blocks"), [("tp", 4), ("pp", 2)])
def test_two_processes_steer_as_one(tmp_path, kind, blocks):
    build("llama").save_pretrained(tmp_path)
    for found in run_two(tmp_path, kind, free_port()):
        assert found["blocks here"] == blocks
        assert found["error"] < 1e-4
        assert found["error of rows"] < 1e-4
        assert found["effect"] > 0.1
        assert found["same text"]
        assert found["restored"]
        assert found["doubts"] == []
