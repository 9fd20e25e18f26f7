"""One vector, whether one process reads the pairs, two of torchrun do, or parts are merged."""

import json
import os
import subprocess
import sys

import pytest

from palrs_hub.demo import model_folder, pairs_file
from palrs_hub.vector import SteeringVector

SETTINGS = (
    *("--model", str(model_folder()), "--base-model", "lab/base"),
    *("--pairs", str(pairs_file()), "--validation", "0"),
)


def same(one, two):
    return SteeringVector.load(one).manifest == SteeringVector.load(two).manifest


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    from palrs_hub.cli import main

    folder = tmp_path_factory.mktemp("alone") / "vector"
    assert main(["extract", *SETTINGS, "--output", str(folder), "--name", "v", "--task", "t"]) == 0
    return folder


LAUNCHERS = {
    "torchrun": ("torch.distributed.run", "--nproc-per-node", "2", "--standalone"),
    "accelerate launch": (
        # Its way of starting processes; on a CPU it knows MPI alone.
        *("accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"),
        *("--num_machines", "1"),
        *("--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"),
    ),
}


def launch(launcher, *words):
    command = [sys.executable, "-m", *LAUNCHERS[launcher], "-m", "palrs_hub", *map(str, words)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_two_processes_give_what_one_gives_and_the_first_alone_speaks(alone, tmp_path, launcher):
    done = launch(
        launcher,
        *("extract", *SETTINGS, "--output", tmp_path / "v", "--name", "v", "--task", "t", "--json"),
        *("--checkpoint", tmp_path / "sums.part"),
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["output"] == str(tmp_path / "v")
    assert same(alone, tmp_path / "v")
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept == {"v", "sums.0-of-2.part", "sums.1-of-2.part"}


def test_parts_read_anywhere_are_merged(run, alone, tmp_path):
    files = [tmp_path / "0", tmp_path / "1"]
    for index, file in enumerate(files):
        words = ("extract", *SETTINGS, "--part", f"{index}/2", "--checkpoint", file, "--json")
        found = run(*words)
        assert found.code == 0, found.err
    assert found.json == {"part": str(files[1]), "pairs": 36, "of": 100}
    merged = run("merge", *files, "--output", tmp_path / "v", "--name", "v", "--task", "t")
    assert merged.code == 0, merged.err
    assert same(alone, tmp_path / "v")
    again = run("merge", *files, "--output", tmp_path / "v")
    assert again.code == 2
    assert "--overwrite" in again.err


@pytest.mark.parametrize("part", ["2/2", "x", "1", "-1/2"])
def test_a_part_that_is_none_is_wrong_usage(run, tmp_path, part):
    found = run("extract", *SETTINGS, "--part", part, "--checkpoint", tmp_path / "sums")
    assert found.code == 2
    assert "I/N" in found.err


def test_a_part_needs_a_file(run):
    assert "--part needs --checkpoint" in run("extract", *SETTINGS, "--part", "0/2").err


def test_a_part_of_no_pairs_leaves_a_file_all_the_same(run, alone, tmp_path):
    files = [tmp_path / str(index) for index in range(3)]
    for index, file in enumerate(files):
        assert run("extract", *SETTINGS, "--part", f"{index}/3", "--checkpoint", file).code == 0
    merged = run("merge", *files, "--output", tmp_path / "v", "--name", "v", "--task", "t")
    assert merged.code == 0, merged.err
    assert same(alone, tmp_path / "v")
