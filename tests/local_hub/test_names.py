import posixpath
import re

import pytest
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id
from hypothesis import given
from hypothesis import strategies as st

from palrs_hub.local_hub import limits, names
from palrs_hub.local_hub.refusals import Refusal

ID_TEXT = st.text(st.sampled_from("aB0-_./ \\é"), max_size=12)
PATH_TEXT = st.text(st.sampled_from("ab./\\\0\n~é\ud800"), max_size=12) | st.text(max_size=12)


@given(ID_TEXT)
def test_a_repository_id_that_is_accepted_is_one_that_the_client_accepts(text):
    try:
        namespace, name = names.split_repository_id(text)
    except Refusal:
        return
    assert f"{namespace}/{name}" == text
    validate_repo_id(text)


@given(ID_TEXT)
def test_what_the_client_rejects_is_refused(text):
    try:
        validate_repo_id(text)
    except HFValidationError:
        with pytest.raises(Refusal):
            names.split_repository_id(text)


@pytest.mark.parametrize("repository_id", ["lab/name", "a/b", "Lab_1/x.y-z", "lab/_private"])
def test_ordinary_repository_ids_are_accepted(repository_id):
    assert "/".join(names.split_repository_id(repository_id)) == repository_id


@pytest.mark.parametrize(
    "repository_id",
    ["name", "a/b/c", "a/", "/b", "a/..", "a--b/c", "a/b.git", "datasets/x", "API/x", "-a/b",
     "a/b.", "a/" + "b" * 100, "a/b\n", None, 5],
)  # fmt: skip
def test_other_repository_ids_are_refused(repository_id):
    with pytest.raises(Refusal) as refused:
        names.split_repository_id(repository_id)
    assert refused.value.status == 400


@given(PATH_TEXT)
def test_a_path_that_is_accepted_stays_inside_its_folder(text):
    try:
        path = names.check_path(text)
    except Refusal:
        return
    assert path == text
    joined = posixpath.normpath(posixpath.join("/root/folder", path))
    assert joined == f"/root/folder/{path}"
    assert "\\" not in path
    assert not re.search(r"[\x00-\x1f\x7f]", path)
    path.encode("utf-8")


@pytest.mark.parametrize("path", ["a", "a/b.json", ".gitattributes", "a b/ü.txt", "a/...", "~"])
def test_ordinary_paths_are_accepted(path):
    assert names.check_path(path) == path


@pytest.mark.parametrize(
    "path",
    ["", "/a", "a/", "a//b", "..", "../a", "a/../b", "./a", "a\\b", "a\0b", "a\nb", ".git/config",
     "a/.GIT/hooks", "x" * (limits.PATH_PART_BYTES + 1), "a/" * limits.PATH_CHARACTERS, "\ud800",
     None, 5],
)  # fmt: skip
def test_other_paths_are_refused(path):
    with pytest.raises(Refusal) as refused:
        names.check_path(path)
    assert refused.value.status == 400


@pytest.mark.parametrize("name", ["main", "v1.0", "feature/one", "ünï"])
def test_ordinary_branch_names_are_accepted(name):
    assert names.check_revision_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "refs/heads/x", "a..b", "a b", "a~1", "-x", "x.lock", "x/", "/x", "HEAD", "@", "a@{1}",
     "0" * 40, "x" * 500, "a\0", "\ud800", None],
)  # fmt: skip
def test_other_branch_names_are_refused(name):
    with pytest.raises(Refusal):
        names.check_revision_name(name)
