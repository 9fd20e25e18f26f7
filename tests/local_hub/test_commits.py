import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete
from huggingface_hub.errors import (
    BadRequestError,
    EntryNotFoundError,
    HfHubHTTPError,
    RevisionNotFoundError,
)

from palrs_hub.local_hub import commits, limits, refs


def ndjson(*items):
    return "\n".join(json.dumps({"key": key, "value": value}) for key, value in items)


def file_item(path, content=b"x"):
    encoded = base64.b64encode(content).decode()
    return "file", {"path": path, "content": encoded, "encoding": "base64"}


HEADER = ("header", {"summary": "change", "description": ""})


def test_files_are_added_replaced_copied_and_deleted(owner, repo_id):
    add = [CommitOperationAdd(f"{name}", name.encode()) for name in ("a", "b", "folder/c")]
    owner.create_commit(repo_id, add, commit_message="add")
    change = [
        CommitOperationAdd("a", b"changed"),
        CommitOperationCopy("b", "copied"),
        CommitOperationDelete("b"),
        CommitOperationDelete("folder/"),
    ]
    owner.create_commit(repo_id, change, commit_message="change")
    assert owner.list_repo_files(repo_id) == [".gitattributes", "a", "copied"]


def test_an_earlier_commit_still_has_its_files(owner, put, repo_id):
    first = put(repo_id, "a", b"first")
    put(repo_id, "b", b"second")
    assert owner.list_repo_files(repo_id, revision=first.oid) == [".gitattributes", "a"]
    assert owner.list_repo_files(repo_id, revision=first.oid[:8]) == [".gitattributes", "a"]


def test_what_did_not_change_makes_no_commit(owner, put, repo_id):
    first = put(repo_id, "a", b"a")
    assert put(repo_id, "a", b"a").oid == first.oid


def test_a_commit_without_operations_is_made(wire, owner, repo_id):
    answer = wire.post(f"/api/models/{repo_id}/commit/main", content=ndjson(HEADER))
    assert answer.status_code == 200
    assert owner.model_info(repo_id).sha == answer.json()["commitOid"]


def test_the_expected_parent_must_be_the_branchs_head(owner, put, repo_id):
    first = put(repo_id, "a", b"a")
    second = put(repo_id, "b", b"b", parent_commit=first.oid)
    with pytest.raises(HfHubHTTPError) as refused:
        put(repo_id, "c", b"c", parent_commit=first.oid)
    assert refused.value.response.status_code == 412
    put(repo_id, "c", b"c", parent_commit=second.oid[:7])


def test_of_commits_on_the_same_parent_exactly_one_wins(hub, owner, wire, repo_id):
    parent = owner.model_info(repo_id).sha
    count = 8
    together = threading.Barrier(count)

    def race(number):
        header = ("header", {"summary": f"commit {number}", "parentCommit": parent})
        together.wait()
        return wire.post(
            f"/api/models/{repo_id}/commit/main", content=ndjson(header, file_item(f"f{number}"))
        ).status_code

    with ThreadPoolExecutor(count) as pool:
        statuses = sorted(pool.map(race, range(count)))
    assert statuses == [200] + [412] * (count - 1)
    assert len(owner.list_repo_files(repo_id)) == 2
    assert len(owner.list_repo_commits(repo_id)) == 2


def test_commits_without_a_parent_follow_each_other(owner, wire, repo_id):
    def commit(number):
        body = ndjson(HEADER, file_item(f"f{number}"))
        return wire.post(f"/api/models/{repo_id}/commit/main", content=body).status_code

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(commit, range(12))) == {200}
    assert len(owner.list_repo_files(repo_id)) == 13


@pytest.mark.parametrize(
    ("bad", "status"),
    [
        (file_item("../escape"), 400),
        (file_item("/absolute"), 400),
        (file_item(".git/hooks/pre-commit"), 400),
        (file_item("good/inside"), 400),
        (("file", {"path": "x", "content": "%%%", "encoding": "base64"}), 400),
        (("file", {"path": "x", "content": "eA==", "encoding": "rot13"}), 400),
        (("file", {"path": "x"}), 400),
        (("lfsFile", {"path": "x", "algo": "sha256", "oid": "0" * 64, "size": 1}), 400),
        (("lfsFile", {"path": "x", "algo": "md5", "oid": "0" * 64, "size": 1}), 400),
        (("lfsFile", {"path": "x", "oid": "short", "size": 1}), 400),
        (("deletedFile", {"path": "not-there"}), 404),
        (("deletedFolder", {"path": "not-there/"}), 404),
        (("rename", {"path": "x"}), 400),
        (file_item("big", b"x" * (limits.REGULAR_FILE_BYTES + 1)), 413),
        (file_item("n" * 300), 400),
    ],
)
def test_a_commit_with_one_bad_operation_leaves_nothing(wire, owner, repo_id, bad, status):
    before = owner.model_info(repo_id).sha
    body = ndjson(HEADER, file_item("good"), bad)
    answer = wire.post(f"/api/models/{repo_id}/commit/main", content=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]
    assert owner.model_info(repo_id).sha == before
    assert owner.list_repo_files(repo_id) == [".gitattributes"]


@pytest.mark.parametrize(
    "body",
    ["", "not json", "[]", '{"key": "header"}', ndjson(file_item("a")),
     ndjson(("header", {"summary": ""})), ndjson(("header", {"summary": 5})),
     '{"key": "header", "value": {"summary": "\\ud800"}}', "[" * 100_000],
)  # fmt: skip
def test_a_body_that_is_no_commit_is_refused(wire, repo_id, body):
    answer = wire.post(f"/api/models/{repo_id}/commit/main", content=body)
    assert answer.status_code == 400, answer.text


def test_a_failure_inside_the_transaction_leaves_nothing(hub, owner, wire, repo_id, monkeypatch):
    def fail(*arguments, **options):
        raise refs.bad_request("the disk caught fire")

    monkeypatch.setattr(commits.refs, "point", fail)
    body = ndjson(HEADER, file_item("a"))
    assert wire.post(f"/api/models/{repo_id}/commit/main", content=body).status_code == 400
    monkeypatch.undo()
    assert len(owner.list_repo_commits(repo_id)) == 1


def test_a_commit_goes_to_a_branch(owner, put, repo_id):
    owner.create_branch(repo_id, branch="feature/one")
    put(repo_id, "a", b"a", revision="feature/one")
    assert "a" in owner.list_repo_files(repo_id, revision="feature/one")
    assert "a" not in owner.list_repo_files(repo_id)


def test_a_commit_goes_nowhere_else(owner, put, repo_id):
    with pytest.raises(RevisionNotFoundError):
        put(repo_id, "a", b"a", revision="no-such-branch")
    owner.create_tag(repo_id, tag="v1")
    with pytest.raises(BadRequestError, match="not a branch"):
        put(repo_id, "a", b"a", revision="v1")


def test_more_operations_than_the_limit_are_refused(wire, repo_id, monkeypatch):
    monkeypatch.setattr(limits, "OPERATIONS_PER_COMMIT", 3)
    body = ndjson(HEADER, *(file_item(f"f{number}") for number in range(4)))
    answer = wire.post(f"/api/models/{repo_id}/commit/main", content=body)
    assert answer.status_code == 413


def test_the_history_comes_in_pages(owner, put, repo_id, monkeypatch):
    for number in range(4):
        put(repo_id, "a", str(number).encode(), commit_message=f"commit {number}")
    monkeypatch.setattr(limits, "COMMITS_PAGE", 2)
    titles = [commit.title for commit in owner.list_repo_commits(repo_id)]
    assert titles == ["commit 3", "commit 2", "commit 1", "commit 0", "initial commit"]
    assert owner.list_repo_commits(repo_id)[0].authors == ["ada"]


def test_upload_folder_deletes_what_a_pattern_names(owner, repo_id, tmp_path):
    (tmp_path / "kept.txt").write_text("kept")
    owner.upload_folder(repo_id=repo_id, folder_path=tmp_path, path_in_repo="data")
    (tmp_path / "kept.txt").rename(tmp_path / "new.txt")
    owner.upload_folder(
        repo_id=repo_id, folder_path=tmp_path, path_in_repo="data", delete_patterns="*"
    )
    assert owner.list_repo_files(repo_id) == [".gitattributes", "data/new.txt"]


def test_deleting_a_file_that_is_not_there_is_an_error(owner, repo_id):
    with pytest.raises(EntryNotFoundError):
        owner.delete_file("no-such-file", repo_id)
