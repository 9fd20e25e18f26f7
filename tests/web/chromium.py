"""Runs a program of this folder that drives Chromium, and reads what it saw."""

import json
import os
import shutil
import subprocess
from pathlib import Path

FOLDER = Path(__file__).parent


def drive(program, address, *arguments):
    """What a program of this folder reports of the site at an address.

    Args:
        program: The name of its file.
        address: Where the site is.
        arguments: What the program wants beside Chromium's path.
    """
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert chromium, "Chromium is not installed: apt-get install chromium, or set CHROMIUM"
    shots = os.environ.get("SCREENSHOTS")
    done = subprocess.run(
        ["node", program, address, chromium, *arguments]
        + ([str(Path(shots).resolve())] if shots else []),
        cwd=FOLDER,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
