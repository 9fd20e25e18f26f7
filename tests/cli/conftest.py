"""A base model on the session's Hub, and one vector that the command line extracted from it."""

import json
from pathlib import Path
from typing import NamedTuple

import pytest


class Run(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def run(capsys):
    """Run the command line as a user would: words in; exit code and text out."""
    from palrs_hub.cli import main

    def run_words(*words):
        capsys.readouterr()
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Run(code, captured.out, captured.err)

    return run_words


@pytest.fixture(scope="session")
def base(hub):
    """``lab/base@commit``: the demonstration model as a base model on the Hub."""
    from palrs_hub.demo import model_folder
    from palrs_hub.hub import push_model

    return f"lab/base@{push_model(model_folder(), 'lab/base').commit}"


@pytest.fixture(scope="session")
def extracted(base, tmp_path_factory) -> Path:
    """A folder with a vector, written by ``palrs-hub extract``."""
    from palrs_hub.cli import main
    from palrs_hub.demo import pairs_file

    folder = tmp_path_factory.mktemp("extracted") / "vector"
    code = main(
        [
            *("extract", "--model", base, "--pairs", str(pairs_file())),
            *("--choice", "validation", "--task", "careful arithmetic", "--output", str(folder)),
        ]
    )
    assert code == 0
    return folder


@pytest.fixture(scope="session")
def published(extracted, hub):
    """``org/name@commit`` of that vector on the Hub."""
    from palrs_hub.hub import push

    done = push(extracted, "lab/careful")
    return f"{done.repo_id}@{done.commit}"
