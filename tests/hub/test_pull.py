"""Pull: one commit, verified, and no request that is not needed."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import HfApi, file_download

from palrs_hub import hub as transfers
from palrs_hub.card import CARD_FILE
from palrs_hub.errors import (
    HubError,
    HubUnreachableError,
    ManifestError,
    NotOnHubError,
    PackageError,
    TensorsError,
    UsageError,
)
from palrs_hub.hub.origin import ORIGIN_FILE
from palrs_hub.manifest import MANIFEST_FILE, PLOT_FILE, TENSORS_FILE
from palrs_hub.package_files import PACKAGE_FILES
from palrs_hub.plots import selection_plot
from palrs_hub.vector import SteeringVector
from tests.builders import a_vector

pytestmark = pytest.mark.usefixtures("hub")


def in_a_process(code, **environment):
    """The client reads its settings when it is imported."""
    return subprocess.run(
        [sys.executable, "-c", f"from palrs_hub import SteeringVector\n{code}"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_was_pushed_is_what_is_pulled(vector, repo_id, tmp_path):
    pushed = vector.push_to_hub(repo_id)
    loaded = SteeringVector.from_pretrained(repo_id, cache_dir=tmp_path)
    assert loaded.manifest == vector.manifest
    assert loaded.source == f"{repo_id}@{pushed.commit}"
    for name, array in vector.arrays.items():
        assert (loaded.arrays[name] == array).all()


def test_only_the_packages_files_are_fetched(vector, repo_id, tmp_path):
    vector.push_to_hub(repo_id)
    HfApi().upload_file(
        path_or_fileobj=b"#!/bin/sh", path_in_repo=".git-hooks/post-checkout", repo_id=repo_id
    )
    pulled = transfers.pull(repo_id, cache_dir=tmp_path)
    assert {path.name for path in pulled.folder.rglob("*")} == set(PACKAGE_FILES)


def test_a_strangers_picture_is_neither_fetched_nor_kept(repo_id, tmp_path):
    vector = a_vector()
    vector.push_to_hub(repo_id)
    hostile = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"
    HfApi().upload_file(path_or_fileobj=hostile, path_in_repo=PLOT_FILE, repo_id=repo_id)
    pulled = transfers.pull(repo_id, cache_dir=tmp_path / "cache")
    assert not (pulled.folder / PLOT_FILE).exists()
    copy = pulled.copy_to(tmp_path / "copy")
    assert (copy / PLOT_FILE).read_text() == selection_plot(vector.manifest)


def test_a_copy_remembers_its_commit(vector, repo_id, tmp_path):
    vector.push_to_hub(repo_id)
    pulled = transfers.pull(repo_id, cache_dir=tmp_path / "cache")
    folder = pulled.copy_to(tmp_path / "copy")
    assert {path.name for path in folder.iterdir()} == {*PACKAGE_FILES, ORIGIN_FILE}
    assert pulled.commit in (folder / ORIGIN_FILE).read_text()


def test_every_kind_of_revision(vector, other, repo_id, tmp_path):
    first = vector.push_to_hub(repo_id, tag="v1.0").commit
    branch = other.push_to_hub(repo_id, revision="stronger").commit
    request = other.push_to_hub(repo_id, create_pr=True).commit
    wanted = {
        None: first,
        "main": first,
        "v1.0": first,
        first: first,
        "stronger": branch,
        "refs/pr/1": request,
    }
    for revision, commit in wanted.items():
        assert transfers.pull(repo_id, revision=revision, cache_dir=tmp_path).commit == commit
        if revision:
            inline = SteeringVector.from_pretrained(f"{repo_id}@{revision}", cache_dir=tmp_path)
            assert inline.source == f"{repo_id}@{commit}"


def test_a_pull_is_pinned_whatever_the_branch_does_later(vector, other, repo_id, tmp_path):
    first = vector.push_to_hub(repo_id).commit
    second = other.push_to_hub(repo_id, force=True).commit
    for commit, expected in ((first, vector), (second, other), (None, other)):
        loaded = SteeringVector.from_pretrained(repo_id, revision=commit, cache_dir=tmp_path)
        assert loaded.manifest.tensors == expected.manifest.tensors


@pytest.mark.parametrize("moment", [MANIFEST_FILE, TENSORS_FILE])
def test_a_branch_that_moves_during_a_pull_does_not_mix_commits(
    vector, other, repo_id, tmp_path, faults, moment
):
    first = vector.push_to_hub(repo_id).commit
    api = HfApi()

    def move():
        folder = other.save_pretrained(tmp_path / "other")
        api.upload_folder(repo_id=repo_id, folder_path=folder)

    faults.add(f"GET .*/resolve/.*{moment}", first=move)
    loaded = SteeringVector.from_pretrained(repo_id, cache_dir=tmp_path / "cache")
    assert loaded.source == f"{repo_id}@{first}"
    assert loaded.manifest == vector.manifest
    assert api.model_info(repo_id).sha != first


def test_a_pinned_commit_in_the_cache_makes_no_request(vector, repo_id, tmp_path, faults):
    commit = vector.push_to_hub(repo_id).commit
    SteeringVector.from_pretrained(repo_id, cache_dir=tmp_path)
    assert faults.asked(f"resolve/.*{MANIFEST_FILE}")
    faults.seen.clear()
    for name, revision in ((repo_id, commit), (f"{repo_id}@{commit}", None)):
        loaded = SteeringVector.from_pretrained(name, revision=revision, cache_dir=tmp_path)
        assert loaded.source == f"{repo_id}@{commit}"
    assert faults.seen == []


def test_nor_does_one_that_has_no_card(vector, repo_id, tmp_path, faults):
    vector.push_to_hub(repo_id)
    commit = HfApi().delete_file(CARD_FILE, repo_id).oid
    assert transfers.pull(f"{repo_id}@{commit}", cache_dir=tmp_path).card() is None
    faults.seen.clear()
    assert transfers.pull(f"{repo_id}@{commit}", cache_dir=tmp_path).card() is None
    assert faults.seen == []


def test_an_unpinned_one_asks_once_for_the_commit(vector, repo_id, tmp_path, faults):
    vector.push_to_hub(repo_id)
    transfers.pull(repo_id, cache_dir=tmp_path)
    faults.seen.clear()
    transfers.pull(repo_id, cache_dir=tmp_path)
    assert [seen.method for seen in faults.seen] == ["GET"]


def test_the_cache_alone_serves_what_was_pulled(vector, repo_id, tmp_path):
    vector.push_to_hub(repo_id)
    with pytest.raises(HubUnreachableError, match="not in the cache"):
        SteeringVector.from_pretrained(repo_id, cache_dir=tmp_path, local_files_only=True)
    SteeringVector.from_pretrained(repo_id, cache_dir=tmp_path)
    again = SteeringVector.from_pretrained(repo_id, cache_dir=tmp_path, local_files_only=True)
    assert again.manifest == vector.manifest


def test_offline_by_the_environment(vector, repo_id, tmp_path):
    commit = vector.push_to_hub(repo_id).commit
    SteeringVector.from_pretrained(repo_id, cache_dir=tmp_path)
    code = f"print(SteeringVector.from_pretrained({repo_id!r}, cache_dir={str(tmp_path)!r}).source)"
    # Port 9 answers nobody.
    offline = {"HF_HUB_OFFLINE": "1", "HF_ENDPOINT": "http://127.0.0.1:9"}
    assert in_a_process(code, **offline).stdout.strip() == f"{repo_id}@{commit}"
    absent = in_a_process("SteeringVector.from_pretrained('lab/absent')", **offline)
    assert "HF_HUB_OFFLINE forbids to ask" in absent.stderr.splitlines()[-1]


def test_no_server(tmp_path):
    code = "SteeringVector.from_pretrained('lab/any')"
    done = in_a_process(code, HF_ENDPOINT="http://127.0.0.1:9", HF_HOME=str(tmp_path))
    last = done.stderr.splitlines()[-1]
    assert "HubUnreachableError" in last, done.stderr
    assert "http://127.0.0.1:9 does not answer" in last


def test_a_revision_that_is_not_there(vector, repo_id, tmp_path):
    vector.push_to_hub(repo_id)
    for revision in ("v9", "refs/pr/9", "f" * 40):
        with pytest.raises(NotOnHubError, match=r"no branch, tag or commit|has no steering_config"):
            SteeringVector.from_pretrained(repo_id, revision=revision, cache_dir=tmp_path)


def test_a_repository_that_holds_something_else(repo_id, tmp_path):
    api = HfApi()
    api.create_repo(repo_id)
    api.upload_file(path_or_fileobj=b"{}", path_in_repo="config.json", repo_id=repo_id)
    with pytest.raises(NotOnHubError, match="holds something else"):
        SteeringVector.from_pretrained(repo_id, cache_dir=tmp_path)


@pytest.mark.parametrize("name", [MANIFEST_FILE, TENSORS_FILE])
def test_a_file_that_is_missing_is_named(vector, repo_id, tmp_path, name):
    vector.push_to_hub(repo_id)
    HfApi().delete_file(name, repo_id)
    with pytest.raises(NotOnHubError, match=f"has no {name} at commit"):
        transfers.pull(repo_id, cache_dir=tmp_path)


def test_another_tools_manifest_is_told_by_its_content(vector, repo_id, tmp_path):
    vector.push_to_hub(repo_id)
    HfApi().upload_file(
        path_or_fileobj=b'{"layers": [1]}', path_in_repo=MANIFEST_FILE, repo_id=repo_id
    )
    with pytest.raises(ManifestError, match="not a palrs-hub package"):
        SteeringVector.from_pretrained(repo_id, cache_dir=tmp_path)


def test_tensors_that_were_exchanged_on_the_hub_are_refused(vector, other, repo_id, tmp_path):
    vector.push_to_hub(repo_id)
    folder = other.save_pretrained(tmp_path / "other")
    HfApi().upload_file(
        path_or_fileobj=folder / TENSORS_FILE, path_in_repo=TENSORS_FILE, repo_id=repo_id
    )
    with pytest.raises(TensorsError, match="should have sha256"):
        SteeringVector.from_pretrained(repo_id, cache_dir=tmp_path / "cache")


def test_a_file_that_is_too_large_is_not_downloaded(vector, repo_id, tmp_path):
    vector.push_to_hub(repo_id)
    HfApi().upload_file(
        path_or_fileobj=b" " * (9 * 1024 * 1024), path_in_repo=MANIFEST_FILE, repo_id=repo_id
    )
    with pytest.raises(PackageError, match="at most 8,388,608 are fetched"):
        SteeringVector.from_pretrained(repo_id, cache_dir=tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.stat().st_size > 5_000_000]


@pytest.mark.parametrize("name", PACKAGE_FILES)
def test_a_damaged_cache_repairs_itself(vector, repo_id, tmp_path, faults, name):
    commit = vector.push_to_hub(repo_id).commit
    pulled = transfers.pull(repo_id, cache_dir=tmp_path)
    sound = (pulled.folder / name).read_bytes()
    (pulled.folder / name).resolve().write_bytes(sound[:-1] + b"?")
    with pytest.raises(PackageError, match=f"The cached {name} .* is damaged"):
        transfers.pull(f"{repo_id}@{commit}", cache_dir=tmp_path, local_files_only=True)
    faults.seen.clear()
    transfers.pull(f"{repo_id}@{commit}", cache_dir=tmp_path)
    assert (pulled.folder / name).read_bytes() == sound
    assert {seen.path.rpartition("/")[2] for seen in faults.seen} == {name}


def test_a_cache_without_links_is_judged_by_the_manifest(vector, repo_id, tmp_path):
    vector.push_to_hub(repo_id)
    pulled = transfers.pull(repo_id, cache_dir=tmp_path)
    for name in PACKAGE_FILES:
        copy = tmp_path / name
        shutil.copyfile(pulled.folder / name, copy)
        os.replace(copy, pulled.folder / name)
    assert transfers.pull(repo_id, cache_dir=tmp_path).folder == pulled.folder
    (pulled.folder / TENSORS_FILE).write_bytes(b"short")
    with pytest.raises(TensorsError, match="truncated or altered"):
        SteeringVector.from_pretrained(repo_id, cache_dir=tmp_path)


def test_a_full_disk_leaves_nothing_behind(vector, repo_id, tmp_path, monkeypatch):
    vector.push_to_hub(repo_id)

    def full(url, file, **_):
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(file_download, "http_get", full)
    with pytest.raises(HubError, match="The disk is full"):
        SteeringVector.from_pretrained(repo_id, cache_dir=tmp_path)
    left = [path for path in tmp_path.rglob("*") if path.is_file() and b"half" in path.read_bytes()]
    assert left == []
    monkeypatch.undo()
    assert SteeringVector.from_pretrained(repo_id, cache_dir=tmp_path).manifest == vector.manifest


def test_a_disk_that_fills_up_keeps_the_older_copy_whole(
    vector, other, repo_id, tmp_path, monkeypatch
):
    folder = vector.save_pretrained(tmp_path / "copy")
    other.push_to_hub(repo_id)
    pulled = transfers.pull(repo_id, cache_dir=tmp_path / "cache")
    synced = []

    def full(handle):
        synced.append(handle)
        if len(synced) % 3 == 0:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for target in (folder, tmp_path / "new"):
        with pytest.raises(PackageError, match="No space left"):
            pulled.copy_to(target)
    assert SteeringVector.load(folder).manifest == vector.manifest
    assert {path.name for path in folder.iterdir()} == set(PACKAGE_FILES)
    assert not (tmp_path / "new").exists()


def test_a_cache_that_cannot_be_written(vector, repo_id, tmp_path, monkeypatch):
    vector.push_to_hub(repo_id)

    def refused(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", "/cache")

    monkeypatch.setattr(file_download, "_create_cachedir_tag", refused)
    with pytest.raises(HubError, match=r"cache cannot be written.*HF_HOME"):
        SteeringVector.from_pretrained(repo_id, cache_dir=tmp_path)


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


def test_the_configuration_of_a_model_needs_no_weights(tmp_path, repo_id, faults):
    api = HfApi()
    api.create_repo(repo_id)
    api.upload_file(
        path_or_fileobj=b'{"model_type": "llama", "hidden_size": 8}',
        path_in_repo="config.json",
        repo_id=repo_id,
    )
    commit = transfers.fetch_config(repo_id).commit
    assert transfers.config_facts(repo_id).hidden_size == 8
    faults.seen.clear()
    assert Path(transfers.fetch_config(f"{repo_id}@{commit}").folder).name == commit
    assert faults.seen == []
