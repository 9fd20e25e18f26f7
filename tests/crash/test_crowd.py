"""Sixteen processes pull, push, attach and copy at once on one cache, and none disturbs another."""

import json
import subprocess
import sys
from pathlib import Path

from palrs_hub.hub.origin import ORIGIN_FILE
from palrs_hub.package_files import PACKAGE_FILES


def test_sixteen_processes_on_one_cache(hub, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.crash.crowd", str(tmp_path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == {"failed": [], "together": True, "cached": True}
    there = {path.name for path in (tmp_path / "together").iterdir()}
    assert there == {*PACKAGE_FILES, ORIGIN_FILE}
