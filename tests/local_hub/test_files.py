import pytest
from huggingface_hub import hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from palrs_hub.local_hub.blobs import git_hash

CONTENT = bytes(range(256)) * 4


@pytest.fixture
def with_file(put, repo_id):
    put(repo_id, "folder/data.bin", CONTENT)
    return repo_id


def test_a_file_is_downloaded_and_cached_by_its_commit(hub, owner, with_file, tmp_path):
    path = hf_hub_download(with_file, "folder/data.bin", endpoint=hub.url, cache_dir=tmp_path)
    with open(path, "rb") as file:
        assert file.read() == CONTENT
    assert owner.model_info(with_file).sha in path


def test_all_files_are_downloaded(hub, put, with_file, tmp_path):
    put(with_file, "ü ñ%20#?.txt", b"odd name")
    folder = snapshot_download(with_file, endpoint=hub.url, cache_dir=tmp_path)
    with open(f"{folder}/ü ñ%20#?.txt", "rb") as file:
        assert file.read() == b"odd name"


def test_the_headers_of_a_file(wire, owner, with_file):
    answer = wire.head(f"/{with_file}/resolve/main/folder/data.bin")
    assert answer.status_code == 200
    assert answer.headers["etag"] == f'"{git_hash(CONTENT)}"'
    assert answer.headers["x-repo-commit"] == owner.model_info(with_file).sha
    assert answer.headers["content-length"] == str(len(CONTENT))
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.content == b""


@pytest.mark.parametrize(
    ("asked", "told", "part"),
    [
        ("bytes=0-9", "bytes 0-9/1024", CONTENT[:10]),
        ("bytes=1000-", "bytes 1000-1023/1024", CONTENT[1000:]),
        ("bytes=-4", "bytes 1020-1023/1024", CONTENT[-4:]),
        ("bytes=0-100000", "bytes 0-1023/1024", CONTENT),
    ],
)
def test_a_part_of_a_file(wire, with_file, asked, told, part):
    answer = wire.get(f"/{with_file}/resolve/main/folder/data.bin", headers={"range": asked})
    assert answer.status_code == 206
    assert answer.headers["content-range"] == told
    assert answer.content == part


def test_a_part_behind_the_end_is_refused(wire, with_file):
    url = f"/{with_file}/resolve/main/folder/data.bin"
    answer = wire.get(url, headers={"range": "bytes=1024-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == "bytes */1024"


def test_a_file_that_is_known_is_not_sent_again(wire, with_file):
    url = f"/{with_file}/resolve/main/folder/data.bin"
    etag = wire.head(url).headers["etag"]
    assert wire.get(url, headers={"if-none-match": etag}).status_code == 304
    assert wire.get(url, headers={"if-none-match": '"other"'}).status_code == 200


def test_head_is_main(wire, with_file):
    assert wire.head(f"/{with_file}/resolve/HEAD/folder/data.bin").status_code == 200
    assert wire.get(f"/api/models/{with_file}/revision/HEAD").status_code == 200


def test_what_is_not_there_is_told_apart(hub, with_file, tmp_path):
    def download(repo_id, name, revision=None):
        hf_hub_download(repo_id, name, revision=revision, endpoint=hub.url, cache_dir=tmp_path)

    with pytest.raises(EntryNotFoundError):
        download(with_file, "no-such-file")
    with pytest.raises(EntryNotFoundError):
        download(with_file, "folder")
    with pytest.raises(RevisionNotFoundError):
        download(with_file, "folder/data.bin", revision="no-such-branch")
    with pytest.raises(RepositoryNotFoundError):
        download("lab/no-such-repository", "folder/data.bin")
    with pytest.raises(RepositoryNotFoundError):
        download("gpt2", "config.json")


@pytest.mark.parametrize(
    "path",
    ["%2e%2e/%2e%2e/hub.sqlite3", "..%2f..%2fhub.sqlite3", "%2fetc%2fpasswd", "a%00b", "%ff"],
)
def test_no_path_leaves_the_repository(wire, with_file, path):
    assert wire.get(f"/{with_file}/resolve/main/{path}").status_code in (401, 404, 501)


def test_a_revision_may_have_a_slash(owner, put, wire, repo_id):
    owner.create_branch(repo_id, branch="feature/one")
    put(repo_id, "a/b.txt", b"on a branch", revision="feature/one")
    answer = wire.get(f"/{repo_id}/resolve/feature%2Fone/a%2Fb.txt")
    assert answer.content == b"on a branch"


def test_uses_are_counted(owner, hub, put, repo_id, tmp_path):
    put(repo_id, "steering_config.json", b"{}")
    put(repo_id, "other.json", b"{}")
    for name in ("steering_config.json", "other.json"):
        hf_hub_download(repo_id, name, endpoint=hub.url, cache_dir=tmp_path)
    assert owner.model_info(repo_id).downloads == 1


def test_an_empty_file(hub, put, repo_id, tmp_path):
    put(repo_id, "empty", b"")
    path = hf_hub_download(repo_id, "empty", endpoint=hub.url, cache_dir=tmp_path)
    with open(path, "rb") as file:
        assert file.read() == b""
