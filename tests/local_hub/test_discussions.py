import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete
from huggingface_hub.errors import BadRequestError, HfHubHTTPError


def propose(api, repo_id, path, content, **options):
    return api.create_commit(
        repo_id,
        [CommitOperationAdd(path, content)],
        commit_message="a proposal",
        commit_description="why",
        create_pr=True,
        **options,
    )


def test_a_commit_opens_a_pull_request(owner, repo_id):
    commit = propose(owner, repo_id, "a.txt", b"new\n")
    assert (commit.pr_num, commit.pr_revision) == (1, "refs/pr/1")
    assert "a.txt" in owner.list_repo_files(repo_id, revision="refs/pr/1")
    assert "a.txt" not in owner.list_repo_files(repo_id)
    shown = owner.get_discussion_details(repo_id, 1)
    assert (shown.title, shown.status, shown.author) == ("a proposal", "open", "ada")
    assert (shown.target_branch, shown.conflicting_files) == ("refs/heads/main", [])
    assert [event.type for event in shown.events] == ["comment", "commit"]
    assert "+new" in shown.diff


def test_a_pull_request_is_merged(owner, put, repo_id):
    put(repo_id, "old.txt", b"old")
    commit = owner.create_commit(
        repo_id,
        [CommitOperationAdd("a.txt", b"a"), CommitOperationDelete("old.txt")],
        commit_message="a proposal",
        create_pr=True,
    )
    put(repo_id, "meanwhile.txt", b"m")
    owner.merge_pull_request(repo_id, commit.pr_num, comment="thanks")
    assert owner.list_repo_files(repo_id) == [".gitattributes", "a.txt", "meanwhile.txt"]
    shown = owner.get_discussion_details(repo_id, commit.pr_num)
    assert shown.status == "merged"
    assert shown.merge_commit_oid == owner.model_info(repo_id).sha
    assert owner.list_repo_commits(repo_id)[0].title == "a proposal (#1)"
    with pytest.raises(BadRequestError, match="only an open one can be merged"):
        owner.merge_pull_request(repo_id, commit.pr_num)


def test_a_pull_request_with_conflicts_is_not_merged(owner, put, repo_id):
    put(repo_id, "a.txt", b"base")
    propose(owner, repo_id, "a.txt", b"theirs")
    before = put(repo_id, "a.txt", b"ours")
    assert owner.get_discussion_details(repo_id, 1).conflicting_files == ["a.txt"]
    with pytest.raises(HfHubHTTPError, match=r"conflicts in: a\.txt"):
        owner.merge_pull_request(repo_id, 1)
    assert owner.model_info(repo_id).sha == before.oid


def test_a_draft_is_opened_before_it_is_merged(owner, put, repo_id):
    draft = owner.create_pull_request(repo_id, title="a draft", description="to come")
    assert draft.status == "draft"
    put(repo_id, "a.txt", b"a", revision=draft.git_reference)
    with pytest.raises(BadRequestError, match="'draft'"):
        owner.merge_pull_request(repo_id, draft.num)
    owner.change_discussion_status(repo_id, draft.num, "open")
    owner.merge_pull_request(repo_id, draft.num)
    assert "a.txt" in owner.list_repo_files(repo_id)


def test_everybody_with_a_writing_token_may_propose(owner, stranger, reader, repo_id):
    commit = propose(stranger, repo_id, "a.txt", b"a")
    stranger.create_commit(
        repo_id,
        [CommitOperationAdd("b.txt", b"b")],
        commit_message="more",
        revision=commit.pr_revision,
    )
    for refused_to in (stranger, reader):
        with pytest.raises(HfHubHTTPError) as refused:
            refused_to.merge_pull_request(repo_id, commit.pr_num)
        assert refused.value.response.status_code == 403
    owner.merge_pull_request(repo_id, commit.pr_num)
    assert {"a.txt", "b.txt"} <= {*owner.list_repo_files(repo_id)}


def test_a_pull_request_is_changed_by_its_author_and_the_owners_only(owner, stranger, repo_id):
    commit = propose(owner, repo_id, "a.txt", b"a")
    with pytest.raises(HfHubHTTPError) as refused:
        stranger.create_commit(
            repo_id,
            [CommitOperationAdd("b.txt", b"b")],
            commit_message="more",
            revision=commit.pr_revision,
        )
    assert refused.value.response.status_code == 403


def test_a_closed_pull_request_takes_no_commits(owner, put, repo_id):
    commit = propose(owner, repo_id, "a.txt", b"a")
    owner.change_discussion_status(repo_id, commit.pr_num, "closed", comment="no")
    with pytest.raises(HfHubHTTPError, match="is closed"):
        put(repo_id, "b.txt", b"b", revision=commit.pr_revision)


def test_a_discussion_is_commented_renamed_and_closed(owner, stranger, repo_id):
    opened = stranger.create_discussion(repo_id, title="a question", description="why?")
    assert not opened.is_pull_request
    assert owner.comment_discussion(repo_id, opened.num, "because").content == "because"
    assert owner.rename_discussion(repo_id, opened.num, "an answer").new_title == "an answer"
    assert owner.change_discussion_status(repo_id, opened.num, "closed").new_status == "closed"
    shown = stranger.get_discussion_details(repo_id, opened.num)
    assert (shown.title, shown.status) == ("an answer", "closed")
    assert [event.type for event in shown.events] == [
        "comment", "comment", "title-change", "status-change",
    ]  # fmt: skip


def test_discussions_are_listed_by_type_status_and_author(owner, stranger, repo_id):
    stranger.create_discussion(repo_id, title="a question")
    owner.create_pull_request(repo_id, title="a draft")
    closed = owner.create_discussion(repo_id, title="settled")
    owner.change_discussion_status(repo_id, closed.num, "closed")

    def numbers(**options):
        return [item.num for item in owner.get_repo_discussions(repo_id, **options)]

    assert numbers() == [3, 2, 1]
    assert numbers(discussion_type="pull_request") == [2]
    assert numbers(discussion_type="discussion") == [3, 1]
    assert numbers(discussion_status="open") == [2, 1]
    assert numbers(discussion_status="closed") == [3]
    assert numbers(author="eve") == [1]


@pytest.mark.parametrize("num", ["99", "x", "9" * 30])
def test_a_discussion_that_is_not_there(wire, repo_id, num):
    assert wire.get(f"/api/models/{repo_id}/discussions/{num}").status_code == 404
