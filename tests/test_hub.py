"""Push and pull: the real client against an embedded Hub."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import HfApi, ModelCard

from palrs_hub import hub as transfers
from palrs_hub.card import CARD_FILE
from palrs_hub.errors import (
    HubUnreachableError,
    ManifestError,
    NotOnHubError,
    PackageError,
    TensorsError,
    UsageError,
)
from palrs_hub.manifest import MANIFEST_FILE, TENSORS_FILE
from palrs_hub.vector import PACKAGE_FILES, SteeringVector
from tests.tiny_models import build
from tests.vectors import vector_for

pytestmark = pytest.mark.usefixtures("hub")


@pytest.fixture(scope="module")
def vector():
    return vector_for(build("llama"))


@pytest.fixture
def repo_id(request):
    return "lab/" + request.node.name.replace("[", "-").rstrip("]")[:60]


def test_what_was_pushed_is_what_is_pulled(vector, repo_id, tmp_path):
    pushed = vector.push_to_hub(repo_id)
    loaded = SteeringVector.from_pretrained(repo_id, cache_dir=tmp_path)
    assert loaded.manifest == vector.manifest
    assert loaded.source == f"{repo_id}@{pushed.commit}"
    for name, array in vector.arrays.items():
        assert (loaded.arrays[name] == array).all()


def test_only_the_packages_files_are_sent(vector, repo_id, tmp_path):
    folder = vector.save_pretrained(tmp_path / "vector")
    (folder / "secrets.env").write_text("TOKEN=1")
    transfers.push(folder, repo_id)
    sent = set(HfApi().list_repo_files(repo_id)) - {".gitattributes"}  # every new repository's
    assert sent == set(PACKAGE_FILES)


def test_only_the_packages_files_are_fetched(vector, repo_id, tmp_path):
    vector.push_to_hub(repo_id)
    HfApi().upload_file(
        path_or_fileobj=b"#!/bin/sh", path_in_repo=".git-hooks/post-checkout", repo_id=repo_id
    )
    pulled = transfers.pull(repo_id, cache_dir=tmp_path)
    assert {path.name for path in pulled.folder.rglob("*")} == set(PACKAGE_FILES)


def test_a_card_that_was_edited_is_sent_as_it_is(vector, repo_id, tmp_path):
    folder = vector.save_pretrained(tmp_path / "vector")
    card = folder / CARD_FILE
    card.write_text(card.read_text() + "\nA word from the author.\n")
    transfers.push(folder, repo_id)
    assert "A word from the author." in transfers.pull(repo_id, cache_dir=tmp_path).card()


def test_a_generated_card_names_its_repository_and_the_hub_indexes_it(vector, repo_id):
    vector.push_to_hub(repo_id)
    assert f'from_pretrained("{repo_id}")' in ModelCard.load(repo_id).text
    info = HfApi().model_info(repo_id)
    assert info.library_name == "palrs-hub"
    assert "steering-vector" in info.tags


def test_a_pull_is_pinned_whatever_the_branch_does_later(vector, repo_id, tmp_path):
    first = vector.push_to_hub(repo_id).commit
    other = vector_for(build("llama"), seed=9)
    second = other.push_to_hub(repo_id).commit
    assert first != second
    for commit, expected in ((first, vector), (second, other), (None, other)):
        loaded = SteeringVector.from_pretrained(repo_id, revision=commit, cache_dir=tmp_path)
        assert loaded.manifest.tensors == expected.manifest.tensors
    inline = SteeringVector.from_pretrained(f"{repo_id}@{first}", cache_dir=tmp_path)
    assert inline.manifest.tensors == vector.manifest.tensors


def test_branches_tags_and_pull_requests(vector, repo_id, tmp_path):
    main = vector.push_to_hub(repo_id)
    HfApi().create_tag(repo_id, tag="v1.0")
    other = vector_for(build("llama"), seed=9)
    branch = other.push_to_hub(repo_id, revision="stronger")
    request = other.push_to_hub(repo_id, create_pr=True, commit_message="Stronger")
    assert request.pull_request is not None
    commits = {
        revision: transfers.pull(repo_id, revision=revision, cache_dir=tmp_path).commit
        for revision in ("main", "v1.0", "stronger", "refs/pr/1")
    }
    assert commits["main"] == commits["v1.0"] == main.commit
    assert commits["stronger"] == branch.commit
    assert commits["refs/pr/1"] == request.commit


def test_a_pinned_commit_in_the_cache_needs_no_server(vector, repo_id, tmp_path):
    commit = vector.push_to_hub(repo_id).commit
    SteeringVector.from_pretrained(repo_id, cache_dir=tmp_path)
    code = (
        "from palrs_hub import SteeringVector\n"
        f"v = SteeringVector.from_pretrained({repo_id!r}, revision={commit!r},"
        f" cache_dir={str(tmp_path)!r})\n"
        "print(v.source)"
    )
    # Port 9 answers nobody: a single request would fail.
    environment = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == f"{repo_id}@{commit}", done.stderr


def test_the_cache_alone_serves_what_was_pulled(vector, repo_id, tmp_path):
    vector.push_to_hub(repo_id)
    with pytest.raises(HubUnreachableError, match="not in the cache"):
        SteeringVector.from_pretrained(repo_id, cache_dir=tmp_path, local_files_only=True)
    SteeringVector.from_pretrained(repo_id, cache_dir=tmp_path)
    again = SteeringVector.from_pretrained(repo_id, cache_dir=tmp_path, local_files_only=True)
    assert again.manifest == vector.manifest


def test_a_private_repository_is_made_private(vector, repo_id):
    vector.push_to_hub(repo_id, private=True)
    assert HfApi().model_info(repo_id).private


def test_a_repository_that_is_not_there(tmp_path):
    with pytest.raises(NotOnHubError, match="no repository lab/nowhere"):
        SteeringVector.from_pretrained("lab/nowhere", cache_dir=tmp_path)


def test_a_revision_that_is_not_there(vector, repo_id, tmp_path):
    vector.push_to_hub(repo_id)
    with pytest.raises(NotOnHubError, match="no branch, tag or commit 'v9'"):
        SteeringVector.from_pretrained(repo_id, revision="v9", cache_dir=tmp_path)


def test_a_repository_that_holds_something_else(repo_id, tmp_path):
    api = HfApi()
    api.create_repo(repo_id)
    api.upload_file(path_or_fileobj=b"{}", path_in_repo="config.json", repo_id=repo_id)
    with pytest.raises(NotOnHubError, match="holds something else"):
        SteeringVector.from_pretrained(repo_id, cache_dir=tmp_path)


def test_another_tools_manifest_is_told_by_its_content(vector, repo_id, tmp_path):
    vector.push_to_hub(repo_id)
    HfApi().upload_file(
        path_or_fileobj=b'{"layers": [1]}', path_in_repo=MANIFEST_FILE, repo_id=repo_id
    )
    with pytest.raises(ManifestError, match="not a palrs-hub package"):
        SteeringVector.from_pretrained(repo_id, cache_dir=tmp_path)


def test_tensors_that_were_exchanged_on_the_hub_are_refused(vector, repo_id, tmp_path):
    vector.push_to_hub(repo_id)
    other = vector_for(build("llama"), seed=9).save_pretrained(tmp_path / "other")
    HfApi().upload_file(
        path_or_fileobj=other / TENSORS_FILE, path_in_repo=TENSORS_FILE, repo_id=repo_id
    )
    with pytest.raises(TensorsError, match="should have sha256"):
        SteeringVector.from_pretrained(repo_id, cache_dir=tmp_path / "cache")


def test_a_file_that_is_too_large_is_not_downloaded(vector, repo_id, tmp_path):
    vector.push_to_hub(repo_id)
    HfApi().upload_file(
        path_or_fileobj=b" " * (5 * 1024 * 1024), path_in_repo=MANIFEST_FILE, repo_id=repo_id
    )
    with pytest.raises(PackageError, match="at most 4,194,304 are fetched"):
        SteeringVector.from_pretrained(repo_id, cache_dir=tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.stat().st_size > 5_000_000]


def test_a_broken_folder_is_never_sent(vector, repo_id, tmp_path):
    folder = vector.save_pretrained(tmp_path / "vector")
    data = (folder / TENSORS_FILE).read_bytes()
    (folder / TENSORS_FILE).write_bytes(data[:-4])
    with pytest.raises(TensorsError, match="truncated or altered"):
        transfers.push(folder, repo_id)
    assert not HfApi().repo_exists(repo_id)


def test_no_server(vector, tmp_path):
    code = "from palrs_hub import SteeringVector; SteeringVector.from_pretrained('lab/any')"
    environment = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert "HubUnreachableError" in done.stderr.splitlines()[-1], done.stderr


@pytest.mark.parametrize(
    "name", ["", "a/b/c", "../up", "org/na me", "org/name@", "/etc", "-x/y", "org/name\n"]
)
def test_a_name_that_is_none_is_refused_before_anything_is_asked(name):
    with pytest.raises(UsageError, match="org/name"):
        transfers.split_revision(name)


def test_two_different_revisions_are_refused():
    assert transfers.split_revision("org/name@v1", "v1") == ("org/name", "v1")
    with pytest.raises(UsageError, match="Two revisions"):
        transfers.split_revision("org/name@v1", "v2")


def test_the_sha256_of_the_manifest_is_that_of_the_file(vector, tmp_path):
    folder = Path(vector.save_pretrained(tmp_path))
    digest = hashlib.sha256((folder / TENSORS_FILE).read_bytes()).hexdigest()
    assert digest == vector.manifest.tensors.sha256
