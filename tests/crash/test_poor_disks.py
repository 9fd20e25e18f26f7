"""Real file systems that are full or read-only: a sentence, an exit code, and nothing torn."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.poor_disk import EXPORTED

UNSHARE = ["unshare", "--user", "--map-root-user", "--mount"]
WHY = {"full": "No space left", "read-only": "Read-only file system"}
CODES = {
    "extract": 3,
    "extract --resume": 2,
    "pull": 5,
    **{f"export {kind}": 3 for kind in EXPORTED},
    "card": 2,
    "registry build": 3,
    "save over a vector": 3,
}


def may_mount():
    try:
        tried = subprocess.run([*UNSHARE, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return tried.returncode == 0


@pytest.fixture(scope="module", params=WHY)
def met(request, hub, tmp_path_factory):
    if not may_mount():
        pytest.skip("no user namespace may be made here, so no small disk can be mounted")
    disk, plenty = tmp_path_factory.mktemp("disk"), tmp_path_factory.mktemp("plenty")
    program = [sys.executable, "-W", "ignore", "-m", "tests.crash.poor_disk"]
    done = subprocess.run(
        [*UNSHARE, *program, request.param, disk, plenty],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return request.param, json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", CODES)
def test_it_is_told_in_a_sentence(met, name):
    how, found = met
    code, screen = found["told"][name]
    assert code == CODES[name], screen
    assert WHY[how] in screen
    assert "Traceback" not in screen


def test_nothing_is_left_and_what_was_there_is_whole(met):
    _, found = met
    assert found["left"] == []
    assert found["old"]


def test_a_vector_can_be_sent_from_there_all_the_same(met):
    _, found = met
    assert found["push"] == 0
