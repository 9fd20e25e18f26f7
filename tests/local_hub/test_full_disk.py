"""A disk that is full: a real one of the database, a feigned one below the contents."""

import errno
import os

import pytest
from huggingface_hub.errors import HfHubHTTPError

from palrs_hub.local_hub import database


@pytest.fixture
def full_database(monkeypatch):
    connect = database.connect

    def small(path):
        connection = connect(path)
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    monkeypatch.setattr(database, "connect", small)


@pytest.fixture
def full_disk(monkeypatch):
    def fsync(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("palrs_hub.local_hub.blobs.os.fsync", fsync)


def commit_until_refused(put, repo_id):
    # The database may still have pages to spare.
    for number in range(200):
        put(repo_id, f"{number}.txt", os.urandom(9).hex().encode())


@pytest.mark.parametrize("full", ["full_database", "full_disk"])
def test_a_full_disk_is_told_and_nothing_is_torn(request, hub, owner, put, repo_id, full):
    request.getfixturevalue(full)
    with pytest.raises(HfHubHTTPError, match="disk is full") as refused:
        commit_until_refused(put, repo_id)
    assert refused.value.response.status_code == 507
    assert "Make room" in refused.value.response.json()["error"]
    request.getfixturevalue("monkeypatch").undo()
    assert not [*hub.store.blobs.incoming.iterdir()]
    files = len(owner.list_repo_files(repo_id))
    assert files == len(owner.list_repo_commits(repo_id))
    put(repo_id, "after.txt", b"there is room again")
    assert len(owner.list_repo_files(repo_id)) == files + 1


def test_other_faults_are_no_full_disk(hub, owner, put, repo_id, monkeypatch):
    def fsync(handle):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("palrs_hub.local_hub.blobs.os.fsync", fsync)
    with pytest.raises(HfHubHTTPError, match="disk of this Hub failed: Input/output error") as told:
        put(repo_id, "a.txt", os.urandom(9))
    assert told.value.response.status_code == 500


def test_the_files_of_a_repository_have_a_limit(owner, put, repo_id, monkeypatch):
    put(repo_id, "a.txt", b"a" * 1000)
    monkeypatch.setattr("palrs_hub.local_hub.limits.REPOSITORY_BYTES", 1500)
    with pytest.raises(HfHubHTTPError, match="over this Hub's limit of 1500 bytes") as refused:
        put(repo_id, "b.txt", b"b" * 1000)
    assert refused.value.response.status_code == 413
    put(repo_id, "a.txt", b"c" * 1001)
