"""The JavaScript client of the Hub, which shares no code with the Python one.

It is installed with ``npm install --prefix tests/interop``; without it the test is skipped.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from palrs_hub.local_hub import new_token, running_hub, verify

FOLDER = Path(__file__).parent
NODE = shutil.which("node")


def test_the_javascript_client(tmp_path):
    if NODE is None or not (FOLDER / "node_modules").is_dir():
        pytest.skip("needs Node 20 and: npm install --prefix tests/interop")
    token = new_token("ada")
    with running_hub(tmp_path, tokens=[token]) as hub:
        done = subprocess.run(
            [NODE, "client.mjs", hub.url, token.value, token.user],
            cwd=FOLDER,
            # Node would take the address of another hub, or a proxy, from the environment.
            env={"PATH": os.environ.get("PATH", "")},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert verify(tmp_path).sound
