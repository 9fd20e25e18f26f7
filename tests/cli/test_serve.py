"""``palrs-hub serve``: a Hub in a process of its own, verified and cleaned on request."""

import re
import signal
import subprocess
import sys

import pytest
from huggingface_hub import HfApi

from palrs_hub.errors import LocalHubError


@pytest.fixture
def served(tmp_path):
    """A server on a free port with one token: (address, token, its folder, the process)."""
    root = tmp_path / "hub"
    process = subprocess.Popen(
        [
            *(sys.executable, "-u", "-m", "palrs_hub", "serve", "--root", str(root)),
            *("--port", "0", "--token", "alice", "--organization", "alice:lab"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    shown = "".join(process.stdout.readline() for _ in range(3))
    url = re.search(r"http://127\.0\.0\.1:\d+", shown).group()
    token = re.search(r"hf_\w+", shown).group()
    yield url, token, root, process
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 0
    process.stdout.close()


def test_the_real_client_pushes_with_the_token_that_was_shown(served):
    url, token, _, _ = served
    api = HfApi(endpoint=url, token=token)
    assert api.whoami()["name"] == "alice"
    api.create_repo("lab/vector")
    api.upload_file(path_or_fileobj=b"text", path_in_repo="a.txt", repo_id="lab/vector")
    assert HfApi(endpoint=url, token=False).model_info("lab/vector").id == "lab/vector"


def test_a_store_is_verified_and_cleaned(run, served):
    url, token, root, _ = served
    api = HfApi(endpoint=url, token=token)
    api.create_repo("alice/vector")
    api.upload_file(path_or_fileobj=b"text", path_in_repo="a.txt", repo_id="alice/vector")
    sound = run("serve", "--root", root, "--check")
    assert sound.code == 0
    assert "0 defects in 1 repositories" in sound.out
    assert "Removed 0 contents" in run("serve", "--root", root, "--collect-garbage").out
    for blob in (path for path in (root / "blobs").rglob("*") if path.is_file()):
        blob.write_bytes(blob.read_bytes() + b"!")
    broken = run("serve", "--root", root, "--check")
    assert broken.code == LocalHubError.exit_code
    assert "0 defects" not in broken.out


def test_other_addresses_need_tokens(run, tmp_path):
    refused = run("serve", "--root", tmp_path / "hub", "--host", "0.0.0.0", "--port", 0)
    assert refused.code == LocalHubError.exit_code
    assert "at least one token" in refused.err


def test_a_malformed_organisation_is_wrong_usage(run, tmp_path):
    refused = run("serve", "--root", tmp_path / "hub", "--organization", "lab")
    assert refused.code == 2
    assert "USER:ORG" in refused.err
