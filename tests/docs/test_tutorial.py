"""The tutorial, run word for word in an empty folder against an embedded Hub of its own."""

import importlib.metadata
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from palrs_hub.manifest import read_manifest
from palrs_hub.registry import read_index

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text(encoding="utf-8")
SERVE, *BLOCKS = re.findall(r"^```shell\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
(PYTHON,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
PORT = "8471"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def a_readers_environment(home):
    """What a terminal of a user has, in which the programs of this installation are found."""
    client = importlib.metadata.distribution("huggingface-hub")
    hf = next(client.locate_file(file) for file in client.files or () if file.name == "hf")
    # Usually both are one folder; this interpreter's own palrs-hub comes first.
    programs = [Path(sys.executable).parent, Path(str(hf)).resolve().parent]
    known = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HF_", "HUGGING_FACE_", "PALRS_HUB_", "GIT_"))
    }
    path = os.pathsep.join([*map(str, programs), known["PATH"]])
    return {
        **known,
        "PATH": path,
        "HOME": str(home),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    }


def wait_for(process, log):
    """Wait until the Hub says where it is, at most half a minute."""
    for _ in range(300):
        if "Use it with" in log.read_text():
            return
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError("The Hub did not start.")


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """The folder and what the terminal showed, after a reader has done everything on the page."""
    folder, home = tmp_path_factory.mktemp("tutorial"), tmp_path_factory.mktemp("home")
    environment, port = a_readers_environment(home), free_port()
    log = home / "serve.log"
    with log.open("w") as output:
        hub = subprocess.Popen(
            ["bash", "-c", f"exec {SERVE.strip()}".replace(PORT, port)],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(hub, log)
        script = "set -euo pipefail\n" + "\n".join(BLOCKS)
        script += f"\npython - <<'END'\n{PYTHON}\nprint(model.get_input_embeddings())\nEND\n"
        done = subprocess.run(
            ["bash", "-c", script.replace(PORT, port)],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    finally:
        hub.terminate()
        hub.wait(timeout=30)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder, done.stdout


def test_the_vector_was_evaluated_beside_its_baselines(followed):
    manifest = read_manifest((followed[0] / "careful-sums" / "steering_config.json").read_bytes())
    sums = manifest.evaluations[0]
    assert sums.task == "sums with a carry"
    assert sums.value > 0.9
    assert sums.baselines["unsteered"] < 0.1
    assert manifest.base_model.repo_id == "my-lab/base"
    assert {e.metric for e in manifest.evaluations} == {"accuracy", "perplexity", "kl"}


def test_the_registrys_clone_is_green_and_submitted(followed):
    folder, shown = followed
    assert "1 entry; no errors." in shown
    asked = ("ls-tree", "-r", "--name-only", "add-careful-sums")
    log = subprocess.run(
        ["git", "--git-dir", folder / "registry.git", *asked],
        capture_output=True,
        text=True,
        check=True,
    )
    assert {"registry/careful-sums.yaml", "cards/careful-sums.md"} <= set(log.stdout.split())


def test_the_gallery_shows_it(followed):
    site = followed[0] / "site"
    (entry,) = read_index((site / "index.json").read_bytes()).entries
    assert (entry.slug, entry.verdict) == ("careful-sums", "unreviewed")
    page = (site / "vectors" / "careful-sums.html").read_text(encoding="utf-8")
    assert "#834" in page
    assert "#724" in page


def test_another_cache_pulled_and_runs_it(followed):
    folder, shown = followed
    assert "568+859=" in shown.partition("Pulled careful-sums")[2]
    assert "#1427" in shown.partition("Pulled careful-sums")[2]
    cached = {path.name for path in (folder / "their-cache" / "hub").iterdir()}
    assert {"models--my-lab--base", "models--my-lab--careful-sums"} <= cached
    samples = json.loads((folder / "samples.json").read_text())["generations"]
    assert [s["steered"].partition("#")[2] for s in samples[:2]] == ["834", "1074"]
