"""Two real processes of torchrun, one of which is killed and started again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from palrs_hub import extract, read_pairs, reading
from palrs_hub.demo import pairs_file

SCRIPT = Path(__file__).with_name("run_shared.py")


def torchrun(*words):
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--standalone", str(SCRIPT), *map(str, words)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(SCRIPT.parents[1])}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.slow
def test_two_processes_find_what_one_does_even_after_one_was_killed(
    demo_model, demo_tokenizer, tmp_path, monkeypatch
):
    monkeypatch.setattr(reading, "SHARD_PAIRS", 16)
    alone = extract(demo_model, demo_tokenizer, read_pairs(pairs_file()))

    killed = torchrun(tmp_path, "kill")
    assert killed.returncode != 0
    assert not list(tmp_path.glob("candidates-*"))

    done = torchrun(tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "read-1").read_text()) == [3, 5]
    for place in range(2):
        found = np.load(tmp_path / f"candidates-{place}.npy")
        np.testing.assert_allclose(found, alone.candidates, rtol=0, atol=1e-10)
