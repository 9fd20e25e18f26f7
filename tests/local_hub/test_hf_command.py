"""The ``hf`` command line, as a person runs it with ``HF_ENDPOINT`` set."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from palrs_hub.local_hub import limits

HF = Path(sys.executable).with_name("hf")


@pytest.fixture
def hf(hub, owner, tmp_path):
    """Runs ``hf`` and returns what it prints."""
    if not HF.exists():
        pytest.skip(f"needs the hf command beside {sys.executable}")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    settings = {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "home"),
        "HF_TOKEN": owner.token,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }

    def run(*arguments, fails=False):
        done = subprocess.run(
            [HF, *map(str, arguments)],
            env=inherited | settings,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stderr if fails else done.stdout

    return run


@pytest.mark.slow
def test_make_upload_list_and_download(hf, new_id, tmp_path):
    made = new_id()
    hf("repos", "create", made, "--private")
    assert "already created" in hf("repos", "create", made, fails=True)
    folder = tmp_path / "vector"
    folder.mkdir()
    (folder / "README.md").write_text("---\ntags: [hf-command]\n---\n")
    (folder / "large.bin").write_bytes(os.urandom(limits.REGULAR_FILE_BYTES + 1))
    hf("upload", made, folder, ".", "--commit-message", "a folder")
    hf("repos", "tag", "create", made, "v1")
    (tmp_path / "one.txt").write_text("one")
    hf("upload", made, tmp_path / "one.txt", "deep/one.txt")
    hf("download", made, "--local-dir", tmp_path / "now")
    hf("download", made, "--local-dir", tmp_path / "then", "--revision", "v1")
    assert (tmp_path / "now/large.bin").read_bytes() == (folder / "large.bin").read_bytes()
    assert (tmp_path / "now/deep/one.txt").read_text() == "one"
    assert (tmp_path / "then/README.md").exists()
    assert not (tmp_path / "then/deep").exists()
    listed = json.loads(hf("models", "ls", "--filter", "hf-command", "--json"))
    assert [model["id"] for model in listed] == [made]
    files = json.loads(hf("models", "ls", made, "-R", "--json"))
    assert "deep/one.txt" in [file["path"] for file in files]


def test_look_propose_and_delete(hf, owner, repo_id, tmp_path):
    assert json.loads(hf("auth", "whoami", "--json"))["user"] == "ada"
    (tmp_path / "one.txt").write_text("one")
    hf("upload", repo_id, "one.txt", "--create-pr", "--commit-message", "propose one")
    assert "propose one" in hf("discussions", "list", repo_id)
    hf("discussions", "merge", repo_id, "1", "--yes")
    assert (
        json.loads(hf("models", "info", repo_id, "--json"))["sha"] == owner.model_info(repo_id).sha
    )
    assert owner.file_exists(repo_id, "one.txt")
    hf("repos", "delete-files", repo_id, "one.txt")
    assert not owner.file_exists(repo_id, "one.txt")
    hf("repos", "settings", repo_id, "--private")
    hf("repos", "move", repo_id, f"{repo_id}-moved")
    hf("repos", "delete", f"{repo_id}-moved", "--yes")
    assert not owner.repo_exists(repo_id)


def test_what_goes_wrong_is_said(hf, repo_id):
    assert "not found" in hf("download", "lab/never-made", fails=True).lower()
    said = hf("download", repo_id, "--revision", "no-such-tag", fails=True)
    assert "Revision not found" in said
