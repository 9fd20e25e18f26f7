from pathlib import Path

import pytest
from huggingface_hub import hf_hub_download
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


def test_the_old_name_leads_to_the_new_one(hub, owner, put, wire, repo_id, new_id, tmp_path):
    put(repo_id, "folder/a b.txt", b"a")
    target = new_id()
    owner.move_repo(repo_id, target)
    assert owner.model_info(repo_id).id == target
    assert owner.list_repo_files(repo_id) == [".gitattributes", "folder/a b.txt"]
    path = hf_hub_download(repo_id, "folder/a b.txt", endpoint=hub.url, cache_dir=tmp_path)
    assert Path(path).read_bytes() == b"a"
    put(repo_id, "b.txt", b"b")
    assert owner.file_exists(target, "b.txt")
    answer = wire.get(f"/api/models/{repo_id}/tree/main?recursive=true")
    assert answer.status_code == 307
    assert answer.headers["location"] == f"{hub.url}/api/models/{target}/tree/main?recursive=true"
    third = new_id()
    owner.move_repo(target, third)
    assert owner.model_info(repo_id).id == owner.model_info(target).id == third


def test_the_old_name_of_a_private_repository_tells_nothing(owner, stranger, private_id, new_id):
    owner.move_repo(private_id, new_id())
    assert owner.repo_exists(private_id)
    with pytest.raises(RepositoryNotFoundError):
        stranger.model_info(private_id)


def test_the_old_name_can_be_taken(owner, repo_id, new_id):
    target = new_id()
    owner.move_repo(repo_id, target)
    owner.create_repo(repo_id)
    assert owner.model_info(repo_id).id == repo_id
    owner.delete_repo(repo_id)
    assert not owner.repo_exists(repo_id)
    owner.move_repo(target, repo_id)
    assert owner.model_info(target).id == repo_id


def test_to_delete_takes_the_new_name(owner, repo_id, new_id):
    target = new_id()
    owner.move_repo(repo_id, target)
    with pytest.raises(RepositoryNotFoundError, match=f"it is {target} now"):
        owner.delete_repo(repo_id)
    owner.delete_repo(target)
    assert not owner.repo_exists(repo_id)


def test_likes(owner, stranger, reader, wire, repo_id):
    for _ in range(2):
        assert wire.post(f"/api/models/{repo_id}/like").status_code == 200
    assert [user.username for user in stranger.list_repo_likers(repo_id)] == ["ada"]
    assert stranger.model_info(repo_id).likes == 1
    assert repo_id in stranger.list_liked_repos("ada").models
    owner.update_repo_settings(repo_id, private=True)
    assert repo_id not in stranger.list_liked_repos("ada").models
    assert repo_id in owner.list_liked_repos().models
    with pytest.raises(HfHubHTTPError):
        reader.unlike(repo_id)
    owner.unlike(repo_id)
    assert owner.model_info(repo_id).likes == 0
    assert repo_id not in owner.list_liked_repos().models


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
