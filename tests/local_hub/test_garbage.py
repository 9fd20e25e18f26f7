import hashlib
import os
import subprocess
import sys
import threading

import pytest
from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_download

from palrs_hub.errors import LocalHubError
from palrs_hub.local_hub import collect_garbage, limits, running_hub, verify
from palrs_hub.local_hub.operations import read_request

DAY = 86_400


@pytest.fixture
def own(tmp_path):
    """A hub of the test's own, for garbage is collected of the whole hub."""
    with running_hub(tmp_path / "hub") as hub:
        yield hub


@pytest.fixture
def api(own):
    made = HfApi(endpoint=own.url, token=False)
    made.create_repo("lab/name")
    return made


def put(api, path, content):
    return api.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id="lab/name")


def grow_old(path, seconds=2 * DAY):
    now = path.stat().st_mtime
    os.utime(path, (now - seconds, now - seconds))


def test_what_commits_refer_to_stays(own, api):
    first = put(api, "a.txt", b"first")
    put(api, "a.txt", b"second")
    api.create_branch("lab/name", branch="b")
    api.delete_branch("lab/name", branch="b")
    collected = collect_garbage(own.store.root, grace_seconds=0)
    assert (collected.contents, collected.content_bytes) == (0, 0)
    assert api.file_exists("lab/name", "a.txt", revision=first.oid)
    assert verify(own.store.root).sound


def test_the_contents_of_a_deleted_repository_go(own, api):
    put(api, "a.txt", b"a" * 100)
    api.create_repo("lab/other")
    api.delete_repo("lab/name")
    assert collect_garbage(own.store.root).contents == 0
    collected = collect_garbage(own.store.root, grace_seconds=0)
    assert (collected.contents, collected.content_bytes) == (1, 100)
    assert verify(own.store.root).sound


def test_a_content_that_waits_for_its_commit_stays_for_a_time(own, api):
    sha256 = own.store.blobs.put_bytes(b"old")
    grow_old(own.store.blobs.path(sha256))
    # To send it again is to ask for time.
    assert own.store.blobs.put_bytes(b"old") == sha256
    assert collect_garbage(own.store.root).contents == 0
    grow_old(own.store.blobs.path(sha256))
    assert collect_garbage(own.store.root).contents == 1


def test_a_commit_whose_content_was_collected_is_refused(own, api, monkeypatch):
    def collect_in_between(body, blobs):
        told = read_request(body, blobs)
        assert collect_garbage(own.store.root, grace_seconds=0).contents == 1
        return told

    monkeypatch.setattr("palrs_hub.local_hub.routes_commit.read_request", collect_in_between)
    with pytest.raises(OSError, match="is gone; commit it again"):
        put(api, "a.txt", b"a")
    monkeypatch.undo()
    put(api, "a.txt", b"a")
    assert verify(own.store.root).sound


def test_a_large_file_without_a_commit_is_asked_for_again(own, api):
    content = os.urandom(1000)
    item = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content)}

    def batch():
        session = pytest.importorskip("httpx2")
        url = f"{own.url}/lab/name.git/info/lfs/objects/batch"
        body = {"operation": "upload", "objects": [item]}
        told = session.post(url, json=body).json()["objects"][0]
        if "actions" in told:
            session.put(told["actions"]["upload"]["href"], content=content)
        return "actions" in told

    assert [batch(), batch()] == [True, False]
    grow_old(own.store.blobs.path(item["oid"]))
    # To ask is to announce a commit: now it must not be collected.
    assert not batch()
    assert collect_garbage(own.store.root).contents == 0
    grow_old(own.store.blobs.path(item["oid"]))
    assert collect_garbage(own.store.root).contents == 1
    assert batch()


def test_commits_go_on_while_garbage_is_collected(own, api):
    done = threading.Event()
    rounds = []

    def collect():
        while not done.is_set():
            rounds.append(collect_garbage(own.store.root, grace_seconds=5))

    thread = threading.Thread(target=collect)
    thread.start()
    try:
        for number in range(40):
            add = [CommitOperationAdd("f.txt", b"%d" % (number % 3))]
            api.create_commit("lab/name", add, commit_message=str(number))
    finally:
        done.set()
        thread.join()
    assert rounds
    assert verify(own.store.root).sound


def test_parts_and_temporary_files_that_were_given_up_go(own):
    part = own.store.root / "parts" / "1-aa" / "1"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"part")
    temporary = own.store.blobs.incoming / "temporary"
    temporary.write_bytes(b"half")
    assert collect_garbage(own.store.root).leftovers == 0
    for path in (part, part.parent, temporary):
        grow_old(path)
    assert collect_garbage(own.store.root).leftovers == 2
    assert not part.exists()
    assert not temporary.exists()


PUSH = """
import sys
from pathlib import Path
from huggingface_hub import HfApi
url, path = sys.argv[1:]
HfApi(endpoint=url, token=False).upload_file(
    path_or_fileobj=path, path_in_repo="model.safetensors", repo_id="lab/name"
)
"""


def push_by_xet(own, path, home):
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    subprocess.run(
        [sys.executable, "-c", PUSH, own.url, str(path)],
        env={**inherited, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"},
        check=True,
        timeout=60,
    )


def test_what_was_left_by_xet_goes_and_the_client_sends_it_again(own, api, tmp_path):
    pytest.importorskip("hf_xet")
    file = tmp_path / "model.safetensors"
    file.write_bytes(os.urandom(limits.REGULAR_FILE_BYTES + 1_000_000))
    push_by_xet(own, file, tmp_path / "home")
    assert collect_garbage(own.store.root).xet_folders == 0
    assert collect_garbage(own.store.root, grace_seconds=0).xet_folders == 1
    # Most of its chunks the client has sent before, to a folder that is no longer there.
    file.write_bytes(file.read_bytes() + b"more")
    push_by_xet(own, file, tmp_path / "home")
    path = hf_hub_download(
        "lab/name", "model.safetensors", endpoint=own.url, cache_dir=tmp_path / "cache"
    )
    with open(path, "rb") as downloaded:
        assert downloaded.read() == file.read_bytes()
    assert verify(own.store.root).sound


def test_what_was_left_for_a_deleted_repository_goes_at_once(own):
    left = own.store.root / "xet" / "77" / "generation"
    left.mkdir(parents=True)
    assert collect_garbage(own.store.root).xet_folders == 1
    assert not left.exists()


def test_a_folder_without_a_hub_is_an_error(tmp_path):
    with pytest.raises(LocalHubError, match="has no database"):
        collect_garbage(tmp_path)
