import os
import sqlite3

import pytest
from huggingface_hub import HfApi

from palrs_hub.errors import LocalHubError
from palrs_hub.local_hub import Store, running_hub, verify
from palrs_hub.local_hub.blobs import git_hash
from palrs_hub.local_hub.store import DATABASE_FILE

README = b"---\ntags: [steering]\n---\n"


@pytest.fixture
def root(tmp_path):
    """A hub folder with two repositories, a tag, a pull request and an upload without a commit."""
    with running_hub(tmp_path / "hub") as hub:
        api = HfApi(endpoint=hub.url, token=False)
        for repo_id in ("lab/one", "lab/two"):
            api.create_repo(repo_id)
            api.upload_file(path_or_fileobj=README, path_in_repo="README.md", repo_id=repo_id)
        api.create_tag("lab/one", tag="v1")
        api.create_pull_request("lab/two", title="a change")
        hub.store.blobs.put_bytes(b"waits for its commit")
    return tmp_path / "hub"


def blob_of(root, content):
    with Store(root) as store:
        return store.blobs.path(store.blobs.put_bytes(content))


def told(root):
    return [f"{defect.subject} {defect.message}" for defect in verify(root).defects]


def test_a_sound_folder(root):
    report = verify(root)
    assert report.sound
    assert (report.repositories, report.commits) == (2, 4)
    assert (report.contents, report.unreferenced) == (3, 1)
    assert report.content_bytes == 50 + len(README) + len(b"waits for its commit")


def test_a_running_hub_is_verified_too(tmp_path):
    with running_hub(tmp_path) as hub:
        HfApi(endpoint=hub.url, token=False).create_repo("lab/name")
        (hub.store.blobs.incoming / "under way").write_bytes(b"half")
        assert verify(tmp_path).sound


def test_an_altered_content_shows(root):
    path = blob_of(root, README)
    path.write_bytes(README.replace(b"steering", b"steerinG"))
    assert [f"content {path.name} is altered" in text for text in told(root)] == [True]


def test_a_content_that_breaks_off_shows_twice(root):
    path = blob_of(root, README)
    path.write_bytes(README[:5])
    altered, short = told(root)
    assert "is altered" in altered
    assert f"has 5 bytes, should have {len(README)}" in short


def test_a_missing_content_shows(root):
    path = blob_of(root, README)
    path.unlink()
    assert told(root) == [f"content {path.name} is missing"]


def test_a_content_that_cannot_be_read_shows(root):
    path = blob_of(root, README)
    path.unlink()
    path.mkdir()
    assert any("cannot be read" in text for text in told(root))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("UPDATE refs SET target = 'x' WHERE ref = 'refs/tags/v1'", "refs/tags/v1 points to"),
        ("DELETE FROM commits WHERE parent IS NULL", "which is missing"),
        ("DELETE FROM tree_entries WHERE path = 'README.md'", "is not what the commits mean"),
        ("UPDATE tree_entries SET path = 'other' WHERE path = 'README.md'", "is not what"),
        ("DELETE FROM refs WHERE ref = 'refs/heads/main'", "lab/one has no main branch"),
    ],
)
def test_a_damaged_database_shows(root, damage, message):
    connection = sqlite3.connect(root / DATABASE_FILE)
    connection.execute(damage)
    connection.commit()
    connection.close()
    assert message in "\n".join(told(root))


def test_a_database_with_overwritten_pages_is_told(root):
    path = root / DATABASE_FILE
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(os.urandom(path.stat().st_size - 3 * 4096))
    with pytest.raises(LocalHubError, match="database"):
        verify(root)


def test_a_folder_without_a_hub_is_an_error_and_stays_as_it_is(tmp_path):
    with pytest.raises(LocalHubError, match="has no database"):
        verify(tmp_path)
    assert not [*tmp_path.iterdir()]


def test_the_hash_of_a_repositorys_file_is_gits(root):
    with Store(root) as store, store.reading() as connection:
        row = connection.execute("SELECT oid FROM tree_entries WHERE path = 'README.md'").fetchone()
    assert row["oid"] == git_hash(README)
