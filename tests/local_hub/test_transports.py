"""One suite, one process for each way in which files travel: the client decides once, at import."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from palrs_hub.local_hub import limits, new_token, running_hub, verify

SUITE = Path(__file__).with_name("suite.py")
SMALL = (0, 1, 300_000)
LARGE = (limits.REGULAR_FILE_BYTES + 1, limits.REGULAR_FILE_BYTES + 1_000_003)


def run_suite(hub, token, folder, sizes, **settings):
    # The settings of this process's own client must not reach the other one.
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    own = {
        "HF_HOME": str(folder / "home"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    done = subprocess.run(
        [sys.executable, SUITE, hub.url, token.value, str(folder), *map(str, sizes)],
        env=inherited | own | settings,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("sizes", "settings", "protocol"),
    [
        (SMALL, {}, None),
        (LARGE, {"HF_HUB_DISABLE_XET": "1"}, "lfs"),
        (LARGE, {}, "xet"),
    ],
    ids=["regular", "lfs", "xet"],
)
def test_the_suite(tmp_path, sizes, settings, protocol):
    token = new_token("ada", organizations=("lab",))
    with running_hub(tmp_path / "hub", tokens=[token]) as hub:
        said = run_suite(hub, token, tmp_path, sizes, **settings)
        with hub.store.reading() as connection:
            large = connection.execute("SELECT count(*) FROM large_files").fetchone()[0]
        left_by_xet = [*hub.store.root.glob("xet/*/*/xet/xorbs/shards/*.mdb")]
    assert (large > 0) == (protocol is not None)
    assert bool(left_by_xet) == (protocol == "xet")
    assert protocol in (None, said)
    assert verify(tmp_path / "hub").sound


def test_lfs_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "LFS_PART_BYTES", 3_000_001)
    token = new_token("ada", organizations=("lab",))
    with running_hub(tmp_path / "hub", tokens=[token]) as hub:
        assert run_suite(hub, token, tmp_path, LARGE, HF_HUB_DISABLE_XET="1") == "lfs"
        # The folder is made when a part arrives, and emptied when the file is complete.
        assert (hub.store.root / "parts").is_dir()
        assert not [*(hub.store.root / "parts").iterdir()]
    assert verify(tmp_path / "hub").sound
