"""A Hub that is busy, breaks off, is slow or sends something else."""

import os
import subprocess
import sys

import pytest
from huggingface_hub import HfApi, constants, get_session

from palrs_hub import hub as transfers
from palrs_hub.errors import HubAccessError, HubError, HubUnreachableError
from palrs_hub.hub import client, retries
from palrs_hub.manifest import MANIFEST_FILE, TENSORS_FILE
from palrs_hub.package_files import PACKAGE_FILES
from palrs_hub.vector import SteeringVector

pytestmark = pytest.mark.usefixtures("hub")

ALWAYS = 10**6
BUSY = {"RateLimit": '"api";r=0;t=7', "RateLimit-Policy": '"fixed window";"api";q=500;w=300'}

LOOKS = {
    "the repository": r"GET /api/models/lab/[^/]+$",
    "its refs": r"GET .*/refs",
    "its files": r"GET .*/tree/",
}
CHANGES = {
    "the repository's making": r"POST /api/repos/create",
    "the branch's making": r"POST .*/branch/",
    "the card's check": r"POST /api/validate-yaml",
    "the upload's beginning": r"POST .*/preupload/",
    "the commit": r"POST .*/commit/",
    "the tag": r"POST .*/tag/",
}
LOST_REQUEST, LOST_ANSWER = {"lose_request": True}, {"lose_answer": True}
SILENCE = {"seconds": 1.5}


@pytest.fixture
def impatient(monkeypatch):
    """Half a second of silence is enough."""
    monkeypatch.setattr(client, "LONGEST_SILENCE", 0.5)


def flipped(data):
    return data[:-1] + bytes([data[-1] ^ 1])


def ours(repo_id, revision=None):
    commits = HfApi().list_repo_commits(repo_id, revision=revision)
    return [commit for commit in commits if commit.title.startswith("Upload")]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize("what", LOOKS)
def test_a_push_waits_for_a_busy_hub(vector, repo_id, faults, slept, what, status):
    vector.push_to_hub(repo_id)
    faults.add(LOOKS[what], status=status, times=2)
    assert not vector.push_to_hub(repo_id).changed
    assert slept == [1.0, 2.0]


@pytest.mark.parametrize("how", [{"status": 503}, LOST_REQUEST, LOST_ANSWER, SILENCE], ids=str)
@pytest.mark.parametrize("what", CHANGES)
def test_every_change_is_made_exactly_once(vector, repo_id, faults, impatient, what, how):
    faults.add(CHANGES[what], **how)
    done = vector.push_to_hub(repo_id, revision="draft", tag="v1.0")
    assert [commit.commit_id for commit in ours(repo_id, "draft")] == [done.commit]
    refs = HfApi().list_repo_refs(repo_id)
    assert {ref.name: ref.target_commit for ref in refs.tags} == {"v1.0": done.commit}
    assert SteeringVector.from_pretrained(repo_id, revision="v1.0").manifest == vector.manifest


@pytest.mark.parametrize("how", ["lose_request", "lose_answer"])
def test_a_pull_request_is_opened_exactly_once(vector, other, repo_id, faults, how):
    vector.push_to_hub(repo_id)
    faults.add(CHANGES["the commit"], **{how: True})
    done = other.push_to_hub(repo_id, create_pr=True)
    opened = list(HfApi().get_repo_discussions(repo_id))
    assert [item.num for item in opened] == [1]
    assert done.revision == "refs/pr/1"
    assert transfers.pull(f"{repo_id}@refs/pr/1").commit == done.commit
    assert done.pull_request.endswith(f"{repo_id}/discussions/1")


def test_a_pull_request_needs_no_comment_to_be_open(vector, other, repo_id, faults):
    vector.push_to_hub(repo_id)
    faults.add("POST .*/comment", status=500, times=ALWAYS)
    assert other.push_to_hub(repo_id, create_pr=True).revision == "refs/pr/1"


def test_a_branch_that_moves_while_a_push_is_prepared(vector, other, repo_id, faults, tmp_path):
    vector.push_to_hub(repo_id)
    api = HfApi()

    def move():
        api.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id=repo_id)

    faults.add("POST .*/preupload/", first=move)
    with pytest.raises(HubError, match="got a newer commit while this one was prepared"):
        other.push_to_hub(repo_id, force=True)
    assert len(ours(repo_id)) == 2  # the vector and x.txt, not the other vector
    assert SteeringVector.from_pretrained(repo_id).manifest == vector.manifest


@pytest.mark.parametrize(
    "when", ["the repository's making", "the upload's beginning", "the commit"]
)
def test_the_same_push_of_a_process_that_was_killed_arrives_meanwhile(
    vector, repo_id, faults, when
):
    faults.add(CHANGES[when], first=lambda: vector.push_to_hub(repo_id))
    done = vector.push_to_hub(repo_id)
    assert [commit.commit_id for commit in ours(repo_id)] == [done.commit]


def test_the_wait_is_as_long_as_the_hub_asks(vector, repo_id, faults, slept, tmp_path):
    vector.push_to_hub(repo_id)
    faults.add(LOOKS["the repository"], status=429, headers=BUSY)
    faults.add(LOOKS["the repository"], status=503, headers={"Retry-After": "3"})
    transfers.pull(repo_id, cache_dir=tmp_path)
    assert slept == [8.0, 3.0]


def test_a_wait_that_is_too_long_is_told_instead(vector, repo_id, faults, slept, tmp_path):
    vector.push_to_hub(repo_id)
    headers = {"RateLimit": f'"api";r=0;t={retries.LONGEST_WAIT:.0f}'}
    faults.add(LOOKS["the repository"], status=429, headers=headers, times=ALWAYS)
    with pytest.raises(
        HubUnreachableError, match=r"allows no more requests for now.*Wait 301 seconds"
    ):
        transfers.pull(repo_id, cache_dir=tmp_path)
    assert slept == []


@pytest.mark.parametrize("what", LOOKS)
def test_a_hub_that_never_answers_is_given_up_on(vector, repo_id, faults, impatient, what):
    vector.push_to_hub(repo_id)
    faults.add(LOOKS[what], seconds=1.5, times=ALWAYS)
    with pytest.raises(HubUnreachableError, match=r"does not answer \(ReadTimeout"):
        vector.push_to_hub(repo_id)
    # The user's own calls wait as they did.
    assert client._limit_silence not in get_session().event_hooks["request"]


@pytest.mark.parametrize("how", ["status", "lose_request"])
def test_patience_ends(vector, repo_id, faults, slept, tmp_path, how):
    faults.add(".*", **{how: 503 if how == "status" else True}, times=ALWAYS)
    expected = r"fails \(503" if how == "status" else "does not answer"
    with pytest.raises(HubUnreachableError, match=expected):
        vector.push_to_hub(repo_id)
    assert slept == [*retries.WAITS]
    with pytest.raises(HubUnreachableError, match=expected):
        transfers.pull(repo_id, cache_dir=tmp_path)


def test_a_commit_that_never_arrives_is_not_claimed(vector, repo_id, faults):
    faults.add(CHANGES["the commit"], status=502, times=ALWAYS)
    with pytest.raises(HubUnreachableError, match=r"fails \(502"):
        vector.push_to_hub(repo_id)
    assert ours(repo_id) == []


def test_a_tag_that_cannot_be_put_is_told_with_the_commit(vector, repo_id, faults):
    fault = faults.add(CHANGES["the tag"], status=500, times=ALWAYS)
    with pytest.raises(HubError, match=r"is at .*, commit \w{40}, but without its tag 'v1'"):
        vector.push_to_hub(repo_id, tag="v1")
    fault.times = 0
    assert not vector.push_to_hub(repo_id, tag="v1").changed
    assert len(ours(repo_id)) == 1


@pytest.mark.parametrize("name", PACKAGE_FILES)
@pytest.mark.parametrize("how", ["cut_body", "lose_request", "lose_answer", "change_body"])
def test_a_file_that_arrives_badly_is_fetched_again(vector, repo_id, faults, tmp_path, name, how):
    vector.push_to_hub(repo_id)
    faults.add(f"GET .*/resolve/.*{name}", **{how: flipped if how == "change_body" else True})
    loaded = SteeringVector.from_pretrained(repo_id, cache_dir=tmp_path)
    assert loaded.manifest == vector.manifest
    assert transfers.pull(repo_id, cache_dir=tmp_path, local_files_only=True).card()


@pytest.mark.parametrize("name", PACKAGE_FILES)
def test_wrong_bytes_are_never_kept(vector, repo_id, faults, tmp_path, name):
    vector.push_to_hub(repo_id)
    fault = faults.add(f"GET .*/resolve/.*{name}", change_body=flipped, times=ALWAYS)
    with pytest.raises(HubError, match=f"sent {name} .* twice"):
        transfers.pull(repo_id, cache_dir=tmp_path)
    assert not list(tmp_path.rglob(name))
    fault.times = 0
    assert SteeringVector.from_pretrained(repo_id, cache_dir=tmp_path).manifest == vector.manifest


@pytest.mark.parametrize("name", PACKAGE_FILES)
def test_a_connection_that_always_breaks(vector, repo_id, faults, tmp_path, name):
    vector.push_to_hub(repo_id)
    faults.add(f" .*/resolve/.*{name}", lose_answer=True, times=ALWAYS)
    with pytest.raises(HubUnreachableError, match="does not answer"):
        transfers.pull(repo_id, cache_dir=tmp_path)
    assert not list(tmp_path.rglob(name))


def test_a_slow_body_is_given_up_and_fetched_again(vector, repo_id, faults, tmp_path, monkeypatch):
    vector.push_to_hub(repo_id)
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.2)
    faults.add(f"GET .*/resolve/.*{TENSORS_FILE}", seconds=1.0)
    assert SteeringVector.from_pretrained(repo_id, cache_dir=tmp_path).manifest == vector.manifest


def test_a_hub_that_is_down_leaves_the_cached_commit_in_use(
    vector, repo_id, faults, tmp_path, slept
):
    commit = vector.push_to_hub(repo_id).commit
    transfers.pull(repo_id, cache_dir=tmp_path)
    faults.add(".*", status=503, times=ALWAYS)
    assert SteeringVector.from_pretrained(repo_id, cache_dir=tmp_path).source.endswith(commit)
    assert slept == []


def test_a_repository_that_was_renamed_is_followed(vector, repo_id, faults, tmp_path):
    commit = vector.push_to_hub(f"{repo_id}-new").commit
    headers = {"Location": f"/api/models/{repo_id}-new"}
    faults.add(LOOKS["the repository"], status=307, headers=headers)
    files = {"Location": f"/{repo_id}-new/resolve/{commit}/{MANIFEST_FILE}"}
    faults.add(f" /{repo_id}/resolve/.*{MANIFEST_FILE}", status=307, headers=files, times=ALWAYS)
    with pytest.warns(client.RenamedWarning, match=f"was renamed to {repo_id}-new"):
        assert transfers.fetch_manifest(repo_id, cache_dir=tmp_path).commit == commit


@pytest.mark.filterwarnings("ignore:Use 'content")
@pytest.mark.parametrize("wants", ["POST .*/lfs/objects/batch", "PUT "])
def test_a_large_file_that_cannot_be_sent(vector, repo_id, faults, monkeypatch, wants):
    from palrs_hub.local_hub import limits

    monkeypatch.setattr(limits, "REGULAR_FILE_BYTES", 100)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    fault = faults.add(wants, status=500, times=ALWAYS)
    with pytest.raises(HubUnreachableError, match=r"fails \(500"):
        vector.push_to_hub(repo_id)
    fault.times = 0
    fault = faults.add(wants, status=403, times=ALWAYS)
    with pytest.raises(HubAccessError, match="refused access"):
        vector.push_to_hub(repo_id)
    assert ours(repo_id) == []


def test_a_large_file_that_cannot_be_sent_by_xet(vector, repo_id, faults, monkeypatch):
    from palrs_hub.local_hub import limits

    monkeypatch.setattr(limits, "REGULAR_FILE_BYTES", 100)
    # Not 500: the client's library for large files waits minutes then, and not by time.sleep.
    faults.add("GET .*xet-write-token", status=403, times=ALWAYS)
    with pytest.raises(HubError):
        vector.push_to_hub(repo_id)
    assert ours(repo_id) == []


def test_a_gateways_page_is_waited_for_too(vector, repo_id, faults):
    for wants in ("POST /api/validate-yaml", "GET /api/models/lab/[^/]+$"):
        faults.add(wants, status=502, body=b"<html>")
    assert vector.push_to_hub(repo_id).changed
    faults.add("POST /api/validate-yaml", status=200, body=b"<html>", times=ALWAYS)
    with pytest.raises(HubUnreachableError, match="something that is not JSON"):
        vector.push_to_hub(f"{repo_id}-2")


def test_the_command_line_tells_without_a_traceback(vector, repo_id, hub, tmp_path):
    from tests.hub.faults import proxy

    vector.push_to_hub(repo_id)
    with proxy(hub.url) as faults:
        faults.add(f"GET .*/resolve/.*{TENSORS_FILE}", change_body=flipped, times=ALWAYS)
        words = ["pull", repo_id, "--output", str(tmp_path / "out")]
        environment = {"HF_ENDPOINT": faults.url, "HF_HOME": str(tmp_path / "home")}
        environment["HF_HUB_CACHE"] = str(tmp_path / "home" / "hub")
        done = subprocess.run(
            [sys.executable, "-m", "palrs_hub", *words],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stdout) == (5, "")
    assert "Traceback" not in done.stderr
    assert "Try again later" in done.stderr.replace("\n", " ")
    assert not (tmp_path / "out").exists()
