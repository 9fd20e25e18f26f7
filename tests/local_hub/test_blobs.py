import hashlib
import io

import pytest

from palrs_hub.local_hub.blobs import Blobs, git_hash, pointer


class BrokenStream(io.BytesIO):
    def read(self, size=-1):
        if self.tell():
            raise OSError("the line went dead")
        return super().read(4)


def files_below(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_content_is_found_under_its_hash(tmp_path):
    blobs = Blobs(tmp_path)
    sha256, size = blobs.put(io.BytesIO(b"hello"))
    assert (sha256, size) == (hashlib.sha256(b"hello").hexdigest(), 5)
    assert blobs.read(sha256) == b"hello"


def test_the_same_content_is_stored_once(tmp_path):
    blobs = Blobs(tmp_path)
    blobs.put(io.BytesIO(b"hello"))
    blobs.put(io.BytesIO(b"hello"))
    assert len(files_below(tmp_path)) == 1


def test_a_content_that_breaks_off_leaves_nothing(tmp_path):
    blobs = Blobs(tmp_path)
    with pytest.raises(OSError, match="went dead"):
        blobs.put(BrokenStream(b"hello world"))
    assert files_below(tmp_path) == []


def test_a_content_other_than_announced_leaves_nothing(tmp_path):
    blobs = Blobs(tmp_path)
    with pytest.raises(ValueError, match="expected"):
        blobs.put(io.BytesIO(b"hello"), expected=("0" * 64, 5))
    assert files_below(tmp_path) == []


def test_hashes_are_those_of_git():
    # What `echo hello | git hash-object --stdin` prints.
    assert git_hash(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_a_pointer_has_the_form_of_git_lfs():
    assert pointer("ab", 12).decode().splitlines() == [
        "version https://git-lfs.github.com/spec/v1",
        "oid sha256:ab",
        "size 12",
    ]
