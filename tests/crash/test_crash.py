"""Killed at any moment: every file is whole or absent, and the same command completes.

A sample; ``make test-crash`` takes a hundred moments of each.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.victims import VICTIMS

ROOT = Path(__file__).parents[2]
MOMENTS = int(os.environ.get("CRASH_MOMENTS", "2"))
INTERRUPTIONS = max(1, MOMENTS // 5)


def struck(name, moments, by):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.crash.killer", name, str(moments), by],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def report(found, by):
    if path := os.environ.get("CRASH_REPORT"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"signal": by, **found}) + "\n")


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("name", VICTIMS)
def test_killed_it_leaves_no_part_and_completes_when_run_again(name):
    found = struck(name, MOMENTS, "SIGKILL")
    report(found, "SIGKILL")
    assert found["complaints"] == []


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("name", VICTIMS)
def test_interrupted_it_cleans_up_and_ends_with_130(name):
    found = struck(name, INTERRUPTIONS, "SIGINT")
    report(found, "SIGINT")
    assert found["complaints"] == []
