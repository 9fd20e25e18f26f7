"""What every way of sending files must do alike; run as a program by ``test_transports.py``.

Usage: ``suite.py URL TOKEN FOLDER BYTES...``; prints the protocol that large files went by.
"""

import hashlib
import os
import sys
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants

REPOSITORY = "lab/transports"


def main(url, token, folder, *sizes):
    api = HfApi(endpoint=url, token=token)
    api.create_repo(REPOSITORY, private=True)
    folder = Path(folder)
    contents = [os.urandom(int(size)) for size in sizes]
    first = push_and_pull(api, folder, contents)
    branch_and_tag(api, folder, contents, first)
    propose_and_merge(api, folder, contents)
    send_a_folder(api, folder, contents)
    send_nothing_twice(api, contents)
    take_away(api)
    sys.stdout.write("lfs" if constants.HF_HUB_DISABLE_XET else "xet")


def name(number):
    return f"folder/large-{number}.safetensors"


def pull(api, folder, path, revision=None):
    downloaded = api.hf_hub_download(
        REPOSITORY, path, revision=revision, cache_dir=folder / "cache"
    )
    return Path(downloaded).read_bytes()


def push_and_pull(api, folder, contents):
    """Bytes and files on disk, several at once, the small ones beside the large."""
    on_disk = folder / "on-disk"
    on_disk.write_bytes(contents[0])
    sources = [str(on_disk), *contents[1:]]
    add = [CommitOperationAdd(name(number), source) for number, source in enumerate(sources)]
    add.append(CommitOperationAdd("README.md", b"---\nlicense: mit\n---\n"))
    commit = api.create_commit(REPOSITORY, add, commit_message="push")
    check_all(api, folder, contents)
    for info in api.get_paths_info(REPOSITORY, [name(n) for n in range(len(contents))]):
        content = contents[int(info.path.split("-")[1].split(".")[0])]
        assert info.size == len(content)
        if info.lfs is not None:
            assert info.lfs.sha256 == hashlib.sha256(content).hexdigest()
    return commit.oid


def check_all(api, folder, contents, revision=None):
    for number, content in enumerate(contents):
        assert pull(api, folder, name(number), revision) == content


def branch_and_tag(api, folder, contents, commit):
    api.create_tag(REPOSITORY, tag="v1", revision=commit)
    api.create_branch(REPOSITORY, branch="try/one", revision="v1")
    changed = contents[0][::-1]
    api.upload_file(
        path_or_fileobj=changed, path_in_repo=name(0), repo_id=REPOSITORY, revision="try/one"
    )
    assert pull(api, folder, name(0), "try/one") == changed
    check_all(api, folder, contents, "v1")
    check_all(api, folder, contents)


def propose_and_merge(api, folder, contents):
    proposed = contents[-1] + b"proposed"
    commit = api.upload_file(
        path_or_fileobj=proposed, path_in_repo="proposed.bin", repo_id=REPOSITORY, create_pr=True
    )
    assert not api.file_exists(REPOSITORY, "proposed.bin")
    assert pull(api, folder, "proposed.bin", commit.pr_revision) == proposed
    api.merge_pull_request(REPOSITORY, int(commit.pr_num))
    assert pull(api, folder, "proposed.bin") == proposed
    check_all(api, folder, contents)


def send_a_folder(api, folder, contents):
    source = folder / "source"
    for number, content in enumerate(contents):
        path = source / f"part-{number}.bin"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content + b"folder")
    for create_pr in (False, True):
        api.upload_folder(
            repo_id=REPOSITORY, folder_path=source, path_in_repo="sent", create_pr=create_pr
        )
    snapshot = Path(api.snapshot_download(REPOSITORY, cache_dir=folder / "snapshots"))
    for path in source.iterdir():
        assert (snapshot / "sent" / path.name).read_bytes() == path.read_bytes()


def send_nothing_twice(api, contents):
    before = api.model_info(REPOSITORY).sha
    again = api.upload_file(path_or_fileobj=contents[0], path_in_repo=name(0), repo_id=REPOSITORY)
    assert again.oid == before == api.model_info(REPOSITORY).sha


def take_away(api):
    api.create_commit(REPOSITORY, [CommitOperationDelete("folder/")], commit_message="delete")
    assert not [file for file in api.list_repo_files(REPOSITORY) if file.startswith("folder/")]


if __name__ == "__main__":
    main(*sys.argv[1:])
