import pytest
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, RevisionNotFoundError


def test_branches_are_made_listed_and_deleted(owner, put, repo_id):
    first = put(repo_id, "a", b"a")
    put(repo_id, "b", b"b")
    owner.create_branch(repo_id, branch="old", revision=first.oid)
    owner.create_branch(repo_id, branch="feature/one")
    refs = owner.list_repo_refs(repo_id)
    assert {ref.name: ref.ref for ref in refs.branches} == {
        "feature/one": "refs/heads/feature/one",
        "main": "refs/heads/main",
        "old": "refs/heads/old",
    }
    assert next(ref for ref in refs.branches if ref.name == "old").target_commit == first.oid
    owner.delete_branch(repo_id, branch="feature/one")
    assert len(owner.list_repo_refs(repo_id).branches) == 2


def test_tags_pin_a_revision(owner, put, repo_id):
    first = put(repo_id, "a", b"a")
    owner.create_tag(repo_id, tag="v1", tag_message="the first")
    put(repo_id, "b", b"b")
    assert owner.model_info(repo_id, revision="v1").sha == first.oid
    owner.delete_tag(repo_id, tag="v1")
    with pytest.raises(RevisionNotFoundError):
        owner.model_info(repo_id, revision="v1")


def test_what_is_there_is_not_made_again(owner, repo_id):
    owner.create_branch(repo_id, branch="b")
    owner.create_tag(repo_id, tag="t")
    for make in (owner.create_branch, owner.create_tag):
        name = {"branch": "b"} if make == owner.create_branch else {"tag": "t"}
        with pytest.raises(HfHubHTTPError) as refused:
            make(repo_id, **name)
        assert refused.value.response.status_code == 409
        make(repo_id, **name, exist_ok=True)


def test_refs_that_cannot_be(owner, repo_id):
    with pytest.raises(BadRequestError):
        owner.create_branch(repo_id, branch="refs/pr/5")
    with pytest.raises(BadRequestError):
        owner.create_tag(repo_id, tag="a b")
    with pytest.raises(RevisionNotFoundError):
        owner.create_branch(repo_id, branch="b", revision="no-such-revision")
    with pytest.raises(RevisionNotFoundError):
        owner.delete_branch(repo_id, branch="no-such-branch")
    with pytest.raises(HfHubHTTPError, match="cannot be deleted"):
        owner.delete_branch(repo_id, branch="main")


def test_pull_requests_are_listed_when_asked_for(owner, repo_id):
    owner.create_pull_request(repo_id, title="a change")
    assert owner.list_repo_refs(repo_id).pull_requests is None
    refs = owner.list_repo_refs(repo_id, include_pull_requests=True)
    assert [ref.ref for ref in refs.pull_requests] == ["refs/pr/1"]
