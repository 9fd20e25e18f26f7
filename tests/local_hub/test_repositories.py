import pytest
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_a_repository_is_made_with_a_first_commit(owner, new_id, kind):
    made = owner.create_repo(new_id(), repo_type=kind)
    assert made.repo_type == kind
    assert owner.list_repo_files(made.repo_id, repo_type=kind) == [".gitattributes"]
    assert [c.title for c in owner.list_repo_commits(made.repo_id, repo_type=kind)] == [
        "initial commit"
    ]


def test_types_have_names_of_their_own(owner, repo_id):
    with pytest.raises(RepositoryNotFoundError):
        owner.dataset_info(repo_id)
    owner.create_repo(repo_id, repo_type="dataset")
    owner.create_repo(repo_id, repo_type="space", space_sdk="static")
    assert owner.dataset_info(repo_id).id == owner.space_info(repo_id).id == repo_id


def test_a_name_is_taken_in_whatever_case(owner, repo_id):
    with pytest.raises(HfHubHTTPError, match="already created"):
        owner.create_repo(repo_id)
    assert owner.create_repo(repo_id, exist_ok=True).repo_id == repo_id
    assert owner.create_repo(repo_id.replace("repo", "Repo"), exist_ok=True).repo_id == repo_id


def test_a_deleted_repository_is_gone_and_its_name_free(owner, put, repo_id):
    put(repo_id, "a.txt", b"a")
    owner.create_tag(repo_id, tag="v1")
    owner.create_pull_request(repo_id, title="a change")
    owner.delete_repo(repo_id)
    with pytest.raises(RepositoryNotFoundError):
        owner.model_info(repo_id)
    with pytest.raises(RepositoryNotFoundError):
        owner.delete_repo(repo_id)
    owner.delete_repo(repo_id, missing_ok=True)
    owner.create_repo(repo_id)
    assert owner.list_repo_files(repo_id) == [".gitattributes"]


def test_a_moved_repository_takes_its_history_along(owner, put, repo_id, new_id):
    commit = put(repo_id, "a.txt", b"a")
    target = new_id().replace("lab/", "ada/")
    owner.move_repo(repo_id, target)
    assert owner.model_info(target).sha == commit.oid
    assert [model.id for model in owner.list_models(search=target)] == [target]
    assert not owner.repo_exists(repo_id)


def test_a_repository_is_not_moved_onto_another(owner, repo_id, new_id):
    other = new_id()
    owner.create_repo(other)
    with pytest.raises(HfHubHTTPError) as refused:
        owner.move_repo(repo_id, other)
    assert refused.value.response.status_code == 409


def test_visibility_can_be_changed(owner, anonymous, repo_id):
    owner.update_repo_settings(repo_id, private=True)
    assert not anonymous.repo_exists(repo_id)
    owner.update_repo_settings(repo_id, private=False)
    assert anonymous.repo_exists(repo_id)


@pytest.mark.parametrize(
    "body",
    [{}, {"name": "a b", "organization": "lab"}, {"name": 5}, {"name": "x", "type": "planet"},
     {"name": "x", "organization": "lab", "visibility": "odd"}],
)  # fmt: skip
def test_a_request_that_cannot_be_right_is_refused(wire, body):
    answer = wire.post("/api/repos/create", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_the_description_of_a_model(owner, put, repo_id):
    card = "---\nlibrary_name: palrs-hub\npipeline_tag: text-generation\nlicense: mit\n---\n"
    commit = put(repo_id, "README.md", card.encode())
    info = owner.model_info(repo_id, files_metadata=True)
    assert (info.author, info.sha, info.private, info.gated) == ("lab", commit.oid, False, False)
    assert (info.library_name, info.pipeline_tag) == ("palrs-hub", "text-generation")
    assert info.card_data.license == "mit"
    assert [(file.rfilename, file.size) for file in info.siblings] == [
        (".gitattributes", 50),
        ("README.md", len(card)),
    ]
    assert info.last_modified >= info.created_at


def test_the_description_of_an_earlier_revision_is_by_its_own_card(owner, put, repo_id):
    first = put(repo_id, "README.md", b"---\ntags: [old]\n---\n")
    put(repo_id, "README.md", b"---\ntags: [new]\n---\n")
    assert "new" in owner.model_info(repo_id).tags
    assert "old" in owner.model_info(repo_id, revision=first.oid).tags


def test_only_what_is_expanded_is_told(owner, repo_id):
    info = owner.model_info(repo_id, expand=["sha", "downloads"])
    assert (info.downloads, info.tags) == (0, None)
    assert info.sha


def test_security_status_says_that_nothing_was_scanned(owner, repo_id):
    info = owner.model_info(repo_id, securityStatus=True)
    assert info.security_repo_status == {"scansDone": False, "filesWithIssues": []}


def test_front_matter_is_validated_before_a_commit(owner, put, repo_id, wire):
    with pytest.raises(ValueError, match='"tags" must be a list of strings'):
        put(repo_id, "README.md", b"---\ntags: 5\n---\n")
    told = wire.post("/api/validate-yaml", json={"content": "# none", "repoType": "model"}).json()
    assert told["errors"] == []
    assert told["warnings"]
