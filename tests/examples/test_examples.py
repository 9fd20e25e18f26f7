"""The examples, each run from beginning to end as somebody would run it."""

import runpy
from pathlib import Path

import pytest

from palrs_hub.steer import attached

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.fixture
def run(monkeypatch):
    """Runs an example in the repository's folder, and gives what it defined."""
    monkeypatch.chdir(ROOT)

    def run(name):
        found = runpy.run_path(str(ROOT / "examples" / name))
        assert attached(found["model"]) == ()
        return found

    return run


def test_extract_and_steer(run):
    found = run("01_extract_and_steer.py")
    assert found["unsteered"].endswith("#724")
    assert found["steered"].endswith("#834")
    assert found["off"] == found["unsteered"]


def test_share_on_a_hub(run, hub):
    found = run("02_share_on_a_hub.py")
    assert {"README.md", "steering_config.json", "steering_vectors.safetensors"} < set(
        found["files"]
    )
    assert found["theirs"].source == f"my-lab/careful-sums@{found['pushed'].commit}"
    assert found["text"].endswith("#834")


def test_select_and_evaluate(run, capsys):
    found = run("03_select_and_evaluate.py")["found"]
    assert found.unsteered < 0.1
    assert found.steered > 0.9
    assert found.random < 0.3
    assert found.gain.low > 0.5
    assert "made worse: 0.0%" in capsys.readouterr().out


def test_inspect_and_mix(run):
    found = run("04_inspect_and_mix.py")
    assert [text.endswith("#834") for text in (found["unsteered"][0], found["both"][0])] == [
        False,
        True,
    ]
    assert "max(x - 7, 0)" in found["both"][1]
    assert "max" not in found["unsteered"][1]
    none, own, weak = found["rows"]
    assert none == found["unsteered"][0]
    assert own.endswith("#834")
    assert weak == none


def test_every_example_is_run():
    source = Path(__file__).read_text(encoding="utf-8")
    assert EXAMPLES
    for example in EXAMPLES:
        assert f'run("{example.name}")' in source
