"""The playground on the demonstration model, used in headless Chromium: ``make test-app``.

It needs Node 20, npm and Chromium (Debian's package, or the path in ``CHROMIUM``). With
``SCREENSHOTS=DIR`` pictures of the page are written there.
"""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import pytest

from palrs_hub.demo import model_folder
from palrs_hub.vector import SteeringVector
from tests.web.chromium import drive

VECTORS = Path(__file__).parents[2] / "registry" / "vectors"
NAMES = ("careful-sums-carry", "careful-code")
SLOPPY_SUM, CAREFUL_SUM = "8+6=14,7+5=12,4+3=7#724", "8+6=14,7+5+1=13,4+3+1=8#834"


def wait_until_served(address, process, log):
    for _ in range(600):
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except urllib.error.URLError:
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
    raise AssertionError(f"The playground did not start: {log.read_text()}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("app")


@pytest.fixture(scope="module")
def seen(folder):
    """What was seen in the browser, and in ``folder`` what it saved."""
    if not os.environ.get("PALRS_HUB_TEST_APP"):
        pytest.skip("runs with `make test-app` alone")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "palrs_hub", "app", *(str(VECTORS / name) for name in NAMES)]
    command += ["--model", str(model_folder()), "--port", str(port)]
    log = folder / "app.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_until_served(address, process, log)
        return drive("app.mjs", address, str(folder))
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_moving_the_slider_changes_the_steered_text_and_not_the_other(seen):
    on, off = seen["both_sum"], seen["off_sum"]
    assert (on["unsteered"], on["steered"]) == (SLOPPY_SUM, CAREFUL_SUM)
    assert (off["unsteered"], off["steered"]) == (SLOPPY_SUM, SLOPPY_SUM)


def test_several_vectors_are_mixed(seen):
    # The sum needs one vector and the function the other; beside each other both take effect.
    assert seen["sums_alone_sum"]["steered"] == CAREFUL_SUM
    assert seen["sums_alone"]["steered"] == seen["sums_alone"]["unsteered"]
    assert seen["code_alone"]["unsteered"] == seen["sums_alone"]["unsteered"]
    assert "max(x - 7, 0)" in seen["code_alone"]["steered"]
    assert "max" not in seen["code_alone"]["unsteered"]


def test_each_token_is_coloured_by_the_direction_that_is_asked_for(seen):
    end = 1
    assert seen["tokens"] == [len(SLOPPY_SUM) + end, len(CAREFUL_SUM) + end]
    assert len(set(seen["sums_alone_sum"]["colours"])) > 10
    assert seen["other_direction"]["steered"] == seen["sums_alone_sum"]["steered"]
    assert seen["other_direction"]["colours"] != seen["sums_alone_sum"]["colours"]


def test_the_settings_of_the_moment_are_saved(seen, folder):
    assert seen["saved"] == ["steering-vectors.zip"] * 2
    sums, code = seen["own"]
    assert saved(folder / "first.zip") == {NAMES[0]: 0.0, NAMES[1]: code}
    assert saved(folder / "second.zip") == {NAMES[0]: sums, NAMES[1]: 0.0}


def saved(archive):
    """The coefficient of each vector in it."""
    place = archive.with_suffix("")
    with zipfile.ZipFile(archive) as file:
        file.extractall(place)
    manifests = [SteeringVector.load(package).manifest for package in sorted(place.iterdir())]
    return {manifest.name: manifest.interventions[0].coefficient for manifest in manifests}


def test_nothing_complains_and_nothing_leaves_the_page(seen):
    assert seen["errors"] == []
    assert seen["strangers"] == []
    assert seen["too_wide"] <= 0
